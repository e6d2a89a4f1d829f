"""What operators and ``lake run`` share: submit or reattach, judge the end, render templates. No Airflow."""

from __future__ import annotations

from airflow_lake_provider.runs.lake_home import prepare_lake_home
from airflow_lake_provider.runs.outcome import outcome
from airflow_lake_provider.runs.pipeline import run_pipeline
from airflow_lake_provider.runs.results import check_error, table_entry, table_result
from airflow_lake_provider.runs.schedule import last_interval, utc_text
from airflow_lake_provider.runs.submit import TaskJob, deliver, run_job, start_job
from airflow_lake_provider.runs.templates import interval_context, render
from airflow_lake_provider.runs.wait import Delivery, EndedRun, LiveRun, Wait, cancel, find_run, newest_run

__all__ = [
    "Delivery",
    "EndedRun",
    "LiveRun",
    "TaskJob",
    "Wait",
    "cancel",
    "check_error",
    "deliver",
    "find_run",
    "interval_context",
    "last_interval",
    "newest_run",
    "outcome",
    "prepare_lake_home",
    "render",
    "run_job",
    "run_pipeline",
    "start_job",
    "table_entry",
    "table_result",
    "utc_text",
]
