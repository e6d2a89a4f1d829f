"""Options of a write: which go together, and what an update sets. No Spark."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_lake_provider.jobs.errors import WriteOptionsError
from airflow_lake_provider.jobs.write.options import check_columns, check_options, updated_columns
from airflow_lake_provider.protocol import IngestStep, TableRequest, TransformStep, WriteStep

COLUMNS = ("id", "name", "city", "seq", "_ingested_at", "_run_id")
INGEST = IngestStep(files=("/in/*.csv",), format="csv")
QUERY = TransformStep(sql="SELECT 1")


def step(strategy: str = "merge", **options: Any) -> WriteStep:
    if strategy == "merge":
        options.setdefault("unique_key", ("id",))
    return WriteStep(strategy=strategy, **options)


def check(write: WriteStep, source: Any = QUERY, **more: Any) -> None:
    check_options(TableRequest(table="silver.t", steps=(source, write), **more), write)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (step(unique_key=()), "a merge needs unique_key"),
        (step(mode="mor"), "mode is 'mor'; expected one of auto, copy_on_write, merge_on_read"),
        (step(when_matched="ignore"), "when_matched is 'ignore'; expected one of update, keep"),
        (step(when_not_matched="keep"), "when_not_matched is 'keep'; expected one of insert, ignore"),
        (
            step(when_not_matched_by_source="drop"),
            "when_not_matched_by_source is 'drop'; expected one of keep, delete,",
        ),
        (step("append", delete_when="x"), "delete_when: of a merge only, and the strategy is append"),
        (
            step("replace", update_columns=("a",), when_matched="keep"),
            "update_columns, when_matched: of a merge only, and the strategy is replace",
        ),
        (step("replace", mode="merge_on_read"), "mode is merge_on_read, which says how rows are rewritten; a replace"),
        (step(update_columns=("a",), exclude_columns=("b",)), "update_columns and exclude_columns are both given"),
        (step(update_columns=("ID",)), "update_columns names id, which is part of unique_key"),
        (step(exclude_columns=("id",)), "exclude_columns names id, which is part of unique_key"),
        (step(update_columns=("a",), when_matched="keep"), "when_matched is keep, so no row is updated and update_col"),
        (
            step(when_not_matched_by_source="soft_delete"),
            "when_not_matched_by_source: soft_delete and the column that it sets",
        ),
        (step(soft_delete="gone"), "when_not_matched_by_source: soft_delete and the column that it sets"),
        (
            step(when_not_matched_by_source="soft_delete", soft_delete="ID"),
            "soft_delete sets ID by itself, so it is neither key nor sequence",
        ),
        (
            step(when_not_matched_by_source="soft_delete", soft_delete="gone", exclude_columns=("gone",)),
            "soft_delete sets gone by itself",
        ),
    ],
)
def test_options_that_do_not_go_together_are_named(write: WriteStep, message: str) -> None:
    with pytest.raises(WriteOptionsError) as caught:
        check(write)
    assert str(caught.value).startswith(f"silver.t: {message}")
    assert not caught.value.retryable


@pytest.mark.parametrize("by_source", ["delete", "soft_delete"])
def test_files_of_a_run_never_tell_what_is_gone(by_source: str) -> None:
    write = step(when_not_matched_by_source=by_source, soft_delete="gone" if by_source == "soft_delete" else None)
    check(write, QUERY)
    with pytest.raises(WriteOptionsError, match="a run reads only the new files"):
        check(write, INGEST)


def test_full_refresh_that_could_only_empty_the_table_is_refused() -> None:
    write = step(when_not_matched="ignore")
    check(write)
    with pytest.raises(WriteOptionsError, match="would leave the table empty"):
        check(write, full_refresh=True)


def test_mode_and_a_property_that_says_otherwise_are_refused() -> None:
    write = step(mode="merge_on_read")
    check(write, properties={"write.merge.mode": "merge-on-read"})
    with pytest.raises(WriteOptionsError, match=r"the property write\.delete\.mode is copy-on-write"):
        check(write, properties={"write.delete.mode": "copy-on-write"})
    check(step(), properties={"write.delete.mode": "copy-on-write"})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, ["name", "city", "seq", "_ingested_at", "_run_id"], id="all but the key"),
        pytest.param(
            {"update_columns": ("NAME",), "sequence_by": "seq"},
            ["name", "seq", "_ingested_at", "_run_id"],
            id="the sequence and the metadata columns move along",
        ),
        pytest.param(
            {"exclude_columns": ("city", "_run_id"), "sequence_by": "seq"},
            ["name", "seq", "_ingested_at"],
            id="a metadata column may be left as it was",
        ),
        pytest.param({"when_matched": "keep", "sequence_by": "seq"}, [], id="keep sets nothing"),
        pytest.param({"when_matched": "keep", "soft_delete": "City"}, ["city"], id="but that the row is there"),
        pytest.param(
            {"update_columns": ("name",), "soft_delete": "city"},
            ["name", "city", "_ingested_at", "_run_id"],
            id="an update of some columns too",
        ),
    ],
)
def test_updated_columns(options: dict[str, Any], expected: list[str]) -> None:
    assert updated_columns(step(**options), COLUMNS) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"update_columns": ("name", "nmae")}, "update_columns names nmae, which is no column; there are: id, name,"),
        ({"exclude_columns": ("x",)}, "exclude_columns names x, which is no column"),
        ({"exclude_columns": ("SEQ",), "sequence_by": "seq"}, "exclude_columns names seq, by which rows are ordered"),
        ({"exclude_columns": ("_ingested_at",)}, "exclude_columns names _ingested_at, by which rows are ordered"),
    ],
)
def test_columns_that_cannot_be_set_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(WriteOptionsError, match=f"silver.t: {message}"):
        check_columns(step(**options), COLUMNS, table="silver.t")
