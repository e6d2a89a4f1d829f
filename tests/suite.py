"""Run the suite, or the parts of it that are named, and end with one summary line over all of them.

The parts differ in what they need: ``fast`` neither Java nor Airflow's database; ``jobs`` the data plane's Python, in
which the job library runs; ``airflow`` both environments; ``stack`` all services of an Airflow, and PostgreSQL. The
quick ones go first. By name only: ``work`` and ``work-2.11``, an Airflow at work on the newest version and on 2.11;
``versions``, the wheel on other versions; ``long``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from airflow_lake_provider.engines.class_archive import archive_options
from airflow_lake_provider.engines.data_plane import probe

ROOT = Path(__file__).resolve().parent.parent
SPARK_PYTHON = os.environ.get("LAKE_SPARK_PYTHON", str(ROOT / ".venv-spark" / "bin" / "python"))


@dataclass(frozen=True)
class Part:
    """One run of pytest, by the Python whose environment it needs; ``alone`` where it uses all cores by itself."""

    python: str
    arguments: tuple[str, ...]
    alone: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


# Airflow as people have it at work, for many minutes: what they press, what dies, what they change under it.
AT_WORK = (
    "tests/effects",
    "tests/factory/test_assets_at_work.py",
    "tests/factory/test_loader_at_work.py",
    "tests/factory/test_running_tasks.py",
)

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
            "not spark and not airflow and not stack and not versions",
            "tests",
            "airflow_lake_provider",
        ),
        alone=True,
    ),
    "jobs": Part(SPARK_PYTHON, ("--doctest-modules", "-m", "not slow", "tests/jobs", "airflow_lake_provider/jobs")),
    "airflow": Part(sys.executable, ("--ignore=tests/jobs", "-m", "(spark or airflow) and not stack", "tests")),
    "stack": Part(
        sys.executable, ("--ignore=tests/jobs", *(f"--ignore={path}" for path in AT_WORK), "-m", "stack", "tests")
    ),
    "versions": Part(sys.executable, ("-m", "versions", "tests/versions", "tests/deployment")),
    "work": Part(sys.executable, AT_WORK),
    "work-2.11": Part(sys.executable, AT_WORK, variables={"LAKE_TEST_AIRFLOW": "2.11.2"}),
    "long": Part(SPARK_PYTHON, ("-m", "slow", "tests/jobs"), alone=True),
}
DEFAULT = ("fast", "jobs", "stack", "airflow")


def run(part: Part, junit: Path, output: IO[str] | None = None) -> Counter[str]:
    """Run one part and count its tests by outcome; a run that broke down counts as an error.

    :param output: where pytest's own output goes; by default to the terminal.
    """
    command = [part.python, "-m", "pytest", "-q", f"--junitxml={junit}", *part.arguments]
    # The suite's JVMs live for seconds on a few rows: a quick start counts, the second compiler does not.
    java_options = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    env = {**os.environ, **part.variables}
    if part.python == SPARK_PYTHON:
        # pytest starts Spark by itself there; elsewhere the engine finds what belongs to Spark's Python.
        plane = probe(Path(SPARK_PYTHON))
        env["JAVA_HOME"] = str(plane.java_home)
        java_options = f"{java_options} {archive_options(plane) or ''}"
    env.setdefault("JAVA_TOOL_OPTIONS", java_options)
    code = subprocess.run(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
    ).returncode
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


def _run_logged(name: str, folder: Path) -> Counter[str]:
    with (folder / f"{name}.log").open("w", encoding="utf-8") as log:
        return run(PARTS[name], folder / f"{name}.xml", log)


def run_beside(names: Sequence[str], folder: Path) -> Counter[str]:
    """Run parts at the same time, for one Spark leaves a second core half idle; show each one's output as it ends."""
    total: Counter[str] = Counter()
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=2) as pool:
        running: dict[Future[Counter[str]], str] = {}
        for name in names:
            running[pool.submit(_run_logged, name, folder)] = name
        while running:
            ended, _ = wait(running, timeout=60, return_when=FIRST_COMPLETED)
            for future in ended:
                name = running.pop(future)
                print(f"==> {name}\n{(folder / f'{name}.log').read_text(encoding='utf-8')}", flush=True)
                total += future.result()
            if running and not ended:
                print(f"... {' and '.join(running.values())}: {time.monotonic() - started:.0f} s", flush=True)
    return total


def main(names: list[str]) -> int:
    """Run the named parts, by default all, in their order."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"{unknown[0]} is no part of the suite; the parts are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    total: Counter[str] = Counter()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        chosen = names or list(DEFAULT)
        beside = [name for name in chosen if not PARTS[name].alone]
        for name in chosen if len(beside) < 2 else [name for name in chosen if name not in beside]:
            print(f"==> {name}", flush=True)
            total += run(PARTS[name], Path(folder) / f"{name}.xml")
        if len(beside) > 1:
            print(f"==> {' and '.join(beside)}", flush=True)
            total += run_beside(beside, Path(folder))
    counted = ", ".join(f"{total[key]} {key}" for key in ("failed", "passed", "skipped", "error") if total[key])
    print(f" {counted or 'no tests ran'} in {time.monotonic() - started:.2f}s ".center(80, "="))
    return int(bool(total["failed"] or total["error"] or not total["passed"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
