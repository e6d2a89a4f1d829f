"""Replace: the table is what the query gives, atomically."""

from __future__ import annotations

import pytest
from lake_under_test import Lake, transform


def test_equal_multiset_is_unchanged_whatever_the_order(lake: Lake) -> None:
    lake.table(transform("gold.t", "SELECT * FROM VALUES (1, 'a'), (1, 'a'), (2, NULL) AS t(id, v)"))
    head = lake.iceberg("gold.t").head()
    report = lake.table(transform("gold.t", "SELECT * FROM VALUES (2, NULL), (1, 'a'), (1, 'a') AS t(id, v)"))
    assert (report.status, report.rows.rows_unchanged, report.snapshot_id) == ("no_op", 3, head)


@pytest.mark.parametrize(
    "rows",
    ["(1, 'a'), (2, NULL)", "(1, 'a'), (1, 'a'), (1, 'a'), (2, NULL)", "(1, 'a'), (2, NULL), (2, NULL)"],
    ids=["one less", "one more", "another one twice"],
)
def test_other_multiset_replaces_all_rows(lake: Lake, rows: str) -> None:
    lake.table(transform("gold.t", "SELECT * FROM VALUES (1, 'a'), (1, 'a'), (2, NULL) AS t(id, v)"))
    report = lake.table(transform("gold.t", f"SELECT * FROM VALUES {rows} AS t(id, v)"))
    assert report.status == "published"
    assert report.rows.rows_applied == report.rows.rows_read
    assert len(lake.rows("SELECT * FROM gold.t")) == report.rows.rows_read


def test_query_without_rows_empties_the_table(lake: Lake) -> None:
    lake.table(transform("gold.t", "SELECT 1 AS id"))
    report = lake.table(transform("gold.t", "SELECT 1 AS id WHERE false"))
    assert (report.status, report.rows.rows_read) == ("published", 0)
    assert lake.rows("SELECT * FROM gold.t") == []


def test_readers_see_the_old_rows_until_the_publish(lake: Lake) -> None:
    lake.table(transform("gold.t", "SELECT 1 AS id"))
    report = lake.table(transform("gold.t", "SELECT 2 AS id", checks=("row_count > 5",)))
    assert report.status == "failed"
    assert lake.rows("SELECT id FROM gold.t") == [(1,)]
    assert report.branch is not None
    assert lake.rows(f"SELECT id FROM gold.t.branch_{report.branch}") == [(2,)]
