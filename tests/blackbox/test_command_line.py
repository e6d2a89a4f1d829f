"""The command line: exit codes, what goes to stdout and what to stderr, and the JSON documents."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOOD = "pipeline: p\ntables:\n  bronze.a:\n    ingest: {files: a.csv}\n"
BAD = "pipeline: p\ntabels: {}\n"
COMMANDS = ("init", "validate", "explain", "graph", "run", "tables", "catalog", "schema")


def as_process(*arguments: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``lake`` as a shell does."""
    program = [sys.executable, "-c", "from airflow_lake_provider.cli import main; main()"]
    variables = {"PATH": os.environ["PATH"], "HOME": str(cwd), **variables}
    return subprocess.run([*program, *map(str, arguments)], cwd=cwd, env=variables, capture_output=True, text=True)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_each_command_has_help_with_examples(lake: Callable[..., Any], command: str) -> None:
    answer = lake(*command.split(), "--help")
    assert (answer.exit_code, answer.err) == (0, "")
    assert f"Usage: lake {command}".strip() in answer.out
    assert ("Examples:" in answer.out or "Example:" in answer.out) == bool(command)


@pytest.mark.parametrize(
    "arguments",
    ["nope", "validate", "validate --nope x", "validate {no}", "run {no}", "explain {no}", "graph {no}", "tables {no}"]
    + ["catalog --project {no}", "init", "validate {good} --env nope", "catalog --env nope", "graph {good} --format x"]
    + ["run {good} --table silver.x", "run {good} --data-interval-start 2026-01-01", "validate {empty}"]
    + ["run {good} --data-interval-start x --data-interval-end y", "explain {good} tables.silver.x", "init {good}"],
)
def test_wrong_usage_is_2_and_says_nothing_on_stdout(
    lake: Callable[..., Any], write: Callable[..., Path], arguments: str
) -> None:
    root = write({"good.yaml": GOOD, "empty/notes.txt": ""})
    places = {"no": root / "no.yaml", "good": root / "good.yaml", "empty": root / "empty"}
    answer = lake(*(word.format(**places) for word in arguments.split()))
    assert (answer.exit_code, answer.out) == (2, "")
    assert answer.err.strip()
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("command", ["explain", "graph", "run", "tables"])
def test_a_wrong_spec_is_1_and_shown_with_its_place(
    lake: Callable[..., Any], write: Callable[..., Path], command: str
) -> None:
    spec = write({"bad.yaml": BAD}) / "bad.yaml"
    answer = lake(command, spec)
    assert (answer.exit_code, answer.out) == (1, "")
    assert f"{spec}:2:1: error[unknown-key]" in answer.err
    assert "did you mean `tables`?" in answer.err


def test_validate_shows_good_specs_on_stdout_and_mistakes_on_stderr(
    lake: Callable[..., Any], write: Callable[..., Path]
) -> None:
    root = write({"good.yaml": GOOD, "bad.yaml": BAD, "doubt.yaml": GOOD.replace("a.csv", '"{{ ds }}.csv"')})
    answer = lake("validate", root / "good.yaml")
    assert (answer.exit_code, answer.out, answer.err) == (0, "1 spec valid\n", "")
    answer = lake("validate", root / "doubt.yaml")
    assert (answer.exit_code, answer.out) == (0, "1 spec valid, 1 warning\n")
    assert "doubt.yaml:4:25: warning" in answer.err
    answer = lake("validate", root / "bad.yaml")
    assert (answer.exit_code, answer.out) == (1, "")
    assert answer.err.endswith("1 error in 1 file\n")


def test_json_alone_is_on_stdout(lake: Callable[..., Any], write: Callable[..., Path]) -> None:
    root = write({"bad.yaml": BAD})
    answer = lake("validate", root / "bad.yaml", "--json")
    assert (answer.exit_code, answer.err) == (1, "")
    assert answer.document == {
        "valid": False,
        "files": 1,
        "diagnostics": [
            {
                "file": str(root / "bad.yaml"),
                "line": 2,
                "column": 1,
                "end_line": 2,
                "end_column": 7,
                "severity": "error",
                "code": "unknown-key",
                "message": "unknown key `tabels` in the pipeline",
                "hint": answer.document["diagnostics"][0]["hint"],
            }
        ],
    }


