"""Mapped tasks: one job a file, one a region, one a table, as many as there are when the DAG runs.

Copies of one task that write one table do not disturb each other: each publishes its own commit. ``append`` counts a
run's interval once for each copy. The results of all copies are one list.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_lake_provider import LakeIngestOperator, LakeQualityCheckOperator, LakeTransformOperator

FOLDER = Path(__file__).parent / "data" / "orders"
CUSTOMERS = "SELECT customer, amount, '{{ data_interval_start | ds }}' AS day FROM bronze.mapped_orders"

with DAG(
    "lake_mapped",
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),  # noqa: UP017 - as Airflow's own examples write it
    catchup=False,
    doc_md=__doc__,
    tags=["example", "iceberg"],
):

    @task
    def find_files() -> list[str]:
        """List the files of this moment; a fixed order keeps each copy its file over retries."""
        return sorted(str(path) for path in FOLDER.glob("*.csv"))

    @task
    def count(results: Any) -> int:
        """Add up the rows of all copies."""
        return sum(result["rows_applied"] or 0 for result in results)

    ingest = LakeIngestOperator.partial(
        task_id="ingest",
        table="bronze.mapped_orders",
        options={"header": True},
        map_index_template="{{ task.files.rpartition('/')[2] }}",
        max_active_tis_per_dagrun=2,
    ).expand(files=find_files())

    split = LakeTransformOperator.partial(
        task_id="split", table="gold.mapped_amounts", write="append", max_active_tis_per_dagrun=2
    ).expand(
        sql=[f"{CUSTOMERS} WHERE status = 'open'", f"{CUSTOMERS} WHERE status = 'paid'"],
    )

    check = LakeQualityCheckOperator.partial(
        task_id="check", checks=["row_count > 0"], map_index_template="{{ task.table }}"
    ).expand(table=["bronze.mapped_orders", "gold.mapped_amounts"])

    count(ingest.output)
    ingest >> split >> check
