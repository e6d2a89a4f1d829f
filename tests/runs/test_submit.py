from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_lake_provider.engines import InMemoryEngine, RunHandle, RunState, SparkJob, Status
from airflow_lake_provider.exceptions import EngineError, JobCancelled, JobFailed
from airflow_lake_provider.protocol import (
    JobFolder,
    JobReport,
    JobRequest,
    LocalStore,
    TableReport,
    TaskIdentity,
    from_json,
    to_json,
)
from airflow_lake_provider.protocol.store import CANCELLED, DELIVERED, HANDLE, REPORT, REQUEST
from airflow_lake_provider.runs import Delivery, deliver, submit
from airflow_lake_provider.runs.starts import OpenStart
from airflow_lake_provider.spec import Environment

RunTask = Callable[..., Delivery]
TASK = TaskIdentity(dag_id="flights", run_id="r1", task_id="silver__a")
STORE = LocalStore()


class Died(BaseException):
    """The worker is gone: nothing after this runs."""


class Flaky(InMemoryEngine):
    """Dies where it is told to, like the worker around it."""

    def __init__(self, *, dies_in: str, after: bool = False, **arguments: object) -> None:
        super().__init__(**arguments)  # type: ignore[arg-type]
        self.dies_in: str | None = dies_in
        self.after = after

    def _die(self, where: str) -> None:
        if where == self.dies_in:
            self.dies_in = None
            raise Died

    def submit(self, job: SparkJob) -> RunHandle:
        if not self.after:
            self._die("submit")
        handle = super().submit(job)
        self._die("submit")
        return handle

    def state(self, handle: RunHandle) -> RunState:
        self._die("state")
        return super().state(handle)

    def cancel(self, handle: RunHandle) -> None:
        """A worker that is gone cancels nothing."""


def folder(environment: Environment, submission: int = 1, generation: int = 1, run_id: str = "r1") -> JobFolder:
    task = replace(TASK, run_id=run_id, generation=generation, submission=submission)
    return JobFolder(environment.job_root, task)


def request_in(place: JobFolder) -> JobRequest:
    data = STORE.read(place.document(REQUEST))
    assert data is not None
    return from_json(JobRequest, data, source="request")


def open_ids(environment: Environment) -> set[str]:
    names = STORE.documents(f"{environment.job_root}/flights/~open/silver__a")
    return {name.removesuffix(".json") for name in names}


# One start


def test_folder_holds_request_handle_report_and_the_last_word(run_task: RunTask, environment: Environment) -> None:
    engine = InMemoryEngine()
    delivery = run_task(engine)
    place = folder(environment)
    assert delivery.folder == place
    assert delivery.report_uri == place.document(REPORT)
    assert STORE.read(place.document(DELIVERED)) is None
    deliver(delivery)
    assert STORE.documents(place.uri) == [DELIVERED, HANDLE, REPORT, REQUEST]
    assert request_in(place) == engine.requests[0]


def test_request_says_all_that_the_job_needs(run_task: RunTask, environment: Environment) -> None:
    engine = InMemoryEngine()
    run_task(engine, try_number=3, spark_conf={"spark.a": "1"})
    (request,) = engine.requests
    assert request.request_id == request.task.request_id == replace(TASK, submission=1).request_id
    assert request.try_number == 3
    assert request.catalog == environment.catalog
    assert request.spark_conf == {"spark.a": "1"}
    assert request.report_uri == folder(environment).document(REPORT)
    assert request.provenance.spec_sha256 == "5"
    assert len(request.provenance.code_sha256) == 64


def test_engine_s_conf_goes_below_the_request_s(run_task: RunTask) -> None:
    class Configured(InMemoryEngine):
        @property
        def spark_conf(self) -> dict[str, str]:
            return {"spark.a": "engine", "spark.b": "engine"}

    engine = Configured()
    run_task(engine, spark_conf={"spark.b": "task"})
    assert engine.requests[0].spark_conf == {"spark.a": "engine", "spark.b": "task"}


