"""Drivers as processes of this machine: started once, followed, stopped, and explained when they die.

For engines whose driver runs beside its worker: the local one, and a cluster's in client mode.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from airflow_lake_provider.engines.base import RunHandle, RunState, SparkJob, Status
from airflow_lake_provider.engines.driver_end import ABANDONED, LEFTOVERS, LOG, STATUS, last_state, sweep
from airflow_lake_provider.engines.driver_log import DriverLog
from airflow_lake_provider.engines.heartbeat import BEAT_SECONDS, Heartbeats
from airflow_lake_provider.engines.process import started_at, this_host
from airflow_lake_provider.exceptions import EngineError
from airflow_lake_provider.protocol import from_json, to_json
from airflow_lake_provider.protocol.store import CANCELLED, PROCESS, local_path

GRACE_SECONDS = 10.0
"""How long a stopped driver has to end by itself before it is killed."""

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_IN_CACHE = "cache"
_CONTAINER_OF_A_TASK = ("AIRFLOW_IS_K8S_EXECUTOR_POD", "AIRFLOW_IS_EXECUTOR_CONTAINER")
"""Set by the KubernetesExecutor, and by Amazon's executors on ECS and Batch, which make a container for each task."""


@dataclass(frozen=True)
class Launch:
    """How a driver is started: its command line and its whole environment."""

    command: Sequence[str]
    environment: Mapping[str, str]


@dataclass
class _Started:
    """A driver that this process started: only its parent learns how a process ended."""

    supervisor: subprocess.Popen[bytes]
    lifeline: int | None

    def cut(self) -> None:
        if self.lifeline is not None:
            os.close(self.lifeline)
            self.lifeline = None


