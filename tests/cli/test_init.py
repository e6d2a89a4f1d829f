from __future__ import annotations

import ast
import csv
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.cli.sample import sample_project
from airflow_lake_provider.spec import find_specs

Lake = Callable[..., Any]


def test_project_is_written_and_the_next_two_commands_are_named(lake: Lake, tmp_path: Path) -> None:
    result = lake("init", tmp_path / "my lake")
    assert result.exit_code == 0
    commands = [shlex.split(line) for line in result.out.splitlines() if line.startswith("  lake ")]
    spec = str(tmp_path / "my lake" / "dag_specs" / "orders.yaml")
    assert commands == [["lake", "validate", spec], ["lake", "run", spec]]
    for name, text in sample_project().items():
        assert (tmp_path / "my lake" / name).read_text() == text


def test_first_command_passes(lake: Lake, project: Path) -> None:
    assert lake("validate", project / "dag_specs" / "orders.yaml").exit_code == 0


def test_whole_project_is_valid_without_a_doubt(lake: Lake, project: Path) -> None:
    assert lake("validate", project, "--json").document == {"valid": True, "files": 1, "diagnostics": []}


def test_nothing_is_overwritten(lake: Lake, project: Path) -> None:
    (project / "lake.yaml").write_text("mine: true\n")
    for path in ("lake_dags.py", "dag_specs/orders.yaml"):
        (project / path).unlink()
    result = lake("init", project)
    assert result.exit_code == 2
    assert "lake.yaml" in result.err
    assert (project / "lake.yaml").read_text() == "mine: true\n"
    assert not (project / "lake_dags.py").exists()


def test_existing_folder_may_be_filled(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("hello")
    assert lake("init", tmp_path).exit_code == 0


@pytest.mark.parametrize(
    ("file", "function"),
    [("lake_dags.py", "load_lake_dags"), ("lake_spec_errors.py", "raise_lake_dag_errors")],
)
def test_loaders_are_those_that_airflow_reads(project: Path, file: str, function: str) -> None:
    text = (project / file).read_text()
    assert "airflow" in text, "the safe mode of Airflow skips a file that has not both words"
    assert "dag" in text
    tree = ast.parse(text)
    (call,) = [node for node in tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    assert ast.unparse(call) == f"{function}(globals())"


def test_loader_s_folder_finds_the_spec(project: Path) -> None:
    assert find_specs(project) == [project / "dag_specs" / "orders.yaml"]


def test_one_row_of_the_data_goes_to_the_quarantine_and_stays_below_a_tenth(project: Path) -> None:
    days = [list(csv.DictReader(path.open())) for path in sorted((project / "landing" / "orders").iterdir())]
    bad = [[row for row in day if not row["amount"]] for day in days]
    assert [len(rows) for rows in bad] == [0, 0, 1]
    assert all(len(rows) / len(day) < 0.1 for rows, day in zip(bad, days, strict=True))
    assert len(days) == 3
