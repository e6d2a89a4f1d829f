from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Lake = Callable[..., Any]
SPEC = """\
pipeline: shop
variables: {rows: 1}
tables:
  bronze.orders:
    ingest: {files: orders.csv}
    checks: ["row_count > ${rows}"]
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "lake.yaml").write_text("environments:\n  local: {}\n  prod: {variables: {rows: 1000}}\n")
    (tmp_path / "shop.yaml").write_text(SPEC)
    return tmp_path / "shop.yaml"


def test_the_spec_is_yaml_on_stdout_with_the_places_as_they_were_named(
    lake: Lake, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(spec.parent)
    result = lake("explain", "shop.yaml", "--env", "prod")
    assert (result.exit_code, result.err) == (0, "")
    assert "pipeline: shop  # shop.yaml:1\n" in result.out
    assert "- row_count > 1000  # shop.yaml:6, ${rows} from lake.yaml:3\n" in result.out
    assert "environment: prod  # --env\n" in result.out


def test_json_has_exactly_the_documented_keys(lake: Lake, spec: Path) -> None:
    result = lake("explain", spec, "tables.bronze.orders.checks", "--env", "prod", "--json")
    assert result.exit_code == 0
    lake_yaml = str(spec.parent / "lake.yaml")
    assert result.document == {
        "pipeline": "shop",
        "environment": "prod",
        "values": [
            {
                "path": ["tables", "bronze.orders", "checks", 0],
                "value": "row_count > 1000",
                "file": str(spec),
                "line": 6,
                "column": 14,
                "origin": "written",
                "variables": [{"name": "rows", "file": lake_yaml, "line": 3}],
            }
        ],
    }


def test_infinity_is_still_json(lake: Lake, spec: Path) -> None:
    spec.write_text(f"{SPEC}params: {{a: .inf, b: -.inf, c: .nan}}\n")

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    document = json.loads(lake("explain", spec, "params", "--json").out, parse_constant=refuse)
    assert [value["value"] for value in document["values"]] == ["inf", "-inf", "nan"]


def test_a_part_that_is_not_there_is_wrong_usage(lake: Lake, spec: Path) -> None:
    result = lake("explain", spec, "tables.bronze.orders.checkz")
    assert (result.exit_code, result.out) == (2, "")
    assert "did you mean `checks`?" in result.err


def test_a_wrong_spec_shows_its_mistakes(lake: Lake, spec: Path) -> None:
    spec.write_text(SPEC.replace("ingest", "ingst"))
    result = lake("explain", spec)
    assert (result.exit_code, result.out) == (1, "")
    assert "shop.yaml:5:5: error[unknown-key]" in result.err


def test_set_and_project(lake: Lake, spec: Path, tmp_path: Path) -> None:
    result = lake("explain", spec, "tables.bronze.orders.retries", "--set", "tables.bronze.orders.retries=3")
    assert result.out == "retries: 3  # --set\n"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "lake.yaml").write_text("defaults: {retries: 8}\n")
    result = lake("explain", spec, "tables.bronze.orders.retries", "--project", tmp_path / "other")
    assert result.out == f"retries: 8  # {tmp_path}/other/lake.yaml:1\n"


def test_a_folder_or_a_missing_file_is_wrong_usage(lake: Lake, spec: Path) -> None:
    assert lake("explain", spec.parent).exit_code == 2
    assert lake("explain", spec.parent / "nothing.yaml").exit_code == 2
