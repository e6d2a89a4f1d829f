from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.engines import Engine
from airflow_lake_provider.protocol import (
    Catalog,
    DataInterval,
    Provenance,
    PublishStep,
    TableRequest,
    TaskIdentity,
    TransformStep,
    WriteStep,
)
from airflow_lake_provider.runs import Delivery, TaskJob, run_job
from airflow_lake_provider.spec import EngineConfig, Environment

TABLE = TableRequest(table="silver.a", steps=(TransformStep("SELECT 1"), WriteStep("replace"), PublishStep()))
TASK = TaskIdentity(dag_id="flights", run_id="r1", task_id="silver__a")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    home = tmp_path / ".lake"
    return Environment(
        name="local",
        project_root=tmp_path,
        lake_home=home,
        base_path=str(tmp_path),
        catalog=Catalog("lake", "sqlite", f"file://{home}/warehouse", {"path": f"{home}/catalog.db"}),
        engines={"default": EngineConfig("in_memory", {})},
        job_root=f"{home}/jobs",
    )


RunTask = Callable[..., Delivery]


@pytest.fixture
def task_job(environment: Environment) -> Callable[..., TaskJob]:
    """Return what makes the job of a task run; keyword arguments replace single parts."""

    def make(engine: Engine, **changes: Any) -> TaskJob:
        arguments: dict[str, Any] = {
            "task": TASK,
            "try_number": 1,
            "pipeline": "flights",
            "tables": (TABLE,),
            "environment": environment,
            "engine": engine,
            "interval": DataInterval("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"),
            "logical_date": "2026-01-01T00:00:00+00:00",
            "spark_conf": {},
            "provenance": Provenance(spec_sha256="5"),
            "log": logging.getLogger("test"),
        }
        return TaskJob(**{**arguments, **changes})

    return make


@pytest.fixture
def run_task(task_job: Callable[..., TaskJob]) -> RunTask:
    """Run the one table as an operator does; keyword arguments replace single parts."""

    def run(engine: Engine, task: TaskIdentity = TASK, **changes: Any) -> Delivery:
        waiting = {key: changes.pop(key) for key in ("on_start", "on_report") if key in changes}
        return run_job(task_job(engine, task=task, **changes), poll_interval=0.0, **waiting).delivery()

    return run
