"""Which span of data time a task run is for, on every kind of run that Airflow has."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from airflow_lake_provider.compat import last_complete_interval
from airflow_lake_provider.protocol import DataInterval
from airflow_lake_provider.runs.schedule import utc_text

MANUAL = "manual"
BY_DATASETS = "dataset_triggered"
"""What Airflow 2 calls a run that assets started."""


def fill_interval(context: MutableMapping[str, Any]) -> None:
    """Give a manual run of a scheduled pipeline the last complete interval before its ``run_after``.

    Airflow 3 starts such a run with no logical date and no interval. Templates then see what they would see in the
    scheduled run of that interval. A run that assets or a partition started speaks of no span of time, on Airflow 2
    neither, which gives it one from the first to the last of the runs behind its events: with a producer that was
    started by hand that is a moment, and with several it is nobody's interval.
    """
    dag_run = context.get("dag_run")
    if _text(getattr(dag_run, "run_type", None)) == BY_DATASETS:
        context.update(data_interval_start=None, data_interval_end=None)
        return
    if context.get("data_interval_start") is not None:
        return
    if _text(getattr(dag_run, "run_type", None)) != MANUAL or getattr(dag_run, "partition_key", None) is not None:
        return
    run_after = getattr(dag_run, "run_after", None)
    interval = last_complete_interval(context["dag"], run_after) if run_after is not None else None
    if interval is None:
        return
    start, end = interval
    day, stamp = start.strftime("%Y-%m-%d"), start.isoformat()
    context.update(
        data_interval_start=start,
        data_interval_end=end,
        logical_date=start,
        ds=day,
        ds_nodash=day.replace("-", ""),
        ts=stamp,
        ts_nodash=start.strftime("%Y%m%dT%H%M%S"),
        ts_nodash_with_tz=stamp.replace("-", "").replace(":", ""),
    )


def has_interval(context: Mapping[str, Any]) -> bool:
    """Say whether the run is for a span of data time."""
    return context.get("data_interval_start") is not None


def _text(value: Any) -> str:
    """Return the value of an enum or of a text that stands for one."""
    return str(getattr(value, "value", value))


def run_interval(context: Mapping[str, Any]) -> DataInterval | None:
    """Return the run's interval as the request holds it."""
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    return DataInterval(start=utc_text(start), end=utc_text(end)) if start is not None and end is not None else None
