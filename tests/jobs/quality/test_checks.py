from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.jobs.quality import run_checks, verdict
from airflow_lake_provider.protocol import Catalog, Check, CheckResult

pytestmark = pytest.mark.spark

LAKE = Catalog(name="lake", type="hadoop", warehouse="file:///not-read-here")


@pytest.fixture
def flights(spark: Any, namespace: str) -> str:
    """A partitioned table of five rows on main and three more on the branch ``audit``."""
    name = f"{namespace}.flights"
    spark.sql(
        f"""CREATE TABLE lake.{name} (id INT, carrier STRING, delay DOUBLE, price DECIMAL(10,2), at TIMESTAMP,
        `weird col` STRING) USING iceberg PARTITIONED BY (days(at), carrier)
        TBLPROPERTIES ('write.wap.enabled' = 'true')"""
    )
    spark.sql(
        f"""INSERT INTO lake.{name} VALUES
        (1, 'AA', 1.0, 1.50, timestamp '2026-01-01 10:00:00', 'x'),
        (2, 'AA', 2.0, 2.25, timestamp '2026-01-01 11:00:00', NULL),
        (3, 'UA', NULL, 3.00, timestamp '2026-01-02 10:00:00', 'x'),
        (4, 'UA', 4.0, NULL, timestamp '2026-01-02 11:00:00', 'y'),
        (4, 'DL', 5.0, 5.00, current_timestamp(), 'z')"""
    )
    spark.sql(f"ALTER TABLE lake.{name} CREATE BRANCH audit")
    spark.sql(
        f"""INSERT INTO lake.{name}.branch_audit VALUES (6, 'B6', 6.0, 6.00, current_timestamp(), 'x'),
        (7, 'B6', 7.0, 7.00, current_timestamp(), 'x'), (8, 'ünï', 8.0, 8.00, current_timestamp(), 'it\\'s')"""
    )
    return name


@pytest.fixture
def judge(spark: Any, flights: str) -> Callable[..., list[CheckResult]]:
    def _judge(*checks: Any, table: str = flights, branch: str | None = None) -> list[CheckResult]:
        written = [check if isinstance(check, Check) else Check(check) for check in checks]
        return list(run_checks(spark, table=table, catalog=LAKE, checks=written, branch=branch))

    return _judge


GOOD = [
    (Check("row_count > 4"), 5),
    (Check("missing_count(delay) = 1"), 1),
    (Check("missing_percent(delay) < 25%"), 20.0),
    (Check("missing_count(`weird col`) = 1"), 1),
    (Check("duplicate_count(id) = 1"), 1),
    (Check("min(id) = 1"), 1),
    (Check("avg(price) between 2 and 4"), 2.9375),
    (Check("invalid_count(carrier) = 0", {"valid values": ["AA", "UA", "DL"]}), 0),
    (Check("invalid_count(carrier) = 3", {"valid regex": "^A.$", "name": 'only "A": it\'s fine # not'}), 3),
    (Check("row_count = 2", {"filter": "carrier = 'AA'", "name": "AA's"}), 2),
    (Check("spread between 0 and 10", {"spread expression": "max(delay) - min(delay)"}), 4.0),
    (Check("total = 5", {"total query": "-- all of them\nSELECT count(*)\nFROM {table}"}), 5),
    (Check("failed rows", {"fail condition": "delay > 100"}), 0),
    (Check("failed rows", {"fail query": "SELECT *\nFROM {table}\nWHERE delay > 100 -- none\n;"}), 0),
    (
        Check(
            "schema",
            {"fail": {"when required column missing": ["id", "weird col"], "when wrong column type": {"id": "int"}}},
        ),
        None,
    ),
    (Check("values in (carrier) must exist in {table} (carrier)"), 0),
    (Check("row_count same as {table}"), 0),
    (Check("freshness(at) < 1d"), None),
]


@pytest.mark.parametrize("at_once", [True, False], ids=["in one scan", "one by one"])
def test_every_kind_of_check_gives_one_result_with_its_value(
    judge: Callable[..., list[CheckResult]], flights: str, at_once: bool
) -> None:
    checks = [_for(check, flights) for check, _ in GOOD]
    results = judge(*checks) if at_once else [judge(check)[0] for check in checks]
    assert [(r.check, r.outcome, r.message) for r in results] == [(c.text, "pass", None) for c in checks]
    values = [result.value for result in results]
    assert values[:-1] == [value for _, value in GOOD][:-1]
    assert values[-1].startswith(("0:", "-1 day", "0"))


