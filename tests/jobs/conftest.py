"""Tests of the data plane run in the data plane's Python; elsewhere this folder holds no tests."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def _has_spark() -> bool:
    # pyspark-client, which Airflow's Spark provider brings, has the same name and no JVM.
    spec = importlib.util.find_spec("pyspark")
    return spec is not None and spec.origin is not None and (Path(spec.origin).parent / "jars").is_dir()


collect_ignore_glob = [] if _has_spark() else ["*"]


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One session for all tests; its catalog ``lake`` is Iceberg's, in a folder of its own."""
    from pyspark.sql import SparkSession

    warehouse = tmp_path_factory.mktemp("warehouse")
    session = (
        SparkSession.builder.master("local[2]")
        .appName("tests")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
        .config("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog")
        .config("spark.sql.catalog.lake.type", "hadoop")
        .config("spark.sql.catalog.lake.warehouse", f"file://{warehouse}")
        .config("spark.sql.defaultCatalog", "lake")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture
def namespace(spark: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return a namespace of this test's own, empty."""
    name = "t" + format(abs(hash(request.node.nodeid)), "x")
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS lake.{name}")
    yield name
    for row in spark.sql(f"SHOW TABLES IN lake.{name}").collect():
        spark.sql(f"DROP TABLE IF EXISTS lake.{name}.`{row.tableName}` PURGE")
    spark.sql(f"DROP NAMESPACE lake.{name}")


@pytest.fixture
def lake(spark: Any, tmp_path: Path) -> Any:
    """Return a lake of this test's own: an embedded catalog in a folder, a session that knows it."""
    from lake_under_test import Lake

    return Lake(spark, tmp_path / "lake")
