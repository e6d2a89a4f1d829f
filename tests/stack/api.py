"""Airflow's REST API with the same calls for all versions; what differs is in ``api2`` and ``api3``."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from stack.waiting import wait_until

FINISHED = frozenset({"success", "failed", "upstream_failed", "skipped", "removed"})
"""The states in which a task stays until somebody clears it."""

MANY = 1000


class ApiError(AssertionError):
    """The API refused a call; ``status`` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Run:
    """A DAG run as the API tells it; ``raw`` has all fields by the version's own names."""

    run_id: str
    state: str
    run_type: str
    logical_date: str | None
    interval: tuple[str | None, str | None]
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Run:
        """Take it from an answer."""
        interval = (raw.get("data_interval_start"), raw.get("data_interval_end"))
        return cls(raw["dag_run_id"], raw["state"], raw["run_type"], raw.get("logical_date"), interval, raw)


@dataclass(frozen=True)
class TaskInstance:
    """A task instance as the API tells it; ``raw`` has all fields by the version's own names."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    max_tries: int
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> TaskInstance:
        """Take it from an answer."""
        return cls(raw["task_id"], raw["map_index"], raw["state"], raw["try_number"], raw["max_tries"], raw)


class Api(ABC):
    """The REST API of one Airflow on this machine, used by an admin."""

    prefix: str

    def __init__(self, url: str) -> None:
        self.url = url
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    # What is different.

    @abstractmethod
    def is_up(self) -> bool:
        """Whether the API answers, and lets us in."""

    @abstractmethod
    def headers(self) -> dict[str, str]:
        """What says who we are."""

    @abstractmethod
    def trigger(
        self,
        dag_id: str,
        *,
        run_id: str | None = None,
        logical_date: datetime | None = None,
        conf: Mapping[str, Any] | None = None,
    ) -> Run:
        """Start a run by hand; without a logical date it has none on 3.x, and the current time on 2.x."""

    @abstractmethod
    def backfill(
        self,
        dag_id: str,
        start: datetime,
        end: datetime,
        *,
        reprocess: str = "none",
        backwards: bool = False,
        max_active_runs: int = 3,
        seconds: float = 300,
    ) -> None:
        """Run the intervals that begin from ``start`` to ``end`` and wait for their end.

        :param reprocess: ``none``, ``failed`` or ``completed``. On 2.x that is ``--rerun-failed-tasks`` and
            ``--reset-dagruns`` of the command line.
        """

    @abstractmethod
    def asset_events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the events of all assets (datasets), or of those whose name or URI ends so, oldest first."""

    @abstractmethod
    def source(self, dag_id: str) -> str:
        """Return what the Code tab shows."""

    @abstractmethod
    def versions(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the DAG's versions, oldest first; none on 2.x, which knows no versions."""

    # DAGs.

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """Return a DAG that has been parsed, ``None`` when there is none."""
        found: dict[str, Any] | None = self.get(f"/dags/{quote(dag_id, safe='')}")
        return found

    def wait_for_dags(self, *dag_ids: str, seconds: float = 120) -> None:
        """Wait until DAGs have been parsed; import errors end the waiting."""

        def missing() -> list[str]:
            return [dag_id for dag_id in dag_ids if self.dag(dag_id) is None]

        def all_there() -> bool:
            left = missing()
            errors = self.import_errors() if left else {}
            assert not errors, errors
            return not left

        wait_until(all_there, seconds=seconds, what=lambda: f"the DAGs {missing()}")

    def unpause(self, *dag_ids: str) -> None:
        """Let the scheduler create and run the DAGs' runs."""
        for dag_id in dag_ids:
            self.call("PATCH", f"/dags/{quote(dag_id, safe='')}", {"is_paused": False})

    def pause(self, *dag_ids: str) -> None:
        """Let no new task begin."""
        for dag_id in dag_ids:
            self.call("PATCH", f"/dags/{quote(dag_id, safe='')}", {"is_paused": True})

    def import_errors(self) -> dict[str, str]:
        """Return the import errors by file."""
        found = self.get(f"/importErrors?limit={MANY}")["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in found}

    # Runs.

    def runs(self, dag_id: str) -> list[Run]:
        """Return the DAG's runs by logical date, those without one last."""
        found = self.get(f"/dags/{quote(dag_id, safe='')}/dagRuns?limit={MANY}")
        runs = [Run.read(raw) for raw in (found or {"dag_runs": []})["dag_runs"]]
        return sorted(runs, key=lambda run: (run.logical_date is None, run.logical_date or run.run_id))

    def run(self, dag_id: str, run_id: str) -> Run:
        """Return one run."""
        return Run.read(self.call("GET", run_path(dag_id, run_id)))

    def wait_for_run(self, dag_id: str, run_id: str, *states: str, seconds: float = 180) -> Run:
        """Wait until a run is in one of the states, by default ``success`` or ``failed``."""
        wanted = states or ("success", "failed")

        def reached() -> Run | None:
            run = self.run(dag_id, run_id)
            return run if run.state in wanted else None

        return wait_until(
            reached, seconds=seconds, what=lambda: f"{wanted}: {self.run(dag_id, run_id)}, {self.tasks(dag_id, run_id)}"
        )

    def clear_run(self, dag_id: str, run_id: str) -> None:
        """Clear all tasks of a run, as the button does."""
        self.call("POST", f"{run_path(dag_id, run_id)}/clear", {"dry_run": False})

    def set_run_state(self, dag_id: str, run_id: str, state: str) -> None:
        """Mark a run as ``success`` or ``failed``, its running tasks with it."""
        self.call("PATCH", run_path(dag_id, run_id), {"state": state})

    # Task instances.

    def tasks(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return the task instances of a run by task and map index."""
        found = self.get(f"{run_path(dag_id, run_id)}/taskInstances?limit={MANY}")["task_instances"]
        return sorted((TaskInstance.read(raw) for raw in found), key=lambda ti: (ti.task_id, ti.map_index))

    def task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> TaskInstance:
        """Return one task instance."""
        return TaskInstance.read(self.call("GET", task_path(dag_id, run_id, task_id, map_index)))

    def wait_for_task(
        self, dag_id: str, run_id: str, task_id: str, *states: str, map_index: int = -1, seconds: float = 180
    ) -> TaskInstance:
        """Wait until a task instance is in one of the states, by default those in which it stays."""
        wanted = states or tuple(FINISHED)

        def reached() -> TaskInstance | None:
            found = self.task(dag_id, run_id, task_id, map_index)
            return found if found.state in wanted else None

        return wait_until(
            reached, seconds=seconds, what=lambda: f"{wanted}: {self.task(dag_id, run_id, task_id, map_index)}"
        )

    def clear_tasks(
        self,
        dag_id: str,
        run_id: str | None = None,
        *task_ids: str,
        downstream: bool = False,
        only_failed: bool = False,
    ) -> None:
        """Clear task instances, as the button does: by default all of the run; without a run those of all runs."""
        body: dict[str, Any] = {
            "dry_run": False,
            "only_failed": only_failed,
            "reset_dag_runs": True,
            "include_downstream": downstream,
        }
        if run_id is not None:
            body["dag_run_id"] = run_id
        if task_ids:
            body["task_ids"] = list(task_ids)
        self.call("POST", f"/dags/{quote(dag_id, safe='')}/clearTaskInstances", body)

    def set_task_state(self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int = -1) -> None:
        """Mark a task instance as ``success``, ``failed`` or ``skipped``."""
        self.call("PATCH", task_path(dag_id, run_id, task_id, map_index), {**self.marking, "new_state": state})

    marking: Mapping[str, Any] = {}
    """What a marking says beside the state."""

    def result(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:
        """Return what a task gave back (its XCom), ``None`` where it gave nothing."""
        index = f"?map_index={map_index}" if map_index >= 0 else ""
        entry = self.get(f"{task_path(dag_id, run_id, task_id)}/xcomEntries/return_value{index}")
        if entry is None or not isinstance(entry["value"], str):
            return entry and entry["value"]
        # 2.x gives the text of Python's repr or of JSON, 3.x the value.
        with contextlib.suppress(ValueError):
            return json.loads(entry["value"])
        return entry["value"]

    def make_pool(self, name: str, slots: int) -> None:
        """Create a pool."""
        self.call("POST", "/pools", {"name": name, "slots": slots})

    # HTTP.

    def get(self, path: str) -> Any:
        """Read; ``None`` where there is no such thing."""
        try:
            return self.call("GET", path)
        except ApiError as exc:
            if exc.status == 404:
                return None
            raise

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call below the version's prefix; return the JSON of the answer.

        :raises ApiError: the API says no.
        """
        return self.request(method, f"{self.prefix}{path}", body, self.headers())

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Call any path; an answer that is no JSON is returned as text."""
        request = urllib.request.Request(self.url + path, method=method, headers=dict(headers or {}))
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body, default=_text).encode()
        try:
            with self._opener.open(request, timeout=60) as answer:
                data = answer.read().decode()
                is_json = "json" in answer.headers.get("Content-Type", "")
                return json.loads(data) if is_json and data else data
        except urllib.error.HTTPError as exc:
            said = exc.read().decode(errors="replace")
            raise ApiError(exc.code, f"{method} {path} {dict(body or {})}: {exc.code} {said[:2000]}") from None


def run_path(dag_id: str, run_id: str) -> str:
    """Return where a run is."""
    return f"/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"


def task_path(dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
    """Return where a task instance is."""
    index = f"/{map_index}" if map_index >= 0 else ""
    return f"{run_path(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}{index}"


def query(values: Mapping[str, Any], *, names: Sequence[str] = ()) -> str:
    """Return a query string of the values that are there."""
    chosen = {key: value for key, value in values.items() if value is not None and (not names or key in names)}
    return f"?{urlencode(chosen)}" if chosen else ""


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be sent")
