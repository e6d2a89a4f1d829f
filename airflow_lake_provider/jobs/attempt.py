"""One attempt at one table: what it is about, what it has to say, and its report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, List, Optional, Tuple

from airflow_lake_provider.jobs.audit import checks_failed
from airflow_lake_provider.jobs.errors import PublishConflict
from airflow_lake_provider.jobs.iceberg import branch_of
from airflow_lake_provider.jobs.inputs import Inputs, find_step
from airflow_lake_provider.protocol import (
    CheckResult,
    IngestStep,
    JobRequest,
    Rows,
    TableReport,
    TableRequest,
    WriteStep,
)
from airflow_lake_provider.protocol.report import FAILED

NOTHING_READ = Rows(
    rows_read=0,
    rows_applied=0,
    rows_unchanged=0,
    rows_stale=0,
    rows_quarantined=0,
    rows_deduplicated=0,
    rows_written=0,
)


@dataclass(frozen=True)
class Outcome:
    """What became of the written branch: ``snapshot_id`` is its head, ``base`` what main was when it began."""

    snapshot_id: Optional[int]
    base: Optional[int]
    status: str
    checks: Tuple[CheckResult, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """One attempt at one table; a fresh object for each, so nothing of a lost one lingers.

    ``warnings`` are for the report, in the order in which they came up.
    """

    spark: Any
    job: JobRequest
    request: TableRequest
    warnings: List[str] = field(default_factory=list)

    @property
    def write(self) -> WriteStep:
        """How the table is written."""
        step = find_step(self.request, WriteStep)
        assert isinstance(step, WriteStep)
        return step

    @property
    def ingest(self) -> Optional[IngestStep]:
        """The ingest that the table is made by, ``None`` where it is made by a query or a function."""
        step = find_step(self.request, IngestStep)
        return step if isinstance(step, IngestStep) else None

    @property
    def branch(self) -> str:
        """The audit branch."""
        return branch_of(self.job.request_id)

    @property
    def interval(self) -> str:
        """How the ledger names the run's interval; the empty text where it has none."""
        return self.job.interval.key if self.job.interval is not None else ""

    @property
    def ledger_key(self) -> str:
        """Under what the ledger keeps this run: its interval, and of tasks that append to one table also which.

        Without it the second of them would find the interval appended, and its rows would be lost.
        """
        writer = self.write.writer if self.ingest is None and self.write.strategy == "append" else None
        return f"{self.interval} {writer}" if writer else self.interval

    def removes(self, inputs: Inputs) -> bool:
        """Whether rows of replaced files leave the table: an append takes a file's newest version only."""
        keeps = self.ingest is None or self.ingest.on_replaced != "replace" or self.write.strategy != "append"
        return bool(inputs.replaced) and not keeps and not self.request.full_refresh

    def lost(self) -> PublishConflict:
        """Return the error of an attempt whose pinned table is not the newest any more."""
        return PublishConflict(f"{self.request.table} was published by another run meanwhile")

    def report(
        self,
        status: str,
        *,
        rows: Rows,
        plan: str,
        inputs: Optional[Inputs] = None,
        snapshot_id: Optional[int] = None,
        outcome: Optional[Outcome] = None,
    ) -> TableReport:
        """Return the table's report."""
        checks = outcome.checks if outcome is not None else ()
        error = None
        if status == FAILED:
            branch = self.branch if outcome is not None and outcome.snapshot_id != outcome.base else None
            error = checks_failed(self.request.table, checks, branch=branch)
        return TableReport(
            table=self.request.table,
            status=status,
            strategy=self.write.strategy,
            plan=plan,
            rows=rows if rows.rows_written is not None else replace(rows, rows_written=0),
            snapshot_id=snapshot_id,
            checks=checks,
            warnings=tuple(self.warnings),
            fingerprint=inputs.fingerprint if inputs is not None else None,
            error=error,
        )
