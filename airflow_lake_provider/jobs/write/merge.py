"""Merge: SCD type 1 by ``unique_key``. What each row does is known before the one MERGE that does it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Collection, List, Optional, Sequence

from airflow_lake_provider.jobs.batch import DELETES, Batch, comparable
from airflow_lake_provider.jobs.errors import DuplicateKeys
from airflow_lake_provider.jobs.tables import quoted_column
from airflow_lake_provider.jobs.write.options import sequence_of, updated_columns
from airflow_lake_provider.jobs.write.plan import WritePlan, append_rows
from airflow_lake_provider.jobs.write.replace import plan_replace
from airflow_lake_provider.protocol import METADATA_COLUMNS, WriteStep

_VIEW = "_lake_merge_source"
_ACTION = "_lake_action"
_CHANGES = ("insert", "update", "delete")


def plan_merge(spark: Any, batch: Batch, step: WriteStep, branch: str) -> WritePlan:
    """Compare the batch (one row a key, no NULL keys) with the pinned branch and plan one write of what differs.

    Rows that are equal to the table's in all that an update would set are left alone, so a repeated batch commits
    nothing; rows older than the table's are stale. Where no key is in the table yet, an append writes the same without
    a join of all its columns. Rows of the table that the batch lacks are none of the batch's counts.

    :raises DuplicateKeys: the table itself holds a key of the batch more than once.
    """
    from pyspark.sql import functions as F

    rows = batch.rows_read - batch.rows_rejected - batch.rows_deduplicated
    gone = _gone(spark, batch, step, branch)
    lost = gone.count() if gone is not None else 0
    if not rows and not lost:
        return WritePlan(name="nothing")
    actions = _actions(spark, batch, step, branch).localCheckpoint(eager=True)
    counts = {row[_ACTION]: int(row["n"]) for row in actions.groupBy(_ACTION).agg(F.count("*").alias("n")).collect()}
    if sum(counts.values()) != rows:
        raise DuplicateKeys(_doubled(actions, step.unique_key, branch))
    found = {action for action in _CHANGES if counts.get(action)}
    changed = actions.where(F.col(_ACTION).isin(*_CHANGES))
    if gone is not None and lost:
        found.add("delete" if step.soft_delete is None else "flag")
        changed = changed.unionByName(gone.dropDuplicates(), allowMissingColumns=True)
    plan = WritePlan(
        name=_name(found, lost, step),
        rows_applied=sum(counts.get(action, 0) for action in _CHANGES),
        rows_unchanged=counts.get("unchanged", 0),
        rows_stale=counts.get("stale", 0),
        warnings=() if rows or not lost else (f"the batch has no rows, so none of the table's {lost} rows is in it",),
    )

    def commit() -> None:
        if found == {"insert"}:
            append_rows(changed.drop(_ACTION), branch)
            return
        changed.createOrReplaceTempView(_VIEW)
        columns = [name for name in changed.columns if name != _ACTION]
        try:
            spark.sql(
                merge_sql(
                    branch,
                    _VIEW,
                    step.unique_key,
                    columns,
                    actions=found,
                    updated=updated_columns(step, columns),
                    flag=step.soft_delete,
                    null_safe=bool(lost),
                )
            )
        finally:
            spark.catalog.dropTempView(_VIEW)

    return replace(plan, commit=commit) if found else plan


def plan_merge_anew(spark: Any, batch: Batch, step: WriteStep, branch: str) -> WritePlan:
    """Plan to make the table what a merge of the batch into an empty one gives."""
    from pyspark.sql import functions as F

    if DELETES not in batch.good.columns:
        return plan_replace(spark, batch, step, branch)
    kept = batch.good.where(~F.col(DELETES)).drop(DELETES)
    deleted = batch.rows_read - batch.rows_rejected - batch.rows_deduplicated - kept.count()
    plan = plan_replace(spark, replace(batch, good=kept, rows_read=batch.rows_read - deleted), step, branch)
    return replace(plan, rows_unchanged=plan.rows_unchanged + deleted)


def merge_sql(
    target: str,
    source: str,
    unique_key: Sequence[str],
    columns: Sequence[str],
    *,
    actions: Collection[str],
    updated: Sequence[str],
    flag: Optional[str] = None,
    null_safe: bool = False,
) -> str:
    """Return the one MERGE of rows that each say in ``_lake_action`` what becomes of them.

    :param actions: those that occur: insert, update (sets ``updated``), delete, flag (sets the column ``flag``).
    :param null_safe: whether NULL meets NULL; a batch has no NULL in its keys, but rows of the table may.

    >>> print(merge_sql("lake.silver.t", "s", ["id"], ["id", "v"], actions=["insert", "update"], updated=["v"]))
    MERGE INTO lake.silver.t AS t USING s AS s
    ON t.`id` = s.`id`
    WHEN MATCHED THEN UPDATE SET t.`v` = s.`v`
    WHEN NOT MATCHED THEN INSERT (`id`, `v`) VALUES (s.`id`, s.`v`)
    >>> print(merge_sql("lake.silver.t", "s", ["id"], ["id", "v"], actions=["delete", "update"], updated=["v"]))
    MERGE INTO lake.silver.t AS t USING s AS s
    ON t.`id` = s.`id`
    WHEN MATCHED AND s.`_lake_action` = 'update' THEN UPDATE SET t.`v` = s.`v`
    WHEN MATCHED AND s.`_lake_action` = 'delete' THEN DELETE
    """
    clauses = {
        "update": "UPDATE SET " + ", ".join(f"t.{quoted_column(name)} = s.{quoted_column(name)}" for name in updated),
        "flag": f"UPDATE SET t.{quoted_column(flag or '')} = true",
        "delete": "DELETE",
    }
    equals = "<=>" if null_safe else "="
    matched = [action for action in clauses if action in actions]
    lines = [
        f"MERGE INTO {target} AS t USING {source} AS s",
        "ON " + " AND ".join(f"t.{quoted_column(name)} {equals} s.{quoted_column(name)}" for name in unique_key),
    ]
    for action in matched:
        which = f" AND s.{quoted_column(_ACTION)} = '{action}'" if len(matched) > 1 else ""
        lines.append(f"WHEN MATCHED{which} THEN {clauses[action]}")
    if "insert" in actions:
        names = [quoted_column(name) for name in columns]
        values = ", ".join(f"s.{name}" for name in names)
        lines.append(f"WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) VALUES ({values})")
    return "\n".join(lines)


def _gone(spark: Any, batch: Batch, step: WriteStep, branch: str) -> Optional[Any]:
    """Return keys of the table's rows that the batch lacks, a row each, with what becomes of them; ``None``: nothing.

    A rejected row is there at the source, so its key is too.
    """
    from pyspark.sql import functions as F

    if step.when_not_matched_by_source == "keep":
        return None
    keys = [F.col(quoted_column(name)) for name in step.unique_key]
    existing = spark.table(branch)
    if step.soft_delete is not None:
        existing = existing.where(~F.coalesce(F.col(quoted_column(step.soft_delete)), F.lit(False)))
    batch_keys = batch.good.select(*keys).unionByName(batch.rejected.select(*keys))
    gone = existing.select(*keys).join(batch_keys, list(step.unique_key), "left_anti")
    action = "delete" if step.soft_delete is None else "flag"
    return gone.withColumn(_ACTION, F.lit(action)).localCheckpoint(eager=True)


def _name(found: Collection[str], lost: int, step: WriteStep) -> str:
    """Return how the batch is written; rows that it lacks are told here, for no count of the batch tells them."""
    if not found:
        return "nothing"
    if not lost:
        return "append" if found == {"insert"} else "merge"
    return f"merge, {lost} not in the batch {'deleted' if step.soft_delete is None else 'soft-deleted'}"


def _actions(spark: Any, batch: Batch, step: WriteStep, branch: str) -> Any:
    """Return the batch with ``_lake_action``: insert, update, delete, unchanged or stale."""
    from pyspark.sql import functions as F

    updated = updated_columns(step, batch.columns)
    sequence = sequence_of(step, batch.columns)
    compared = [f for f in batch.schema.fields if f.name in updated and f.name not in METADATA_COLUMNS]
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
    new = F.col("t._lake_there").isNull()
    older = F.lit(False)
    if sequence is not None:
        older = (s(sequence) < t(sequence)) | (s(sequence).isNull() & t(sequence).isNotNull())
    deletes = s(DELETES) if DELETES in batch.good.columns else F.lit(False)
    action = F.when(new, F.when(deletes | F.lit(step.when_not_matched == "ignore"), "unchanged").otherwise("insert"))
    action = action.when(deletes, F.when(older, "stale").otherwise("delete"))
    if step.when_matched == "update":
        action = action.when(older & ~same, "stale")
    action = action.when(same, "unchanged").otherwise("update")
    return source.join(existing, on, "left").select(*(s(name) for name in batch.columns), action.alias(_ACTION))


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
