"""Asset events as Airflow's database has them after a run."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.protocol import Rows, TableReport

pytestmark = pytest.mark.airflow

ORDERS = """\
pipeline: asset_orders
tables:
  bronze.asset_orders:
    ingest: {files: landing/*.csv}
  silver.asset_orders:
    sql: SELECT * FROM bronze.asset_orders
    unique_key: order_id
"""
REPORT = """\
pipeline: asset_report
tables:
  gold.asset_report:
    sql: SELECT count(*) AS orders FROM silver.asset_orders
"""
CONSUMER = """\
from airflow.sdk import DAG, Asset

with DAG(
    "asset_consumer",
    schedule=[Asset("lake.silver.asset_orders", uri="iceberg://lake/silver/asset_orders")],
    is_paused_upon_creation=False,
):
    pass
"""


@pytest.fixture
def dags(dags_folder: Path, load_dags: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    (dags_folder / "orders.yaml").write_text(ORDERS)
    (dags_folder / "report.yaml").write_text(REPORT)
    (dags_folder / "consumer.py").write_text(CONSUMER)
    (dags_folder / "lake_dags.py").write_text(
        "from airflow_lake_provider import load_lake_dags\n\nload_lake_dags(globals())\n"
    )
    return load_dags()


@pytest.fixture
def query(airflow_db: Path) -> Callable[[str], list[Any]]:
    def ask(sql: str) -> list[Any]:
        with sqlite3.connect(airflow_db / "airflow.db") as connection:
            return connection.execute(sql).fetchall()

    return ask


EVENTS = """
SELECT asset.name, asset.uri, asset_event.extra, asset_event.source_task_id
FROM asset_event JOIN asset ON asset.id = asset_event.asset_id
WHERE asset_event.source_run_id = '{run_id}'
ORDER BY asset.name
"""


def test_what_was_published_has_an_event_and_what_did_not_change_has_none(
    dags: dict[str, Any], query: Callable[[str], list[Any]]
) -> None:
    rows = Rows(rows_read=3, rows_applied=3, rows_written=3)
    outcomes = {
        "bronze.asset_orders": TableReport(table="bronze.asset_orders", status="no_op"),
        "silver.asset_orders": TableReport("silver.asset_orders", "published", snapshot_id=2**62, rows=rows),
    }
    with InMemoryEngine.installed(outcomes=outcomes):
        run = dags["asset_orders"].test(logical_date=datetime(2026, 1, 1, tzinfo=UTC))

    assert run.state == "success"
    ((name, uri, extra, task_id),) = query(EVENTS.format(run_id=run.run_id))
    assert (name, uri, task_id) == (
        "lake.silver.asset_orders",
        "iceberg://lake/silver/asset_orders",
        "silver__asset_orders",
    )
    assert f'"snapshot_id": {2**62}' in extra
    assert '"rows_applied": 3' in extra


def test_a_task_may_read_a_table_of_another_pipeline_before_and_after_its_first_publish(
    dags: dict[str, Any], query: Callable[[str], list[Any]]
) -> None:
    with InMemoryEngine.installed():
        before = dags["asset_report"].test(logical_date=datetime(2026, 1, 2, tzinfo=UTC))
        dags["asset_orders"].test(logical_date=datetime(2026, 1, 3, tzinfo=UTC))
        after = dags["asset_report"].test(logical_date=datetime(2026, 1, 4, tzinfo=UTC))

    assert (before.state, after.state) == ("success", "success")
    inlets = query("SELECT asset.name FROM task_inlet_asset_reference r JOIN asset ON asset.id = r.asset_id")
    assert inlets == [("lake.silver.asset_orders",)]


@pytest.mark.parametrize(("status", "queued"), [("no_op", []), ("published", [("asset_consumer",)])])
def test_only_a_publish_queues_the_dag_that_waits_for_the_table(
    status: str, queued: list[Any], dags: dict[str, Any], query: Callable[[str], list[Any]]
) -> None:
    outcomes = {"silver.asset_orders": TableReport("silver.asset_orders", status)}
    assert query("DELETE FROM asset_dag_run_queue") == []
    with InMemoryEngine.installed(outcomes=outcomes):
        dags["asset_orders"].test(logical_date=datetime(2026, 2, 2, tzinfo=UTC))
    assert query("SELECT target_dag_id FROM asset_dag_run_queue") == queued
