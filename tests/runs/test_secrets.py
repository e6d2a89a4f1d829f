"""No secret gets into a job folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.protocol import Catalog
from airflow_lake_provider.spec import Environment

RunTask = Callable[..., Any]


def with_catalog(environment: Environment, **properties: str) -> Environment:
    catalog = Catalog("lake", "jdbc", environment.catalog.warehouse, properties)
    return replace(environment, catalog=catalog)


@pytest.mark.parametrize(
    "properties",
    [
        {"uri": "jdbc:postgresql://db/lake", "jdbc.user": "me", "jdbc.password": "s3cret"},
        {"uri": "jdbc:postgresql://db/lake?user=me&password=s3cret"},
    ],
    ids=["as a property", "in the URI"],
)
def test_secret_in_clear_is_refused_before_anything_is_written(
    run_task: RunTask, environment: Environment, properties: dict[str, str]
) -> None:
    engine = InMemoryEngine()
    with pytest.raises(SpecError) as caught:
        run_task(engine, environment=with_catalog(environment, **properties))
    message = str(caught.value)
    assert "${env.NAME}" in message
    assert "spark-defaults.conf" in message
    assert "s3cret" not in message
    assert not engine.requests
    assert not environment.lake_home.exists()


@pytest.mark.parametrize("whose", ["the job's", "the engine's"])
def test_secret_in_spark_conf_is_refused_before_anything_is_written(
    run_task: RunTask, environment: Environment, whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = {"spark.hadoop.fs.s3a.secret.key": "s3cret"}
    engine = InMemoryEngine()
    if whose == "the engine's":
        monkeypatch.setattr(InMemoryEngine, "spark_conf", conf)
    with pytest.raises(SpecError) as caught:
        run_task(engine, spark_conf=conf if whose == "the job's" else {})
    message = str(caught.value)
    assert message.startswith("spark_conf holds a secret in clear, in spark.hadoop.fs.s3a.secret.key")
    assert "AWS_SECRET_ACCESS_KEY" in message
    assert "s3cret" not in message
    assert not engine.requests
    assert not environment.lake_home.exists()


def test_name_of_a_secret_that_kubernetes_keeps_is_none(run_task: RunTask) -> None:
    engine = InMemoryEngine()
    conf = {"spark.kubernetes.driver.secretKeyRef.DB_PASSWORD": "lake:password"}
    run_task(engine, spark_conf=conf)
    assert conf.items() <= engine.requests[0].spark_conf.items()


def test_name_of_a_variable_travels_and_its_value_does_not(
    run_task: RunTask, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_PASSWORD", "s3cret")
    catalog = replace(environment.catalog, secrets={"jdbc.password": "PG_PASSWORD"})
    engine = InMemoryEngine()
    run_task(engine, environment=replace(environment, catalog=catalog))
    assert engine.requests[0].catalog.secrets == {"jdbc.password": "PG_PASSWORD"}
    written = [path for path in environment.lake_home.rglob("*") if path.is_file()]
    assert any(path.name == "request.json" for path in written)
    assert not [path for path in written if b"s3cret" in path.read_bytes()]
