"""Task groups: the same few tasks for several feeds, once in a loop, once mapped over what a task finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import DAG, TaskGroup, chain, task, task_group

from airflow_lake_provider import LakeIngestOperator, LakeQualityCheckOperator, LakeTransformOperator

FOLDER = Path(__file__).parent / "data" / "orders"

with DAG("lake_groups", schedule=None, catchup=False, doc_md=__doc__, tags=["example", "iceberg"]):
    groups = []
    for status in ("open", "paid"):
        with TaskGroup(status) as group:
            chain(
                LakeTransformOperator(
                    task_id="orders",
                    table=f"gold.groups_{status}",
                    sql=f"SELECT DISTINCT order_id, customer FROM bronze.groups_orders WHERE status = '{status}'",
                ),
                LakeQualityCheckOperator(
                    task_id="check", table=f"gold.groups_{status}", checks=["duplicate_count(order_id) = 0"]
                ),
            )
        groups.append(group)

    @task
    def find_files() -> list[str]:
        """List the files of this moment."""
        return sorted(str(path) for path in FOLDER.glob("*.csv"))

    @task_group
    def load(file: str) -> None:
        """Take one file in, and tell of it."""
        ingest = LakeIngestOperator(
            task_id="ingest", table="bronze.groups_orders", files=file, options={"header": True}
        )

        @task
        def tell(result: Any) -> str:
            return f"{result['rows_read']} lines"

        tell(ingest.output)

    load.expand(file=find_files()) >> groups
