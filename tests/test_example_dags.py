"""The example DAGs do what they say, in Airflow: once without Spark, once with it."""

from __future__ import annotations

import csv
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.protocol import Rows, TableReport

pytestmark = pytest.mark.airflow

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "example_dags"
HAND_WRITTEN = {
    "lake_groups",
    "lake_mapped",
    "lake_on_publish",
    "lake_operators",
    "lake_taskflow",
    "lake_with_others",
}
DAY = datetime(2026, 1, 2, tzinfo=UTC)
READ = Rows(rows_read=6, rows_applied=6, rows_written=6)


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


def copies(run: Any, task_id: str) -> list[Any]:
    """The copies of a mapped task, in the order of their index."""
    return sorted((ti for ti in run.get_task_instances() if ti.task_id == task_id), key=lambda ti: ti.map_index)


def read_files(request: Any) -> list[str]:
    return [Path(file).name for file in request.tables[0].steps[0].files]


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
    assert set(examples) == specs | HAND_WRITTEN


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


def test_taskflow_hands_files_to_an_operator_and_its_result_on(examples: dict[str, Any]) -> None:
    outcomes = {"bronze.taskflow_orders": TableReport("bronze.taskflow_orders", "published", rows=READ)}
    with InMemoryEngine.installed(outcomes=outcomes) as engine:
        run = examples["lake_taskflow"].test(logical_date=DAY)

    assert run.state == "success"
    assert engine.tables == ["bronze.taskflow_orders", "gold.taskflow_customers"]
    assert read_files(engine.requests[0]) == ["2026-01-01.csv", "2026-01-02.csv"]
    assert xcoms(run)["tell"] == "6 lines read, gold.taskflow_customers is published"
    assert examples["lake_taskflow"].get_task("customers").retries == 2


def test_mapped_copies_have_their_own_jobs_names_and_results(examples: dict[str, Any], dags_folder: Path) -> None:
    outcomes = {"bronze.mapped_orders": TableReport("bronze.mapped_orders", "published", rows=READ)}
    with InMemoryEngine.installed(outcomes=outcomes) as engine:
        run = examples["lake_mapped"].test(logical_date=DAY)

    assert run.state == "success"
    assert xcoms(run)["count"] == 12
    assert [ti.rendered_map_index for ti in copies(run, "ingest")] == ["2026-01-01.csv", "2026-01-02.csv"]
    assert [ti.rendered_map_index for ti in copies(run, "check")] == ["bronze.mapped_orders", "gold.mapped_amounts"]
    jobs = dags_folder / ".lake" / "jobs" / "lake_mapped"
    folders = {str(path.relative_to(jobs).parent.parent) for path in jobs.rglob("request.json")}
    assert {folder.partition("/")[2] for folder in folders} == {
        f"{task}/{index}" for task in ("ingest", "split", "check") for index in (0, 1)
    }
    writers = {request.tables[0].steps[1].writer for request in engine.requests if request.task.task_id == "split"}
    assert writers == {"lake_mapped.split[0]", "lake_mapped.split[1]"}, "both append to one table"
    days = [request.tables[0].steps[0].sql for request in engine.requests if request.task.task_id == "split"]
    assert all("2026-01-02" in sql or "2026-01-01" in sql for sql in days)


def test_groups_run_for_each_feed_and_for_each_file(examples: dict[str, Any]) -> None:
    with InMemoryEngine.installed() as engine:
        run = examples["lake_groups"].test(logical_date=DAY)

    assert run.state == "success"
    assert engine.tables[:2] == ["bronze.groups_orders"] * 2
    assert sorted(engine.tables[2:]) == ["gold.groups_open"] * 2 + ["gold.groups_paid"] * 2
    assert sorted(read_files(request)[0] for request in engine.requests[:2]) == ["2026-01-01.csv", "2026-01-02.csv"]