def test_caller_learns_of_the_run_before_it_is_waited_for(run_task: RunTask, environment: Environment) -> None:
    seen: list[tuple[str, bool]] = []
    engine = InMemoryEngine(states=[Status.RUNNING])

    def on_start(handle: RunHandle, place: JobFolder) -> None:
        seen.append((handle.request_id, STORE.read(place.document(HANDLE)) is not None))

    run_task(engine, on_start=on_start)
    assert seen == [(engine.requests[0].request_id, True)]


def test_failure_is_raised(run_task: RunTask) -> None:
    with pytest.raises(JobFailed, match="no such file"):
        run_task(InMemoryEngine(outcomes={"silver.a": ValueError("no such file")}))


# A retry


def test_start_that_may_never_have_begun_is_submitted_again_under_its_id(
    run_task: RunTask, environment: Environment
) -> None:
    engine = Flaky(dies_in="submit")
    with pytest.raises(Died):
        run_task(engine)
    assert STORE.documents(folder(environment).uri) == [REQUEST]
    assert run_task(engine).folder == folder(environment)
    assert len(engine.requests) == 1


def test_start_that_began_unseen_is_found_again(run_task: RunTask, environment: Environment) -> None:
    engine = Flaky(dies_in="submit", after=True)
    with pytest.raises(Died):
        run_task(engine)
    assert run_task(engine, try_number=2).folder == folder(environment)
    assert [request.try_number for request in engine.requests] == [1]


def test_folder_that_another_worker_has_only_just_made_is_no_start_of_its_own(
    run_task: RunTask, environment: Environment
) -> None:
    LocalStore().write(folder(environment).document(".request.json.part"), b"")
    assert run_task(InMemoryEngine()).folder == folder(environment)


def test_retry_reattaches_to_a_live_run(run_task: RunTask, environment: Environment) -> None:
    engine = Flaky(dies_in="state", states=[Status.RUNNING, Status.RUNNING])
    with pytest.raises(Died):
        run_task(engine)
    assert run_task(engine, try_number=2).folder == folder(environment)
    assert len(engine.requests) == 1


def test_retry_waits_for_the_end_of_a_run_that_was_cancelled_and_starts_anew(
    run_task: RunTask, environment: Environment
) -> None:
    """A cluster takes its time to stop what a time-out, or a clear, has cancelled."""

    class Slow(Flaky):
        def state(self, handle: RunHandle) -> RunState:
            state = super().state(handle)
            gone = handle.request_id == self.requests[0].request_id and state.status is Status.SUCCEEDED
            return RunState(Status.CANCELLED, "cancelled") if gone else state

        def _end(self, request: JobRequest) -> RunState:
            return RunState(Status.SUCCEEDED) if request is self.requests[0] else super()._end(request)

    engine = Slow(dies_in="state", states=[Status.RUNNING] * 3)
    with pytest.raises(Died):
        run_task(engine)
    STORE.write(folder(environment).document(CANCELLED), b"")
    assert run_task(engine).report.status == "succeeded"
    assert [request.task.submission for request in engine.requests] == [1, 2]


def test_cancelled_run_that_does_not_end_is_named(
    run_task: RunTask, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "CANCEL_SECONDS", 0.0)
    engine = Flaky(dies_in="state", states=[Status.RUNNING] * 1000)
    with pytest.raises(Died):
        run_task(engine)
    STORE.write(folder(environment).document(CANCELLED), b"")
    with pytest.raises(EngineError, match="of an earlier try was cancelled and has not ended"):
        run_task(engine)


def test_retry_returns_the_report_of_a_run_that_ended_well(run_task: RunTask) -> None:
    engine = InMemoryEngine()
    first = run_task(engine)
    assert run_task(engine, try_number=2) == first
    deliver(first)
    assert run_task(engine, try_number=3) == first
    assert len(engine.requests) == 1


