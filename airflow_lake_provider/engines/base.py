"""The engine seam: four verbs, one value for a started run, one for its state."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from airflow_lake_provider.protocol import JobRequest


class Status(enum.StrEnum):
    """Where a run stands, in our words; each engine maps its platform's states to these."""

    SUBMITTED = "submitted"
    """Accepted, not running yet."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    """The process or platform says that it ended well; the report has the last word."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    """The platform does not know the run (any more): it will never end by itself."""

    @property
    def is_terminal(self) -> bool:
        """Whether the run will not change its state any more."""
        return self not in (Status.SUBMITTED, Status.RUNNING)


@dataclass(frozen=True)
class RunState:
    """A run's status and, where it ended badly, the platform's own word for why."""

    status: Status
    detail: str = ""


@dataclass(frozen=True)
class RunHandle:
    """What finds a started run again, from any process: ``handle.json``.

    ``detached``: the run goes on without the process that started it, and can be watched and cancelled from any
    machine of this Airflow. ``extras`` are the engine's own (process id, application id, job name), text values only.
    """

    engine: str
    run_id: str
    request_id: str
    submitted_at: str
    url: str | None = None
    detached: bool = False
    extras: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SparkJob:
    """What an engine starts: the job library with the one argument ``--request-uri``.

    ``request_uri`` lies in the job folder; ``request`` is the same document, read. ``options`` are the platform's own
    settings (``engine_options``), for the engine to pass on as they are. ``detached`` asks for a run that does not end
    with the process that starts it; whether it became one, the handle says.
    """

    request: JobRequest
    request_uri: str
    options: Mapping[str, Any] = field(default_factory=dict)
    detached: bool = False

    @property
    def request_id(self) -> str:
        """The idempotency key of the submit."""
        return self.request.request_id


class Engine(Protocol):
    """Where jobs run. Implementations take their clients as arguments and import neither Airflow nor boto3.

    ``submit`` is idempotent on the request id as far as the platform can be. All four raise
    :class:`~airflow_lake_provider.exceptions.EngineError` when the platform refuses or cannot be reached.
    """

    name: str

    @property
    def spark_conf(self) -> Mapping[str, str]:
        """What every job on this engine runs with unless its request says otherwise; it goes into the request."""

    def submit(self, job: SparkJob) -> RunHandle:
        """Start the job, or find the run that this request id already started."""

    def state(self, handle: RunHandle) -> RunState:
        """Ask where the run stands; never raises for a run that is gone, that is ``LOST``."""

    def cancel(self, handle: RunHandle) -> None:
        """Stop the run; a run that has ended stays as it is."""

    def describe(self, handle: RunHandle) -> str:
        """Say in one line where a person finds the run and its logs."""


@runtime_checkable
class FollowsLogs(Protocol):
    """An engine that passes a run's output on while somebody waits for it."""

    def follow(self, handle: RunHandle) -> None:
        """From now on, each ``state`` of this run also logs what the driver has written since the last one."""
