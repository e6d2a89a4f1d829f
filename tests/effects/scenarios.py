"""What is done to each pipeline of the table: a function per row, named by its key."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from stack import FINISHED, Gates, JobFolders, Run, Stack, Start, Tables, wait_until

YEAR_1, YEAR_2 = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
SCENARIOS: dict[str, Callable[[Scene], None]] = {}
LOUD: dict[str, int] = {}
"""Scenarios that take components down, which all would feel: they run last, those of one number at the same time."""


MEET = ("machine_lost", "deferred_machine_lost")
"""The scenes that lose the same machine."""


@dataclass(frozen=True)
class Scene:
    """One pipeline in a stack, and what can be done to it."""

    key: str
    stack: Stack
    gates: Gates
    meeting: threading.Barrier
    """Where the scenes of a number meet that want the same component down."""

    @property
    def table(self) -> str:
        """The pipeline's only table."""
        return f"silver.{self.key}"

    @property
    def task_id(self) -> str:
        """The pipeline's only task."""
        return f"silver__{self.key}"

    @property
    def tables(self) -> Tables:
        """The tables of all scenes."""
        return Tables(self.stack.dags)

    def starts(self) -> list[Start]:
        """Return the job submissions so far."""
        return JobFolders(self.stack.dags / ".lake" / "jobs").starts(self.key)

    def hold(self, moment: str) -> None:
        """Let the next worker stop when its log says so: ``Submitted``, ``Succeeded``."""
        (self.gates.folder / f"{self.key}.{moment}.held").touch()

    def fail(self, which: str = "", *, fails: bool = True) -> None:
        """Let the function fail from now on, or no longer; ``.2025`` for the interval of that year."""
        path = self.gates.folder / f"{self.key}{which}.fails"
        path.touch() if fails else path.unlink()

    def trigger(self, **arguments: object) -> Run:
        """Start a run by hand."""
        return self.stack.api.trigger(self.key, **arguments)  # type: ignore[arg-type]

    def trigger_and_hold(self) -> Run:
        """Start a run by hand, and wait until its job stands at the gate."""
        run = self.trigger()
        self.gates.wait(self.key)
        return run

    def go_on(self) -> None:
        """Open the gate."""
        self.gates.open(self.key)

    def ends(self, run: Run) -> Run:
        """Wait for the run's end."""
        return self.stack.api.wait_for_run(self.key, run.run_id, seconds=480)

    def all_end(self, number: int) -> list[Run]:
        """Wait until there are so many runs, and all have ended."""

        def ended() -> list[Run] | None:
            runs = self.stack.api.runs(self.key)
            return runs if len(runs) >= number and all(run.state in FINISHED for run in runs) else None

        return wait_until(ended, seconds=480, what=lambda: f"the end of {self.stack.api.runs(self.key)}")

    def worker(self, run: Run) -> psutil.Process:
        """Return the process in which the operator is at work."""
        pid = self.stack.api.task(self.key, run.run_id, self.task_id).raw["pid"]
        return psutil.Process(pid)

    def kill_worker(self, run: Run) -> None:
        """Kill the operator's process, and that one only."""
        self.worker(run).send_signal(signal.SIGKILL)

    def job_processes(self) -> list[psutil.Process]:
        """Return what runs of the pipeline's jobs, drivers and all."""
        root = self.stack.dags / ".lake" / "jobs" / self.key
        return [process for process in self.stack.processes() if _is_below(process, root)]

    def with_the_others(self, act: Callable[[], None]) -> None:
        """Do it once for all scenes that meet here."""
        if self.meeting.wait(240) == 0:
            act()
        self.meeting.wait(240)

    def job_ends(self) -> None:
        """Wait until no process of a job is left."""
        wait_until(lambda: not self.job_processes(), seconds=180, what=lambda: f"the end of {self.job_processes()}")


def scenario(function: Callable[[Scene], None]) -> Callable[[Scene], None]:
    """Name the function as the scenario of its row."""
    SCENARIOS[function.__name__] = function
    return function


