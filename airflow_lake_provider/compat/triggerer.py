"""Waiting in the triggerer, and what a process there may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from airflow.triggers.base import BaseTrigger

_P = ParamSpec("_P")
_T = TypeVar("_T")

STATE_SECONDS = 60.0
"""How long a trigger waits for the answer in which state its task is."""


def defers_by_default() -> bool:
    """Whether Airflow's configuration says that operators wait in the triggerer."""
    from airflow.configuration import conf

    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))


def has_been_deferred(ti: Any) -> bool:
    """Whether a task that gets a signal to end has been deferred already.

    Airflow 2 sends one to a worker that takes its time to end after that; Airflow 3 does not, so there a signal means
    an end.
    """
    try:
        from airflow.sdk.execution_time import task_runner  # noqa: F401
    except ImportError:
        states = _state_in_database(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
        return "deferred" in {str(getattr(state, "value", state)) for state in states.values()}
    return False


def tells_triggers_of_kills() -> bool:
    """Whether Airflow calls a trigger's ``on_kill`` (3.3); before, a trigger is cancelled and not told why."""
    return hasattr(BaseTrigger, "on_kill")


async def in_thread(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run a blocking call beside the triggerer's event loop, so that Airflow's connections can be asked for there."""
    from asgiref.sync import sync_to_async

    # Airflow 3.0 to 3.2 lead a request of a thread back into the loop by asgiref alone: not from asyncio.to_thread.
    return await sync_to_async(call, thread_sensitive=False)(*args, **kwargs)


async def task_state(*, dag_id: str, run_id: str, task_id: str, map_index: int) -> str | None:
    """Ask, in the triggerer, in which state a task instance is: ``None`` when it was cleared or is gone.

    :raises TimeoutError: there was no answer in :data:`STATE_SECONDS`.
    """
    try:
        from airflow.sdk.execution_time.comms import GetTaskStates
    except ImportError:  # Airflow 2: triggers have the metadata database
        question = asyncio.ensure_future(in_thread(_state_in_database, dag_id, run_id, task_id, map_index))
    else:
        asked = GetTaskStates(dag_id=dag_id, run_ids=[run_id], task_ids=[task_id], map_index=map_index)
        question = asyncio.ensure_future(_ask_supervisor(asked))
    # Never cancelled: half an answer read would spoil the triggerer's connection to its supervisor (before 3.3).
    done, _ = await asyncio.wait({question}, timeout=STATE_SECONDS)
    if not done:
        raise TimeoutError(f"Airflow did not say in {STATE_SECONDS:.0f} seconds in which state {task_id} is")
    states = question.result()
    state = states.get(task_id if map_index < 0 else f"{task_id}_{map_index}")
    return None if state is None else str(getattr(state, "value", state))


async def _ask_supervisor(question: Any) -> dict[str, Any]:
    from airflow.sdk.execution_time import task_runner

    answer: Any = await task_runner.SUPERVISOR_COMMS.asend(question)
    if not hasattr(answer, "task_states"):
        raise RuntimeError(f"Airflow did not say in which state the task is: {answer}")
    return dict(answer.task_states.get(question.run_ids[0], {}))


def _state_in_database(dag_id: str, run_id: str, task_id: str, map_index: int) -> dict[str, Any]:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    key = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
    with create_session() as session:
        found = session.query(TaskInstance.state).filter_by(**key).one_or_none()
    name = task_id if map_index < 0 else f"{task_id}_{map_index}"
    return {} if found is None else {name: found.state}
