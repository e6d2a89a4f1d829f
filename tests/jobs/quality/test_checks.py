"""Checks on real tables with real Soda: every written check gets one result, and nothing passes unseen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.jobs.quality import run_checks, verdict
from airflow_lake_provider.protocol import Check, CheckResult


@pytest.fixture
def table(spark: Any, namespace: str) -> str:
    name = f"{namespace}.orders"
    spark.sql(
        f"CREATE TABLE {name} (id INT, v STRING, amount DOUBLE, at TIMESTAMP) USING iceberg PARTITIONED BY (days(at)) "
        "TBLPROPERTIES ('write.wap.enabled'='true')"
    )
    spark.sql(
        f"INSERT INTO {name} VALUES (1, 'a', 1.0, TIMESTAMP '2026-01-01'), (1, NULL, 2.0, TIMESTAMP '2026-01-02'), "
        "(3, 'ö', 30.5, TIMESTAMP '2026-01-02')"
    )
    spark.sql(f"CREATE TABLE {namespace}.ids (id INT) USING iceberg")
    spark.sql(f"INSERT INTO {namespace}.ids VALUES (1), (2)")
    return name


def check(spark: Any, table: str, text: str, body: Mapping[str, Any] | None = None, branch: Any = None) -> CheckResult:
    (result,) = run_checks(spark, table=table, identifier=f"lake.{table}", checks=[Check(text, body)], branch=branch)
    return result


@pytest.mark.parametrize(
    ("text", "body", "outcome", "value"),
    [
        ("row_count > 2", None, "pass", 3),
        ("row_count > 3", None, "fail", 3),
        ("row_count between 1 and 5", None, "pass", 3),
        ("missing_count(v) = 0", None, "fail", 1),
        ("missing_percent(v) < 50", None, "pass", 33.33),
        ("duplicate_count(id) = 0", None, "fail", 1),
        ("invalid_count(v) = 0", {"valid values": ["a", "ö"]}, "pass", 0),
        ("invalid_count(v) = 0", {"valid regex": "^[a-z]$"}, "fail", 1),
        ("max(amount) < 30", None, "fail", 30.5),
        ("avg(amount)", {"warn": "when > 5", "fail": "when > 50"}, "warn", 11.166666666666666),
        ("freshness(at) < 100000d", None, "pass", None),
        ("freshness(at) < 1d", None, "fail", None),
        ("row_count = 2", {"filter": "id = 1"}, "pass", 2),
        ("failed rows", {"fail condition": "amount > 30"}, "fail", 1),
        ("failed rows", {"fail condition": "amount > 300"}, "pass", 0),
        ("failed rows", {"fail query": "SELECT * FROM {table}\nWHERE v = 'ö' -- \"quoted\": yes"}, "fail", 1),
        ("schema", {"fail": {"when required column missing": ["nope"]}}, "fail", "missing: nope"),
        ("schema", {"fail": {"when required column missing": ["id", "at"]}}, "pass", None),
        ("schema", {"fail": {"when wrong column type": {"id": "int", "amount": "double"}}}, "pass", None),
        ("values in (id) must exist in {namespace}.ids (id)", None, "fail", 1),
        ("row_count same as {namespace}.ids", None, "fail", 1),
        ("mean_amount between 0 and 20", {"mean_amount expression": "avg(amount)"}, "pass", 11.166666666666666),
        (
            "group by",
            {
                "query": "SELECT id, count(*) AS n FROM {table} GROUP BY id",
                "fields": ["id"],
                "checks": [{"n = 1": {"name": "one each"}}],
            },
            "fail",
            None,
        ),
    ],
)
def test_check_gets_its_outcome_and_value(
    spark: Any, table: str, namespace: str, text: str, body: Any, outcome: str, value: Any
) -> None:
    def fill(item: Any) -> Any:
        if isinstance(item, str):
            return item.replace("{table}", table).replace("{namespace}", namespace)
        return {key: fill(one) for key, one in item.items()} if isinstance(item, dict) else item

    result = check(spark, table, fill(text), fill(body))
    assert (result.outcome, result.check) == (outcome, fill(text)), result.message
    if value is not None:
        assert result.value == pytest.approx(value) if isinstance(value, float) else result.value == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("missing_count(nope) = 0", "`nope` cannot be resolved"),
        ("row_cuont > 0", "row_cuont"),
        ("stddev(amount) > 0", "Unsupported metric"),
        ("row_count >", "row_count >"),
        ("anomaly detection for row_count", "Soda"),
    ],
)
def test_check_that_cannot_be_evaluated_is_an_error_with_its_reason(
    spark: Any, table: str, text: str, reason: str
) -> None:
    result = check(spark, table, text)
    assert result.outcome == "error"
    assert reason in (result.message or "")
    assert "\n" not in (result.message or "")
    assert verdict([result]) == "fail"


def test_average_over_no_rows_is_an_error_and_nan_passes_no_bound(spark: Any, table: str) -> None:
    assert check(spark, table, "avg(amount) > 0", {"filter": "id > 100"}).outcome == "error"
    spark.sql(f"INSERT INTO {table} VALUES (9, 'n', double('NaN'), TIMESTAMP '2026-01-03')")
    for text in ("max(amount) < 5", "avg(amount) between 0 and 1", "min(amount) > 0"):
        result = check(spark, table, text)
        assert result.outcome in ("error", "fail") or result.value == 1.0, text
    assert "nan" in (check(spark, table, "avg(amount) between 0 and 1").message or "")


def test_one_wrong_check_leaves_the_others_their_outcome(spark: Any, table: str) -> None:
    texts = ["row_count > 0", "missing_count(nope) = 0", "max(id) = 3", "duplicate_count(v) = 0", "nonsense >"]
    results = run_checks(
        spark, table=table, identifier=f"lake.{table}", checks=[Check(text) for text in texts], branch=None
    )
    assert [result.outcome for result in results] == ["pass", "error", "pass", "pass", "error"]
    assert [result.check for result in results] == texts


def test_checks_see_the_branch_under_the_tables_own_name_even_in_their_queries(spark: Any, table: str) -> None:
    spark.sql(f"ALTER TABLE lake.{table} CREATE BRANCH audit")
    spark.sql(f"REFRESH TABLE lake.{table}")
    spark.sql(f"INSERT INTO lake.{table}.branch_audit VALUES (7, 'new', 1.0, TIMESTAMP '2026-01-05')")
    query = {"fail query": f"SELECT * FROM {table} WHERE id = 7"}
    assert check(spark, table, "row_count = 4", branch="audit").outcome == "pass"
    assert check(spark, table, "failed rows", query, branch="audit").outcome == "fail"
    assert check(spark, table, "row_count = 3").outcome == "pass"
    assert check(spark, table, "failed rows", query).outcome == "pass"
    assert spark.conf.get("spark.wap.branch", None) is None


def test_what_was_expected_is_named_where_the_check_does_not_say_it(spark: Any, table: str) -> None:
    assert check(spark, table, "avg(amount)", {"fail": "when > 5"}).message == "fail when > 5"
    named = check(spark, table, "failed rows", {"name": "no big ones", "fail condition": "amount > 30"})
    assert named.message == "no big ones; fail condition amount > 30"


def test_many_failed_rows_are_counted_in_seconds_not_minutes(spark: Any, table: str) -> None:
    spark.sql(f"INSERT INTO {table} SELECT id, 'x', 99.0, TIMESTAMP '2026-02-01' FROM range(3000)")
    statements = []
    original = type(spark).sql

    def counted(self: Any, *arguments: Any, **options: Any) -> Any:
        statements.append(arguments or options)
        return original(self, *arguments, **options)

    type(spark).sql = counted
    try:
        assert check(spark, table, "failed rows", {"fail condition": "amount > 90"}).value == 3000
    finally:
        type(spark).sql = original
    assert len(statements) < 10


def test_soda_leaves_no_file_in_the_home_and_no_variable_behind(
    spark: Any, table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("LAKE_STOLEN=1\n")
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    assert check(spark, table, "row_count > 0").outcome == "pass"
    assert dict(os.environ) == before
    assert not (Path.home() / ".soda").exists()
    from opentelemetry import trace

    assert type(trace.get_tracer_provider()).__name__ == "ProxyTracerProvider"


@pytest.mark.parametrize(
    ("outcomes", "word"),
    [
        ([], "pass"),
        ([("pass", "fail")], "pass"),
        ([("warn", "fail")], "warn"),
        ([("fail", "warn")], "warn"),
        ([("fail", "skip_publish"), ("fail", "warn")], "skip_publish"),
        ([("fail", "skip_publish"), ("error", "fail")], "fail"),
    ],
)
def test_verdict(outcomes: Any, word: str) -> None:
    results = [CheckResult(check="c", outcome=outcome, on_fail=on_fail) for outcome, on_fail in outcomes]
    assert verdict(results) == word
