"""Two environments in one catalog, told apart by their prefix alone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.cli.catalog import pyiceberg_properties
from airflow_lake_provider.cli.tables import table_entries
from airflow_lake_provider.plan import plan_pipeline
from airflow_lake_provider.runs import run_pipeline

SPEC = """\
pipeline: flights
tables:
  bronze.flights:
    ingest: {files: "landing/*.csv", options: {header: true}}
  silver.flights:
    sql: |
      WITH numbered AS (  -- silver.flights is not read here
        SELECT bronze.flights.id, `bronze`.flights.carrier, cast(f.delay AS int) AS delay
        FROM bronze.flights JOIN lake.bronze.flights f ON f.id = bronze.flights.id)
      SELECT *, 'bronze.flights' AS made_from FROM numbered
    columns:
      id: string not null
      carrier: string
      delay: {type: int, rule: delay >= 0}
      made_from: string
    unique_key: id
    quarantine: {max: 50%}
    checks:
      - values in (id) must exist in bronze.flights (id)
      - row_count same as bronze.flights: {on_fail: warn}
      - failed rows:
          name: silver.flights has no strangers
          fail query: SELECT s.* FROM silver.flights s LEFT ANTI JOIN bronze.flights b ON s.id = b.id
      - failed rows:
          fail condition: silver.flights.id IN (SELECT bronze.flights.id FROM bronze.flights WHERE carrier = 'XX')
      - known = 0:
          known query: SELECT count(*) FROM silver.flights WHERE silver.flights.id = 'nobody'
          on_fail: warn
  gold.carriers:
    sql: |
      SELECT silver.flights.carrier, count(*) AS flights, (SELECT count(*) FROM silver.flights.snapshots) AS snapshots
      FROM silver.flights
      WHERE EXISTS (SELECT 1 FROM bronze.flights silver WHERE silver.id = flights.id)
      GROUP BY silver.flights.carrier
"""
LOGICAL = ["bronze.flights", "gold.carriers", "silver.flights", "silver.flights__quarantine"]


LAKE = """\
environments:
  local: {}
  dev: {namespace_prefix: dev_}
"""


def run(spec: Path, environment: str) -> dict[str, Any]:
    return run_pipeline(plan_pipeline(spec, environment=environment), log=logging.getLogger(__name__))


def told(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a run says of its tables, less what is never the same twice."""
    return [
        {key: value for key, value in entry.items() if key not in ("snapshot_id", "seconds", "report_uri")}
        for entry in document["tables"]
    ]


@pytest.mark.spark
def test_two_prefixes_are_two_sets_of_tables_under_the_same_names(
    tmp_path: Path, spark_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyiceberg.catalog import load_catalog

    monkeypatch.setenv("LAKE_SPARK_PYTHON", spark_python)
    monkeypatch.delenv("LAKE_HOME", raising=False)
    (tmp_path / "lake.yaml").write_text(LAKE)
    spec = tmp_path / "flights.yaml"
    spec.write_text(SPEC)
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "1.csv").write_text("id,carrier,delay\n1,AA,5\n2,UA,7\n3,AA,-1\n")

    development = run(spec, "dev")
    assert [(entry["table"], entry["status"]) for entry in development["tables"]] == [
        ("bronze.flights", "published"),
        ("silver.flights", "published"),
        ("gold.carriers", "published"),
    ], development
    silver = development["tables"][1]
    assert (silver["rows_read"], silver["rows_applied"], silver["rows_quarantined"]) == (3, 2, 1)
    assert silver["checks"] == [
        {"check": "values in (id) must exist in bronze.flights (id)", "outcome": "pass", "value": 0},
        {"check": "row_count same as bronze.flights", "outcome": "warn", "value": -1},
        {"check": "failed rows", "outcome": "pass", "value": 0},
        {"check": "failed rows", "outcome": "pass", "value": 0},
        {"check": "known = 0", "outcome": "pass", "value": 0},
    ]

    # Without a prefix nothing is there yet, so the same run does the same again, in tables of its own.
    assert told(run(spec, "local")) == told(development)
    assert "dev_" not in str([entry | {"report_uri": ""} for entry in development["tables"]])

    catalog = plan_pipeline(spec).environment.catalog
    opened = load_catalog(catalog.name, **pyiceberg_properties(catalog))
    assert sorted(namespace for (namespace,) in opened.list_namespaces()) == [
        "bronze", "dev_bronze", "dev_gold", "dev_silver", "gold", "silver",
    ]  # fmt: skip
    (landing / "2.csv").write_text("id,carrier,delay\n4,DL,0\n")
    assert run(spec, "dev")["status"] == "success"
    ids = {
        name: opened.load_table(name).scan().to_arrow()["id"].to_pylist()
        for name in ("silver.flights", "dev_silver.flights")
    }
    assert {name: sorted(found) for name, found in ids.items()} == {
        "silver.flights": ["1", "2"],
        "dev_silver.flights": ["1", "2", "4"],
    }
    carriers = opened.load_table("dev_gold.carriers").scan().to_arrow().to_pylist()
    assert {row["carrier"]: row["flights"] for row in carriers} == {"AA": 1, "UA": 1, "DL": 1}
    for name in ("silver.flights__quarantine", "dev_silver.flights__quarantine"):
        assert opened.load_table(name).scan().to_arrow().num_rows == 1

    prefixed = table_entries(plan_pipeline(spec, environment="dev").environment.catalog)
    assert [entry["table"] for entry in prefixed] == LOGICAL
    assert all("/dev_" in entry["location"] for entry in prefixed)
    ledgers = {path.name for path in (tmp_path / ".lake" / "warehouse" / "_lake_ledger").iterdir()}
    written = {"bronze.flights", "silver.flights", "gold.carriers"}
    assert ledgers == written | {f"dev_{name}" for name in written}


@pytest.mark.spark
def test_what_fails_is_told_by_the_names_that_people_wrote(
    tmp_path: Path, spark_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_SPARK_PYTHON", spark_python)
    monkeypatch.delenv("LAKE_HOME", raising=False)
    (tmp_path / "lake.yaml").write_text(LAKE)
    spec = tmp_path / "flights.yaml"
    spec.write_text(
        "pipeline: p\nexternal: [silver.gone]\ntables:\n"
        "  gold.a:\n    sql: SELECT 1 AS id\n    checks:\n"
        "      - failed rows: {fail query: SELECT * FROM gold.a WHERE id = 1}\n"
        "  gold.b: {sql: SELECT * FROM silver.gone}\n"
    )
    first, second = run(spec, "dev")["tables"]
    assert first["error"]["message"].startswith("1 of 1 check failed on gold.a: failed rows (was 1)\n")
    assert "fail query SELECT * FROM gold.a WHERE id = 1" in first["error"]["message"]
    assert second["error"]["message"].startswith(
        "gold.b reads silver.gone, which does not exist in catalog 'lake' as dev_silver.gone. Run the pipeline that"
    )
