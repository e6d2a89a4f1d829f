"""What an editor makes of our schemas: a real YAML language server completes, explains and marks a project's files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from language_server import LanguageServer

from airflow_lake_provider.cli.sample import SPEC, sample_project
from airflow_lake_provider.spec.json_schema import WholeSpec
from airflow_lake_provider.spec.lake_keys import EnvironmentKeys
from airflow_lake_provider.spec.table import TableSpec, WriteSpec

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".node"
HEADER = sample_project()[SPEC].splitlines()[0]
LAKE_HEADER = sample_project()["lake.yaml"].splitlines()[0]
HERE_IS = "|"
"""Marks the place of the cursor in a text."""


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not on the PATH: the YAML language server needs them")
    return found


@pytest.fixture(scope="session")
def program() -> Path:
    """The server in the cache, installed there if this version is not."""
    wanted = (HERE / "package.json").read_bytes()
    installed = CACHE / "package.json"
    done = CACHE / "node_modules" / ".package-lock.json"
    if not done.exists() or installed.read_bytes() != wanted:
        CACHE.mkdir(exist_ok=True)
        installed.write_bytes(wanted)
        command = ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
        made = subprocess.run(command, cwd=CACHE, text=True, capture_output=True, timeout=600, check=False)
        assert made.returncode == 0, f"npm could not install the YAML language server:\n{made.stderr}"
    return CACHE / "node_modules" / "yaml-language-server" / "out" / "server" / "src" / "server.js"


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as ``lake init`` writes it."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in sample_project().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="session")
def server(node: str, program: Path, project: Path) -> Iterator[LanguageServer]:
    with LanguageServer(node, program, project) as server:
        yield server


class Editor:
    """A file of the project, open in an editor."""

    def __init__(self, server: LanguageServer, path: Path, text: str) -> None:
        self.server = server
        self.path = path
        before = text.partition(HERE_IS)[0]
        self.line, self.column = before.count("\n"), len(before) - before.rfind("\n") - 1
        self.lines = text.replace(HERE_IS, "").splitlines()
        self.marks = server.open(path, "\n".join(self.lines) + "\n")

    @property
    def messages(self) -> list[tuple[str, str]]:
        """What is marked: the marked text, and what is said of it."""
        return [(self._marked(mark["range"]), mark["message"]) for mark in self.marks]

    def _marked(self, place: dict[str, Any]) -> str:
        start, end = place["start"], place["end"]
        line = self.lines[start["line"]]
        return line[start["character"] : end["character"] if end["line"] == start["line"] else None]

    def proposals(self) -> dict[str, dict[str, Any]]:
        return self.server.complete(self.path, self.line, self.column)

    def hover(self) -> str:
        return self.server.hover(self.path, self.line, self.column)


@pytest.fixture
def spec(server: LanguageServer, project: Path, request: pytest.FixtureRequest) -> Any:
    """Opens a spec with a text; each in a file of its own."""

    def open_(text: str) -> Editor:
        name = re.sub(r"\W+", "_", request.node.name)
        path = project / "dag_specs" / f"{name}.yaml"
        return Editor(server, path, f"{HEADER}\npipeline: orders\n{text}")

    return open_


@pytest.mark.parametrize("name", [SPEC, "lake.yaml"])
def test_the_sample_has_no_mark(server: LanguageServer, project: Path, name: str) -> None:
    text = (project / name).read_text().replace(HERE_IS, "")
    assert Editor(server, project / name, text).messages == []


def test_the_keys_of_a_table_are_proposed(spec: Any) -> None:
    proposals = spec("tables:\n  silver.orders:\n    |\n    sql: SELECT 1\n").proposals()
    assert set(proposals) >= set(TableSpec.model_fields) - {"sql"}
    assert "sql" not in proposals, "it is there already"
    assert "incremental" not in proposals, "it is not supported yet"
    said = proposals["unique_key"]["documentation"]
    assert said.startswith(str(TableSpec.model_fields["unique_key"].description))
    assert proposals["retry_delay"]["insertText"] == "retry_delay: ${1:1m}"


def test_the_keys_of_write_are_proposed(spec: Any) -> None:
    proposals = spec("tables:\n  silver.orders:\n    sql: SELECT 1\n    write:\n      |\n").proposals()
    assert set(proposals) >= set(WriteSpec.model_fields)
    assert not set(proposals) & set(TableSpec.model_fields)


def test_the_keys_of_a_spec_are_proposed(spec: Any) -> None:
    proposals = spec("|\ntables:\n  silver.orders:\n    sql: SELECT 1\n").proposals()
    assert set(proposals) == set(WholeSpec.model_fields) - {"pipeline", "tables"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("write: |", {"append", "merge", "replace"}, id="a strategy"),
        pytest.param("trigger_rule: |", {"all_done", "none_failed"}, id="a trigger rule"),
        pytest.param("quarantine: |", {"true", "false"}, id="a switch"),
        pytest.param("columns:\n      id: |", {"bigint", "string", "timestamp"}, id="a column's type"),
    ],
)
def test_the_words_of_a_value_are_proposed(spec: Any, text: str, words: set[str]) -> None:
    proposals = spec(f"tables:\n  silver.orders:\n    sql: SELECT 1\n    {text}\n").proposals()
    assert set(proposals) >= words
    assert "[object Object]" not in proposals


def test_presets_are_proposed(spec: Any) -> None:
    proposals = spec("schedule: |\ntables:\n  silver.orders:\n    sql: SELECT 1\n").proposals()
    assert {'"@daily"', '"@hourly"'} <= set(proposals)


def test_the_keys_of_an_engine_are_those_of_its_type(server: LanguageServer, project: Path) -> None:
    engine = "default:\n        type: spark_submit\n        |\n"
    text = f"{LAKE_HEADER}\nenvironments:\n  prod:\n    engines:\n      {engine}"
    proposals = Editor(server, project / "engine.yaml", text).proposals()
    assert {"conn_id", "deploy_mode"} <= set(proposals)
    assert "driver_memory" not in proposals


def test_a_file_that_specs_extend_is_a_part(server: LanguageServer, project: Path) -> None:
    text = f"{HEADER}\ntables:\n  bronze.orders:\n    ingest: {{recursive: true}}\n    retries: many\n    |\n"
    editor = Editor(server, project / "dag_specs" / "_part.yaml", text)
    assert editor.messages == [("many", 'Incorrect type. Expected "integer | null".')]
    assert "unique_key" in editor.proposals()


def test_a_key_of_lake_yaml_is_explained(server: LanguageServer, project: Path) -> None:
    text = f"{LAKE_HEADER}\nenvironments:\n  prod:\n    base|_path: s3://acme-lake\n"
    shown = Editor(server, project / "hover.yaml", text).hover()
    assert shown.startswith(str(EnvironmentKeys.model_fields["base_path"].description))


@pytest.mark.parametrize("value", ["order_id", "[order_id, country]"])
def test_a_key_is_explained(spec: Any, value: str) -> None:
    shown = spec(f"tables:\n  silver.orders:\n    sql: SELECT 1\n    unique|_key: {value}\n").hover()
    assert shown.startswith(str(TableSpec.model_fields["unique_key"].description))
    assert "`[order_id, country]`" in shown


def test_an_enumeration_is_explained_with_its_words(spec: Any) -> None:
    shown = spec("tables:\n  silver.a:\n    sql: SELECT 1\n    write: {strategy|: merge}\n").hover()
    assert shown.startswith(str(WriteSpec.model_fields["strategy"].description))
    assert all(f"* `{word}`" in shown for word in ("append", "merge", "replace"))


@pytest.mark.parametrize(
    ("text", "marked", "message"),
    [
        ("uniqe_key: id", "uniqe_key", "Property uniqe_key is not allowed."),
        ("retries: many", "many", 'Incorrect type. Expected "integer | null".'),
        ("retry_delay: 5 minutes", "5 minutes", "Expected a duration: `30s`, `5m`, `1h30m`, `1d`."),
        ("write: upsert", "upsert", 'Value is not accepted. Valid values: "append", "merge", "replace".'),
        ("write: {strategy: merge, sequence: a}", "sequence", "Property sequence is not allowed."),
        ("checks: row_count > 0", "row_count > 0", 'Incorrect type. Expected "array | null".'),
        ("columns: {a: {nullable: true}}", "a", 'Missing property "type".'),
        ("incremental: bronze.a", "incremental", "Property incremental is not allowed."),
        ("+tags: [a]", "+tags", "`+key` stands only in a spec that extends a file."),
    ],
)
def test_a_mistake_is_marked(spec: Any, text: str, marked: str, message: str) -> None:
    assert spec(f"tables:\n  silver.orders:\n    sql: SELECT 1\n    {text}\n").messages == [(marked, message)]


def test_mistakes_outside_of_tables_are_marked(spec: Any) -> None:
    marks = spec('schdule: "@daily"\ntables:\n  orders:\n    sql: SELECT 1\n').messages
    assert sorted(marks) == [
        ("orders", "Expected a table, `layer.name`: letters, digits and `_`."),
        ("schdule", "Property schdule is not allowed."),
    ]


@pytest.mark.parametrize("text", ["retries: ${n}", "write: ${how}", "columns: ${columns}", "retry_delay: ${n}m"])
def test_a_variable_has_no_mark(spec: Any, text: str) -> None:
    assert spec(f"variables: {{n: 1}}\ntables:\n  silver.orders:\n    sql: SELECT 1\n    {text}\n").messages == []


def test_the_server_s_version_is_exact() -> None:
    package = json.loads((HERE / "package.json").read_text())
    assert [
        version for version in package["dependencies"].values() if not re.fullmatch(r"\d+\.\d+\.\d+", version)
    ] == []