def test_warnings_come_after_errors(lake: Callable[..., Any], write: Callable[..., Path]) -> None:
    text = "pipeline: p\ntables:\n  bronze.A:\n    ingest: {files: '{{ ds }}.csv'}\n    retris: 2\n"
    spec = write({"spec.yaml": text}) / "spec.yaml"
    severities = [each["severity"] for each in lake("validate", spec, "--json").document["diagnostics"]]
    assert severities == ["error", "warning", "warning"]
    shown = re.findall(r"(error|warning)\[", lake("validate", spec).err)
    assert shown == severities


def test_a_pipe_gets_no_colours(write: Callable[..., Path]) -> None:
    root = write({"bad.yaml": BAD})
    assert "\x1b" not in as_process("validate", "bad.yaml", cwd=root).stderr


def test_init_writes_a_project_that_is_good_from_anywhere(lake: Callable[..., Any], root: Path) -> None:
    assert lake("init", root / "my shop").exit_code == 0
    files = {path.relative_to(root / "my shop").as_posix() for path in (root / "my shop").rglob("*.*")}
    assert {"lake.yaml", "lake_dags.py", "lake_spec_errors.py"} <= files
    for cwd, path in ((root, "my shop"), (root / "my shop" / "dag_specs", "..")):
        done = as_process("validate", path, "--json", cwd=cwd)
        assert (done.returncode, json.loads(done.stdout)["valid"], done.stderr) == (0, True, "")
    again = lake("init", root / "my shop")
    assert (again.exit_code, "nothing was written" in again.err) == (2, True)


def test_catalog_is_what_pyiceberg_opens(lake: Callable[..., Any], write: Callable[..., Path]) -> None:
    from pyiceberg.catalog import load_catalog

    root = write({"lake.yaml": "", "deep/notes.txt": ""})
    document = lake("catalog", "--project", root / "deep", "--json").document
    assert list(document) == ["name", "properties"]
    assert document["properties"]["uri"] == f"sqlite:///{root}/.lake/catalog.db"
    assert document["properties"]["warehouse"] == f"file://{root}/.lake/warehouse"
    (root / ".lake").mkdir()
    properties = {**document["properties"], "init_catalog_tables": "true"}
    assert load_catalog(document["name"], **properties).list_namespaces() == []


def test_lake_home_moves_the_local_state(write: Callable[..., Path]) -> None:
    root = write({"lake.yaml": ""})
    done = as_process("catalog", "--json", cwd=root, LAKE_HOME=str(root / "elsewhere"))
    assert json.loads(done.stdout)["properties"]["uri"] == f"sqlite:///{root}/elsewhere/catalog.db"


def test_a_lake_without_tables_is_an_empty_list(lake: Callable[..., Any], write: Callable[..., Path]) -> None:
    root = write({"lake.yaml": "", "spec.yaml": GOOD})
    for arguments in (("--project", root), (root / "spec.yaml",)):
        answer = lake("tables", *arguments, "--json")
        assert (answer.exit_code, answer.document) == (0, [])
    assert not (root / ".lake").exists()


def test_schemas_are_json(lake: Callable[..., Any]) -> None:
    spec, project = lake("schema"), lake("schema", "--lake-yaml")
    assert {"pipeline", "tables"} <= set(spec.document["properties"])
    assert {"environments", "default_environment"} <= set(project.document["properties"])


def test_a_graph_crosses_pipelines(lake: Callable[..., Any], write: Callable[..., Path]) -> None:
    reader = "pipeline: q\nschedule: {assets: [bronze.a]}\ntables:\n  gold.b: {sql: SELECT * FROM bronze.a}\n"
    root = write({"lake.yaml": "", "a.yaml": GOOD, "b.yaml": reader})
    mermaid, dot = lake("graph", root).out, lake("graph", root, "--format", "dot").out
    assert mermaid == lake("graph", root / "b.yaml", root / "a.yaml").out
    assert mermaid.startswith("flowchart")
    assert "t_bronze__a --> t_gold__b" in mermaid
    assert dot.startswith("digraph")
    assert "t_bronze__a -> t_gold__b" in dot


@pytest.mark.parametrize("command", ["--help", "validate --help", "validate spec.yaml", "explain spec.yaml", "schema"])
def test_no_command_that_only_reads_imports_what_is_heavy(write: Callable[..., Path], command: str) -> None:
    root = write({"spec.yaml": GOOD})
    code = (
        "import sys\n"
        "from airflow_lake_provider.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print(sorted({'airflow', 'pandas', 'pyarrow', 'boto3', 'pyspark', 'pyiceberg', 'sqlalchemy'}\n"
        "                 & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command.split()], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"
