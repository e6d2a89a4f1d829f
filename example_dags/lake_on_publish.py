"""A DAG that starts when another one has published a table, and not when that had nothing to do.

``lake_operators`` writes ``gold.revenue_by_day``; each publish is an event of the table's asset, with the snapshot's id
and the counts of rows in its extra. The alias ``lake:<table>`` stands for the table in every environment.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.sdk import DAG, AssetAlias, task

from airflow_lake_provider import LakeTransformOperator

REVENUE = AssetAlias("lake:gold.revenue_by_day")

with DAG(
    "lake_on_publish",
    schedule=[REVENUE],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),  # noqa: UP017 - Airflow 2 wants one
    catchup=False,
    doc_md=__doc__,
    tags=["example", "iceberg"],
):

    @task
    def read_events(triggering_asset_events: Any = None) -> dict[str, int]:
        """Return how many rows each publish changed, by its snapshot; none, where a person started this run."""
        return {
            str(event.extra["snapshot_id"]): event.extra["rows_applied"]
            for events in (triggering_asset_events or {}).values()
            for event in events
        }

    best_day = LakeTransformOperator(
        task_id="best_day",
        table="gold.best_day",
        sql="SELECT max_by(day, revenue) AS day, max(revenue) AS revenue FROM gold.revenue_by_day",
    )
    read_events() >> best_day
