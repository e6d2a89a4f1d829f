from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_lake_provider.jobs.errors import FileReplaced, SourceError
from airflow_lake_provider.jobs.sources.files import SourceFile
from airflow_lake_provider.jobs.sources.intake import take_in
from airflow_lake_provider.protocol import IngestStep

STEP = IngestStep(files=("/in/*",), format="csv")
# Of these b and c are as old as each other, and a is the newest.
LISTED = [SourceFile("/in/a", "1", 1, 30), SourceFile("/in/b", "1", 1, 20), SourceFile("/in/c", "1", 1, 20)]


def paths(files: tuple[SourceFile, ...]) -> list[str]:
    return [file.path for file in files]


def test_oldest_files_come_first_and_the_rest_waits() -> None:
    first = take_in(replace(STEP, files_per_run=2), LISTED, {}, strategy="append")
    assert (paths(first.fresh), first.left, paths(first.seen)) == (["/in/b", "/in/c"], 1, ["/in/b", "/in/c"])
    known = {file.path: file.version for file in first.fresh}
    second = take_in(replace(STEP, files_per_run=2), LISTED, known, strategy="append")
    assert (paths(second.fresh), second.left, second.seen) == (["/in/a"], 0, tuple(LISTED))


def test_files_without_a_byte_stand_in_nobodys_way() -> None:
    empty = [SourceFile(f"/in/{n}", "0", 0, n) for n in range(3)]
    intake = take_in(replace(STEP, files_per_run=1), [*LISTED, *empty], {}, strategy="append")
    assert (paths(intake.fresh), intake.left) == (["/in/0", "/in/1", "/in/2", "/in/b"], 2)


def test_file_that_waits_is_not_replaced_yet() -> None:
    known = {"/in/a": "old", "/in/b": "old"}
    intake = take_in(replace(STEP, files_per_run=1), LISTED, known, strategy="append")
    assert (paths(intake.fresh), intake.replaced, intake.left) == (["/in/b"], ("/in/b",), 2)


def test_full_refresh_takes_all_files() -> None:
    intake = take_in(replace(STEP, files_per_run=1), LISTED, {}, strategy="append", full_refresh=True)
    assert (intake.fresh, intake.left) == (tuple(LISTED), 0)


def test_replace_reads_all_files_each_time() -> None:
    intake = take_in(STEP, LISTED, {"/in/a": "1", "/in/b": "old"}, strategy="replace")
    assert (intake.fresh, intake.replaced, intake.seen) == (tuple(LISTED), ("/in/b",), tuple(LISTED))


@pytest.mark.parametrize(
    ("option", "strategy", "message"),
    [
        ({"files_per_run": 5}, "replace", r"^files_per_run does not go with write: replace"),
        ({"on_replaced": "append"}, "replace", r"^on_replaced: append does not go with write: replace"),
        ({"files_per_run": 0}, "append", r"^files_per_run is 0; expected 1 or more"),
    ],
)
def test_options_that_make_no_sense_are_refused(option: dict[str, object], strategy: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        take_in(replace(STEP, **option), LISTED, {}, strategy=strategy)  # type: ignore[arg-type]


@pytest.mark.parametrize("strategy", ["append", "merge", "replace"])
def test_replaced_files_fail_where_they_are_to_fail(strategy: str) -> None:
    listed = [SourceFile(f"/in/{n}", "2", 1) for n in range(5)]
    step = replace(STEP, on_replaced="fail")
    with pytest.raises(FileReplaced, match=r"^/in/0, /in/1, /in/2, \.\.\. \(5 files\) have other content than when"):
        take_in(step, listed, {file.path: "1" for file in listed}, strategy=strategy)
    with pytest.raises(FileReplaced, match=r"^/in/0 has other content than when it came in"):
        take_in(step, listed, {"/in/0": "1"}, strategy=strategy)
    assert take_in(step, listed, {}, strategy=strategy).fresh == tuple(listed)
