from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Lake = Callable[..., Any]
GOOD = "pipeline: p\ntables:\n  gold.a:\n    sql: SELECT 1 AS one\n"
BAD = "pipeline: p\ntables:\n  gold.a:\n    sqll: SELECT 1 AS one\n"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad" / "bad.yaml"
    path.parent.mkdir()
    path.write_text(BAD)
    return path


def test_good_spec(lake: Lake, good: Path) -> None:
    result = lake("validate", good)
    assert (result.exit_code, result.out, result.err) == (0, "1 spec valid\n", "")


def test_bad_spec_shows_the_place_and_the_word(lake: Lake, bad: Path) -> None:
    result = lake("validate", bad)
    assert result.exit_code == 1
    assert result.out == ""
    assert f"{bad}:4:5: error[unknown-key]" in result.err
    assert "did you mean `sql`?" in result.err
    assert "in 1 file" in result.err.splitlines()[-1]


def test_json_has_exactly_the_documented_keys(lake: Lake, bad: Path) -> None:
    result = lake("validate", bad, "--json")
    assert result.exit_code == 1
    assert list(result.document) == ["valid", "files", "diagnostics"]
    assert (result.document["valid"], result.document["files"]) == (False, 1)
    diagnostic = next(d for d in result.document["diagnostics"] if d["code"] == "unknown-key")
    assert list(diagnostic) == [
        "file", "line", "column", "end_line", "end_column", "severity", "code", "message", "hint",
    ]  # fmt: skip
    assert (diagnostic["file"], diagnostic["severity"]) == (str(bad), "error")
    assert [diagnostic[key] for key in ("line", "column", "end_line", "end_column")] == [4, 5, 4, 9]


def test_one_bad_spec_among_good_ones_makes_all_invalid(lake: Lake, good: Path, bad: Path) -> None:
    result = lake("validate", good, bad, "--json")
    assert (result.exit_code, result.document["files"], result.document["valid"]) == (1, 2, False)


def test_warning_leaves_a_spec_valid(lake: Lake, tmp_path: Path) -> None:
    spec = tmp_path / "w.yaml"
    spec.write_text(GOOD.replace("gold.a", "gold.A"))
    result = lake("validate", spec, "--json")
    assert (result.exit_code, result.document["valid"]) == (0, True)
    assert {diagnostic["severity"] for diagnostic in result.document["diagnostics"]} == {"warning"}


def test_folder_checks_what_specs_may_not_do_together(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD)
    result = lake("validate", tmp_path, "--json")
    assert (result.exit_code, result.document["files"]) == (1, 2)
    assert {"duplicate-pipeline", "duplicate-table"} <= {d["code"] for d in result.document["diagnostics"]}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"a: 1\n", id="no spec"),
        pytest.param(b"pipeline: \xff\xfe\n", id="not UTF-8"),
        pytest.param(b"pipeline: [\n", id="not YAML"),
    ],
)
def test_file_that_is_no_spec_is_invalid(lake: Lake, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.yaml").write_bytes(content)
    result = lake("validate", tmp_path / "x.yaml", "--json")
    assert (result.exit_code, result.document["valid"]) == (1, False)
    assert result.document["diagnostics"]


def test_other_yaml_is_refused_in_one_line(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "lake.yaml").write_text("environments: {}\ndefault_environment: local\n")
    result = lake("validate", tmp_path / "lake.yaml", "--json")
    assert result.exit_code == 1
    (found,) = result.document["diagnostics"]
    assert (found["line"], found["column"]) == (1, 1)
    assert found["message"] == "this is no spec: it has no `pipeline`"


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["validate"], id="no path"),
        pytest.param(["validate", "nowhere.yaml"], id="a missing file"),
        pytest.param(["validate", "{folder}/empty"], id="a folder without specs"),
        pytest.param(["validate", "{folder}/good.yaml", "--jsn"], id="an unknown option"),
        pytest.param(["validte"], id="an unknown command"),
        pytest.param(["validate", "{folder}", "--set", "a=1"], id="--set for a folder"),
    ],
)
def test_wrong_usage_is_2(lake: Lake, good: Path, arguments: list[str]) -> None:
    (good.parent / "empty").mkdir()
    result = lake(*[argument.format(folder=good.parent) for argument in arguments])
    assert result.exit_code == 2
    assert result.out == ""
    assert result.err


def test_folder_is_checked_in_the_project_that_is_named(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "lake.yaml").write_text("environments: {prod: {}}\n")
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "a.yaml").write_text(GOOD.replace("tables:", "environment: prod\ntables:", 1))
    assert lake("validate", tmp_path / "specs").exit_code == 1
    assert lake("validate", tmp_path / "specs", "--project", tmp_path / "project").exit_code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file_is_2(lake: Lake, good: Path) -> None:
    good.chmod(0)
    assert lake("validate", good).exit_code == 2


def test_value_can_be_put_in_first(lake: Lake, good: Path) -> None:
    assert lake("validate", good, "--set", "tables.gold.a.sql=SELECT 2 AS two").exit_code == 0
    assert lake("validate", good, "--set", "tables.gold.a.sqll=1").exit_code == 1


def test_environment_must_be_there(lake: Lake, good: Path) -> None:
    result = lake("validate", good, "--env", "prod", "--json")
    assert (result.exit_code, result.out) == (2, "")
    assert "there is no environment `prod`" in result.err


def test_wrong_lake_yaml_is_located(lake: Lake, good: Path) -> None:
    (good.parent / "lake.yaml").write_text("default_enviroment: local\n")
    result = lake("validate", good, "--json")
    assert result.exit_code == 1
    assert result.document["diagnostics"][0]["file"].endswith("lake.yaml")
    named = lake("validate", good, good, "--project", good.parent, "--json")
    assert (named.exit_code, named.document["diagnostics"]) == (1, result.document["diagnostics"])


def test_validating_imports_nothing_heavy(project: Path) -> None:
    code = (
        "import sys\nfrom airflow_lake_provider.cli import main\n"
        "try:\n    main(['validate', sys.argv[1]])\nexcept SystemExit:\n    pass\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'airflow', 'pyiceberg', 'rich', 'pyspark', 'boto3', 'pandas', 'pyarrow', 'jinja2', 'sqlalchemy'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(project / "dag_specs" / "orders.yaml")],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.splitlines()[-1] == "[]"


def on_a_terminal(spec: Path, **environment: str) -> bytes:
    """Return what the program writes to a terminal."""
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM", "FORCE_COLOR")}
    terminal, program = pty.openpty()
    command = [sys.executable, "-c", "from airflow_lake_provider.cli import main; main()", "validate", str(spec)]
    done = subprocess.Popen(
        command, stdout=program, stderr=program, env={**kept, **environment}, cwd=Path(__file__).parents[2]
    )
    os.close(program)
    written = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the program has closed its end
            break
        if not part:
            break
        written += part
    os.close(terminal)
    assert done.wait() == 1
    return written


def test_only_a_terminal_that_wants_them_gets_colors(lake: Lake, bad: Path) -> None:
    painted = on_a_terminal(bad, TERM="xterm")
    assert b"\x1b[1;31merror[unknown-key]\x1b[0m" in painted
    plain = lake("validate", bad).err
    assert "\x1b" not in plain
    for environment in ({"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}):
        assert on_a_terminal(bad, **environment).decode().replace("\r\n", "\n") == plain
