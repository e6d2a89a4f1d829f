"""Each bad spec with its exact output, and each position recomputed from the word that is wrong."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec import Diagnostic, load_spec

CASES = Path(__file__).parent / "errors"
NAMES = sorted(path.stem for path in CASES.glob("*.yaml"))

_PLACE = re.compile(r"(?P<code>[a-z0-9-]+)(?:@(?P<file>[^:]+))?: (?P<token>.*?)(?:#(?P<occurrence>\d+))?")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own for the spec: the other bad specs would lend it their tables."""
    shutil.copytree(CASES / "queries", tmp_path / "queries")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mistakes(name: str, folder: Path) -> SpecError:
    shutil.copy(CASES / f"{name}.yaml", folder)
    with pytest.raises(SpecError) as caught:
        load_spec(Path(f"{name}.yaml"))
    return caught.value


def test_there_are_enough_of_them() -> None:
    assert len(NAMES) >= 25


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_spec_gives_exactly_this_output(name: str, folder: Path) -> None:
    shown = str(mistakes(name, folder)) + "\n"
    golden = CASES / f"{name}.txt"
    if os.environ.get("LAKE_GOLDEN") == "write":
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_each_position_is_where_the_wrong_word_stands(name: str, folder: Path) -> None:
    found = [diagnostic for diagnostic in mistakes(name, folder).diagnostics if isinstance(diagnostic, Diagnostic)]
    places = (CASES / f"{name}.places").read_text(encoding="utf-8").splitlines()
    assert [(d.code, d.file, d.line, d.column) for d in found] == [expected(name, place) for place in places]


def expected(name: str, place: str) -> tuple[str, str, int, int]:
    """Count lines and columns from the text alone: ``code[@file]: token[#occurrence]``."""
    match = _PLACE.fullmatch(place)
    assert match is not None, place
    file = match["file"] or f"{name}.yaml"
    text = (CASES / file).read_text(encoding="utf-8")
    if match["token"] == "EOF":
        at = len(text)
    else:
        at = -1
        for _ in range(int(match["occurrence"] or 1)):
            at = text.index(match["token"], at + 1)
    before = text[:at]
    return match["code"], file, before.count("\n") + 1, len(before) - before.rfind("\n")
