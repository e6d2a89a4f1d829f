"""Run the suite, or the parts of it that are named, and end with one summary line over all of them.

The parts differ in what they need: ``fast`` neither Java nor Airflow's database; ``jobs`` the data plane's Python, in
which the job library runs; ``airflow`` both environments. The quick ones go first.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from airflow_lake_provider.engines.data_plane import probe

ROOT = Path(__file__).resolve().parent.parent
SPARK_PYTHON = os.environ.get("LAKE_SPARK_PYTHON", str(ROOT / ".venv-spark" / "bin" / "python"))


@dataclass(frozen=True)
class Part:
    """One run of pytest, by the Python whose environment it needs."""

    python: str
    arguments: tuple[str, ...]


PARTS = {
    "fast": Part(
        sys.executable,
        (
            "--numprocesses=2",
            "--dist=loadfile",
            "--doctest-modules",
            "--ignore=tests/jobs",
            "--ignore=airflow_lake_provider/jobs",
            "-m",
            "not spark and not airflow",
            "tests",
            "airflow_lake_provider",
        ),
    ),
    "jobs": Part(SPARK_PYTHON, ("--doctest-modules", "tests/jobs", "airflow_lake_provider/jobs")),
    "airflow": Part(sys.executable, ("--ignore=tests/jobs", "-m", "spark or airflow", "tests")),
}


def run(part: Part, junit: Path) -> Counter[str]:
    """Run one part and count its tests by outcome; a run that broke down counts as an error."""
    command = [part.python, "-m", "pytest", "-q", f"--junitxml={junit}", *part.arguments]
    # The suite's JVMs live for seconds on a few rows: a quick start counts, the second compiler does not.
    env = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC", **os.environ}
    if part.python == SPARK_PYTHON:
        # pytest starts Spark by itself there; elsewhere the engine finds the Java that belongs to Spark's Python.
        env["JAVA_HOME"] = str(probe(Path(SPARK_PYTHON)).java_home)
    code = subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode
    counts: Counter[str] = Counter()
    if junit.exists():
        for suite in ElementTree.parse(junit).iter("testsuite"):
            of = {key: int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")}
            counts["passed"] += of["tests"] - of["failures"] - of["errors"] - of["skipped"]
            counts["failed"] += of["failures"]
            counts["error"] += of["errors"]
            counts["skipped"] += of["skipped"]
    if code != 0 and not counts["failed"] + counts["error"]:
        counts["error"] += 1
    return counts


def main(names: list[str]) -> int:
    """Run the named parts, by default all, in their order."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"{unknown[0]} is no part of the suite; the parts are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    total: Counter[str] = Counter()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for name in names or PARTS:
            print(f"==> {name}", flush=True)
            total += run(PARTS[name], Path(folder) / f"{name}.xml")
    counted = ", ".join(f"{total[key]} {key}" for key in ("failed", "passed", "skipped", "error") if total[key])
    print(f" {counted or 'no tests ran'} in {time.monotonic() - started:.2f}s ".center(80, "="))
    return int(bool(total["failed"] or total["error"] or not total["passed"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
