"""Merge by unique_key: what each row of a batch does, and that the counts say so."""

from __future__ import annotations

from typing import Any

import pytest
from lake_under_test import Lake, transform

from airflow_lake_provider.protocol import Rows, TableReport

HERE = "(1, 'a', 1), (2, 'b', 5), (3, 'c', CAST(NULL AS INT))"


def merge(lake: Lake, values: str, *, sequence_by: Any = "seq", **more: Any) -> TableReport:
    sql = f"SELECT id, CAST(v AS STRING) AS v, CAST(seq AS INT) AS seq FROM VALUES {values} AS t(id, v, seq)"
    report = lake.table(transform("silver.t", sql, "merge", unique_key=("id",), sequence_by=sequence_by, **more))
    if report.error is None:
        rows = report.rows
        assert rows.rows_read == sum(
            (
                rows.rows_applied or 0,
                rows.rows_unchanged or 0,
                rows.rows_stale or 0,
                rows.rows_quarantined or 0,
                rows.rows_deduplicated or 0,
            )
        )
    return report


def counts(rows: Rows) -> tuple[Any, ...]:
    return (rows.rows_applied, rows.rows_unchanged, rows.rows_stale, rows.rows_quarantined, rows.rows_deduplicated)


@pytest.mark.parametrize(
    ("batch", "expected", "content"),
    [
        pytest.param("(4, 'd', 1)", (1, 0, 0, 0, 0), (4, "d", 1), id="a new key is inserted"),
        pytest.param("(1, 'A', 2)", (1, 0, 0, 0, 0), (1, "A", 2), id="a newer row updates"),
        pytest.param("(1, 'A', 1)", (1, 0, 0, 0, 0), (1, "A", 1), id="in a tie with the table the batch wins"),
        pytest.param("(2, 'B', 4)", (0, 0, 1, 0, 0), (2, "b", 5), id="an older row is stale"),
        pytest.param(
            "(2, 'B', NULL)", (0, 0, 1, 0, 0), (2, "b", 5), id="a row without a sequence is older than one with"
        ),
        pytest.param("(3, 'C', NULL)", (1, 0, 0, 0, 0), (3, "C", None), id="two rows without a sequence tie"),
        pytest.param("(3, 'C', 0)", (1, 0, 0, 0, 0), (3, "C", 0), id="any sequence is newer than none"),
        pytest.param("(2, 'b', 5)", (0, 1, 0, 0, 0), (2, "b", 5), id="an equal row is unchanged"),
        pytest.param(
            "(1, 'x', 2), (1, 'y', 3), (1, 'z', NULL)", (1, 0, 0, 0, 2), (1, "y", 3), id="newest of a key wins"
        ),
        pytest.param("(1, 'x', 2), (1, 'x', 2)", (1, 0, 0, 0, 1), (1, "x", 2), id="identical rows collapse"),
        pytest.param("(1, NULL, 2)", (1, 0, 0, 0, 0), (1, None, 2), id="a value may become NULL"),
    ],
)
def test_row_of_a_batch(lake: Lake, batch: str, expected: tuple[int, ...], content: tuple[Any, ...]) -> None:
    merge(lake, HERE)
    report = merge(lake, batch)
    assert counts(report.rows) == expected
    assert content in lake.rows("SELECT id, v, seq FROM silver.t")
    assert lake.rows("SELECT count(*) FROM silver.t") == [(4 if content[0] == 4 else 3,)]


def test_mixed_batch_is_counted_row_by_row(lake: Lake) -> None:
    merge(lake, HERE)
    head = lake.iceberg("silver.t").head()
    report = merge(lake, "(1, 'a', 1), (2, 'old', 1), (4, 'd', 1), (4, 'd', 1), (NULL, 'x', 1), (3, 'c2', 1)")
    assert counts(report.rows) == (2, 1, 1, 1, 1)
    assert report.plan == "merge"
    assert report.snapshot_id != head
    rejected = lake.rows("SELECT _reasons, _raw FROM silver.t__quarantine")
    assert rejected == [(["id is NULL, which a unique_key must not be"], '{"id":null,"v":"x","seq":1}')]


def test_batch_that_changes_no_row_commits_nothing(lake: Lake) -> None:
    merge(lake, HERE)
    head = lake.iceberg("silver.t").head()
    report = merge(lake, "(1, 'a', 1), (2, 'old', 1)")
    assert (report.status, report.snapshot_id, lake.iceberg("silver.t").head()) == ("no_op", head, head)
    assert lake.iceberg("silver.t").refs() == ["lake_published", "main"]


def test_rows_of_one_key_that_differ_and_tie_fail_with_count_and_keys(lake: Lake) -> None:
    merge(lake, HERE)
    head = lake.iceberg("silver.t").head()
    batch = ", ".join(f"({n}, 'x', 9), ({n}, 'y', 9)" for n in range(10, 15))
    report = merge(lake, batch)
    assert report.error is not None
    assert report.error.type == "DuplicateKeys"
    assert "5 keys stand in more than one row" in report.error.message
    assert report.error.message.count("id=1") == 3
    assert not report.error.retryable
    assert lake.iceberg("silver.t").head() == head


