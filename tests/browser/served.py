"""The finished demo's Airflow, as far as pages need it: the API server that serves them, and who parses the specs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from finished_demo import Demo
from postgresql import free_port
from stack.api3 import Api3
from stack.waiting import wait_until

WRONG_SPEC = """\
pipeline: gusts
schedule: "@daily"
start_date: 2013-01-01
tables:
  gold.gusts:
    description: The strongest gust of each airport
    sql: SELECT origin, max(wind_gust) AS gust FROM silver.wether GROUP BY origin
    unique_keys: origin
"""


@dataclass(frozen=True)
class Served:
    """Where the pages are, and the same Airflow's API."""

    url: str
    api: Api3


@contextlib.contextmanager
def served(demo: Demo) -> Iterator[Served]:
    """Serve the pages of a demo until the end; the wrong spec is gone then, and so is what it left in the database."""
    port = free_port()
    env = {
        **demo.airflow_environment(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
    }
    wrong = demo.root / "dag_specs" / "gusts.yaml"
    wrong.write_text(WRONG_SPEC)
    api = Api3(f"http://127.0.0.1:{port}")
    with _running("api-server", demo, env), _running("dag-processor", demo, env):
        try:
            wait_until(api.is_up, seconds=180, what=lambda: f"the API server:\n{_tail(demo, 'api-server')}")
            wait_until(
                lambda: api.import_errors(), seconds=120, what=lambda: f"the error:\n{_tail(demo, 'dag-processor')}"
            )
            yield Served(api.url, api)
        finally:
            wrong.unlink()
            wait_until(lambda: not api.import_errors(), seconds=120, what="the end of the import error")


@contextlib.contextmanager
def _running(name: str, demo: Demo, env: dict[str, str]) -> Iterator[None]:
    with _log(demo, name).open("wb") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "airflow"), name],
            cwd=demo.root, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _log(demo: Demo, name: str) -> Path:
    return demo.root / f"{name}.log"


def _tail(demo: Demo, name: str) -> str:
    return "\n".join(_log(demo, name).read_text(errors="replace").splitlines()[-20:])
