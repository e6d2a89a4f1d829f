"""What happened, by what the jobs and Iceberg left: never by what Airflow believes."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_lake_provider.cli.catalog import pyiceberg_properties
from airflow_lake_provider.spec import load_project

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(frozen=True)
class Start:
    """One start of a task run: one job folder."""

    folder: Path
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    generation: int
    submission: int
    request_id: str
    made_at: int

    @property
    def name(self) -> str:
        """The folder's name, such as ``g1-s1``."""
        return self.folder.name

    @property
    def has_handle(self) -> bool:
        """Whether somebody learned that the job was submitted."""
        return (self.folder / "handle.json").exists()

    @property
    def is_delivered(self) -> bool:
        """Whether the task took the result."""
        return (self.folder / "delivered").exists()

    @property
    def report(self) -> dict[str, Any] | None:
        """What the job reported, ``None`` when it did not get that far."""
        path = self.folder / "report.json"
        return json.loads(path.read_bytes()) if path.exists() else None

    @property
    def status(self) -> str | None:
        """The status of the only table; the job's, where it says nothing of tables; ``None`` without a report."""
        report = self.report
        if report is None:
            return None
        return str(report["tables"][0]["status"] if report["tables"] else report["status"])

    @property
    def launches(self) -> int:
        """How often a driver of this start read its request: more than one is a job that ran twice."""
        log = self.folder / "driver.log"
        return log.read_text(errors="replace").count("lake: step start") if log.exists() else 0

    @property
    def log(self) -> str:
        """All that the driver has said."""
        log = self.folder / "driver.log"
        return log.read_text(errors="replace") if log.exists() else ""


@dataclass(frozen=True)
class JobFolders:
    """The job folders below a root on this machine."""

    root: Path

    def starts(self, dag_id: str, run_id: str | None = None, task_id: str | None = None) -> list[Start]:
        """Return the starts of a DAG's tasks, in the order in which they were made: each is a job submission."""
        starts = [start for path in self.root.rglob("request.json") if (start := _start(path)) is not None]
        chosen = [
            start
            for start in starts
            if start.dag_id == dag_id and run_id in (None, start.run_id) and task_id in (None, start.task_id)
        ]
        return sorted(chosen, key=lambda start: start.made_at)


@dataclass(frozen=True)
class Tables:
    """The tables of a project's environment, read with PyIceberg.

    For use in threads: import ``pyarrow.dataset`` in the main one before. Arrow's allocator belongs to the thread that
    loads it, and does not survive its end.
    """

    project: Path
    environment: str | None = None

    @cached_property
    def _catalog(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pyiceberg.catalog import load_catalog

        found = load_project(self.project).environment(self.environment).catalog
        return load_catalog(found.name, **pyiceberg_properties(found))

    def table(self, name: str) -> Table | None:
        """Return a table by ``layer.name``, ``None`` when it is not there (or its catalog is not)."""
        from pyiceberg.exceptions import NoSuchTableError
        from sqlalchemy.exc import OperationalError

        try:
            table: Table = self._catalog.load_table(name)
        except (NoSuchTableError, OperationalError):
            return None
        return table

    def publishes(self, name: str) -> list[str]:
        """Return who changed rows of ``main``, oldest first: a request id for each publish with data.

        Snapshots are counted by Iceberg's own figures of added and deleted records; those of one publish count once.
        """
        table = self.table(name)
        found: list[str] = []
        snapshot = table.current_snapshot() if table is not None else None
        while table is not None and snapshot is not None:
            summary = dict(snapshot.summary.additional_properties) if snapshot.summary is not None else {}
            changed = any(int(summary.get(key, 0)) for key in ("added-records", "deleted-records"))
            request_id = summary.get("lake.request_id", f"a stranger's snapshot {snapshot.snapshot_id}")
            if changed and request_id not in found:
                found.insert(0, request_id)
            parent = snapshot.parent_snapshot_id
            snapshot = table.snapshot_by_id(parent) if parent is not None else None
        return found

    def refs(self, name: str) -> list[str]:
        """Return the names of a table's branches and tags; ``main`` and ``lake_published`` are all that may stay."""
        table = self.table(name)
        return sorted(table.refs()) if table is not None else []

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of ``main``."""
        table = self.table(name)
        found: list[dict[str, Any]] = table.scan().to_arrow().to_pylist() if table is not None else []
        return found


def _start(path: Path) -> Start | None:
    try:
        request = json.loads(path.read_bytes())
        made_at = path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    task = request["task"]
    return Start(
        folder=path.parent,
        dag_id=task["dag_id"],
        run_id=task["run_id"],
        task_id=task["task_id"],
        map_index=task["map_index"],
        generation=task["generation"],
        submission=task["submission"],
        request_id=request["request_id"],
        made_at=made_at,
    )
