"""A task that leaves its worker and comes back, as Airflow leads it; the trigger's part is in tests/triggers."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)

from airflow_lake_provider.engines import InMemoryEngine, RunHandle, SparkJob, Status
from airflow_lake_provider.operators import LakeQualityCheckOperator, LakeTransformOperator, deferral, waiting
from airflow_lake_provider.operators.deferral import defers, poll_seconds
from airflow_lake_provider.operators.link import LakeRunLink
from airflow_lake_provider.protocol import CheckResult, TableReport
from airflow_lake_provider.spec import EngineConfig

TABLE = "gold.delays"
PUBLISHED = TableReport(table=TABLE, status="published", snapshot_id=42)
ENDLESS = (Status.RUNNING,) * 100_000


@pytest.fixture
def task(task_run: Callable[..., Any]) -> Callable[..., Any]:
    def make(**arguments: Any) -> Any:
        said = {"table": TABLE, "sql": "SELECT 1 AS day", "deferrable": True, "poll_interval": None, **arguments}
        return task_run(LakeTransformOperator, **said)

    return make


def leave(run: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as left:
        run.run()
    deferred: TaskDeferred = left.value
    return deferred


def come_back(run: Any, left: TaskDeferred, status: str = "ended", detail: str = "") -> Any:
    """Let a new worker go on with the event of the trigger that the task left for."""
    trigger: Any = left.trigger
    event = {
        "status": status,
        "detail": detail,
        "root": trigger.root,
        "task": trigger.task_identity,
        "deadline": trigger.deadline,
    }
    return run.resume(left.method_name, {"event": event})


def job_folders(project: Path) -> list[Path]:
    return sorted(path.parent for path in (project / ".lake" / "jobs").rglob("request.json"))


# --- leaving and coming back


def test_task_leaves_with_what_finds_its_run_and_comes_back_with_its_result(
    task: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    engine.outcomes[TABLE] = PUBLISHED
    engine.states = (Status.RUNNING,)
    run = task()
    left = leave(run)
    trigger: Any = left.trigger
    (folder,) = job_folders(project)
    assert trigger.handle["request_id"] == engine.requests[0].request_id
    assert trigger.handle["detached"] is True
    assert trigger.task_identity == asdict(engine.requests[0].task)
    assert trigger.engine == "local"
    assert (left.timeout, trigger.deadline) == (None, None)
    assert run.xcoms[LakeRunLink.key] == str(folder), "the link is there while the task waits"
    assert not (folder / "delivered").exists()

    entry = come_back(run, left)
    assert (entry["status"], entry["snapshot_id"]) == ("published", 42)
    assert (folder / "delivered").exists()
    assert [event.extra["snapshot_id"] for event in run.events] == [42]
    assert len(engine.requests) == 1


def test_what_the_job_says_is_said_as_from_a_worker(task: Callable[..., Any], engine: InMemoryEngine) -> None:
    for report, kind in (
        (TableReport(TABLE, "failed", checks=(CheckResult("row_count > 0", "fail", 0),)), AirflowFailException),
        (TableReport(TABLE, "skipped"), AirflowSkipException),
    ):
        engine.outcomes[TABLE] = report
        run = task(task_id=kind.__name__)
        with pytest.raises(kind, match="delays"):
            come_back(run, leave(run))
        assert run.events == []


def test_dead_run_is_left_to_the_next_try(task: Callable[..., Any], engine: InMemoryEngine, project: Path) -> None:
    engine.ends = Status.LOST
    run = task(retries=1)
    run.max_tries = 1
    with pytest.raises(AirflowException, match="lost"):
        come_back(run, leave(run))
    assert len(engine.requests) == 1, "who comes back submits nothing"
    engine.ends, run.try_number = None, 2
    come_back(run, leave(run))
    assert [folder.name for folder in job_folders(project)] == ["g1-s1", "g1-s2"]


def test_result_of_an_earlier_try_needs_no_trigger(task: Callable[..., Any], engine: InMemoryEngine) -> None:
    engine.outcomes[TABLE] = PUBLISHED
    run = task()
    leave(run)
    engine.state(_handle(engine))
    assert run.run()["snapshot_id"] == 42


def test_retry_leaves_again_for_the_same_run(task: Callable[..., Any], engine: InMemoryEngine) -> None:
    engine.states = ENDLESS
    run = task()
    first, second = leave(run), leave(run)
    assert first.trigger.serialize() == second.trigger.serialize()
    assert len(engine.requests) == 1


def test_run_of_an_earlier_try_that_is_lost_costs_no_try(task: Callable[..., Any], engine: InMemoryEngine) -> None:
    """As on a worker: the machine may have died with the worker of the try before, and be known as dead only now."""
    engine.states, engine.ends = (Status.RUNNING,), Status.LOST
    run = task(retries=1)
    run.max_tries = 1
    leave(run)
    run.try_number = 2
    left = leave(run)
    assert len(engine.requests) == 1
    with pytest.raises(TaskDeferred) as again:
        come_back(run, left)
    assert len(engine.requests) == 2
    with pytest.raises(AirflowException, match="lost"):
        come_back(run, again.value)
    assert len(engine.requests) == 2, "the new one is of this try"


def test_quality_checks_may_wait_there_too(task_run: Callable[..., Any], engine: InMemoryEngine) -> None:
    run = task_run(LakeQualityCheckOperator, table=TABLE, checks=["row_count > 0"], deferrable=True)
    engine.outcomes[TABLE] = TableReport(TABLE, "no_op")
    assert come_back(run, leave(run))["status"] == "no_op"


def test_job_folder_that_was_tidied_up_meanwhile_is_named(
    task: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    run = task()
    left = leave(run)
    (folder,) = job_folders(project)
    shutil.rmtree(folder)
    with pytest.raises(AirflowException, match="g1-s1 holds no start any more"):
        come_back(run, left)


def test_run_of_an_engine_that_was_replaced_meanwhile_is_named(
    task: Callable[..., Any], engine: InMemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = task()
    left = leave(run)
    monkeypatch.setattr(engine, "name", "glue")
    with pytest.raises(AirflowException, match="runs on the engine 'in_memory', and this task's engine is 'glue'"):
        come_back(run, left)


# --- when it leaves at all


@pytest.mark.parametrize(
    ("asked", "engines", "airflow", "expected"),
    [
        (None, None, False, False),
        (None, None, True, True),
        (None, False, True, False),
        (None, True, False, True),
        (False, True, True, False),
        (True, False, False, True),
    ],
)
def test_the_task_s_word_goes_before_the_engine_s_and_that_before_airflow_s(
    asked: bool | None, engines: bool | None, airflow: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", str(airflow))
    assert defers(asked, EngineConfig("local", {}, deferrable=engines)) is expected


@pytest.mark.parametrize(
    ("asked", "engines", "expected"), [(None, None, (1.0, 5.0)), (None, 30, (30, 30)), (2, 30, (2, 2))]
)
def test_interval_is_the_task_s_the_engine_s_or_the_place_s(
    asked: float | None, engines: float | None, expected: tuple[float, float]
) -> None:
    config = EngineConfig("local", {}, poll_interval=engines)
    assert (poll_seconds(asked, config), poll_seconds(asked, config, deferred=True)) == expected


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), "5", True, timedelta(seconds=5)])
def test_interval_that_is_none_is_refused_before_anything_is_submitted(
    wrong: Any, task: Callable[..., Any], engine: InMemoryEngine
) -> None:
    with pytest.raises(AirflowFailException, match="expected a number of seconds above 0"):
        task(poll_interval=wrong).run()
    assert engine.requests == []


def test_engine_in_lake_yaml_decides_for_tasks_that_say_nothing(
    task: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    (project / "lake.yaml").write_text(
        "environments: {local: {engines: {default: {type: local, deferrable: true, poll_interval: 7}}}}\n"
    )
    assert leave(task(deferrable=None)).trigger.serialize()[1]["poll_interval"] == 7
    assert task(deferrable=False, task_id="stays").run()["status"] == "published"


def test_run_that_ends_with_its_worker_is_waited_for_there(task: Callable[..., Any]) -> None:
    class OnThisMachineOnly(InMemoryEngine):
        def submit(self, job: SparkJob) -> RunHandle:
            return super().submit(SparkJob(job.request, job.request_uri, job.options, detached=False))

    from airflow_lake_provider.engines.registry import replaced_by

    engine = OnThisMachineOnly(states=(Status.RUNNING,) * 2)
    with replaced_by(engine):
        assert task(poll_interval=0.01).run()["status"] == "published"
    assert len(engine.requests) == 1


def test_run_that_ends_with_its_worker_and_fails_at_once_is_started_once(task: Callable[..., Any]) -> None:
    class FailsAtOnce(InMemoryEngine):
        def submit(self, job: SparkJob) -> RunHandle:
            handle = super().submit(SparkJob(job.request, job.request_uri, job.options, detached=False))
            self.state(handle)
            return handle

    from airflow_lake_provider.engines.registry import replaced_by

    engine = FailsAtOnce(outcomes={TABLE: ValueError("no such column")})
    with replaced_by(engine), pytest.raises(AirflowException, match="no such column"):
        task(poll_interval=0.01).run()
    assert len(engine.requests) == 1


def test_secrets_of_an_engine_stay_out_of_the_trigger(
    task: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    (project / "lake.yaml").write_text(
        "environments: {local: {engines: {default: {type: local, env: "
        "{AWS_SECRET_ACCESS_KEY: geheim, PGPASSWORD: geheim, MYSQL_PWD: geheim, MAPS_API_KEY: geheim, "
        "DB: 'postgresql://me:geheim@db/lake', REGION: eu, KUBECONFIG: /k}, "
        "spark_conf: {spark.executorEnv.PGPASSWORD: geheim}}}}}\n"
    )
    options = leave(task()).trigger.serialize()[1]["options"]
    assert options == {"env": {"REGION": "eu", "KUBECONFIG": "/k"}, "spark_conf": {}}


def test_what_reaches_a_cluster_s_master_stays_in_the_trigger(
    task: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    conf = {
        "spark.kubernetes.authenticate.submission.oauthTokenFile": "/run/token",
        "spark.kubernetes.authenticate.submission.clientKeyFile": "/run/key",
    }
    (project / "lake.yaml").write_text(
        f"environments: {{local: {{engines: {{default: {{type: local, spark_conf: {conf}}}}}}}}}\n"
    )
    assert leave(task()).trigger.serialize()[1]["options"] == {"spark_conf": conf}


# --- time


def test_deadline_counts_from_the_try_s_start_and_airflow_s_own_comes_later(
    task: Callable[..., Any], engine: InMemoryEngine
) -> None:
    run = task(execution_timeout=timedelta(minutes=10))
    run.start_date = datetime.now(UTC) - timedelta(minutes=4)
    left = leave(run)
    trigger: Any = left.trigger
    assert datetime.fromisoformat(trigger.deadline) == run.start_date + timedelta(minutes=10)
    assert left.timeout is not None
    assert 6 * 60 < left.timeout.total_seconds() <= 6 * 60 + deferral.NET_SECONDS  # type: ignore[union-attr]


def test_task_whose_time_was_over_fails_by_a_time_out(task: Callable[..., Any], engine: InMemoryEngine) -> None:
    engine.states = ENDLESS
    run = task(execution_timeout=timedelta(minutes=10))
    left = leave(run)
    engine.cancel(_handle(engine))
    with pytest.raises(AirflowTaskTimeout, match="longer than the task's execution_timeout"):
        come_back(run, left, "timed_out")


def test_job_that_has_ended_well_in_the_last_moment_counts(task: Callable[..., Any], engine: InMemoryEngine) -> None:
    engine.outcomes[TABLE] = PUBLISHED
    run = task(execution_timeout=timedelta(minutes=10))
    left = leave(run)
    assert come_back(run, left, "timed_out")["snapshot_id"] == 42


def test_run_that_the_triggerer_could_not_cancel_is_cancelled_by_the_worker(
    task: Callable[..., Any], engine: InMemoryEngine
) -> None:
    engine.states = ENDLESS
    run = task(execution_timeout=timedelta(seconds=0.01))
    left = leave(run)
    with pytest.raises(AirflowTaskTimeout):
        come_back(run, left, "timed_out")
    assert engine.cancelled == [engine.requests[0].request_id]


def test_net_that_airflow_holds_cancels_and_fails_by_a_time_out(
    task: Callable[..., Any], engine: InMemoryEngine
) -> None:
    engine.states = ENDLESS
    run = task(execution_timeout=timedelta(minutes=10))
    leave(run)
    with pytest.raises(AirflowTaskTimeout, match="no triggerer had ended the waiting"):
        run.resume("__fail__", {"error": "Trigger timeout"})
    assert engine.cancelled == [engine.requests[0].request_id]


# --- a triggerer in trouble


def test_worker_waits_for_a_run_that_the_triggerer_cannot_see(
    task: Callable[..., Any], engine: InMemoryEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.states = (Status.RUNNING,) * 3
    run = task(poll_interval=0.01)
    assert come_back(run, leave(run), "unreachable", "the folder is not mounted")["status"] == "published"
    assert "so this worker waits for it: the folder is not mounted" in caplog.text


def test_worker_that_waits_instead_keeps_to_the_deadline(task: Callable[..., Any], engine: InMemoryEngine) -> None:
    engine.states = ENDLESS
    run = task(poll_interval=0.01, execution_timeout=timedelta(seconds=0.2))
    with pytest.raises(AirflowTaskTimeout):
        come_back(run, leave(run), "unreachable")
    assert engine.cancelled == [engine.requests[0].request_id]


def test_worker_waits_when_the_trigger_itself_fails(
    task: Callable[..., Any], engine: InMemoryEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.states = (Status.RUNNING,) * 3
    run = task(poll_interval=0.01)
    leave(run)
    failure = {"error": "Trigger failure", "traceback": ["ModuleNotFoundError: airflow_lake_provider\n"]}
    assert run.resume("__fail__", failure)["status"] == "published"
    assert "ModuleNotFoundError: airflow_lake_provider" in caplog.text
    assert "is the package installed there" in caplog.text


# --- kill


def test_worker_of_a_waiting_task_finds_the_run_to_cancel_by_the_job_folder(
    task: Callable[..., Any], engine: InMemoryEngine
) -> None:
    """Airflow 2 calls on_kill on a new operator when a resumed task is over its time already."""
    engine.states = ENDLESS
    run = task()
    leave(run)
    run.fresh().on_kill()
    assert engine.cancelled == [engine.requests[0].request_id]


def test_kill_before_the_worker_leaves_keeps_it(task: Callable[..., Any], engine: InMemoryEngine) -> None:
    engine.states = ENDLESS
    run = task(poll_interval=0.01)
    operator = run.fresh()
    operator.on_kill()
    with pytest.raises(AirflowException, match="cancelled"):
        operator.execute(run.context)
    assert engine.cancelled == [engine.requests[0].request_id]


def test_signal_to_a_worker_whose_task_has_been_deferred_cancels_nothing(
    task: Callable[..., Any], engine: InMemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow 2 ends workers that are slow to end after a deferral by a signal."""
    monkeypatch.setattr(waiting, "has_been_deferred", lambda ti: True)
    engine.states = ENDLESS
    run = task()
    leave(run)
    run.executed.on_kill()
    assert engine.cancelled == []


def test_signal_before_airflow_knows_of_the_deferral_cancels(task: Callable[..., Any], engine: InMemoryEngine) -> None:
    engine.states = ENDLESS
    run = task()
    leave(run)
    run.executed.on_kill()
    assert engine.cancelled == [engine.requests[0].request_id]


def test_kill_in_a_project_out_of_reach_says_so_and_raises_nothing(
    task: Callable[..., Any], engine: InMemoryEngine, project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    run = task()
    operator = run.fresh()
    (project / "lake.yaml").write_text("environments: [")
    operator.on_kill()
    assert "Nobody knows here whether a job of this task runs" in caplog.text


def _handle(engine: InMemoryEngine) -> RunHandle:
    request_id = engine.requests[0].request_id
    return RunHandle("in_memory", "1", request_id, "2026-01-01")
