"""A whole pipeline without Airflow: what ``lake run`` does."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow_lake_provider.engines import Engine, get_engine
from airflow_lake_provider.exceptions import LakeError, SpecError, UnknownName
from airflow_lake_provider.plan import PipelinePlan, TablePlan, merge_conf, merge_options, table_request
from airflow_lake_provider.protocol import (
    DataInterval,
    JobError,
    JobReport,
    Provenance,
    TableReport,
    TableRequest,
    TaskIdentity,
)
from airflow_lake_provider.protocol.report import FAILED, UPSTREAM_FAILED, held_back
from airflow_lake_provider.runs.outcome import is_final
from airflow_lake_provider.runs.results import table_entry
from airflow_lake_provider.runs.schedule import last_interval
from airflow_lake_provider.runs.submit import TaskJob, deliver, run_job
from airflow_lake_provider.runs.templates import interval_context, render
from airflow_lake_provider.runs.wait import EndedRun

TASK_ID = "lake_run"
"""The task id under which a whole pipeline runs as one job."""


@dataclass(frozen=True)
class _Table:
    plan: TablePlan
    request: TableRequest
    spark_conf: Mapping[str, str | None]
    engine_options: Mapping[str, Any]


def run_pipeline(
    plan: PipelinePlan,
    *,
    log: logging.Logger,
    interval: DataInterval | None = None,
    tables: Sequence[str] = (),
    full_refresh: bool = False,
    isolated: bool = False,
    engine: Engine | None = None,
    poll_interval: float = 0.5,
    on_table: Callable[[TableReport], None] | None = None,
) -> dict[str, Any]:
    """Run a pipeline's tables, in dependency order, and return the ``lake run --json`` document.

    All tables are one Spark application; a failed table's dependants become ``upstream_failed``, the others go on.

    :param interval: the run's data interval; by default the last complete one of the schedule, if it has one.
    :param tables: only these, by name.
    :param full_refresh: rebuild the tables.
    :param isolated: one application per table.
    :param engine: by default the one that the tables name.
    :param on_table: called once with each table's report, as soon as it is there.
    :raises UnknownName: a table is none of the pipeline's.
    :raises SpecError: a template cannot be rendered; nothing was submitted then.
    :raises EngineError: the job could not be started.
    """
    interval = interval or last_interval(plan)
    chosen = _chosen(plan, tables)
    run_id = f"manual__{datetime.now(UTC).isoformat()}"
    prepared = [_prepare(plan, table, chosen, interval, run_id, full_refresh) for table in chosen]
    run = _PipelineRun(plan, run_id, interval, engine, log, poll_interval, _once(on_table))
    entries = run.isolated(prepared) if isolated else run.together(prepared)
    good = all(entry["status"] not in (FAILED, UPSTREAM_FAILED) for entry in entries)
    return {
        "pipeline": plan.pipeline,
        "run_id": run_id,
        "status": "success" if good else "failed",
        "tables": entries,
    }


def _chosen(plan: PipelinePlan, names: Sequence[str]) -> tuple[TablePlan, ...]:
    known = {table.table for table in plan.tables}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UnknownName(
            f"{plan.pipeline} has no table {', '.join(unknown)}; it has: {', '.join(sorted(known))} ({plan.source})"
        )
    return tuple(table for table in plan.tables if not names or table.table in names)


def _prepare(
    plan: PipelinePlan,
    table: TablePlan,
    chosen: Sequence[TablePlan],
    interval: DataInterval | None,
    run_id: str,
    full_refresh: bool,
) -> _Table:
    params = plan.dag_arguments.get("params") or {}
    context = interval_context(interval=interval, run_id=run_id, dag_id=plan.pipeline, params=params)
    settings = render(table.settings, context, where=table.table)
    among = {other.table for other in chosen}
    request = table_request(
        table.table,
        settings,
        environment=plan.environment,
        inputs=table.inputs,
        upstream=tuple(name for name in table.upstream if name in among),
        names_interval=table.names_interval,
        full_refresh=full_refresh,
        folder=table.folder,
    )
    return _Table(table, request, settings.get("spark_conf") or {}, settings.get("engine_options") or {})


def _once(on_table: Callable[[TableReport], None] | None) -> Callable[[JobReport], None] | None:
    """Tell of each table once, although each report of a job names all of its tables that are done."""
    if on_table is None:
        return None
    told: set[str] = set()

    def tell(report: JobReport) -> None:
        for table in report.tables:
            if table.table not in told:
                told.add(table.table)
                on_table(table)

    return tell


@dataclass(frozen=True)
class _PipelineRun:
    plan: PipelinePlan
    run_id: str
    interval: DataInterval | None
    engine: Engine | None
    log: logging.Logger
    poll_interval: float
    on_report: Callable[[JobReport], None] | None

    def together(self, tables: Sequence[_Table]) -> list[dict[str, Any]]:
        """Run all tables as one job."""
        return self._entries(tables, self._job(TASK_ID, tables))

    def isolated(self, tables: Sequence[_Table]) -> list[dict[str, Any]]:
        """Run one job per table; what stands on a failed one or a skipped one is not started."""
        entries: list[dict[str, Any]] = []
        statuses: dict[str, str] = {}
        for table in tables:
            name = table.plan.table
            if held := held_back(table.request, statuses):
                entry = table_entry(self._tell(held), "")
            else:
                entry = self._entries([table], self._job(table.plan.task_id, [table]))[0]
            statuses[name] = entry["status"]
            entries.append(entry)
        return entries

    def _tell(self, table: TableReport) -> TableReport:
        if self.on_report is not None:
            self.on_report(JobReport(request_id="", status="succeeded", started_at="", tables=(table,)))
        return table

    def _job(self, task_id: str, tables: Sequence[_Table]) -> EndedRun:
        job = TaskJob(
            task=TaskIdentity(dag_id=self.plan.pipeline, run_id=self.run_id, task_id=task_id),
            try_number=1,
            pipeline=self.plan.pipeline,
            tables=[table.request for table in tables],
            environment=self.plan.environment,
            engine=self.engine or self._engine(tables),
            interval=self.interval,
            logical_date=self.interval.start if self.interval else None,
            spark_conf=self._spark_conf(tables),
            engine_options=merge_options(*(table.engine_options for table in tables)),
            provenance=self._provenance(tables),
            log=self.log,
        )
        return run_job(job, poll_interval=self.poll_interval, on_report=self.on_report)

    def _engine(self, tables: Sequence[_Table]) -> Engine:
        names = sorted({str(table.plan.settings.get("engine") or "default") for table in tables})
        if len(names) > 1:
            raise SpecError(
                f"{self.plan.pipeline}: its tables name the engines {', '.join(names)}, and one application "
                "runs on one. Run each table by itself: --isolated"
            )
        config = self.plan.environment.engines.get(names[0])
        if config is None:
            raise SpecError(
                f"engine {names[0]!r} is none of the environment {self.plan.environment.name!r}; "
                f"expected one of {', '.join(sorted(self.plan.environment.engines))}"
            )
        return get_engine(config.type, config.options, log=self.log)

    def _spark_conf(self, tables: Sequence[_Table]) -> dict[str, str]:
        """One application has one configuration; where tables differ, the last one's word is taken, and said."""
        said: dict[str, str | None] = {}
        for table in tables:
            for key, value in table.spark_conf.items():
                if said.get(key, value) != value:
                    self.log.warning(
                        "%s: spark_conf %s=%s differs from another table's %s; it counts for all tables of this run. "
                        "With --isolated each table has its own.",
                        table.plan.table, key, value, said[key],
                    )  # fmt: skip
                said[key] = value
        return merge_conf(self.plan.environment.spark_conf, said)

    def _provenance(self, tables: Sequence[_Table]) -> Provenance:
        hashes = "".join(table.request.spec_sha256 for table in tables)
        spec_sha256 = tables[0].request.spec_sha256 if len(tables) == 1 else hashlib.sha256(hashes.encode()).hexdigest()
        return Provenance(spec_path=str(self.plan.source), spec_sha256=spec_sha256)

    def _entries(self, tables: Sequence[_Table], ended: EndedRun) -> list[dict[str, Any]]:
        """Return an entry for each table that was asked for, also for those that the job never came to."""
        reported = {table.table: table for table in ended.report.tables} if ended.report else {}
        error = self._job_error(ended)
        entries = []
        for table in tables:
            name = table.plan.table
            found = reported.get(name) or TableReport(
                table=name,
                status=FAILED,
                strategy=table.request.strategy,
                error=error or JobError("JobReportMissing", "the report does not name it"),
            )
            entries.append(table_entry(found, ended.report_uri))
        if ended.report is not None and is_final(ended.report):
            try:
                deliver(ended.delivery())
            except LakeError:
                self.log.debug("A failed job stays undelivered: %s", ended.report_uri)
        return entries

    def _job_error(self, ended: EndedRun) -> JobError | None:
        """What ended the whole job, for the tables that it says nothing of."""
        try:
            ended.delivery()
        except LakeError as exc:
            return JobError(type=exc.__class__.__name__, message=str(exc))
        return None
