"""Deferred tasks in a real Airflow with its triggerer; a script stands in for Spark, waiting for its gate to open."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from airflow_environments import OWN_VERSION, airflow_environment
from stack import MetadataServer, Stack, airflow_stack, wait_until

pytestmark = pytest.mark.airflow

VERSION = os.environ.get("LAKE_TEST_AIRFLOW", OWN_VERSION)

# In place of spark-submit, with the driver in this process: client mode.
DRIVER = """\
#!{python}
import os, sys, time
sys.path.insert(0, sys.argv[sys.argv.index("--py-files") + 1])
from airflow_lake_provider.protocol import JobReport, JobRequest, TableReport, from_json, open_store, to_json

uri = sys.argv[sys.argv.index("--request-uri") + 1]
store = open_store(uri)
request = from_json(JobRequest, store.read(uri), source=uri)
print("lake: the driver waits", flush=True)
while not os.path.exists("{gates}/" + request.task.run_id):
    time.sleep(0.1)
report = JobReport(
    request_id=request.request_id,
    status="succeeded",
    started_at="",
    finished_at="",
    tables=(TableReport(request.tables[0].table, "published", snapshot_id=7),),
)
store.write(request.report_uri, to_json(report).encode())
"""
LAKE_YAML = """\
environments:
  local:
    engines:
      default: {{type: spark_submit, master: "local[1]", spark_binary: {binary}, jars: [], deferrable: true}}
"""
DAG_FILE = """\
from datetime import timedelta

from airflow_lake_provider.compat import DAG
from airflow_lake_provider import LakeTransformOperator

with DAG("waits", schedule=None, catchup=False, max_active_runs=16):
    LakeTransformOperator(task_id="t", table="gold.t", sql="SELECT 1 AS n", poll_interval=0.5)

with DAG("mapped", schedule=None, catchup=False):
    mapped = LakeTransformOperator.partial(task_id="t", sql="SELECT 1 AS n", poll_interval=0.5)
    mapped.expand(table=["gold.a", "gold.b"])

with DAG("timed", schedule=None, catchup=False, max_active_runs=16):
    LakeTransformOperator(
        task_id="t", table="gold.timed", sql="SELECT 1 AS n", execution_timeout=timedelta(seconds=40), poll_interval=0.5
    )

with DAG("run_timed", schedule=None, catchup=False, dagrun_timeout=timedelta(seconds=40)):
    LakeTransformOperator(task_id="t", table="gold.run_timed", sql="SELECT 1 AS n", poll_interval=0.5)
