from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from airflow_lake_provider.cli.schema import SCHEMA_FOLDER
from airflow_lake_provider.spec import find_specs
from airflow_lake_provider.spec.json_schema import LAKE, PIPELINE, committed_schema

Lake = Callable[..., Any]


@pytest.mark.parametrize(("arguments", "name"), [((), PIPELINE), (("--lake-yaml",), LAKE)])
def test_the_schema_is_printed_as_it_lies_in_the_package(lake: Lake, arguments: tuple[str, ...], name: str) -> None:
    result = lake("schema", *arguments)
    assert result.exit_code == 0
    assert result.out == committed_schema(name)
    jsonschema.Draft7Validator.check_schema(json.loads(result.out))


@pytest.mark.parametrize(("file", "name"), [("lake.yaml", LAKE), ("dag_specs/orders.yaml", PIPELINE)])
def test_a_new_project_s_files_name_a_schema_that_is_there(project: Path, file: str, name: str) -> None:
    header = (project / file).read_text().splitlines()[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", header)
    assert named is not None
    schema = ((project / file).parent / named[1]).resolve()
    assert schema == project.resolve() / SCHEMA_FOLDER / name
    assert schema.read_text() == committed_schema(name)


def test_the_command_that_is_shown_writes_the_project_s_schema_anew(lake: Lake, project: Path) -> None:
    shown = re.findall(r"lake (schema[^>\n]*) > (\S+)", lake("schema", "--help").out)
    assert {path for _, path in shown} == {f"{SCHEMA_FOLDER}/{name}" for name in (PIPELINE, LAKE)}
    for words, path in shown:
        assert lake(*words.split()).out == (project / path).read_text()


def test_no_loader_takes_a_schema_for_a_spec(project: Path) -> None:
    (project / SCHEMA_FOLDER / "pipeline.yaml").write_text("pipeline: not_me\n")
    assert find_specs(project) == [project / "dag_specs" / "orders.yaml"]
