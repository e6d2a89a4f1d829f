"""A plan as a short text, for people and for tests that compare it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from airflow_lake_provider.plan.pipeline import PipelinePlan, TablePlan


def outline(plan: PipelinePlan) -> str:
    """Return what a pipeline will do: its schedule, then each table with what it reads and how it is written."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: PipelinePlan) -> Iterator[str]:
    yield f"pipeline {plan.pipeline}"
    if plan.description:
        yield f"  description: {_text(plan.description)}"
    yield f"  schedule: {_when(plan)}"
    for name in ("start_date", "end_date"):
        moment = getattr(plan, name)
        if moment is not None:
            yield f"  {name}: {moment.isoformat()}"
    yield f"  catchup: {_text(plan.catchup)}, max_active_runs: {plan.max_active_runs}"
    for name, value in sorted(plan.dag_arguments.items()):
        yield f"  {name}: {_text(value)}"
    yield f"  environment: {plan.environment.name}"
    for table in plan.tables:
        yield from _table(table)


def _when(plan: PipelinePlan) -> str:
    if plan.schedule is None:
        return "none"
    if plan.schedule.every is not None:
        return f"every {plan.schedule.every}"
    return f"{plan.schedule.cron} ({plan.timezone})"


def _table(table: TablePlan) -> Iterator[str]:
    yield ""
    yield f"{table.table} (task {table.task_id})"
    above = set(table.upstream)
    if table.inputs:
        yield "  reads: " + ", ".join(name if name in above else f"{name} (elsewhere)" for name in table.inputs)
    if above - set(table.inputs):
        yield "  after: " + ", ".join(sorted(above - set(table.inputs)))
    for key, value in table.settings.items():
        yield from _setting(key, value)
    for key, value in sorted(table.task_arguments.items()):
        yield f"  task {key}: {_text(value)}"


def _setting(key: str, value: Any) -> Iterator[str]:
    if key == "columns" or (key == "checks" and isinstance(value, list)):
        yield f"  {key}:"
        entries = value.items() if isinstance(value, Mapping) else ((None, entry) for entry in value)
        for name, entry in entries:
            yield f"    {name}: {_text(entry)}" if name else f"    {_text(entry)}"
    elif isinstance(value, str) and "\n" in value:
        yield f"  {key}: |"
        yield from (f"    {line}".rstrip() for line in value.rstrip().splitlines())
    else:
        yield f"  {key}: {_text(value)}"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, timedelta):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)
