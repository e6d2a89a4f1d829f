"""The checks of a table: of what a run has written, before anybody sees it, or of the table as it is."""

from __future__ import annotations

from typing import Any, Optional, Tuple

from airflow_lake_provider.exceptions import QualityCheckFailed
from airflow_lake_provider.jobs.errors import StepError
from airflow_lake_provider.jobs.iceberg import IcebergTable
from airflow_lake_provider.jobs.inputs import find_step
from airflow_lake_provider.jobs.progress import say
from airflow_lake_provider.jobs.quality import run_checks, verdict
from airflow_lake_provider.protocol import (
    CheckResult,
    CheckStep,
    JobError,
    JobRequest,
    TableReport,
    TableRequest,
    check_failure,
)
from airflow_lake_provider.protocol.report import FAILED, NO_OP


def audit(spark: Any, job: JobRequest, request: TableRequest, *, branch: Optional[str]) -> Tuple[CheckResult, ...]:
    """Run the table's checks; none where it has none.

    :param branch: the branch that the checks judge; ``None`` judges main.
    """
    step = find_step(request, CheckStep)
    if not isinstance(step, CheckStep):
        return ()
    results = run_checks(spark, table=request.table, catalog=job.catalog, checks=step.checks, branch=branch)
    for result in results:
        shown = "" if result.value is None else f" (value {result.value})"
        why = f": {result.message}" if result.message else ""
        say(f"check {result.told}: {result.check}{shown}{why}")
    return results


def audit_only(spark: Any, job: JobRequest, request: TableRequest) -> TableReport:
    """Judge a table that nobody writes in this run.

    :raises StepError: there is no such table, or nothing to judge it by.
    """
    if find_step(request, CheckStep) is None:
        raise StepError(f"{request.table}: the request has neither a write nor a check")
    table = IcebergTable.find(spark, job.catalog, request.table)
    if table is None:
        raise StepError(f"{request.table} does not exist in catalog '{job.catalog.name}', so there is nothing to check")
    checks = audit(spark, job, request, branch=None)
    failed = verdict(checks) == "fail"
    return TableReport(
        table=request.table,
        status=FAILED if failed else NO_OP,
        plan="check",
        snapshot_id=table.head(),
        checks=checks,
        error=checks_failed(request.table, checks, branch=None) if failed else None,
    )


def checks_failed(table: str, checks: Tuple[CheckResult, ...], *, branch: Optional[str]) -> JobError:
    """Return the error of a table whose checks failed."""
    return JobError(type=QualityCheckFailed.__name__, message=check_failure(table, checks, branch=branch))
