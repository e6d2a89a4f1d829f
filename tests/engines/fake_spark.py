"""The programs of a cluster, ``spark-submit`` and ``yarn``, without the cluster: their words, and processes as drivers.

As a program: ``fake_spark.py spark-submit|yarn ARGUMENTS...``. ``FAKE_CLUSTER`` is the folder of its state,
``FAKE_JOB`` the Python that a driver runs with the request's URI. What they print has the shape of Spark 3.5's and
Hadoop 3.3's.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POD = """Submitting a request for the status of submission {run} in k8s://https://head:443.
Application status (driver): 
\t pod name: {name}
\t namespace: {namespace}
\t labels: spark-role -> driver
\t creation time: 2026-01-01T00:00:00Z
\t service account name: spark
\t phase: {phase}
\t container status: 
\t\t container name: spark-kubernetes-driver
\t\t container state: {state}
"""  # noqa: W291 (these blanks are Spark's)
POD_ENDED = "\t\t exit code: {code}\n\t\t termination reason: {reason}\n"
REPORT = """Application Report : 
\tApplication-Id : {name}
\tApplication-Name : lake flights lake_run
\tApplication-Type : SPARK
\tQueue : default
\tStart-Time : 1700000000000
\tFinish-Time : 0
\tProgress : 10%
\tState : {state}
\tFinal-State : {final}
\tTracking-URL : http://head:8088/proxy/{name}/
\tRPC Port : 40000
\tDiagnostics : {diagnostics}
\tUnmanaged Application : false
\tApplication Node Label Expression : <Not set>
"""  # noqa: W291 (these blanks are Hadoop's)
SUBMITTED = """26/01/01 00:00:00 INFO Client: Requesting a new application from cluster with 1 NodeManagers
26/01/01 00:00:01 INFO YarnClientImpl: Submitted application {name}
26/01/01 00:00:02 INFO Client: Application report for {name} (state: ACCEPTED)
26/01/01 00:00:02 INFO Client: 
\t client token: N/A
\t tracking URL: http://head:8088/proxy/{name}/
\t user: lake
"""  # noqa: W291


class Cluster:
    """Applications by name: a process each, its tags, and how it ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, name: str, request_uri: str, library: str, tags: str = "") -> None:
        place = self.folder / name
        place.mkdir(parents=True)
        (place / "tags").write_text(tags)
        # The shell outlives spark-submit and keeps the driver's exit status.
        command = '"$1" -c "$2" "$3" >driver.log 2>&1; echo $? >exit.part; mv exit.part exit'
        process = subprocess.Popen(
            ["sh", "-c", command, "sh", sys.executable, os.environ["FAKE_JOB"], request_uri],
            cwd=place,
            env={**os.environ, "PYTHONPATH": library},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        (place / "pid").write_text(str(process.pid))

    def ended(self, name: str) -> str | None:
        """``killed``, the exit status, or ``None`` while it runs."""
        place = self.folder / name
        if (place / "killed").exists():
            return "killed"
        return (place / "exit").read_text().strip() if (place / "exit").exists() else None

    def kill(self, name: str) -> None:
        (self.folder / name / "killed").touch()
        os.killpg(int((self.folder / name / "pid").read_text()), signal.SIGKILL)

    def has(self, name: str) -> bool:
        return (self.folder / name).is_dir()

    def tagged(self, tag: str) -> list[str]:
        return sorted(path.parent.name for path in self.folder.glob("*/tags") if tag in path.read_text().split(","))

    def words(self, name: str) -> tuple[str, str, str]:
        """YARN's state, final state and diagnostics."""
        ended = self.ended(name)
        if ended is None:
            return "RUNNING", "UNDEFINED", ""
        if ended == "killed":
            return "KILLED", "KILLED", "Application killed by user."
        if ended == "0":
            return "FINISHED", "SUCCEEDED", ""
        return "FINISHED", "FAILED", f"User application exited with status {ended}"


def spark_submit(cluster: Cluster, arguments: list[str]) -> int:
    options = dict(zip(arguments, arguments[1:], strict=False))
    if "--status" in options:
        return pod_status(cluster, options["--status"])
    if "--kill" in options:
        cluster.kill(options["--kill"].partition(":")[2])
        return 0
    conf = dict(word.split("=", 1) for flag, word in zip(arguments, arguments[1:], strict=False) if flag == "--conf")
    uri, library = options["--request-uri"], options["--py-files"]
    print("Picked up JAVA_TOOL_OPTIONS: -Xmx1g", file=sys.stderr)
    if options.get("--queue") == "closed":
        print("26/01/01 00:00:00 WARN Utils: a warning\nError: No such queue: closed", file=sys.stderr)
        return 1
    if options["--deploy-mode"] == "client":
        os.environ["PYTHONPATH"] = library
        os.execv(sys.executable, [sys.executable, "-c", os.environ["FAKE_JOB"], uri])
    if options["--master"] == "yarn":
        name = f"application_1700000000000_{len(list(cluster.folder.glob('application_*'))) + 1:04}"
        cluster.start(name, uri, library, conf["spark.yarn.tags"])
        if "FAKE_QUIET" not in os.environ:
            print(SUBMITTED.format(name=name), file=sys.stderr)
        return int(os.environ.get("FAKE_SUBMIT_STATUS", "0"))
    pod = conf["spark.kubernetes.driver.pod.name"]
    if cluster.has(pod):
        print(f'Exception in thread "main" KubernetesClientException: pods "{pod}" already exists', file=sys.stderr)
        return 1
    cluster.start(pod, uri, re.sub("^local://", "", library))
    return 0


def pod_status(cluster: Cluster, run: str) -> int:
    namespace, _, name = run.partition(":")
    if not cluster.has(name) or cluster.ended(name) == "killed":
        print("Application not found.")
        return 0
    ended = cluster.ended(name)
    phase, state = (
        ("Running", "running") if ended is None else ("Succeeded" if ended == "0" else "Failed", "terminated")
    )
    print(POD.format(run=run, name=name, namespace=namespace, phase=phase, state=state), end="")
    if ended is not None:
        print(POD_ENDED.format(code=ended, reason="Completed" if ended == "0" else "Error"), end="")
    return 0


def yarn(cluster: Cluster, arguments: list[str]) -> int:
    assert arguments[0] == "application"
    options = dict(zip(arguments, arguments[1:], strict=False))
    if "-list" in options:
        found = cluster.tagged(options["-appTags"])
        print(f"Total number of applications (application-types: [], states: [...] and tags: [...]):{len(found)}")
        for name in found:
            print(f"{name}\tlake flights lake_run\tSPARK\tlake\tdefault\tRUNNING\tUNDEFINED\t10%\thttp://head:8088")
        return 0
    name = options.get("-status") or options["-kill"]
    if not cluster.has(name):
        print(f"Application with id '{name}' doesn't exist in RM or Timeline Server.")
        return 255
    if "-kill" in options:
        cluster.kill(name)
        print(f"Killing application {name}")
        return 0
    state, final, diagnostics = cluster.words(name)
    print(REPORT.format(name=name, state=state, final=final, diagnostics=diagnostics))
    return 0


@contextmanager
def resource_manager(cluster: Cluster) -> Iterator[str]:
    """Serve YARN's web service for the cluster; gives its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if not path.startswith("/ws/v1/cluster/apps"):
                self._say(404, "not found")
                return
            if query:
                found = [{"id": name} for name in cluster.tagged(query.partition("=")[2])]
                self._say(200, {"apps": {"app": found} if found else None})
                return
            name = path.rsplit("/", 1)[1]
            if not cluster.has(name):
                self._say(404, {"RemoteException": {"exception": "NotFoundException"}})
                return
            state, final, diagnostics = cluster.words(name)
            self._say(200, {"app": {"id": name, "state": state, "finalStatus": final, "diagnostics": diagnostics}})

        def do_PUT(self) -> None:
            assert json.loads(self.rfile.read(int(self.headers["Content-Length"]))) == {"state": "KILLED"}
            cluster.kill(self.path.split("/")[-2])
            self._say(202, {"state": "ACCEPTED"})

        def _say(self, code: int, document: object) -> None:
            data = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def install(place: Path, *programs: str) -> Path:
    """Write the programs to a folder and return it."""
    place.mkdir(parents=True, exist_ok=True)
    for program in programs:
        path = place / program
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {program} "$@"\n')
        path.chmod(0o755)
    return place


if __name__ == "__main__":
    state = Path(os.environ["FAKE_CLUSTER"])
    state.mkdir(parents=True, exist_ok=True)
    with (state / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps([sys.argv[1], *sys.argv[2:]]) + "\n")
    sys.exit({"spark-submit": spark_submit, "yarn": yarn}[sys.argv[1]](Cluster(state), sys.argv[2:]))
