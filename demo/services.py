"""Airflow's processes for as long as the demo runs, and the calls of its REST API that the demo needs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from project import AIRFLOW_HOME, BIN, ROOT

START_SECONDS = 180
"""How long a service may take until it answers; a laptop needs 15."""

UNFINISHED = ("queued", "running", "restarting", "scheduled")


class Services:
    """Processes of Airflow, each in a group of its own so that nothing outlives them."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start ``airflow <name>``; its output goes to a file of Airflow's home."""
        with self.log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                [str(BIN / "airflow"), name],
                env=self._env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Stop the demo when a service is no longer there."""
        for name, process in self._running.items():
            if process.poll() is not None:
                log = self.log(name)
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise SystemExit(f"{tail}\n`airflow {name}` ended with exit code {process.returncode}: {log}")

    def stop(self) -> None:
        """Stop all, the last started first, and wait until they are gone."""
        for name in reversed(self._running):
            process = self._running[name]
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._running.clear()

    @staticmethod
    def log(name: str) -> Path:
        """Where the output of a service goes."""
        return AIRFLOW_HOME / f"{name}.log"


@contextlib.contextmanager
def services(env: Mapping[str, str]) -> Iterator[Services]:
    """Yield services to start; all are stopped at the end, however it comes."""
    running = Services(env)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield running
    finally:
        running.stop()


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Api:
    """Airflow's REST API on this machine, where everybody is an admin."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._token: str | None = None

    def wait(self, running: Services) -> None:
        """Wait until the API answers.

        :raises SystemExit: a service ended, or nothing answered for three minutes.
        """
        end = time.monotonic() + START_SECONDS
        while self._token is None:
            running.check()
            if time.monotonic() > end:
                raise SystemExit(f"Airflow's API did not answer for {START_SECONDS} s: {running.log('api-server')}")
            time.sleep(0.5)
            with contextlib.suppress(OSError):
                self._token = self._call("GET", "/auth/token")["access_token"]

    def get(self, path: str) -> Any:
        """Read below ``/api/v2``; ``None`` where there is no such thing."""
        try:
            return self._call("GET", f"/api/v2{path}")
        except urllib.error.HTTPError as exc:
            if exc.code == 404:
                return None
            raise

    def change(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """Write below ``/api/v2``."""
        return self._call(method, f"/api/v2{path}", body)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(self._url + path, method=method)
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode("utf-8")
        with self._opener.open(request, timeout=30) as answer:
            return json.load(answer)


class Dag:
    """One DAG, by the REST API."""

    def __init__(self, api: Api, dag_id: str) -> None:
        self._api = api
        self._path = f"/dags/{quote(dag_id)}"
        self.dag_id = dag_id

    def is_known(self) -> bool:
        """Whether the DAG has been parsed."""
        return self._api.get(self._path) is not None

    def unpause(self) -> None:
        """Let the scheduler create runs."""
        self._api.change("PATCH", self._path, {"is_paused": False})

    def runs(self) -> list[dict[str, Any]]:
        """Return the DAG's runs, the oldest interval first."""
        found = (self._api.get(f"{self._path}/dagRuns") or {"dag_runs": []})["dag_runs"]
        return sorted(found, key=lambda run: str(run["data_interval_start"]))

    def tasks(self, run: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        found: list[dict[str, Any]] = self._api.get(f"{self._run(run)}/taskInstances")["task_instances"]
        return found

    def result(self, run: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what a task gave back (its XCom), ``None`` where it gave nothing."""
        entry = self._api.get(f"{self._run(run)}/taskInstances/{quote(task['task_id'])}/xcomEntries/return_value")
        if entry is None:
            return None
        value = entry["value"]
        return json.loads(value) if isinstance(value, str) else value

    def clear(self) -> None:
        """Let all runs run again, those too that an interrupted demo left halfway."""
        for run in self.runs():
            for task in self.tasks(run):
                if task["state"] in UNFINISHED:
                    path = f"{self._run(run)}/taskInstances/{quote(task['task_id'])}"
                    self._api.change("PATCH", path, {"new_state": "failed"})
        options = {"dry_run": False, "only_failed": False, "reset_dag_runs": True}
        self._api.change("POST", f"{self._path}/clearTaskInstances", options)

    def _run(self, run: Mapping[str, Any]) -> str:
        return f"{self._path}/dagRuns/{quote(run['dag_run_id'])}"
