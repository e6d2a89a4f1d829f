"""A pipeline's own keys, and what reading a whole spec gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StrictBool, StrictStr

from airflow_lake_provider.spec.diagnostic import Diagnostic
from airflow_lake_provider.spec.project import Project
from airflow_lake_provider.spec.table import (
    Count,
    Duration,
    FilledText,
    Keys,
    Positive,
    TableName,
    TableSpec,
    Text,
    listed,
)
from airflow_lake_provider.spec.values import read_moment, read_pipeline_id, read_schedule, read_tag, read_timezone

Tag = Annotated[FilledText, AfterValidator(read_tag)]
Moment = Annotated[datetime, BeforeValidator(read_moment)]


class PipelineKeys(Keys):
    """The keys of a spec beside its tables; ``schedule`` is a cron, a duration or nothing."""

    pipeline: Annotated[StrictStr, AfterValidator(read_pipeline_id)] = ""
    description: Text | None = None
    doc: Text | None = None
    schedule: Annotated[str | timedelta | None, BeforeValidator(read_schedule)] = None
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
    external: Annotated[list[TableName], BeforeValidator(listed)] | None = None


PIPELINE_LATER = {
    "variables": "write the values out",
    "layers": "use `bronze`, `silver`, `gold`, or give each table its `write`",
    "extends": "write the keys out",
}


@dataclass(frozen=True)
class PipelineSpec:
    """A spec that is right.

    :param tables: each table's keys with the defaults below them, in the spec's order; ``sql_file`` is read into
        ``sql``.
    :param inputs: for each table all tables that it reads, sorted.
    :param upstream: for each table those of this spec that must be done first, sorted.
    :param warnings: what may be wrong.
    """

    path: Path
    project: Project
    keys: PipelineKeys
    tables: Mapping[str, TableSpec]
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    upstream: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def pipeline(self) -> str:
        """The pipeline's name, the DAG id."""
        return self.keys.pipeline
