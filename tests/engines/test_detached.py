"""Drivers that outlive their worker, and drivers seen from another machine that shares the job folder."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from contract import until_ended, until_running
from scripted import ENDLESS, REPORT, ScriptedEngine, endless_job

from airflow_lake_provider.engines import RunHandle, SparkJob, Status, driver_process, heartbeat
from airflow_lake_provider.engines.process import started_at
from airflow_lake_provider.exceptions import EngineError
from airflow_lake_provider.protocol import from_json

SCRIPTED = Path(__file__).with_name("scripted.py")


@pytest.fixture(autouse=True)
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_process, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(driver_process, "GRACE_SECONDS", 1.0)


@pytest.fixture
def engine(tmp_path: Path) -> ScriptedEngine:
    return ScriptedEngine(ENDLESS, cache=tmp_path / "cache")


def folder_of(handle: RunHandle) -> Path:
    return Path(handle.extras["folder"])


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def pids_of(handle: RunHandle) -> tuple[int, ...]:
    """Return supervisor, driver and the driver's child."""
    names = [folder_of(handle) / name for name in ("driver.pid", "child.pid")]
    assert eventually(lambda: all(name.exists() for name in names))
    return int(handle.extras["pid"]), *(int(name.read_text()) for name in names)


def all_gone(pids: tuple[int, ...]) -> bool:
    return eventually(lambda: all(started_at(pid) is None for pid in pids))


def elsewhere(handle: RunHandle) -> RunHandle:
    """The same run as a machine sees it on which the process ids mean nothing."""
    return replace(handle, extras={**handle.extras, "host": "other pid:[1]", "pid": str(os.getpid())})


@contextlib.contextmanager
def worker(place: Path, mode: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, str(SCRIPTED), str(place), mode], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def start_in_worker(place: Path) -> RunHandle:
    """Let a worker start a detached job and be killed."""
    with worker(place, "detached") as process:
        assert process.stdout is not None
        return from_json(RunHandle, process.stdout.readline().encode(), source="worker")


# --- without the worker


def test_detached_driver_outlives_its_worker_and_is_cancelled_by_another(
    tmp_path: Path, engine: ScriptedEngine
) -> None:
    handle = start_in_worker(tmp_path)
    pids = pids_of(handle)
    temporary = Path((folder_of(handle) / "temporary").read_text())
    time.sleep(1.5)  # longer than the supervisor of an attached driver needs to see that its worker has gone
    assert engine.state(handle).status is Status.RUNNING
    engine.cancel(handle)
    assert engine.state(handle).status is Status.CANCELLED
    assert all_gone(pids)
    assert not temporary.exists()


def test_retry_finds_the_run_of_a_worker_that_was_killed(tmp_path: Path, engine: ScriptedEngine) -> None:
    handle = start_in_worker(tmp_path)
    again = engine.submit(replace(endless_job(tmp_path / "job"), detached=True))
    assert again == handle
    engine.cancel(again)
    assert (folder_of(handle) / "begun").read_text() == "x"


def test_worker_that_dies_before_it_has_written_down_the_run_leaves_none(
    tmp_path: Path, engine: ScriptedEngine
) -> None:
    with worker(tmp_path, "early") as process:
        assert process.wait(30) == -signal.SIGKILL
    folder = tmp_path / "job"
    assert eventually((folder / "exit.json").exists)
    assert "before the driver began" in json.loads((folder / "exit.json").read_text())["reason"]
    handle = engine.submit(replace(endless_job(folder), detached=True))
    pids = pids_of(handle)
    assert (folder / "begun").read_text() == "x", "the first driver never ran"
    engine.cancel(handle)
    assert all_gone(pids)


