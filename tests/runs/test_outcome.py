from __future__ import annotations

import pytest

from airflow_lake_provider.engines import RunState, Status
from airflow_lake_provider.exceptions import JobCancelled, JobFailed, JobReportMissing
from airflow_lake_provider.exceptions import JobError as JobErrorBase
from airflow_lake_provider.protocol import JobError, JobReport, TableReport
from airflow_lake_provider.runs import outcome

GOOD = JobReport(request_id="1", status="succeeded", started_at="")
BAD_DATA = JobReport(
    request_id="1", status="succeeded", started_at="", tables=(TableReport(table="silver.a", status="failed"),)
)
HALF = JobReport(request_id="1", status="running", started_at="")


def failed(*, retryable: bool = False) -> JobReport:
    error = JobError("SourceError", "the header names `id` twice", retryable=retryable, cause="a.csv:1")
    return JobReport(
        request_id="1",
        status="failed",
        started_at="",
        tables=(TableReport(table="silver.a", status="failed", error=error),),
        error=error,
    )


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.LOST], ids=str)
@pytest.mark.parametrize("report", [pytest.param(GOOD, id="good"), pytest.param(BAD_DATA, id="failed checks")])
def test_job_that_reports_success_did_its_work_whatever_the_platform_says(status: Status, report: JobReport) -> None:
    assert outcome(RunState(status), report, run="run 7", report_uri="/r.json") is report


@pytest.mark.parametrize(
    ("state", "report", "error", "retryable", "message"),
    [
        pytest.param(
            RunState(Status.SUCCEEDED),
            None,
            JobReportMissing,
            True,
            "The job ended well and left no report at /r.json. May it write there, and does it run the job library "
            "(airflow_lake_provider.jobs)? Look at: run 7",
            id="ended well, no report",
        ),
        pytest.param(
            RunState(Status.SUCCEEDED),
            HALF,
            JobReportMissing,
            True,
            "The job ended well and left no report at /r.json. May it write there, and does it run the job library "
            "(airflow_lake_provider.jobs)? Look at: run 7",
            id="ended well, report not final",
        ),
        pytest.param(
            RunState(Status.FAILED),
            failed(retryable=True),
            JobFailed,
            True,
            "silver.a: the header names `id` twice\n  cause: a.csv:1\nLook at: run 7",
            id="report says failed, worth another try",
        ),
        pytest.param(
            RunState(Status.SUCCEEDED),
            failed(),
            JobFailed,
            False,
            "silver.a: the header names `id` twice\n  cause: a.csv:1\nLook at: run 7",
            id="report says failed, to be mended first",
        ),
        pytest.param(
            RunState(Status.FAILED, "exit code 137"),
            None,
            JobFailed,
            True,
            "The job failed without a report: exit code 137. Look at: run 7",
            id="platform says failed, no report",
        ),
        pytest.param(
            RunState(Status.FAILED, "exit code 137"),
            HALF,
            JobFailed,
            True,
            "The job failed without a report: exit code 137. Look at: run 7",
            id="platform says failed, report not final",
        ),
        pytest.param(
            RunState(Status.CANCELLED, "from the console"),
            HALF,
            JobCancelled,
            True,
            "The job was cancelled: from the console. Look at: run 7",
            id="cancelled",
        ),
        pytest.param(
            RunState(Status.LOST),
            None,
            JobFailed,
            True,
            "The job was lost; it left no report. Look at: run 7",
            id="lost",
        ),
    ],
)
def test_row_of_the_table(
    state: RunState, report: JobReport | None, error: type[JobErrorBase], retryable: bool, message: str
) -> None:
    with pytest.raises(JobErrorBase) as caught:
        outcome(state, report, run="run 7", report_uri="/r.json")
    assert type(caught.value) is error
    assert caught.value.retryable is retryable
    assert str(caught.value) == message


def test_one_table_that_needs_mending_makes_another_try_pointless() -> None:
    tables = (
        TableReport(table="a.a", status="failed", error=JobError("PublishConflict", "main moved", retryable=True)),
        TableReport(table="a.b", status="failed", error=JobError("ContractError", "no column x")),
    )
    with pytest.raises(JobFailed) as caught:
        outcome(
            RunState(Status.FAILED),
            JobReport(request_id="1", status="failed", started_at="", tables=tables),
            run="run 7",
            report_uri="/r.json",
        )
    assert not caught.value.retryable
    assert str(caught.value).splitlines()[:2] == ["a.a: main moved", "a.b: no column x"]


def test_run_that_goes_on_has_no_outcome() -> None:
    with pytest.raises(ValueError, match="has not ended"):
        outcome(RunState(Status.RUNNING), None, run="run 7", report_uri="/r.json")
