"""The options of an ingest from end to end: which files, what of replaced ones, what where there are none."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lake_under_test import Lake, day, ingest, transform

from airflow_lake_provider.jobs import run
from airflow_lake_provider.jobs.sources.files import list_files
from airflow_lake_provider.jobs.sources.unreadable import naming_files
from airflow_lake_provider.protocol import Column, IngestStep, TableReport

COLUMNS = (Column("id", "int"),)


def land(folder: Path, **files: str) -> None:
    """Write CSV files with one column, each name older than the one after it."""
    folder.mkdir(exist_ok=True)
    for n, (name, ids) in enumerate(files.items()):
        path = folder / f"{name}.csv"
        path.write_text("id\n" + "".join(f"{one}\n" for one in ids.split()))
        os.utime(path, (1_700_000_000 + n, 1_700_000_000 + n))


def ids(lake: Lake, table: str = "bronze.t") -> list[int]:
    return [row[0] for row in lake.rows(f"SELECT id FROM {table}")]


def message(report: TableReport) -> str:
    assert report.error is not None, report
    return report.error.message


def test_files_per_run_takes_the_oldest_and_says_what_is_left(lake: Lake, tmp_path: Path) -> None:
    land(tmp_path / "in", c="3", a="1", b="2")
    request = ingest("bronze.t", f"{tmp_path}/in/*.csv", columns=COLUMNS, files_per_run=2)
    first = lake.table(request, interval=day(1))
    assert (first.status, ids(lake)) == ("published", [1, 3])
    assert first.warnings == ("1 new files are left for the next run, for files_per_run is 2",)
    second = lake.table(request, interval=day(1))
    assert (second.status, second.warnings, ids(lake)) == ("published", (), [1, 2, 3])
    assert lake.table(request, interval=day(1)).status == "no_op"


def test_files_per_run_is_refused_where_the_table_is_what_its_files_give(lake: Lake, tmp_path: Path) -> None:
    land(tmp_path / "in", a="1")
    report = lake.table(ingest("bronze.t", f"{tmp_path}/in/*.csv", strategy="replace", files_per_run=1))
    assert message(report).startswith("files_per_run does not go with write: replace")


@pytest.mark.parametrize("files_per_run", [None, 1])
def test_without_a_new_file_an_ingest_may_skip_or_fail(lake: Lake, tmp_path: Path, files_per_run: int | None) -> None:
    glob = f"{tmp_path}/in/*.csv"
    request = ingest("bronze.t", glob, columns=COLUMNS, on_empty="skip", files_per_run=files_per_run)
    before = lake.table(request, interval=day(1))
    assert (before.status, before.warnings, before.error) == (
        "skipped",
        (f"no new file for {glob}, and on_empty is skip",),
        None,
    )
    land(tmp_path / "in", a="1")
    head = lake.table(request, interval=day(1)).snapshot_id
    later = lake.table(request, interval=day(2))
    assert (later.status, later.snapshot_id, later.rows.rows_read) == ("skipped", head, 0)
    failed = lake.run(ingest("bronze.t", glob, columns=COLUMNS, on_empty="fail"), interval=day(3))
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.retryable
    assert failed.error.type == "NoNewFile"
    assert failed.error.message.startswith(f"bronze.t: no new file for {glob}, and on_empty is fail. ")
    cleared = lake.table(ingest("bronze.t", glob, columns=COLUMNS, on_empty="fail"), interval=day(1))
    assert cleared.status == "no_op", "a run of the interval has taken its files in"


def test_without_an_interval_each_run_without_a_new_file_is_empty(lake: Lake, tmp_path: Path) -> None:
    land(tmp_path / "in", a="1")
    request = ingest("bronze.t", f"{tmp_path}/in/*.csv", columns=COLUMNS, on_empty="skip")
    assert [lake.table(request, run_id=run_id).status for run_id in ("a", "b")] == ["published", "skipped"]
    cleared = lake.table(request, run_id="a", generation=2)
    assert (cleared.status, cleared.rows.rows_read) == ("no_op", 0), "its files are in the table, by itself"


def test_replaced_file_without_a_byte_takes_its_old_rows_along(lake: Lake, tmp_path: Path) -> None:
    """Without a contract nothing says what the columns of an empty file are; the table does."""
    land(tmp_path / "in", a="1 2", b="3")
    request = ingest("bronze.t", f"{tmp_path}/in/*.csv")
    lake.table(request)
    (tmp_path / "in" / "a.csv").write_text("")
    report = lake.table(request)
    assert (report.status, report.rows.rows_read, report.error) == ("published", 0, None)
    assert ids(lake) == ["3"]
    assert lake.table(request).status == "no_op"


def test_ledger_is_whole_where_the_catalogs_warehouse_has_moved(lake: Lake, tmp_path: Path) -> None:
    request = ingest("bronze.t", f"{tmp_path}/in/*.csv", columns=COLUMNS)
    land(tmp_path / "in", a="1")
    lake.table(request)
    lake.catalog = replace(lake.catalog, warehouse=f"file://{lake.folder}/elsewhere")
    land(tmp_path / "in", b="2")
    assert [lake.table(request).status for _ in range(2)] == ["published", "no_op"]
    land(tmp_path / "in", c="3")
    assert lake.table(request).status == "published"
    assert ids(lake) == [1, 2, 3]


def test_what_stands_on_a_skipped_table_is_skipped_as_in_airflow(lake: Lake, tmp_path: Path) -> None:
    report = lake.run(
        ingest("bronze.t", f"{tmp_path}/in/*.csv", columns=COLUMNS, on_empty="skip"),
        transform("silver.a", "SELECT 1 AS id", upstream=("bronze.t",)),
        transform("gold.b", "SELECT 1 AS id", upstream=("silver.a", "silver.c")),
        transform("silver.c", "SELECT nope"),
        transform("gold.d", "SELECT 1 AS id", upstream=("silver.a", "silver.c")),
        transform("gold.e", "SELECT 1 AS id"),
    )
    assert [table.status for table in report.tables] == [
        "skipped", "skipped", "skipped", "failed", "upstream_failed", "published",
    ]  # fmt: skip
    assert report.tables[1].warnings == ("not run, because bronze.t was skipped",)


@pytest.mark.parametrize(("on_replaced", "expected"), [("replace", [2, 30, 40]), ("append", [1, 2, 2, 30, 40])])
def test_file_that_comes_again_replaces_its_rows_or_adds_to_them(
    lake: Lake, tmp_path: Path, on_replaced: str, expected: list[int]
) -> None:
    land(tmp_path / "in", a="1 2", b="30")
    request = ingest("bronze.t", f"{tmp_path}/in/*.csv", columns=COLUMNS, on_replaced=on_replaced)
    lake.table(request)
    land(tmp_path / "in", a="2 40")
    report = lake.table(request)
    assert (report.status, report.rows.rows_applied, ids(lake)) == ("published", 2, sorted(expected, key=repr))
    assert lake.table(request).status == "no_op"


def test_name_that_spark_would_read_as_a_setting_is_a_name(lake: Lake, tmp_path: Path) -> None:
    """Spark replaces `${...}` in a statement's text: then the old rows of such a file would stay, and double."""
    land(tmp_path / "in", **{"a ${spark.app.name} '\\\\u0041": "1"})
    request = ingest("bronze.t", f"{tmp_path}/in/*.csv", columns=COLUMNS, description="in ${spark.app.name}")
    lake.table(request)
    land(tmp_path / "in", **{"a ${spark.app.name} '\\\\u0041": "2 3"})
    assert lake.table(request).status == "published"
    assert ids(lake) == [2, 3]
    assert lake.iceberg("bronze.t").properties["comment"] == "in ${spark.app.name}"


