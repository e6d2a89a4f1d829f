"""The language: YAML in, models or located mistakes out. Knows nothing of Airflow or Spark.

Nothing in a spec is ever imported, evaluated or run here.
"""

from __future__ import annotations

from airflow_lake_provider.spec.diagnostic import Diagnostic, in_order, render_diagnostics
from airflow_lake_provider.spec.loader import load_spec
from airflow_lake_provider.spec.pipeline import PipelineKeys, PipelineSpec
from airflow_lake_provider.spec.project import (
    EngineConfig,
    Environment,
    Project,
    find_specs,
    is_spec,
    load_project,
    project_root,
)
from airflow_lake_provider.spec.schedule import AssetCondition
from airflow_lake_provider.spec.table import TASK_ARGUMENTS, TableSpec
from airflow_lake_provider.spec.template import names_interval
from airflow_lake_provider.spec.values import FULL_REFRESH

__all__ = [
    "FULL_REFRESH",
    "TASK_ARGUMENTS",
    "AssetCondition",
    "Diagnostic",
    "EngineConfig",
    "Environment",
    "PipelineKeys",
    "PipelineSpec",
    "Project",
    "TableSpec",
    "find_specs",
    "in_order",
    "is_spec",
    "load_project",
    "load_spec",
    "names_interval",
    "project_root",
    "render_diagnostics",
]
