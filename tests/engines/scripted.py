"""The local engine with another driver: a script in place of Spark. Also a worker of its own, to be killed.

As a program: ``scripted.py JOBS_FOLDER [fork | detached | early]`` submits an endless job, prints its handle as JSON
and sleeps. With ``detached`` the job is; with ``early`` too, and the worker dies before it has written down the run.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from airflow_lake_provider.engines import LocalEngine, SparkJob, driver_process
from airflow_lake_provider.engines.data_plane import DataPlane
from airflow_lake_provider.protocol import Catalog, JobRequest, TaskIdentity, to_json

REPORT = """
import json, sys
from airflow_lake_provider.protocol import JobReport, JobRequest, from_json, open_store, to_json
store = open_store(sys.argv[1])
request = from_json(JobRequest, store.read(sys.argv[1]), source="request")
print("lake: hello from the driver", flush=True)
report = JobReport(request_id=request.request_id, status="succeeded", started_at="", finished_at="")
store.write(request.report_uri, to_json(report).encode())
"""
FAIL = """
import sys
def load():
    raise ValueError("the request is odd")
load()
"""
# Like a driver and its JVM: a child in the same group, both of which take no notice of a hang-up.
ENDLESS = """
import os, signal, subprocess, sys, time
with open("begun", "a") as file:
    file.write("x")
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open("child.pid.part", "w") as file:
    file.write(str(child.pid))
os.replace("child.pid.part", "child.pid")
time.sleep(600)
"""
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ENDLESS


class ScriptedEngine(LocalEngine):
    def __init__(self, script: str, *, cache: Path) -> None:
        super().__init__(cache=cache)
        self.script = script

    def _data_plane(self) -> DataPlane:
        python = Path(sys.executable)
        return DataPlane(
            python=python,
            python_version=sys.version_info[:3],
            spark_version="3.5.9",
            spark_home=python.parent,
            jars=("iceberg-spark-runtime-3.5_2.12-1.10.2.jar", "sqlite-jdbc-3.50.3.0.jar"),
            java_home=python.parent,
            has_soda=True,
        )

    def _command(self, job: SparkJob, plane: DataPlane) -> list[str]:
        return [str(plane.python), "-c", self.script, job.request_uri]


def endless_job(folder: Path) -> SparkJob:
    task = TaskIdentity(dag_id="d", run_id="r", task_id="t")
    request = JobRequest(
        request_id=task.request_id,
        task=task,
        pipeline="d",
        tables=(),
        catalog=Catalog(name="lake", type="sqlite", warehouse="file:///nowhere"),
        report_uri=str(folder / "report.json"),
    )
    return SparkJob(request=request, request_uri=str(folder / "request.json"))


if __name__ == "__main__":
    place = Path(sys.argv[1])
    engine = ScriptedEngine(ENDLESS, cache=place / "cache")
    job = replace(endless_job(place / "job"), detached=sys.argv[2:] in (["detached"], ["early"]))
    if sys.argv[2:] == ["early"]:
        driver_process._write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    handle = engine.submit(job)
    if sys.argv[2:] == ["fork"] and os.fork() == 0:
        # A fork of the worker, which holds a copy of the lifeline and outlives it.
        (place / "fork.pid").write_text(str(os.getpid()))
        time.sleep(30)
        os._exit(0)
    while not (place / "job" / "child.pid").exists():
        time.sleep(0.02)
    print(to_json(handle).replace("\n", ""), flush=True)
    time.sleep(600)
