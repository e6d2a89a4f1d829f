"""The trigger in a real event loop, without Airflow around it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.models.trigger import Trigger

from airflow_lake_provider import compat
from airflow_lake_provider.engines import InMemoryEngine, RunHandle, RunState, SparkJob, Status
from airflow_lake_provider.exceptions import EngineError
from airflow_lake_provider.protocol import Catalog, JobRequest, TableRequest, TaskIdentity
from airflow_lake_provider.triggers import LakeRunTrigger, run

RUNNING = (Status.RUNNING,) * 3
ENDLESS = (Status.RUNNING,) * 100_000
TASK = TaskIdentity(dag_id="flights", run_id="r1", task_id="silver__a")
MakeTrigger = Callable[..., LakeRunTrigger]


class Troubled(InMemoryEngine):
    """Cannot be reached for the first questions."""

    def __init__(self, *, errors: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.errors = errors

    def state(self, handle: RunHandle) -> RunState:
        self.errors -= 1
        if self.errors >= 0:
            raise EngineError("throttled")
        return super().state(handle)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., MakeTrigger]]:
    """Return what starts a run on an engine and gives what makes a trigger for it."""
    from airflow_lake_provider.engines.registry import replaced_by

    installed: list[Any] = []

    def begin(engine: InMemoryEngine) -> MakeTrigger:
        context = replaced_by(engine)
        context.__enter__()
        installed.append(context)
        folder = tmp_path / "jobs"
        request = JobRequest(
            request_id=TASK.request_id,
            task=TASK,
            pipeline="flights",
            tables=(TableRequest(table="silver.a", steps=()),),
            catalog=Catalog("lake", "sqlite", f"file://{tmp_path}"),
            report_uri=str(folder / "report.json"),
        )
        handle = engine.submit(SparkJob(request, str(folder / "request.json"), detached=True))

        def make(**changes: Any) -> LakeRunTrigger:
            arguments: dict[str, Any] = {
                "engine": "local",
                "options": {},
                "root": str(folder),
                "task": asdict(TASK),
                "handle": {**asdict(handle), "extras": dict(handle.extras)},
                "poll_interval": 0.01,
            }
            return LakeRunTrigger(**{**arguments, **changes})

        return make

    yield begin
    for context in installed:
        context.__exit__(None, None, None)


def event_of(trigger: LakeRunTrigger) -> dict[str, Any]:
    async def first() -> Any:
        return [event async for event in trigger.run()]

    (event,) = asyncio.run(first())
    return dict(event.payload)


def test_event_names_the_start_and_how_the_waiting_ended(start: Callable[..., MakeTrigger]) -> None:
    trigger = start(InMemoryEngine(states=RUNNING))()
    event = event_of(trigger)
    assert event == {
        "status": "ended", "detail": "", "root": trigger.root, "task": asdict(TASK), "deadline": None,
    }  # fmt: skip


def test_trigger_is_made_again_from_what_it_says_of_itself(start: Callable[..., MakeTrigger]) -> None:
    trigger = start(InMemoryEngine(states=RUNNING))(deadline="2100-01-01T00:00:00+00:00", options={"env": {"A": "b"}})
    path, arguments = trigger.serialize()
    assert json.loads(json.dumps(arguments)) == arguments
    row = Trigger(path, arguments)
    assert row.kwargs == arguments
    assert path == "airflow_lake_provider.triggers.run.LakeRunTrigger"
    again = LakeRunTrigger(**row.kwargs)
    assert again.serialize() == (path, arguments)
    assert event_of(again)["status"] == "ended"


def test_two_triggerers_may_look_at_one_run(start: Callable[..., MakeTrigger]) -> None:
    engine = InMemoryEngine(states=RUNNING)
    make = start(engine)

    async def both() -> list[Any]:
        return list(await asyncio.gather(*(anext(make().run()) for _ in range(2))))

    assert [event.payload["status"] for event in asyncio.run(both())] == ["ended", "ended"]
    assert engine.cancelled == []


def test_event_loop_goes_on_while_an_engine_thinks(start: Callable[..., MakeTrigger]) -> None:
    class Slow(InMemoryEngine):
        def state(self, handle: RunHandle) -> RunState:
            time.sleep(0.5)
            return super().state(handle)

    trigger = start(Slow())()
    gaps: list[float] = []

    async def beside() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - before)

    async def both() -> None:
        ticking = asyncio.create_task(beside())
        await anext(trigger.run())
        ticking.cancel()

    asyncio.run(both())
    assert len(gaps) > 10
    assert max(gaps) < 0.4


def test_event_does_not_come_before_the_scheduler_has_heard_of_the_deferral(
    start: Callable[..., MakeTrigger], airflow_says: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SETTLE_SECONDS", 0.5)
    trigger = start(InMemoryEngine())()
    airflow_says("deferred")
    trigger.trigger_id = 5
    began = time.monotonic()
    assert event_of(trigger)["status"] == "ended"
    assert time.monotonic() - began >= 0.5


# --- an engine in trouble


def test_errors_that_pass_fail_nothing(start: Callable[..., MakeTrigger]) -> None:
    assert event_of(start(Troubled(errors=4))())["status"] == "ended"


def test_after_its_patience_the_worker_is_to_look(
    start: Callable[..., MakeTrigger], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(run, "LONGEST_PAUSE_SECONDS", 0.05)
    engine = Troubled(errors=1000)
    event = event_of(start(engine)())
    assert (event["status"], event["detail"]) == ("unreachable", "throttled")
    assert 3 <= 1000 - engine.errors <= 60, "asked again and again, with pauses"
    assert engine.cancelled == []


def test_patience_begins_anew_after_each_answer(
    start: Callable[..., MakeTrigger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "PATIENCE_SECONDS", 0.2)

    class Flickering(InMemoryEngine):
        asked = 0

        def state(self, handle: RunHandle) -> RunState:
            self.asked += 1
            if self.asked % 2:
                raise EngineError("throttled")
            return super().state(handle)

    assert event_of(start(Flickering(states=(Status.RUNNING,) * 5))(poll_interval=0.05))["status"] == "ended"


def test_job_folder_that_the_triggerer_cannot_see_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run, "PATIENCE_SECONDS", 0.1)
    extras = {"host": "worker pid:[1]", "pid": "1", "started": "1", "folder": str(tmp_path / "not-mounted" / "g1-s1")}
    handle = RunHandle("local", "1", TASK.request_id, "2026-01-01", detached=True, extras=extras)
    trigger = LakeRunTrigger(
        engine="local",
        options={"python": "/opt/python"},
        root=str(tmp_path / "not-mounted"),
        task=asdict(TASK),
        handle={**asdict(handle), "extras": extras},
        poll_interval=0.01,
    )
    event = event_of(trigger)
    assert event["status"] == "unreachable"
    assert "not-mounted/g1-s1 is not to be seen from this machine" in event["detail"]


# --- time


def test_run_that_is_over_its_time_is_cancelled(start: Callable[..., MakeTrigger]) -> None:
    engine = InMemoryEngine(states=ENDLESS)
    soon = (datetime.now(UTC) + timedelta(seconds=0.2)).isoformat()
    event = event_of(start(engine)(deadline=soon, poll_interval=60))
    assert (event["status"], event["deadline"]) == ("timed_out", soon)
    assert engine.cancelled == [TASK.request_id]


def test_run_that_has_ended_is_not_over_its_time(start: Callable[..., MakeTrigger]) -> None:
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    assert event_of(start(InMemoryEngine())(deadline=past))["status"] == "ended"


def test_time_counts_also_while_nobody_can_be_asked(start: Callable[..., MakeTrigger]) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=0.2)).isoformat()
    assert event_of(start(Troubled(errors=1000))(deadline=soon))["status"] == "timed_out"


# --- the end of a task


@pytest.fixture
def airflow_says(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[Any]]:
    """Return what lets Airflow say in which state the task is; gives the list of questions."""

    def say(answer: Any) -> list[Any]:
        asked: list[Any] = []

        async def task_state(**task: Any) -> str | None:
            asked.append(task)
            if isinstance(answer, Exception):
                raise answer
            return None if answer is None else str(answer)

        monkeypatch.setattr(run, "task_state", task_state)
        return asked

    return say


def cancelled_while_it_waits(trigger: LakeRunTrigger, *, trigger_id: int | None = 5) -> None:
    trigger.trigger_id = trigger_id

    async def cancel() -> None:
        waiting = asyncio.ensure_future(anext(trigger.run()))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(cancel())


ENDINGS = [
    pytest.param("deferred", False, id="a triggerer stops"),
    pytest.param(TimeoutError("no answer"), False, id="nobody says"),
    pytest.param("failed", True, id="marked failed"),
    pytest.param("success", True, id="marked success"),
    pytest.param("skipped", True, id="the run timed out"),
    pytest.param("scheduled", True, id="Airflow ended the waiting"),
    pytest.param(None, True, id="cleared"),
]


@pytest.mark.parametrize(("state", "cancels"), ENDINGS)
def test_on_kill_cancels_unless_the_task_still_waits(
    start: Callable[..., MakeTrigger], airflow_says: Callable[..., Any], state: Any, cancels: bool
) -> None:
    engine = InMemoryEngine(states=ENDLESS)
    trigger = start(engine)()
    asked = airflow_says(state)
    asyncio.run(trigger.on_kill())
    assert engine.cancelled == ([TASK.request_id] if cancels else [])
    assert asked == [{"dag_id": "flights", "run_id": "r1", "task_id": "silver__a", "map_index": -1}]


@pytest.mark.parametrize(("state", "cancels"), ENDINGS)
def test_before_on_kill_a_cancelled_trigger_asks_itself(
    start: Callable[..., MakeTrigger],
    airflow_says: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    state: Any,
    cancels: bool,
) -> None:
    monkeypatch.setattr(run, "tells_triggers_of_kills", lambda: False)
    engine = InMemoryEngine(states=ENDLESS)
    trigger = start(engine)()
    airflow_says(state)
    cancelled_while_it_waits(trigger)
    assert engine.cancelled == ([TASK.request_id] if cancels else [])


def test_where_airflow_calls_on_kill_a_cancelled_trigger_asks_nothing(
    start: Callable[..., MakeTrigger], airflow_says: Callable[..., Any]
) -> None:
    engine = InMemoryEngine(states=ENDLESS)
    trigger = start(engine)()
    asked = airflow_says("failed")
    cancelled_while_it_waits(trigger)
    assert len(asked) == 1, "only early, while nobody is in a hurry"
    assert engine.cancelled == []


def test_airflow_that_stops_listening_stops_no_cancel(
    start: Callable[..., MakeTrigger], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(**task: Any) -> str:
        await asyncio.sleep(0.3)
        return "failed"

    monkeypatch.setattr(run, "task_state", late)
    engine = InMemoryEngine(states=ENDLESS)
    trigger = start(engine)()

    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(trigger.on_kill(), timeout=0.05)
        await asyncio.sleep(1)

    asyncio.run(impatient())
    assert engine.cancelled == [TASK.request_id]


def test_person_who_stops_a_test_of_the_dag_stops_the_run(
    start: Callable[..., MakeTrigger], airflow_says: Callable[..., Any]
) -> None:
    engine = InMemoryEngine(states=ENDLESS)
    trigger = start(engine)()
    asked = airflow_says("deferred")
    cancelled_while_it_waits(trigger, trigger_id=None)
    assert (asked, engine.cancelled) == ([], [TASK.request_id])


def test_engine_that_refuses_to_cancel_breaks_nothing(
    start: Callable[..., MakeTrigger], airflow_says: Callable[..., Any]
) -> None:
    asked: list[RunHandle] = []

    class Deaf(InMemoryEngine):
        def cancel(self, handle: RunHandle) -> None:
            asked.append(handle)
            raise EngineError("nobody can be asked")

    trigger = start(Deaf(states=ENDLESS))()
    airflow_says("failed")
    asyncio.run(trigger.on_kill())
    assert [handle.request_id for handle in asked] == [TASK.request_id]


# --- which state a task is in


class Comms:
    """The triggerer's connection to its supervisor."""

    def __init__(self, answer: Any, seconds: float = 0) -> None:
        self.answer, self.seconds = answer, seconds
        self.finished = False

    async def asend(self, question: Any) -> Any:
        await asyncio.sleep(self.seconds)
        self.question, self.finished = question, True
        return self.answer


