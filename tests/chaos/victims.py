"""Who can be killed: the parts of a running Airflow and of the jobs below it, found by what they are."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import psutil
from stack import MetadataServer, Stack

UP_SECONDS = 20.0
SERVICES = ("scheduler", "triggerer", "dag-processor", "api-server")
WEIGHTS: Mapping[str, int] = {
    "jvm": 5,
    "driver": 4,
    "supervisor": 4,
    "task": 4,
    "worker": 3,
    "scheduler": 2,
    "scheduler and tasks": 2,
    "triggerer": 2,
    "dag-processor": 1,
    "api-server": 1,
    "database": 1,
}
"""How often each kind is chosen, beside the others that live at that moment.

``worker`` is the executor's process for one task, ``task`` the process below it that runs the operator. A scheduler may
die alone, as when the kernel is short of memory, or with all that it has started, as when its container ends.
"""

WORK = ("worker", "task", "supervisor", "driver", "jvm")
"""What ends with the work it does. (Idle workers of a scheduler that was killed alone wait for ever: Airflow's own.)"""


@dataclass(frozen=True)
class Kill:
    """One kill, for the log."""

    after: float
    kind: str
    pid: int
    what: str

    def __str__(self) -> str:
        return f"{self.after:7.1f} s  {self.kind:<20} {self.pid:>8}  {self.what}"


def kind_of(process: psutil.Process) -> str | None:
    """Say which part of a task or of a job a process is; ``None`` for all others."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        command = process.cmdline()
        line = " ".join(command)
        if process.name() == "java" or (command and command[0].endswith("/java")):
            return "jvm"
        if any(word.endswith("engines/supervisor.py") for word in command):
            return "supervisor"
        if "airflow_lake_provider.jobs" in command:
            return "driver"
        if line.startswith("airflow worker -- LocalExecutor: "):
            return "worker" if "-" in line.rpartition(": ")[2] else None  # an idle one has no task's id
        if line.startswith("airflow worker -- "):
            return "task"
    return None


def at_work(stack: Stack) -> list[psutil.Process]:
    """Return what is alive of tasks and jobs."""
    return [process for process in stack.processes() if kind_of(process) in WORK]


class Killer:
    """Kills what a random generator chooses, and starts services again a moment later, as systemd would."""

    def __init__(self, stack: Stack, server: MetadataServer, chance: random.Random, now: Callable[[], float]) -> None:
        self.kills: list[Kill] = []
        self._stack, self._server, self._chance, self._now = stack, server, chance, now
        self._names = {name: name for name in SERVICES}
        self._due: dict[str, float] = {}

    def kill(self) -> Kill | None:
        """Kill one; ``None`` when nothing that can be killed is alive."""
        alive = self._alive()
        kinds = sorted(kind for kind in alive if alive[kind])
        if not kinds:
            return None
        kind = self._chance.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]
        process = self._chance.choice(sorted(alive[kind], key=lambda process: process.pid))
        what = _what(process)
        if kind.partition(" ")[0] in SERVICES:
            self._kill_service(kind)
        else:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.kills.append(Kill(self._now(), kind, process.pid, what))
        return self.kills[-1]

    def restart_due(self) -> None:
        """Start the services again whose time has come."""
        for service in [service for service, moment in self._due.items() if moment <= self._now()]:
            self._start(service)

    def restart_all(self) -> None:
        """Start all that is down."""
        for service in list(self._due):
            self._start(service)

    def names(self) -> list[str]:
        """Return the services as the stack knows them."""
        return [self._names[service] for service in SERVICES if service not in self._due]

    def revive(self) -> list[str]:
        """Start services again that ended by themselves, as systemd would; return which."""
        ended = [
            service
            for service in SERVICES
            if service not in self._due and self._stack.process(self._names[service]).poll() is not None
        ]
        for service in ended:
            self._stack.kill(self._names[service])
            self._due[service] = self._now() + 1
        return ended

    def _start(self, service: str) -> None:
        del self._due[service]
        # Under another name the stack does not wait until the API answers: the kills go on meanwhile.
        self._names[service] = f"{service}:{len(self.kills)}"
        self._stack.start(self._names[service])

    def _kill_service(self, kind: str) -> None:
        service = kind.partition(" ")[0]
        self._stack.kill(self._names[service], whole=kind != "scheduler")
        self._due[service] = self._now() + self._chance.uniform(0.5, 4)

    def _alive(self) -> dict[str, list[psutil.Process]]:
        found: dict[str, list[psutil.Process]] = {kind: [] for kind in WEIGHTS}
        for process in self._stack.processes():
            kind = kind_of(process)
            if kind is not None:
                found[kind].append(process)
        for service in SERVICES:
            # One that has not come up yet is left alone: else a slow machine's scheduler would never get to work.
            if service not in self._due and _age(process := self._stack.process(self._names[service])) > UP_SECONDS:
                found[service] = [process]
        found["scheduler and tasks"] = found["scheduler"]
        found["database"] = self._backends()
        return found

    def _backends(self) -> list[psutil.Process]:
        """Return our server's processes for its clients: when one is killed, the server resets all of them."""
        port, found = str(self._server.server.port), []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.name() != "postgres" or "-p" not in process.cmdline():
                    continue
                if port in process.cmdline():
                    found += [child for child in process.children() if "127.0.0.1(" in " ".join(child.cmdline())]
        return found


def _age(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        return time.time() - float(process.create_time())
    return 0.0


def _what(process: psutil.Process) -> str:
    """Say more of a process: of a job, which it is (the folder is its working directory); of others, what they run."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        line = " ".join(process.cmdline())
        place = next((word for word in process.cmdline() if word.endswith("request.json")), process.cwd())
        return unquote(place.partition("/jobs/")[2].replace("~", "%")) or line[:100].strip()
    return "gone by itself"
