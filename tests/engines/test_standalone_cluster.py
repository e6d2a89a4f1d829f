"""``spark_submit`` on a real cluster: Spark's own master and worker, with drivers and executors in processes apart."""

from __future__ import annotations

import csv
import importlib.util
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml
from contract import until_ended
from raw_flights import EXPECTED, assert_published, raw_files
from standalone import StandaloneCluster, standalone_cluster

from airflow_lake_provider.cli.catalog import pyiceberg_properties
from airflow_lake_provider.engines import Engine, RunHandle, Status, get_engine
from airflow_lake_provider.engines.data_plane import DataPlane, find_data_plane
from airflow_lake_provider.exceptions import JobFailed
from airflow_lake_provider.plan import plan_pipeline
from airflow_lake_provider.protocol import (
    Catalog,
    DataInterval,
    Provenance,
    PublishStep,
    TableRequest,
    TaskIdentity,
    TransformStep,
    WriteStep,
)
from airflow_lake_provider.runs import Delivery, TaskJob, run_job
from airflow_lake_provider.runs.pipeline import run_pipeline
from airflow_lake_provider.spec import EngineConfig, Environment

pytestmark = [pytest.mark.spark, pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")]

REPO = Path(__file__).parents[2]
# Of the flights of one day every eighth, and those that never left: they are set aside.
FLIGHTS, EACH = 842, 8
PROJECT = {
    "flights.yaml": """\
pipeline: flights
tables:
  bronze.flights:
    ingest: {files: flights.csv, options: {header: true, nullValue: NA}}
  silver.flights:
    sql: |
      SELECT carrier, CAST(flight AS int), origin, CAST(time_hour AS timestamp), CAST(dep_time AS int)
      FROM bronze.flights
    columns: {carrier: string, flight: int, origin: string, time_hour: timestamp, dep_time: int not null}
    unique_key: [carrier, flight, origin, time_hour]
  gold.minutes: {python: "transforms/minutes.py:minutes"}
""",
    "transforms/minutes.py": """\
from pyspark.sql import functions as F

from transforms.clock import after_midnight


def minutes(silver__flights):
    rows = silver__flights.repartition(2)
    return rows.select("carrier", "flight", F.udf(after_midnight, "int")("dep_time").alias("minutes"))
""",
    "transforms/clock.py": "def after_midnight(clock):\n    return clock // 100 * 60 + clock % 100\n",
}
TABLES = ("bronze.flights", "silver.flights", "silver.flights__quarantine", "gold.minutes")
METADATA = ("_ingested_at", "_run_id", "_source_file", "_quarantined_at", "_raw")
TABLE = "silver.numbers"
ROWS = sorted(((n, 2 * n) for n in range(12)), key=repr)
# Each row sleeps on its executor: long enough to be disturbed, whatever the machine.
SLOW = "SELECT id, id * 2 AS twice FROM range(0, 12, 1, 12) WHERE reflect('java.lang.Thread', 'sleep', {}L) IS NOT NULL"
DEADLINE_SECONDS = 120

log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def plane(spark_python: str) -> DataPlane:
    return find_data_plane(spark_python)


@pytest.fixture(scope="module")
def cluster(plane: DataPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneCluster]:
    with standalone_cluster(plane, tmp_path_factory.mktemp("cluster")) as started:
        yield started


# A short life needs no second compiler.
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@pytest.fixture
def options(cluster: StandaloneCluster, plane: DataPlane) -> dict[str, Any]:
    return {
        "master": cluster.url,
        "python": str(plane.python),
        "env": {"SPARK_LOCAL_IP": "127.0.0.1"},
        "spark_conf": {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.executor.memory": "900m",
            "spark.driver.extraJavaOptions": JAVA,
            "spark.executor.extraJavaOptions": JAVA,
            "spark.sql.shuffle.partitions": "2",
        },
    }


def eventually(true: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := true()):
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.1)
    return found


def rows_of(environment: Environment, table: str, *columns: str) -> list[tuple[Any, ...]]:
    from pyiceberg.catalog import load_catalog

    catalog = load_catalog(environment.catalog.name, **pyiceberg_properties(environment.catalog))
    found = catalog.load_table(table).scan().to_arrow()
    names = columns or [name for name in sorted(found.column_names) if name not in METADATA]
    return sorted(zip(*(found[name].to_pylist() for name in names), strict=True), key=repr)


