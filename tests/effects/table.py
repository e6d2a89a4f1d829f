"""The one table of effects: the docs show it, the tests prove it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effect:
    """What has happened when a row's situation is over.

    :param submissions: job folders with a request, over all runs and tries.
    :param publishes: publishes that changed rows of the table's ``main``.
    :param task: the state of the tasks at the end; of all of them.
    :param run: the state of the runs at the end; of all of them.
    """

    submissions: int
    publishes: int
    task: str = "success"
    run: str = "success"


@dataclass(frozen=True)
class Row:
    """One situation.

    :param key: the DAG id of the test's pipeline, and the scenario's name.
    :param airflow_2: what is different on 2.11.
    """

    key: str
    situation: str
    effect: Effect
    airflow_2: Effect | None = None

    def expected(self, *, is_airflow_2: bool) -> Effect:
        """Return what happens on a version."""
        return self.airflow_2 if is_airflow_2 and self.airflow_2 is not None else self.effect


@dataclass(frozen=True)
class Section:
    """Rows that belong together."""

    title: str
    rows: tuple[Row, ...]


FAILED = Effect(1, 0, "failed", "failed")

ONE_FAILED = "Two intervals, one succeeds, one fails;"

SECTIONS = (
    Section(
        "Tries",
        (
            Row("retry", "The job fails; Airflow retries the task", Effect(2, 1)),
            Row("killed_before_request", "The worker dies (`SIGKILL`) before it has written a request", Effect(1, 1)),
            Row("killed_before_handle", "The worker dies after the submission, before `handle.json`", Effect(2, 1)),
            Row("killed_waiting", "The worker dies while it waits for the job", Effect(2, 1)),
            Row("killed_before_delivered", "The worker dies after the job has ended, before `delivered`", Effect(1, 1)),
            Row("machine_lost", "The worker's machine dies while the job runs, the scheduler with it", Effect(2, 1)),
            Row(
                "scheduler_killed",
                "The scheduler alone dies while the job runs, and comes back",
                Effect(2, 1),
                airflow_2=Effect(1, 1),
            ),
        ),
    ),
    Section(
        "What people press",
        (
            Row("cleared_running", "The task is cleared while its job runs", Effect(2, 1)),
            Row("cleared_after_success", "The task is cleared after its success", Effect(2, 1)),
            Row("run_cleared", "The DAG run is cleared after its success", Effect(2, 1)),
            Row("marked_failed", "The task is marked failed while its job runs", FAILED),
            Row("marked_success", "The task is marked success while its job runs", Effect(1, 0)),
            Row("run_marked_failed", "The DAG run is marked failed while a job runs", FAILED),
        ),
    ),
    Section(
        "Limits",
        (
            Row("execution_timeout", "`execution_timeout` passes, no retries", FAILED),
            Row("dagrun_timeout", "`dagrun_timeout` passes while a job runs", Effect(1, 0, "skipped", "failed")),
            Row("pool_of_one", "Three tasks in a pool of one slot", Effect(3, 3)),
            Row("one_active_run", "Three intervals, `max_active_runs: 1`", Effect(3, 3)),
            Row("three_active_runs", "Three intervals at once on one table, two schedulers", Effect(3, 3)),
        ),
    ),
    Section(
        "Tasks that wait in the triggerer (`deferrable: true`)",
        (
            Row("deferred_slot", "Two tasks in a pool of one slot: both jobs run at once", Effect(2, 2)),
            Row("deferred_machine_lost", "Scheduler and workers die after the deferral", Effect(1, 1)),
            Row("deferred_triggerer_killed", "The triggerer dies while it waits, and comes back", Effect(1, 1)),
            Row("deferred_cleared", "The task is cleared while its job runs", Effect(2, 1)),
            Row("deferred_marked_failed", "The task is marked failed while its job runs", FAILED),
            Row("deferred_run_marked_failed", "The DAG run is marked failed while its job runs", FAILED),
            Row("deferred_execution_timeout", "`execution_timeout` passes, no retries", FAILED),
        ),
    ),
    Section(
        "Schedules and triggers",
        (
            Row("catchup", "Unpaused with `catchup: true`, three intervals behind", Effect(3, 3)),
            Row("no_catchup", "Unpaused with `catchup: false`, three intervals behind", Effect(1, 1)),
            Row("paused", "Paused while the first of two runs is at work, unpaused later", Effect(2, 2)),
            Row("with_date", "Triggered by hand with a logical date", Effect(1, 1)),
            Row("without_date", "The scheduled run, then one by hand without a logical date", Effect(2, 1)),
            Row("twice_in_interval", "The scheduled run, then two by hand in the same interval", Effect(3, 1)),
            Row("conf", "Triggered with conf and params", Effect(1, 1)),
            Row("full_refresh", "Triggered again with `lake_full_refresh`", Effect(2, 2)),
        ),
    ),
    Section(
        "Backfills",
        (
            Row("backfill", "Two intervals that have no runs", Effect(2, 2)),
            Row("backfill_backwards", "The same, backwards", Effect(2, 2)),
            Row(
                "reprocess_none",
                f"{ONE_FAILED} again with *none*",
                Effect(2, 1, "failed and success", "failed and success"),
            ),
            Row("reprocess_failed", f"{ONE_FAILED} again with *failed*", Effect(3, 2)),
            Row("reprocess_completed", f"{ONE_FAILED} again with *completed*", Effect(4, 2)),
        ),
    ),
)

ROWS = tuple(row for section in SECTIONS for row in section.rows)


def markdown(section: Section) -> str:
    """Return the section's table as the docs show it; with a column for 2.11 where a row is another there."""
    headings = ["what happens", "jobs", "publishes", "task", "DAG run"]
    differs = any(row.airflow_2 is not None for row in section.rows)
    lines = [[*headings, "on Airflow 2.11"] if differs else headings]
    for row in section.rows:
        effect = row.effect
        cells = [row.situation, str(effect.submissions), str(effect.publishes), effect.task, effect.run]
        other = _difference(effect, row.airflow_2) if row.airflow_2 is not None else "the same"
        lines.append([*cells, other] if differs else cells)
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _difference(effect: Effect, other: Effect) -> str:
    named = {"jobs": "submissions", "publishes": "publishes", "task": "task", "DAG run": "run"}
    pairs = {label: (getattr(effect, name), getattr(other, name)) for label, name in named.items()}
    return ", ".join(f"{label}: {there}" for label, (here, there) in pairs.items() if here != there)
