"""A DAG that starts when another one has published a table, and not when that had nothing to do.

``lake_operators`` writes ``gold.revenue_by_day``; each publish is an event of the table's asset, with the snapshot's id
and the counts of rows in its extra. The alias ``lake:<table>`` stands for the table in every environment.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, AssetAlias, task

from airflow_lake_provider import LakeTransformOperator

REVENUE = AssetAlias("lake:gold.revenue_by_day")

with DAG("lake_on_publish", schedule=[REVENUE], catchup=False, doc_md=__doc__, tags=["example", "iceberg"]):

    @task
    def read_events(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        """Return what the publishes told that this run was started by; none, where a person started it."""
        return [
            {"snapshot_id": event.extra["snapshot_id"], "rows_applied": event.extra["rows_applied"]}
            for event in triggering_asset_events.get(REVENUE, [])
        ]

    best_day = LakeTransformOperator(
        task_id="best_day",
        table="gold.best_day",
        sql="SELECT max_by(day, revenue) AS day, max(revenue) AS revenue FROM gold.revenue_by_day",
    )
    read_events() >> best_day