def _for(check: Check, table: str) -> Check:
    body = {k: v.replace("{table}", table) if isinstance(v, str) else v for k, v in (check.body or {}).items()}
    return Check(check.text.replace("{table}", table), body or None)


BAD = [
    (Check("row_count > 1000"), "fail", 5),
    (Check("row_count", {"warn": "when < 10", "fail": "when < 2"}), "warn", 5),
    (Check("row_count", {"warn": "when < 10", "fail": "when < 6"}), "fail", 5),
    (Check("failed rows", {"fail condition": "delay >= 4"}), "fail", 2),
    (Check("failed rows", {"fail query": "SELECT id FROM {table} WHERE delay >= 4"}), "fail", 2),
    (Check("values in (`weird col`) must exist in {table} (carrier)"), "fail", 4),
    (Check("freshness(at) < 1d", {"filter": "carrier = 'AA'"}), "fail", None),
]


@pytest.mark.parametrize(("check", "outcome", "value"), BAD, ids=[f"{c.text} {o}" for c, o, _ in BAD])
def test_what_is_wrong_is_told_with_its_value(
    judge: Callable[..., list[CheckResult]], flights: str, check: Check, outcome: str, value: Any
) -> None:
    result = judge(_for(check, flights))[0]
    assert (result.check, result.outcome) == (_for(check, flights).text, outcome)
    if value is not None:
        assert result.value == value


def test_a_schema_check_names_what_differs(judge: Callable[..., list[CheckResult]]) -> None:
    body = {"fail": {"when required column missing": ["gate"], "when wrong column type": {"id": "string"}}}
    result = judge(Check("schema", body))[0]
    assert (result.outcome, result.value) == ("fail", None)
    assert result.message == "column gate is missing; type of id is int, expected string"


def test_a_schema_check_sees_the_columns_of_a_partitioned_table_and_nothing_else(judge: Any) -> None:
    body = {
        "fail": {"when forbidden column present": ["#%", "Part%", "days%"], "when wrong column index": {"weird col": 5}}
    }
    assert judge(Check("schema", body))[0].outcome == "pass"
    body = {"warn": {"when forbidden column present": ["pri%"], "when wrong column index": {"id": 3}}}
    result = judge(Check("schema", body))[0]
    assert (result.outcome, result.message) == ("warn", "column price is there; index of id is 0, expected 3")


def test_checks_see_the_audit_branch_under_the_tables_own_name(
    spark: Any, judge: Callable[..., list[CheckResult]], flights: str
) -> None:
    query = Check("failed rows", {"fail query": f"SELECT * FROM {flights} WHERE id > 5"})
    texts = ["row_count > 0", "duplicate_count(id) = 1", f"row_count same as {flights}"]
    on_branch = judge(*texts, query, branch="audit")
    on_main = judge(*texts, query)
    assert [result.value for result in on_branch] == [8, 1, 0, 3]
    assert [result.value for result in on_main] == [5, 1, 0, 0]
    assert spark.conf.get("spark.wap.branch", None) is None


def test_a_commit_of_another_session_is_seen(spark: Any, judge: Callable[..., list[CheckResult]], flights: str) -> None:
    assert spark.table(f"lake.{flights}").count() == 5
    other = spark.newSession()
    other.sql(f"INSERT INTO lake.{flights} SELECT * FROM lake.{flights} LIMIT 1")
    assert judge("row_count = 6")[0].outcome == "pass"


def test_one_wrong_column_is_one_error_and_the_others_are_judged(judge: Callable[..., list[CheckResult]]) -> None:
    results = judge("row_count > 4", "missing_count(nope) = 0", "max(id) > 100", "avg(delay) < 100")
    assert [result.outcome for result in results] == ["pass", "error", "fail", "pass"]
    assert [result.value for result in results] == [5, None, 4, 3.0]
    assert results[1].message is not None
    assert "nope" in results[1].message
    assert "\n" not in results[1].message


