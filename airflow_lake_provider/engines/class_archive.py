"""A class-data-sharing archive of the data plane's Java: Spark's classes read and checked once, at the installation.

Of the ten seconds of CPU that a small job costs, the JVM spends three on finding, reading and verifying some twenty
thousand classes. An archive (JEP 350) lets it map them instead. It belongs to one Java and one set of jars; a JVM that
finds another one goes on without it, so it can only help.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from airflow_lake_provider.engines.bundle import job_library
from airflow_lake_provider.engines.data_plane import MARKER, DataPlane
from airflow_lake_provider.protocol import (
    Catalog,
    Check,
    CheckStep,
    IngestStep,
    JobRequest,
    PublishStep,
    TableRequest,
    TaskIdentity,
    TransformStep,
    WriteStep,
    to_json,
)

DEFAULT_JAVA_OPTIONS = "spark.driver.defaultJavaOptions"
"""The property with which an administrator adds options to those that users set; see Spark's configuration page."""

WARM_UP_SECONDS = 300
# A JVM that cannot use the archive says so on its standard output unless it is told not to.
_QUIET = "-Xshare:auto -Xlog:cds*=off"


def class_archive(plane: DataPlane) -> Path:
    """Return where the archive for this environment's jars and its present Java lies, or would lie."""
    identity = "\n".join([str(plane.java_home), _release(plane.java_home), str(plane.spark_home), *plane.jars])
    return _environment(plane) / f"lake-classes-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.jsa"


def archive_options(plane: DataPlane) -> str | None:
    """Return the JVM's options that use the archive; ``None`` where there is none."""
    archive = class_archive(plane)
    return f"-XX:SharedArchiveFile={archive} {_QUIET}" if archive.is_file() and " " not in str(archive) else None


def with_archive(plane: DataPlane, spark_conf: Mapping[str, str]) -> dict[str, str]:
    """Return the property that makes a driver use the archive, with what ``spark_conf`` has for it already.

    Options that a user sets come later on the JVM's command line, and win.
    """
    options = archive_options(plane)
    if options is None:
        return {}
    return {DEFAULT_JAVA_OPTIONS: " ".join(filter(None, [options, spark_conf.get(DEFAULT_JAVA_OPTIONS)]))}


def build_class_archive(plane: DataPlane, *, cache: Path) -> bool:
    """Run a small job whose JVM leaves the archive when it ends; archives of another Java go.

    :param cache: where the job library is kept.
    :return: whether the archive is there now. Without it jobs run as well, and start slower.
    """
    archive = class_archive(plane)
    if archive.is_file():
        return True
    if not (_environment(plane) / MARKER).exists():
        return False
    _bring_base_archive(plane)
    with tempfile.TemporaryDirectory(prefix="lake-classes-") as folder:
        place = Path(folder)
        part = archive.with_name(f".{archive.name}.{os.getpid()}")
        _run_small_job(plane, place, f"-XX:ArchiveClassesAtExit={part} {_QUIET}", job_library(cache=cache).path)
        with contextlib.suppress(OSError):
            os.replace(part, archive)
    if not archive.is_file():
        return False
    for old in _environment(plane).glob("lake-classes-*.jsa"):
        if old != archive:
            old.unlink(missing_ok=True)
    return True


def _environment(plane: DataPlane) -> Path:
    return plane.python.parent.parent


def _release(java_home: Path) -> str:
    try:
        return (java_home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _bring_base_archive(plane: DataPlane) -> None:
    """Make the archive of Java's own classes, on which ours stands, in a JRE of the environment that comes without."""
    inside = _environment(plane).resolve() in plane.java_home.resolve().parents
    if inside and not any((plane.java_home / "lib" / "server").glob("classes*.jsa")):
        _run([str(plane.java_home / "bin" / "java"), "-Xshare:dump"], dict(os.environ))


def _run_small_job(plane: DataPlane, folder: Path, java_options: str, library: Path) -> None:
    (folder / "rows.csv").write_text("id,amount\n1,2.5\n2,3.5\n", encoding="utf-8")
    uri = folder / "request.json"
    uri.write_text(to_json(_small_request(folder)), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK_", "SPARK_"))}
    environment |= {
        "PYTHONPATH": str(library),
        "PYSPARK_PYTHON": str(plane.python),
        "JAVA_HOME": str(plane.java_home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_SUBMIT_ARGS": f"--conf '{DEFAULT_JAVA_OPTIONS}={java_options}' pyspark-shell",
    }
    _run([str(plane.python), "-m", "airflow_lake_provider.jobs", "--request-uri", str(uri)], environment, folder)


def _small_request(folder: Path) -> JobRequest:
    """Return a request that goes through most of a job: files, a contract, a merge, a check, a publish."""
    task = TaskIdentity(dag_id="classes", run_id="classes", task_id="classes")
    rows = TableRequest(
        table="bronze.rows",
        steps=(
            IngestStep(files=(str(folder / "rows.csv"),), format="csv", options={"header": "true"}),
            WriteStep(strategy="append"),
            PublishStep(),
        ),
    )
    merged = TableRequest(
        table="silver.rows",
        steps=(
            TransformStep(
                sql="SELECT CAST(id AS int) AS id, sum(amount) AS amount FROM bronze.rows GROUP BY 1",
                inputs=("bronze.rows",),
            ),
            WriteStep(strategy="merge", unique_key=("id",)),
            CheckStep(checks=(Check(text="row_count > 0"),)),
            PublishStep(),
        ),
        upstream=("bronze.rows",),
    )
    return JobRequest(
        request_id=task.request_id,
        task=task,
        pipeline="classes",
        tables=(rows, merged),
        catalog=Catalog(
            name="lake",
            type="sqlite",
            warehouse=f"file://{folder}/warehouse",
            properties={"path": str(folder / "catalog.db")},
        ),
        report_uri=str(folder / "report.json"),
        spark_conf={"spark.master": "local[1]", "spark.sql.shuffle.partitions": "1", "spark.ui.enabled": "false"},
    )


def _run(command: list[str], environment: Mapping[str, str], folder: Path | None = None) -> None:
    """Run a command whose failure costs nothing but the archive."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WARM_UP_SECONDS,
            check=False,
        )
