"""How users test their own DAGs: no Java, no Spark, no data. Airflow runs, the engine keeps what was asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.protocol import CheckResult, TableReport

pytestmark = pytest.mark.airflow

SPEC = """\
pipeline: shop
schedule: "@daily"
start_date: 2026-01-01
tables:
  bronze.orders:
    ingest: {files: "landing/{{ data_interval_start | ds }}.csv", options: {header: true}}
  silver.orders:
    sql: SELECT * FROM bronze.orders
    unique_key: order_id
    checks: [row_count > 0]
  gold.orders_by_day:
    sql: SELECT day, count(*) AS orders FROM silver.orders GROUP BY day
"""


@pytest.fixture
def shop(dags_folder: Path, load_dags: Callable[[], dict[str, Any]]) -> Any:
    (dags_folder / "shop.yaml").write_text(SPEC)
    (dags_folder / "lake_dags.py").write_text(
        "from airflow_lake_provider import load_lake_dags\n\nload_lake_dags(globals())\n"
    )
    return load_dags()["shop"]


def states(run: Any) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def test_a_days_orders_reach_gold(shop: Any) -> None:
    with InMemoryEngine.installed() as engine:
        run = shop.test(logical_date=datetime(2026, 3, 2, tzinfo=UTC))

    assert run.state == "success"
    assert engine.tables == ["bronze.orders", "silver.orders", "gold.orders_by_day"]
    assert engine.requests[0].tables[0].steps[0].files[0].endswith("landing/2026-03-01.csv")


def test_a_failed_check_stops_what_stands_on_the_table(shop: Any) -> None:
    failed = TableReport(table="silver.orders", status="failed", checks=(CheckResult("row_count > 0", "fail", 0),))
    with InMemoryEngine.installed(outcomes={"silver.orders": failed}) as engine:
        run = shop.test(logical_date=datetime(2026, 3, 3, tzinfo=UTC))

    assert states(run) == {
        "bronze__orders": "success",
        "silver__orders": "failed",
        "gold__orders_by_day": "upstream_failed",
    }
    assert engine.tables == ["bronze.orders", "silver.orders"]


def test_a_run_by_hand_takes_the_last_complete_day(shop: Any) -> None:
    with InMemoryEngine.installed() as engine:
        run = shop.test(logical_date=None, run_after=datetime(2026, 3, 8, 15, 30, tzinfo=UTC))

    assert run.state == "success"
    assert engine.requests[0].tables[0].steps[0].files[0].endswith("landing/2026-03-07.csv")
