"""Catalogs with a server: what a job writes, PyIceberg reads with what ``lake catalog`` prints."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from postgresql import free_port, postgresql

from airflow_lake_provider.cli.catalog import pyiceberg_properties
from airflow_lake_provider.cli.tables import table_entries
from airflow_lake_provider.plan import plan_pipeline
from airflow_lake_provider.protocol import Catalog
from airflow_lake_provider.runs import run_pipeline

if TYPE_CHECKING:
    from pyiceberg.table import Table

pytestmark = pytest.mark.spark

PASSWORD = "pass:word/@ of this test"
DRIVER = "org.postgresql:postgresql:42.7.8"
SPEC = """\
pipeline: shop
tables:
  bronze.orders:
    ingest: {files: "landing/*.csv", options: {header: true}}
  silver.orders:
    sql: SELECT id, cast(amount AS int) AS amount FROM bronze.orders
    unique_key: id
"""
PUBLISHED = [("bronze.orders", "published", 2), ("silver.orders", "published", 2)]
# Two rows need no four tasks, and a JVM of seconds no second compiler.
QUICK = {"spark.sql.shuffle.partitions": "1", "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1"}
CHECKS = "    checks: [row_count same as bronze.orders]\n"
# The Iceberg project's own server for tests of REST clients, and what it needs to run.
REST_SERVER = """\
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tests</groupId><artifactId>rest-server</artifactId><version>1</version><dependencies>{}</dependencies>
</project>
"""
REST_JARS = (
    "org.apache.iceberg:iceberg-core:1.10.1",
    "org.apache.iceberg:iceberg-core:1.10.1:tests",
    "org.apache.iceberg:iceberg-open-api:1.10.1:test-fixtures",
    "org.eclipse.jetty:jetty-servlet:11.0.26",
    "org.xerial:sqlite-jdbc:3.50.3.0",
    "org.apache.hadoop:hadoop-client-runtime:3.4.1",
    "org.slf4j:slf4j-simple:2.0.17",
)


def maven(*arguments: str) -> None:
    if shutil.which("mvn") is None:
        pytest.skip("needs Maven for the server's jars")
    done = subprocess.run(["mvn", "-q", "-B", *arguments], capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        pytest.skip(f"Maven cannot fetch the jars: {done.stdout[-300:]}")


@pytest.fixture(scope="module")
def jdbc_uri() -> Iterator[str]:
    """The JDBC URI of a database of this module's own, whose user ``lake`` has a password."""
    with postgresql(user="lake", password=PASSWORD) as server:
        yield f"jdbc:postgresql://127.0.0.1:{server.port}/postgres?ApplicationName=lake"


@pytest.fixture(scope="module")
def postgresql_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The jar of PostgreSQL's JDBC driver."""
    folder = tmp_path_factory.mktemp("driver")
    maven("dependency:copy", f"-Dartifact={DRIVER}", f"-DoutputDirectory={folder}")
    (jar,) = folder.glob("*.jar")
    return jar


@pytest.fixture(scope="module")
def rest_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a REST catalog that keeps its tables below a folder of its own."""
    folder = tmp_path_factory.mktemp("rest")
    dependencies = ""
    for jar in REST_JARS:
        names = ("groupId", "artifactId", "version", "classifier")
        words = "".join(f"<{name}>{word}</{name}>" for name, word in zip(names, jar.split(":"), strict=False))
        dependencies += f"<dependency>{words}</dependency>"
    (folder / "pom.xml").write_text(REST_SERVER.format(dependencies))
    maven("-f", str(folder / "pom.xml"), "dependency:build-classpath", f"-Dmdep.outputFile={folder / 'classpath'}")
    uri = f"http://127.0.0.1:{free_port()}"
    environment = {
        **os.environ,
        "CATALOG_CATALOG__IMPL": "org.apache.iceberg.jdbc.JdbcCatalog",
        "CATALOG_URI": f"jdbc:sqlite:{folder}/catalog.db",
        "CATALOG_JDBC_SCHEMA__VERSION": "V1",
        "CATALOG_WAREHOUSE": f"file://{folder}/warehouse",
        "CATALOG_REST_PORT": uri.rpartition(":")[2],
    }
    command = [
        "java",
        "-Xmx256m",
        "-cp",
        (folder / "classpath").read_text(),
        "org.apache.iceberg.rest.RESTCatalogServer",
    ]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(120):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{uri}/v1/config", timeout=5):
                break
            assert server.poll() is None, (folder / "log").read_text()[-2000:]
            time.sleep(0.5)
        yield uri
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def spec(tmp_path: Path, spark_python: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small pipeline with its files."""
    monkeypatch.setenv("LAKE_SPARK_PYTHON", spark_python)
    monkeypatch.delenv("LAKE_HOME", raising=False)
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "1.csv").write_text("id,amount\n1,10\n2,20\n")
    (tmp_path / "lake.yaml").write_text("environments: {local: {}}\n")
    (tmp_path / "shop.yaml").write_text(SPEC)
    return tmp_path / "shop.yaml"


