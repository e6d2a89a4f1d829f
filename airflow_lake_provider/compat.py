"""Every difference between the Airflow versions that the package runs on: nothing else asks for the version.

Airflow 3 speaks of assets and keeps its authoring interface in ``airflow.sdk``; Airflow 2 speaks of datasets.
Importing this module imports Airflow.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_lake_provider.engines import Connection
from airflow_lake_provider.exceptions import EngineError

if TYPE_CHECKING:
    from airflow.sdk import (
        DAG,
        Asset,
        AssetAlias,
        AssetAll,
        AssetAny,
        BaseHook,
        BaseOperator,
        BaseOperatorLink,
        CronDataIntervalTimetable,
        DeltaDataIntervalTimetable,
        Param,
        TaskGroup,
        get_parsing_context,
    )
    from airflow.sdk.bases.xcom import BaseXCom
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSkipException,
        AirflowTaskTimeout,
    )
else:
    try:
        from airflow.sdk import (
            DAG,
            Asset,
            AssetAlias,
            AssetAll,
            AssetAny,
            BaseOperator,
            BaseOperatorLink,
            Param,
            TaskGroup,
            get_parsing_context,
        )
        from airflow.sdk.bases.xcom import BaseXCom
    except ImportError:  # Airflow 2
        from airflow.datasets import Dataset as Asset
        from airflow.datasets import DatasetAlias as AssetAlias
        from airflow.datasets import DatasetAll as AssetAll
        from airflow.datasets import DatasetAny as AssetAny
        from airflow.models import DAG, BaseOperator, Param
        from airflow.models.baseoperatorlink import BaseOperatorLink
        from airflow.models.xcom import XCom as BaseXCom
        from airflow.utils.dag_parsing_context import get_parsing_context
        from airflow.utils.task_group import TaskGroup

    try:
        from airflow.sdk import BaseHook
    except ImportError:  # before 3.1
        from airflow.hooks.base import BaseHook

    try:
        from airflow.sdk import CronDataIntervalTimetable, DeltaDataIntervalTimetable
        from airflow.sdk.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowNotFoundException,
            AirflowSkipException,
            AirflowTaskTimeout,
        )
    except ImportError:  # before 3.2
        from airflow.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowNotFoundException,
            AirflowSkipException,
            AirflowTaskTimeout,
        )
        from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable

__all__ = [
    "DAG",
    "AirflowException",
    "AirflowFailException",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "Asset",
    "AssetAlias",
    "AssetAll",
    "AssetAny",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseTrigger",
    "BaseXCom",
    "CronDataIntervalTimetable",
    "DeltaDataIntervalTimetable",
    "Param",
    "TaskGroup",
    "TriggerEvent",
    "add_asset_event",
    "defers_by_default",
    "find_connection",
    "get_parsing_context",
    "has_been_deferred",
    "in_thread",
    "last_complete_interval",
    "make_asset",
    "shows_code_by_fileloc",
    "start_date_by_assets",
    "task_state",
    "tells_triggers_of_kills",
]

_P = ParamSpec("_P")
_T = TypeVar("_T")

STATE_SECONDS = 10.0
"""How long a trigger waits for the answer in which state its task is."""


def make_asset(*, name: str, uri: str) -> Asset:
    """Return the asset; Airflow 2's datasets have no name, there the URI alone says which it is."""
    try:
        return Asset(name=name, uri=uri)
    except TypeError:
        return Asset(uri=uri)


def start_date_by_assets() -> datetime | None:
    """Return the start date of a DAG that assets start: Airflow 2 wants one, and any past one does."""
    return None if DAG.__module__.startswith("airflow.sdk") else datetime(1970, 1, 1, tzinfo=UTC)


def shows_code_by_fileloc() -> bool:
    """Say whether a DAG may name any file for the Code tab: Airflow 3 finds a DAG's own file by ``relative_fileloc``.

    Airflow 2 has but ``fileloc``: it hands it to workers, and drops DAGs whose file is no Python file.
    """
    return DAG.__module__.startswith("airflow.sdk")


