"""What a cluster's master tells of an application in cluster mode: find it, ask it, stop it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from airflow_lake_provider.engines.base import RunState
from airflow_lake_provider.engines.driver_log import cause_of
from airflow_lake_provider.exceptions import EngineError

COMMAND_SECONDS = 120.0
"""How long a question to the master may take: most of it is the start of a JVM."""


class Master(Protocol):
    """Knows an application by ``run_id``, the platform's name for it. All raise ``EngineError`` when refused."""

    @property
    def defaults(self) -> Mapping[str, str]:
        """Spark properties for a submission that a job may set otherwise."""

    @property
    def doubt(self) -> str | None:
        """Why it can tell less than its kind usually does, for a person; ``None`` when it can tell all."""

    def submission(self, request_id: str) -> Mapping[str, str]:
        """Return the Spark properties by which :meth:`find` finds the application again; no job can change them."""

    def find(self, request_id: str) -> str | None:
        """Return the run that this request id already started; ``None`` when there is none."""

    def named(self, request_id: str, output: str) -> str | None:
        """Return the run that spark-submit has just started, given what it said; ``None`` when nothing names it."""

    def state(self, run_id: str) -> RunState:
        """Ask where it stands; ``LOST`` when the master does not know it."""

    def kill(self, run_id: str) -> None:
        """Stop it; the master may take a moment."""

    def logs(self, run_id: str) -> str:
        """Say where its driver's output is."""


@dataclass(frozen=True)
class Answer:
    """What a command said, on both of its channels, and how it ended."""

    command: str
    returncode: int
    output: str

    def checked(self, what: str) -> str:
        """Return the output.

        :raises EngineError: the command failed.
        """
        if self.returncode != 0:
            raise EngineError(
                f"{self.command} cannot {what}: it ended with exit code {self.returncode}: {cause_of(self.output)}"
            )
        return self.output


def ask(command: Sequence[str], environment: Mapping[str, str], *, seconds: float = COMMAND_SECONDS) -> Answer:
    """Run a command to its end.

    :raises EngineError: it cannot be started, or takes too long.
    """
    try:
        done = subprocess.run(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise EngineError(f"{command[0]} did not end within {seconds:.0f} seconds") from exc
    except OSError as exc:
        raise EngineError(f"{command[0]} cannot be started: {exc.strerror or exc}") from exc
    return Answer(command[0], done.returncode, done.stdout)
