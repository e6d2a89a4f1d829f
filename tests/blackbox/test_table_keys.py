"""Each key of a table: one use, one misuse, and what later features answer."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import indent
from typing import Any

import pytest

HEAD = "pipeline: p\ntables:\n  bronze.a:\n    ingest: {files: a.csv}\n"
QUERY = "sql: SELECT * FROM bronze.a\nunique_key: id\n"


def table(keys: str) -> str:
    return f"{HEAD}  silver.b:\n{indent(keys, '    ')}\n"


@pytest.mark.parametrize(
    "keys",
    [
        "description: The rows\nowner: me\ntags: [a, b]",
        "tags: one",
        'columns: {id: bigint, a: "decimal(10,2) not null", b: {type: timestamp_ntz, nullable: true, rule: b > a}}',
        'columns: {id: INT, a: "array<string>", s: "struct<a: int, b: array<bigint>>", m: "map<string,int>"}',
        'partition_by: [country, year(c), month(d), day(e), hour(f), "bucket(16, id)", "truncate(4, name)"]',
        "partition_by: day(d)",
        "write: merge",
        "write: {strategy: merge, sequence_by: u, update_columns: [a], delete_when: a = 1, mode: merge_on_read}",
        "write: {strategy: merge, exclude_columns: a, when_matched: keep, when_not_matched: ignore}",
        "write: {strategy: merge, when_not_matched_by_source: {soft_delete: gone}}",
        "write: replace",
        "on_schema_change: fail",
        "checks: [row_count > 0, missing_count(id) = 0: {on_fail: warn, on_error: fail}]",
        "quarantine: true",
        "quarantine: false",
        "quarantine: {table: rejects, max: 5%}",
        "quarantine: {max: 0.5}",
        "properties: {write.parquet.compression-codec: zstd, history.expire.min-snapshots-to-keep: 10, x: null}",
        "depends_on: bronze.a",
        "engine: default\nresource_profile: xlarge",
        "spark_conf: {spark.sql.shuffle.partitions: 8, spark.x: null}\nengine_options: {queue: q, conf: {a: [1]}}",
        "retries: 0\nretry_delay: 30s\nretry_exponential_backoff: true\nmax_retry_delay: 1h30m\nexecution_timeout: 1d",
        "pool: p\npool_slots: 2\npriority_weight: -1\nqueue: q\ntrigger_rule: none_failed",
    ],
    ids=lambda keys: keys.partition("\n")[0],
)
def test_a_key_is_used(check: Callable[..., Any], keys: str) -> None:
    assert check(table(QUERY + keys)) == []


@pytest.mark.parametrize(
    ("keys", "text", "told"),
    [
        ("retris: 2", "retris", "did you mean `retries`?"),
        ("doc: x", "doc", "a key of the pipeline"),
        ("columns: {id: bigit}", "bigit", "did you mean `bigint`?"),
        ("columns: {id: {type: int, nulable: true}}", "nulable", "did you mean `nullable`?"),
        ("columns: {id: {nullable: true}}", "id", "Add `type`"),
        ("columns: {id: {type: int not null, nullable: true}}", "true", "one of them"),
        ("columns: {id: int, ID: int}", "ID", "only by case"),
        ("columns: {id: {type: int, rule: id > idd}}", "idd", "not in `columns`"),
        ('columns: {id: {type: int, rule: "id >"}}', ">", "does not parse"),
        ('columns: {id: "decimal(39,2)"}', "decimal(39,2)", "1 to 38"),
        ("columns: {id: int}\npartition_by: [day(d)]", "day(d)", "not in `columns`"),
        ("partition_by: [days(d)]", "days", "did you mean `day`?"),
        ('partition_by: ["bucket(id, 16)"]', "bucket(id, 16)", "expected `bucket(16, id)`"),
        ("write: merg", "merg", "did you mean `merge`?"),
        ("write: {strategy: merge, sequenceby: u}", "sequenceby", "did you mean `sequence_by`?"),
        ("write: {strategy: replace, sequence_by: u}", "sequence_by", "only `merge`"),
        ("write: {strategy: merge, update_columns: a, exclude_columns: b}", "exclude_columns", "beside"),
        ("write: append", "append", "interval template"),
        ("on_schema_change: appendnew", "appendnew", "did you mean `append_new_columns`?"),
        ("checks: [row_count > 0: {on_fail: wrn}]", "wrn", "did you mean `warn`?"),
        ("checks: row_count > 0", "row_count > 0", "expected a list"),
        ("quarantine: {max: 110%}", "110%", "from 0 to 1"),
        ("quarantine: {tabel: x}", "tabel", "did you mean `table`?"),
        ("properties: {x: [1]}", "x", "expected text"),
        ("depends_on: [bronze.b]", "bronze.b", "there is no table"),
        ("engine: heavy", "heavy", "no engine `heavy`"),
        ("resource_profile: smal", "smal", "did you mean `small`?"),
        ("retries: -1", "-1", "at least 0"),
        ('retries: "2"', '"2"', "whole number"),
        ("retry_delay: 5", "5", "`5s`"),
        ("execution_timeout: 1 day", "1 day", "`1h30m`"),
        ("trigger_rule: all_don", "all_don", "did you mean `all_done`?"),
        ("pool_slots: 0", "0", "at least 1"),
    ],
    ids=lambda value: value.partition("\n")[0],
)
def test_a_misused_key_is_marked(check: Callable[..., Any], keys: str, text: str, told: str) -> None:
    (found,) = check(table(QUERY + keys))
    assert (found.severity, found.text) == ("error", text)
    assert told in f"{found.message} {found.hint}"


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("write: scd2", "scd2"),
        ("write: {strategy: cdc}", "cdc"),
        ("write: replace_interval", "replace_interval"),
        ("write: delete_insert", "delete_insert"),
        ("write: {strategy: merge, track_columns: [a]}", "track_columns"),
        ("write: {strategy: merge, valid_from: a}", "valid_from"),
        ("write: {strategy: merge, interval_column: a}", "interval_column"),
        ("on_schema_change: ignore", "ignore"),
        ("on_schema_change: append_new_columns", "append_new_columns"),
        ("on_schema_change: sync_all_columns", "sync_all_columns"),
        ("incremental: bronze.a", "incremental"),
        ("incremental: {bronze.a: {cursor: c, lookback: 1h}}", "incremental"),
        ("checks: [missing_count(id) = 0: {on_fail: quarantine}]", "quarantine"),
        ("checks: [row_count > 0: {scope: batch}]", "scope"),
    ],
)
def test_what_comes_later_is_refused_by_name(check: Callable[..., Any], keys: str, text: str) -> None:
    (found,) = check(table(QUERY + keys))
    assert (found.severity, found.code, found.text) == ("error", "not-supported-yet", text)
    assert "not supported yet" in found.message
    assert "did you mean" not in found.hint


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("", "is empty"),
        ("retries: 1", "exactly one of"),
        ("sql: SELECT 1\npython: m.py:f", "exactly one of"),
        ("sql: SELECT 1 AS id", "no `unique_key`"),
        ("sql_file: no.sql\nunique_key: id", "there is no file `no.sql`"),
        ("sql_file: ../no.sql\nunique_key: id", "outside of the project"),
        ("sql: SELECT * FROM bronze.b\nunique_key: id", "there is no table"),
        ("sql: SELECT * FROM a\nunique_key: id", "did you mean `bronze.a`?"),
        ("sql: SELECT * FROM silver.b\nunique_key: id", "reads itself"),
        ("sql: DROP TABLE bronze.a\nunique_key: id", "not a SELECT"),
        ("sql: SELECT 1; SELECT 2\nunique_key: id", "2 statements"),
        ("sql: SELECT * FROM bronze.{{ params.t }}\nunique_key: id", "depends_on"),
        ("sql: SELECT 1 {% if x %} {% endif %}\nunique_key: id", "depends_on"),
    ],
)
def test_a_source_is_one_select_of_known_tables(check: Callable[..., Any], keys: str, told: str) -> None:
    assert any(told in f"{found.message} {found.hint}" for found in check(table(keys)) if found.severity == "error")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM `bronze`.`a`",
        "SELECT * FROM BRONZE.A",
        "WITH x AS (SELECT * FROM bronze.a) SELECT * FROM x",
        "SELECT * FROM bronze.a WHERE d = '{{ data_interval_start | ds }}'",
        "SELECT * FROM bronze.a LATERAL VIEW explode(xs) AS x",
        "SELECT * FROM bronze.a;",
    ],
)
def test_edges_come_from_the_sql(check: Callable[..., Any], lake: Callable[..., Any], root: Any, sql: str) -> None:
    text = f'{HEAD}  gold.b: {{sql: "{sql}"}}\n'
    assert check(text) == []
    assert "t_bronze__a --> t_gold__b" in lake("graph", root / "spec.yaml").out


@pytest.mark.parametrize(
    "keys",
    [
        "files: [a.csv, b.csv]",
        "files: a.csv.gz",
        "files: landing/**/*.jsonl",
        "files: ../elsewhere/*.parquet",
        "files: s3://bucket/x/*.orc",
        "files: a.avro",
        "files: a.txt\nformat: csv\noptions: {header: true, sep: ;}",
        "files: a.csv\nrecursive: true\non_empty: skip\non_replaced: append\nfiles_per_run: 5",
        "files: a.csv\nmetadata_columns: false",
        "files: a.csv\nmetadata_columns: [_run_id, _source_file]",
        "files: x/{{ data_interval_start | ds }}/{{ params.country }}.csv",
    ],
)
def test_an_ingest(check: Callable[..., Any], keys: str) -> None:
    assert check(f"pipeline: p\ntables:\n  bronze.a:\n    ingest:\n{indent(keys, '      ')}\n") == []


@pytest.mark.parametrize(
    ("keys", "text", "told"),
    [
        ("file: a.csv", "file", "did you mean `files`?"),
        ("files: []", "files", "at least one"),
        ("files: a.txt", "a.txt", "add `format`"),
        ("files: [a.csv, b.json]", "files", "one format"),
        ("files: a.csv\nformat: cvs", "cvs", "did you mean `csv`?"),
        ("files: a.csv\nrecursive: maybe", "maybe", "`true` or `false`"),
        ("files: a.csv\non_empty: skipp", "skipp", "did you mean `skip`?"),
        ("files: a.csv\non_replaced: ignore", "ignore", "`replace`, `append`, `fail`"),
        ("files: a.csv\nmetadata_columns: [run_id]", "run_id", "did you mean `_run_id`?"),
        ("files: a.csv\nfiles_per_run: 0", "0", "at least 1"),
        ("files: x/{{ day }}.csv", "day", "no run has"),
    ],
)
def test_a_misused_ingest(check: Callable[..., Any], keys: str, text: str, told: str) -> None:
    (found,) = check(f"pipeline: p\ntables:\n  bronze.a:\n    ingest:\n{indent(keys, '      ')}\n")
    assert (found.severity, found.text) == ("error", text)
    assert told in f"{found.message} {found.hint}"


def test_ds_is_a_warning(check: Callable[..., Any]) -> None:
    (found,) = check("pipeline: p\ntables:\n  bronze.a: {ingest: {files: 'x/{{ ds }}.csv'}}\n")
    assert (found.severity, found.text) == ("warning", "ds")
    assert "{{ data_interval_start | ds }}" in found.hint


def test_a_ring_of_tables_is_told_with_its_path(check: Callable[..., Any]) -> None:
    (found,) = check(
        "pipeline: p\ntables:\n  gold.a: {sql: SELECT * FROM gold.b}\n"
        "  gold.b: {sql: SELECT * FROM gold.c}\n  gold.c: {sql: SELECT * FROM gold.a}\n"
    )
    assert found.code == "cycle"
    assert "`gold.a` -> `gold.b` -> `gold.c` -> `gold.a`" in found.hint


@pytest.mark.parametrize(
    ("name", "meant"),
    [("bronze.aa", "bronze.a"), ("bronz.a", "bronze.a"), ("silver.a", "bronze.a"), ("crm.cc", "crm.c")],
)
def test_a_wrong_table_is_an_error_with_a_suggestion(check: Callable[..., Any], name: str, meant: str) -> None:
    (found,) = check(f"external: crm.c\n{HEAD}  gold.b: {{sql: SELECT * FROM {name}}}\n")
    assert (found.text, found.code) == (name, "unknown-table")
    assert found.hint.endswith(f"did you mean `{meant}`?")


def test_a_comma_that_cuts_sql_is_told(check: Callable[..., Any]) -> None:
    (found,) = check(f"{HEAD}  gold.b: {{sql: SELECT a, b FROM bronze.a}}\n")
    assert (found.text, found.code) == ("b FROM bronze.a", "unknown-key")
    assert "a comma ends a value: quote" in found.hint
