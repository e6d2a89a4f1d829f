"""The example DAGs do what they say, in Airflow: once without Spark, once with it."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.engines import InMemoryEngine

pytestmark = pytest.mark.airflow

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "example_dags"


@pytest.fixture
def examples(
    dags_folder: Path, load_dags: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    monkeypatch.delenv("LAKE_HOME", raising=False)
    shutil.copytree(EXAMPLES, dags_folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".lake", "__pycache__"))
    shutil.copytree(ROOT / "dag_specs", dags_folder.parent / "dag_specs", dirs_exist_ok=True)
    return load_dags()


def states(run: Any) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def xcoms(run: Any) -> dict[str, Any]:
    return {ti.task_id: ti.xcom_pull(task_ids=ti.task_id) for ti in run.get_task_instances()}


def rows(home: Path, table: str) -> list[dict[str, Any]]:
    """Read a table as any other tool does: PyIceberg, the catalog's file and its name."""
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("lake", uri=f"sqlite:///{home}/catalog.db", warehouse=f"file://{home}/warehouse")
    found: list[dict[str, Any]] = catalog.load_table(table).scan().to_arrow().to_pylist()
    return found


def expected_orders() -> dict[int, dict[str, str]]:
    """The newest line of each order with a number, from the raw files."""
    lines = [
        line for path in sorted((EXAMPLES / "data" / "orders").glob("*.csv")) for line in csv.DictReader(path.open())
    ]
    newest: dict[int, dict[str, str]] = {}
    for line in sorted((line for line in lines if line["order_id"]), key=lambda line: line["updated_at"]):
        newest[int(line["order_id"])] = line
    return newest


def test_the_loader_pair_brings_the_specs_and_finds_nothing_wrong(examples: dict[str, Any]) -> None:
    specs = {path.stem for path in (ROOT / "dag_specs").glob("*.yaml") if path.name != "lake.yaml"}
    assert set(examples) == specs | {"lake_operators"}


def test_the_hand_written_dag_asks_for_its_four_jobs_in_order(examples: dict[str, Any]) -> None:
    with InMemoryEngine.installed() as engine:
        run = examples["lake_operators"].test(logical_date=datetime(2026, 1, 1, tzinfo=UTC))

    assert run.state == "success"
    assert engine.tables == ["bronze.orders", "silver.orders", "gold.revenue_by_day", "gold.revenue_by_day"]
    kinds = [[step.kind for step in request.tables[0].steps] for request in engine.requests]
    assert kinds == [
        ["ingest", "write", "publish"],
        ["transform", "write", "check", "publish"],
        ["transform", "write", "publish"],
        ["check"],
    ]


@pytest.mark.spark
def test_the_hand_written_dag_publishes_the_tables_it_describes_and_a_second_run_changes_nothing(
    examples: dict[str, Any], dags_folder: Path, spark_python: str
) -> None:
    first = examples["lake_operators"].test(logical_date=datetime(2026, 1, 3, tzinfo=UTC))
    assert states(first) == dict.fromkeys(
        ("ingest_orders", "merge_orders", "revenue_by_day", "check_revenue"), "success"
    )
    entries = xcoms(first)
    assert {entry["status"] for entry in entries.values()} <= {"published", "no_op"}
    assert entries["merge_orders"]["rows_read"] == 12
    assert entries["merge_orders"]["rows_quarantined"] == 1
    assert [check["outcome"] for check in entries["check_revenue"]["checks"]] == ["pass"] * 3

    home, orders = dags_folder / ".lake", expected_orders()
    silver = {row["order_id"]: row for row in rows(home, "silver.orders")}
    assert {number: (row["status"], row["amount"]) for number, row in silver.items()} == {
        number: (line["status"], Decimal(line["amount"])) for number, line in orders.items()
    }
    gold = {
        str(row["day"]): (row["orders"], row["revenue"], row["still_open"]) for row in rows(home, "gold.revenue_by_day")
    }
    days = {line["ordered_on"] for line in orders.values()}
    assert gold == {
        day: (
            len(of_day := [line for line in orders.values() if line["ordered_on"] == day]),
            sum(Decimal(line["amount"]) for line in of_day),
            sum(line["status"] == "open" for line in of_day),
        )
        for day in days
    }
    (rejected,) = rows(home, "silver.orders__quarantine")
    assert "gus" in rejected["_raw"]

    second = xcoms(
        examples["lake_operators"].test(logical_date=datetime(2026, 1, 4, tzinfo=UTC), mark_success_pattern="check_.*")
    )
    tables = ("ingest_orders", "merge_orders", "revenue_by_day")
    assert {second[task]["status"] for task in tables} == {"no_op"}