def demo_landing() -> Any:
    """Return the module that lands the demo's files."""
    spec = importlib.util.spec_from_file_location("landing", REPO / "demo" / "landing.py")
    assert spec is not None
    assert spec.loader is not None
    landing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(landing)
    return landing


def project_in(folder: Path, engine: dict[str, Any]) -> Path:
    """Write the project with a sample of the demo's flights; return its spec."""
    landing = demo_landing()
    flights = enumerate(islice(landing.read_flights(), FLIGHTS))
    rows = [row for number, row in flights if number % EACH == 0 or row["dep_time"] == landing.NULL]
    (folder / "transforms").mkdir(parents=True)
    with (folder / "flights.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for name, text in PROJECT.items():
        (folder / name).write_text(text)
    lake = {"environments": {"local": {"engines": {"default": engine}}}}
    (folder / "lake.yaml").write_text(yaml.safe_dump(lake))
    return folder / "flights.yaml"


def test_the_flights_spec_runs_on_a_cluster_unchanged(
    tmp_path: Path, cluster: StandaloneCluster, options: dict[str, Any]
) -> None:
    """The demo's own spec, one day of it; each table against the raw files."""
    from pyiceberg.catalog import load_catalog

    day, next_day = demo_landing().days(2)
    demo_landing().land(tmp_path / "landing", 1)
    lake = {"environments": {"local": {"engines": {"default": {"type": "spark_submit", **options}}}}}
    (tmp_path / "lake.yaml").write_text(yaml.safe_dump(lake))
    plan = plan_pipeline(Path(shutil.copy(REPO / "dag_specs" / "flights.yaml", tmp_path)))
    interval = DataInterval(f"{day}T00:00:00+00:00", f"{next_day}T00:00:00+00:00")
    document = run_pipeline(plan, log=log, interval=interval)
    assert {table["status"] for table in document["tables"]} == {"published"}, document
    (application,) = [
        found for found in cluster.applications(completed=True) if found["name"] == "lake flights lake_run"
    ]
    assert application["state"] == "FINISHED"
    catalog = load_catalog(plan.environment.catalog.name, **pyiceberg_properties(plan.environment.catalog))
    (tmp_path / "raw").mkdir()
    raw = raw_files(tmp_path / "raw", [day])
    for table in EXPECTED:
        assert_published(table, catalog.load_table(table).scan().to_arrow(), raw)


def test_a_cluster_publishes_what_this_machine_publishes(
    tmp_path: Path,
    cluster: StandaloneCluster,
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Files, a merge, bad rows, a function whose helper runs on executors; a connection names the cluster."""
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("AIRFLOW_CONN_HEAD", cluster.url)
    confs = {
        key: options["spark_conf"][key] for key in ("spark.driver.extraJavaOptions", "spark.sql.shuffle.partitions")
    }
    engines = {
        "here": {"type": "local", "spark_conf": confs},
        "there": {"type": "spark_submit", "conn_id": "head", **{k: v for k, v in options.items() if k != "master"}},
    }
    plans = {name: plan_pipeline(project_in(tmp_path / name, engine)) for name, engine in engines.items()}
    documents = {name: run_pipeline(plan, log=log) for name, plan in plans.items()}
    here, there = documents["here"], documents["there"]
    assert there["status"] == "success", there["tables"]
    assert cluster.url in caplog.text
    assert cluster.applications(completed=True)[0]["name"].startswith("lake flights")
    counts = ("table", "status", "rows_read", "rows_applied", "rows_quarantined", "rows_written")
    assert [[table[key] for key in counts] for table in there["tables"]] == [
        [table[key] for key in counts] for table in here["tables"]
    ]
    for table in TABLES:
        rows = rows_of(plans["there"].environment, table)
        assert rows == rows_of(plans["here"].environment, table)
        assert rows
    assert ("UA", 1545, 5 * 60 + 17) in rows_of(plans["there"].environment, "gold.minutes")


@dataclass
class Job:
    """One task run over its tries, each in a thread while somebody disturbs it."""

    environment: Environment
    engine: Engine
    milliseconds: int
    task: TaskIdentity = field(default_factory=lambda: TaskIdentity("numbers", "r1", "silver__numbers"))
    try_number: int = 0
    handle: RunHandle | None = None
    result: Delivery | BaseException | None = None

    def start(self) -> threading.Thread:
        self.handle, self.result = None, None
        self.try_number += 1
        thread = threading.Thread(target=self._run, args=(self.try_number,))
        thread.start()
        return thread

    def _run(self, try_number: int) -> None:
        steps = (TransformStep(SLOW.format(self.milliseconds)), WriteStep("replace"), PublishStep())
        try:
            job = TaskJob(
                task=self.task,
                try_number=try_number,
                pipeline="numbers",
                tables=(TableRequest(table=TABLE, steps=steps),),
                environment=self.environment,
                engine=self.engine,
                interval=None,
                logical_date=None,
                spark_conf={},
                provenance=Provenance(spec_sha256="5"),
                log=log,
            )
            ended = run_job(job, poll_interval=0.2, on_start=lambda handle, _: setattr(self, "handle", handle))
            self.result = ended.delivery()
        except BaseException as exc:
            self.result = exc

    def folder(self) -> Path:
        handle: RunHandle = eventually(lambda: self.handle, "a handle")
        return Path(handle.extras["folder"])

    def until_at_work(self, cluster: StandaloneCluster) -> None:
        """Wait until an executor runs tasks of this job."""
        output = self.folder() / "driver.log"
        eventually(lambda: output.exists() and "lake: step read" in output.read_text(), "the first step")
        eventually(lambda: "lake-progress: " in output.read_text() and cluster.executors(), "a task at work")


@pytest.fixture
def job(tmp_path: Path, options: dict[str, Any]) -> Job:
    home = tmp_path / ".lake"
    environment = Environment(
        name="local",
        project_root=tmp_path,
        lake_home=home,
        base_path=str(tmp_path),
        catalog=Catalog("lake", "sqlite", f"file://{home}/warehouse", {"path": f"{home}/catalog.db"}),
        engines={"default": EngineConfig("spark_submit", options)},
        job_root=f"{home}/jobs",
    )
    return Job(environment, get_engine("spark_submit", options, log=log), milliseconds=400)


def test_a_killed_driver_is_named_and_the_retry_publishes_though_its_executor_is_killed(
    job: Job, cluster: StandaloneCluster
) -> None:
    running = job.start()
    job.until_at_work(cluster)
    driver = int((job.folder() / "driver.pid").read_text())
    os.kill(driver, signal.SIGKILL)
    running.join(DEADLINE_SECONDS)
    assert isinstance(job.result, JobFailed)
    assert job.result.retryable
    message = str(job.result)
    assert "the driver was killed by SIGKILL" in message
    assert str(job.folder() / "driver.log") in message
    assert cluster.url in message
    eventually(lambda: not cluster.applications(), "the master's own end of the application")
    eventually(lambda: not cluster.executors(), "the end of its executors")

    retry = job.start()
    job.until_at_work(cluster)
    (executor,) = cluster.executors()
    os.kill(executor, signal.SIGKILL)
    retry.join(DEADLINE_SECONDS)
    assert "Lost executor 0" in (job.folder() / "driver.log").read_text()
    submission = 2
    if isinstance(job.result, JobFailed):
        # The batch was materialised already, and its only copy went with the executor: that is for a retry to mend.
        assert job.result.retryable, job.result
        assert "Checkpoint block" in str(job.result)
        job.start().join(DEADLINE_SECONDS)
        submission = 3
    assert isinstance(job.result, Delivery), job.result
    assert job.result.folder.task.submission == submission
    assert [table.status for table in job.result.report.tables] == ["published"]
    assert rows_of(job.environment, TABLE, "id", "twice") == ROWS


def test_cancel_ends_the_application_on_the_master(job: Job, cluster: StandaloneCluster) -> None:
    job.milliseconds = 5000
    running = job.start()
    job.until_at_work(cluster)
    (application,) = cluster.applications()
    assert job.handle is not None
    job.engine.cancel(job.handle)
    running.join(DEADLINE_SECONDS)
    assert until_ended(job.engine, job.handle).status is Status.CANCELLED
    ended = eventually(
        lambda: [app for app in cluster.applications(completed=True) if app["id"] == application["id"]],
        "the end of the application",
    )
    assert ended[0]["state"] != "RUNNING"
    assert cluster.applications() == []
    eventually(lambda: not cluster.executors(), "the end of its executors")
