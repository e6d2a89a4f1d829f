"""From the start of a task's job to its end, on a worker alone or with the triggerer in between."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_lake_provider import runs
from airflow_lake_provider.compat import find_connection, has_been_deferred
from airflow_lake_provider.engines import Engine, RunHandle, get_engine
from airflow_lake_provider.exceptions import EngineError, JobTimedOut, SpecError
from airflow_lake_provider.operators.deferral import (
    Event,
    deadline_of,
    end_of,
    net_of,
    poll_seconds,
    trigger_for,
)
from airflow_lake_provider.operators.failure import airflow_exception, told_to_airflow
from airflow_lake_provider.operators.link import LakeRunLink
from airflow_lake_provider.operators.rendering import RenderedOperator
from airflow_lake_provider.protocol import JobFolder, TableReport, TaskIdentity, open_store
from airflow_lake_provider.protocol.report import SKIPPED
from airflow_lake_provider.spec import EngineConfig, Environment, load_project

LOG = logging.getLogger("airflow.task.operators.lake")
"""Airflow puts what is logged below "airflow.task" into the task's log, on all its versions."""


class WaitingOperator(RenderedOperator):
    """Waits for one job, whatever becomes of workers and triggerers in between, and ends it with the task."""

    environment: str | None
    engine: str
    project_dir: str | None
    poll_interval: float | None

    _started: tuple[Engine, RunHandle] | None = None
    _killed: bool = False
    _deferred: bool = False

    def resume(self, context: Any, event: Mapping[str, Any]) -> dict[str, Any]:
        """Go on after the triggerer has waited: judge the start that its event names.

        It submits nothing, unless this try had only found the run of an earlier one, which was lost then.

        :return: what :meth:`execute` returns; it raises the same.
        :raises AirflowTaskTimeout: the task's ``execution_timeout`` was over first.
        """
        heard = Event.read(event)
        with told_to_airflow(self.task_id):
            if heard.is_unreachable:
                LOG.warning("The triggerer could not see the run, so this worker waits for it: %s", heard.detail)
            return self._waited(context, runs.find_run(heard.folder), heard)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Airflow's way back in. A trigger that never said a word must not leave the job to itself.

        :raises AirflowTaskTimeout: Airflow ended the waiting, for no triggerer did.
        """
        if next_method != "__fail__":
            return super().resume_execution(next_method, next_kwargs, context)
        said = next_kwargs or {}
        error = str(said.get("error"))
        with told_to_airflow(self.task_id):
            run = self._newest_run(context)
            if run is None:
                return super().resume_execution(next_method, next_kwargs, context)
            if "timeout" in error.lower():
                self.on_kill()
                raise JobTimedOut(
                    "The task's execution_timeout was over, and no triggerer had ended the waiting: does one run? "
                    f"The job was cancelled. See: {run.folder.uri}"
                )
            LOG.error(
                "The trigger failed in the triggerer (is the package installed there, in the same version?), so this "
                "worker waits for the run: %s\n%s",
                error, "".join(said.get("traceback") or ()),
            )  # fmt: skip
            deadline = deadline_of(self.execution_timeout, getattr(context["ti"], "start_date", None))
            return self._waited(context, run, Event(run.folder, "failed", error, deadline))

    def on_kill(self) -> None:
        """Cancel the run: also one that is only being submitted at this moment, and one of an earlier try."""
        self._killed = True
        if self._deferred and has_been_deferred(self._context["ti"]):
            return  # Airflow 2 may end the worker of a task that has only been deferred: the trigger goes on
        started = self._started or self._found()
        if started is None:
            return
        engine, handle = started
        LOG.info("Cancelling %s", engine.describe(handle))
        engine.cancel(handle)

    def announce(self, context: Any, environment: Environment, table: TableReport, entry: Mapping[str, Any]) -> None:
        """Tell Airflow what became of the table; an operator that publishes nothing has nothing to tell."""

    def _run(self, context: Any) -> dict[str, Any]:
        """Start the task's job, or find it, and return its result; without Airflow's exceptions."""
        raise NotImplementedError

    def _start_and_wait(self, context: Any, job: runs.TaskJob, config: EngineConfig) -> runs.EndedRun:
        """Return the end of the job; where the task waits in the triggerer, leave for there by Airflow's exception."""

        def leave(run: runs.LiveRun) -> None:
            if job.detached and run.handle.detached and not self._killed:
                self._follow(context, job.engine, run.handle, run.folder)
                self._wait_in_triggerer(context, run, config)

        return runs.run_job(
            job,
            poll_interval=poll_seconds(self.poll_interval, config),
            on_live=leave,
            on_start=lambda handle, folder: self._follow(context, job.engine, handle, folder),
        )

    def _wait_in_triggerer(self, context: Any, run: runs.LiveRun, config: EngineConfig) -> None:
        deadline = deadline_of(self.execution_timeout, getattr(context["ti"], "start_date", None))
        trigger = trigger_for(
            run,
            config,
            poll_interval=poll_seconds(self.poll_interval, config, deferred=True),
            deadline=deadline,
        )
        LOG.info("The triggerer waits for the run from here on")
        self._deferred = True
        self.defer(trigger=trigger, method_name=self.resume.__name__, timeout=net_of(deadline))

    def _waited(self, context: Any, run: runs.LiveRun, heard: Event) -> dict[str, Any]:
        """Return the result of a run that the triggerer has waited for, or could not wait for."""
        environment = load_project(self.base_dir).environment(self.environment)
        config, engine = self._engine(environment)
        if run.handle.engine != engine.name:
            raise EngineError(
                f"The job of {run.folder.uri} runs on the engine {run.handle.engine!r}, and this task's engine is "
                f"{engine.name!r} by now. The next try looks at its report, or starts anew."
            )
        wait = runs.Wait(
            engine=engine,
            log=LOG,
            store=open_store(run.folder.root),
            poll_interval=poll_seconds(self.poll_interval, config),
            deadline=heard.deadline,
            on_start=lambda handle, folder: self._follow(context, engine, handle, folder),
        )
        ended = end_of(heard, run, wait)
        if ended.is_lost and run.request.try_number < context["ti"].try_number:
            LOG.warning("The run of an earlier try was lost while this one waited for it: starting anew")
            return self._run(context)
        return self._handed_on(context, environment, ended)

    def _handed_on(self, context: Any, environment: Environment, ended: runs.EndedRun) -> dict[str, Any]:
        """Tell Airflow what has come of the run, and mark it as told."""
        delivery = ended.delivery()
        table = runs.table_result(delivery.report)
        entry = runs.table_entry(table, delivery.report_uri)
        self.announce(context, environment, table, entry)
        runs.deliver(delivery)
        if table.status == SKIPPED:
            raise airflow_exception(table)
        return entry

    def _identity(self, context: Any) -> TaskIdentity:
        ti = context["ti"]
        return TaskIdentity(
            dag_id=ti.dag_id,
            run_id=context["run_id"],
            task_id=ti.task_id,
            map_index=-1 if ti.map_index is None else ti.map_index,
            generation=generation(max_tries=ti.max_tries, retries=self.retries),
        )

    def _newest_run(self, context: Any) -> runs.LiveRun | None:
        environment = load_project(self.base_dir).environment(self.environment)
        return runs.newest_run(JobFolder(environment.job_root, self._identity(context)))

    def _found(self) -> tuple[Engine, RunHandle] | None:
        """Find by the job folder what another process of this task has started; ``None`` when there is nothing."""
        if self._context is None:
            return None
        try:
            run = self._newest_run(self._context)
            environment = load_project(self.base_dir).environment(self.environment)
            engine = self._engine(environment)[1]
        except Exception as exc:
            LOG.warning("Nobody knows here whether a job of this task runs: %s", exc)
            return None
        return (engine, run.handle) if run is not None and run.handle.engine == engine.name else None

    def _follow(self, context: Any, engine: Engine, handle: RunHandle, folder: JobFolder) -> None:
        """Keep what cancels the run and what leads to it, as soon as it is known."""
        self._started = (engine, handle)
        context["ti"].xcom_push(key=LakeRunLink.key, value=handle.url or folder.uri)
        if self._killed:
            engine.cancel(handle)

    def _engine(self, environment: Environment) -> tuple[EngineConfig, Engine]:
        config = environment.engines.get(self.engine)
        if config is None:
            raise SpecError(
                f"{self.task_id}: engine {self.engine!r} is none of the environment {environment.name!r}; "
                f"expected one of {', '.join(sorted(environment.engines))}. Add it to `engines` in lake.yaml."
            )
        return config, get_engine(config.type, config.options, log=LOG, find_connection=find_connection)

    @property
    def base_dir(self) -> Path:
        """Where the project is looked for, seen from this worker's copy of the DAG file."""
        return Path(self.dag.folder) / (self.project_dir or "")


def generation(*, max_tries: int, retries: int | None) -> int:
    """Return the number of the first try since the task was last cleared: it changes with each clear, with no retry.

    Airflow keeps ``max_tries`` over retries, and raises it on a clear to the tries so far plus the retries.

    >>> generation(max_tries=2, retries=2), generation(max_tries=5, retries=2)
    (1, 4)
    """
    return max(1, max_tries - (retries or 0) + 1)
