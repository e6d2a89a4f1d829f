"""Files made to hurt: each is refused, soon, without a traceback of anything else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_projects import PROJECTS

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec import Diagnostic, is_spec, load_spec

SECONDS_OF_CPU = 3.0
"""Two seconds on a machine of one's own; a busy one takes up to half more."""

MAX_OUTPUT = 1_000_000
NAMES = [*PROJECTS, "pipe", "pipe of sql"]


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    started = time.process_time()
    yield
    assert time.process_time() - started < SECONDS_OF_CPU


def refusal(folder: Path, content: bytes | str) -> list[Diagnostic]:
    path = folder / "spec.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    return [found for found in caught.value.diagnostics if isinstance(found, Diagnostic)]


def test_an_alias_bomb(tmp_path: Path) -> None:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12)]
    found = refusal(tmp_path, "pipeline: x\nl0: &l0 [x]\n" + "\n".join(levels))
    assert [d.code for d in found] == ["too-big"]


def test_an_alias_bomb_of_merge_keys(tmp_path: Path) -> None:
    levels = [f"m{n}: &m{n} {{a{n}: *m{n - 1}, b{n}: *m{n - 1}, <<: *m{n - 1}}}" for n in range(1, 40)]
    found = refusal(tmp_path, "pipeline: x\nm0: &m0 {x: 1}\n" + "\n".join(levels))
    assert "too-big" in {d.code for d in found}


@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ("{a: ", "}"), ("- ", "")])
@pytest.mark.parametrize("depth", [60, 900, 20_000])
def test_deep_nesting(tmp_path: Path, opened: str, closed: str, depth: int) -> None:
    found = refusal(tmp_path, "pipeline: x\ntables:\n  " + opened * depth + closed * depth)
    assert found[0].code in ("too-deep", "yaml-syntax")


def test_a_string_of_ten_megabytes(tmp_path: Path) -> None:
    found = refusal(tmp_path, "pipeline: x\ndescription: " + "a" * 10_000_000)
    assert [d.code for d in found] == ["too-big"]


