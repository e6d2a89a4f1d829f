"""The starts of a task: what its job folders say of those before this one.

A start is one submission of one generation. Beside the job folders there is an index of the starts that somebody must
still look at, ``<job_root>/<dag_id>/~open/<task_id>[/<map_index>]/<request_id>.json``: without it each run would have
to look into the folders of all runs before it. (No run's folder can have that name: ``segment`` escapes ``~``.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from airflow_lake_provider.engines import Engine, RunHandle
from airflow_lake_provider.exceptions import EngineError
from airflow_lake_provider.protocol import (
    JobFolder,
    JobReport,
    JobRequest,
    Store,
    Submissions,
    TaskIdentity,
    from_json,
    submissions,
    to_json,
)
from airflow_lake_provider.protocol.report import FAILED, PUBLISHED
from airflow_lake_provider.protocol.store import DELIVERED, HANDLE, PROCESS, REPORT, REQUEST, segment
from airflow_lake_provider.runs.outcome import is_final

UNSEEN_HOURS = 24
"""A start that this engine cannot ask about (no handle yet, or another engine's) counts as dead after this time."""


@dataclass(frozen=True)
class OpenStart:
    """An entry of the index: a start that may still run, or that may have left branches in a table."""

    task: TaskIdentity
    opened_at: str


@dataclass(frozen=True)
class TaskStarts:
    """All starts of one task run, and the open ones of the same task in other runs."""

    store: Store
    root: str
    task: TaskIdentity

    def folder(self, generation: int, submission: int) -> JobFolder:
        """Return the job folder of one start of this task run."""
        return JobFolder(self.root, replace(self.task, generation=generation, submission=submission))

    def all(self) -> list[JobFolder]:
        """Return the folders of all starts of this task run, oldest first."""
        task_uri = self.folder(1, 1).task_uri
        return [self.folder(generation, submission) for generation, submission in submissions(self.store, task_uri)]

    def following(self, newest: JobFolder | None, generation: int) -> JobFolder:
        """Return the folder of the start after the newest one.

        A folder without any document is a start that another worker is only about to make: of the two requests for it
        one gets in, and the other worker then finds it. The next number would be a second job.
        """
        if newest is None:
            return self.folder(generation, 1)
        return newest if not self.store.documents(newest.uri) else self.folder(generation, newest.task.submission + 1)

    def undelivered(self, *, but: JobFolder) -> tuple[str, ...]:
        """Return the request ids of this task run's starts whose result never reached the caller."""
        return tuple(
            folder.task.request_id
            for folder in self.all()
            if folder.task != but.task and self.store.read(folder.document(DELIVERED)) is None
        )

    def open(self, folder: JobFolder) -> None:
        """Put a start into the index, before anything of it exists."""
        entry = OpenStart(folder.task, datetime.now(UTC).isoformat())
        self.store.create(self._entry(folder.task.request_id), to_json(entry).encode())

    def close(self, request_ids: Iterable[str]) -> None:
        """Take starts out of the index: nobody needs to look at them again."""
        for request_id in request_ids:
            self.store.delete(self._entry(request_id))

    def leftovers(self, engine: Engine, *, but: JobFolder) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the request ids of this task's dead and of its failed starts, in any run; see ``Submissions``."""
        dead: list[str] = []
        failed: list[str] = []
        for name in self.store.documents(self._index):
            data = self.store.read(f"{self._index}/{name}")
            if data is None:
                continue
            entry = from_json(OpenStart, data, source=f"{self._index}/{name}")
            request_id = entry.task.request_id
            if request_id == but.task.request_id:
                continue
            report = read_report(self.store, JobFolder(self.root, entry.task))
            if report is not None and is_final(report):
                if unclean(report) is None:
                    self.close([request_id])
                else:
                    failed.append(request_id)
            elif self._is_dead(entry, engine):
                dead.append(request_id)
        return tuple(dead), tuple(failed)

    def submissions_before(self, engine: Engine, folder: JobFolder) -> Submissions:
        """Return what a new start must know of the others."""
        dead, failed = self.leftovers(engine, but=folder)
        return Submissions(undelivered=self.undelivered(but=folder), dead=dead, failed=failed)

    def settle(self, folder: JobFolder, told: Submissions, report: JobReport) -> None:
        """After a run that ended well: close what is done with, this start among them when it left nothing behind."""
        if report.status != "succeeded":
            return
        published = {table.table for table in report.tables if table.status == PUBLISHED}
        self.close(told.dead)
        for request_id in told.failed:
            data = self.store.read(self._entry(request_id))
            if data is None:
                continue
            entry = from_json(OpenStart, data, source=self._entry(request_id))
            before = read_report(self.store, JobFolder(self.root, entry.task))
            left = unclean(before) if before is not None else None
            if left is not None and left <= published:
                self.close([request_id])
        if unclean(report) is None:
            self.close([folder.task.request_id])

    @property
    def _index(self) -> str:
        parts = [self.root.rstrip("/"), segment(self.task.dag_id), "~open", segment(self.task.task_id)]
        if self.task.map_index >= 0:
            parts.append(str(self.task.map_index))
        return "/".join(parts)

    def _entry(self, request_id: str) -> str:
        return f"{self._index}/{request_id}.json"

    def _is_dead(self, entry: OpenStart, engine: Engine) -> bool:
        handle = find_handle(self.store, JobFolder(self.root, entry.task))
        if handle is not None and handle.engine == engine.name:
            try:
                return not is_live(engine, handle)
            except EngineError:  # it cannot be seen from here: no reason to fail, and none to touch what it left
                return False
        return datetime.now(UTC) - datetime.fromisoformat(entry.opened_at) > timedelta(hours=UNSEEN_HOURS)


def is_live(engine: Engine, handle: RunHandle) -> bool:
    """Whether a run may still change its state, as far as this engine can tell; another engine's run cannot."""
    return handle.engine == engine.name and not engine.state(handle).status.is_terminal


def unclean(report: JobReport) -> frozenset[str] | None:
    """Return the tables in which a run that ended may have left a branch; ``None`` when there are none.

    A job that failed before it said anything of its tables gives the empty set: the next good run settles it.
    """
    left = frozenset(table.table for table in report.tables if table.status == FAILED or table.branch)
    return left if left or report.status != "succeeded" else None


def read_handle(store: Store, folder: JobFolder) -> RunHandle | None:
    """Read a start's ``handle.json``; ``None`` when it was never written."""
    data = store.read(folder.document(HANDLE))
    return None if data is None else from_json(RunHandle, data, source=folder.document(HANDLE))


def find_handle(store: Store, folder: JobFolder) -> RunHandle | None:
    """Return a start's handle, also where the worker died before it wrote ``handle.json``.

    A driver that is a process has left the same in ``process.json`` by then.
    """
    handle = read_handle(store, folder)
    if handle is not None:
        return handle
    data = store.read(folder.document(PROCESS))
    return None if data is None else from_json(RunHandle, data, source=folder.document(PROCESS))


def read_request(store: Store, folder: JobFolder) -> JobRequest | None:
    """Read a start's ``request.json``; ``None`` when it was never written."""
    data = store.read(folder.document(REQUEST))
    return None if data is None else from_json(JobRequest, data, source=folder.document(REQUEST))


def read_report(store: Store, folder: JobFolder) -> JobReport | None:
    """Read a start's ``report.json``; ``None`` when there is none, or another request's."""
    data = store.read(folder.document(REPORT))
    if data is None:
        return None
    report = from_json(JobReport, data, source=folder.document(REPORT))
    return report if report.request_id == folder.task.request_id else None


def newest_of(folders: Iterable[JobFolder], generation: int) -> JobFolder | None:
    """Return the last start of a generation."""
    return max(
        (folder for folder in folders if folder.task.generation == generation),
        key=lambda folder: folder.task.submission,
        default=None,
    )
