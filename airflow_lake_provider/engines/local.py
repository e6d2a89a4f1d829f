"""The local engine: the data plane's Python on this machine, in a process group that dies with its worker."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from airflow_lake_provider.engines.base import RunHandle, RunState, SparkJob, Status
from airflow_lake_provider.engines.bundle import job_library
from airflow_lake_provider.engines.cache import cache_folder
from airflow_lake_provider.engines.data_plane import DataPlane, find_data_plane, required_coordinates
from airflow_lake_provider.engines.driver_log import DriverLog
from airflow_lake_provider.engines.process import started_at, this_host
from airflow_lake_provider.engines.supervisor import NOT_STARTED
from airflow_lake_provider.exceptions import EngineError
from airflow_lake_provider.protocol import from_json, to_json
from airflow_lake_provider.protocol.stack import condense
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
class _Started:
    """A driver that this process started: only its parent learns how a process ended."""

    supervisor: subprocess.Popen[bytes]
    lifeline: int


class LocalEngine:
    """Runs jobs as processes of this machine.

    The driver, its JVM and what they start form one process group. It ends when the job ends, when somebody cancels
    it, and when the process that submitted it dies, however that dies. Beside the job's documents (in the cache
    folder, when those live in S3) lie ``driver.log`` with all the driver's output, ``process.json`` and ``exit.json``.

    :param python: the data plane's Python; by default ``LAKE_SPARK_PYTHON``, else what ``lake spark install`` built.
    :param master: Spark's master; ``local[*]`` uses all cores.
    :param driver_memory: the heap of the one JVM, which does all the work here.
    :param spark_conf: for every job on this engine; a request's own settings win.
    :param env: more environment variables for the driver. It gets this process's environment without Airflow's
        (``AIRFLOW...``), ``PYTHONPATH``, ``SPARK_HOME`` and the like; ``TZ`` is UTC.
    :param log: where the job's own lines, Spark's errors and the progress go.
    """

    name = "local"

    def __init__(
        self,
        *,
        python: str | None = None,
        master: str = "local[*]",
        driver_memory: str = "2g",
        spark_conf: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        log: logging.Logger | None = None,
        cache: Path | None = None,
    ) -> None:
        self._python = python
        self._env = dict(env or {})
        self._log = log or logging.getLogger(__name__)
        self._cache = cache or cache_folder()
        self._started: dict[str, _Started] = {}
        self._logs: dict[str, DriverLog] = {}
        self._spark_conf = {
            "spark.master": master,
            "spark.driver.memory": driver_memory,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            # Spark's 200 are for a cluster; on one machine most of them would be empty tasks.
            "spark.sql.shuffle.partitions": str(4 * (os.cpu_count() or 1)),
            **(spark_conf or {}),
        }

    @property
    def spark_conf(self) -> Mapping[str, str]:
        """Master, memory and network of every job here, with the engine's own ``spark_conf`` over them."""
        return dict(self._spark_conf)

    def submit(self, job: SparkJob) -> RunHandle:
        """Start the driver, or find the one that this request id already started on this machine.

        :raises EngineNotInstalled: there is no data plane Python, or something is missing in it.
        :raises EngineError: the run's folder cannot be written or the process cannot be started.
        """
        folder = self._folder(job)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder / ".submit.lock"):
                known = _read_handle(folder / _PROCESS)
                if known is not None and known.request_id == job.request_id:
                    handle = known
                else:
                    handle = self._start(job, folder, self._data_plane())
                    _write(folder / _PROCESS, to_json(handle))
        except OSError as exc:
            raise EngineError(f"The job cannot be started from {folder}: {exc}") from exc
        self.follow(handle)
        return handle

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
        return self._last_state(handle, folder)

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

    def _data_plane(self) -> DataPlane:
        return find_data_plane(self._python, cache=self._cache)

    def _command(self, job: SparkJob, plane: DataPlane) -> list[str]:
        return [str(plane.python), "-m", "airflow_lake_provider.jobs", "--request-uri", job.request_uri]

    def _folder(self, job: SparkJob) -> Path:
        place = job.request_uri.rpartition("/")[0]
        if "://" in place and not place.startswith("file://"):
            return self._cache / "runs" / job.request_id
        return local_path(place).absolute()

    def _start(self, job: SparkJob, folder: Path, plane: DataPlane) -> RunHandle:
        environment = self._environment(job, plane)
        for leftover in (_DRIVER, _STATUS, _CANCELLED):
            (folder / leftover).unlink(missing_ok=True)
        lifeline_end, lifeline = os.pipe()
        try:
            with (folder / _LOG).open("ab") as output:
                supervisor = subprocess.Popen(
                    [
                        sys.executable, "-I", str(_SUPERVISOR),
                        str(folder), str(os.getpid()), str(GRACE_SECONDS), str(lifeline_end),
                        *self._command(job, plane),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env=environment,
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
            engine=self.name,
            run_id=str(supervisor.pid),
            request_id=job.request_id,
            submitted_at=datetime.now(UTC).isoformat(),
            extras={
                "host": this_host(),
                "pid": str(supervisor.pid),
                "started": started_at(supervisor.pid) or "",
                "folder": str(folder),
            },
        )

    def _environment(self, job: SparkJob, plane: DataPlane) -> dict[str, str]:
        """The driver's environment: this process's, less what it must not see."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in _DROPPED_NAMES and not name.startswith(_DROPPED)
        }
        environment.update(
            {
                "PYTHONPATH": str(job_library(cache=self._cache).path),
                "PYTHONNOUSERSITE": "1",
                "PYTHONUNBUFFERED": "1",
                "PYSPARK_PYTHON": str(plane.python),
                "PYSPARK_DRIVER_PYTHON": str(plane.python),
                "JAVA_HOME": str(plane.java_home),
                "SPARK_LOCAL_IP": "127.0.0.1",
                "TZ": "UTC",
            }
        )
        if missing := plane.missing_coordinates(required_coordinates(job.request, plane.spark_version)):
            conf = {"spark.jars.packages": ",".join(missing), "spark.jars.ivy": str(self._cache / "ivy")}
            words = [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]
            environment["PYSPARK_SUBMIT_ARGS"] = shlex.join([*words, "pyspark-shell"])
        return {**environment, **self._env}

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

    def _last_state(self, handle: RunHandle, folder: Path) -> RunState:
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
        if status["returncode"] == NOT_STARTED:
            return RunState(Status.FAILED, f"the driver could not be started: {status['reason']}")
        if status["reason"]:
            return RunState(Status.LOST, f"the driver was stopped: {status['reason']}")
        return RunState(Status.FAILED, self._why(handle, status["returncode"]))

    def _why(self, handle: RunHandle, returncode: int) -> str:
        output = DriverLog(Path(handle.extras["folder"]) / _LOG, _SILENT)
        output.follow(final=True)
        cause = condense(output.tail)
        if returncode < 0:
            name = signal.Signals(-returncode).name
            hint = " (does the machine have enough memory for driver_memory?)" if name == "SIGKILL" else ""
            return f"the driver was killed by {name}{hint}"
        return f"the driver ended with exit code {returncode}" + (f": {cause}" if cause else "")


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
