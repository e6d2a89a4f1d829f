"""One run from its start to its end, and what then is there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_lake_provider.engines import Engine, FollowsLogs, RunHandle, RunState, SparkJob
from airflow_lake_provider.exceptions import EngineError
from airflow_lake_provider.protocol import JobFolder, JobReport, JobRequest, Store, to_json
from airflow_lake_provider.protocol.store import HANDLE, REPORT, REQUEST
from airflow_lake_provider.runs.outcome import is_final, outcome
from airflow_lake_provider.runs.starts import TaskStarts, read_report


@dataclass(frozen=True)
class Delivery:
    """A report on its way to the caller; see :func:`~.submit.deliver`."""

    report: JobReport
    folder: JobFolder
    report_uri: str


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


@dataclass(frozen=True)
class Wait:
    """How this caller starts runs and waits for them."""

    engine: Engine
    store: Store
    log: logging.Logger
    poll_interval: float
    engine_options: Mapping[str, Any]
    on_start: Callable[[RunHandle, JobFolder], None] | None
    on_report: Callable[[JobReport], None] | None

    def submit(self, folder: JobFolder, request: JobRequest) -> RunHandle:
        """Start the run, or find it again, and leave its handle in the job folder."""
        job = SparkJob(request=request, request_uri=folder.document(REQUEST), options=self.engine_options)
        handle = self.engine.submit(job)
        self.log.info("Submitted %s to %s: %s", request.request_id, self.engine.name, self.engine.describe(handle))
        self.store.write(folder.document(HANDLE), to_json(handle).encode())
        return handle

    def until_end(self, folder: JobFolder, request: JobRequest, handle: RunHandle, starts: TaskStarts) -> EndedRun:
        """Wait until the run has ended, then settle what it leaves. An interrupt cancels it."""
        run = self.engine.describe(handle)
        try:
            if isinstance(self.engine, FollowsLogs):
                self.engine.follow(handle)
            if self.on_start is not None:
                self.on_start(handle, folder)
            state = self._poll(folder, handle)
        except BaseException as exc:
            # Interrupts and time-outs must not orphan the run; after a mere error a retry finds it again.
            if not isinstance(exc, Exception):
                self._cancel(handle, run)
            raise
        report = read_report(self.store, folder)
        if report is not None:
            if self.on_report is not None:
                self.on_report(report)
            starts.settle(folder, request.submissions, report)
        # A final report says why itself; the platform knows its exit code only.
        told = report is not None and is_final(report)
        detail = f" ({state.detail})" if state.detail and not told else ""
        self.log.info("%s%s: %s", state.status.value.capitalize(), detail, run)
        return EndedRun(state, report, folder, run)

    def _cancel(self, handle: RunHandle, run: str) -> None:
        """Cancel the run; that a platform refuses must not hide what interrupted the waiting."""
        self.log.info("Cancelling %s", run)
        try:
            self.engine.cancel(handle)
        except EngineError as exc:
            self.log.warning("The run goes on: %s", exc)

    def _poll(self, folder: JobFolder, handle: RunHandle) -> RunState:
        while True:
            state = self.engine.state(handle)
            if state.status.is_terminal:
                return state
            if self.on_report is not None and (report := read_report(self.store, folder)) is not None:
                self.on_report(report)
            time.sleep(self.poll_interval)