def test_file_that_comes_again_fails_where_it_is_to_fail(lake: Lake, tmp_path: Path) -> None:
    land(tmp_path / "in", a="1", b="2")
    request = ingest("bronze.t", f"{tmp_path}/in/*.csv", columns=COLUMNS, on_replaced="fail")
    head = lake.table(request).snapshot_id
    land(tmp_path / "in", a="10", c="3")
    report = lake.table(request)
    assert message(report).startswith(f"{tmp_path}/in/a.csv has other content than when it came in, and on_replaced is")
    assert (lake.iceberg("bronze.t").head(), ids(lake)) == (head, [1, 2])
    assert lake.table(replace(request, full_refresh=True)).status == "published"
    assert ids(lake) == [10, 2, 3]


@pytest.mark.parametrize("on_replaced", ["replace", "append"])
def test_file_that_comes_again_is_merged_by_key(lake: Lake, tmp_path: Path, on_replaced: str) -> None:
    (tmp_path / "a.csv").write_text("id,v\n1,a\n2,b\n")
    columns = (*COLUMNS, Column("v", "string"))
    request = ingest(
        "bronze.t", f"{tmp_path}/*.csv", strategy="merge", unique_key=("id",), columns=columns, on_replaced=on_replaced
    )
    lake.table(request)
    (tmp_path / "a.csv").write_text("id,v\n2,B\n3,c\n")
    assert lake.table(request).rows.rows_applied == 2
    assert lake.rows("SELECT id, v FROM bronze.t") == [(1, "a"), (2, "B"), (3, "c")]


