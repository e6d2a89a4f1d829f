"""Mapped tasks: one job per copy, each with the run's interval, each with its event."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.engines import InMemoryEngine

pytestmark = pytest.mark.airflow

DAG_FILE = """\
from datetime import datetime, timezone
from airflow.sdk import DAG, CronDataIntervalTimetable
from airflow_lake_provider import LakeIngestOperator

with DAG(
    "mapped",
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
):
    LakeIngestOperator.partial(task_id="ingest", table="bronze.mapped", poll_interval=0.05).expand(
        files=["landing/a/{{ data_interval_start | ds }}.csv", "landing/b/{{ data_interval_start | ds }}.csv"]
    )
"""


def test_each_copy_has_its_own_job_the_runs_interval_and_its_event(
    dags_folder: Path, load_dags: Callable[[], dict[str, Any]], airflow_db: Path
) -> None:
    (dags_folder / "mapped.py").write_text(DAG_FILE)
    with InMemoryEngine.installed() as engine:
        run = load_dags()["mapped"].test(logical_date=None, run_after=datetime(2026, 3, 8, 12, tzinfo=UTC))

    assert run.state == "success"
    files = {request.task.map_index: request.tables[0].steps[0].files[0] for request in engine.requests}
    assert {index: "/".join(Path(file).parts[-2:]) for index, file in files.items()} == {
        0: "a/2026-03-07.csv",
        1: "b/2026-03-07.csv",
    }
    with sqlite3.connect(airflow_db / "airflow.db") as connection:
        events = connection.execute(
            "SELECT source_map_index FROM asset_event WHERE source_run_id = ? ORDER BY 1", (run.run_id,)
        ).fetchall()
    assert events == [(0,), (1,)]
