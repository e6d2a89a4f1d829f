"""The package as its users meet it: files, the command line, and Airflow that loads the two loader files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.cli import main


@dataclass(frozen=True)
class Answer:
    """What a command gave back."""

    exit_code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Found:
    """One diagnostic of ``lake validate --json``."""

    where: str
    """``file:line:column``, the file seen from the test's folder."""
    text: str
    """The characters that it marks, as far as they are on its line."""
    severity: str
    code: str
    message: str
    hint: str


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the folder that a test's files lie in."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def write(root: Path) -> Callable[[Mapping[str, str | bytes]], Path]:
    """Return what writes files, each by its path below ``root``, byte for byte."""

    def write(files: Mapping[str, str | bytes]) -> Path:
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return write


@pytest.fixture
def lake(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Return what runs ``lake`` with arguments."""
    for name in ("LAKE_ENV", "LAKE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str | Path) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        assert isinstance(caught.value.code, int)
        return Answer(caught.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def validate(lake: Callable[..., Answer], root: Path) -> Callable[..., list[Found]]:
    """Return what validates paths below ``root``, sees that the answer keeps to its form, and gives what was found."""

    def run(*paths: str, options: tuple[str, ...] = ()) -> list[Found]:
        answer = lake("validate", *(root / path for path in paths or (".",)), *options, "--json")
        document = answer.document
        assert list(document) == ["valid", "files", "diagnostics"]
        has_errors = any(entry["severity"] == "error" for entry in document["diagnostics"])
        assert (document["valid"], answer.exit_code) == (not has_errors, int(has_errors))
        return [_found(entry, root) for entry in document["diagnostics"]]

    return run


@pytest.fixture
def check(write: Callable[..., Path], validate: Callable[..., list[Found]]) -> Callable[..., list[Found]]:
    """Return what writes a spec, and other files, and validates the spec."""

    def run(spec: str | bytes, *options: str, **others: str) -> list[Found]:
        write({"spec.yaml": spec, **{name.replace("__", "."): text for name, text in others.items()}})
        return validate("spec.yaml", options=options)

    return run


def _found(entry: Mapping[str, Any], root: Path) -> Found:
    assert list(entry) == [
        "file", "line", "column", "end_line", "end_column", "severity", "code", "message", "hint",
    ]  # fmt: skip
    path = Path(entry["file"])
    shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else entry["file"]
    return Found(
        where=f"{shown}:{entry['line']}:{entry['column']}",
        text=_marked(path, entry) if path.is_file() else "",
        severity=entry["severity"],
        code=entry["code"],
        message=entry["message"],
        hint=entry["hint"],
    )


def _marked(path: Path, entry: Mapping[str, Any]) -> str:
    text = path.read_bytes().decode("utf-8", errors="replace").removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    line = lines[entry["line"] - 1]
    end = entry["end_column"] - 1 if entry["end_line"] == entry["line"] else len(line)
    return line[entry["column"] - 1 : end]
