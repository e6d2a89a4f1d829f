"""Airflow 2's REST API: v1, with name and password."""

from __future__ import annotations

import base64
import contextlib
import re
import subprocess
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from stack.api import MANY, Api, ApiError, Run
from stack.database import PASSWORD, USER

if TYPE_CHECKING:
    from stack.services import Stack


class Api2(Api):
    """The API of 2.11, and its command line for what only that can do."""

    prefix = "/api/v1"
    marking = {"dry_run": False}

    def __init__(self, url: str, stack: Stack) -> None:
        super().__init__(url)
        self._stack = stack

    def is_up(self) -> bool:
        """Whether DAGs can be listed."""
        with contextlib.suppress(OSError, ApiError):
            self.call("GET", "/dags")
            return True
        return False

    def headers(self) -> dict[str, str]:
        """Return the header with name and password."""
        account = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return {"Authorization": f"Basic {account}"}

    def trigger(
        self,
        dag_id: str,
        *,
        run_id: str | None = None,
        logical_date: datetime | None = None,
        conf: Mapping[str, Any] | None = None,
    ) -> Run:
        """Start a run by hand; without a logical date that is the current time."""
        body: dict[str, Any] = {"conf": dict(conf or {})}
        if run_id is not None:
            body["dag_run_id"] = run_id
        if logical_date is not None:
            body["logical_date"] = logical_date
        return Run.read(self.call("POST", f"/dags/{quote(dag_id, safe='')}/dagRuns", body))

    def backfill(
        self,
        dag_id: str,
        start: datetime,
        end: datetime,
        *,
        reprocess: str = "none",
        backwards: bool = False,
        max_active_runs: int = 3,
        seconds: float = 480,
    ) -> None:
        """Run ``airflow dags backfill`` to its end, task after task.

        It has an executor of its own. The workers of a LocalExecutor close connections to the database that they have
        in common with the backfill, which now and then ends it.
        """
        words = ["-s", start.isoformat(), "-e", end.isoformat(), "--yes"]
        words += {"none": [], "failed": ["--rerun-failed-tasks"], "completed": ["--reset-dagruns"]}[reprocess]
        words += ["--run-backwards"] if backwards else []
        with self._stack.log("backfill").open("ab") as log:
            subprocess.run(
                [str(self._stack.environment.python), "-m", "airflow", "dags", "backfill", *words, dag_id],
                env={**self._stack.env, "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor"},
                cwd=self._stack.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,  # it fails when a task fails; runs and tasks tell
            )

    def clear_tasks(
        self,
        dag_id: str,
        run_id: str | None = None,
        *task_ids: str,
        downstream: bool = False,
        only_failed: bool = False,
    ) -> None:
        """Clear task instances by ``airflow tasks clear``, which does what the button does.

        REST does less in 2.11: a task that runs is shown as cleared and goes on, for its new state is never written.
        """
        words = ["--task-regex", f"^({'|'.join(map(re.escape, task_ids))})$"] if task_ids else []
        if run_id is not None:
            date = str(self.run(dag_id, run_id).logical_date)
            words += ["--start-date", date, "--end-date", date]
        words += ["--downstream"] if downstream else []
        words += ["--only-failed"] if only_failed else []
        self._stack.airflow("tasks", "clear", "--yes", *words, dag_id)

    def asset_events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the events of datasets, oldest first."""
        events: list[dict[str, Any]] = self.get(f"/datasets/events?limit={MANY}")["dataset_events"]
        events.sort(key=lambda event: event["id"])
        return [event for event in events if name is None or event["dataset_uri"].endswith(name)]

    def source(self, dag_id: str) -> str:
        """Return what the Code tab shows."""
        token = self.call("GET", f"/dags/{quote(dag_id, safe='')}")["file_token"]
        headers = {**self.headers(), "Accept": "text/plain"}
        return str(self.request("GET", f"{self.prefix}/dagSources/{quote(token, safe='')}", headers=headers))

    def versions(self, dag_id: str) -> list[dict[str, Any]]:
        """Return none: 2.x knows no versions."""
        return []
