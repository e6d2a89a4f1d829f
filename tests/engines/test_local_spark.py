"""The local engine with the real driver and its JVM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airflow_lake_provider.cli.sample import sample_project

REPO = Path(__file__).parents[2]
DEADLINE_SECONDS = 120


def members(group: int) -> set[str]:
    """The programs of a process group that are alive."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = stat.read_text().split("(", 1)[1].rsplit(")", 1)
        except (OSError, IndexError):
            continue
        state, _, process_group = fields.split()[:3]
        if int(process_group) == group and state not in "ZX":
            found.add(name)
    return found


@pytest.mark.spark
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_jvm_goes_with_a_worker_that_is_killed(tmp_path: Path, spark_python: str) -> None:
    for name, text in sample_project().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    environment = {**os.environ, "LAKE_SPARK_PYTHON": spark_python}
    environment.pop("LAKE_HOME", None)
    worker = subprocess.Popen(
        [sys.executable, "-c", "from airflow_lake_provider.cli import main; main()", "run", str(tmp_path)],
        cwd=REPO,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (
            not (logs := list(tmp_path.glob(".lake/jobs/**/driver.log")))
            or "lake: step read" not in logs[0].read_text()
        ):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        group = int(logs[0].with_name("driver.pid").read_text())
        assert "java" in members(group)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        deadline = time.monotonic() + 20
        while alive := members(group):
            assert time.monotonic() < deadline, alive
            time.sleep(0.1)
    finally:
        worker.kill()
        worker.wait()
