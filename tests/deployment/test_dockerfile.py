"""The image's recipe, as far as it can be tried without building it."""

from __future__ import annotations

import re
import shlex
import subprocess
import zipfile
from pathlib import Path

import pytest

from airflow_lake_provider.cli import lake
from deployment.dockerfile import ROOT, copies, image_environment, instructions

STAGES = ("wheel", "")
RUNS = [instruction.value for instruction in instructions() if instruction.name == "RUN"]


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_copied_is_in_the_checkout_and_reaches_the_build(stage: str) -> None:
    ignore = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().split()
    let_through = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    sources = [source for found, _ in copies(stage) for source in found]
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert source.partition("/")[0] in let_through


def test_what_is_copied_from_a_stage_was_made_there() -> None:
    crossing = [i.value for i in instructions() if i.name == "COPY" and i.value.startswith("--from=")]
    assert crossing == ["--from=wheel /wheels /opt/airflow-env/wheels"]
    assert any("--wheel-dir /wheels" in i.value for i in instructions() if i.stage == "wheel")


@pytest.mark.parametrize("command", RUNS)
def test_each_command_is_one_for_a_shell(command: str) -> None:
    done = subprocess.run(["bash", "-n"], input=command, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_pip_installs_has_a_version_in_the_constraints() -> None:
    pinned = {
        line.partition("==")[0].lower()
        for line in (ROOT / "constraints" / "airflow-3.3.txt").read_text().splitlines()
        if "==" in line
    }
    (install,) = [command for command in RUNS if "pip install" in command]
    words = shlex.split(install.partition("pip install")[2].partition("&&")[0])
    assert "/opt/airflow-env/constraints.txt" in words
    packages = [word for word in words if not word.startswith(("-", "/"))]
    assert packages
    assert [package for package in packages if package not in pinned] == []
    assert "apache-airflow" in pinned


def test_spark_s_environment_is_built_where_the_engine_looks_for_it() -> None:
    (install,) = [command for command in RUNS if command.startswith("lake ")]
    program, *words = shlex.split(install)
    context = lake.make_context(program, words, resilient_parsing=False)
    spark = lake.get_command(context, "spark")
    assert spark is not None
    assert words[:3] == ["spark", "install", "--path"]
    assert image_environment()["LAKE_SPARK_PYTHON"] == f"{words[3]}/bin/python"


def test_nobody_in_the_container_is_root() -> None:
    last = [instruction for instruction in instructions() if not instruction.stage]
    users = [instruction.value for instruction in last if instruction.name == "USER"]
    assert users == ["airflow"]
    folders = re.findall(r"/opt/[\w-]+(?:/[\w-]+)*", next(i.value for i in last if i.name == "RUN"))
    for place in image_environment().values():
        for folder in re.findall(r"^/opt/[\w-]+", place):
            assert folder in folders, "the user must own what it writes"


def test_images_come_from_no_registry_by_name() -> None:
    bases = [instruction.value.split()[0] for instruction in instructions() if instruction.name == "FROM"]
    assert len(bases) == len(STAGES)
    assert {"." in base.split("/")[0].partition(":")[0] for base in bases} == {False}
    assert all(":" in base for base in bases)


def test_the_wheel_has_all_that_the_package_reads(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = ROOT / "airflow_lake_provider"
    sources = {
        str(path.relative_to(ROOT)) for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources - names == set()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