def test_retry_after_failed_checks_returns_them_again(run_task: RunTask) -> None:
    bad = TableReport(table="", status="failed", branch="lake_1")
    engine = InMemoryEngine(outcomes={"silver.a": bad})
    assert run_task(engine).report == run_task(engine, try_number=2).report
    assert len(engine.requests) == 1


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param(InMemoryEngine(outcomes={"silver.a": ValueError("no")}), id="failed"),
        pytest.param(InMemoryEngine(ends=Status.LOST), id="lost"),
        pytest.param(InMemoryEngine(ends=Status.CANCELLED), id="cancelled"),
    ],
)
def test_dead_run_is_started_anew(run_task: RunTask, environment: Environment, engine: InMemoryEngine) -> None:
    with pytest.raises((JobFailed, JobCancelled)):
        run_task(engine)
    engine.outcomes, engine.ends = {}, None
    assert run_task(engine, try_number=2).folder == folder(environment, submission=2)


def test_report_of_another_request_counts_as_absent(run_task: RunTask, environment: Environment) -> None:
    run_task(InMemoryEngine())
    foreign = JobReport(request_id="0" * 32, status="succeeded", started_at="")
    STORE.write(folder(environment).document(REPORT), to_json(foreign).encode())
    assert run_task(InMemoryEngine()).folder == folder(environment, submission=2)


def test_report_that_is_not_final_is_not_a_result(run_task: RunTask, environment: Environment) -> None:
    run_task(InMemoryEngine())
    half = JobReport(request_id=folder(environment).task.request_id, status="running", started_at="")
    STORE.write(folder(environment).document(REPORT), to_json(half).encode())
    assert run_task(InMemoryEngine()).folder == folder(environment, submission=2)


def test_run_that_is_lost_while_a_retry_waits_for_it_is_started_anew(
    run_task: RunTask, environment: Environment
) -> None:
    engine = Flaky(dies_in="state", states=[Status.RUNNING], ends=Status.LOST)
    with pytest.raises(Died):
        run_task(engine)

    class Once(InMemoryEngine):
        """The second start ends well."""

        def submit(self, job: SparkJob) -> RunHandle:
            engine.ends = None
            return engine.submit(job)

        def state(self, handle: RunHandle) -> RunState:
            return engine.state(handle)

    assert run_task(Once(), try_number=2).folder == folder(environment, submission=2)


def test_run_of_another_engine_is_not_waited_for(run_task: RunTask, environment: Environment) -> None:
    engine = Flaky(dies_in="state", states=[Status.RUNNING] * 9)
    with pytest.raises(Died):
        run_task(engine)
    handle = STORE.read(folder(environment).document(HANDLE))
    assert handle is not None
    STORE.write(folder(environment).document(HANDLE), handle.replace(b'"in_memory"', b'"glue"'))
    assert run_task(InMemoryEngine()).folder == folder(environment, submission=2)


# Interrupts


def test_interrupt_cancels_the_run(run_task: RunTask) -> None:
    class Interrupted(InMemoryEngine):
        def state(self, handle: RunHandle) -> RunState:
            raise KeyboardInterrupt

    engine = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run_task(engine)
    assert engine.cancelled == [engine.requests[0].request_id]


def test_interrupt_stays_one_though_the_run_cannot_be_cancelled(
    run_task: RunTask, caplog: pytest.LogCaptureFixture
) -> None:
    class Deaf(InMemoryEngine):
        def state(self, handle: RunHandle) -> RunState:
            raise KeyboardInterrupt

        def cancel(self, handle: RunHandle) -> None:
            raise EngineError("nobody can be asked")

    with pytest.raises(KeyboardInterrupt):
        run_task(Deaf())
    assert "The run goes on: nobody can be asked" in caplog.text


