"""Each bad spec with its exact output, and each position recomputed from the word that is wrong."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.plan import plan_project
from airflow_lake_provider.spec import Diagnostic, load_spec, render_diagnostics

CASES = Path(__file__).parent / "errors"
NAMES = sorted(path.stem for path in CASES.glob("*.places"))

_PLACE = re.compile(r"(?P<code>[a-z0-9-]+)(?:@(?P<file>[^:]+))?: (?P<token>.*?)(?:#(?P<occurrence>\d+))?")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own for the spec: the other bad specs would lend it their tables."""
    project = tmp_path / "project"
    shutil.copytree(CASES / "queries", project / "queries")
    (tmp_path / "outside.sql").write_text("SELECT 1 AS one")
    monkeypatch.chdir(project)
    for variable in ("LAKE_ENV", "LAKE_HOME", "LANDING_BUCKET"):
        monkeypatch.delenv(variable, raising=False)
    return project


def mistakes(name: str, folder: Path) -> tuple[str, list[Diagnostic]]:
    """Read a case: a spec, or a folder of files with one ``spec.yaml``; without that, a whole project."""
    if (CASES / f"{name}.yaml").exists():
        shutil.copy(CASES / f"{name}.yaml", folder)
        spec = Path(f"{name}.yaml")
    else:
        shutil.copytree(CASES / name, folder, dirs_exist_ok=True)
        spec = Path("spec.yaml")
    if not spec.exists():
        found = plan_project(Path())[1]
        return render_diagnostics(found), list(found)
    with pytest.raises(SpecError) as caught:
        load_spec(spec)
    return str(caught.value), [each for each in caught.value.diagnostics if isinstance(each, Diagnostic)]


def test_there_are_enough_of_them() -> None:
    assert len(NAMES) >= 90


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_spec_gives_exactly_this_output(name: str, folder: Path) -> None:
    shown = mistakes(name, folder)[0] + "\n"
    golden = CASES / f"{name}.txt"
    if os.environ.get("LAKE_GOLDEN") == "write":
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_each_position_is_where_the_wrong_word_stands(name: str, folder: Path) -> None:
    found = mistakes(name, folder)[1]
    places = (CASES / f"{name}.places").read_text(encoding="utf-8").splitlines()
    assert [(d.code, d.file, d.line, d.column) for d in found] == [expected(name, place) for place in places]


def expected(name: str, place: str) -> tuple[str, str, int, int]:
    """Count lines and columns from the text alone: ``code[@file]: token[#occurrence]``; the file is the spec's else."""
    match = _PLACE.fullmatch(place)
    assert match is not None, place
    is_folder = (CASES / name).is_dir()
    file = match["file"] or ("spec.yaml" if is_folder else f"{name}.yaml")
    text = (CASES / name / file if is_folder else CASES / file).read_text(encoding="utf-8")
    if match["token"] == "EOF":
        at = len(text)
    else:
        at = -1
        for _ in range(int(match["occurrence"] or 1)):
            at = text.index(match["token"], at + 1)
    before = text[:at]
    return match["code"], file, before.count("\n") + 1, len(before) - before.rfind("\n")


def test_a_link_out_of_the_project_is_outside(folder: Path) -> None:
    (folder / "link.sql").symlink_to(folder.parent / "outside.sql")
    (folder / "linked").symlink_to(folder.parent)
    (folder.parent / "outside.yaml").write_text("owner: me\n")
    (folder / "base.yaml").symlink_to(folder.parent / "outside.yaml")
    spec = folder / "spec.yaml"
    spec.write_text(
        "pipeline: p\nextends: base.yaml\ntables:\n  gold.a: {sql_file: link.sql}\n"
        "  gold.b: {sql_file: linked/outside.sql}\n"
    )
    with pytest.raises(SpecError) as caught:
        load_spec(spec)
    found = [each for each in caught.value.diagnostics if isinstance(each, Diagnostic)]
    assert [(each.code, each.line) for each in found] == [("path", 2), ("path", 4), ("path", 5)]


@pytest.mark.parametrize("name", NAMES)
def test_errors_stand_before_warnings_and_none_twice(name: str, folder: Path) -> None:
    found = mistakes(name, folder)[1]
    assert found == sorted(found, key=lambda each: not each.is_error)
    places = [(each.file, each.line, each.column, each.message) for each in found]
    assert len(set(places)) == len(places)
