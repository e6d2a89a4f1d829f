"""``checks``: SodaCL as Soda documents it, and our own keys on each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HEAD = """\
pipeline: p
external: crm.c
tables:
  bronze.a:
    ingest: {files: a.csv}
    columns: {id: int, country: string, d: timestamp}
    checks:
"""


@pytest.mark.parametrize(
    "check_",
    [
        "row_count > 0",
        "row_count between 1 and 1000",
        "row_count between [1 and 5)",
        "avg(id) not between -1.5 and 1e3",
        "missing_percent(country) < 5 %",
        "duplicate_count(id, country) = 0",
        "freshness(d) < 1d6h",
        "min(id) >= -5: {name: Not too low}",
        "max(country) = 'FR'",
        "row_count > 0: {on_fail: warn, on_error: fail}",
        "row_count > 0: {on_fail: skip_publish}",
        "row_count: {warn: when > 100, fail: when > 1000}",
        "invalid_count(country) = 0: {valid values: [DE, FR]}",
        "schema: {fail: {when required column missing: [id]}}",
        "failed rows: {fail condition: id < 0}",
        'failed rows: {fail query: "SELECT * FROM bronze.a JOIN crm.c USING (id)"}',
        "values in (id) must exist in crm.c (id)",
        "row_count same as crm.c",
        'most > 5: {most query: "SELECT max(id) FROM bronze.a"}',
        "total > 5: {total expression: sum(id)}",
    ],
)
def test_a_check(check: Callable[..., Any], check_: str) -> None:
    assert check(f"{HEAD}      - {check_}\n") == []


@pytest.mark.parametrize(
    ("check_", "text", "told"),
    [
        ("row_cuont > 0", "row_cuont", "did you mean `row_count`?"),
        ("row_count", "row_count", "a comparison"),
        ("row_count >", ">", "a number"),
        ("row_count > many", "> many", "a number"),
        ("row_count between 5", "between 5", "`between 1 and 10`"),
        ("missing_count(idd) = 0", "idd", "did you mean `id`?"),
        ("row_count > 0: {on_fail: wrn}", "wrn", "did you mean `warn`?"),
        ("row_count > 0: {onfail: warn}", "onfail", "did you mean `on_fail`?"),
        ("row_count > 0: {on_fail: quarantine}", "quarantine", "not supported yet"),
        ("row_count > 0: {scope: batch}", "scope", "not supported yet"),
        ("row_count same as crm.cc", "crm.cc", "did you mean `crm.c`?"),
        ('failed rows: {fail query: "SELECT * FROM bronze.aa"}', "bronze.aa", "there is no table"),
        ('failed rows: {fail query: "SELECT FROM WHERE"}', "WHERE", "does not parse"),
        ("anomaly detection for row_count", "anomaly detection", "Soda Cloud"),
        ("1", "1", "expected text such as"),
    ],
)
def test_a_wrong_check_is_marked(check: Callable[..., Any], check_: str, text: str, told: str) -> None:
    (found,) = check(f"{HEAD}      - {check_}\n")
    assert (found.severity, found.text) == ("error", text)
    assert told in f"{found.message} {found.hint}"


def test_a_table_named_in_a_check_is_an_input(check: Callable[..., Any], lake: Callable[..., Any], root: Path) -> None:
    text = """\
pipeline: p
tables:
  gold.b: {sql: SELECT 1 AS id, checks: [row_count same as bronze.a]}
  bronze.a: {ingest: {files: a.csv}}
"""
    assert check(text) == []
    assert "t_bronze__a --> t_gold__b" in lake("graph", root / "spec.yaml").out


@pytest.mark.parametrize(("name", "told"), [("gold.b__quarantine", "quarantine table of `gold.b`")])
def test_the_quarantine_has_a_name_of_its_own(check: Callable[..., Any], name: str, told: str) -> None:
    (found,) = check(
        "pipeline: p\ntables:\n  gold.b: {sql: SELECT 1 AS a, columns: {a: {type: int, rule: a > 0}}}\n"
        f"  {name}: {{sql: SELECT 1 AS a}}\n"
    )
    assert (found.text, found.code) == (name, "quarantine")
    assert told in found.message


def test_the_quarantine_can_be_read(check: Callable[..., Any]) -> None:
    assert check(f"{HEAD}      - row_count > 0\n  gold.b: {{sql: SELECT _raw FROM bronze.a__quarantine}}\n") == []
