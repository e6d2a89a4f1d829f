"""The operators in a hand-written DAG: small CSV files become a table per day of revenue.

The second file changes two orders of the first, which the merge takes over, and has one order without a number, which
is set aside in ``silver.orders__quarantine``. Start it as often as you like: each file is taken in once, and a run that
changes no row publishes nothing.
"""

from airflow.sdk import DAG

from airflow_lake_provider import (
    IcebergMergeOperator,
    LakeIngestOperator,
    LakeQualityCheckOperator,
    LakeTransformOperator,
)

with DAG("lake_operators", schedule=None, catchup=False, doc_md=__doc__, tags=["example", "iceberg"]):
    ingest = LakeIngestOperator(
        task_id="ingest_orders",
        table="bronze.orders",
        files="data/orders/*.csv",
        options={"header": True},
    )
    merge = IcebergMergeOperator(
        task_id="merge_orders",
        table="silver.orders",
        source="bronze.orders",
        unique_key="order_id",
        sequence_by="updated_at",
        columns={
            "order_id": "bigint not null",
            "customer": "string",
            "ordered_on": "date",
            "amount": {"type": "decimal(10,2)", "rule": "amount > 0"},
            "status": "string",
            "updated_at": "timestamp",
        },
        partition_by="month(ordered_on)",
        checks=["row_count > 0", {"invalid_count(status) = 0": {"valid values": ["open", "paid"]}}],
    )
    revenue = LakeTransformOperator(
        task_id="revenue_by_day",
        table="gold.revenue_by_day",
        sql_file="sql/revenue_by_day.sql",
        description="Orders and revenue per day",
    )
    check = LakeQualityCheckOperator(
        task_id="check_revenue",
        table="gold.revenue_by_day",
        checks=["row_count > 0", "duplicate_count(day) = 0", "min(revenue) > 0"],
    )
    ingest >> merge >> revenue >> check
