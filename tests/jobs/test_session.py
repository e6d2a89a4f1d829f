"""What a session is told of its catalog, type by type."""

from __future__ import annotations

import re

import pytest

from airflow_lake_provider.jobs.errors import StepError
from airflow_lake_provider.jobs.session import session_conf
from airflow_lake_provider.protocol import Catalog

CATALOGS = {
    "hive": (
        Catalog("lake", "hive", "s3://lake/warehouse", {"uri": "thrift://metastore:9083", "clients": "4"}),
        {"type": "hive", "warehouse": "s3://lake/warehouse", "uri": "thrift://metastore:9083", "clients": "4"},
    ),
    "rest": (
        Catalog("lake", "rest", "acme", {"uri": "https://catalog.example/api", "scope": "PRINCIPAL_ROLE:ALL"}),
        {"type": "rest", "warehouse": "acme", "uri": "https://catalog.example/api", "scope": "PRINCIPAL_ROLE:ALL"},
    ),
    "rest without a warehouse": (
        Catalog("lake", "rest", "", {"uri": "https://catalog.example/api"}),
        {"type": "rest", "uri": "https://catalog.example/api"},
    ),
    "jdbc": (
        Catalog("lake", "jdbc", "s3://lake/w", {"uri": "jdbc:postgresql://db/lake", "jdbc.user": "me"}),
        {"type": "jdbc", "warehouse": "s3://lake/w", "uri": "jdbc:postgresql://db/lake", "jdbc.user": "me"},
    ),
    "glue": (
        Catalog("lake", "glue", "s3://lake/w", {"glue.id": "123456789012", "io-impl": "x.S3FileIO"}),
        {"type": "glue", "warehouse": "s3://lake/w", "glue.id": "123456789012", "io-impl": "x.S3FileIO"},
    ),
    "another class": (
        Catalog("lake", "rest", "w", {"type": "custom", "catalog-impl": "org.acme.Catalog"}),
        {"type": "custom", "warehouse": "w", "catalog-impl": "org.acme.Catalog"},
    ),
}


@pytest.mark.parametrize(("catalog", "expected"), CATALOGS.values(), ids=CATALOGS.keys())
def test_properties_pass_to_iceberg_as_they_are(catalog: Catalog, expected: dict[str, str]) -> None:
    conf = session_conf(catalog)
    prefix = "spark.sql.catalog.lake."
    own = {key[len(prefix) :]: value for key, value in conf.items() if key.startswith(prefix)}
    assert own == {**expected, "cache.expiration-interval-ms": "-1"}
    assert conf["spark.sql.catalog.lake"] == "org.apache.iceberg.spark.SparkCatalog"
    assert conf["spark.sql.defaultCatalog"] == "lake"
    assert "spark.redaction.regex" not in conf


def test_secrets_come_from_the_environment_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_CREDENTIAL", "id:s3cret")
    catalog = Catalog("lake", "rest", "w", {"uri": "https://c"}, secrets={"credential": "LAKE_CREDENTIAL"})
    conf = session_conf(catalog)
    assert conf["spark.sql.catalog.lake.credential"] == "id:s3cret"


@pytest.mark.parametrize(
    "key",
    ["credential", "adls.auth.shared-key.account.key", "s3.access-key-id", "header.Authorization", "jdbc.password"],
)
def test_sparks_ui_and_event_log_do_not_show_a_secret(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_SECRET", "s3cret")
    pattern = re.compile(
        session_conf(Catalog("lake", "rest", "w", secrets={key: "LAKE_SECRET"}))["spark.redaction.regex"]
    )
    assert pattern.search(f"spark.sql.catalog.lake.{key}")
    assert pattern.search("spark.hadoop.fs.s3a.secret.key"), "what Spark redacts by itself stays redacted"
    assert not pattern.search("spark.sql.catalog.lake.uri")


def test_secret_without_a_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PG_PASSWORD", raising=False)
    monkeypatch.setenv("LAKE_TOKEN", "t")
    secrets = {"jdbc.password": "PG_PASSWORD", "token": "LAKE_TOKEN"}
    with pytest.raises(StepError, match=r"takes jdbc.password, token from the environment .*PG_PASSWORD has no value"):
        session_conf(Catalog("lake", "jdbc", "w", {}, secrets=secrets))
