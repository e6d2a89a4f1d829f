"""What a connection means: the same as to Airflow and to the apache-spark provider."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.engines.connection import Connection, connection_from_environment
from airflow_lake_provider.engines.spark_target import SparkTarget, over, target_of
from airflow_lake_provider.exceptions import EngineError

URIS = {
    "a standalone cluster": "spark://head:7077",
    "YARN by its name": "spark://yarn?queue=root.etl&deploy-mode=cluster",
    "Kubernetes in a spark connection": "spark://k8s%3A%2F%2Fhttps%3A%2F%2FHead:443/?namespace=etl",
    "Kubernetes by its own type": "k8s://https://Head.example.org:443",
    "local": "spark://local%5B%2A%5D",
    "a password": "spark://user:p%40ss@head:7077",
    "nested extras": "spark://head:7077/?__extra__=%7B%22a%22%3A+%7B%22b%22%3A+1%7D%7D",
}


@pytest.mark.parametrize("uri", URIS.values(), ids=URIS)
def test_a_uri_is_read_as_airflow_reads_it(uri: str) -> None:
    airflow = pytest.importorskip("airflow.sdk.definitions.connection").Connection.from_uri(uri, conn_id="etl")
    found = connection_from_environment("etl", {"AIRFLOW_CONN_ETL": uri})
    assert (found.conn_type, found.host, found.port) == (airflow.conn_type, airflow.host, airflow.port)
    assert found.extra == airflow.extra_dejson


@pytest.mark.parametrize(
    "fields",
    [
        {"conn_type": "spark", "host": "head", "port": "7077", "extra": {"queue": "etl"}},
        {"conn_type": "spark", "host": "yarn", "extra": '{"deploy-mode": "cluster"}'},
        {"conn_type": "spark", "host": "local[*]"},
    ],
    ids=["a mapping as extra", "a text as extra", "no extra"],
)
def test_json_is_read_as_airflow_reads_it(fields: dict[str, Any]) -> None:
    text = json.dumps(fields)
    airflow = pytest.importorskip("airflow.sdk.definitions.connection").Connection.from_json(text, conn_id="etl")
    found = connection_from_environment("etl", {"AIRFLOW_CONN_ETL": text})
    assert (found.conn_type, found.host, found.port) == (airflow.conn_type, airflow.host, airflow.port)
    assert found.extra == airflow.extra_dejson


def test_a_connection_that_is_not_there_names_variable_and_option() -> None:
    with pytest.raises(EngineError) as caught:
        connection_from_environment("etl", {})
    assert str(caught.value) == (
        "There is no connection 'etl': without Airflow it is read from the environment variable AIRFLOW_CONN_ETL "
        "(JSON or a URI), which is not set. Set it, or name the cluster itself with the engine's option 'master'."
    )


@pytest.mark.parametrize("text", ["{secret", "secret", '["secret"]', "spark://user:secret@head:port"])
def test_a_connection_that_cannot_be_read_is_never_shown(text: str) -> None:
    with pytest.raises(EngineError) as caught:
        connection_from_environment("etl", {"AIRFLOW_CONN_ETL": text})
    assert "AIRFLOW_CONN_ETL is no connection" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("connection", "master"),
    [
        (Connection("c", "spark", "yarn"), "yarn"),
        (Connection("c", "spark", "local[*]"), "local[*]"),
        (Connection("c", "spark", "head", 7077), "spark://head:7077"),
        (Connection("c", "spark", "spark://head", 7077), "spark://head:7077"),
        (Connection("c", "spark", "spark://a:7077,b:7077"), "spark://a:7077,b:7077"),
        (Connection("c", "spark", "k8s://https://10.0.0.1", 443), "k8s://https://10.0.0.1:443"),
        (Connection("c", "k8s", "https://10.0.0.1", 443), "k8s://https://10.0.0.1:443"),
        (Connection("c", "yarn", ""), "yarn"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_host_and_port_make_the_master(connection: Connection, master: str, tmp_path: Path) -> None:
    assert target_of(connection, keytabs=tmp_path).master == master


def test_the_extra_s_fields_mean_what_they_mean_to_the_provider(tmp_path: Path) -> None:
    keytab = base64.encodebytes(b"\x05\x02" + b"k" * 90).decode()
    extra = {
        "queue": "etl", "deploy-mode": "cluster", "spark-binary": "spark3-submit", "namespace": "lake",
        "principal": "lake@EXAMPLE", "keytab": keytab, "yarn_resourcemanager_webapp_address": "rm:8088/",
        "rest-scheme": "https", "rest-port": "6066",
    }  # fmt: skip
    target = target_of(Connection("c", "spark", "yarn", extra=extra), keytabs=tmp_path / "keytabs")
    assert target == SparkTarget(
        master="yarn",
        deploy_mode="cluster",
        spark_binary="spark3-submit",
        queue="etl",
        namespace="lake",
        principal="lake@EXAMPLE",
        keytab=target.keytab,
        resource_manager="http://rm:8088",
    )
    assert target.keytab is not None
    written = Path(target.keytab)
    assert written.read_bytes() == b"\x05\x02" + b"k" * 90
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert stat.S_IMODE(written.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            {"spark-binary": "/opt/evil"},
            "Connection 'c': `spark-binary` is '/opt/evil'; expected one of spark-submit, spark2-submit, spark3-submit",
        ),
        ({"spark-home": "/opt/spark"}, "Connection 'c': `spark-home` is not allowed any more"),
        ({"keytab": "~~~"}, "Connection 'c': `keytab` is no Base64"),
    ],
    ids=["a program of any name", "spark-home", "a keytab that is none"],
)
def test_what_the_provider_refuses_is_refused(extra: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        target_of(Connection("c", "spark", "yarn", extra=extra), keytabs=tmp_path)
    assert str(caught.value).startswith(message)


def test_a_connection_without_a_host_names_no_cluster(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="Connection 'c' has no host; expected the master there"):
        target_of(Connection("c", "spark"), keytabs=tmp_path)


def test_the_engine_s_own_options_win() -> None:
    target = SparkTarget(master="yarn", deploy_mode="cluster", queue="etl")
    assert over(target, deploy_mode="client", queue=None) == SparkTarget(master="yarn", queue="etl")
