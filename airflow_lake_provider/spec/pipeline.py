"""A pipeline's own keys, and what reading a whole spec gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StrictBool, StrictStr

from airflow_lake_provider.spec.diagnostic import Diagnostic
from airflow_lake_provider.spec.lake import Environment
from airflow_lake_provider.spec.node import Node
from airflow_lake_provider.spec.project import Project
from airflow_lake_provider.spec.python_source import PythonFunction
from airflow_lake_provider.spec.schedule import AssetCondition, read_schedule
from airflow_lake_provider.spec.table import (
    Count,
    Duration,
    FilledText,
    Keys,
    LayerKeys,
    Positive,
    TableName,
    TableSpec,
    Text,
    listed,
)
from airflow_lake_provider.spec.values import read_moment, read_pipeline_id, read_tag, read_timezone

Tag = Annotated[FilledText, AfterValidator(read_tag)]
Moment = Annotated[datetime, BeforeValidator(read_moment)]


def _no_keys(value: Any) -> Any:
    return {} if value is None else value


class PipelineKeys(Keys):
    """The keys of a spec beside its tables; ``schedule`` is a cron, a preset, a duration, assets or nothing."""

    pipeline: Annotated[StrictStr, AfterValidator(read_pipeline_id)] = ""
    description: Text | None = None
    doc: Text | None = None
    schedule: Annotated[str | timedelta | AssetCondition | None, BeforeValidator(read_schedule)] = None
    timezone: Annotated[str, BeforeValidator(read_timezone)] = "UTC"
    start_date: Moment | None = None
    end_date: Moment | None = None
    catchup: StrictBool = False
    max_active_runs: Positive = 1
    max_consecutive_failed_dag_runs: Count | None = None
    tags: Annotated[list[Tag], BeforeValidator(listed)] | None = None
    owner: FilledText | None = None
    params: dict[str, Any] | None = None
    dagrun_timeout: Duration | None = None
    dag_display_name: FilledText | None = None
    environment: FilledText | None = None
    extends: FilledText | None = None
    variables: dict[str, Any] | None = None
    layers: dict[str, Annotated[LayerKeys, BeforeValidator(_no_keys)]] | None = None
    external: Annotated[list[TableName], BeforeValidator(listed)] | None = None


@dataclass(frozen=True)
class PipelineSpec:
    """A spec that is right.

    :param environment: the one to use; its variables are in the tables' keys.
    :param node: the tree of the resolved spec: each value at the place that it came from.
    :param tables: each table's keys over those of its layer and all defaults, in the spec's order; ``sql_file`` is
        read into ``sql``, and ``write`` is what the layer does unless the table says otherwise.
    :param functions: the Python function of each table that has one.
    :param inputs: for each table all tables that it reads, sorted.
    :param upstream: for each table those of this spec that must be done first, sorted.
    :param warnings: what may be wrong.
    """

    path: Path
    project: Project
    environment: Environment
    node: Node
    keys: PipelineKeys
    tables: Mapping[str, TableSpec]
    functions: Mapping[str, PythonFunction] = field(default_factory=dict)
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    upstream: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def pipeline(self) -> str:
        """The pipeline's name, the DAG id."""
        return self.keys.pipeline
