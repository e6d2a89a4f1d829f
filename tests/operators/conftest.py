"""Operators run here as a worker runs them, but for Airflow's own part: no database, no API server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.operators.base import LakeOperator

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


@dataclass
class TaskRun:
    """One task instance over all of its tries."""

    operator: LakeOperator
    run_id: str = "manual__1"
    try_number: int = 1
    max_tries: int = 0
    map_index: int | None = -1
    variables: dict[str, Any] = field(default_factory=lambda: {"data_interval_start": START, "data_interval_end": END})
    dag_run: Any = field(
        default_factory=lambda: SimpleNamespace(run_type="scheduled", run_after=END, partition_key=None)
    )
    params: dict[str, Any] = field(default_factory=dict)
    xcoms: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)

    start_date: datetime | None = None

    def run(self) -> Any:
        """Render and execute a copy of the operator, as each try does."""
        self.executed = self.fresh()
        return self.executed.execute(self.context)

    def resume(self, method: str, arguments: dict[str, Any]) -> Any:
        """Go on in another worker, as after a deferral."""
        self.executed = self.fresh()
        return self.executed.resume_execution(method, arguments, self.context)

    def fresh(self) -> LakeOperator:
        """Return a rendered copy of the operator: what a worker has before it executes."""
        operator = self.operator.prepare_for_execution()
        ti = SimpleNamespace(
            dag_id=self.operator.dag_id,
            task_id=self.operator.task_id,
            try_number=self.try_number,
            max_tries=self.max_tries,
            map_index=self.map_index,
            start_date=self.start_date,
            xcom_push=lambda key, value: self.xcoms.update({key: value}),
        )
        self.context = {
            "ti": ti,
            "dag": self.operator.dag,
            "run_id": self.run_id,
            "dag_run": self.dag_run,
            "params": self.params,
            "outlet_events": OutletEventAccessors(),
            **self.variables,
        }
        operator.render_template_fields(self.context)
        return operator

    @property
    def events(self) -> list[Any]:
        """The asset events that the task emitted, over all aliases."""
        return [event for alias in self.context["outlet_events"].values() for event in alias.asset_alias_events]


@pytest.fixture(autouse=True)
def outside_the_task_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a project with nothing in it."""
    monkeypatch.delenv("LAKE_HOME", raising=False)
    (tmp_path / "lake.yaml").write_text("environments: {local: {}}\n")
    return tmp_path


@pytest.fixture
def engine() -> Iterator[InMemoryEngine]:
    """Return the engine that serves every task of the test."""
    with InMemoryEngine.installed() as engine:
        yield engine


@pytest.fixture
def task_run(project: Path) -> Callable[..., TaskRun]:
    """Return what makes a run of one task in a daily DAG."""

    def make(operator: type[LakeOperator], *, schedule: Any = "@daily", **arguments: Any) -> TaskRun:
        dag = DAG("orders", schedule=schedule, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
        arguments = {"task_id": "t", "project_dir": str(project), "poll_interval": 0.01, **arguments}
        return TaskRun(operator(dag=dag, **arguments))

    return make
