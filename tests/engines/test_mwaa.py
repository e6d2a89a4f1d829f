"""MWAA's workers are no place for Spark: what would run it there is refused, what runs it elsewhere is not."""

from __future__ import annotations

import pytest

from airflow_lake_provider.engines import get_engine
from airflow_lake_provider.engines.connection import Connection
from airflow_lake_provider.exceptions import EngineNotAllowed

VERSIONS = ("Amazon_MWAA_2112", "Amazon_MWAA_306", "Amazon_MWAA_321", "Amazon_MWAA_331")


@pytest.fixture(params=VERSIONS)
def mwaa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EXECUTION_ENV", request.param)
    monkeypatch.delenv("LAKE_LOCAL_ON_MWAA", raising=False)


@pytest.mark.usefixtures("mwaa")
def test_local_engine_is_refused_with_the_reason_and_the_way_out() -> None:
    with pytest.raises(EngineNotAllowed) as refused:
        get_engine("local")
    text = str(refused.value)
    assert text.startswith("Engine 'local' runs Spark in the task's own container")
    for word in ("memory", "disk", "autoscaling ends workers", "deploy_mode 'cluster'", "docs/how-to/mwaa.md"):
        assert word in text


@pytest.mark.usefixtures("mwaa")
def test_spark_submit_to_the_own_container_is_refused_too() -> None:
    with pytest.raises(EngineNotAllowed, match=r"Engine 'spark_submit' with the master local\[\*\] runs Spark in"):
        _ = get_engine("spark_submit", {"master": "local[*]"}).spark_conf
    connection = Connection(conn_id="spark_default", conn_type="spark", host="local[2]")
    with pytest.raises(EngineNotAllowed, match=r"the master local\[2\]"):
        _ = get_engine("spark_submit", {"conn_id": "spark_default"}, find_connection=lambda _: connection).spark_conf


@pytest.mark.usefixtures("mwaa")
def test_spark_submit_to_a_cluster_is_not_refused() -> None:
    engine = get_engine("spark_submit", {"master": "yarn", "deploy_mode": "cluster"})
    assert engine.spark_conf["spark.master"] == "yarn"


@pytest.mark.usefixtures("mwaa")
def test_whoever_runs_the_image_on_a_machine_of_his_own_may_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_LOCAL_ON_MWAA", "false")
    with pytest.raises(EngineNotAllowed, match="LAKE_LOCAL_ON_MWAA=true allows it"):
        get_engine("local")
    monkeypatch.setenv("LAKE_LOCAL_ON_MWAA", "true")
    assert get_engine("local").spark_conf["spark.master"] == "local[*]"


@pytest.mark.parametrize("value", [None, "", "AWS_Lambda_python3.12", "AWS_ECS_FARGATE", "Amazon_MWAA"])
def test_other_places_of_amazon_are_not_taken_for_mwaa(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is None:
        monkeypatch.delenv("AWS_EXECUTION_ENV", raising=False)
    else:
        monkeypatch.setenv("AWS_EXECUTION_ENV", value)
    assert get_engine("local").spark_conf["spark.master"] == "local[*]"
