"""TaskFlow around an operator: a Python task says which files to read, another one reads what became of them.

What a ``@task`` returns is handed to an operator's argument, and ``ingest.output`` is the operator's own result: the
entry of the table, as ``lake run --json`` gives it. Both are known when the task runs, and make the edges by the way.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import dag, task

from airflow_lake_provider import LakeIngestOperator, LakeTransformOperator

FOLDER = Path(__file__).parent / "data" / "orders"


@dag(schedule=None, catchup=False, default_args={"retries": 2}, doc_md=__doc__, tags=["example", "iceberg"])
def lake_taskflow() -> None:
    """Order the tasks."""

    @task
    def find_files() -> list[str]:
        """List the files of this moment."""
        return sorted(str(path) for path in FOLDER.glob("*.csv"))

    @task
    def tell(ingested: Any, customers: Any) -> str:
        """Say in one line what became of both tables."""
        return f"{ingested['rows_read']} lines read, {customers['table']} is {customers['status']}"

    ingest = LakeIngestOperator(
        task_id="ingest", table="bronze.taskflow_orders", files=find_files(), options={"header": True}
    )
    customers = LakeTransformOperator(
        task_id="customers",
        table="gold.taskflow_customers",
        sql="SELECT customer, count(DISTINCT order_id) AS orders FROM bronze.taskflow_orders GROUP BY customer",
    )
    ingest >> customers
    tell(ingest.output, customers.output)


lake_taskflow()
