"""What the data plane answers: ``report.json``.

Replaced atomically after each table, final at the end, on success and on failure. A count that nobody measured is
``None``, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Tuple

from airflow_lake_provider.protocol.request import PROTOCOL_VERSION, TableRequest

PUBLISHED = "published"
NO_OP = "no_op"
SKIP_PUBLISH = "skip_publish"
SKIPPED = "skipped"
FAILED = "failed"
UPSTREAM_FAILED = "upstream_failed"


@dataclass(frozen=True)
class JobError:
    """Why something failed. ``cause`` is the condensed place and reason, ``stack`` the whole for the curious."""

    type: str
    message: str
    retryable: bool = False
    cause: Optional[str] = None
    stack: Optional[str] = None


@dataclass(frozen=True)
class Rows:
    """What became of the rows of the batch.

    ``rows_read = rows_applied + rows_unchanged + rows_stale + rows_quarantined + rows_deduplicated``; the job
    asserts it. ``rows_written`` is what Iceberg wrote, a separate figure.
    """

    rows_read: Optional[int] = None
    rows_applied: Optional[int] = None
    rows_unchanged: Optional[int] = None
    rows_stale: Optional[int] = None
    rows_quarantined: Optional[int] = None
    rows_deduplicated: Optional[int] = None
    rows_written: Optional[int] = None


@dataclass(frozen=True)
class Commit:
    """One Iceberg commit of this run, with Iceberg's own counts from the snapshot summary."""

    table: str
    snapshot_id: int
    operation: str
    parent_snapshot_id: Optional[int] = None
    added_records: Optional[int] = None
    deleted_records: Optional[int] = None
    added_data_files: Optional[int] = None
    deleted_data_files: Optional[int] = None
    total_records: Optional[int] = None


@dataclass(frozen=True)
class CheckResult:
    """``outcome`` is pass, warn, fail or error; ``value`` what was measured, ``None`` where nothing could be.

    ``on_fail`` is what was asked for, so ``warn`` there keeps a ``fail`` from failing the task.
    """

    check: str
    outcome: str
    value: Any = None
    on_fail: str = "fail"
    message: Optional[str] = None

    @property
    def told(self) -> str:
        """The outcome as users are told it: a failure that asks for no more than a warning is one.

        >>> CheckResult("row_count > 0", "fail", 0, on_fail="warn").told
        'warn'
        """
        return "warn" if self.outcome == "fail" and self.on_fail == "warn" else self.outcome


@dataclass(frozen=True)
class TableReport:
    """What became of one table."""

    table: str
    status: str
    strategy: Optional[str] = None
    plan: Optional[str] = None
    rows: Rows = Rows()
    snapshot_id: Optional[int] = None
    commits: Tuple[Commit, ...] = ()
    checks: Tuple[CheckResult, ...] = ()
    warnings: Tuple[str, ...] = ()
    columns_left_out: Tuple[str, ...] = ()
    columns_missing: Tuple[str, ...] = ()
    quarantine_table: Optional[str] = None
    quarantine_snapshot_id: Optional[int] = None
    branch: Optional[str] = None
    attempts: int = 1
    fingerprint: Optional[str] = None
    watermark: Optional[str] = None
    error: Optional[JobError] = None
    seconds: float = 0.0


def held_back(request: TableRequest, statuses: Mapping[str, str]) -> Optional[TableReport]:
    """Return the report of a table that is not run because of the tables it stands on, ``None`` where it may run.

    The rule is Airflow's ``all_success``: a failure before it fails it, else a skip before it skips it.

    :param statuses: of the tables that were run or held back so far.
    """
    failed = [name for name in request.upstream if statuses.get(name) in (FAILED, UPSTREAM_FAILED)]
    if failed:
        error = JobError(type="UpstreamFailed", message=f"not run, because {', '.join(failed)} did not succeed")
        return TableReport(table=request.table, status=UPSTREAM_FAILED, strategy=request.strategy, error=error)
    skipped = [name for name in request.upstream if statuses.get(name) == SKIPPED]
    if skipped:
        warning = f"not run, because {', '.join(skipped)} was skipped"
        return TableReport(table=request.table, status=SKIPPED, strategy=request.strategy, warnings=(warning,))
    return None


@dataclass(frozen=True)
class Runtime:
    """Where the job ran."""

    spark_version: Optional[str] = None
    iceberg_version: Optional[str] = None
    python_version: Optional[str] = None
    application_id: Optional[str] = None


@dataclass(frozen=True)
class JobReport:
    """One Spark application's answer. ``status`` is running, succeeded or failed.

    A table that failed its checks leaves the job ``succeeded``: the job did its work. ``failed`` means that the
    job, or a table of it, broke.
    """

    request_id: str
    status: str
    started_at: str
    finished_at: Optional[str] = None
    tables: Tuple[TableReport, ...] = ()
    runtime: Runtime = Runtime()
    error: Optional[JobError] = None
    protocol_version: str = PROTOCOL_VERSION
