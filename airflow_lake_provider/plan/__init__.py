"""What is to be done, as values: plans of pipelines, and the requests that their tables become. No Airflow."""

from __future__ import annotations

from airflow_lake_provider.plan.outline import outline
from airflow_lake_provider.plan.pipeline import PipelinePlan, Schedule, TablePlan
from airflow_lake_provider.plan.planning import plan_pipeline, plan_project, plan_spec, plan_specs
from airflow_lake_provider.plan.request import check_request, table_request
from airflow_lake_provider.plan.settings import merge_conf, merge_options, platform_settings
from airflow_lake_provider.spec import names_interval

__all__ = [
    "PipelinePlan",
    "Schedule",
    "TablePlan",
    "check_request",
    "merge_conf",
    "merge_options",
    "names_interval",
    "outline",
    "plan_pipeline",
    "plan_project",
    "plan_spec",
    "plan_specs",
    "platform_settings",
    "table_request",
]
