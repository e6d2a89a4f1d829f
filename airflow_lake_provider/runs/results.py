"""A table's report as users meet it: the entry of the JSON document, the error of failed checks."""

from __future__ import annotations

import dataclasses
from typing import Any

from airflow_lake_provider.exceptions import JobFailed, QualityCheckFailed
from airflow_lake_provider.protocol import JobReport, TableReport, check_failure, failed_checks
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
        "checks": [{"check": c.check, "outcome": c.told, "value": c.value} for c in table.checks],
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
    if failed_checks(table.checks):
        raise check_error(table)
    error = table.error
    raise JobFailed(
        error.message if error else f"{table.table} failed and the report does not say why",
        retryable=error.retryable if error else False,
    )


def check_error(table: TableReport) -> QualityCheckFailed:
    """Return the error of a table whose checks failed; its first line names each failed check with its value."""
    return QualityCheckFailed(check_failure(table.table, table.checks, branch=table.branch))


def _error(table: TableReport) -> dict[str, str] | None:
    if table.error is not None:
        return {"type": table.error.type, "message": table.error.message}
    if table.status == FAILED and failed_checks(table.checks):
        return {"type": QualityCheckFailed.__name__, "message": str(check_error(table))}
    return None
