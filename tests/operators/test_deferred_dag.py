"""Deferred tasks in a real Airflow: the worker's two halves with the trigger in between."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.engines import InMemoryEngine, Status
from airflow_lake_provider.protocol import CheckResult, Rows, TableReport

pytestmark = pytest.mark.airflow

DAG_FILE = """\
from datetime import timedelta

from airflow.sdk import DAG
from airflow_lake_provider import LakeIngestOperator

with DAG("{dag_id}", schedule=None, catchup=False):
    LakeIngestOperator(
        task_id="ingest",
        table="bronze.deferred",
        files="landing/*.csv",
        options={{"header": True}},
        retries=2,
        retry_delay=timedelta(0),
        deferrable=True,
        poll_interval=0.1,
    )
"""


@pytest.fixture
def make_dag(dags_folder: Path, load_dags: Callable[[], dict[str, Any]]) -> Callable[..., Any]:
    """Return what writes a DAG of one deferred task and loads it."""

    def make(dag_id: str) -> Any:
        (dags_folder / f"{dag_id}.py").write_text(DAG_FILE.format(dag_id=dag_id))
        return load_dags()[dag_id]

    return make


@pytest.fixture
def query(airflow_db: Path) -> Callable[[str], list[Any]]:
    def ask(sql: str) -> list[Any]:
        with sqlite3.connect(airflow_db / "airflow.db") as connection:
            return connection.execute(sql).fetchall()

    return ask


def job_folders(dags_folder: Path, dag_id: str) -> list[Path]:
    return sorted(path.parent for path in (dags_folder / ".lake" / "jobs" / dag_id).rglob("request.json"))


def test_deferred_task_tells_airflow_the_same_as_one_that_waits_on_its_worker(
    make_dag: Callable[..., Any], dags_folder: Path, query: Callable[[str], list[Any]]
) -> None:
    report = TableReport(
        "bronze.deferred", "published", snapshot_id=42, rows=Rows(rows_read=3, rows_applied=3, rows_written=3)
    )
    dag = make_dag("deferred_publish")
    with InMemoryEngine.installed(outcomes={"bronze.deferred": report}, states=(Status.RUNNING,) * 3) as engine:
        run = dag.test(logical_date=datetime(2026, 1, 1, tzinfo=UTC))
    assert run.state == "success"
    assert len(engine.requests) == 1
    (ti,) = run.get_task_instances()
    assert ti.try_number == 1
    assert ti.xcom_pull(task_ids="ingest")["snapshot_id"] == 42
    (folder,) = job_folders(dags_folder, "deferred_publish")
    assert (folder / "delivered").exists()
    assert json.loads((folder / "handle.json").read_text())["detached"] is True
    links = query(f"SELECT value FROM xcom WHERE run_id = '{run.run_id}' AND key = 'lake_run'")
    assert str(folder) in links[0][0]
    events = query(f"SELECT extra FROM asset_event WHERE source_run_id = '{run.run_id}'")
    assert json.loads(events[0][0])["snapshot_id"] == 42


def test_deferred_failed_check_uses_up_no_retries(make_dag: Callable[..., Any], dags_folder: Path) -> None:
    failed = TableReport("bronze.deferred", "failed", checks=(CheckResult("row_count > 0", "fail", 0),))
    dag = make_dag("deferred_check")
    with InMemoryEngine.installed(outcomes={"bronze.deferred": failed}):
        run = dag.test(logical_date=datetime(2026, 1, 1, tzinfo=UTC))
    (ti,) = run.get_task_instances()
    assert (str(ti.state), ti.try_number) == ("failed", 1)
    assert len(job_folders(dags_folder, "deferred_check")) == 1


def test_lost_run_of_a_deferred_task_is_started_anew_by_the_retry(
    make_dag: Callable[..., Any], dags_folder: Path
) -> None:
    dag = make_dag("deferred_lost")
    with InMemoryEngine.installed(states=(Status.RUNNING,), ends=Status.LOST) as engine:
        submit = engine.submit

        def second_one_ends_well(job: Any) -> Any:
            if engine.requests:
                engine.ends = None
            return submit(job)

        engine.submit = second_one_ends_well  # type: ignore[method-assign]
        run = dag.test(logical_date=datetime(2026, 1, 1, tzinfo=UTC))
    (ti,) = run.get_task_instances()
    assert (str(ti.state), ti.try_number) == ("success", 2)
    assert [folder.name for folder in job_folders(dags_folder, "deferred_lost")] == ["g1-s1", "g1-s2"]


@pytest.mark.spark
def test_deferred_task_publishes_with_spark(
    make_dag: Callable[..., Any],
    dags_folder: Path,
    spark_python: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pyiceberg.catalog.sql import SqlCatalog

    monkeypatch.setenv("LAKE_SPARK_PYTHON", spark_python)
    (dags_folder / "landing").mkdir()
    (dags_folder / "landing" / "orders.csv").write_text("id\n1\n2\n")
    run = make_dag("deferred_spark").test(logical_date=datetime(2026, 1, 1, tzinfo=UTC))

    assert run.state == "success"
    (folder,) = job_folders(dags_folder, "deferred_spark")
    assert json.loads((folder / "exit.json").read_text()) == {"returncode": 0, "reason": ""}
    assert (folder / "heartbeat").exists()
    assert not Path((folder / "temporary").read_text()).exists()
    home = dags_folder / ".lake"
    catalog = SqlCatalog("lake", uri=f"sqlite:///{home}/catalog.db", warehouse=f"file://{home}/warehouse")
    assert catalog.load_table("bronze.deferred").scan().to_arrow().num_rows == 2
