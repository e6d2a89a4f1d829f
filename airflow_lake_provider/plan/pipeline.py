"""A pipeline before Airflow: tables, edges, schedule. Values only; equal specs give equal plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_lake_provider.spec import AssetCondition, Diagnostic, Environment


@dataclass(frozen=True)
class Schedule:
    """When the pipeline runs by itself: exactly one is set.

    :param cron: five or six fields.
    :param assets: which updates start it; tables are ``layer.name``, other assets URIs.
    :param preset: ``@once`` or ``@continuous``.
    """

    cron: str | None = None
    every: timedelta | None = None
    assets: AssetCondition | None = None
    preset: str | None = None


@dataclass(frozen=True)
class TablePlan:
    """One table of a pipeline: one task.

    :param table: ``layer.name``.
    :param task_id: the table's name with ``.`` as ``__``.
    :param settings: the table's keys (language reference, section 3), resolved over all defaults and in normal form
        (``write`` a mapping, ``columns`` a mapping of mappings), as plain values; Jinja in it is not rendered yet.
    :param upstream: the tables of this pipeline that must be done first, sorted.
    :param inputs: all tables that it reads, of this pipeline, of others and external ones, sorted.
    :param task_arguments: Airflow's own arguments of the task; durations are ``timedelta``.
    :param folder: what the relative paths in its settings are relative to first, then the project's root.
    :param names_interval: its rows are those of the run's interval, by a template or by its function.
    :param shown: its ``settings`` and its ``owner`` as everybody may see them: what environment variables give stands
        there by their names.
    """

    table: str
    task_id: str
    settings: Mapping[str, Any]
    upstream: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    task_arguments: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()
    names_interval: bool = False
    shown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PipelinePlan:
    """A whole pipeline.

    :param source: the YAML file.
    :param start_date: aware, in ``timezone``; ``None`` where nothing is scheduled.
    :param dag_arguments: Airflow's own arguments of the DAG (tags, params, dagrun_timeout, ...).
    :param tables: in dependency order; among equals the spec's order.
    :param warnings: what may be wrong with the spec.
    :param shown: its ``description``, ``doc``, ``schedule`` and ``owner`` as everybody may see them.
    :param text: what the YAML file held when it was read; two plans may be equal whose files are not.
    """

    pipeline: str
    source: Path
    environment: Environment
    tables: tuple[TablePlan, ...]
    description: str | None = None
    doc: str | None = None
    schedule: Schedule | None = None
    timezone: str = "UTC"
    start_date: datetime | None = None
    end_date: datetime | None = None
    catchup: bool = False
    max_active_runs: int = 1
    dag_arguments: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()
    shown: Mapping[str, Any] = field(default_factory=dict)
    text: str = field(default="", compare=False, repr=False)

    def table(self, name: str) -> TablePlan:
        """Return the plan of one table; ``KeyError`` when the pipeline has none of that name."""
        for plan in self.tables:
            if plan.table == name:
                return plan
        raise KeyError(name)
