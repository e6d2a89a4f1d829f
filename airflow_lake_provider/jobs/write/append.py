"""Append: the batch's rows come on top of what is there."""

from __future__ import annotations

from typing import Any

from airflow_lake_provider.jobs.batch import Batch
from airflow_lake_provider.jobs.write.plan import WritePlan, append_rows
from airflow_lake_provider.protocol import WriteStep


def plan_append(spark: Any, batch: Batch, step: WriteStep, branch: str) -> WritePlan:
    """Plan to add every good row."""
    rows = batch.rows_read - batch.rows_rejected - batch.rows_deduplicated
    if not rows:
        return WritePlan(name="nothing")
    return WritePlan(name="append", rows_applied=rows, commit=lambda: append_rows(batch.good, branch))
