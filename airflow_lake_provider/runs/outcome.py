"""What a run's end means: one table of the platform's word and the job's own."""

from __future__ import annotations

from airflow_lake_provider.engines import RunState, Status
from airflow_lake_provider.exceptions import JobCancelled, JobFailed, JobReportMissing
from airflow_lake_provider.protocol import JobError, JobReport
from airflow_lake_provider.protocol.report import FAILED


def outcome(state: RunState, report: JobReport | None, *, run: str, report_uri: str) -> JobReport:
    """Return the report of a run that did its work, or raise what became of it.

    The job's last word counts before the platform's: a driver that reported and then crashed on its way out has done
    its work. A job that found bad data has done its work too; see ``table_result``.

    :param state: the platform's word; it must be a final one.
    :param report: what the job left, ``None`` when it left nothing for this request.
    :param run: the run in a few words, with where its logs are (``Engine.describe``).
    :param report_uri: where the report is, or should be.
    :raises JobFailed: the job or the platform says why.
    :raises JobCancelled: somebody stopped it.
    :raises JobReportMissing: it ended well and left no final report.
    """
    if not state.status.is_terminal:
        raise ValueError(f"the run has not ended, it is {state.status}")
    if report is not None and is_final(report):
        if report.status == "succeeded":
            return report
        raise JobFailed(_reason(report, run), retryable=_is_retryable(report))
    if state.status is Status.SUCCEEDED:
        raise JobReportMissing(
            f"The job ended well and left no report at {report_uri}. May it write there, and does it run the job "
            f"library (airflow_lake_provider.jobs)? Look at: {run}"
        )
    if state.status is Status.CANCELLED:
        raise JobCancelled(f"The job was cancelled{_because(state)}. Look at: {run}")
    if state.status is Status.LOST:
        raise JobFailed(f"The job was lost{_because(state)}; it left no report. Look at: {run}")
    raise JobFailed(f"The job failed without a report{_because(state)}. Look at: {run}")


def is_final(report: JobReport) -> bool:
    """Whether the job had said its last word; before that a report tells of the tables done so far."""
    return report.status in ("succeeded", "failed")


def _because(state: RunState) -> str:
    return f": {state.detail}" if state.detail else ""


def _errors(report: JobReport) -> list[tuple[str | None, JobError]]:
    """All errors of a report with their tables; the job's own comes last and only where no table says the same."""
    found: list[tuple[str | None, JobError]] = [
        (table.table, table.error) for table in report.tables if table.status == FAILED and table.error is not None
    ]
    if report.error is not None and all(error.message != report.error.message for _, error in found):
        found.append((None, report.error))
    return found


def _reason(report: JobReport, run: str) -> str:
    errors = _errors(report)
    if not errors:
        return f"The job failed and its report does not say why. Look at: {run}"
    lines = []
    for table, error in errors:
        line = f"{table}: {error.message}" if table and table not in error.message else error.message
        if error.cause and error.cause not in line:
            line += f"\n  cause: {error.cause}"
        lines.append(line)
    return "\n".join([*lines, f"Look at: {run}"])


def _is_retryable(report: JobReport) -> bool:
    """Another try helps only if nothing needs mending first."""
    return all(error.retryable for _, error in _errors(report))