@pytest.mark.parametrize(
    ("check", "word"),
    [
        (Check("row_cuont > 0"), "does not understand"),
        (Check("stddev(id) > 0"), "stddev"),
        (Check("row_count >"), "row_count >"),
        (Check("row_count"), "threshold"),
        (Check("change for row_count < 50"), "Soda Cloud"),
        (Check("anomaly detection for row_count"), ""),
        (Check('missing_count("weird col") = 0'), "backticks"),
        (Check("failed rows", {"fail query": "SELECT nonsense FROM"}), "nonsense"),
        (Check("failed rows", {"fail query": "SELEC id FROM t"}), "yntax error"),
        (Check("x > 0", {"x expression": "sum(raise_error('broken'))"}), "broken"),
        (Check("failed rows"), ""),
        (Check("row_count > 0", {"unknown": 1}), "unknown"),
        (Check("values in (id) must exist in nowhere.t (id)"), "nowhere"),
        (Check("one = 1", {"one query": "SELECT 1 WHERE false"}), "no row"),
        (Check("freshness(carrier) < 1d"), ""),
    ],
    ids=lambda value: value.text if isinstance(value, Check) else None,
)
def test_what_cannot_be_evaluated_is_an_error_never_a_pass(
    judge: Callable[..., list[CheckResult]], check: Check, word: str
) -> None:
    results = judge("row_count > 4", check)
    assert [result.outcome for result in results] == ["pass", "error"]
    assert results[1].message
    assert word in results[1].message


def test_an_empty_table_has_no_average_and_does_not_pass(spark: Any, judge: Any, namespace: str) -> None:
    spark.sql(f"CREATE TABLE lake.{namespace}.empty (id INT, x DOUBLE) USING iceberg")
    results = judge("avg(x) < 5", "min(x) > 0", "row_count = 0", "missing_count(x) = 0", table=f"{namespace}.empty")
    assert [result.outcome for result in results] == ["error", "error", "pass", "pass"]
    assert "no value" in str(results[0].message)


def test_not_a_number_does_not_pass(spark: Any, judge: Any, namespace: str) -> None:
    spark.sql(f"CREATE TABLE lake.{namespace}.nan (x DOUBLE) USING iceberg")
    spark.sql(f"INSERT INTO lake.{namespace}.nan VALUES (double('NaN')), (1.0)")
    results = judge("max(x) < 5", "avg(x) between 0 and 1", "min(x) = 1", table=f"{namespace}.nan")
    assert [result.outcome for result in results] == ["error", "error", "pass"]


def test_a_group_by_check_is_one_result(judge: Callable[..., list[CheckResult]], flights: str) -> None:
    def body(threshold: str) -> dict[str, Any]:
        return {
            "query": f"SELECT carrier, count(*) AS n FROM {flights} GROUP BY carrier",
            "fields": ["carrier"],
            "checks": [{"n >= 1": {"name": "some", "warn": threshold}} if threshold else {"n >= 2": {"name": "two"}}],
        }

    results = judge("row_count > 0", Check("group by", body("")), "row_count > 1")
    assert [(result.check, result.outcome, result.value) for result in results] == [
        ("row_count > 0", "pass", 5),
        ("group by", "fail", 1),
        ("row_count > 1", "pass", 5),
    ]
    assert results[1].message == "1 of 3 groups do not pass; their values: 1"


def test_many_failed_rows_are_counted_exactly_and_at_once(spark: Any, judge: Any, namespace: str) -> None:
    spark.sql(f"CREATE TABLE lake.{namespace}.many (id BIGINT) USING iceberg")
    spark.range(30_000).writeTo(f"lake.{namespace}.many").append()
    started = time.perf_counter()
    results = judge(
        Check("failed rows", {"fail query": f"SELECT * FROM {namespace}.many"}),
        Check("failed rows", {"fail condition": "id >= 0"}),
        Check("missing_count(id) > 0"),
        table=f"{namespace}.many",
    )
    assert [result.value for result in results] == [30_000, 30_000, 0]
    assert time.perf_counter() - started < 30


def test_the_same_check_twice_gives_two_results(judge: Callable[..., list[CheckResult]]) -> None:
    assert [result.value for result in judge("row_count > 0", "row_count > 0")] == [5, 5]


def test_names_and_sql_with_any_character_reach_soda(judge: Callable[..., list[CheckResult]], flights: str) -> None:
    nasty = "quote \" ' colon: # dash - {brace} [x] % & * ! | > @ ` ünï 🦆 \t tab \u2028 ${HOME} {{ x }} \\ end"
    query = f"SELECT * FROM {flights} -- {nasty.split(chr(0x2028))[0]}\nWHERE carrier = '${{HOME}}: \"x\" # y'"
    results = judge(
        Check("row_count > 0", {"name": nasty}),
        Check("failed rows", {"name": nasty, "fail query": query}),
        Check("invalid_count(carrier) = 7", {"valid values": [nasty, "${HOME}", "ünï"]}),
        Check("invalid_count(`weird col`) = 6", {"valid values": ["it's"]}),
        Check("invalid_count(`weird col`) = 5", {"valid regex": "^\\w+'\\w$|^y$"}),
        branch="audit",
    )
    assert [(result.outcome, result.value, result.message) for result in results] == [
        ("pass", 8, None),
        ("pass", 0, None),
        ("pass", 7, None),
        ("pass", 6, None),
        ("pass", 5, None),
    ]