@pytest.mark.parametrize(
    "metadata", [(), ("_run_id",), ("_source_file", "_run_id"), ("_ingested_at",)], ids=lambda value: "+".join(value)
)
def test_each_choice_of_metadata_columns_works(lake: Lake, tmp_path: Path, metadata: tuple[str, ...]) -> None:
    (tmp_path / "a.csv").write_text("id\n1\nx\n")
    request = ingest("bronze.t", f"{tmp_path}/*.csv", columns=COLUMNS, metadata_columns=metadata)
    assert lake.table(request).status == "published"
    assert lake.spark.table("bronze.t").columns == ["id", *metadata]
    assert lake.rows("SELECT _source_file, _raw FROM bronze.t__quarantine") == [(f"{tmp_path}/a.csv", '{"id":"x"}')]
    (tmp_path / "a.csv").write_text("id\n2\n3\n")
    again = lake.table(request)
    if "_source_file" in metadata:
        assert ids(lake) == [2, 3]
        return
    assert again.error is not None
    assert again.error.type == "FileReplaced"
    assert "metadata_columns" in message(again)
    assert ids(lake) == [1]
    lake.spark.sql("ALTER TABLE bronze.t ADD COLUMN _source_file string")
    mended = ingest("bronze.t", f"{tmp_path}/*.csv", columns=COLUMNS, metadata_columns=(*metadata, "_source_file"))
    assert lake.table(replace(mended, full_refresh=True)).status == "published", message(again)
    (tmp_path / "a.csv").write_text("id\n4\n")
    assert lake.table(mended).status == "published"
    assert ids(lake) == [4]


def test_metadata_columns_are_a_part_of_the_schema(lake: Lake, tmp_path: Path) -> None:
    request = ingest("bronze.t", f"{tmp_path}/in/*.csv", columns=COLUMNS)
    bare = ingest("bronze.t", f"{tmp_path}/in/*.csv", columns=COLUMNS, metadata_columns=("_run_id",))
    land(tmp_path / "in", a="1")
    lake.table(bare)
    land(tmp_path / "in", b="2")
    assert "column _source_file (string) is new; column _ingested_at (timestamp) is new" in message(lake.table(request))
    lake.spark.sql("ALTER TABLE bronze.t ADD COLUMNS (_source_file string, _ingested_at timestamp)")
    assert "column _source_file (string) is gone; column _ingested_at" in message(lake.table(bare))
    assert lake.table(request).status == "published"
    land(tmp_path / "in", b="20 21")
    assert "not all rows of bronze.t say in _source_file" in message(lake.table(request))
    assert ids(lake) == [1, 2]


def test_option_that_the_reader_does_not_know_is_named_in_the_report(lake: Lake, tmp_path: Path) -> None:
    land(tmp_path / "in", a="1")
    options = {"HEADER": "true", "delimitr": ";", "zzz": "1"}
    report = lake.table(ingest("bronze.t", f"{tmp_path}/in/*.csv", columns=COLUMNS, options=options))
    assert (report.status, report.warnings) == (
        "published",
        (
            "options: the reader of csv knows no delimitr, so it has no effect; did you mean delimiter?",
            "options: the reader of csv knows no zzz, so it has no effect",
        ),
    )


@pytest.mark.parametrize("format", ["orc", "avro"])
def test_formats_go_from_file_to_table_and_a_broken_file_is_named(lake: Lake, tmp_path: Path, format: str) -> None:
    made, landing = tmp_path / "made", tmp_path / "in"
    landing.mkdir()

    def write(name: str, query: str) -> Path:
        lake.spark.sql(query).coalesce(1).write.format(format).mode("overwrite").save(f"file://{made}")
        return next(p for p in made.iterdir() if p.name.startswith("part-")).rename(landing / name)

    request = ingest("bronze.t", f"{landing}/*", format, columns=(*COLUMNS, Column("v", "string")))
    write("a #1%[x]{y} ü.dat", "SELECT 1L AS ID, 'a' AS v, true AS more")
    write("b", "SELECT 2 AS id")
    report = lake.table(request)
    assert (report.columns_left_out, report.columns_missing) == (("more",), ("v",))
    assert lake.rows("SELECT id, v, regexp_extract(_source_file, '[^/]+$', 0) FROM bronze.t") == [
        (1, "a", "a #1%[x]{y} ü.dat"),
        (2, None, "b"),
    ]
    for n in range(3):
        whole = write(f"c{n}", "SELECT int(id) AS id, sha2(string(id), 256) AS v FROM range(20000)")
    content = bytearray(whole.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 2000] = bytes(2000)
    whole.write_bytes(content)
    broken = lake.run(request).error
    assert broken is not None
    assert broken.message.startswith(f"{landing}/c2 cannot be read to the end: ")
    assert not broken.retryable
    assert lake.rows("SELECT count(*) FROM bronze.t") == [(2,)]
    whole.unlink()
    assert lake.table(request).rows.rows_applied == 40000


