"""Retries, clears and kills as Airflow does them: what it tells the operator, and what the operator makes of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.exceptions import JobFailed
from airflow_lake_provider.protocol import CheckResult, TableReport

pytestmark = pytest.mark.airflow

ROOT = Path(__file__).resolve().parents[2]
DAG_FILE = """\
from datetime import timedelta

from airflow.sdk import DAG
from airflow_lake_provider import LakeIngestOperator

with DAG("{dag_id}", schedule=None, catchup=False):
    LakeIngestOperator(
        task_id="ingest",
        table="bronze.orders",
        files="landing/*.csv",
        retries={retries},
        retry_delay=timedelta(0),
        poll_interval=0.05,
    )
"""


@pytest.fixture
def make_dag(dags_folder: Path, load_dags: Callable[[], dict[str, Any]]) -> Callable[..., Any]:
    """Return what writes a DAG of one task and loads it."""

    def make(dag_id: str, *, retries: int) -> Any:
        (dags_folder / f"{dag_id}.py").write_text(DAG_FILE.format(dag_id=dag_id, retries=retries))
        return load_dags()[dag_id]

    return make


def starts(dags_folder: Path, dag_id: str) -> list[str]:
    """Return the job folders of all starts, in the order in which they were made."""
    folders = [path.parent for path in (dags_folder / ".lake" / "jobs" / dag_id).rglob("request.json")]
    return [folder.name for folder in sorted(folders, key=lambda folder: folder.stat().st_ctime_ns)]


def clear_and_run(dag: Any, run: Any) -> None:
    """Do what the Clear button does, then run the task as the scheduler would."""
    from airflow.models.taskinstance import TaskInstance, clear_task_instances
    from airflow.sdk.definitions.dag import _run_task
    from airflow.utils.session import create_session

    with create_session() as session:
        tis = session.query(TaskInstance).filter_by(dag_id=dag.dag_id, run_id=run.run_id).all()
        clear_task_instances(tis, session=session)
    with create_session() as session:
        (ti,) = session.query(TaskInstance).filter_by(dag_id=dag.dag_id, run_id=run.run_id).all()
        ti.try_number += 1
        session.commit()
        session.expunge_all()
    _run_task(ti=ti, task=dag.task_dict[ti.task_id])


def test_a_retry_continues_and_a_clear_begins_anew(make_dag: Callable[..., Any], dags_folder: Path) -> None:
    dag = make_dag("tries", retries=1)
    answers = iter([JobFailed("the catalog was locked", retryable=True)])

    def fail_once(request: Any) -> TableReport:
        for error in answers:
            raise error
        return TableReport(table="bronze.orders", status="published", snapshot_id=1)

    with InMemoryEngine.installed(outcomes={"bronze.orders": fail_once}) as engine:
        run = dag.test(logical_date=datetime(2026, 1, 1, tzinfo=UTC))
        assert (run.state, run.get_task_instances()[0].try_number) == ("success", 2)
        assert starts(dags_folder, "tries") == ["g1-s1", "g1-s2"]

        clear_and_run(dag, run)
    third = engine.requests[-1]
    assert len(engine.requests) == 3
    assert (third.try_number, third.task.submission) == (3, 1)
    assert third.task.generation > 1


def test_a_failed_check_uses_up_no_retries(make_dag: Callable[..., Any], dags_folder: Path) -> None:
    failed = TableReport("bronze.orders", "failed", checks=(CheckResult("row_count > 0", "fail", 0),))
    dag = make_dag("failing_check", retries=3)
    with InMemoryEngine.installed(outcomes={"bronze.orders": failed}):
        run = dag.test(logical_date=datetime(2026, 1, 1, tzinfo=UTC))
    (ti,) = run.get_task_instances()
    assert (str(ti.state), ti.try_number, ti.max_tries) == ("failed", 1, 3)
    assert starts(dags_folder, "failing_check") == ["g1-s1"]


KILLED = """
from airflow.dag_processing.dagbag import DagBag
from datetime import datetime, timezone
import sys

dag = DagBag(dag_folder=sys.argv[1]).dags["killed"]
dag.test(logical_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
"""


@pytest.mark.spark
def test_a_killed_task_takes_its_job_with_it(airflow_home: Callable[..., dict[str, str]], spark_python: str) -> None:
    variables = airflow_home(
        LAKE_SPARK_PYTHON=spark_python, PYTHONPATH=str(ROOT), AIRFLOW__LOGGING__LOGGING_LEVEL="INFO"
    )
    dags = Path(variables["AIRFLOW__CORE__DAGS_FOLDER"])
    (dags / "killed.py").write_text(DAG_FILE.format(dag_id="killed", retries=0))
    (dags / "landing").mkdir()
    (dags / "landing" / "orders.csv").write_text("id\n1\n")
    with (dags.parent / "task.log").open("wb") as log:
        task = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(dags)], env=variables, cwd=dags.parent, stdout=log, stderr=log
        )
    try:
        processes = wait_for(lambda: spark_of(dags), task)
        task.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(processes, timeout=60)
        task.wait(60)
    finally:
        task.kill()
    assert alive == []
    said = (dags.parent / "task.log").read_text()
    assert "Cancelling process" in said
    assert "The job was cancelled" in said


def spark_of(dags: Path) -> list[psutil.Process]:
    """Return the driver and all that it started, once Spark's JVM is among them."""
    found = next((dags / ".lake" / "jobs").rglob("driver.pid"), None)
    if found is None or not (pid := found.read_text()):
        return []
    driver = psutil.Process(int(pid))
    processes = [driver, *driver.children(recursive=True)]
    return processes if any(process.name() == "java" for process in processes) else []


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[bytes], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it took too long"
        assert process.poll() is None or condition(), "the task ended first"
        time.sleep(0.05)
    return found


CHECKED = """\
pipeline: checked
defaults: {retries: 3, retry_delay: 1s}
tables:
  bronze.checked:
    ingest: {files: landing/*.csv, options: {header: true}}
    checks: [row_count > 1000]
"""


@pytest.mark.spark
def test_a_failed_check_on_real_data_publishes_nothing_and_is_not_retried(
    dags_folder: Path, load_dags: Callable[[], dict[str, Any]], spark_python: str, capfd: pytest.CaptureFixture[str]
) -> None:
    from pyiceberg.catalog.sql import SqlCatalog

    (dags_folder / "checked.yaml").write_text(CHECKED)
    (dags_folder / "lake_dags.py").write_text(
        "from airflow_lake_provider import load_lake_dags\nload_lake_dags(globals())\n"
    )
    (dags_folder / "landing").mkdir()
    (dags_folder / "landing" / "orders.csv").write_text("id\n1\n2\n")
    run = load_dags()["checked"].test(logical_date=datetime(2026, 1, 1, tzinfo=UTC))

    (ti,) = run.get_task_instances()
    assert (str(ti.state), ti.try_number) == ("failed", 1)
    assert starts(dags_folder, "checked") == ["g1-s1"]
    home = dags_folder / ".lake"
    catalog = SqlCatalog("lake", uri=f"sqlite:///{home}/catalog.db", warehouse=f"file://{home}/warehouse")
    table = catalog.load_table("bronze.checked")
    assert "main" not in table.metadata.refs
    assert any(name.startswith("lake_") for name in table.metadata.refs), "the branch stays for inspection"
    error = next(line for line in capfd.readouterr().out.splitlines() if "QualityCheckFailed" in line)
    assert error.endswith(": 1 of 1 check failed on bronze.checked: row_count > 1000 (was 2)")