def loud(number: int) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Name it as one that takes components down."""

    def name(function: Callable[[Scene], None]) -> Callable[[Scene], None]:
        LOUD[function.__name__] = number
        return scenario(function)

    return name


# Tries.


@scenario
def retry(scene: Scene) -> None:
    scene.fail()
    run = scene.trigger_and_hold()
    scene.go_on()
    wait_until(lambda: scene.starts()[0].status == "failed", seconds=300, what="the first job's failure")
    scene.fail(fails=False)
    scene.ends(run)


@scenario
def killed_before_request(scene: Scene) -> None:
    run = scene.trigger_and_hold()
    assert scene.starts() == []
    scene.kill_worker(run)
    scene.go_on()
    scene.ends(run)


@scenario
def killed_before_handle(scene: Scene) -> None:
    scene.hold("Submitted")
    run = scene.trigger()
    scene.gates.wait(f"{scene.key}.Submitted")
    scene.gates.wait(scene.key)
    assert [start.has_handle for start in scene.starts()] == [False]
    scene.kill_worker(run)
    scene.job_ends()
    scene.gates.open(f"{scene.key}.Submitted")
    scene.go_on()
    scene.ends(run)


@scenario
def killed_waiting(scene: Scene) -> None:
    run = scene.trigger_and_hold()
    wait_until(lambda: scene.starts()[0].has_handle, seconds=60, what="the handle")
    scene.kill_worker(run)
    scene.job_ends()  # a local job that is not deferred dies with its worker
    scene.go_on()
    scene.ends(run)


@scenario
def killed_before_delivered(scene: Scene) -> None:
    scene.go_on()
    scene.hold("Succeeded")
    run = scene.trigger()
    scene.gates.wait(f"{scene.key}.Succeeded")
    assert [(start.status, start.is_delivered) for start in scene.starts()] == [("published", False)]
    scene.kill_worker(run)
    scene.gates.open(f"{scene.key}.Succeeded")
    scene.ends(run)
    assert scene.starts()[0].is_delivered


@loud(1)
def machine_lost(scene: Scene) -> None:
    run = scene.trigger_and_hold()
    scene.with_the_others(lambda: scene.stack.kill("scheduler", whole=True))
    scene.job_ends()
    scene.go_on()
    scene.with_the_others(lambda: scene.stack.start("scheduler"))
    scene.ends(run)


@loud(2)
def scheduler_killed(scene: Scene) -> None:
    run = scene.trigger_and_hold()
    log, adopted = scene.stack.log("scheduler"), "SchedulerJob instances as failed"
    before = log.read_text().count(adopted)  # another scene's scheduler may have died before
    scene.stack.kill("scheduler")
    scene.stack.start("scheduler")
    # It takes the tasks of the dead one for orphans when that one has not been heard of for a while.
    wait_until(lambda: log.read_text().count(adopted) > before, seconds=180, what="the orphans' adoption")
    if not scene.stack.is_airflow_2:
        wait_until(lambda: len(scene.starts()) == 2, seconds=300, what="the second job")
    scene.go_on()
    scene.ends(run)


# What people press.


@scenario
def cleared_running(scene: Scene) -> None:
    run = scene.trigger_and_hold()
    first = set(scene.job_processes())
    scene.stack.api.clear_tasks(scene.key, run.run_id, scene.task_id)
    wait_until(lambda: len(scene.starts()) == 2, seconds=300, what="the second job")
    assert not first & set(scene.job_processes())
    scene.go_on()
    scene.ends(run)


@scenario
def cleared_after_success(scene: Scene) -> None:
    scene.go_on()
    run = scene.ends(scene.trigger())
    scene.stack.api.clear_tasks(scene.key, run.run_id, scene.task_id)
    scene.ends(run)
    assert [start.status for start in scene.starts()] == ["published", "no_op"]


@scenario
def run_cleared(scene: Scene) -> None:
    scene.go_on()
    run = scene.ends(scene.trigger())
    scene.stack.api.clear_run(scene.key, run.run_id)
    scene.ends(run)
    assert [start.status for start in scene.starts()] == ["published", "no_op"]


@scenario
def marked_failed(scene: Scene) -> None:
    run = scene.trigger_and_hold()
    scene.stack.api.set_task_state(scene.key, run.run_id, scene.task_id, "failed")
    scene.job_ends()
    scene.ends(run)


@scenario
def marked_success(scene: Scene) -> None:
    run = scene.trigger_and_hold()
    scene.stack.api.set_task_state(scene.key, run.run_id, scene.task_id, "success")
    scene.job_ends()
    scene.ends(run)


@scenario
def run_marked_failed(scene: Scene) -> None:
    run = scene.trigger_and_hold()
    scene.stack.api.set_run_state(scene.key, run.run_id, "failed")
    scene.job_ends()
    scene.ends(run)


# Limits.


@scenario
def execution_timeout(scene: Scene) -> None:
    run = scene.trigger_and_hold()
    scene.job_ends()
    scene.ends(run)


@scenario
def dagrun_timeout(scene: Scene) -> None:
    run = scene.trigger_and_hold()
    scene.job_ends()
    scene.ends(run)


@scenario
def pool_of_one(scene: Scene) -> None:
    scene.stack.api.make_pool("one_slot", 1)
    run = scene.ends(scene.trigger())
    spans = sorted(
        (task.raw["start_date"], task.raw["end_date"]) for task in scene.stack.api.tasks(scene.key, run.run_id)
    )
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False)), spans


@scenario
def one_active_run(scene: Scene) -> None:
    scene.stack.api.unpause(scene.key)
    scene.gates.wait(scene.key)
    assert [run.state for run in scene.stack.api.runs(scene.key)].count("running") == 1
    assert len(scene.starts()) == 1
    scene.go_on()
    scene.all_end(3)


@scenario
def three_active_runs(scene: Scene) -> None:
    scene.stack.api.unpause(scene.key)
    wait_until(lambda: len(scene.starts()) == 3, seconds=300, what="three jobs at once")
    scene.go_on()
    scene.all_end(3)
    assert len(scene.tables.rows(scene.table)) == 6


# Tasks that wait in the triggerer.


def _deferred_at_gate(scene: Scene) -> Run:
    run = scene.trigger_and_hold()
    scene.stack.api.wait_for_task(scene.key, run.run_id, scene.task_id, "deferred")
    # A trigger that no triggerer has begun yet can tell nobody that its task was marked.
    log = scene.stack.task_log_folder(scene.key, run.run_id, scene.task_id)
    wait_until(
        lambda: any("Waiting, with a look" in path.read_text() for path in log.glob("*.trigger.*")),
        seconds=300,
        what=lambda: f"the trigger's log in {sorted(log.iterdir())}",
    )
    return run


@scenario
def deferred_slot(scene: Scene) -> None:
    scene.stack.api.make_pool("one_slot_deferred", 1)
    run = scene.trigger_and_hold()
    wait_until(lambda: len(scene.starts()) == 2, seconds=300, what="the second job")
    scene.go_on()
    scene.ends(run)


@loud(1)
def deferred_machine_lost(scene: Scene) -> None:
    run = _deferred_at_gate(scene)
    scene.with_the_others(lambda: scene.stack.kill("scheduler", whole=True))
    assert scene.job_processes()
    scene.go_on()
    scene.with_the_others(lambda: scene.stack.start("scheduler"))
    scene.ends(run)


@loud(1)
def deferred_triggerer_killed(scene: Scene) -> None:
    run = _deferred_at_gate(scene)
    scene.stack.kill("triggerer", whole=True)
    assert scene.job_processes()
    scene.stack.start("triggerer")
    scene.go_on()
    scene.ends(run)


@scenario
def deferred_cleared(scene: Scene) -> None:
    run = _deferred_at_gate(scene)
    first = set(scene.job_processes())
    scene.stack.api.clear_tasks(scene.key, run.run_id, scene.task_id)
    wait_until(lambda: len(scene.starts()) == 2, seconds=300, what="the second job")
    assert not first & set(scene.job_processes())
    scene.go_on()
    scene.ends(run)


@scenario
def deferred_marked_failed(scene: Scene) -> None:
    run = _deferred_at_gate(scene)
    scene.stack.api.set_task_state(scene.key, run.run_id, scene.task_id, "failed")
    scene.job_ends()
    scene.ends(run)


@scenario
def deferred_run_marked_failed(scene: Scene) -> None:
    run = _deferred_at_gate(scene)
    scene.stack.api.set_run_state(scene.key, run.run_id, "failed")
    scene.job_ends()
    scene.ends(run)


@scenario
def deferred_execution_timeout(scene: Scene) -> None:
    run = _deferred_at_gate(scene)
    scene.job_ends()
    scene.ends(run)


# Schedules and triggers.


@scenario
def catchup(scene: Scene) -> None:
    scene.go_on()
    scene.stack.api.unpause(scene.key)
    scene.all_end(3)


@scenario
def no_catchup(scene: Scene) -> None:
    scene.go_on()
    scene.stack.api.unpause(scene.key)
    (run,) = scene.all_end(1)
    assert str(run.interval[0]).startswith(f"{datetime.now(UTC).year - 1}-01-01")


@scenario
def paused(scene: Scene) -> None:
    api = scene.stack.api
    api.unpause(scene.key)
    scene.gates.wait(scene.key)
    api.pause(scene.key)
    scene.go_on()
    first = api.runs(scene.key)[0]
    scene.stack.api.wait_for_task(scene.key, first.run_id, scene.task_id)
    assert len(scene.starts()) == 1
    api.unpause(scene.key)
    scene.all_end(2)


@scenario
def with_date(scene: Scene) -> None:
    scene.go_on()
    day = datetime.now(UTC) - timedelta(days=1)
    scene.ends(scene.trigger(logical_date=day))
    assert {str(row["day"]) for row in scene.tables.rows(scene.table)} == {f"{day.year - 1}-01-01"}


@scenario
def without_date(scene: Scene) -> None:
    scene.go_on()
    day = datetime.now(UTC)
    scene.all_end(1)
    scene.ends(scene.trigger())
    assert {str(row["day"]) for row in scene.tables.rows(scene.table)} == {f"{day.year - 1}-01-01"}


@scenario
def twice_in_interval(scene: Scene) -> None:
    scene.go_on()
    scene.all_end(1)
    scene.ends(scene.trigger())
    scene.ends(scene.trigger())
    assert [start.status for start in scene.starts()] == ["published", "no_op", "no_op"]


@scenario
def conf(scene: Scene) -> None:
    scene.ends(scene.trigger(conf={"n": 3, "more": 1}))
    assert len(scene.tables.rows(scene.table)) == 4


@scenario
def full_refresh(scene: Scene) -> None:
    scene.ends(scene.trigger())
    scene.ends(scene.trigger(conf={"n": 2, "lake_full_refresh": True}))
    assert len(scene.tables.rows(scene.table)) == 2


# Backfills.


@scenario
def backfill(scene: Scene) -> None:
    scene.go_on()
    scene.stack.api.backfill(scene.key, YEAR_1, YEAR_2)


@scenario
def backfill_backwards(scene: Scene) -> None:
    scene.go_on()
    scene.stack.api.backfill(scene.key, YEAR_1, YEAR_2, backwards=True, max_active_runs=1)
    first, second = (run.raw["start_date"] for run in scene.stack.api.runs(scene.key))
    assert second < first


def _reprocess(scene: Scene, behaviour: str) -> None:
    scene.go_on()
    scene.fail(".2025")
    scene.stack.api.backfill(scene.key, YEAR_1, YEAR_2)
    assert [run.state for run in scene.stack.api.runs(scene.key)] == ["success", "failed"]
    scene.fail(".2025", fails=False)
    scene.stack.api.backfill(scene.key, YEAR_1, YEAR_2, reprocess=behaviour)


@scenario
def reprocess_none(scene: Scene) -> None:
    _reprocess(scene, "none")


@scenario
def reprocess_failed(scene: Scene) -> None:
    _reprocess(scene, "failed")


@scenario
def reprocess_completed(scene: Scene) -> None:
    _reprocess(scene, "completed")


def _is_below(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(os.readlink(f"/proc/{process.pid}/cwd")).is_relative_to(folder)
    except OSError:
        return False
