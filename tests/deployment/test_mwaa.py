"""The files of docs/how-to/mwaa.md: built by the page's own commands, resolved by pip against each image's versions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml
from airflow_environments import MWAA_VERSIONS, AirflowEnvironment, airflow_environment

from airflow_lake_provider import __version__
from airflow_lake_provider.spec import load_project
from deployment.dockerfile import ROOT, copied

PAGE = (ROOT / "docs" / "how-to" / "mwaa.md").read_text()
UNPACKED = "/usr/local/airflow/plugins"
WHAT_THE_IMAGE_LACKS = """
import re, sys
from importlib import metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

def closure(roots):
    waiting, seen = [Requirement(root) for root in roots], set()
    while waiting:
        wanted = waiting.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        for line in metadata.requires(wanted.name) or []:
            needed = Requirement(line)
            extras = wanted.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                try:
                    metadata.version(needed.name)
                except metadata.PackageNotFoundError:
                    continue
                waiting.append(needed)
    return {name for name, _ in seen}

image = ["apache-airflow", "apache-airflow-providers-amazon[aiobotocore]"]
print(*sorted(closure(sys.argv[1:]) - closure(image)))
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def commands(version: str) -> list[str]:
    """The page's commands, in their order, for another version of Airflow than the one that it names."""
    lines = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    return [line.replace("airflow-3.3.1.txt", f"airflow-{version}.txt") for line in lines]


def requirements() -> str:
    (text,) = [block for block in blocks("text") if block.startswith("--find-links")]
    return text


def test_requirements_name_this_version_and_give_pip_a_constraint() -> None:
    lines = requirements().splitlines()
    assert lines[-1] == f"airflow-lake-provider=={__version__}"
    # How the images look for it; without a match they add their own.
    assert any(re.search(r"-c |--constraint ", line) for line in lines)
    assert "--create plugins.zip" in commands("3.3.1")[-1]


def test_startup_script_is_one_for_a_shell() -> None:
    (script,) = [block for block in blocks("text") if block.startswith("#!/bin/sh")]
    done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    wanted = re.search(r"pyspark==(\S+)", script)
    constraints = ROOT / "airflow_lake_provider" / "engines" / "constraints" / "spark-3.5.txt"
    assert wanted is not None
    assert f"pyspark=={wanted[1]}" in constraints.read_text().split()


def test_the_project_of_the_page_asks_for_no_spark_in_the_container(tmp_path: Path) -> None:
    (project,) = [block for block in blocks("yaml") if "environments" in yaml.safe_load(block)]
    (tmp_path / "lake.yaml").write_text(project)
    environment = load_project(tmp_path).environment(None)
    assert environment.job_root.startswith("s3://")
    assert {engine.type for engine in environment.engines.values()} == {"spark_submit"}


@pytest.fixture(scope="module", params=MWAA_VERSIONS)
def image(request: pytest.FixtureRequest) -> AirflowEnvironment:
    """An environment with an image's versions, and those of what the package needs beside them."""
    return airflow_environment(request.param)


@pytest.fixture(scope="module")
def plugins(image: AirflowEnvironment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that plugins.zip becomes on a component of that version."""
    checkout = copied("wheel", tmp_path_factory.mktemp("checkout"))
    shutil.copytree(ROOT / "constraints", checkout / "constraints")
    shims = tmp_path_factory.mktemp("bin")
    for name, words in {"pip": "-m pip --disable-pip-version-check --quiet", "python": ""}.items():
        (shims / name).write_text(f'#!/bin/sh\nexec "{image.python}" {words} "$@"\n')
        (shims / name).chmod(0o755)
    done = subprocess.run(
        ["bash", "-ex", "-c", "\n".join(commands(image.version))],
        cwd=checkout, env={**os.environ, "PATH": f"{shims}:{os.environ['PATH']}"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    unpacked = tmp_path_factory.mktemp("airflow") / "plugins"
    with zipfile.ZipFile(checkout / "plugins.zip") as archive:
        assert all("/" not in name for name in archive.namelist()), "MWAA puts the files where pip looks for them"
        archive.extractall(unpacked)
    return unpacked


def pip(image: AirflowEnvironment, *arguments: str | Path) -> str:
    done = subprocess.run(
        [str(image.python), "-m", "pip", "--disable-pip-version-check", "--no-input", *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.versions
@pytest.mark.timeout(1800)
def test_pip_installs_the_package_and_changes_nothing_of_the_image(
    image: AirflowEnvironment, plugins: Path, tmp_path: Path
) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("--no-index\n" + requirements().replace(UNPACKED, str(plugins)))
    said = pip(image, "install", "--dry-run", "--requirement", file)
    assert said.splitlines()[-1] == f"Would install airflow-lake-provider-{__version__}"


@pytest.mark.versions
@pytest.mark.timeout(1800)
def test_the_archive_holds_every_wheel_that_a_private_web_server_lacks(
    image: AirflowEnvironment, plugins: Path
) -> None:
    (wheel,) = plugins.glob("airflow_lake_provider-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode()
    needed = [line for line in re.findall(r"^Requires-Dist: (.+)$", metadata, re.MULTILINE) if "extra ==" not in line]
    assert needed
    said = subprocess.check_output([str(image.python), "-c", WHAT_THE_IMAGE_LACKS, *needed], text=True)
    assert {"pyiceberg", "sqlglot"} <= set(said.split())
    pip(
        image, "install", "--dry-run", "--no-index", "--no-deps", "--ignore-installed", "--find-links", plugins,
        "--constraint", plugins / "constraints.txt", *said.split(),
    )  # fmt: skip
