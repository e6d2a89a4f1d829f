"""One run from its start to its end, and what then is there. The two may be seen by different processes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from airflow_lake_provider.engines import Engine, FollowsLogs, RunHandle, RunState, Status
from airflow_lake_provider.exceptions import EngineError, JobTimedOut
from airflow_lake_provider.protocol import JobFolder, JobReport, JobRequest, Store, open_store
from airflow_lake_provider.protocol.store import REPORT
from airflow_lake_provider.runs.outcome import is_final, outcome
from airflow_lake_provider.runs.starts import (
    TaskStarts,
    find_handle,
    newest_of,
    read_handle,
    read_report,
    read_request,
)


@dataclass(frozen=True)
class Delivery:
    """A report on its way to the caller; see :func:`~.submit.deliver`."""

    report: JobReport
    folder: JobFolder
    report_uri: str


@dataclass(frozen=True)
class LiveRun:
    """A start that was live when it was looked at last; ``was_there``: it is of an earlier try."""

    handle: RunHandle
    folder: JobFolder
    request: JobRequest
    was_there: bool = False


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended, before anybody judged how. ``run`` says in a few words where its logs are."""

    state: RunState
    report: JobReport | None
    folder: JobFolder
    run: str

    @property
    def report_uri(self) -> str:
        """Where the report is, or should be."""
        return self.folder.document(REPORT)

    def delivery(self) -> Delivery:
        """Return the report of a run that did its work; raises as :func:`outcome` does."""
        report = outcome(self.state, self.report, run=self.run, report_uri=self.report_uri)
        return Delivery(report, self.folder, self.report_uri)

    @property
    def has_last_word(self) -> bool:
        """Whether the job itself has said how it ended."""
        return self.report is not None and is_final(self.report)

    @property
    def is_lost(self) -> bool:
        """Whether the run has gone without a last word: it has not failed, it was taken away."""
        return self.state.status is Status.LOST and not self.has_last_word


@dataclass(frozen=True, kw_only=True)
class Wait:
    """How this caller waits for runs.

    :param poll_interval: seconds between two questions where the run stands.
    :param deadline: the moment at which a run that goes on is cancelled.
    :param on_start: called with the handle and the folder before the first question.
    :param on_report: called with each report that the job leaves while it runs, and with the last one.
    """

    engine: Engine
    log: logging.Logger
    store: Store
    poll_interval: float = 1.0
    deadline: datetime | None = None
    on_start: Callable[[RunHandle, JobFolder], None] | None = None
    on_report: Callable[[JobReport], None] | None = None

    def until_end(self, run: LiveRun) -> EndedRun:
        """Wait until the run has ended, then settle what it leaves. An interrupt cancels it.

        :raises JobTimedOut: the deadline came first.
        """
        folder, handle = run.folder, run.handle
        where = self.engine.describe(handle)
        try:
            if isinstance(self.engine, FollowsLogs):
                self.engine.follow(handle)
            if self.on_start is not None:
                self.on_start(handle, folder)
            state = self._poll(folder, handle, where)
        except BaseException as exc:
            # Interrupts and time-outs must not orphan the run; after a mere error a retry finds it again.
            if not isinstance(exc, Exception):
                cancel(self.engine, handle, self.log)
            raise
        report = read_report(self.store, folder)
        if report is not None:
            if self.on_report is not None:
                self.on_report(report)
            TaskStarts(self.store, folder.root, folder.task).settle(folder, run.request.submissions, report)
        # A final report says why itself; the platform knows its exit code only.
        told = report is not None and is_final(report)
        detail = f" ({state.detail})" if state.detail and not told else ""
        self.log.info("%s%s: %s", state.status.value.capitalize(), detail, where)
        return EndedRun(state, report, folder, where)

    def _poll(self, folder: JobFolder, handle: RunHandle, where: str) -> RunState:
        while True:
            state = self.engine.state(handle)
            if state.status.is_terminal:
                return state
            if self.deadline is not None and datetime.now(UTC) >= self.deadline:
                cancel(self.engine, handle, self.log)
                raise JobTimedOut(f"The job ran longer than the task may and was cancelled. Look at: {where}")
            if self.on_report is not None and (report := read_report(self.store, folder)) is not None:
                self.on_report(report)
            time.sleep(self.poll_interval)


def newest_run(folder: JobFolder, store: Store | None = None) -> LiveRun | None:
    """Return the newest start of a task run in its generation, whatever has become of it.

    :param folder: of any start of the task run in this generation.
    """
    store = store or open_store(folder.root)
    newest = newest_of(TaskStarts(store, folder.root, folder.task).all(), folder.task.generation)
    if newest is None:
        return None
    handle, request = find_handle(store, newest), read_request(store, newest)
    return None if handle is None or request is None else LiveRun(handle, newest, request, was_there=True)


def find_run(folder: JobFolder, store: Store | None = None) -> LiveRun:
    """Return a start that some process has made, from nothing but its job folder.

    :raises EngineError: its documents have gone.
    """
    store = store or open_store(folder.root)
    handle, request = read_handle(store, folder), read_request(store, folder)
    if handle is None or request is None:
        raise EngineError(
            f"The job folder {folder.uri} holds no start any more: request.json and handle.json were there. "
            "Has somebody tidied it up while the job ran?"
        )
    return LiveRun(handle, folder, request, was_there=True)


def cancel(engine: Engine, handle: RunHandle, log: logging.Logger) -> None:
    """Cancel a run; that a platform refuses is only told, for it must not hide why the run is to end."""
    log.info("Cancelling %s", engine.describe(handle))
    try:
        engine.cancel(handle)
    except EngineError as exc:
        log.warning("The run goes on: %s", exc)