def run(spec: Path, catalog: Catalog, *, tables: Sequence[str] = (), **spark_conf: str) -> list[tuple[str, str, int]]:
    plan = plan_pipeline(spec)
    environment = replace(plan.environment, catalog=catalog, spark_conf={**QUICK, **spark_conf})
    log = logging.getLogger(__name__)
    document = run_pipeline(replace(plan, environment=environment), log=log, tables=tables)
    assert document["status"] == "success", document
    return [(entry["table"], entry["status"], entry["rows_read"]) for entry in document["tables"]]


def is_read(catalog: Catalog) -> Table:
    """See the tables as ``lake tables`` and PyIceberg do, with what ``lake catalog`` prints; return the merged one."""
    from pyiceberg.catalog import load_catalog

    rows = {entry["table"]: entry["rows"] for entry in table_entries(catalog)}
    assert (rows["bronze.orders"], rows["silver.orders"]) == (2, 2)
    assert "dev_bronze.orders" not in rows
    opened = load_catalog(catalog.name, **json.loads(json.dumps(pyiceberg_properties(catalog))))
    table = opened.load_table(catalog.namespace("silver") + ".orders")
    assert table.scan().to_arrow().sort_by("id").to_pydict() == {"id": ["1", "2"], "amount": [10, 20]}
    return table


def test_jdbc_catalog_in_postgresql(
    spec: Path, jdbc_uri: str, postgresql_driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg2")
    monkeypatch.setenv("LAKE_DB_PASSWORD", PASSWORD)
    spec.write_text(SPEC + CHECKS)
    catalog = Catalog(
        name="lake",
        type="jdbc",
        warehouse=f"file://{spec.parent}/warehouse",
        properties={"uri": jdbc_uri, "jdbc.user": "lake"},
        namespace_prefix="dev_",
        secrets={"jdbc.password": "LAKE_DB_PASSWORD"},
    )
    monkeypatch.setenv("PGPASSWORD", PASSWORD)  # where PostgreSQL's client takes it from
    assert run(spec, catalog, **{"spark.driver.extraClassPath": str(postgresql_driver)}) == PUBLISHED
    assert is_read(catalog).name() == ("dev_silver", "orders")
    written = [path for path in spec.parent.rglob("*") if path.is_file()]
    assert any(path.name == "request.json" for path in written)
    assert [path for path in written if PASSWORD.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("names_warehouse", [True, False], ids=["with a warehouse", "without"])
def test_rest_catalog(spec: Path, rest_server: str, names_warehouse: bool) -> None:
    prefix = "with_" if names_warehouse else ""
    catalog = Catalog(
        name="lake",
        type="rest",
        warehouse=f"file://{spec.parent}/warehouse" if names_warehouse else "",
        properties={"uri": rest_server},
        namespace_prefix=prefix,
    )
    assert run(spec, catalog) == PUBLISHED
    table = is_read(catalog)
    # The server says where tables lie; the ledger lies in the warehouse, or beside the table.
    root = Path(catalog.warehouse.removeprefix("file://")) if names_warehouse else Path(table.location()[7:]).parent
    assert (root / "_lake_ledger" / f"{prefix}silver.orders").is_dir()
    if names_warehouse:
        return
    # The ledger is found again without a warehouse too: one new file is read, not two.
    (spec.parent / "landing" / "2.csv").write_text("id,amount\n3,30\n4,40\n5,50\n")
    assert run(spec, catalog, tables=["bronze.orders"]) == [("bronze.orders", "published", 3)]
