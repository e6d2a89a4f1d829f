"""One Spark application: the tables of a request in order, and a report whatever happens."""

from __future__ import annotations

import platform
import time
import traceback
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Dict, List, Optional, Tuple

from airflow_lake_provider.exceptions import QualityCheckFailed
from airflow_lake_provider.jobs.errors import StepError
from airflow_lake_provider.jobs.faults import reached
from airflow_lake_provider.jobs.progress import Progress, say
from airflow_lake_provider.jobs.run import run_table
from airflow_lake_provider.jobs.session import build_session, settings_kept
from airflow_lake_provider.protocol import (
    JobError,
    JobReport,
    JobRequest,
    Runtime,
    Store,
    TableReport,
    TableRequest,
    to_json,
)
from airflow_lake_provider.protocol.report import FAILED, held_back
from airflow_lake_provider.protocol.stack import condense

# Spark's own verdicts on a query: the same text gives the same answer on every try.
_FINAL = ("AnalysisException", "ParseException", "IllegalArgumentException", "PySparkValueError", "PySparkTypeError")


class Application:
    """Runs a request; owns the session and the report."""

    def __init__(self, request: JobRequest, store: Store) -> None:
        self._request = request
        self._store = store
        self._started = _now()
        self._tables: Dict[str, TableReport] = {}
        self._runtime = Runtime(python_version=platform.python_version())

    def run(self) -> int:
        """Run every table in a session of its own and return the exit code of the job."""
        reached("start")
        try:
            spark = build_session(self._request)
        except Exception as exc:
            self._write("failed", error=_error_of(exc))
            say(f"the Spark session did not start: {exc}")
            return 1
        try:
            return self.run_in(spark)
        finally:
            reached("finished")
            _stop(spark)

    def run_in(self, spark: Any) -> int:
        """Run every table in a session that is there already, configured as ``session.session_conf`` says."""
        self._runtime = replace(
            self._runtime,
            spark_version=str(spark.version),
            application_id=str(spark.sparkContext.applicationId),
            iceberg_version=_iceberg_version(spark),
        )
        reached("session")
        for table in self._request.tables:
            self._tables[table.table] = self._run_one(spark, table)
            self._write("running")
            reached("reported", table.table)
        broken = [t for t in self._tables.values() if t.status == FAILED and not _only_checks_failed(t)]
        error = broken[0].error if len(broken) == 1 else None
        if len(broken) > 1:
            names = ", ".join(t.table for t in broken)
            error = JobError(
                type="TablesFailed",
                message=f"{len(broken)} tables failed: {names}; each table's own error says why",
                retryable=any(t.error is not None and t.error.retryable for t in broken),
            )
        self._write("failed" if broken else "succeeded", error=error)
        return 1 if broken else 0

    def _run_one(self, spark: Any, request: TableRequest) -> TableReport:
        held = held_back(request, {name: report.status for name, report in self._tables.items()})
        if held is not None:
            _tell(held)
            return held
        started = time.monotonic()
        say(f"{request.table}: started")
        try:
            with Progress(spark, request.table), settings_kept(spark):
                report = run_table(spark, self._request, request)
        except Exception as exc:
            error = _error_of(exc)
            report = TableReport(table=request.table, status=FAILED, strategy=request.strategy, error=error)
        report = replace(report, seconds=round(time.monotonic() - started, 3))
        _tell(report)
        return report

    def _write(self, status: str, *, error: Optional[JobError] = None) -> None:
        report = JobReport(
            request_id=self._request.request_id,
            status=status,
            started_at=self._started,
            finished_at=None if status == "running" else _now(),
            tables=tuple(self._tables.values()),
            runtime=self._runtime,
            error=error,
        )
        self._store.write(self._request.report_uri, to_json(report).encode("utf-8"))


def _stop(spark: Any) -> None:
    """End the session; where its JVM has died already, the report has said what there is to say."""
    try:
        spark.stop()
    except Exception as exc:
        say(f"the Spark session had ended before: {condense(str(exc))}")


def _only_checks_failed(report: TableReport) -> bool:
    return report.error is not None and report.error.type == QualityCheckFailed.__name__


def _tell(report: TableReport) -> None:
    say(_line(report))
    for doubt in _doubts(report):
        say(f"{report.table}: {doubt}")


def _line(report: TableReport) -> str:
    rows = report.rows
    counts: List[Tuple[str, Optional[int]]] = [
        ("read", rows.rows_read),
        ("applied", rows.rows_applied),
        ("unchanged", rows.rows_unchanged),
        ("stale", rows.rows_stale),
        ("quarantined", rows.rows_quarantined),
        ("deduplicated", rows.rows_deduplicated),
    ]
    shown = ", ".join(f"{value} {name}" for name, value in counts if value)
    snapshot = f", snapshot {report.snapshot_id}" if report.snapshot_id is not None else ""
    reason = f": {report.error.message}" if report.error is not None else ""
    what = f"{report.status} ({shown})" if shown else report.status
    return f"{report.table}: {what}{snapshot} in {report.seconds:.1f} s{reason}"


def _doubts(report: TableReport) -> List[str]:
    """Return what a good run should not hide."""
    doubts = [f"warning: {warning}" for warning in report.warnings]
    if report.columns_left_out:
        doubts.append(f"left out, for the contract has no such columns: {', '.join(report.columns_left_out)}")
    if report.columns_missing:
        doubts.append(f"NULL, for the source has no such columns: {', '.join(report.columns_missing)}")
    return doubts


def _error_of(error: Exception) -> JobError:
    """Say why, in a sentence; the stack stays in the report for the curious."""
    stack = traceback.format_exc()
    kind = type(error).__name__
    if isinstance(error, StepError):
        return JobError(type=kind, message=str(error), retryable=error.retryable, stack=stack)
    if kind in _FINAL:
        return JobError(type=kind, message=condense(str(error)), cause=condense(stack), stack=stack)
    message = condense(stack) or str(error)
    return JobError(type=kind, message=message, retryable=True, cause=condense(stack), stack=stack)


def _iceberg_version(spark: Any) -> Optional[str]:
    try:
        return str(spark._jvm.org.apache.iceberg.IcebergBuild.version())
    except Exception:  # an older Iceberg without the class: the report leaves it open
        return None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
