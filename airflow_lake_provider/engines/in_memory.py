"""An engine without Spark, for tests of DAGs: it keeps what it was asked and answers as it was told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from airflow_lake_provider.engines.base import RunHandle, RunState, SparkJob, Status
from airflow_lake_provider.protocol import (
    JobError,
    JobReport,
    JobRequest,
    TableReport,
    open_store,
    to_json,
)
from airflow_lake_provider.protocol.report import FAILED, PUBLISHED, held_back

Outcome = TableReport | Exception | Callable[[JobRequest], TableReport]
"""What becomes of a table: its report, the error it fails with, or a function of the request that gives the report."""


class InMemoryEngine:
    """Takes jobs and runs nothing; each table ends ``published`` unless told otherwise. Its reports are real ones.

    The operators find it by ``engines: {default: {type: in_memory}}``, or, whatever the specs name, inside of
    :meth:`installed`:

    >>> from airflow_lake_provider.engines import get_engine
    >>> with InMemoryEngine.installed(outcomes={"silver.flights": ValueError("bad rows")}) as engine:
    ...     get_engine("local", {}) is engine
    True
    >>> engine.requests
    []

    :param outcomes: what becomes of a table, by its name.
    :param states: what ``state`` answers before the end, one call each; by default a run has ended at the first look.
    :param ends: the status at the end. By default what the report says; ``LOST`` and ``CANCELLED`` leave no report.
    """

    name = "in_memory"

    def __init__(
        self,
        *,
        outcomes: Mapping[str, Outcome] | None = None,
        states: Sequence[Status] = (),
        ends: Status | None = None,
    ) -> None:
        self.outcomes = dict(outcomes or {})
        self.states = tuple(states)
        self.ends = ends
        self.requests: list[JobRequest] = []
        """Every request that started a run, in order."""
        self.options: list[dict[str, Any]] = []
        """The engine options that came with each of them."""
        self.cancelled: list[str] = []
        """The request ids of runs that were cancelled while they ran."""
        self._left: dict[str, list[Status]] = {}
        self._ended: dict[str, RunState] = {}

    @classmethod
    @contextlib.contextmanager
    def installed(
        cls,
        *,
        outcomes: Mapping[str, Outcome] | None = None,
        states: Sequence[Status] = (),
        ends: Status | None = None,
    ) -> Iterator[InMemoryEngine]:
        """Let one new engine serve every task of this process, whatever engines the environment names."""
        from airflow_lake_provider.engines.registry import replaced_by

        engine = cls(outcomes=outcomes, states=states, ends=ends)
        with replaced_by(engine):
            yield engine

    @property
    def spark_conf(self) -> Mapping[str, str]:
        """Nothing: no Spark runs."""
        return {}

    @property
    def tables(self) -> list[str]:
        """The names of all tables that were asked for, in order."""
        return [table.table for request in self.requests for table in request.tables]

    def submit(self, job: SparkJob) -> RunHandle:
        """Keep the request; a request id that came before is the same run."""
        if job.request_id not in self._left:
            self.requests.append(job.request)
            self.options.append(dict(job.options))
            self._left[job.request_id] = list(self.states)
        return RunHandle(
            engine=self.name,
            run_id=f"in-memory-{job.request_id[:8]}",
            request_id=job.request_id,
            submitted_at=datetime.now(UTC).isoformat(),
            detached=job.detached,
        )

    def state(self, handle: RunHandle) -> RunState:
        """Answer with the next of ``states``, then with how the run ended; the report is written at the end."""
        if handle.request_id in self._ended:
            return self._ended[handle.request_id]
        left = self._left.get(handle.request_id)
        if left is None:
            return RunState(Status.LOST, "this engine knows no such run")
        if left:
            return RunState(left.pop(0))
        request = next(request for request in self.requests if request.request_id == handle.request_id)
        self._ended[handle.request_id] = self._end(request)
        return self._ended[handle.request_id]

    def cancel(self, handle: RunHandle) -> None:
        """End the run as cancelled; one that has ended stays as it is."""
        if handle.request_id in self._left and handle.request_id not in self._ended:
            self.cancelled.append(handle.request_id)
            self._ended[handle.request_id] = RunState(Status.CANCELLED, "cancelled")

    def describe(self, handle: RunHandle) -> str:
        """Say that there is nothing to look at but this object."""
        return f"run {handle.run_id} of the in-memory engine"

    def _end(self, request: JobRequest) -> RunState:
        if self.ends in (Status.LOST, Status.CANCELLED):
            return RunState(self.ends, "told so")
        report = self._report(request)
        open_store(request.report_uri).write(request.report_uri, to_json(report).encode())
        if self.ends is not None:
            return RunState(self.ends, "told so")
        return RunState(Status.SUCCEEDED if report.status == "succeeded" else Status.FAILED)

    def _report(self, request: JobRequest) -> JobReport:
        now = datetime.now(UTC).isoformat()
        tables: list[TableReport] = []
        for table in request.tables:
            held = held_back(table, {entry.table: entry.status for entry in tables})
            tables.append(held or self._table(request, table.table, table.strategy))
        failed = [entry for entry in tables if entry.status == FAILED and entry.error is not None]
        return JobReport(
            request_id=request.request_id,
            status="failed" if failed else "succeeded",
            started_at=now,
            finished_at=now,
            tables=tuple(tables),
            error=failed[0].error if failed else None,
        )

    def _table(self, request: JobRequest, table: str, strategy: str | None) -> TableReport:
        outcome = self.outcomes.get(table, TableReport(table=table, status=PUBLISHED, strategy=strategy))
        if isinstance(outcome, TableReport):
            return replace(outcome, table=table)
        try:
            if isinstance(outcome, Exception):
                raise outcome
            return replace(outcome(request), table=table)
        except Exception as exc:
            error = JobError(
                type=exc.__class__.__name__, message=str(exc), retryable=bool(getattr(exc, "retryable", False))
            )
            return TableReport(table=table, status=FAILED, strategy=strategy, error=error)
