"""Drivers as processes of this machine: started once, followed, stopped, and explained when they die.

For engines whose driver runs beside its worker: the local one, and a cluster's in client mode.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from airflow_lake_provider.engines.base import RunHandle, RunState, SparkJob, Status
from airflow_lake_provider.engines.driver_log import DriverLog, cause_of
from airflow_lake_provider.engines.process import started_at, this_host
from airflow_lake_provider.engines.supervisor import NOT_STARTED
from airflow_lake_provider.exceptions import EngineError
from airflow_lake_provider.protocol import from_json, to_json
from airflow_lake_provider.protocol.store import local_path

GRACE_SECONDS = 10.0
"""How long a stopped driver has to end by itself before it is killed."""

_SILENT = logging.Logger("silent", level=logging.CRITICAL + 1)
_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_PROCESS = "process.json"
_DRIVER = "driver.pid"
_STATUS = "exit.json"
_CANCELLED = "cancelled"
_LOG = "driver.log"
# What a driver must not see: the secrets of Airflow, and what would lead it to another Python or another Spark.
_DROPPED = ("AIRFLOW", "_AIRFLOW", "__AIRFLOW", "PYSPARK_")
_DROPPED_NAMES = frozenset(
    {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "VIRTUAL_ENV", "SPARK_HOME", "SPARK_CONF_DIR"}
)


@dataclass(frozen=True)
class Launch:
    """How a driver is started: its command line and its whole environment."""

    command: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class _Started:
    """A driver that this process started: only its parent learns how a process ended."""

    supervisor: subprocess.Popen[bytes]
    lifeline: int


class DriverProcesses:
    """The drivers of one engine on this machine.

    The driver, its JVM and what they start form one process group. It ends when the job ends, when somebody cancels
    it, and when the process that submitted it dies, however that dies. Beside the job's documents (in the cache
    folder, when those live in S3) lie ``driver.log`` with all the driver's output, ``process.json`` and ``exit.json``.

    :param engine: the engine's name, for the handles.
    :param log: where the job's own lines, Spark's errors and the progress go.
    :param cache: keeps the files of drivers whose job folder is not on this machine.
    """

    def __init__(self, *, engine: str, log: logging.Logger, cache: Path) -> None:
        self._engine = engine
        self._log = log
        self._cache = cache
        self._started: dict[str, _Started] = {}
        self._logs: dict[str, DriverLog] = {}

    def submit(
        self, job: SparkJob, launch: Callable[[], Launch], *, extras: Mapping[str, str] | None = None
    ) -> RunHandle:
        """Start the driver, or find the one that this request id already started on this machine.

        :param launch: says how; called only when there is something to start.
        :param extras: more for the handle's ``extras``.
        :raises EngineError: the run's folder cannot be written or the process cannot be started.
        """
        folder = self.folder(job)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder / ".submit.lock"):
                known = _read_handle(folder / _PROCESS)
                if known is not None and known.request_id == job.request_id:
                    handle = known
                else:
                    handle = self._start(job, folder, launch(), extras or {})
                    _write(folder / _PROCESS, to_json(handle))
        except OSError as exc:
            raise EngineError(f"The job cannot be started from {folder}: {exc}") from exc
        self.follow(handle)
        return handle

    def folder(self, job: SparkJob) -> Path:
        """Return where the files of the job's driver lie: its job folder, or a place in the cache."""
        place = job.request_uri.rpartition("/")[0]
        if "://" in place and not place.startswith("file://"):
            return self._cache / "runs" / job.request_id
        return local_path(place).absolute()

    def follow(self, handle: RunHandle) -> None:
        """From now on, pass the driver's output on to the log with each :meth:`state`."""
        if handle.request_id not in self._logs:
            self._logs[handle.request_id] = DriverLog(Path(handle.extras["folder"]) / _LOG, self._log)

    def state(self, handle: RunHandle) -> RunState:
        """Say where the driver stands; of a run that is followed, pass on what it has written since the last call."""
        folder = Path(handle.extras["folder"])
        ended = self._ended(handle, folder)
        if handle.request_id in self._logs:
            self._logs[handle.request_id].follow(final=ended)
        if not ended:
            return RunState(Status.RUNNING)
        self._release(handle)
        return _last_state(handle, folder)

    def cancel(self, handle: RunHandle) -> None:
        """Stop the driver and everything it started; returns when they are gone."""
        folder = Path(handle.extras["folder"])
        if self._ended(handle, folder):
            return
        pid = int(handle.extras["pid"])
        (folder / _CANCELLED).touch()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS + 5
        while not self._ended(handle, folder):
            if time.monotonic() > deadline:
                _kill(pid, folder)
                return
            time.sleep(0.05)

    def describe(self, handle: RunHandle) -> str:
        """Say which process it is, and where its whole output lies."""
        extras = handle.extras
        return f"process {extras['pid']} on {extras['host'].split()[0]}, log: {extras['folder']}/{_LOG}"

    def _start(self, job: SparkJob, folder: Path, launch: Launch, extras: Mapping[str, str]) -> RunHandle:
        for leftover in (_DRIVER, _STATUS, _CANCELLED):
            (folder / leftover).unlink(missing_ok=True)
        lifeline_end, lifeline = os.pipe()
        try:
            with (folder / _LOG).open("ab") as output:
                supervisor = subprocess.Popen(
                    [
                        sys.executable, "-I", str(_SUPERVISOR),
                        str(folder), str(os.getpid()), str(GRACE_SECONDS), str(lifeline_end),
                        *launch.command,
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env=launch.environment,
                    pass_fds=(lifeline_end,),
                    start_new_session=True,
                )  # fmt: skip
        except OSError:
            os.close(lifeline)
            raise
        finally:
            os.close(lifeline_end)
        self._started[job.request_id] = _Started(supervisor, lifeline)
        return RunHandle(
            engine=self._engine,
            run_id=str(supervisor.pid),
            request_id=job.request_id,
            submitted_at=datetime.now(UTC).isoformat(),
            extras={
                **extras,
                "host": this_host(),
                "pid": str(supervisor.pid),
                "started": started_at(supervisor.pid) or "",
                "folder": str(folder),
            },
        )

    def _ended(self, handle: RunHandle, folder: Path) -> bool:
        started = self._started.get(handle.request_id)
        if started is not None:
            return started.supervisor.poll() is not None
        if (folder / _STATUS).exists():
            return True
        if handle.extras["host"] != this_host():
            # A driver ends with the worker that started it, and a run is looked for elsewhere only after that.
            return True
        return started_at(int(handle.extras["pid"])) != handle.extras["started"]

    def _release(self, handle: RunHandle) -> None:
        """Forget a driver that has ended; where somebody killed its supervisor, end the driver in its place."""
        started = self._started.pop(handle.request_id, None)
        if started is None:
            return
        os.close(started.lifeline)
        folder = Path(handle.extras["folder"])
        if not (folder / _STATUS).exists():
            _kill(started.supervisor.pid, folder)


def driver_environment(*, keep: Collection[str] = ()) -> dict[str, str]:
    """Return this process's environment less what a driver must not see, with the clock in UTC.

    :param keep: names that stay although they lead to a certain Python or Spark.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in keep or (name not in _DROPPED_NAMES and not name.startswith(_DROPPED))
    }
    return {**environment, "PYTHONNOUSERSITE": "1", "PYTHONUNBUFFERED": "1", "TZ": "UTC"}


def _last_state(handle: RunHandle, folder: Path) -> RunState:
    try:
        status = json.loads((folder / _STATUS).read_bytes())
    except FileNotFoundError:
        status = None
    if status is not None and status["returncode"] == 0:
        return RunState(Status.SUCCEEDED)
    if (folder / _CANCELLED).exists():
        return RunState(Status.CANCELLED, "cancelled")
    if status is None:
        return RunState(Status.LOST, f"process {handle.run_id} has gone and left no exit status")
    if status["returncode"] == NOT_STARTED and status["reason"]:
        return RunState(Status.FAILED, f"the driver could not be started: {status['reason']}")
    if status["reason"]:
        return RunState(Status.LOST, f"the driver was stopped: {status['reason']}")
    return RunState(Status.FAILED, _why(folder, status["returncode"]))


def _why(folder: Path, returncode: int) -> str:
    output = DriverLog(folder / _LOG, _SILENT)
    output.follow(final=True)
    cause = cause_of(output.tail)
    if returncode < 0:
        name = signal.Signals(-returncode).name
        hint = " (does the machine have enough memory for driver_memory?)" if name == "SIGKILL" else ""
        return f"the driver was killed by {name}{hint}"
    return f"the driver ended with exit code {returncode}{_signal_of(returncode)}" + (f": {cause}" if cause else "")


def _signal_of(returncode: int) -> str:
    """Name the signal that ended the Python of a driver whose JVM came through: spark-submit reports 128 and more."""
    with contextlib.suppress(ValueError):
        return f" (killed by {signal.Signals(returncode - 128).name})"
    return ""


def _kill(supervisor: int, folder: Path) -> None:
    """Kill a driver's whole group and its supervisor."""
    with contextlib.suppress(OSError, ValueError):
        os.killpg(int((folder / _DRIVER).read_text()), signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(supervisor, signal.SIGKILL)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read_handle(path: Path) -> RunHandle | None:
    try:
        return from_json(RunHandle, path.read_bytes(), source=str(path))
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
