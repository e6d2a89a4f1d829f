from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Lake = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.yaml").write_text("pipeline: a\ntables:\n  bronze.a:\n    ingest: {files: a.csv}\n")
    (tmp_path / "b.yaml").write_text("pipeline: b\ntables:\n  gold.b:\n    sql: SELECT * FROM bronze.a\n")
    return tmp_path


def test_a_folder_and_its_specs_are_the_same_graph(lake: Lake, folder: Path) -> None:
    whole = lake("graph", folder)
    assert (whole.exit_code, whole.err) == (0, "")
    assert whole.out.startswith("flowchart LR\n")
    assert "  t_bronze__a --> t_gold__b\n" in whole.out
    assert lake("graph", folder / "b.yaml", folder / "a.yaml", folder).out == whole.out


def test_dot(lake: Lake, folder: Path) -> None:
    assert lake("graph", folder, "--format", "dot").out.startswith("digraph lake {\n")


def test_a_table_of_a_spec_that_is_not_named_stands_outside(lake: Lake, folder: Path) -> None:
    assert '  o_bronze__a[("bronze.a")]\n' in lake("graph", folder / "b.yaml").out


def test_a_wrong_spec_shows_its_mistakes(lake: Lake, folder: Path) -> None:
    (folder / "b.yaml").write_text("pipeline: b\ntables:\n  gold.b:\n    sql: SELECT * FROM bronze.x\n")
    result = lake("graph", folder)
    assert (result.exit_code, result.out) == (1, "")
    assert "unknown-table" in result.err


def test_a_table_in_two_specs_is_refused(lake: Lake, folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "c.yaml").write_text("pipeline: c\ntables:\n  Bronze.A:\n    ingest: {files: a.csv}\n")
    result = lake("graph", folder / "a.yaml", folder / "sub" / "c.yaml")
    assert result.exit_code == 1
    assert f"the table `Bronze.A` is also in {folder / 'a.yaml'}" in result.err


def test_wrong_usage(lake: Lake, folder: Path) -> None:
    assert lake("graph", folder / "nothing.yaml").exit_code == 2
    assert lake("graph").exit_code == 2
    (folder / "empty").mkdir()
    assert lake("graph", folder / "empty").exit_code == 2