@pytest.mark.parametrize(
    ("status", "rows", "expected"),
    [
        ("published", Rows(rows_read=6, rows_quarantined=1), {"all_good": "skipped", "look_at_quarantine": "success"}),
        ("published", Rows(rows_read=6, rows_quarantined=0), {"all_good": "success", "look_at_quarantine": "skipped"}),
        ("no_op", Rows(rows_read=0, rows_quarantined=0), {"all_good": "skipped", "look_at_quarantine": "skipped"}),
    ],
    ids=["rows set aside", "all good", "nothing new"],
)
def test_other_providers_tasks_decide_by_what_became_of_the_table(
    status: str, rows: Rows, expected: dict[str, str], examples: dict[str, Any]
) -> None:
    table = "silver.others_orders"
    with InMemoryEngine.installed(outcomes={table: TableReport(table, status, rows=rows)}) as engine:
        run = examples["lake_with_others"].test(logical_date=DAY)

    assert run.state == "success"
    ended = states(run)
    assert {name: ended[f"after.{name}"] for name in expected} == expected
    assert ended["after.done"] == ("success" if status == "published" else "skipped")
    (folder,) = {str(Path(file).parent) for file in engine.requests[0].tables[0].steps[0].files}
    assert not Path(folder).exists(), "the teardown took the working copy away"


def test_the_teardown_runs_where_the_table_failed(examples: dict[str, Any]) -> None:
    with InMemoryEngine.installed(outcomes={"bronze.others_orders": ValueError("no such column")}) as engine:
        run = examples["lake_with_others"].test(logical_date=DAY)

    assert (run.state, states(run)["clean"]) == ("failed", "success")
    assert states(run)["merge"] == "upstream_failed"
    assert engine.tables == ["bronze.others_orders"]


@pytest.mark.parametrize(("status", "queued"), [("no_op", []), ("published", [("lake_on_publish",)])])
def test_a_publish_queues_the_dag_that_is_scheduled_on_the_tables_alias(
    status: str, queued: list[Any], examples: dict[str, Any], airflow_db: Path
) -> None:
    with sqlite3.connect(airflow_db / "airflow.db") as connection:
        connection.execute("DELETE FROM asset_dag_run_queue")
        connection.execute("UPDATE dag SET is_paused = 0 WHERE dag_id = 'lake_on_publish'")
    table = "gold.revenue_by_day"
    with InMemoryEngine.installed(outcomes={table: TableReport(table, status)}):
        examples["lake_operators"].test(logical_date=DAY)
    with sqlite3.connect(airflow_db / "airflow.db") as connection:
        assert connection.execute("SELECT target_dag_id FROM asset_dag_run_queue").fetchall() == queued


ALONE = """\
from airflow.sdk import DAG
from airflow_lake_provider import LakeTransformOperator

with DAG("alone", schedule=None):
    LakeTransformOperator(task_id="numbers", table="gold.numbers", sql="SELECT id FROM range(7)")
"""


@pytest.mark.spark
def test_a_dag_file_is_all_that_a_folder_needs(
    dags_folder: Path, load_dags: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch, spark_python: str
) -> None:
    monkeypatch.delenv("LAKE_HOME", raising=False)
    (dags_folder / "alone.py").write_text(ALONE)
    run = load_dags()["alone"].test()
    assert states(run) == {"numbers": "success"}
    assert sorted(row["id"] for row in rows(dags_folder / ".lake", "gold.numbers")) == [*range(7)]


@pytest.mark.spark
def test_copies_that_append_to_one_table_lose_nothing_and_repeat_nothing(
    examples: dict[str, Any], dags_folder: Path, spark_python: str
) -> None:
    run = examples["lake_mapped"].test(logical_date=DAY)
    assert set(states(run).values()) == {"success"}
    home = dags_folder / ".lake"
    lines = [line for path in (EXAMPLES / "data" / "orders").glob("*.csv") for line in csv.DictReader(path.open())]
    amounts = sorted(row["amount"] for row in rows(home, "gold.mapped_amounts"))
    assert amounts == sorted(line["amount"] for line in lines if line["status"] in ("open", "paid"))
    assert len(rows(home, "bronze.mapped_orders")) == xcoms(run)["count"] == len(lines)

    again = examples["lake_mapped"].test(logical_date=DAY)
    results = [ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index) for ti in copies(again, "split")]
    assert [result["status"] for result in results] == ["no_op", "no_op"]
    assert sorted(row["amount"] for row in rows(home, "gold.mapped_amounts")) == amounts


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
