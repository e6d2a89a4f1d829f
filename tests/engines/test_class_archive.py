from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_lake_provider.engines.class_archive import (
    DEFAULT_JAVA_OPTIONS,
    archive_options,
    build_class_archive,
    class_archive,
    with_archive,
)
from airflow_lake_provider.engines.data_plane import DataPlane, probe


@pytest.fixture
def plane(tmp_path: Path) -> DataPlane:
    java = tmp_path / "java"
    java.mkdir()
    (java / "release").write_text('JAVA_VERSION="17.0.15"\n')
    python = tmp_path / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    return DataPlane(
        python=python,
        python_version=(3, 11, 7),
        spark_version="3.5.9",
        spark_home=tmp_path / "spark",
        jars=("a.jar",),
        java_home=java,
        has_soda=True,
    )


def test_without_an_archive_the_jvm_gets_no_option(plane: DataPlane) -> None:
    assert archive_options(plane) is None
    assert with_archive(plane, {DEFAULT_JAVA_OPTIONS: "-Da=b"}) == {}


def test_the_users_options_stay_and_come_later(plane: DataPlane) -> None:
    class_archive(plane).touch()
    options = with_archive(plane, {DEFAULT_JAVA_OPTIONS: "-Da=b"})[DEFAULT_JAVA_OPTIONS]
    assert options.startswith(f"-XX:SharedArchiveFile={class_archive(plane)} ")
    assert options.endswith(" -Da=b")


def test_another_java_or_another_jar_has_an_archive_of_its_own(plane: DataPlane) -> None:
    class_archive(plane).touch()
    assert archive_options(replace(plane, jars=("a.jar", "b.jar"))) is None
    (plane.java_home / "release").write_text('JAVA_VERSION="17.0.16"\n')
    assert archive_options(plane) is None


def test_an_environment_that_lake_did_not_build_is_left_alone(plane: DataPlane, tmp_path: Path) -> None:
    before = sorted((tmp_path / "environment").rglob("*"))
    assert build_class_archive(plane, cache=tmp_path / "cache") is False
    assert sorted((tmp_path / "environment").rglob("*")) == before


@pytest.mark.spark
def test_a_real_jvm_maps_the_archive_of_the_installation(spark_python: str) -> None:
    real = probe(Path(spark_python))
    options = archive_options(real)
    assert options is not None, "lake spark install leaves an archive"
    classpath = f"{real.spark_home}/conf/:{real.spark_home}/jars/*"
    told = subprocess.run(
        [str(real.java_home / "bin" / "java"), *options.split(), "-Xlog:class+load:stdout", "-cp", classpath,
         "org.apache.hadoop.util.VersionInfo"],
        capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    loaded = [line for line in told.splitlines() if " org.apache.hadoop." in line]
    assert any("shared objects file (top)" in line for line in loaded), told[:2000]
