"""Odd YAML, all of it legal; what is not; and ``--set``. Places are of the file, whatever its form."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

GOOD = """\
pipeline: p
tables:
  bronze.a:
    ingest: {files: a.csv}
"""
WRONG = GOOD + "    retris: 2\n"


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.rstrip(),
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "%YAML 1.2\n---\n# one\n" + GOOD + "...\n",
        json.dumps({"pipeline": "p", "tables": {"bronze.a": {"ingest": {"files": "a.csv"}}}}, indent="\t"),
        "{pipeline: p, tables: {'bronze.a': {\"ingest\": {files: [a.csv]}}}}",
        "? pipeline\n: !!str p\n? tables\n:\n  bronze.a: {ingest: {files: a.csv}}\n",
        "variables:\n  common: &common {retries: 2}\n"
        + GOOD.replace("    ingest", "    <<: *common\n    ingest")
        + "  bronze.b:\n    <<: [*common, {retries: 3}]\n    ingest: {files: &files [b.csv]}\n",
        GOOD + "  bronze.ü: &x\n".replace("ü", "u") + "    ingest: {files: ü.csv}\n  bronze.v: *x\n",
    ],
    ids=["plain", "no newline", "BOM", "CRLF", "CR", "document", "JSON", "flow", "complex keys", "merge", "alias"],
)
def test_legal_yaml_is_a_spec(check: Callable[..., Any], text: str) -> None:
    assert check(text) == []


def place(text: str, token: str) -> str:
    """Return ``line:column`` of the one place where a token stands, counted in code points."""
    assert text.count(token) == 1
    before = text[: text.index(token)].removeprefix("\ufeff")
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


@pytest.mark.parametrize(
    "text",
    [
        WRONG,
        "\ufeff" + WRONG,
        WRONG.replace("\n", "\r\n"),
        WRONG.replace("    retris", "    'retris'"),
        "{description: '😀é\t', pipeline: p, tables: {bronze.a: {ingest: {files: a.csv},\tretris: 2}}}",
        GOOD.replace("bronze.a:", "bronze.a: &a") + "    retris: 2\n  bronze.b: {<<: *a}\n",
    ],
    ids=["plain", "BOM", "CRLF", "quoted", "tab and astral character", "merged"],
)
def test_a_key_is_marked_where_it_stands(check: Callable[..., Any], text: str) -> None:
    found = check(text)
    token = "'retris'" if "'retris'" in text else "retris"
    assert {each.where for each in found} == {f"spec.yaml:{place(text, token)}"}
    assert {each.text for each in found} == {token}
    assert all("did you mean `retries`?" in each.hint for each in found)


@pytest.mark.parametrize(
    ("line", "text", "advice"),
    [
        ("schedule: @daily", "@", "Quote"),
        ("schedule: */5 * * * *", "*", "Quote"),
        ("description: %d", "%", "Quote"),
        ("description: a: b", ":", "Quote"),
        ("description: {{ ds }} x", "{ ds }", "Quote"),
        ('description: "x', '"', "where the text ends"),
        ("\tdescription: x", "\t", "spaces"),
        ("tags: - a", "-", "on a line of its own"),
        ("description: x\npipeline: q", "pipeline", "line 1"),
        ("description: !!python/object:os.system x", "!!python/object:os.system x", "nothing in it is run"),
    ],
)
def test_what_is_no_yaml_says_what_to_do(check: Callable[..., Any], line: str, text: str, advice: str) -> None:
    found = check(GOOD + line + "\n")
    assert (found[0].severity, found[0].text) == ("error", text)
    assert advice in found[0].hint


def test_all_mistakes_are_told_together_in_the_files_order(check: Callable[..., Any]) -> None:
    text = """\
pipeline: a b
schedule: 61 * * * *
start_date: someday
timezone: Europe/Berln
catchup: sure
tables:
  bronze.orders:
    ingest: {files: "x/{{ ds }}/a.csv", on_empty: skipp}
    retry_delay: 5
  silver.orders:
    sql: |
      SELECT *
      FROM bronze.oders
    unique_key: id
    write: scd2
