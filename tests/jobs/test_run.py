"""One table's run, end to end on real Iceberg: what is published, what is not, and what the report says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lake_under_test import Lake, day, ingest, transform

from airflow_lake_provider.protocol import Check, Column, Quarantine, Submissions


def test_failed_check_leaves_main_and_names_check_value_and_branch(lake: Lake) -> None:
    lake.table(transform("gold.t", "SELECT 1 AS id"))
    head = lake.iceberg("gold.t").head()
    report = lake.run(transform("gold.t", "SELECT 2 AS id", checks=("row_count > 5", "max(id) = 2")))
    (table,) = report.tables
    assert report.status == "succeeded"
    assert (table.status, table.snapshot_id, lake.iceberg("gold.t").head()) == ("failed", head, head)
    assert table.error is not None
    assert table.error.message.splitlines()[0] == "1 of 2 checks failed on gold.t: row_count > 5 (was 1)"
    assert f"on the branch {table.branch} " in table.error.message
    assert not table.error.retryable
    assert lake.rows("SELECT id FROM gold.t") == [(1,)]
    assert [(check.outcome, check.value) for check in table.checks] == [("fail", 1), ("pass", 2)]


def test_branch_of_a_failed_check_goes_with_the_next_publish(lake: Lake) -> None:
    failed = lake.run(transform("gold.t", "SELECT 1 AS id", checks=("row_count > 5",)))
    branch = f"lake_{failed.request_id}"
    assert lake.iceberg("gold.t").refs() == [branch]
    told = Submissions(failed=(failed.request_id,))
    lake.run(transform("gold.t", "SELECT 3 AS id", checks=("row_count > 6",)), submissions=told)
    assert branch in lake.iceberg("gold.t").refs()
    dead = lake.request()
    lake.run(
        transform("gold.t", "SELECT 2 AS id"), submissions=Submissions(failed=(failed.request_id, dead.request_id))
    )
    assert branch not in lake.iceberg("gold.t").refs()


@pytest.mark.parametrize(
    ("on_fail", "status", "rows"), [("warn", "published", [(2,)]), ("skip_publish", "skip_publish", [(1,)])]
)
def test_check_that_may_fail(lake: Lake, on_fail: str, status: str, rows: Any) -> None:
    lake.table(transform("gold.t", "SELECT 1 AS id"))
    report = lake.table(transform("gold.t", "SELECT 2 AS id", checks=(Check("row_count > 5", on_fail=on_fail),)))
    assert (report.status, report.error) == (status, None)
    assert lake.rows("SELECT id FROM gold.t") == rows


def test_checks_judge_the_table_also_when_no_row_changes(lake: Lake) -> None:
    lake.table(transform("gold.t", "SELECT 1 AS id"))
    report = lake.table(transform("gold.t", "SELECT 1 AS id WHERE true", checks=("row_count > 5",)))
    assert report.status == "failed"
    assert report.error is not None
    assert "branch" not in report.error.message


def test_rows_that_break_the_contract_are_set_aside_once_with_reason_and_text(lake: Lake, tmp_path: Path) -> None:
    lines = ["id,v", *(f"{n},ok" for n in range(8)), "x,bad", "9,short,extra"]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    columns = (Column("id", "int", nullable=False), Column("v", "string"))
    request = ingest("bronze.t", f"{tmp_path}/a.csv", columns=columns)
    report = lake.table(request, interval=day(1))
    assert (report.rows.rows_read, report.rows.rows_applied, report.rows.rows_quarantined) == (10, 8, 2)
    assert report.quarantine_table == "bronze.t__quarantine"
    found = lake.rows("SELECT _raw, _interval_start IS NOT NULL, _run_id IS NOT NULL FROM bronze.t__quarantine")
    assert [row[1:] for row in found] == [(True, True), (True, True)]
    assert {row[0] for row in found} == {'{"id":"x","v":"bad"}', "9,short,extra"}


def test_too_many_rejected_rows_publish_nothing_and_can_be_looked_at(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\nx\ny\n")
    columns = (Column("id", "int"),)
    limit = Quarantine(max_fraction=0.5)
    report = lake.run(ingest("bronze.t", f"{tmp_path}/a.csv", columns=columns, quarantine=limit))
    (table,) = report.tables
    assert table.error is not None
    assert table.error.type == "QuarantineLimitExceeded"
    assert table.error.message.startswith("bronze.t: 2 of 3 rows (66.7%) were rejected (id: 'x' is not an int: 1; ")
    branch = f"lake_{report.request_id}"
    assert f"branch '{branch}' of bronze.t__quarantine" in table.error.message
    assert lake.rows(f"SELECT _raw FROM bronze.t__quarantine.branch_{branch}") == [('{"id":"x"}',), ('{"id":"y"}',)]
    assert lake.rows("SELECT * FROM bronze.t__quarantine") == []


def test_without_quarantine_one_bad_row_fails_the_run(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n" + "1\n" * 50 + "x\n")
    off = Quarantine(enabled=False)
    report = lake.table(ingest("bronze.t", f"{tmp_path}/a.csv", columns=(Column("id", "int"),), quarantine=off))
    assert report.error is not None
    assert report.error.type == "QuarantineDisabled"
    assert "id: 'x' is not an int: 1" in report.error.message


def test_changed_schema_fails_before_anything_is_written_and_names_each_difference(lake: Lake) -> None:
    lake.table(transform("silver.t", "SELECT 1 AS id, 'a' AS v, 2 AS gone", "merge", unique_key=("id",)))
    head = lake.iceberg("silver.t").head()
    report = lake.table(transform("silver.t", "SELECT 1 AS id, 2 AS v, 3 AS w", "merge", unique_key=("id",)))
    assert report.error is not None
    assert report.error.type == "SchemaChanged"
    for difference in (
        "column v is string in the table, int now",
        "column w (int) is new",
        "column gone (int) is gone",
    ):
        assert difference in report.error.message
    assert (lake.iceberg("silver.t").head(), lake.iceberg("silver.t").refs()) == (head, ["lake_published", "main"])


def test_table_is_made_from_its_contract(lake: Lake) -> None:
    columns = (
        Column("id", "bigint", nullable=False, description="the key, it's unique"),
        Column("at", "timestamp"),
        Column("carrier", "string"),
        Column("price", "decimal(10,2)"),
    )
    request = transform(
        "silver.t",
        "SELECT 1 AS id, TIMESTAMP '2026-01-01 10:00:00' AS at, 'AA' AS carrier, '1.50' AS price, 'x' AS more",
        "merge",
        columns=columns,
        unique_key=("id",),
        description="One row; a 'quoted' word",
        partition_by=("day(at)", "bucket(4, id)", "truncate(2, carrier)", "carrier"),
        properties={"write.parquet.compression-codec": "zstd"},
    )
    report = lake.table(request)
    assert report.columns_left_out == ("more",)
    schema = {f.name: (f.dataType.simpleString(), f.nullable) for f in lake.spark.table("silver.t").schema}
    assert schema["id"] == ("bigint", False)
    assert schema["price"] == ("decimal(10,2)", True)
    table = lake.iceberg("silver.t")
    assert table.partition_fields == ("day(at)", "bucket(4, id)", "truncate(2, carrier)", "carrier")
    assert table.properties["write.parquet.compression-codec"] == "zstd"
    described = {row[0]: row[2] for row in lake.spark.sql("DESCRIBE TABLE silver.t").collect()}
    assert described["id"] == "the key, it's unique"
    assert table.properties["comment"] == "One row; a 'quoted' word"
    assert lake.table(request).status == "no_op"


def test_query_append_of_an_interval_happens_once_and_warns_when_its_inputs_changed(lake: Lake) -> None:
    lake.table(transform("bronze.s", "SELECT 1 AS id"))
    request = transform("silver.t", "SELECT * FROM bronze.s", "append", inputs=("bronze.s",))
    assert lake.table(request, interval=day(1)).status == "published"
    assert lake.table(request, interval=day(1)).warnings == ()
    lake.table(transform("bronze.s", "SELECT 2 AS id"))
    report = lake.table(request, interval=day(1))
    assert report.status == "no_op"
    assert "2026-01-01T00:00:00Z" in report.warnings[0]
    assert lake.table(request, interval=day(2)).status == "published"
    assert lake.rows("SELECT id FROM silver.t") == [(1,), (2,)]


def test_each_of_several_writers_appends_an_interval_once(lake: Lake) -> None:
    one, other = (transform("gold.t", f"SELECT {n} AS id", "append", writer=f"orders.t[{n}]") for n in (1, 2))
    statuses = [lake.table(request, interval=day(1)).status for request in (one, other, one, other)]
    assert statuses == ["published", "published", "no_op", "no_op"]
    assert lake.table(one, interval=day(2)).status == "published"
    assert lake.rows("SELECT id FROM gold.t") == [(1,), (1,), (2,)]


def test_query_that_uses_the_clock_is_never_skipped_by_its_fingerprint(lake: Lake) -> None:
    request = transform("gold.t", "SELECT 1 AS id", deterministic=False)
    lake.table(request)
    assert lake.table(request).rows.rows_read == 1
    assert lake.table(transform("gold.u", "SELECT 1 AS id")).rows.rows_read == 1
    assert lake.table(transform("gold.u", "SELECT 1 AS id")).rows.rows_read == 0


def test_full_refresh_rebuilds_a_merged_table_in_one_publish(lake: Lake) -> None:
    lake.table(
        transform("silver.t", "SELECT * FROM VALUES (1, 'a'), (2, 'b') AS t(id, v)", "merge", unique_key=("id",))
    )
    rebuilt = transform("silver.t", "SELECT 2 AS id, 'B' AS v", "merge", unique_key=("id",), full_refresh=True)
    report = lake.table(rebuilt)
    assert (report.status, report.plan) == ("published", "replace")
    assert lake.rows("SELECT * FROM silver.t") == [(2, "B")]


def test_full_refresh_of_an_ingest_takes_in_what_is_there_now(lake: Lake, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"v\n{name}\n")
    lake.table(ingest("bronze.t", f"{tmp_path}/*.csv"))
    (tmp_path / "a.csv").unlink()
    assert lake.table(ingest("bronze.t", f"{tmp_path}/*.csv", full_refresh=True)).status == "published"
    assert lake.rows("SELECT v FROM bronze.t") == [("b",)]
    assert lake.table(ingest("bronze.t", f"{tmp_path}/*.csv")).status == "no_op"


def test_failed_table_stops_its_dependants_and_nobody_else(lake: Lake) -> None:
    report = lake.run(
        transform("silver.a", "SELECT nope FROM VALUES (1) AS t(id)"),
        transform("gold.b", "SELECT 1 AS id", upstream=("silver.a",)),
        transform("gold.c", "SELECT 1 AS id", upstream=("gold.b",)),
        transform("gold.d", "SELECT 1 AS id"),
    )
    assert [table.status for table in report.tables] == ["failed", "upstream_failed", "upstream_failed", "published"]
    assert report.status == "failed"
    assert report.error is not None
    assert "nope" in report.error.message
    assert "Traceback" not in report.error.message
    assert not report.error.retryable


def test_table_that_nobody_has_made_is_named_with_what_to_do(lake: Lake) -> None:
    report = lake.table(transform("gold.t", "SELECT * FROM silver.nope", inputs=("silver.nope",)))
    assert report.error is not None
    assert report.error.message.startswith("gold.t reads silver.nope, which does not exist in catalog")


def test_ingest_without_files_makes_an_empty_table_where_there_is_a_contract(lake: Lake, tmp_path: Path) -> None:
    columns = (Column("id", "int", nullable=False), Column("tags", "array<string>"))
    report = lake.table(ingest("bronze.t", f"{tmp_path}/*.json", "json", columns=columns, partition_by=("id",)))
    assert (report.status, report.rows.rows_read) == ("no_op", 0)
    assert lake.rows("SELECT * FROM bronze.t") == []
    without = lake.table(ingest("bronze.u", f"{tmp_path}/*.csv"))
    assert without.status == "no_op"
    assert "no file matched" in without.warnings[0]


def test_empty_file_without_a_contract_neither_makes_nor_changes_a_table(lake: Lake, tmp_path: Path) -> None:
    request = ingest("bronze.t", f"{tmp_path}/*.csv")
    (tmp_path / "a.csv").write_text("")
    first = lake.table(request)
    assert (first.status, first.warnings) == (
        "no_op",
        ("no file that matched has columns and there is no contract, so there is no table yet",),
    )
    (tmp_path / "b.csv").write_text("id\n1\n")
    assert lake.table(request).status == "published"
    (tmp_path / "c.csv").write_text("")
    assert lake.table(request).status == "no_op"
    assert lake.rows("SELECT id FROM bronze.t") == [("1",)]


def test_ingest_without_new_files_reports_the_table_as_it_is_and_judges_it(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    request = ingest("bronze.t", f"{tmp_path}/*.csv", checks=("row_count = 1",))
    head = lake.table(request, interval=day(1)).snapshot_id
    report = lake.table(request, interval=day(2))
    assert (report.status, report.snapshot_id, report.warnings) == ("no_op", head, ())
    assert [check.outcome for check in report.checks] == ["pass"]


def test_replaced_table_is_what_all_its_files_give(lake: Lake, tmp_path: Path) -> None:
    columns = (Column("id", "int"),)
    request = ingest("bronze.t", f"{tmp_path}/*.csv", strategy="replace", columns=columns)
    (tmp_path / "a.csv").write_text("id\n1\n")
    head = lake.table(request, interval=day(1)).snapshot_id
    again = lake.table(request, interval=day(2))
    assert (again.status, again.snapshot_id, again.rows.rows_unchanged) == ("no_op", head, 1)
    (tmp_path / "b.csv").write_text("id\n2\n")
    assert lake.table(request, interval=day(2)).rows.rows_applied == 2
    (tmp_path / "a.csv").write_text("id\n10\n")
    lake.table(request, interval=day(3))
    assert lake.rows("SELECT id FROM bronze.t") == [(10,), (2,)]
    (tmp_path / "a.csv").unlink()
    (tmp_path / "b.csv").unlink()
    gone = lake.table(replace(request, spec_sha256="another"), interval=day(4))
    assert (gone.status, gone.rows.rows_read) == ("no_op", 0)
    assert lake.rows("SELECT count(*) FROM bronze.t") == [(2,)]


def test_json_and_parquet_files_without_a_contract(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"id": 1, "who": {"name": "ö"}}\n{"id": 2}\nnot json\n{"id": 3}\n')
    report = lake.table(ingest("bronze.j", f"{tmp_path}/*.json", "json"))
    assert (report.rows.rows_applied, report.rows.rows_quarantined) == (3, 1)
    assert lake.rows("SELECT id, who.name FROM bronze.j") == [(1, "ö"), (2, None), (3, None)]
    assert lake.rows("SELECT _raw FROM bronze.j__quarantine") == [("not json",)]
    lake.spark.range(5).write.parquet(f"{tmp_path}/p")
    assert lake.table(ingest("bronze.p", f"{tmp_path}/p/*.parquet", "parquet")).rows.rows_applied == 5
    assert lake.rows("SELECT count(DISTINCT _source_file) > 0, count(*) FROM bronze.p") == [(True, 5)]


def test_earlier_start_that_published_without_telling_is_reported_with_its_counts(lake: Lake) -> None:
    request = transform("gold.t", "SELECT * FROM VALUES (1), (2) AS t(id)")
    first = lake.request(request)
    published = lake.table(request, run_id=first.task.run_id)
    report = lake.table(request, **lake.after(first))
    assert (report.status, report.snapshot_id) == ("published", published.snapshot_id)
    assert report.rows == published.rows
    assert len(lake.iceberg("gold.t").commits(head=published.snapshot_id or 0, base=None)) == 2


def test_names_within_a_struct_may_need_quotes(lake: Lake) -> None:
    sql = "SELECT named_struct('first-name', 'Ada', 'tags', array(map('x', named_struct('a b', 2)))) AS user"
    report = lake.table(transform("gold.t", sql))
    assert report.error is None
    assert lake.rows("SELECT user.`first-name`, user.tags[0]['x'].`a b` FROM gold.t") == [("Ada", 2)]
    assert lake.table(transform("gold.t", f"{sql} LIMIT 1")).status == "no_op"


def test_replaced_file_without_a_good_row_left_is_remembered(lake: Lake, tmp_path: Path) -> None:
    columns = (Column("id", "int", nullable=False),)
    request = ingest("bronze.t", f"{tmp_path}/*.csv", columns=columns)
    (tmp_path / "good.csv").write_text("id\n1\n2\n3\n4\n5\n6\n")
    (tmp_path / "bad.csv").write_text("id\nx\n")
    lake.table(request)
    (tmp_path / "bad.csv").write_text("id\nyy\n")
    more = replace(request, quarantine=Quarantine(max_fraction=1.0))
    assert lake.table(more).rows.rows_quarantined == 1
    assert lake.rows("SELECT _raw FROM bronze.t__quarantine") == [('{"id":"x"}',), ('{"id":"yy"}',)]
    assert lake.table(more).rows.rows_read == 0, "the new version is in the ledger"


def test_request_repeated_under_its_own_id_reports_what_it_published(lake: Lake) -> None:
    request = transform("gold.t", "SELECT rand() AS v", deterministic=False)
    first = lake.table(request, run_id="by-hand")
    again = lake.table(request, run_id="by-hand")
    assert (again.status, again.snapshot_id, again.rows) == ("published", first.snapshot_id, first.rows)
    assert lake.table(request, run_id="another").snapshot_id != first.snapshot_id


@pytest.mark.parametrize("declared", [True, False], ids=["with a contract", "without a contract"])
def test_names_inside_of_json_may_need_quotes(lake: Lake, tmp_path: Path, declared: bool) -> None:
    (tmp_path / "a.json").write_text('{"id": 1, "user": {"first-name": "Ö", "a b": [{"c.d": 1.5}]}}\n{"id": 2}\n')
    user = "struct<`first-name`: string, `a b`: array<struct<`c.d`: decimal(4,2)>>>"
    columns = (Column("id", "int"), Column("user", user)) if declared else None
    report = lake.table(ingest("bronze.j", f"{tmp_path}/a.json", "json", columns=columns))
    assert (report.error, report.rows.rows_applied) == (None, 2)
    assert lake.rows("SELECT user.`first-name`, CAST(user.`a b`[0].`c.d` AS DOUBLE) FROM bronze.j WHERE id = 1") == [
        ("Ö", 1.5)
    ]
    copied = lake.table(transform("silver.j", "SELECT id, user FROM bronze.j", "merge", unique_key=("id",)))
    assert (copied.error, copied.rows.rows_applied) == (None, 2)
