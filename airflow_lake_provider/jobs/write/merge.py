"""Merge: SCD type 1 by ``unique_key``. What each row does is known before the one MERGE that does it."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

from airflow_lake_provider.jobs.batch import Batch, comparable
from airflow_lake_provider.jobs.errors import DuplicateKeys
from airflow_lake_provider.jobs.tables import quoted_column
from airflow_lake_provider.jobs.write.plan import WritePlan, append_rows
from airflow_lake_provider.protocol import METADATA_COLUMNS, WriteStep

_VIEW = "_lake_merge_source"


def sequence_of(step: WriteStep, columns: Sequence[str]) -> Optional[str]:
    """Return the column that says which row is newer: the one named, else ``_ingested_at`` when the batch has it."""
    if step.sequence_by is not None:
        return step.sequence_by
    return "_ingested_at" if step.strategy == "merge" and "_ingested_at" in columns else None


def plan_merge(spark: Any, batch: Batch, step: WriteStep, branch: str) -> WritePlan:
    """Compare the batch (one row a key, no NULL keys) with the pinned branch and plan one write of what differs.

    Rows that are equal to the table's are left alone, so a repeated batch commits nothing; rows older than the table's
    are stale. Where no key is in the table yet, an append writes the same without a join of all its columns.

    :raises DuplicateKeys: the table itself holds a key of the batch more than once.
    """
    from pyspark.sql import functions as F

    rows = batch.rows_read - batch.rows_rejected - batch.rows_deduplicated
    if not rows:
        return WritePlan(name="nothing")
    actions = _actions(spark, batch, step, branch).localCheckpoint(eager=True)
    counts = {
        row["_lake_action"]: int(row["n"])
        for row in actions.groupBy("_lake_action").agg(F.count("*").alias("n")).collect()
    }
    if sum(counts.values()) != rows:
        raise DuplicateKeys(_doubled(actions, step.unique_key, branch))
    inserts, updates = counts.get("insert", 0), counts.get("update", 0)
    unchanged, stale = counts.get("unchanged", 0), counts.get("stale", 0)
    if not inserts + updates:
        return WritePlan(name="nothing", rows_unchanged=unchanged, rows_stale=stale)
    changed = actions.where(F.col("_lake_action").isin("insert", "update")).drop("_lake_action")

    def commit() -> None:
        if not updates:
            append_rows(changed, branch)
            return
        changed.createOrReplaceTempView(_VIEW)
        try:
            spark.sql(merge_sql(branch, _VIEW, step.unique_key, changed.columns))
        finally:
            spark.catalog.dropTempView(_VIEW)

    return WritePlan(
        name="merge" if updates else "append",
        rows_applied=inserts + updates,
        rows_unchanged=unchanged,
        rows_stale=stale,
        commit=commit,
    )


def merge_sql(target: str, source: str, unique_key: Sequence[str], columns: Sequence[str]) -> str:
    """Return the one MERGE of a batch that holds only rows to insert or update.

    >>> print(merge_sql("lake.silver.t", "s", ["id"], ["id", "v"]))
    MERGE INTO lake.silver.t AS t USING s AS s
    ON t.`id` = s.`id`
    WHEN MATCHED THEN UPDATE SET t.`v` = s.`v`
    WHEN NOT MATCHED THEN INSERT (`id`, `v`) VALUES (s.`id`, s.`v`)
    """
    keys = {name.lower() for name in unique_key}
    quoted = [quoted_column(name) for name in columns]
    assigned = [quoted_column(name) for name in columns if name.lower() not in keys] or quoted
    lines = [
        f"MERGE INTO {target} AS t USING {source} AS s",
        "ON " + " AND ".join(f"t.{quoted_column(name)} = s.{quoted_column(name)}" for name in unique_key),
        "WHEN MATCHED THEN UPDATE SET " + ", ".join(f"t.{name} = s.{name}" for name in assigned),
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(quoted)}) VALUES ({', '.join('s.' + name for name in quoted)})",
    ]
    return "\n".join(lines)


def _actions(spark: Any, batch: Batch, step: WriteStep, branch: str) -> Any:
    """Return the batch with ``_lake_action``: insert, update, unchanged or stale."""
    from pyspark.sql import functions as F

    keys = {name.lower() for name in step.unique_key}
    sequence = sequence_of(step, batch.good.columns)
    compared = [f for f in batch.good.schema.fields if f.name.lower() not in keys and f.name not in METADATA_COLUMNS]
    wanted: List[str] = [*step.unique_key, *(f.name for f in compared)]
    if sequence is not None and sequence.lower() not in {name.lower() for name in wanted}:
        wanted.append(sequence)
    target = spark.table(branch).select(
        *[F.col(quoted_column(name)) for name in wanted], F.lit(True).alias("_lake_there")
    )
    source, existing = batch.good.alias("s"), target.alias("t")

    def s(name: str) -> Any:
        return F.col("s." + quoted_column(name))

    def t(name: str) -> Any:
        return F.col("t." + quoted_column(name))

    on = F.lit(True)
    for name in step.unique_key:
        on = on & (s(name) == t(name))
    same = F.lit(True)
    for f in compared:
        same = same & comparable(s(f.name), f.dataType).eqNullSafe(comparable(t(f.name), f.dataType))
    action = F.when(F.col("t._lake_there").isNull(), "insert")
    if sequence is not None:
        older = (s(sequence) < t(sequence)) | (s(sequence).isNull() & t(sequence).isNotNull())
        action = action.when(older & ~same, "stale")
    action = action.when(same, "unchanged").otherwise("update")
    return source.join(existing, on, "left").select("s.*", action.alias("_lake_action"))


def _doubled(actions: Any, unique_key: Sequence[str], branch: str) -> str:
    from pyspark.sql import functions as F

    keys = [F.col(quoted_column(name)) for name in unique_key]
    doubled = actions.groupBy(*keys).agg(F.count("*").alias("_lake_n")).where("_lake_n > 1")
    examples = doubled.limit(3).collect()
    shown = "; ".join(", ".join(f"{name}={row[index]}" for index, name in enumerate(unique_key)) for row in examples)
    table = branch.split(".`branch_")[0].replace("`", "")
    return (
        f"{table} already holds {doubled.count()} of the batch's keys in more than "
        f"one row ({shown}), so an update has no single row to meet. Remove the doubled rows, or correct unique_key."
    )
