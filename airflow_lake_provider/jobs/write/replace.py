"""Replace: the table is what the batch gives, in one commit."""

from __future__ import annotations

from typing import Any

from airflow_lake_provider.jobs.batch import Batch, comparable
from airflow_lake_provider.jobs.tables import quoted_column
from airflow_lake_provider.jobs.write.plan import WritePlan
from airflow_lake_provider.protocol import METADATA_COLUMNS, WriteStep


def plan_replace(spark: Any, batch: Batch, step: WriteStep, branch: str) -> WritePlan:
    """Plan to put the batch in the place of all rows, or nothing where both are the same multiset of rows."""
    rows = batch.rows_read - batch.rows_rejected - batch.rows_deduplicated
    if same_rows(batch.good, spark.table(branch)):
        return WritePlan(name="nothing", rows_unchanged=rows)

    def commit() -> None:
        from pyspark.sql import functions as F

        batch.good.writeTo(branch).option("check-nullability", "false").overwrite(F.lit(True))

    return WritePlan(name="replace", rows_applied=rows, commit=commit)


def same_rows(left: Any, right: Any) -> bool:
    """Whether two DataFrames hold the same multiset of rows, metadata columns apart.

    One pass over both: each distinct row counts up on one side and down on the other, and all must end at zero.
    """
    from pyspark.sql import functions as F

    def signed(rows: Any, sign: int) -> Any:
        compared = [
            comparable(F.col(quoted_column(f.name)), f.dataType).alias(f.name.lower())
            for f in sorted(rows.schema.fields, key=lambda f: f.name.lower())
            if f.name not in METADATA_COLUMNS
        ]
        return rows.select(F.struct(*compared).alias("row"), F.lit(sign).alias("sign"))

    balance = signed(left, 1).unionAll(signed(right, -1)).groupBy("row").agg(F.sum("sign").alias("balance"))
    return bool(balance.where("balance <> 0").isEmpty())
