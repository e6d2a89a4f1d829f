"""A Spark standalone cluster of this machine: a master and a worker of real processes, on the loopback alone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_lake_provider.engines.data_plane import DataPlane
from airflow_lake_provider.engines.process import started_at

DEADLINE_SECONDS = 90


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(frozen=True)
class StandaloneCluster:
    """``url`` is the master's; ``folder`` holds logs and the worker's files."""

    url: str
    web_port: int
    folder: Path
    worker: subprocess.Popen[bytes]

    def tell(self) -> dict[str, Any]:
        """What the master says of itself."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/json/", timeout=10) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found

    def applications(self, *, completed: bool = False) -> list[dict[str, Any]]:
        """The applications that run, or those that have ended."""
        found: list[dict[str, Any]] = self.tell()["completedapps" if completed else "activeapps"]
        return found

    def executors(self) -> list[int]:
        """The process ids of the executors: those children of the worker that live (its launcher stays as a zombie)."""
        threads = Path(f"/proc/{self.worker.pid}/task").iterdir()
        children = [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]
        return [pid for pid in children if started_at(pid) is not None]


@contextlib.contextmanager
def standalone_cluster(plane: DataPlane, folder: Path) -> Iterator[StandaloneCluster]:
    """Start master and worker, wait until they know each other, and end both by their process ids."""
    port, web_port = free_port(), free_port()
    url = f"spark://127.0.0.1:{port}"
    deploy = "org.apache.spark.deploy"
    common = ["--host", "127.0.0.1", "--webui-port"]
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("SPARK_", "PYSPARK_"))},
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_MEMORY": "256m",
            "JAVA_HOME": str(plane.java_home),
            "SPARK_HOME": str(plane.spark_home),
            "SPARK_WORKER_DIR": str(folder / "work"),
            "SPARK_LOCAL_DIRS": str(folder / "local"),
            "PATH": f"{plane.python.parent}{os.pathsep}{os.environ['PATH']}",
        }
        with (folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(plane.spark_home / "bin" / "spark-class"), *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=folder,
                start_new_session=True,
            )  # fmt: skip
        started.append(process)
        return process

    try:
        start("master", f"{deploy}.master.Master", *common, str(web_port), "--port", str(port))
        worker = start(
            "worker", f"{deploy}.worker.Worker", *common, str(free_port()), "--cores", "2", "--memory", "2g", url
        )
        cluster = StandaloneCluster(url, web_port, folder, worker)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not _is_up(cluster):
            assert time.monotonic() < deadline, (folder / "master.log").read_text() + (
                folder / "worker.log"
            ).read_text()
            assert all(process.poll() is None for process in started), (folder / "master.log").read_text()
            time.sleep(0.2)
        yield cluster
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _is_up(cluster: StandaloneCluster) -> bool:
    try:
        return int(cluster.tell()["aliveworkers"]) == 1
    except OSError:
        return False