def add_asset_event(context: Mapping[str, Any], alias: AssetAlias, asset: Asset, extra: dict[str, Any]) -> None:
    """Fill the alias with one event of the asset, for this task run."""
    _make_known(alias)
    context["outlet_events"][alias].add(asset, extra=extra)


def _make_known(alias: AssetAlias) -> None:
    """Put the alias into Airflow 2's database, where the event of one that the parse did not see is a crash.

    A mapped task learns its table when it runs, and ``dag.test()`` runs DAGs that nothing has parsed into the database.
    """
    try:
        from airflow.models.dataset import DatasetAliasModel  # type: ignore[import-not-found]
    except ImportError:  # Airflow 3 does so by itself
        return
    from airflow.utils.session import create_session
    from sqlalchemy import select
    from sqlalchemy.exc import IntegrityError

    # Another task may put it there at the same moment.
    with contextlib.suppress(IntegrityError), create_session() as session:
        if session.scalar(select(DatasetAliasModel.id).where(DatasetAliasModel.name == alias.name)) is None:
            session.add(DatasetAliasModel(name=alias.name))


def find_connection(conn_id: str) -> Connection:
    """Return one of Airflow's connections, from wherever this Airflow keeps it.

    :raises EngineError: there is none.
    """
    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as exc:
        raise EngineError(
            f"Airflow has no connection {conn_id!r}. Add it (Admin, Connections, or AIRFLOW_CONN_{conn_id.upper()}), "
            "or name the cluster itself with the engine's option 'master'."
        ) from exc
    return Connection(
        conn_id=conn_id,
        conn_type=found.conn_type or "",
        host=found.host or "",
        port=found.port,
        extra=found.extra_dejson,
    )


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


def last_complete_interval(dag: Any, before: datetime) -> tuple[datetime, datetime] | None:
    """Return the newest data interval of the DAG's schedule that has ended by ``before``, within start and end date.

    :param before: aware.
    :return: start and end, in UTC; ``None`` when the DAG has no schedule in time, or no interval has ended yet.
    """
    import pendulum
    from airflow.timetables import interval

    timetable = _core_timetable(dag.timetable)
    if not timetable.periodic:
        return None
    moment = pendulum.instance(before).in_timezone("UTC")
    last = pendulum.instance(dag.end_date).in_timezone("UTC") if dag.end_date is not None else None
    if isinstance(timetable, interval.DeltaDataIntervalTimetable):
        start, end = _last_step(timetable, dag.start_date, moment, last)
    elif isinstance(timetable, interval.CronDataIntervalTimetable):
        if last is not None:
            moment = min(moment, timetable._get_next(timetable._align_to_prev(last)))
        start, end = timetable.infer_manual_data_interval(run_after=moment)
    else:
        # A trigger timetable takes the moment as it is; on its last tick the interval is one of a scheduled run.
        moment = moment if last is None else min(moment, last)
        align = getattr(timetable, "_align_to_prev", None)
        start, end = timetable.infer_manual_data_interval(run_after=align(moment) if align else moment)
    return (start, end) if dag.start_date is None or start >= dag.start_date else None


def _core_timetable(timetable: Any) -> Any:
    """Return the timetable that can compute; on Airflow 3 a DAG holds a mere description of it."""
    try:
        from airflow.serialization.encoders import coerce_to_core_timetable
    except ImportError:
        return timetable
    return coerce_to_core_timetable(timetable)


def _last_step(timetable: Any, start_date: datetime | None, moment: Any, last: Any | None) -> tuple[datetime, datetime]:
    """Return the last whole step of a fixed length, counted from the DAG's start; it begins at ``last`` or before.

    Airflow itself would end the interval at ``moment``, to the microsecond: no run but this one would ever have it.
    """
    import pendulum

    step = moment - timetable._get_prev(moment)
    first = pendulum.instance(start_date) if start_date is not None else pendulum.datetime(1970, 1, 1)
    steps = (moment - first) // step
    if last is not None:
        steps = min(steps, (last - first) // step + 1)
    end = first + step * steps
    return (end - step).in_timezone("UTC"), end.in_timezone("UTC")
