"""Airflow's processes: each started, killed and started again by itself, none left at the end."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
from airflow_environments import OWN_VERSION, AirflowEnvironment, airflow_environment
from postgresql import free_port

from stack.api import Api
from stack.api2 import Api2
from stack.api3 import Api3
from stack.database import ROOT, MetadataServer
from stack.waiting import wait_until

START_SECONDS = 180
STOP_SECONDS = 20
ALL = ("api-server", "scheduler", "dag-processor", "triggerer")
_MARK = "LAKE_TEST_STACK"
_SILENCE = "30"
"""Seconds without a heartbeat after which a task counts as dead: with fewer, a busy machine loses good ones."""


class Stack:
    """One Airflow: its home, its database, its REST API and its components.

    Components are called as Airflow's commands: ``scheduler``, ``dag-processor``, ``triggerer``, ``api-server`` (on
    2.x that is the webserver). A second scheduler is ``scheduler:2``.

    ``api`` speaks REST, the same calls for all versions; ``dags`` is the DAGs folder; ``env`` what the components see.
    """

    def __init__(
        self, *, environment: AirflowEnvironment, home: Path, database: str, settings: Mapping[str, str]
    ) -> None:
        self.environment = environment
        self.home = home
        self.database = database
        self.dags = home / "dags"
        self.dags.mkdir(parents=True)
        (home / "tmp").mkdir()
        self.port = free_port()
        self.env = _variables(self, dict(settings))
        url = f"http://127.0.0.1:{self.port}"
        self.api: Api = Api2(url, self) if self.is_airflow_2 else Api3(url)
        self._running: dict[str, psutil.Popen] = {}

    @property
    def is_airflow_2(self) -> bool:
        """Whether this is an Airflow before 3.0."""
        return self.environment.is_airflow_2

    def start(self, *names: str) -> None:
        """Start components and wait until the REST API answers, if it is one of them."""
        for name in names:
            with self.log(name).open("ab") as log:
                self._running[name] = psutil.Popen(
                    [str(self.environment.python), *self._words(name.partition(":")[0])],
                    env=self.env,
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        if "api-server" in names:
            wait_until(self._answers, seconds=START_SECONDS, what=f"Airflow's REST API ({self.log('api-server')})")

    def stop(self, *names: str) -> None:
        """Ask components to end (SIGTERM), as a deployment does; kill what has not ended after 20 seconds."""
        processes = [self._running.pop(name) for name in names]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        _, alive = psutil.wait_procs(processes, timeout=STOP_SECONDS)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        psutil.wait_procs(alive, timeout=STOP_SECONDS)

    def kill(self, name: str, *, whole: bool = False) -> None:
        """Kill a component with SIGKILL.

        :param whole: also all that it has started, as when a machine or a container is lost; otherwise only the
            process itself, as when the kernel runs out of memory.
        """
        process = self._running.pop(name)
        victims = [process, *(process.children(recursive=True) if whole else [])]
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        psutil.wait_procs(victims, timeout=STOP_SECONDS)

    def process(self, name: str) -> psutil.Process:
        """Return a component's main process."""
        return self._running[name]

    def check(self) -> None:
        """Fail when a component has ended by itself."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise AssertionError(f"{name} ended with exit code {process.returncode}:\n{self.tail(name)}")

    def log(self, name: str) -> Path:
        """Return where a component's output goes."""
        return self.home / f"{name.replace(':', '-')}.log"

    def tail(self, name: str, lines: int = 40) -> str:
        """Return the end of a component's output."""
        return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-lines:])

    def airflow(self, *arguments: str) -> str:
        """Run ``airflow <arguments>`` to its end; return what it printed."""
        done = subprocess.run(
            [str(self.environment.python), "-m", "airflow", *arguments],
            env=self.env, cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            said = (done.stdout + done.stderr)[-3000:]
            raise RuntimeError(f"`airflow {' '.join(arguments)}` ended with {done.returncode}:\n{said}")
        return done.stdout

    def processes(self) -> list[psutil.Process]:
        """Return all live processes of this stack, tasks and jobs among them, whoever their parent is by now."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return the log of one try of a task, from its file."""
        path = self.task_log_folder(dag_id, run_id, task_id, map_index) / f"attempt={try_number}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def task_log_folder(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Path:
        """Return where the logs of a task's tries lie, those of its triggers beside them."""
        parts = [f"dag_id={dag_id}", f"run_id={run_id}", f"task_id={task_id}"]
        parts += [f"map_index={map_index}"] if map_index >= 0 else []
        return self.home.joinpath("logs", *parts)

    def close(self) -> None:
        """Kill everything, tasks and jobs too; for a graceful end :meth:`stop` components first.

        :raises AssertionError: a process cannot be ended.
        """

        def nothing_is_left() -> bool:
            left = self.processes()
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            return not left

        wait_until(nothing_is_left, seconds=STOP_SECONDS, what=lambda: f"the end of {self.processes()}")
        for process in self._running.values():
            process.wait(STOP_SECONDS)
        self._running.clear()

    def _words(self, command: str) -> list[str]:
        if self.is_airflow_2 and command == "api-server":
            return ["-m", "airflow", "webserver"]
        if self.is_airflow_2 and command == "dag-processor":
            # 2.11 uses multiprocessing.connection and leaves it to chance whether somebody has imported it.
            start = "import multiprocessing.connection, sys; from airflow.__main__ import main; sys.exit(main())"
            return ["-c", start, command]
        return ["-m", "airflow", command]

    def _answers(self) -> bool:
        self.check()
        return self.api.is_up()

    def _is_ours(self, process: psutil.Process) -> bool:
        # Programs that change their title overwrite their environment in /proc; their folder tells, too.
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if Path(process.cwd()).is_relative_to(self.home):
                return True
            return bool(process.environ().get(_MARK) == str(self.home))
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            return False


@contextlib.contextmanager
def airflow_stack(
    server: MetadataServer,
    *,
    environment: AirflowEnvironment | None = None,
    start: Sequence[str] = ALL,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """Make an Airflow and start its components; at the end its processes and files are gone.

    :param environment: the Airflow version and the Python that has it; by default this one.
    :param start: the components to start.
    :param settings: more environment variables for the components.
    """
    home = Path(tempfile.mkdtemp(prefix="lake-stack-")).resolve()
    try:
        environment = environment or airflow_environment(OWN_VERSION)
        database = server.new_database(environment)
        stack = Stack(environment=environment, home=home, database=database, settings=settings or {})
        try:
            stack.start(*start)
            yield stack
        finally:
            stack.close()
    finally:
        if not os.environ.get("LAKE_KEEP_STACK"):
            shutil.rmtree(home, ignore_errors=True)


def _variables(stack: Stack, settings: dict[str, str]) -> dict[str, str]:
    """Return what the components see: short intervals, own ports, nothing of another Airflow."""
    home, port = stack.home, str(stack.port)
    worker_logs, trigger_logs = str(free_port()), str(free_port())
    chosen = {
        _MARK: str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(stack.dags),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # Without one, components that start at the same time each have their own, and a triggerer cannot read triggers.
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "3",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": stack.database,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": trigger_logs,
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": worker_logs,
        "AIRFLOW__API__MAXIMUM_PAGE_LIMIT": "1000",
        "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "3",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), "localhost", "127.0.0.1"])),
        "TMPDIR": str(home / "tmp"),
        "LAKE_SPARK_PYTHON": os.environ.get("LAKE_SPARK_PYTHON", str(ROOT / ".venv-spark" / "bin" / "python")),
    }
    if stack.is_airflow_2:
        chosen |= {
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.basic_auth",
            "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "2",
            # A worker whose scheduler died ends its task on the second look at which no other worker has it.
            "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "10",
            # Not shorter: this is the time without a heartbeat after which a worker gives up its own task, too.
            "AIRFLOW__SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": _SILENCE,
            "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "3",
            "AIRFLOW__SCHEDULER__PARSING_PROCESSES": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": _SILENCE,
            "AIRFLOW__SCHEDULER__STANDALONE_DAG_PROCESSOR": "True",
            # Each detection fails the task once more until the DAG processor has dealt with the first: its retry, too.
            "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": _SILENCE,
            "AIRFLOW__WEBSERVER__SECRET_KEY": secrets.token_hex(16),
            "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": port,
            "AIRFLOW__WEBSERVER__WORKERS": "1",
        }
    else:
        chosen |= {
            "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": port,
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(16),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_DETECTION_INTERVAL": "3",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": _SILENCE,
        }
    # Another Airflow's settings in this shell are not this one's.
    foreign = ("AIRFLOW", "LAKE_ENV", "LAKE_HOME", "LAKE_FAULT", "no_proxy", "PYTEST_")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    return {**inherited, **stack.environment.variables, **chosen, **settings}