"""


@dataclass(frozen=True)
class Deferred:
    """A run of a DAG whose task waits in the triggerer, and the driver of its job."""

    stack: Stack
    dag_id: str
    run_id: str

    @property
    def folders(self) -> list[Path]:
        return sorted(path.parent for path in (self.stack.dags / ".lake" / "jobs" / self.dag_id).rglob("request.json"))

    @property
    def own(self) -> list[Path]:
        return [folder for folder in self.folders if self.run_id in (folder / "request.json").read_text()]

    def is_running(self, folder: Path) -> bool:
        pids = [folder / "driver.pid", folder / "process.json"]
        if not all(path.exists() for path in pids):
            return False
        group = int(pids[0].read_text()), int(json.loads(pids[1].read_text())["extras"]["pid"])
        return any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in group)

    def until_waiting(self, submissions: int = 1, map_index: int = -1) -> None:
        """Wait until a triggerer looks at the run: before, nobody hears of what becomes of the task."""
        self.stack.api.wait_for_task(self.dag_id, self.run_id, "t", "deferred", map_index=map_index, seconds=90)
        wait_until(lambda: len(self.own) >= submissions and self.is_running(self.own[-1]), seconds=30, what="a driver")
        self.until_trigger_says("Waiting, with a look", map_index)

    def until_trigger_says(self, word: str, map_index: int = -1) -> None:
        wait_until(lambda: any(word in text for text in self.trigger_logs(map_index)), seconds=60, what=f"{word!r}")

    def trigger_logs(self, map_index: int = -1) -> list[str]:
        folder = self.stack.task_log_folder(self.dag_id, self.run_id, "t", map_index)
        return [path.read_text(errors="replace") for path in folder.glob("*.trigger.*")]

    def until_cancelled(self, folder: Path) -> None:
        wait_until(lambda: not self.is_running(folder), seconds=60, what=f"the end of the driver of {folder}")
        assert (folder / "cancelled").exists()

    def open_gate(self) -> None:
        (self.stack.home / "gates" / self.run_id).touch()


@pytest.fixture(scope="module")
def stack(metadata_server: MetadataServer) -> Iterator[Stack]:
    with airflow_stack(metadata_server, environment=airflow_environment(VERSION)) as stack:
        (stack.home / "gates").mkdir()
        binary = stack.home / "spark-submit"
        binary.write_text(DRIVER.format(python=sys.executable, gates=stack.home / "gates"))
        binary.chmod(0o755)
        (stack.dags / "lake.yaml").write_text(LAKE_YAML.format(binary=binary))
        (stack.dags / "waits.py").write_text(DAG_FILE)
        stack.api.wait_for_dags("waits", "mapped", "timed", "run_timed")
        stack.api.unpause("waits", "mapped", "timed", "run_timed")
        yield stack


@pytest.fixture
def deferred(stack: Stack, request: pytest.FixtureRequest) -> Callable[..., Deferred]:
    """Return what starts a run and waits until its task does."""
    count = iter(range(100))

    def start(dag_id: str = "waits", *, waits: bool = True) -> Deferred:
        run_id = f"{re.sub(r'[^a-z_]', '_', request.node.name)}_{next(count)}"
        moment = datetime(2026, 1, 1, tzinfo=UTC).replace(microsecond=abs(hash(run_id)) % 1_000_000)
        stack.api.trigger(dag_id, run_id=run_id, logical_date=moment)
        run = Deferred(stack, dag_id, run_id)
        if waits:
            run.until_waiting()
        return run

    return start


def test_task_ends_when_its_job_does(stack: Stack, deferred: Callable[..., Deferred]) -> None:
    run = deferred()
    run.open_gate()
    assert stack.api.wait_for_run("waits", run.run_id).state == "success"
    result = stack.api.result("waits", run.run_id, "t")
    # Airflow 2's API gives the text of a mapping.
    assert (ast.literal_eval(result) if isinstance(result, str) else result)["snapshot_id"] == 7
    (folder,) = run.own
    assert (folder / "delivered").exists()
    log = stack.task_log("waits", run.run_id, "t")
    assert "The triggerer waits for the run from here on" in log
    assert "the driver waits" in log, "what the driver said since is in the log of the worker that goes on"
    assert str(folder / "driver.log") in log


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_triggerer_that_comes_back_goes_on(stack: Stack, deferred: Callable[..., Deferred], how: str) -> None:
    run = deferred()
    if how == "stop":
        stack.stop("triggerer")
    else:
        stack.kill("triggerer", whole=True)
    assert run.is_running(run.own[0])
    stack.start("triggerer")
    run.open_gate()
    assert stack.api.wait_for_run("waits", run.run_id).state == "success"
    assert [(folder / "cancelled").exists() for folder in run.own] == [False]


@pytest.mark.parametrize("state", ["failed", "success"])
def test_marking_the_task_cancels(stack: Stack, deferred: Callable[..., Deferred], state: str) -> None:
    run = deferred()
    stack.api.set_task_state("waits", run.run_id, "t", state)
    run.until_cancelled(run.own[0])
    assert stack.api.task("waits", run.run_id, "t").state == state


def test_marking_the_run_as_failed_cancels(stack: Stack, deferred: Callable[..., Deferred]) -> None:
    run = deferred()
    stack.api.set_run_state("waits", run.run_id, "failed")
    run.until_cancelled(run.own[0])


def test_clear_cancels_and_runs_anew(stack: Stack, deferred: Callable[..., Deferred]) -> None:
    run = deferred()
    stack.api.clear_tasks("waits", run.run_id)
    run.until_cancelled(run.own[0])
    run.until_waiting(submissions=2)
    run.open_gate()
    assert stack.api.wait_for_run("waits", run.run_id).state == "success"
    assert [folder.name for folder in run.own] == ["g1-s1", "g2-s1"]
    assert not (run.own[1] / "cancelled").exists()


def test_execution_timeout_holds(stack: Stack, deferred: Callable[..., Deferred]) -> None:
    run = deferred("timed")
    run.until_cancelled(run.own[0])
    assert stack.api.wait_for_run("timed", run.run_id).state == "failed"
    assert "imeout" in stack.task_log("timed", run.run_id, "t")


def test_timeout_of_the_run_cancels(stack: Stack, deferred: Callable[..., Deferred]) -> None:
    run = deferred("run_timed")
    run.until_cancelled(run.own[0])
    assert stack.api.wait_for_run("run_timed", run.run_id).state == "failed"


def test_marking_one_of_a_mapped_task_cancels_its_own_job(stack: Stack, deferred: Callable[..., Deferred]) -> None:
    run = deferred("mapped", waits=False)
    for index in (0, 1):
        run.until_waiting(map_index=index)
    first, second = run.own
    stack.api.set_task_state("mapped", run.run_id, "t", "failed", map_index=0)
    run.until_cancelled(first)
    assert run.is_running(second)
    run.open_gate()
    stack.api.wait_for_task("mapped", run.run_id, "t", "success", map_index=1)


def test_trigger_that_was_taken_over_cancels_nothing(stack: Stack, deferred: Callable[..., Deferred]) -> None:
    """A triggerer that is silent for a while loses its triggers to another, and then Airflow cancels them in it."""
    run = deferred()
    victims = [stack.process("triggerer"), *stack.process("triggerer").children(recursive=True)]
    for victim in victims:
        victim.suspend()
    stack.start("triggerer:2")
    try:
        wait_until(lambda: len(run.trigger_logs()) > 1, seconds=60, what="the second triggerer's first look")
    finally:
        for victim in victims:
            victim.resume()
    wait_until(
        lambda: any("The task still waits" in text for text in run.trigger_logs()),
        seconds=60,
        what="the first one's end",
    )
    assert run.is_running(run.own[0])
    run.open_gate()
    assert stack.api.wait_for_run("waits", run.run_id).state == "success"
    stack.stop("triggerer:2")
