"""What every engine promises; a test class per engine inherits this and says how to make one."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import replace

import pytest

from airflow_lake_provider.engines import Engine, RunHandle, RunState, SparkJob, Status
from airflow_lake_provider.protocol import JobReport, from_json, open_store, to_json

DEADLINE_SECONDS = 60


def until_ended(engine: Engine, handle: RunHandle) -> RunState:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (state := engine.state(handle)).status.is_terminal:
        assert time.monotonic() < deadline, f"still {state} after {DEADLINE_SECONDS} seconds"
        time.sleep(0.05)
    return state


def until_running(engine: Engine, handle: RunHandle) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while engine.state(handle).status is not Status.RUNNING:
        assert time.monotonic() < deadline
        time.sleep(0.05)


class EngineContract(ABC):
    @abstractmethod
    def good(self) -> Engine:
        """An engine on which the job ends well and reports."""

    @abstractmethod
    def bad(self) -> Engine:
        """An engine on which the job fails."""

    @abstractmethod
    def endless(self) -> Engine:
        """An engine on which the job runs until somebody stops it."""

    def test_job_that_ends_well_is_succeeded_and_has_left_its_report(self, job: SparkJob) -> None:
        engine = self.good()
        handle = engine.submit(job)
        assert until_ended(engine, handle) == RunState(Status.SUCCEEDED)
        data = open_store(job.request.report_uri).read(job.request.report_uri)
        assert data is not None
        assert from_json(JobReport, data, source="report").request_id == job.request_id

    def test_job_that_fails_is_failed(self, job: SparkJob) -> None:
        engine = self.bad()
        assert until_ended(engine, engine.submit(job)).status is Status.FAILED

    def test_end_stays_the_end(self, job: SparkJob) -> None:
        engine = self.bad()
        handle = engine.submit(job)
        assert until_ended(engine, handle) == engine.state(handle) == engine.state(handle)

    def test_same_request_id_is_the_same_run(self, job: SparkJob) -> None:
        engine = self.endless()
        first, second = engine.submit(job), engine.submit(job)
        assert first.run_id == second.run_id
        engine.cancel(first)
        assert until_ended(engine, second).status is Status.CANCELLED

    def test_cancelled_job_ends_as_cancelled(self, job: SparkJob) -> None:
        engine = self.endless()
        handle = engine.submit(job)
        until_running(engine, handle)
        engine.cancel(handle)
        assert until_ended(engine, handle).status is Status.CANCELLED

    def test_cancelling_what_has_ended_changes_nothing(self, job: SparkJob) -> None:
        engine = self.good()
        handle = engine.submit(job)
        ended = until_ended(engine, handle)
        engine.cancel(handle)
        assert engine.state(handle) == ended

    def test_run_that_nobody_knows_is_lost_not_an_error(self, job: SparkJob) -> None:
        engine = self.good()
        handle = engine.submit(job)
        until_ended(engine, handle)
        unknown = self.forget(handle)
        assert engine.state(unknown).status is Status.LOST

    def forget(self, handle: RunHandle) -> RunHandle:
        """A handle like this one, of a run that the platform does not know."""
        return replace(handle, run_id="0", request_id="0" * 32)

    def test_handle_survives_as_a_document(self, job: SparkJob) -> None:
        engine = self.good()
        handle = engine.submit(job)
        again = from_json(RunHandle, to_json(handle), source="handle.json")
        assert again == handle
        assert until_ended(engine, again).status is Status.SUCCEEDED

    def test_detached_job_says_so_and_ends_like_any(self, job: SparkJob) -> None:
        engine = self.good()
        handle = engine.submit(replace(job, detached=True))
        assert handle.detached
        assert until_ended(engine, handle).status is Status.SUCCEEDED

    def test_detached_job_is_cancelled_like_any(self, job: SparkJob) -> None:
        engine = self.endless()
        handle = engine.submit(replace(job, detached=True))
        until_running(engine, handle)
        engine.cancel(handle)
        assert until_ended(engine, handle).status is Status.CANCELLED

    def test_description_is_one_line(self, job: SparkJob) -> None:
        engine = self.good()
        handle = engine.submit(job)
        assert engine.describe(handle)
        assert "\n" not in engine.describe(handle)
        until_ended(engine, handle)

    def test_spark_conf_is_text(self) -> None:
        conf = self.good().spark_conf
        assert all(isinstance(key, str) and isinstance(value, str) for key, value in conf.items())

    @pytest.fixture
    def job(self, spark_job: SparkJob) -> SparkJob:
        return spark_job
