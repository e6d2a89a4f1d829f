"""How the environments of other Airflow versions are built, without building one."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import airflow_environments
import pytest
from airflow_environments import MWAA_VERSIONS, OWN_VERSION, ROOT, VERSIONS, airflow_environment

PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+]+")
Run = Callable[[Sequence[str | Path], Mapping[str, str] | None], None]


class Builder:
    """Takes the commands of a build and makes what they would leave."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.fails_at: str | None = None

    def __call__(self, command: Sequence[str | Path], variables: Mapping[str, str] | None = None) -> None:
        words = [str(word) for word in command]
        step = next(name for name in ("venv", "build", "--target", "install") if name in words)
        if step == self.fails_at:
            raise RuntimeError(f"{step} was interrupted")
        self.steps.append(step)
        time.sleep(0.05)
        if step == "venv":
            Path(words[-1], "bin").mkdir(parents=True)
        elif step == "build":
            (Path(words[words.index("--outdir") + 1]) / "airflow_lake_provider-1-py3-none-any.whl").touch()
        elif step == "--target":
            Path(words[words.index("--target") + 1], "airflow_lake_provider").mkdir(parents=True)


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Builder:
    builder = Builder()
    monkeypatch.setenv("LAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(airflow_environments, "_run", builder)
    return builder


def test_environment_is_built_once_and_then_found(builder: Builder) -> None:
    first = airflow_environment("2.11.2")
    assert builder.steps == ["venv", "install", "build", "--target"]
    assert airflow_environment("2.11.2") == first
    assert len(builder.steps) == 4
    assert Path(first.variables["PYTHONPATH"], "airflow_lake_provider").is_dir()
    assert first.variables["PATH"].startswith(f"{first.variables['PYTHONPATH']}/bin:{first.python.parent}:")


def test_two_versions_share_the_wheel(builder: Builder) -> None:
    older, newer = airflow_environment("2.11.2"), airflow_environment("3.3.1")
    assert builder.steps.count("build") == 1
    assert older.python != newer.python
    assert older.variables["PYTHONPATH"] != newer.variables["PYTHONPATH"]


@pytest.mark.parametrize("step", ["venv", "install", "build", "--target"])
def test_interrupted_build_starts_anew(builder: Builder, step: str) -> None:
    builder.fails_at = step
    with pytest.raises(RuntimeError, match="interrupted"):
        airflow_environment("3.0.6")
    builder.fails_at = None
    environment = airflow_environment("3.0.6")
    assert Path(environment.variables["PYTHONPATH"], "airflow_lake_provider").is_dir()
    assert environment.python.parent.is_dir()
    assert not [path for path in Path(environment.variables["PYTHONPATH"]).parent.iterdir() if "tmp" in path.name]


def test_two_builders_at_once_build_once(builder: Builder) -> None:
    threads = [threading.Thread(target=airflow_environment, args=("3.2.1",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(builder.steps) == ["--target", "build", "install", "venv"]


def test_changed_constraints_are_another_environment(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = airflow_environment("3.3.1")
    text = (airflow_environments.CONSTRAINTS / "airflow-3.3.1.txt").read_text()
    (tmp_path / "airflow-3.3.1.txt").write_text(text.replace("click==", "click==1"))
    monkeypatch.setattr(airflow_environments, "CONSTRAINTS", tmp_path)
    after = airflow_environment("3.3.1")
    assert after.python != before.python
    assert after.variables["PYTHONPATH"] == before.variables["PYTHONPATH"]


def test_own_environment_needs_no_build(builder: Builder) -> None:
    assert airflow_environment(OWN_VERSION).version == OWN_VERSION
    assert builder.steps == []


def test_unknown_version_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no environment of Airflow 1\.10; expected one of 2\.11\.2, "):
        airflow_environment("1.10")


@pytest.mark.parametrize("version", MWAA_VERSIONS)
def test_constraints_are_exact_pins_of_that_airflow(version: str) -> None:
    lines = (airflow_environments.CONSTRAINTS / f"airflow-{version}.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [line for line in pins if not PIN.fullmatch(line)] == []
    assert f"apache-airflow=={version}" in pins
    names = [re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in pins]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("page", ["README.md", "docs/reference/airflow-versions.md"])
def test_tested_versions_are_those_that_the_docs_name(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [version for version in VERSIONS if version not in text] == []