def test_no_single_file_is_blamed_for_what_only_many_show(lake: Lake, tmp_path: Path) -> None:
    """Read by one schema, one of two good files fails: Parquet's reader takes no text for a number."""
    for name, value in (("a", "1L"), ("b", "'x'")):
        lake.spark.sql(f"SELECT {value} AS id").coalesce(1).write.parquet(f"file://{tmp_path}/{name}")
    files = list_files(lake.spark, [f"{tmp_path}/*/*.parquet"])
    step = IngestStep(files=(f"{tmp_path}/*/*.parquet",), format="parquet")
    with pytest.raises(RuntimeError, match="executor was lost"), naming_files(lake.spark, step, files):
        raise RuntimeError("Job aborted due to stage failure: an executor was lost")


def test_compressed_file_that_is_cut_off_is_named(lake: Lake, tmp_path: Path) -> None:
    land(tmp_path / "in", a="1")
    text = "id\n" + "".join(f"{n * 7919 % 100003}\n" for n in range(50_000))
    (tmp_path / "in" / "b.csv.gz").write_bytes(gzip.compress(text.encode())[:-20_000])
    report = lake.table(ingest("bronze.t", f"{tmp_path}/in/*", columns=COLUMNS))
    assert message(report).startswith(f"{tmp_path}/in/b.csv.gz cannot be read to the end: ")


@pytest.mark.parametrize("format", ["csv", "parquet"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_file_that_vanishes_while_it_is_read_is_named_and_another_try_goes_on(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, when: str
) -> None:
    landing = tmp_path / "in"
    landing.mkdir()
    for n in (1, 2):
        made = tmp_path / f"made{n}"
        lake.spark.sql(f"SELECT {n} AS id").coalesce(1).write.option("header", "true").format(format).save(
            f"file://{made}"
        )
        next(p for p in made.iterdir() if p.name.startswith("part-")).rename(landing / f"{n} %41.{format}")
    doomed = landing / f"2 %41.{format}"
    step = {"before": "judge", "after": "materialise"}[when]
    original: Callable[..., Any] = getattr(run, step)

    def vanish(*args: Any, **kwargs: Any) -> Any:
        doomed.unlink(missing_ok=True)
        return original(*args, **kwargs)

    monkeypatch.setattr(run, step, vanish)
    request = ingest("bronze.t", f"{landing}/*", format, columns=COLUMNS)
    report = lake.table(request)
    assert report.error is not None
    assert (report.error.type, report.error.retryable) == ("SourceChanged", True)
    assert report.error.message == (
        f"{doomed} was there when its folder was listed and is gone. Nothing was written; try again"
    )
    monkeypatch.undo()
    assert lake.table(request).status == "published"
    assert ids(lake) == [1]


def test_run_killed_between_the_files_leaves_no_file_twice_and_none_out(lake: Lake, tmp_path: Path) -> None:
    land(tmp_path / "in", a="1", b="2", c="3")
    request = ingest("bronze.t", f"{tmp_path}/in/*.csv", columns=COLUMNS, files_per_run=2)
    dead = lake.request(request, interval=day(1))
    lake.kill(dead, "branch-written@bronze.t")
    assert lake.table(request, **lake.after(dead)).status == "published"
    assert ids(lake) == [1, 2]
    land(tmp_path / "in", a="10")
    dead = lake.request(request, interval=day(2))
    lake.kill(dead, "published@bronze.t")
    report = lake.table(request, **lake.after(dead))
    assert (report.status, report.rows.rows_applied) == ("published", 2)
    assert ids(lake) == [10, 2, 3]
    assert lake.table(request, interval=day(2)).status == "no_op"