@pytest.mark.parametrize("detached", [True, False])
def test_run_that_cannot_be_written_down_ends(
    spark_job: SparkJob, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, detached: bool
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(driver_process, "_write", full)
    with pytest.raises(EngineError, match="No space left on device"):
        engine.submit(replace(spark_job, detached=detached))
    folder = Path(spark_job.request_uri).parent
    assert eventually((folder / "exit.json").exists)
    reason = json.loads((folder / "exit.json").read_text())["reason"]
    assert reason.startswith("the process that started it")


def test_detached_driver_goes_when_its_supervisor_is_killed(tmp_path: Path, engine: ScriptedEngine) -> None:
    handle = start_in_worker(tmp_path)
    supervisor, driver, child = pids_of(handle)
    temporary = Path((folder_of(handle) / "temporary").read_text())
    os.kill(supervisor, signal.SIGKILL)
    assert all_gone((supervisor, driver)), "the kernel kills the driver with its supervisor"
    assert engine.state(handle).status is Status.LOST
    assert all_gone((child,)), "who looks kills the rest"
    assert not temporary.exists()


def test_process_that_has_the_driver_s_number_now_is_not_killed(tmp_path: Path, engine: ScriptedEngine) -> None:
    with subprocess.Popen(["sleep", "60"], process_group=0) as stranger:
        (tmp_path / "driver.pid").write_text(str(stranger.pid))
        extras = {"host": driver_process.this_host(), "pid": "1", "started": "1", "folder": str(tmp_path)}
        handle = RunHandle("local", "1", "0" * 32, "2026-01-01", detached=True, extras=extras)
        assert engine.state(handle).status is Status.LOST
        assert stranger.poll() is None
        stranger.kill()


def test_job_folder_in_s3_keeps_the_driver_with_its_worker(
    spark_job: SparkJob, engine: ScriptedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    handle = engine.submit(replace(spark_job, request_uri="s3://lake/jobs/request.json", detached=True))
    assert not handle.detached
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("s3://lake/jobs is no folder of a file system")
    assert "waits on its worker" in warning
    other = ScriptedEngine(ENDLESS, cache=folder_of(handle).parent)
    assert other.state(elsewhere(handle)).status is Status.LOST, "its files are seen on its own machine only"
    engine.cancel(handle)


@pytest.mark.parametrize("mark", ["AIRFLOW_IS_K8S_EXECUTOR_POD", "AIRFLOW_IS_EXECUTOR_CONTAINER"])
def test_container_that_ends_with_its_task_keeps_the_driver_with_its_worker(
    spark_job: SparkJob,
    engine: ScriptedEngine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    mark: str,
) -> None:
    monkeypatch.setenv(mark, "true")
    handle = engine.submit(replace(spark_job, detached=True))
    assert not handle.detached
    assert "This container ends with its task" in caplog.text
    engine.cancel(handle)


def test_driver_of_another_user_is_cancelled_by_the_file(
    spark_job: SparkJob, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With run_as_user, the triggerer on the worker's own machine may not send signals there."""
    handle = engine.submit(replace(spark_job, detached=True))
    pids = pids_of(handle)
    kill = os.kill

    def refused(pid: int, number: int) -> None:
        if pid == pids[0] and number:
            raise PermissionError(1, "Operation not permitted")
        kill(pid, number)

    monkeypatch.setattr(os, "kill", refused)
    ScriptedEngine(ENDLESS, cache=folder_of(handle).parent).cancel(handle)
    assert until_ended(engine, handle).status is Status.CANCELLED
    assert all_gone(pids)


# --- from another machine


@pytest.mark.parametrize("detached", [True, False])
def test_another_machine_sees_and_cancels_the_run(spark_job: SparkJob, engine: ScriptedEngine, detached: bool) -> None:
    handle = engine.submit(replace(spark_job, detached=detached))
    pids = pids_of(handle)
    other = ScriptedEngine(ENDLESS, cache=folder_of(handle).parent)
    until_running(other, elsewhere(handle))
    other.cancel(elsewhere(handle))
    assert other.state(elsewhere(handle)).status is Status.CANCELLED
    assert until_ended(engine, handle).status is Status.CANCELLED
    assert all_gone(pids)


def test_another_machine_sees_the_end(spark_job: SparkJob, tmp_path: Path) -> None:
    engine = ScriptedEngine(REPORT, cache=tmp_path / "cache")
    handle = engine.submit(replace(spark_job, detached=True))
    other = ScriptedEngine(REPORT, cache=tmp_path / "cache")
    assert until_ended(other, elsewhere(handle)).status is Status.SUCCEEDED
    until_ended(engine, handle)


def test_old_heartbeat_is_no_dead_driver_as_long_as_it_changes(
    spark_job: SparkJob, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clocks of two machines may differ by hours: only changes count."""
    hours_ago = time.time() - 23 * 3600
    monkeypatch.setattr(heartbeat, "SILENT_SECONDS", 1.0)
    handle = engine.submit(replace(spark_job, detached=True))
    beat = folder_of(handle) / "heartbeat"
    other = ScriptedEngine(ENDLESS, cache=folder_of(handle).parent)
    assert eventually(beat.exists)
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        os.utime(beat, (hours_ago, hours_ago))
        assert other.state(elsewhere(handle)).status is Status.RUNNING
        time.sleep(0.05)
    engine.cancel(handle)


@pytest.mark.parametrize("ever", [True, False], ids=["an old heartbeat", "none"])
def test_driver_that_died_long_ago_is_lost_at_the_first_look(
    tmp_path: Path, engine: ScriptedEngine, ever: bool
) -> None:
    """Who looks for what earlier runs have left looks once."""
    long_ago = time.time() - 25 * 3600
    if ever:
        (tmp_path / "heartbeat").write_text("7")
        os.utime(tmp_path / "heartbeat", (long_ago, long_ago))
    os.utime(tmp_path, (long_ago, long_ago))
    extras = {"host": "other pid:[1]", "pid": "1", "started": "1", "folder": str(tmp_path)}
    handle = RunHandle("local", "1", "0" * 32, "2026-01-01", extras=extras)
    assert engine.state(handle).status is Status.LOST


def test_silent_driver_is_lost_and_ends_when_it_wakes_up(
    spark_job: SparkJob, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "SILENT_SECONDS", 0.5)
    handle = engine.submit(replace(spark_job, detached=True))
    pids = pids_of(handle)
    other = ScriptedEngine(ENDLESS, cache=folder_of(handle).parent)
    os.kill(pids[0], signal.SIGSTOP)
    try:
        assert other.state(elsewhere(handle)).status is Status.RUNNING, "the first look gives it time"
        state = until_ended(other, elsewhere(handle))
        assert state.status is Status.LOST
        assert "no sign of life" in state.detail
        third = ScriptedEngine(ENDLESS, cache=folder_of(handle).parent)
        assert third.state(elsewhere(handle)).status is Status.LOST, "what one has found, all know"
    finally:
        os.kill(pids[0], signal.SIGCONT)
    assert all_gone(pids[1:]), "another run may have taken its place"
    until_ended(engine, handle)


@pytest.mark.parametrize("how", ["refused", "hung"])
def test_driver_is_not_silent_while_the_file_system_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Its beat comes a few seconds after the file system is back, and the first look may come before."""
    clock = [1000.0]
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: clock[0])
    beats = heartbeat.Heartbeats()
    (tmp_path / "heartbeat").write_text("7")
    assert not beats.has_stopped(tmp_path)
    clock[0] += 5
    read = heartbeat._read

    def troubled(folder: Path) -> tuple[bytes, int] | None:
        clock[0] += 300
        if how == "refused":
            raise EngineError("stale file handle")
        return read(folder)

    monkeypatch.setattr(heartbeat, "_read", troubled)
    with contextlib.suppress(EngineError):
        assert not beats.has_stopped(tmp_path)
    monkeypatch.setattr(heartbeat, "_read", read)
    clock[0] += 1
    assert not beats.has_stopped(tmp_path)
    clock[0] += heartbeat.SILENT_SECONDS
    assert beats.has_stopped(tmp_path)


def test_folder_that_is_not_shared_is_an_error_that_says_so(spark_job: SparkJob, engine: ScriptedEngine) -> None:
    handle = engine.submit(replace(spark_job, detached=True))
    unseen = replace(elsewhere(handle), extras={**elsewhere(handle).extras, "folder": "/nowhere/g1-s1"})
    other = ScriptedEngine(ENDLESS, cache=folder_of(handle).parent)
    for verb in (other.state, other.cancel):
        with pytest.raises(EngineError, match="/nowhere/g1-s1 is not to be seen from this machine.*share the job_root"):
            verb(unseen)
    engine.cancel(handle)
