"""Waits in the triggerer for a job that a worker has started."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

from airflow_lake_provider.compat import (
    BaseTrigger,
    TriggerEvent,
    find_connection,
    in_thread,
    task_state,
    tells_triggers_of_kills,
)
from airflow_lake_provider.engines import Engine, RunHandle, RunState, get_engine

_log = logging.getLogger(__name__)

ENDED = "ended"
"""The run has ended, well or not."""
TIMED_OUT = "timed_out"
"""The task's time was over, and the run was cancelled."""
UNREACHABLE = "unreachable"
"""For too long nobody could be asked where the run stands; it may well go on."""

PATIENCE_SECONDS = 300.0
"""How long questions may fail before the worker is to look itself."""
LONGEST_PAUSE_SECONDS = 60.0
ENDING_SECONDS = 30.0
"""How long a run that was cancelled because its time was over may take to end before the task is told so."""

SETTLE_SECONDS = 8.0
"""No event comes sooner after a trigger's begin.

Airflow's scheduler hears from its executor, a moment late, that the worker of a deferred task has ended. If the task is
already back on a worker by then, the scheduler takes that for its end, without a result, and fails the task.
"""

_DEFERRED = "deferred"


class LakeRunTrigger(BaseTrigger):
    """Looks at a run until it has ended, then says so in one small event; the worker reads the report.

    Any number of triggerers may look at the same run. One that is stopped cancels nothing; the next one goes on. When
    the task is no longer deferred (marked failed or successful, cleared, its DAG run failed or timed out), the run is
    cancelled.

    :param engine: the engine's type.
    :param options: the engine's keys in ``lake.yaml``.
    :param root: where the job folders lie.
    :param task: the fields of the start's task identity.
    :param handle: the fields of the run's handle.
    :param poll_interval: seconds between two looks.
    :param deadline: an ISO time; a run that goes on then is cancelled.
    """

    def __init__(
        self,
        *,
        engine: str,
        options: Mapping[str, Any],
        root: str,
        task: Mapping[str, Any],
        handle: Mapping[str, Any],
        poll_interval: float,
        deadline: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.engine = engine
        self.options = dict(options)
        self.root = root
        self.task_identity = dict(task)
        self.handle = dict(handle)
        self.poll_interval = poll_interval
        self.deadline = deadline
        self._made: Engine | None = None
        self._ending: asyncio.Future[None] | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments, for another process to make this trigger again."""
        arguments = {
            "engine": self.engine,
            "options": self.options,
            "root": self.root,
            "task": self.task_identity,
            "handle": self.handle,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the one event when there is something for the worker to do."""
        began = time.monotonic()
        early = asyncio.ensure_future(self._ask_early())
        try:
            event = await self._wait()
            if self.trigger_id is not None:
                await asyncio.sleep(max(0.0, began + SETTLE_SECONDS - time.monotonic()))
        except asyncio.CancelledError:
            if self.trigger_id is None:
                # No triggerer made this trigger: a person stops `dag.test()`, and nobody else waits for the run.
                await self._cancel_now()
            elif not tells_triggers_of_kills():
                # Since 3.3 Airflow calls on_kill after this. Before, a stop of the triggerer looks the same.
                await self._cancel_unless_deferred()
            raise
        finally:
            early.cancel()
        yield event

    async def on_kill(self) -> None:
        """Cancel the run of a task that somebody has ended.

        Airflow calls this too when another triggerer took the trigger over, because this one was silent for a while.
        It stops listening after 30 seconds; what was begun goes on to its end.
        """
        self._ending = asyncio.ensure_future(self._cancel_unless_deferred())
        await asyncio.shield(self._ending)

    async def _wait(self) -> TriggerEvent:
        failing_since: float | None = None
        pause = max(self.poll_interval, 0.1)
        told = False
        while True:
            try:
                if not told:
                    self.log.info(
                        "Waiting, with a look every %g s: %s", self.poll_interval, await in_thread(self._where)
                    )
                    told = True
                state = await in_thread(self._state)
            except Exception as exc:
                now = time.monotonic()
                failing_since = now if failing_since is None else failing_since
                if now - failing_since >= PATIENCE_SECONDS:
                    self.log.error("Nobody has said for %.0f s where the run stands: %s", now - failing_since, exc)
                    return self._event(UNREACHABLE, str(exc))
                self.log.warning("Nobody says where the run stands, trying again: %s", exc)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                if state.status.is_terminal:
                    self.log.info("The run has ended: %s %s", state.status.value, state.detail)
                    return self._event(ENDED, state.detail)
                failing_since, pause = None, max(self.poll_interval, 0.1)
            left = self._seconds_left()
            if left is not None and left <= 0:
                return await self._end_in_time()
            await asyncio.sleep(pause if left is None else min(pause, left))

    async def _end_in_time(self) -> TriggerEvent:
        """Cancel a run whose time is over, and give it a moment to say its last word."""
        self.log.warning("The task's execution_timeout is over")
        try:
            await in_thread(self._cancel)
            until = time.monotonic() + ENDING_SECONDS
            while not (await in_thread(self._state)).status.is_terminal and time.monotonic() < until:
                await asyncio.sleep(1)
        except Exception as exc:
            self.log.warning("The worker will try to cancel the run: %s", exc)
        return self._event(TIMED_OUT, "")

    async def _ask_early(self) -> None:
        """Ask for the task's state while nobody is in a hurry: the first answer takes Airflow 3 many seconds."""
        if self.trigger_id is not None:
            with contextlib.suppress(Exception):
                await task_state(**self._task)

    async def _cancel_unless_deferred(self) -> None:
        """Cancel the run if its task waits for it no longer; in doubt it goes on, and the task's next run ends it."""
        try:
            state = await task_state(**self._task)
        except Exception as exc:
            self.log.warning("The run goes on, for nobody says whether its task still waits: %s", exc)
            return
        if state == _DEFERRED:
            self.log.info("The task still waits: its run goes on, for another triggerer or this one to look at")
            return
        self.log.info("The task waits no longer, it is %s now", state or "cleared or gone")
        await self._cancel_now()

    async def _cancel_now(self) -> None:
        try:
            await in_thread(self._cancel)
        except Exception as exc:
            self.log.warning("The run goes on until the task runs again: %s", exc)

    @property
    def _task(self) -> dict[str, Any]:
        return {key: self.task_identity[key] for key in ("dag_id", "run_id", "task_id", "map_index")}

    def _seconds_left(self) -> float | None:
        if self.deadline is None:
            return None
        return (datetime.fromisoformat(self.deadline) - datetime.now(UTC)).total_seconds()

    def _event(self, status: str, detail: str) -> TriggerEvent:
        payload = {
            "status": status,
            "detail": detail,
            "root": self.root,
            "task": self.task_identity,
            "deadline": self.deadline,
        }
        return TriggerEvent(payload)  # type: ignore[no-untyped-call]

    # What follows blocks, and runs in threads.

    def _engine(self) -> Engine:
        if self._made is None:
            self._made = get_engine(self.engine, self.options, log=_log, find_connection=find_connection)
        return self._made

    def _state(self) -> RunState:
        return self._engine().state(RunHandle(**self.handle))

    def _where(self) -> str:
        return self._engine().describe(RunHandle(**self.handle))

    def _cancel(self) -> None:
        engine, handle = self._engine(), RunHandle(**self.handle)
        _log.info("Cancelling %s", engine.describe(handle))
        engine.cancel(handle)