def test_without_a_sequence_later_batches_win_and_differing_rows_fail(lake: Lake) -> None:
    merge(lake, HERE, sequence_by=None)
    assert counts(merge(lake, "(2, 'B', 1)", sequence_by=None).rows) == (1, 0, 0, 0, 0)
    report = merge(lake, "(2, 'p', 1), (2, 'q', 2)", sequence_by=None)
    assert report.error is not None
    assert "add sequence_by" in report.error.message


def test_key_that_the_table_holds_twice_fails_and_names_it(lake: Lake) -> None:
    merge(lake, HERE)
    lake.spark.sql("INSERT INTO silver.t VALUES (1, 'twin', 1)")
    report = merge(lake, "(1, 'z', 9)")
    assert report.error is not None
    assert report.error.type == "DuplicateKeys"
    assert "silver.t already holds 1 of the batch's keys in more than one row (id=1)" in report.error.message


def test_keys_of_several_columns_and_unicode(lake: Lake) -> None:
    sql = "SELECT * FROM VALUES ('ä', 1, 'x'), ('ä', 2, 'y'), ('本', 1, 'z') AS t(`schlüssel`, n, v)"
    request = transform("silver.u", sql, "merge", unique_key=("schlüssel", "n"))
    lake.table(request)
    report = lake.table(transform("silver.u", sql.replace("'y'", "'Y'"), "merge", unique_key=("schlüssel", "n")))
    assert counts(report.rows) == (1, 2, 0, 0, 0)
    assert ("ä", 2, "Y") in lake.rows("SELECT * FROM silver.u")


def test_maps_structs_arrays_and_nan_compare_by_value(lake: Lake) -> None:
    sql = (
        "SELECT 1 AS id, map('a', 1, 'b', 2) AS m, named_struct('x', array(1, 2)) AS s, double('NaN') AS n, "
        "array(map('k', 1)) AS am"
    )
    lake.table(transform("silver.c", sql, "merge", unique_key=("id",)))
    same = sql.replace("map('a', 1, 'b', 2)", "map('b', 2, 'a', 1)")
    assert counts(lake.table(transform("silver.c", same, "merge", unique_key=("id",))).rows) == (0, 1, 0, 0, 0)
    other = sql.replace("'b', 2", "'b', 3")
    assert counts(lake.table(transform("silver.c", other, "merge", unique_key=("id",))).rows) == (1, 0, 0, 0, 0)


def test_metadata_columns_never_count_and_ingestion_time_is_the_default_sequence(lake: Lake) -> None:
    def batch(value: str, second: int) -> TableReport:
        sql = (
            f"SELECT 1 AS id, '{value}' AS v, 'f{second}' AS _source_file, "
            f"TIMESTAMP '2026-01-01 00:00:0{second}' AS _ingested_at"
        )
        return lake.table(transform("silver.m", sql, "merge", unique_key=("id",)))

    batch("a", 2)
    assert counts(batch("a", 3).rows) == (0, 1, 0, 0, 0)
    assert counts(batch("late", 1).rows) == (0, 0, 1, 0, 0)
    assert counts(batch("b", 4).rows) == (1, 0, 0, 0, 0)
    assert lake.rows("SELECT id, v, _source_file FROM silver.m") == [(1, "b", "f4")]


def test_a_million_rows_with_a_handful_of_changes(lake: Lake) -> None:
    lake.table(transform("silver.big", "SELECT id, id % 7 AS v FROM range(1000000)", "merge", unique_key=("id",)))
    sql = "SELECT id, IF(id % 250000 = 0, 99, id % 7) AS v FROM range(1000001)"
    report = lake.table(transform("silver.big", sql, "merge", unique_key=("id",)))
    assert counts(report.rows) == (5, 999996, 0, 0, 0)
    assert lake.rows("SELECT count(*), count(DISTINCT id), count_if(v = 99) FROM silver.big") == [(1000001, 1000001, 5)]


@pytest.mark.parametrize("key", ["n", "count"])
def test_key_may_have_any_name(lake: Lake, key: str) -> None:
    def run(values: str) -> TableReport:
        sql = f"SELECT * FROM VALUES {values} AS t({key}, v)"
        return lake.table(transform("silver.t", sql, "merge", unique_key=(key,), sequence_by=None))

    assert counts(run("(1, 'a'), (1, 'a'), (2, 'b')").rows) == (2, 0, 0, 0, 1)
    assert counts(run("(1, 'A'), (2, 'b')").rows) == (1, 1, 0, 0, 0)
    clash = run("(3, 'x'), (3, 'y')")
    assert clash.error is not None
    assert f"({key}=3)" in clash.error.message


def test_table_that_holds_a_key_twice_is_named_with_the_key(lake: Lake) -> None:
    lake.table(transform("silver.t", "SELECT * FROM VALUES (1, 'a'), (1, 'b') AS t(n, v)"))
    report = lake.table(transform("silver.t", "SELECT 1 AS n, 'c' AS v", "merge", unique_key=("n",)))
    assert report.error is not None
    assert (report.error.type, "(n=1)" in report.error.message) == ("DuplicateKeys", True)
