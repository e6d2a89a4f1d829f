"""A run that one process starts and another one sees to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_lake_provider.engines import InMemoryEngine, RunHandle, SparkJob, Status
from airflow_lake_provider.exceptions import EngineError, JobFailed, JobTimedOut
from airflow_lake_provider.protocol import JobFolder, LocalStore, TaskIdentity, to_json
from airflow_lake_provider.protocol.store import HANDLE, PROCESS
from airflow_lake_provider.runs import EndedRun, LiveRun, TaskJob, Wait, deliver, find_run, start_job
from airflow_lake_provider.spec import Environment

STORE = LocalStore()
LOG = logging.getLogger("test")
RUNNING = (Status.RUNNING,) * 3
MakeJob = Callable[..., TaskJob]


def started(job: TaskJob) -> LiveRun:
    run = start_job(job, poll_interval=0)
    assert isinstance(run, LiveRun)
    return run


def wait(engine: InMemoryEngine, **changes: Any) -> Wait:
    return Wait(engine=engine, log=LOG, store=STORE, poll_interval=0, **changes)


def test_second_half_needs_nothing_but_the_folder(task_job: MakeJob) -> None:
    engine = InMemoryEngine(states=RUNNING)
    first = started(task_job(engine, detached=True))
    assert first.handle.detached
    assert not first.was_there
    found = find_run(JobFolder(first.folder.root, first.folder.task))
    assert (found.handle, found.request) == (first.handle, first.request)
    ended = wait(engine).until_end(found)
    deliver(ended.delivery())
    assert ended.state.status is Status.SUCCEEDED
    assert len(engine.requests) == 1


def test_second_half_judges_its_own_start_only(task_job: MakeJob) -> None:
    """It never submits, also where a try in one process would: the next try does."""
    engine = InMemoryEngine(states=RUNNING, ends=Status.LOST)
    first = started(task_job(engine))
    ended = wait(engine).until_end(find_run(first.folder))
    assert ended.is_lost
    with pytest.raises(JobFailed, match="lost"):
        ended.delivery()
    assert len(engine.requests) == 1


def test_second_half_settles_what_the_run_leaves(task_job: MakeJob, environment: Environment) -> None:
    engine = InMemoryEngine(states=RUNNING)
    first = started(task_job(engine))
    index = f"{environment.job_root}/flights/~open/silver__a"
    assert STORE.documents(index) == [f"{first.request.request_id}.json"]
    wait(engine).until_end(find_run(first.folder))
    assert STORE.documents(index) == []


def test_start_that_is_live_is_found_and_one_that_ended_well_is_ended(task_job: MakeJob) -> None:
    engine = InMemoryEngine(states=RUNNING)
    first = started(task_job(engine))
    again = started(task_job(engine))
    assert again.was_there
    assert again.folder == first.folder
    wait(engine).until_end(again)
    assert isinstance(start_job(task_job(engine)), EndedRun)


def test_folder_that_was_tidied_up_is_named(task_job: MakeJob) -> None:
    first = started(task_job(InMemoryEngine(states=RUNNING)))
    STORE.delete(first.folder.document(HANDLE))
    with pytest.raises(EngineError, match="g1-s1 holds no start any more"):
        find_run(first.folder)


def test_deadline_cancels(task_job: MakeJob) -> None:
    engine = InMemoryEngine(states=RUNNING)
    first = started(task_job(engine))
    with pytest.raises(JobTimedOut, match="longer than the task may"):
        wait(engine, deadline=datetime.now(UTC)).until_end(first)
    assert engine.cancelled == [first.request.request_id]


def test_run_that_ends_before_its_deadline_is_not_cancelled(task_job: MakeJob) -> None:
    engine = InMemoryEngine(states=RUNNING)
    run = started(task_job(engine))
    ended = wait(engine, deadline=datetime.now(UTC) + timedelta(hours=1)).until_end(run)
    assert ended.delivery().report.status == "succeeded"


def test_worker_that_ends_between_submit_and_handle_leaves_no_run_behind(
    task_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else knows of the run yet, and a detached one would go on."""

    class Interrupted(InMemoryEngine):
        def describe(self, handle: RunHandle) -> str:
            if not self.cancelled:
                self.describe = super().describe  # type: ignore[method-assign]
                raise KeyboardInterrupt
            return super().describe(handle)

    engine = Interrupted(states=RUNNING)
    with pytest.raises(KeyboardInterrupt):
        start_job(task_job(engine, detached=True))
    assert engine.cancelled == [engine.requests[0].request_id]


def test_clear_cancels_a_driver_whose_worker_was_killed_before_it_wrote_the_handle(task_job: MakeJob) -> None:
    engine = InMemoryEngine(states=(Status.RUNNING,) * 9)
    first = started(task_job(engine, detached=True))
    STORE.delete(first.folder.document(HANDLE))
    STORE.write(first.folder.document(PROCESS), to_json(first.handle).encode())
    started(task_job(engine, task=TaskIdentity("flights", "r1", "silver__a", generation=2)))
    assert engine.cancelled == [first.request.request_id]


def test_detached_is_asked_of_each_submission_of_a_start(task_job: MakeJob) -> None:
    asked: list[bool] = []

    class Asked(InMemoryEngine):
        def submit(self, job: SparkJob) -> RunHandle:
            asked.append(job.detached)
            return super().submit(job)

    engine = Asked(states=RUNNING)
    first = started(task_job(engine, detached=True))
    STORE.delete(first.folder.document(HANDLE))
    started(replace(task_job(engine), detached=True))
    assert asked == [True, True]
