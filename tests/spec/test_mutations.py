"""Good specs, damaged at random: a spec is read, or every mistake has a place in the file; nothing else happens."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec import Diagnostic, Project, load_spec

ROOT = Path(__file__).resolve().parents[2]
SPECS = [
    ROOT / "dag_specs" / "flights.yaml",
    ROOT / "tests" / "plan" / "outlines" / "every_key.yaml",
    ROOT / "tests" / "spec" / "errors" / "sql_in_quotes.yaml",
]
PIECES = (
    "", "{", "}", "[", "]", ":", " ", "\n", "'", '"', "|", ">", "&a ", "*a", "!!x ", "- ", "# ", "{{", "}}", "${", "é",
    "\t", "null", "1", "SELECT", "a.b", "(", ")", "`", "<<: *a", "\\", "\r", "\x00", "?", "{% x %}", ",", "%", "@",
    "😀",
)  # fmt: skip


def damaged(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text))
        kind = chance.randrange(5)
        if kind == 0:
            text = text[:at] + chance.choice(PIECES) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + chance.randint(1, 12) :]
        elif kind == 2:
            text = text[:at] + chance.choice(PIECES) + text[at + 1 :]
        else:
            lines = text.splitlines(keepends=True)
            number = chance.randrange(len(lines))
            if kind == 3:
                lines.insert(chance.randrange(len(lines)), lines[number])
            else:
                del lines[number]
            text = "".join(lines) or "x"
    return text


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_spec_is_read_or_located(spec: Path, seed: int, tmp_path: Path) -> None:
    chance = random.Random(f"{spec.stem}{seed}")
    path = tmp_path / "spec.yaml"
    project = Project(tmp_path)
    for _ in range(40):
        text = damaged(spec.read_text(encoding="utf-8"), chance)
        path.write_bytes(text.encode("utf-8"))
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for found in mistakes(path, project):
            assert found.message
            assert 1 <= found.line <= len(lines), (found, text)
            assert 1 <= found.column <= len(lines[found.line - 1]) + 1, (found, text)
            assert (found.end_line, found.end_column) >= (found.line, found.column)
            assert found.text == lines[found.line - 1], (found, text)


def mistakes(path: Path, project: Project) -> list[Diagnostic]:
    try:
        load_spec(path, project=project)
    except SpecError as exc:
        found = [each for each in exc.diagnostics if isinstance(each, Diagnostic)]
        if not found:
            raise
        return found
    return []