def test_the_environment_beats_nothing_and_is_left_as_it_was(
    judge: Callable[..., list[CheckResult]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOW", "1999-01-01T00:00:00+00:00")
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    monkeypatch.setenv("SODA_QUERY_CURSOR_HARD_LIMIT", "1")
    time.tzset()
    before = dict(os.environ)
    result = judge("freshness(at) < 1h")[0]
    assert result.outcome == "pass"
    assert result.value.startswith("0:0")
    assert dict(os.environ) == before
    assert time.tzname[0] == "IST"
    monkeypatch.delenv("TZ")
    time.tzset()


def test_scans_of_two_threads_do_not_touch_each_other(judge: Callable[..., list[CheckResult]]) -> None:
    outcomes: dict[str, set[str]] = {"row_count > 0": set(), "missing_count(nope) = 0": set()}

    def work(text: str) -> None:
        for _ in range(4):
            outcomes[text].add(judge(text)[0].outcome)

    threads = [threading.Thread(target=work, args=(text,)) for text in outcomes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {"row_count > 0": {"pass"}, "missing_count(nope) = 0": {"error"}}


def test_nothing_is_logged_and_logging_is_left_as_it_was(
    judge: Callable[..., list[CheckResult]], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    level = logging.getLogger("soda").level
    capfd.readouterr()
    with caplog.at_level(logging.DEBUG):
        judge("row_count > 0", "missing_count(nope) = 0")
    assert [record.name for record in caplog.records if record.name.startswith("soda")] == []
    assert "soda" not in "".join(capfd.readouterr()).lower()
    assert logging.getLogger("soda").level == level


def test_no_check_is_no_result(judge: Callable[..., list[CheckResult]]) -> None:
    assert judge() == []


def test_an_error_is_treated_as_the_check_says(judge: Callable[..., list[CheckResult]]) -> None:
    checks = [
        Check("missing_count(nope) = 0", on_fail="fail", on_error="warn"),
        Check("row_count > 100", on_fail="skip_publish", on_error="fail"),
    ]
    results = judge(*checks)
    assert [(result.outcome, result.on_fail) for result in results] == [("error", "warn"), ("fail", "skip_publish")]
    assert verdict(results) == "skip_publish"


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([], "pass"),
        ([("pass", "fail")], "pass"),
        ([("warn", "fail")], "warn"),
        ([("fail", "warn")], "warn"),
        ([("fail", "skip_publish"), ("warn", "fail")], "skip_publish"),
        ([("fail", "skip_publish"), ("fail", "fail")], "fail"),
        ([("error", "fail")], "fail"),
        ([("error", "warn")], "warn"),
        ([("fail", "something new")], "fail"),
    ],
    ids=str,
)
def test_the_worst_result_decides(results: list[tuple[str, str]], expected: str) -> None:
    assert verdict([CheckResult("c", outcome, None, on_fail) for outcome, on_fail in results]) == expected


def test_soda_writes_nothing_into_the_home_and_sends_nothing(tmp_path: Path) -> None:
    code = """
import os, sys
from opentelemetry import trace
from airflow_lake_provider.jobs.quality import soda
with soda._environment():
    soda._load()()
assert type(trace.get_tracer_provider()).__name__ == "ProxyTracerProvider", trace.get_tracer_provider()
print(sorted(os.listdir(os.environ["HOME"])), sorted(os.listdir(".")))
"""
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    root = Path(__file__).parents[3]
    env = {**os.environ, "HOME": str(home), "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=here, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[] []", done.stderr


def test_what_was_expected_is_named_where_the_check_does_not_say_it(judge: Callable[..., list[CheckResult]]) -> None:
    results = judge(
        Check("row_count", {"fail": "when > 1"}),
        Check("failed rows", {"name": "none at all", "fail condition": "1 =\n 1"}),
        Check("row_count > 0"),
    )
    assert [result.message for result in results] == ["fail when > 1", "none at all; fail condition 1 = 1", None]