def test_engine_options_go_with_each_start(run_task: RunTask) -> None:
    engine = InMemoryEngine(ends=Status.LOST)
    for _ in range(2):
        with pytest.raises(JobFailed):
            run_task(engine, engine_options={"queue": "etl"})
    assert engine.options == [{"queue": "etl"}] * 2


def test_error_while_waiting_leaves_the_run_for_a_retry(run_task: RunTask) -> None:
    class Unreachable(InMemoryEngine):
        def state(self, handle: RunHandle) -> RunState:
            raise EngineError("throttled")

    engine = Unreachable()
    with pytest.raises(EngineError):
        run_task(engine)
    assert engine.cancelled == []


# A clear


def test_clear_runs_again_though_the_run_before_ended_well(run_task: RunTask, environment: Environment) -> None:
    engine = InMemoryEngine()
    deliver(run_task(engine))
    assert run_task(engine, replace(TASK, generation=3)).folder == folder(environment, generation=3)
    assert engine.requests[1].submissions.undelivered == ()


def test_clear_cancels_what_still_runs(run_task: RunTask, environment: Environment) -> None:
    engine = InMemoryEngine(states=[Status.RUNNING] * 9)
    place = folder(environment)
    request = JobRequest(
        request_id=place.task.request_id,
        task=place.task,
        pipeline="flights",
        tables=(),
        catalog=environment.catalog,
        report_uri=place.document(REPORT),
    )
    handle = engine.submit(SparkJob(request, place.document(REQUEST)))
    STORE.write(place.document(REQUEST), to_json(request).encode())
    STORE.write(place.document(HANDLE), to_json(handle).encode())
    run_task(engine, replace(TASK, generation=2))
    assert engine.cancelled == [place.task.request_id]


def test_result_that_a_later_start_has_told_is_told_once(run_task: RunTask, environment: Environment) -> None:
    engine = InMemoryEngine()
    run_task(engine)  # the worker dies here, before deliver()
    deliver(run_task(engine, replace(TASK, generation=2)))  # reports what the first start published
    deliver(run_task(engine, replace(TASK, generation=3)))
    assert [len(request.submissions.undelivered) for request in engine.requests] == [0, 1, 0]


# What a start knows of the others


def test_result_that_was_never_delivered_is_named_to_the_next_start(
    run_task: RunTask, environment: Environment
) -> None:
    engine = InMemoryEngine()
    run_task(engine)  # the worker dies here, before deliver()
    run_task(engine, replace(TASK, generation=2))
    assert engine.requests[1].submissions.undelivered == (folder(environment).task.request_id,)


def test_dead_and_failed_starts_of_other_runs_are_named_until_they_are_settled(
    run_task: RunTask, environment: Environment
) -> None:
    failed = replace(TASK, run_id="failed")
    bad = TableReport(table="", status="failed", branch="lake_1")
    run_task(InMemoryEngine(outcomes={"silver.a": bad}), failed)
    dead = replace(TASK, run_id="dead")
    with pytest.raises(JobFailed):
        run_task(InMemoryEngine(ends=Status.LOST), dead)

    no_op = InMemoryEngine(outcomes={"silver.a": TableReport(table="", status="no_op")})
    run_task(no_op, replace(TASK, run_id="no_op"))
    assert no_op.requests[0].submissions.dead == (dead.request_id,)
    assert no_op.requests[0].submissions.failed == (failed.request_id,)

    good = InMemoryEngine()
    run_task(good, replace(TASK, run_id="good"))
    assert good.requests[0].submissions.dead == (), "settled by the run before, which was told of it"
    assert good.requests[0].submissions.failed == (failed.request_id,), "stays for inspection until a run publishes"

    last = InMemoryEngine()
    run_task(last, replace(TASK, run_id="last"))
    assert last.requests[0].submissions.failed == ()
    assert open_ids(environment) == set()


