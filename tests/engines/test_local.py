from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from contract import EngineContract, until_ended, until_running
from scripted import ENDLESS, FAIL, REPORT, STUBBORN, ScriptedEngine

from airflow_lake_provider.engines import Engine, LocalEngine, RunHandle, SparkJob, Status, driver_process
from airflow_lake_provider.engines.process import started_at, this_host
from airflow_lake_provider.exceptions import EngineError, EngineNotInstalled
from airflow_lake_provider.protocol import IngestStep, TableRequest, from_json

SCRIPTED = Path(__file__).with_name("scripted.py")


def folder_of(handle: RunHandle) -> Path:
    return Path(handle.extras["folder"])


def eventually_gone(*pids: int, seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while any(started_at(pid) is not None for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def pid_in(path: Path) -> int:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"no {path}"
        time.sleep(0.02)
    return int(path.read_text())


class TestLocalEngineKeepsTheContract(EngineContract):
    @pytest.fixture(autouse=True)
    def cache(self, tmp_path: Path) -> None:
        self.place = tmp_path / "cache"

    def good(self) -> Engine:
        return ScriptedEngine(REPORT, cache=self.place)

    def bad(self) -> Engine:
        return ScriptedEngine(FAIL, cache=self.place)

    def endless(self) -> Engine:
        return ScriptedEngine(ENDLESS, cache=self.place)

    def forget(self, handle: RunHandle) -> RunHandle:
        elsewhere = str(self.place / "elsewhere")
        return replace(handle, request_id="0" * 32, extras={**handle.extras, "pid": "1", "folder": elsewhere})


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_failure_without_a_report_says_the_driver_s_reason(spark_job: SparkJob, cache: Path) -> None:
    engine = ScriptedEngine(FAIL, cache=cache)
    state = until_ended(engine, engine.submit(spark_job))
    assert state.detail == "the driver ended with exit code 1: ValueError: the request is odd (at <string>:4 in load)"


def test_spark_fetches_the_jar_for_avro_only_for_a_job_that_reads_it(spark_job: SparkJob, cache: Path) -> None:
    tell = "import json, os; json.dump(os.environ.get('PYSPARK_SUBMIT_ARGS'), open('told.json', 'w'))"
    engine = ScriptedEngine(tell, cache=cache)
    step = IngestStep(files=("/in/*.avro",), format="avro")
    request = replace(spark_job.request, request_id="a" * 32, tables=(TableRequest(table="bronze.t", steps=(step,)),))
    told = []
    for number, job in enumerate((spark_job, replace(spark_job, request=request))):
        job = replace(job, request_uri=job.request_uri.replace("request.json", f"{number}/request.json"))
        handle = engine.submit(job)
        until_ended(engine, handle)
        told.append(json.loads((folder_of(handle) / "told.json").read_text()))
    assert told[0] is None
    assert "spark.jars.packages=org.apache.spark:spark-avro_2.12:3.5.7" in told[1]


def test_driver_that_cannot_be_started_says_so(spark_job: SparkJob, cache: Path) -> None:
    class NoDriver(ScriptedEngine):
        def _command(self, job: SparkJob, plane: object) -> list[str]:
            return ["/nowhere/python"]

    engine = NoDriver("", cache=cache)
    state = until_ended(engine, engine.submit(spark_job))
    assert state.status is Status.FAILED
    assert state.detail == "the driver could not be started: /nowhere/python: No such file or directory"


def test_killed_driver_is_named_by_its_signal(spark_job: SparkJob, cache: Path) -> None:
    engine = ScriptedEngine(ENDLESS, cache=cache)
    handle = engine.submit(spark_job)
    pid_in(folder_of(handle) / "child.pid")
    os.kill(pid_in(folder_of(handle) / "driver.pid"), signal.SIGKILL)
    state = until_ended(engine, handle)
    assert state.status is Status.FAILED
    assert state.detail == "the driver was killed by SIGKILL (does the machine have enough memory for driver_memory?)"


@pytest.mark.parametrize("script", [pytest.param(ENDLESS, id="obedient"), pytest.param(STUBBORN, id="stubborn")])
def test_cancel_ends_the_whole_group(
    spark_job: SparkJob, cache: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_process, "GRACE_SECONDS", 1.0)
    engine = ScriptedEngine(script, cache=cache)
    handle = engine.submit(spark_job)
    child = pid_in(folder_of(handle) / "child.pid")
    driver = pid_in(folder_of(handle) / "driver.pid")
    engine.cancel(handle)
    assert eventually_gone(driver, child, int(handle.extras["pid"]))
    assert engine.state(handle).status is Status.CANCELLED


def test_another_process_sees_and_cancels_the_run(spark_job: SparkJob, cache: Path) -> None:
    mine, other = ScriptedEngine(ENDLESS, cache=cache), ScriptedEngine(ENDLESS, cache=cache)
    handle = mine.submit(spark_job)
    until_running(other, handle)
    # Only a parent can end a zombie; here it is this very process, so it has to look.
    reaper = threading.Thread(target=until_ended, args=(mine, handle))
    reaper.start()
    other.cancel(handle)
    reaper.join()
    assert other.state(handle).status is Status.CANCELLED
    assert mine.state(handle).status is Status.CANCELLED


def test_another_process_sees_the_end(spark_job: SparkJob, cache: Path) -> None:
    engine = ScriptedEngine(REPORT, cache=cache)
    handle = engine.submit(spark_job)
    until_ended(engine, handle)
    assert ScriptedEngine(REPORT, cache=cache).state(handle).status is Status.SUCCEEDED


@contextlib.contextmanager
def worker(place: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], RunHandle]]:
    process = subprocess.Popen(
        [sys.executable, str(SCRIPTED), str(place), *arguments],
        env={**os.environ, "PYTHONPATH": str(SCRIPTED.parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, from_json(RunHandle, process.stdout.readline(), source="worker")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_driver_dies_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    with worker(tmp_path) as (process, handle):
        child, driver = pid_in(folder_of(handle) / "child.pid"), pid_in(folder_of(handle) / "driver.pid")
        assert started_at(driver) is not None
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert eventually_gone(driver, child)
    state = until_ended(ScriptedEngine(ENDLESS, cache=tmp_path), handle)
    assert state.status is Status.LOST
    assert state.detail == "the driver was stopped: the process that started it has ended"


def test_driver_dies_with_its_worker_though_a_fork_of_it_lives_on(tmp_path: Path) -> None:
    with worker(tmp_path, "fork") as (process, handle):
        child, driver = pid_in(folder_of(handle) / "child.pid"), pid_in(folder_of(handle) / "driver.pid")
        process.send_signal(signal.SIGKILL)
        process.wait()
        fork = pid_in(tmp_path / "fork.pid")
        try:
            assert eventually_gone(driver, child)
            assert started_at(fork) is not None
        finally:
            os.kill(fork, signal.SIGKILL)


def test_driver_goes_when_its_supervisor_is_killed(spark_job: SparkJob, cache: Path) -> None:
    engine = ScriptedEngine(ENDLESS, cache=cache)
    handle = engine.submit(spark_job)
    child, driver = pid_in(folder_of(handle) / "child.pid"), pid_in(folder_of(handle) / "driver.pid")
    os.kill(int(handle.extras["pid"]), signal.SIGKILL)
    assert until_ended(engine, handle).status is Status.LOST
    assert eventually_gone(driver, child)


def test_two_that_submit_at_once_get_one_run(spark_job: SparkJob, cache: Path) -> None:
    engines = [ScriptedEngine(ENDLESS, cache=cache) for _ in range(4)]
    handles: list[RunHandle] = []
    threads = [threading.Thread(target=lambda e=engine: handles.append(e.submit(spark_job))) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({handle.run_id for handle in handles}) == 1
    for engine in engines:
        engine.cancel(handles[0])


def test_process_id_that_came_again_is_not_the_run(spark_job: SparkJob, cache: Path, tmp_path: Path) -> None:
    extras = {"host": this_host(), "pid": str(os.getpid()), "started": "1", "folder": str(tmp_path)}
    handle = RunHandle("local", "1", "0" * 32, "2026-01-01", extras=extras)
    assert ScriptedEngine(ENDLESS, cache=cache).state(handle).status is Status.LOST


def test_driver_s_environment_is_clean(spark_job: SparkJob, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "secret")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "secret")
    monkeypatch.setenv("_AIRFLOW_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("SPARK_HOME", "/opt/another-spark")
    monkeypatch.setenv("AWS_PROFILE", "lake")
    monkeypatch.setenv("PYTHONHASHSEED", "5")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    engine = ScriptedEngine("import json, os; json.dump(dict(os.environ), open('env.json', 'w'))", cache=cache)
    handle = engine.submit(spark_job)
    until_ended(engine, handle)
    seen = json.loads((folder_of(handle) / "env.json").read_text())
    assert "secret" not in seen.values()
    assert not [name for name in seen if name.lstrip("_").startswith("AIRFLOW")]
    assert "SPARK_HOME" not in seen
    assert seen["PYTHONPATH"].endswith(".zip")
    assert (seen["AWS_PROFILE"], seen["PYTHONHASHSEED"], seen["TZ"]) == ("lake", "5", "UTC")
    assert not Path(seen["SPARK_LOCAL_DIRS"]).exists(), "the temporary folder goes with the driver"


def test_spark_spills_where_its_own_property_says(spark_job: SparkJob, cache: Path) -> None:
    engine = ScriptedEngine("import os; open('seen', 'w').write(os.environ['SPARK_LOCAL_DIRS'])", cache=cache)
    request = replace(spark_job.request, spark_conf={"spark.local.dir": "/scratch,/more"})
    handle = engine.submit(replace(spark_job, request=request))
    until_ended(engine, handle)
    assert (folder_of(handle) / "seen").read_text() == "/scratch,/more"


def test_whole_output_is_kept_and_the_job_s_own_lines_are_logged(
    spark_job: SparkJob, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine = ScriptedEngine(REPORT, cache=cache)
    handle = engine.submit(spark_job)
    until_ended(engine, handle)
    assert [record.getMessage() for record in caplog.records] == ["hello from the driver"]
    assert (folder_of(handle) / "driver.log").read_text() == "lake: hello from the driver\n"
    assert str(folder_of(handle) / "driver.log") in engine.describe(handle)


def test_options_of_another_platform_are_named_and_ignored(
    spark_job: SparkJob, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine = ScriptedEngine(REPORT, cache=cache)
    handle = engine.submit(replace(spark_job, options={"queue": "etl", "num-executors": 4}))
    assert until_ended(engine, handle).status is Status.SUCCEEDED
    assert caplog.messages == [
        "engine_options (queue, num-executors): the local engine has no use for any",
        "hello from the driver",
    ]


def test_run_that_is_only_looked_at_is_not_logged(
    spark_job: SparkJob, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = ScriptedEngine(REPORT, cache=cache)
    handle = engine.submit(spark_job)
    until_ended(engine, handle)
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    assert ScriptedEngine(REPORT, cache=cache).state(handle).status is Status.SUCCEEDED
    assert caplog.records == []


def test_job_folder_in_s3_leaves_the_local_files_in_the_cache(spark_job: SparkJob, cache: Path) -> None:
    engine = ScriptedEngine("", cache=cache)
    handle = engine.submit(replace(spark_job, request_uri="s3://lake/jobs/request.json"))
    until_ended(engine, handle)
    assert folder_of(handle) == cache / "runs" / spark_job.request_id


def test_missing_python_names_the_command_that_builds_one(spark_job: SparkJob, tmp_path: Path) -> None:
    with pytest.raises(EngineNotInstalled, match="lake spark install"):
        LocalEngine(python=str(tmp_path / "no" / "python"), cache=tmp_path).submit(spark_job)


def test_python_without_spark_names_the_command_that_builds_one(spark_job: SparkJob, tmp_path: Path) -> None:
    with pytest.raises(EngineNotInstalled, match="no pyspark with Spark's own jars"):
        LocalEngine(python=sys.executable, cache=tmp_path).submit(spark_job)


def test_folder_that_cannot_be_written_is_an_engine_error(spark_job: SparkJob, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = replace(spark_job, request_uri=str(tmp_path / "file" / "request.json"))
    with pytest.raises(EngineError, match="cannot be started from"):
        ScriptedEngine(REPORT, cache=tmp_path).submit(blocked)
