"""A pipeline's plan as an Airflow DAG: one task per table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined

from airflow_lake_provider.compat import (
    DAG,
    AssetAll,
    AssetAny,
    CronDataIntervalTimetable,
    DeltaDataIntervalTimetable,
    Param,
    TaskGroup,
    make_asset,
    start_date_by_assets,
)
from airflow_lake_provider.factory.code import show_code
from airflow_lake_provider.factory.documentation import dag_documentation, task_documentation
from airflow_lake_provider.factory.groups import layer_groups
from airflow_lake_provider.operators import LakeIngestOperator, LakeTransformOperator
from airflow_lake_provider.operators.asset import table_asset
from airflow_lake_provider.operators.table import LakeTableOperator
from airflow_lake_provider.plan import PipelinePlan, Schedule, TablePlan
from airflow_lake_provider.spec import FULL_REFRESH, AssetCondition, Environment

_NOT_THE_TASKS = frozenset({"tags"})
"""Keys of a table that say nothing to its task."""


def build_dag(plan: PipelinePlan) -> DAG:
    """Return the DAG of a pipeline. Equal plans give DAGs that serialize to the same bytes.

    :param plan: what :func:`airflow_lake_provider.plan.plan_pipeline` returns.
    """
    arguments = dict(plan.dag_arguments)
    owner = arguments.pop("owner", None)
    dag = DAG(
        dag_id=plan.pipeline,
        description=plan.shown.get("description"),  # Airflow's pages show it to everybody
        doc_md=dag_documentation(plan),
        schedule=_schedule(plan.schedule, plan),
        start_date=plan.start_date or (start_date_by_assets() if _is_by_assets(plan) else None),
        end_date=plan.end_date,
        catchup=plan.catchup,
        max_active_runs=plan.max_active_runs,
        default_args={"owner": owner} if owner is not None else {},
        tags=sorted(arguments.pop("tags", ())),
        template_undefined=StrictUndefined,
        # Airflow compares params in their order, which means nothing to a plan: no other order makes a new version.
        params={**dict(sorted(arguments.pop("params", {}).items())), FULL_REFRESH: _full_refresh_param()},
        **arguments,
    )
    groups = _groups(plan, dag)
    tasks = {table.table: _task(plan, table, dag, groups.get(table.table)) for table in plan.tables}
    for table in plan.tables:
        for upstream in table.upstream:
            tasks[upstream].set_downstream(tasks[table.table])
    show_code(dag, plan)
    return dag


def _groups(plan: PipelinePlan, dag: DAG) -> dict[str, TaskGroup]:
    """Return the group of each table, its layer's. Task ids stay what they are: runs and their history go by them."""
    found: dict[str, TaskGroup] = {}
    for layer in layer_groups(plan.tables):
        group = TaskGroup(group_id=layer.id, prefix_group_id=False, tooltip=layer.tooltip, dag=dag)
        found.update((table.table, group) for table in layer.tables)
    return found


def _task(plan: PipelinePlan, table: TablePlan, dag: DAG, group: TaskGroup | None) -> LakeTableOperator:
    settings = {key: value for key, value in table.settings.items() if key not in _NOT_THE_TASKS}
    own = {other.table for other in plan.tables}
    arguments: dict[str, Any] = {
        **table.task_arguments,
        "task_id": table.task_id,
        "dag": dag,
        "task_group": group,
        "table": table.table,
        "environment": plan.environment.name,
        "project_dir": str(plan.source.parent),
        "inlets": [table_asset(plan.environment, name) for name in table.inputs if name not in own],
        "doc_md": task_documentation(plan, table),
    }
    ingest: Mapping[str, Any] | None = settings.pop("ingest", None)
    task: LakeTableOperator
    if ingest is not None:
        task = LakeIngestOperator(**ingest, **settings, **arguments)
    else:
        task = LakeTransformOperator(**settings, **arguments)
        task.inputs = table.inputs
        task.folder = table.folder
    return task


def _schedule(schedule: Schedule | None, plan: PipelinePlan) -> Any:
    """Return what Airflow takes: by time, a timetable whose runs have real data intervals.

    A bare cron gives zero-length ones on Airflow 3.
    """
    if schedule is None:
        return None
    if schedule.preset is not None:
        return schedule.preset
    if schedule.assets is not None:
        return _assets(schedule.assets, plan.environment)
    if schedule.cron is not None:
        return CronDataIntervalTimetable(schedule.cron, timezone=plan.timezone)
    return DeltaDataIntervalTimetable(schedule.every)


def _is_by_assets(plan: PipelinePlan) -> bool:
    return plan.schedule is not None and plan.schedule.assets is not None


def _assets(condition: AssetCondition, environment: Environment) -> AssetAll | AssetAny:
    parts = [
        _assets(part, environment) if isinstance(part, AssetCondition) else _asset(part, environment)
        for part in condition.of
    ]
    return AssetAny(*parts) if condition.kind == "any" else AssetAll(*parts)


def _asset(name: str, environment: Environment) -> Any:
    """Return the asset of a table, or that of a URI."""
    return make_asset(name=name, uri=name) if "://" in name else table_asset(environment, name)


def _full_refresh_param() -> Param:
    return Param(
        False,
        type="boolean",
        title="Full refresh",
        description="Rebuild every table of this run from its sources, in one publish each.",
    )
