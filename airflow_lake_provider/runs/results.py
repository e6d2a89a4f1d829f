"""A table's report as users meet it: the entry of the JSON document, the error of failed checks."""

from __future__ import annotations

import dataclasses
from typing import Any

from airflow_lake_provider.exceptions import JobFailed, QualityCheckFailed
from airflow_lake_provider.protocol import CheckResult, JobReport, TableReport
from airflow_lake_provider.protocol.report import FAILED


def table_entry(table: TableReport, report_uri: str) -> dict[str, Any]:
    """Return one entry of ``tables`` in the ``lake run --json`` document; also what an operator returns.

    >>> entry = table_entry(TableReport(table="gold.delays", status="no_op"), "file:///lake/report.json")
    >>> entry["status"], entry["rows_read"], entry["error"]
    ('no_op', None, None)
    """
    return {
        "table": table.table,
        "status": table.status,
        "strategy": table.strategy,
        "plan": table.plan,
        **dataclasses.asdict(table.rows),
        "snapshot_id": table.snapshot_id,
        "checks": [{"check": c.check, "outcome": c.outcome, "value": c.value} for c in table.checks],
        "error": _error(table),
        "seconds": table.seconds,
        "report_uri": report_uri,
    }


def table_result(report: JobReport) -> TableReport:
    """Return the one table of a report, when its data may be relied on.

    :raises QualityCheckFailed: its checks failed, so nothing was published.
    :raises JobFailed: the table failed for another reason.
    """
    table = report.tables[0]
    if table.status != FAILED:
        return table
    if failed_checks(table):
        raise check_error(table)
    error = table.error
    raise JobFailed(
        error.message if error else f"{table.table} failed and the report does not say why",
        retryable=error.retryable if error else False,
    )


def failed_checks(table: TableReport) -> tuple[CheckResult, ...]:
    """Return the checks that keep the table from being published: failed or not evaluable, and asked to fail it."""
    return tuple(check for check in table.checks if check.outcome in ("fail", "error") and check.on_fail == "fail")


def check_error(table: TableReport) -> QualityCheckFailed:
    """Return the error of a table whose checks failed; its first line names each failed check with its value.

    >>> checks = (CheckResult("row_count > 1000", "fail", 842), CheckResult("missing_count(id) = 0", "pass", 0))
    >>> print(check_error(TableReport(table="silver.flights", status="failed", checks=checks)))
    1 of 2 checks failed on silver.flights: row_count > 1000 (was 842)
    Nothing was published.
    """
    failed = failed_checks(table)
    named = "; ".join(_one_line(check) for check in failed)
    noun = "check" if len(table.checks) == 1 else "checks"
    lines = [f"{len(failed)} of {len(table.checks)} {noun} failed on {table.table}: {named}"]
    lines += [f"  {check.check}: {check.message}" for check in failed if check.message and check.outcome != "error"]
    held = (
        f" The rows of this run are on the branch {table.branch} until a later run publishes." if table.branch else ""
    )
    return QualityCheckFailed("\n".join([*lines, f"Nothing was published.{held}"]))


def _one_line(check: CheckResult) -> str:
    if check.outcome == "error":
        why = (check.message or "no reason given").splitlines()[0]
        return f"{check.check} (could not be evaluated: {why})"
    return f"{check.check} (was {'NULL' if check.value is None else _text(check.value)})"


def _text(value: Any) -> str:
    """Six significant digits are enough for a person; whole numbers stay whole."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return str(value)


def _error(table: TableReport) -> dict[str, str] | None:
    if table.error is not None:
        return {"type": table.error.type, "message": table.error.message}
    if table.status == FAILED and failed_checks(table):
        return {"type": QualityCheckFailed.__name__, "message": str(check_error(table))}
    return None