def test_a_string_just_below_the_limit_is_shown_clipped(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("pipeline: " + "a b" * 300_000 + "\ntables: {}\n")
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert len(str(caught.value)) < 2_000


def test_many_values(tmp_path: Path) -> None:
    found = refusal(tmp_path, "pipeline: x\ntags: [" + "a," * 200_000 + "]")
    assert [d.code for d in found] == ["too-big"]


def test_many_wrong_keys(tmp_path: Path) -> None:
    keys = "\n".join(f"    wrong_{n}: 1" for n in range(300))
    found = refusal(tmp_path, f"pipeline: x\ntables:\n  bronze.a:\n    ingest: {{files: a.csv}}\n{keys}\n")
    assert len(found) == 300


def test_sql_of_many_parentheses(tmp_path: Path) -> None:
    sql = "SELECT " + "(" * 30_000 + "1" + ")" * 30_000
    found = refusal(tmp_path, f"pipeline: x\ntables:\n  gold.a:\n    sql: {sql}\n")
    assert [d.code for d in found] == ["sql"]


def test_long_runs_for_regular_expressions(tmp_path: Path) -> None:
    text = "{{ " * 20_000
    found = refusal(tmp_path, f"pipeline: x\nschedule: '{'1' * 50_000}'\ntables:\n  gold.a:\n    sql: '{text}'\n")
    assert "template" in {d.code for d in found}


def test_numbers_of_many_digits(tmp_path: Path) -> None:
    digits = "9" * 100_000
    found = refusal(tmp_path, f"pipeline: x\nmax_active_runs: {digits}\ndagrun_timeout: {digits}d\n")
    assert {d.code for d in found} == {"wrong-type", "duration", "missing-key"}


@pytest.mark.parametrize(
    ("content", "place"),
    [(b"pipeline: caf\xe9\n", (1, 14)), (b"\xff\xfep\x00", (1, 1)), ("a: é\n".encode() + b"b: \x80", (2, 4))],
)
def test_a_file_that_is_not_utf_8(tmp_path: Path, content: bytes, place: tuple[int, int]) -> None:
    (found,) = refusal(tmp_path, content)
    assert (found.code, found.line, found.column) == ("not-utf-8", *place)


@pytest.mark.parametrize("content", ["", "\n\n", "# only a comment\n", "---\n", "\ufeff"])
def test_an_empty_file(tmp_path: Path, content: str) -> None:
    (found,) = refusal(tmp_path, content)
    assert found.code in ("empty", "wrong-type")
    assert found.line >= 1


def test_a_byte_order_mark_does_not_move_columns(tmp_path: Path) -> None:
    found = refusal(tmp_path, "\ufeffpipelin: x\ntables:\n  bronze.a:\n    ingest: {files: a.csv}\n")
    assert [(d.code, d.line, d.column) for d in found if d.code == "unknown-key"] == [("unknown-key", 1, 1)]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_ends_do_not_move_lines(tmp_path: Path, ending: str) -> None:
    text = "pipeline: x\ntables:\n  gold.a:\n    sql: |\n      SELECT *\n      FROM gold.b\n".replace("\n", ending)
    found = refusal(tmp_path, text.encode())
    assert [(d.code, d.line, d.column) for d in found] == [("unknown-table", 6, 12)]


def test_line_ends_that_only_unicode_knows_do_not_count(tmp_path: Path) -> None:
    found = refusal(tmp_path, "pipeline: 'x\u2028y\u0085z'\nwrong: 1\n")
    assert [(d.code, d.line) for d in found if d.code == "unknown-key"] == [("unknown-key", 2)]


def test_nothing_is_made_of_a_tag(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    tag = f"!!python/object/apply:os.system ['touch {trace}']"
    found = refusal(tmp_path, f"pipeline: {tag}\ntables:\n  gold.a: {{sql: {tag}}}\n")
    assert {d.code for d in found} == {"yaml-tag"} | {"source"} & {d.code for d in found}
    assert not trace.exists()


def test_a_broken_file_is_a_spec_when_a_line_says_so(tmp_path: Path) -> None:
    ours, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    ours.write_text("tables: [\npipeline: x\n")
    other.write_text("the: pipeline [\n")
    assert is_spec(ours)
    assert not is_spec(other)


def test_a_sql_file_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_bytes(b"SELECT\n  '\xe9' AS a")
    found = refusal(tmp_path, "pipeline: x\ntables:\n  gold.a: {sql_file: q.sql}\n  gold.b: {sql_file: '.'}\n")
    assert [(Path(d.file).name, d.code, d.line, d.column) for d in found] == [
        ("spec.yaml", "missing-file", 4, 22),
        ("q.sql", "not-utf-8", 2, 4),
    ]


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Read each project in a process of its own, within 500 MB; see ``hostile_run``."""
    folder = tmp_path_factory.mktemp("hostile")
    projects = {name: folder / str(number % 2) / name.replace(" ", "_") for number, name in enumerate(NAMES)}
    for name, project in projects.items():
        project.mkdir(parents=True)
        for file, content in PROJECTS.get(name, {}).items():
            (project / file).parent.mkdir(exist_ok=True)
            (project / file).write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    os.mkfifo(projects["pipe"] / "spec.yaml")
    os.mkfifo(projects["pipe of sql"] / "q.sql")
    (projects["pipe of sql"] / "spec.yaml").write_text("pipeline: p\ntables:\n  gold.a: {sql_file: q.sql}\n")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LAKE_")}
    kept["PYTHONPATH"] = os.pathsep.join((str(Path(__file__).parents[2]), kept.get("PYTHONPATH", "")))
    runner = str(Path(__file__).parent / "hostile_run.py")
    runs = [
        subprocess.Popen([sys.executable, runner, str(half)], stdout=subprocess.PIPE, text=True, env=kept)
        for half in (folder / "0", folder / "1")
    ]
    lines = [line for run in runs for line in run.communicate(timeout=600)[0].splitlines()]
    found = {reading["name"].replace("_", " "): reading for reading in map(json.loads, lines)}
    for name, reading in found.items():
        reading["trace"] = (projects[name] / "trace").exists()
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_project_is_a_plan_or_located_mistakes(name: str, readings: dict[str, dict[str, Any]]) -> None:
    reading = readings[name]
    assert "raised" not in reading
    assert reading["codes"] or reading["tables"]
    assert reading["seconds"] < SECONDS_OF_CPU
    assert reading.get("length", 0) < MAX_OUTPUT
    assert (reading["forbidden"], reading["imported"], reading["trace"]) == ([], [], False)
