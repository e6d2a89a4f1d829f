from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.jobs.errors import SourceError
from airflow_lake_provider.jobs.sources.files import SourceFile, fingerprint, list_files


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    for name in (
        "a.csv",
        "b.csv",
        "c.json",
        "_hidden.csv",
        ".part.csv",
        "half.csv._COPYING_",
        "day=1/x.csv",
        "day=2/x.csv",
        "day=2/deep/er/y.csv",
        "_temporary/z.csv",
        ".git/z.csv",
        "ünï côdé/s p.csv",
    ):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "in"


def names(landing: Path, *globs: str, recursive: bool = False) -> list[str]:
    files = list_files(None, [f"{landing}/{glob}" for glob in globs], recursive=recursive)
    return [os.path.relpath(file.path, landing) for file in files]


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (["*.csv"], ["a.csv", "b.csv"]),
        (["?.csv"], ["a.csv", "b.csv"]),
        (["[!a].*"], ["b.csv", "c.json"]),
        (["{a,c}.{csv,json}"], ["a.csv", "c.json"]),
        (["*/x.csv"], ["day=1/x.csv", "day=2/x.csv"]),
        (["**/*.csv"], ["a.csv", "b.csv", "day=1/x.csv", "day=2/deep/er/y.csv", "day=2/x.csv", "ünï côdé/s p.csv"]),
        (["**/y.csv"], ["day=2/deep/er/y.csv"]),
        (["day=2/**/*.csv"], ["day=2/deep/er/y.csv", "day=2/x.csv"]),
        (["day=2/**"], ["day=2/deep/er/y.csv", "day=2/x.csv"]),
        (["**/**/y.csv"], ["day=2/deep/er/y.csv"]),
        (["day=1"], ["day=1/x.csv"]),
        (["day=1/"], ["day=1/x.csv"]),
        (["day=2"], ["day=2/x.csv"]),
        (["day=*"], []),
        (["day=*/"], ["day=1/x.csv", "day=2/x.csv"]),
        (["a.csv", "*.csv", "a.csv"], ["a.csv", "b.csv"]),
        (["a.csv/"], []),
        (["_hidden.csv"], []),
        (["*/z.csv"], []),
        (["nowhere/*.csv", "nothing.csv", "nowhere/**"], []),
        (["ünï*/s p.csv"], ["ünï côdé/s p.csv"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_glob_names_exactly_the_data_files(landing: Path, globs: list[str], expected: list[str]) -> None:
    assert names(landing, *globs) == expected


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (["day=2"], ["day=2/deep/er/y.csv", "day=2/x.csv"]),
        (["day=2/"], ["day=2/deep/er/y.csv", "day=2/x.csv"]),
        (["day=*"], ["day=1/x.csv", "day=2/deep/er/y.csv", "day=2/x.csv"]),
        (["day=?/"], ["day=1/x.csv", "day=2/deep/er/y.csv", "day=2/x.csv"]),
        (["*.csv"], ["a.csv", "b.csv"]),
        (["a.csv"], ["a.csv"]),
        (["*/deep"], ["day=2/deep/er/y.csv"]),
        (["_temporary", "nowhere"], ["_temporary/z.csv"]),
        (["_*", ".*"], []),
        (
            ["*"],
            ["a.csv", "b.csv", "c.json", "day=1/x.csv", "day=2/deep/er/y.csv", "day=2/x.csv", "ünï côdé/s p.csv"],
        ),
        (
            [""],
            ["a.csv", "b.csv", "c.json", "day=1/x.csv", "day=2/deep/er/y.csv", "day=2/x.csv", "ünï côdé/s p.csv"],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_recursive_glob_means_all_data_below_the_folders_it_names(
    landing: Path, globs: list[str], expected: list[str]
) -> None:
    assert names(landing, *globs, recursive=True) == expected


def test_a_recursive_glob_finds_no_file_twice_by_a_link(landing: Path) -> None:
    (landing / "day=1" / "loop").symlink_to(landing)
    assert names(landing, "day=*", recursive=True) == names(landing, "day=*", "day=1/*", recursive=True)
    assert names(landing, "day=1/loop", recursive=True)[0] == "day=1/loop/a.csv"


def test_a_hidden_folder_above_the_glob_is_the_users_own_choice(tmp_path: Path) -> None:
    (tmp_path / ".lake" / "_in").mkdir(parents=True)
    (tmp_path / ".lake" / "_in" / "a.csv").write_text("")
    assert names(tmp_path, ".lake/_in/*.csv") == [".lake/_in/a.csv"]


def test_paths_come_back_plain_and_with_their_size(landing: Path) -> None:
    files = list_files(None, [f"file://{landing}/a.csv"])
    assert [(file.path, file.size) for file in files] == [(str(landing / "a.csv"), 5)]


def test_the_version_changes_with_the_content(landing: Path) -> None:
    before = list_files(None, [f"{landing}/*.csv"])
    assert before == list_files(None, [f"{landing}/*.csv"])
    status = (landing / "a.csv").stat()
    (landing / "a.csv").write_text("other")  # as long as before
    os.utime(landing / "a.csv", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    after = list_files(None, [f"{landing}/*.csv"])
    assert [one == other for one, other in zip(before, after)]  # noqa: B905 == [False, True]
    assert fingerprint(before) != fingerprint(after)


def test_a_link_that_leads_back_up_adds_no_second_name_to_a_file(landing: Path) -> None:
    (landing / "day=1" / "loop").symlink_to(landing)
    assert names(landing, "**/a.csv") == ["a.csv"]
    assert names(landing, "day=1/*/a.csv") == ["day=1/loop/a.csv"]


def test_a_link_to_nothing_is_no_file(landing: Path) -> None:
    (landing / "gone.csv").symlink_to(landing / "nowhere.csv")
    assert names(landing, "*.csv") == ["a.csv", "b.csv"]


def test_a_relative_glob_is_refused() -> None:
    with pytest.raises(SourceError, match=r"^in/\*\.csv: a glob is an absolute path or a URI"):
        list_files(None, ["in/*.csv"])


def test_a_hundred_thousand_files_are_listed_in_seconds(tmp_path: Path) -> None:
    for n in range(100):
        folder = tmp_path / f"day={n:03}"
        folder.mkdir()
        for m in range(1000):
            os.close(os.open(folder / f"{m:04}.csv", os.O_CREAT | os.O_WRONLY))
    started = time.perf_counter()
    files = list_files(None, [f"{tmp_path}/**/*.csv"])
    assert len(files) == 100_000
    assert len(fingerprint(files)) == 64
    assert time.perf_counter() - started < 20


@pytest.mark.spark
def test_a_hadoop_file_system_is_listed_alike(spark: Any, landing: Path) -> None:
    from airflow_lake_provider.jobs.sources.files import _walk, hadoop_folder

    (landing / "tricky; isDirectory=true.csv").write_text("x" * 7)
    local = list_files(None, [f"{landing}/**/*.csv"])
    entries = list(_walk(hadoop_folder(spark), "file:///", f"{landing}/**/*.csv"))
    assert sorted((entry.path.replace("file:", "", 1), entry.size) for entry in entries) == [
        (file.path, file.size) for file in local
    ]
    assert all(entry.version.startswith(f"{entry.size}-") for entry in entries)
    assert list(_walk(hadoop_folder(spark), "file:///", f"{landing}/nowhere/*")) == []


@pytest.mark.spark
def test_a_file_system_nobody_knows_is_a_clear_error(spark: Any) -> None:
    with pytest.raises(SourceError, match=r"^Cannot list foo://bucket/in: .*foo"):
        list_files(spark, ["foo://bucket/in/*.csv"])


def test_fingerprints_do_not_depend_on_order_and_do_on_everything_else() -> None:
    one, two = SourceFile("/a", "1", 1), SourceFile("/b", "1", 1)
    assert fingerprint([one, two]) == fingerprint([two, one])
    assert len({fingerprint(files) for files in ([], [one], [two], [one, two], [SourceFile("/a", "2", 1)])}) == 5
