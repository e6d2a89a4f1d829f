"""When a task waits in the triggerer, for how long, and what it hears from there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_lake_provider import runs
from airflow_lake_provider.compat import defers_by_default
from airflow_lake_provider.exceptions import JobTimedOut, SpecError
from airflow_lake_provider.protocol import JobFolder, TaskIdentity
from airflow_lake_provider.protocol.secrets import is_secret, secrets_in_clear
from airflow_lake_provider.spec import EngineConfig
from airflow_lake_provider.spec.secrets import is_secret_variable
from airflow_lake_provider.triggers.run import TIMED_OUT, UNREACHABLE, LakeRunTrigger

POLL_SECONDS = 1.0
"""Between two looks at a run, on a worker."""

POLL_SECONDS_DEFERRED = 5.0
"""The same in the triggerer."""

NET_SECONDS = 120.0
"""So long after its deadline a trigger that has not said a word is given up by Airflow: no triggerer runs it."""


@dataclass(frozen=True)
class Event:
    """What the trigger says: which start it is about, and why the worker is to go on."""

    folder: JobFolder
    status: str
    detail: str
    deadline: datetime | None

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Event:
        """Return the event of a trigger's payload."""
        deadline = payload["deadline"]
        return cls(
            folder=JobFolder(payload["root"], TaskIdentity(**payload["task"])),
            status=payload["status"],
            detail=payload["detail"],
            deadline=None if deadline is None else datetime.fromisoformat(deadline),
        )

    @property
    def is_unreachable(self) -> bool:
        """Whether the triggerer could not find out where the run stands."""
        return self.status == UNREACHABLE

    @property
    def is_timed_out(self) -> bool:
        """Whether the task's time was over."""
        return self.status == TIMED_OUT


def defers(asked: bool | None, config: EngineConfig) -> bool:
    """Whether the task waits in the triggerer: its own word, else the engine's, else Airflow's."""
    if asked is not None:
        return asked
    return config.deferrable if config.deferrable is not None else defers_by_default()


def poll_seconds(asked: float | None, config: EngineConfig, *, deferred: bool = False) -> float:
    """Return the seconds between two looks at a run: the task's own word, else the engine's, else the default.

    :raises SpecError: the task's own word is no number of seconds.
    """
    if asked is not None and not (type(asked) in (int, float) and 0 < asked < math.inf):
        raise SpecError(f"poll_interval is {asked!r}; expected a number of seconds above 0")
    for said in (asked, config.poll_interval):
        if said is not None:
            return said
    return POLL_SECONDS_DEFERRED if deferred else POLL_SECONDS


def deadline_of(execution_timeout: timedelta | None, started: datetime | None) -> datetime | None:
    """Return when the task's time is over, counted from this try's first start."""
    return None if execution_timeout is None else (started or datetime.now(UTC)) + execution_timeout


def trigger_for(
    run: runs.LiveRun, config: EngineConfig, *, poll_interval: float, deadline: datetime | None
) -> LakeRunTrigger:
    """Return the trigger that looks at a run."""
    return LakeRunTrigger(
        engine=config.type,
        options=_without_secrets(config.options),
        root=run.folder.root,
        task=asdict(run.folder.task),
        handle={**asdict(run.handle), "extras": dict(run.handle.extras)},
        poll_interval=poll_interval,
        deadline=None if deadline is None else deadline.isoformat(),
    )


def net_of(deadline: datetime | None) -> timedelta | None:
    """Return after what time Airflow itself is to end the waiting."""
    return None if deadline is None else deadline - datetime.now(UTC) + timedelta(seconds=NET_SECONDS)


def end_of(event: Event, run: runs.LiveRun, wait: runs.Wait) -> runs.EndedRun:
    """Return how the run of an event ended; one that the triggerer could not see is waited for.

    :raises JobTimedOut: the task's time was over, and the job had not said its last word.
    """
    ended = wait.until_end(run)
    if event.is_timed_out and not ended.has_last_word:
        raise JobTimedOut(f"The job ran longer than the task's execution_timeout and was cancelled. See: {ended.run}")
    return ended


def _without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what a request to Airflow's API may show nobody; who only looks at a run needs none of it."""
    return {
        key: {name: text for name, text in value.items() if not _may_be_secret(name, text)}
        if isinstance(value, Mapping)
        else value
        for key, value in options.items()
        if not is_secret(key)
    }


def _may_be_secret(name: str, text: Any) -> bool:
    """Whether a property, or an environment variable (which keep to no rule: ``PGPASSWORD``), may hold a secret."""
    if name.startswith("spark.") and "Env." not in name:
        return bool(secrets_in_clear({name: str(text)}))
    return is_secret_variable(name.rpartition(".")[2], str(text))