@pytest.fixture
def comms(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Comms]:
    from airflow.sdk.execution_time import task_runner

    def connect(states: dict[str, Any], **arguments: Any) -> Comms:
        made = Comms(type("Answer", (), {"task_states": {"r1": states}})(), **arguments)
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", made, raising=False)
        return made

    return connect


@pytest.mark.parametrize(
    ("map_index", "states", "expected"),
    [
        (-1, {"silver__a": "deferred"}, "deferred"),
        (2, {"silver__a_2": "failed"}, "failed"),
        (-1, {"silver__a": None}, None),
        (-1, {}, None),
    ],
    ids=["plain", "mapped", "cleared", "gone"],
)
def test_state_of_a_task_is_asked_of_the_supervisor(
    comms: Callable[..., Comms], map_index: int, states: dict[str, Any], expected: str | None
) -> None:
    connection = comms(states)
    key = {**{name: getattr(TASK, name) for name in ("dag_id", "run_id", "task_id")}, "map_index": map_index}
    assert asyncio.run(compat.task_state(**key)) == expected
    assert (connection.question.run_ids, connection.question.map_index) == (["r1"], map_index)


def test_answer_that_does_not_come_is_given_up_and_still_read_to_its_end(
    comms: Callable[..., Comms], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an answer left in the triggerer's connection would break it for all triggers."""
    monkeypatch.setattr(compat.triggerer, "STATE_SECONDS", 0.05)
    connection = comms({}, seconds=0.3)

    async def ask() -> None:
        with pytest.raises(TimeoutError, match="silver__a"):
            await compat.task_state(dag_id="flights", run_id="r1", task_id="silver__a", map_index=-1)
        await asyncio.sleep(0.5)

    asyncio.run(ask())
    assert connection.finished


def test_handle_of_an_older_version_of_the_package_is_one_that_is_not_detached() -> None:
    from airflow_lake_provider.protocol import from_json

    text = b'{"engine": "local", "run_id": "1", "request_id": "0", "submitted_at": "2026", "url": null, "extras": {}}'
    assert from_json(RunHandle, text, source="handle.json").detached is False
    assert replace(from_json(RunHandle, text, source="handle.json"), detached=True).detached
