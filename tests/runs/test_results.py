from __future__ import annotations

import json

import pytest

from airflow_lake_provider.exceptions import JobFailed, QualityCheckFailed
from airflow_lake_provider.protocol import CheckResult, JobError, JobReport, Rows, TableReport
from airflow_lake_provider.runs import check_error, table_entry, table_result

FAILED_CHECKS = TableReport(
    table="silver.flights",
    status="failed",
    strategy="merge",
    rows=Rows(rows_read=842, rows_applied=842),
    checks=(
        CheckResult("row_count > 1000", "fail", 842),
        CheckResult("avg(delay) < 10", "fail", 12.3456789, on_fail="warn"),
        CheckResult("missing_count(id) = 0", "pass", 0),
    ),
    branch="lake_1",
    seconds=1.5,
)


def test_entry_has_exactly_the_documented_keys() -> None:
    entry = table_entry(FAILED_CHECKS, "/jobs/report.json")
    assert list(entry) == [
        "table", "status", "strategy", "plan", "rows_read", "rows_applied", "rows_unchanged", "rows_stale",
        "rows_quarantined", "rows_deduplicated", "rows_written", "snapshot_id", "checks", "error", "seconds",
        "report_uri",
    ]  # fmt: skip
    assert entry["checks"][0] == {"check": "row_count > 1000", "outcome": "fail", "value": 842}
    assert entry["error"]["type"] == "QualityCheckFailed"
    assert json.loads(json.dumps(entry)) == entry


@pytest.mark.parametrize(
    ("outcome", "on_fail", "told"),
    [("fail", "warn", "warn"), ("fail", "skip_publish", "fail"), ("warn", "fail", "warn"), ("error", "warn", "error")],
)
def test_failure_that_only_warns_is_a_warning(outcome: str, on_fail: str, told: str) -> None:
    table = TableReport(table="a.b", status="published", checks=(CheckResult("x > 1", outcome, 0, on_fail=on_fail),))
    assert table_entry(table, "")["checks"] == [{"check": "x > 1", "outcome": told, "value": 0}]


def test_entry_of_a_broken_table_names_its_error() -> None:
    table = TableReport(table="a.b", status="failed", error=JobError("SourceError", "gone", stack="..."))
    assert table_entry(table, "")["error"] == {"type": "SourceError", "message": "gone"}


def test_first_line_names_each_failed_check_with_its_value() -> None:
    assert str(check_error(FAILED_CHECKS)) == (
        "1 of 3 checks failed on silver.flights: row_count > 1000 (was 842)\n"
        "Nothing was published. The rows of this run are on the branch lake_1 until a later run publishes."
    )


@pytest.mark.parametrize(
    ("check", "said"),
    [
        pytest.param(CheckResult("avg(x) < 1", "fail", 1.23456789), "avg(x) < 1 (was 1.23457)", id="a long fraction"),
        pytest.param(CheckResult("row_count > 0", "fail", 0.0), "row_count > 0 (was 0)", id="a whole float"),
        pytest.param(CheckResult("max(x) > 0", "fail", None), "max(x) > 0 (was NULL)", id="no value"),
        pytest.param(
            CheckResult("freshness(t) < 1d", "error", None, message="no column t\nmore"),
            "freshness(t) < 1d (could not be evaluated: no column t)",
            id="not evaluable",
        ),
    ],
)
def test_value_is_told_in_a_readable_way(check: CheckResult, said: str) -> None:
    first = str(check_error(TableReport(table="a.b", status="failed", checks=(check,)))).splitlines()[0]
    assert first == f"1 of 1 check failed on a.b: {said}"


def report(table: TableReport) -> JobReport:
    return JobReport(request_id="1", status="succeeded", started_at="", tables=(table,))


def test_result_of_failed_checks_is_an_error() -> None:
    with pytest.raises(QualityCheckFailed):
        table_result(report(FAILED_CHECKS))


def test_result_of_a_broken_table_keeps_whether_another_try_helps() -> None:
    table = TableReport(table="a.b", status="failed", error=JobError("PublishConflict", "main moved", retryable=True))
    with pytest.raises(JobFailed, match="main moved") as caught:
        table_result(report(table))
    assert caught.value.retryable


@pytest.mark.parametrize("status", ["published", "no_op", "skip_publish", "skipped"])
def test_any_other_result_is_handed_on(status: str) -> None:
    table = TableReport(table="a.b", status=status)
    assert table_result(report(table)) is table
