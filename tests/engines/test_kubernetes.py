"""Spark's own spark-submit speaks to a Kubernetes API: a small server that keeps pods, and starts none of them."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.engines import RunHandle, SparkJob, SparkSubmitEngine, Status

pytestmark = pytest.mark.spark

Document = dict[str, Any]


@dataclass
class ApiServer:
    """The pods of all namespaces by ``<namespace>/<name>``; what else is created is only counted.

    ``tokens`` are the methods that were called, each with the authorization that came along.
    """

    url: str = ""
    pods: dict[str, Document] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    tokens: set[tuple[str, str | None]] = field(default_factory=set)

    def becomes(self, phase: str, state: Document) -> None:
        (pod,) = self.pods.values()
        container = {"name": "spark-kubernetes-driver", "image": "lake", "imageID": "", "ready": False}
        pod["status"] = {"phase": phase, "containerStatuses": [{**container, "restartCount": 0, "state": state}]}


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: ApiServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api
        api.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        document = self._body()
        if not self.path.partition("?")[0].endswith("/pods"):
            self.server.api.others.append(document["kind"])
            self._say(201, document)
            return
        metadata = document["metadata"]
        metadata["namespace"] = self.path.partition("?")[0].split("/")[-2]
        key = f"{metadata['namespace']}/{metadata['name']}"
        if key in self.server.api.pods:
            self._refuse(409, "AlreadyExists", f'pods "{metadata["name"]}" already exists')
            return
        metadata.update(uid="1", creationTimestamp="2026-01-01T00:00:00Z")
        self.server.api.pods[key] = {**document, "status": {"phase": "Pending"}}
        self._say(201, self.server.api.pods[key])

    def do_PATCH(self) -> None:
        document = self._body()
        self.server.api.others.append(document["kind"])
        self._say(200, document)

    def do_GET(self) -> None:
        pod = self.server.api.pods.get(self._key())
        if pod is None:
            self._refuse(404, "NotFound", "not found")
        else:
            self._say(200, pod)

    def do_DELETE(self) -> None:
        self._body()
        self.server.api.pods.pop(self._key(), None)
        self._say(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def _key(self) -> str:
        parts = self.path.partition("?")[0].split("/")
        return f"{parts[-3]}/{parts[-1]}"

    def _body(self) -> Document:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        document: Document = json.loads(data) if data else {}
        return document

    def _refuse(self, code: int, reason: str, message: str) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
        self._say(code, {**status, "message": message})

    def _say(self, code: int, document: Document) -> None:
        self.server.api.tokens.add((self.command, self.headers.get("Authorization")))
        data = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def api() -> Iterator[ApiServer]:
    found = ApiServer()
    with _Server(found) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


@pytest.fixture
def engine(api: ApiServer, tmp_path: Path, spark_python: str, monkeypatch: pytest.MonkeyPatch) -> SparkSubmitEngine:
    monkeypatch.setenv("LAKE_SPARK_PYTHON", spark_python)
    (tmp_path / "token").write_text("let-me-in")
    token = {"spark.kubernetes.authenticate.submission.oauthTokenFile": str(tmp_path / "token")}
    return SparkSubmitEngine(
        master=f"k8s://{api.url}",
        deploy_mode="cluster",
        namespace="etl",
        python="/opt/python/bin/python3",
        packages=[],
        spark_conf={"spark.kubernetes.container.image": "lake:1", **token},
        env={"REGION": "eu"},
        poll_interval=0,
        cache=tmp_path / "cache",
    )


@pytest.fixture
def job(engine: SparkSubmitEngine, spark_job: SparkJob) -> SparkJob:
    return replace(spark_job, request=replace(spark_job.request, spark_conf=dict(engine.spark_conf)))


def test_a_pod_is_submitted_watched_and_deleted(
    engine: SparkSubmitEngine, api: ApiServer, job: SparkJob, tmp_path: Path
) -> None:
    handle: RunHandle = engine.submit(job)
    name = f"lake-{job.request_id}-driver"
    assert handle.run_id == f"etl:{name}"
    assert list(api.pods) == [f"etl/{name}"]
    (container,) = api.pods[f"etl/{name}"]["spec"]["containers"]
    assert container["image"] == "lake:1"
    assert container["args"][-2:] == ["--request-uri", job.request_uri]
    assert container["args"][-3].startswith(f"local://{tmp_path}/jobs/~library/lake-job-")
    given = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert {"REGION": "eu", "TZ": "UTC"}.items() <= given.items()
    assert "ConfigMap" in api.others

    assert engine.state(handle).status is Status.SUBMITTED
    api.becomes("Running", {"running": {"startedAt": "2026-01-01T00:00:01Z"}})
    assert engine.state(handle).status is Status.RUNNING
    engine.cancel(handle)
    assert api.pods == {}
    assert engine.state(handle).status is Status.CANCELLED
    assert {method for method, _ in api.tokens} >= {"POST", "GET", "DELETE"}
    assert {token for _, token in api.tokens} == {"Bearer let-me-in"}


def test_a_pod_that_failed_says_its_exit_code(engine: SparkSubmitEngine, api: ApiServer, job: SparkJob) -> None:
    handle = engine.submit(job)
    assert engine.submit(job).run_id == handle.run_id
    assert len(api.pods) == 1
    times = {"startedAt": "2026-01-01T00:00:01Z", "finishedAt": "2026-01-01T00:01:00Z"}
    api.becomes("Failed", {"terminated": {"exitCode": 137, "reason": "OOMKilled", **times}})
    state = engine.state(handle)
    assert (state.status, state.detail) == (Status.FAILED, "the driver's pod failed: OOMKilled (exit code 137)")
    api.pods.clear()
    assert engine.state(handle) == state, "an end stays the end, though the pod is tidied away"