def test_live_run_of_another_dag_run_is_left_alone(run_task: RunTask) -> None:
    engine = Flaky(dies_in="state", states=[Status.RUNNING] * 9)
    with pytest.raises(Died):
        run_task(engine, replace(TASK, run_id="other"))
    engine.states = ()
    run_task(engine)
    assert engine.requests[1].submissions.dead == ()
    assert engine.cancelled == []


def test_start_without_a_handle_is_dead_after_a_day(run_task: RunTask, environment: Environment) -> None:
    engine = Flaky(dies_in="submit")
    other = replace(TASK, run_id="other")
    with pytest.raises(Died):
        run_task(engine, other)
    run_task(engine, replace(TASK, run_id="soon"))
    assert engine.requests[-1].submissions.dead == ()

    entry = f"{environment.job_root}/flights/~open/silver__a/{other.request_id}.json"
    long_ago = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    STORE.write(entry, to_json(OpenStart(other, long_ago)).encode())
    run_task(engine, replace(TASK, run_id="later"))
    assert engine.requests[-1].submissions.dead == (other.request_id,)


def test_start_on_another_engine_is_not_taken_for_dead(run_task: RunTask, environment: Environment) -> None:
    engine = Flaky(dies_in="state", states=[Status.RUNNING] * 9)
    with pytest.raises(Died):
        run_task(engine, replace(TASK, run_id="other"))
    handle = folder(environment, run_id="other").document(HANDLE)
    STORE.write(handle, (STORE.read(handle) or b"").replace(b'"in_memory"', b'"glue"'))
    later = InMemoryEngine()
    run_task(later)
    assert later.requests[0].submissions.dead == ()


def test_start_that_cannot_be_seen_from_here_fails_no_other_run(run_task: RunTask) -> None:
    """Its folder may have moved, or its machine keeps it to itself."""

    engine = Flaky(dies_in="state", states=[Status.RUNNING] * 9)
    with pytest.raises(Died):
        run_task(engine, replace(TASK, run_id="other"))
    (unseen,) = (request.request_id for request in engine.requests)

    class Elsewhere(InMemoryEngine):
        def state(self, handle: RunHandle) -> RunState:
            if handle.request_id == unseen:
                raise EngineError("the job folder is not to be seen from this machine")
            return super().state(handle)

    here = Elsewhere()
    run_task(here)
    assert here.requests[0].submissions.dead == ()


def test_good_runs_leave_nothing_to_look_at(run_task: RunTask, environment: Environment) -> None:
    for number in range(5):
        deliver(run_task(InMemoryEngine(), replace(TASK, run_id=f"r{number}")))
    assert open_ids(environment) == set()


def test_mapped_tasks_do_not_mix(run_task: RunTask) -> None:
    with pytest.raises(JobFailed):
        run_task(InMemoryEngine(ends=Status.LOST), replace(TASK, map_index=0))
    other = InMemoryEngine()
    run_task(other, TaskIdentity(TASK.dag_id, "r2", TASK.task_id, map_index=1))
    assert other.requests[0].submissions.dead == ()


def test_two_workers_of_one_task_run_share_one_job(run_task: RunTask, environment: Environment) -> None:
    engine = InMemoryEngine(states=[Status.RUNNING] * 3)
    seen: list[Delivery] = []

    class Second(InMemoryEngine):
        """Comes in while the first worker has written its request and not submitted it yet."""

        def submit(self, job: SparkJob) -> RunHandle:
            if not seen:
                seen.append(run_task(engine))
            return engine.submit(job)

        def state(self, handle: RunHandle) -> RunState:
            return engine.state(handle)

    delivery = run_task(Second())
    assert delivery.report == seen[0].report
    assert len(engine.requests) == 1


def test_log_says_once_what_was_submitted(run_task: RunTask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    engine = InMemoryEngine(states=[Status.RUNNING] * 3)
    run_task(engine)
    (line,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith("Submitted")]
    request_id = engine.requests[0].request_id
    assert line == f"Submitted {request_id} to in_memory: run in-memory-{request_id[:8]} of the in-memory engine"