"""
    found = check(text)
    assert [each.text for each in found if each.severity == "error"] == [
        "a b", "61", "someday", "Europe/Berln", "sure", "skipp", "5", "bronze.oders", "scd2",
    ]  # fmt: skip
    assert [(each.severity, each.text) for each in found][-1] == ("warning", "ds")


# --- SQL inside of YAML


@pytest.mark.parametrize(
    "value",
    [
        "|\n      SELECT id,\n      \t'é😀' AS x, nope FROM bronze.a",
        "|2-\n        SELECT id,\n          nope FROM bronze.a",
        ">\n      SELECT id,\n      nope\n\n      FROM bronze.a",
        "SELECT id,\n        nope FROM bronze.a",
        '"SELECT \\"id\\" AS \\u0061,\\n nope FROM bronze.a"',
        "'SELECT ''é'' AS x, nope FROM bronze.a'",
    ],
    ids=["literal", "indented literal", "folded", "plain", "double quotes", "single quotes"],
)
def test_a_place_in_sql_is_one_of_the_yaml_file(check: Callable[..., Any], value: str) -> None:
    head = "pipeline: p\ntables:\n  bronze.a: {ingest: {files: a.csv}, columns: {id: int}}\n  gold.b:\n"
    text = f"{head}    sql: {value}\n"
    (found,) = check(text)
    assert (found.where, found.text, found.code) == (f"spec.yaml:{place(text, 'nope')}", "nope", "unknown-column")


@pytest.mark.parametrize(
    "sql", ["-- é\nSELECT id,\n\tnope FROM bronze.a", "\ufeff\r\nSELECT id,\r\n\tnope FROM bronze.a"]
)
def test_a_place_in_a_sql_file_is_one_of_that_file(check: Callable[..., Any], sql: str) -> None:
    head = "pipeline: p\ntables:\n  bronze.a: {ingest: {files: a.csv}, columns: {id: int}}\n"
    (found,) = check(head + "  gold.b: {sql_file: q.sql}\n", q__sql=sql)
    assert (found.where, found.text) == ("q.sql:3:2", "nope")


# --- --set


@pytest.mark.parametrize(
    "values",
    [
        ["schedule=@daily", "start_date=2026-01-01"],
        ["schedule=*/5 * * * *", "start_date=2026-01-01T06:00:00"],
        ["tags=[a, b]", "description=a=b", "owner="],
        ["tables.bronze.a.retries=3", "tables.bronze.a.columns={id: int not null}"],
        ["tables.bronze.a.columns.id.type=int"],
        ["tables.bronze.a.spark_conf.spark.sql.shuffle.partitions=3"],
        ["tables.bronze.a.properties.write.parquet.compression-codec=zstd"],
        ["tables.bronze.a.ingest.files={{ data_interval_start | ds }}/a.csv"],
        ["tables.gold.b.sql=select * from bronze.a"],
        ["variables.n=3", "tables.bronze.a.retries=${n}"],
    ],
    ids=lambda values: values[0],
)
def test_set_puts_values_in(check: Callable[..., Any], values: list[str]) -> None:
    assert check(GOOD, *(word for value in values for word in ("--set", value))) == []


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("tables.bronze.a.retries=x", "--set:1:25"),
        ("retris=3", "--set:1:1"),
        ("tags=[a", "--set:1:8"),
        ("schedule=@dayly", "--set:1:10"),
        ("tags", "--set:1:1"),
        ("tables.bronze.a.ingest.nope=1", "--set:1:24"),
    ],
)
def test_a_mistake_in_set_is_placed_there(check: Callable[..., Any], value: str, where: str) -> None:
    (found,) = check(GOOD, "--set", value)
    assert (found.where, found.severity) == (where, "error")