class DriverProcesses:
    """The drivers of one engine on this machine.

    The driver, its JVM and what they start form one process group. It ends when the job ends, when somebody cancels
    it, and, unless the job is detached, when the process that submitted it dies, however that dies. Beside the job's
    documents (in the cache folder, when those live in S3) lie ``driver.log`` with all the driver's output,
    ``process.json``, ``heartbeat`` and ``exit.json``.

    On the driver's own machine its state is exact at once. Another machine that shares the folder knows it by
    ``exit.json`` and the heartbeat, and cancels by a file.

    :param engine: the engine's name, for the handles.
    :param log: where the job's own lines, Spark's errors and the progress go.
    :param cache: keeps the files of drivers whose job folder is not on this machine.
    """

    def __init__(self, *, engine: str, log: logging.Logger, cache: Path) -> None:
        self._engine = engine
        self._log = log
        self._cache = cache
        self._started: dict[str, _Started] = {}
        self._heartbeats = Heartbeats()
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
                known = _read_handle(folder / PROCESS)
                if known is not None and known.request_id == job.request_id:
                    handle = known
                else:
                    handle = self._start(job, folder, launch(), extras or {})
                    try:
                        _write(folder / PROCESS, to_json(handle))
                    except BaseException:
                        self._started.pop(job.request_id).cut()  # nobody would find it again: it ends
                        raise
                    self._let_begin(handle)
        except OSError as exc:
            raise EngineError(f"The job cannot be started from {folder}: {exc}") from exc
        self.follow(handle)
        return handle

    def folder(self, job: SparkJob) -> Path:
        """Return where the files of the job's driver lie: its job folder, or a place in the cache."""
        if _is_remote(job):
            return self._cache / "runs" / job.request_id
        return local_path(job.request_uri.rpartition("/")[0]).absolute()

    def follow(self, handle: RunHandle) -> None:
        """From now on, pass the driver's output on to the log with each :meth:`state`."""
        if handle.request_id not in self._logs:
            self._logs[handle.request_id] = DriverLog(Path(handle.extras["folder"]) / LOG, self._log)

    def state(self, handle: RunHandle) -> RunState:
        """Say where the driver stands; of a run that is followed, pass on what it has written since the last call.

        :raises EngineError: it runs on another machine, and its folder cannot be seen from here.
        """
        folder = Path(handle.extras["folder"])
        ended = self._ended(handle, folder)
        if handle.request_id in self._logs:
            self._logs[handle.request_id].follow(final=ended)
        if not ended:
            return RunState(Status.RUNNING)
        self._release(handle, folder)
        return last_state(folder, process=f"process {handle.run_id}")

    def cancel(self, handle: RunHandle) -> None:
        """Stop the driver and everything it started.

        Returns when they are gone; where they run on another machine, at the latest after the time they have for it.

        :raises EngineError: it runs on another machine, and its folder cannot be seen or written from here.
        """
        folder = Path(handle.extras["folder"])
        if self._ended(handle, folder):
            return
        try:
            (folder / CANCELLED).touch()
        except OSError as exc:
            raise EngineError(f"The job cannot be cancelled: {folder} cannot be written: {exc}") from exc
        is_here = handle.extras["host"] == this_host()
        if is_here:
            # Another user's process obeys the file alone: with run_as_user the triggerer is not the worker's user.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(handle.extras["pid"]), signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS + 5
        while not self._ended(handle, folder):
            if time.monotonic() > deadline:
                if is_here:
                    _kill(handle, folder)
                return
            time.sleep(0.05)

    def describe(self, handle: RunHandle) -> str:
        """Say which process it is, and where its whole output lies."""
        extras = handle.extras
        return f"process {extras['pid']} on {extras['host'].split()[0]}, log: {extras['folder']}/{LOG}"

    def _start(self, job: SparkJob, folder: Path, launch: Launch, extras: Mapping[str, str]) -> RunHandle:
        detached = job.detached and self._may_detach(job)
        for leftover in LEFTOVERS:
            (folder / leftover).unlink(missing_ok=True)
        lifeline_end, lifeline = os.pipe()
        try:
            with (folder / LOG).open("ab") as output:
                supervisor = subprocess.Popen(
                    [
                        sys.executable, "-I", str(_SUPERVISOR),
                        str(folder), "0" if detached else str(os.getpid()),
                        str(GRACE_SECONDS), str(BEAT_SECONDS), str(lifeline_end),
                        *launch.command,
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env={**_local_dirs(job), **launch.environment},
                    pass_fds=(lifeline_end,),
                    start_new_session=True,
                )  # fmt: skip
        except BaseException:
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
            detached=detached,
            extras={
                **extras,
                "host": this_host(),
                "pid": str(supervisor.pid),
                "started": started_at(supervisor.pid) or "",
                "folder": str(folder),
                **({"place": _IN_CACHE} if _is_remote(job) else {}),
            },
        )

    def _may_detach(self, job: SparkJob) -> bool:
        if _is_remote(job):
            self._log.warning(
                "%s is no folder of a file system, so nobody but this machine can watch the driver: the task waits on "
                "its worker. Put job_root on a file system that workers and triggerers share, or set deferrable: false",
                job.request_uri.rpartition("/")[0],
            )
            return False
        if any(os.environ.get(name) for name in _CONTAINER_OF_A_TASK):
            self._log.warning(
                "This container ends with its task, and a driver in it would, too: the task waits on its worker. "
                "Use cluster mode, or set deferrable: false"
            )
            return False
        return True

    def _let_begin(self, handle: RunHandle) -> None:
        """Let a detached driver begin: from now on ``process.json`` finds it. Before, it would end with its worker."""
        started = self._started[handle.request_id]
        if handle.detached and started.lifeline is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(started.lifeline, b"+")
            started.cut()

    def _ended(self, handle: RunHandle, folder: Path) -> bool:
        started = self._started.get(handle.request_id)
        if started is not None:
            return started.supervisor.poll() is not None
        if (folder / STATUS).exists():
            return True
        if handle.extras["host"] == this_host():
            return started_at(int(handle.extras["pid"])) != handle.extras["started"]
        if (folder / ABANDONED).exists():
            return True
        if handle.extras.get("place") == _IN_CACHE:
            # The files are there alone. Such a driver ends with its worker, and is looked for elsewhere only then.
            return True
        if not self._heartbeats.has_stopped(folder):
            return False
        # Should it only have been asleep (a machine that was paused): another run may take its place from now on.
        with contextlib.suppress(OSError):
            (folder / ABANDONED).touch()
        return True

    def _release(self, handle: RunHandle, folder: Path) -> None:
        """Forget a driver that has ended; where somebody killed its supervisor, end the driver in its place."""
        self._heartbeats.forget(folder)
        started = self._started.pop(handle.request_id, None)
        if started is not None:
            started.cut()
        if handle.extras["host"] == this_host() and not (folder / STATUS).exists():
            sweep(folder)


def _local_dirs(job: SparkJob) -> dict[str, str]:
    """Return what makes Spark heed ``spark.local.dir``: it goes by a variable that the supervisor would else set."""
    places = job.request.spark_conf.get("spark.local.dir")
    return {"SPARK_LOCAL_DIRS": places} if places else {}


def _is_remote(job: SparkJob) -> bool:
    """Whether the job folder lies where no file of a process can."""
    return "://" in job.request_uri and not job.request_uri.startswith("file://")


def _kill(handle: RunHandle, folder: Path) -> None:
    """Kill a driver's whole group and its supervisor, which is still alive."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(int(handle.extras["pid"]), signal.SIGKILL)
    sweep(folder)


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
