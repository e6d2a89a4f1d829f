"""The batch of one run: judged by the contract, materialised once, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence, Tuple

from airflow_lake_provider.jobs.errors import DuplicateKeys
from airflow_lake_provider.jobs.tables import quoted_column
from airflow_lake_provider.protocol import METADATA_COLUMNS

REASONS = "_lake_reasons"
RAW = "_lake_raw"
FILE = "_lake_file"
"""The path of a row's file, where no metadata column says it: a rejected row is to be found again."""
DELETES = "_lake_deletes"
"""Whether ``delete_when`` holds for a row; there only where the write has one, and never NULL."""


@dataclass(frozen=True)
class Batch:
    """The rows of one run, read once: every later step works on what is materialised here.

    A source that is read twice (as a MERGE does) and changes in between loses or doubles rows: Iceberg issue 11765.
    ``good`` has the table's columns and maybe :data:`DELETES`, ``rejected`` also :data:`REASONS` and :data:`RAW`.
    """

    good: Any
    rejected: Any
    rows_read: int
    rows_rejected: int
    rows_deduplicated: int = 0

    @property
    def columns(self) -> Tuple[str, ...]:
        """The data columns and the metadata columns, in the table's order."""
        return tuple(self.good.drop(DELETES).columns)

    @property
    def schema(self) -> Any:
        """The Spark ``StructType`` of :attr:`columns`."""
        return self.good.drop(DELETES).schema


def materialise(judged: Any) -> Batch:
    """Run the judged DataFrame once and keep its rows with the executors, cut off from their source."""
    from pyspark.sql import functions as F

    kept = judged.localCheckpoint(eager=True)
    bad = F.size(F.col(REASONS)) > 0
    counts = kept.agg(F.count(F.lit(1)).alias("n"), F.count(F.when(bad, 1)).alias("bad")).collect()[0]
    return Batch(
        good=kept.where(~bad).drop(REASONS, RAW, FILE),
        rejected=kept.where(bad),
        rows_read=int(counts["n"]),
        rows_rejected=int(counts["bad"]),
    )


def deduplicate(batch: Batch, *, unique_key: Sequence[str], sequence_by: str | None, table: str) -> Batch:
    """Keep one row of each key: the one with the highest sequence; identical rows collapse.

    Rows tied on the highest sequence count as having none. NULL in the sequence is the lowest.

    :raises DuplicateKeys: rows of one key differ and nothing says which is the newest; names a count and three keys.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    keys = [F.col(quoted_column(name)) for name in unique_key]
    rows = batch.good
    if rows.groupBy(*keys).agg(F.count(F.lit(1)).alias("_lake_n")).where("_lake_n > 1").isEmpty():
        return batch  # the usual batch: counting keys is far cheaper than sorting whole rows
    compared = [name for name in rows.columns if name not in METADATA_COLUMNS]
    by_key = Window.partitionBy(*keys)
    if sequence_by is not None:
        sequence = F.col(quoted_column(sequence_by))
        rows = rows.withColumn("_lake_rank", F.rank().over(by_key.orderBy(sequence.desc_nulls_last())))
        rows = rows.where("_lake_rank = 1").drop("_lake_rank")
    content = F.struct(*[comparable(F.col(quoted_column(name)), rows.schema[name].dataType) for name in compared])
    numbered = rows.withColumn("_lake_first", F.row_number().over(by_key.orderBy(content, *_metadata_order(rows))))
    numbered = numbered.withColumn("_lake_content", content)
    numbered = numbered.withColumn(
        "_lake_same", F.first("_lake_content").over(by_key.orderBy("_lake_first")).eqNullSafe(F.col("_lake_content"))
    )
    kept = numbered.drop("_lake_content").localCheckpoint(eager=True)
    clashing = kept.where(~F.col("_lake_same")).select(*keys).distinct()
    examples = clashing.limit(4).collect()
    if examples:
        raise DuplicateKeys(_clash(table, unique_key, sequence_by, clashing.count(), examples[:3]))
    good = kept.where("_lake_first = 1").drop("_lake_first", "_lake_same")
    left = good.count()
    return Batch(
        good=good,
        rejected=batch.rejected,
        rows_read=batch.rows_read,
        rows_rejected=batch.rows_rejected,
        rows_deduplicated=batch.rows_read - batch.rows_rejected - left,
    )


def comparable(column: Any, data_type: Any) -> Any:
    """Return an expression that is equal exactly when the values are; maps have no order of their own, so they get one.

    Only a map at the top is turned; one deeper inside is compared by its JSON text.
    """
    from pyspark.sql import functions as F
    from pyspark.sql.types import ArrayType, MapType, StructType

    if isinstance(data_type, MapType):
        return F.to_json(F.map_from_entries(F.array_sort(F.map_entries(column))))
    if isinstance(data_type, (ArrayType, StructType)) and "map<" in data_type.simpleString():
        return F.to_json(column)
    return column


def _metadata_order(rows: Any) -> list[Any]:
    from pyspark.sql import functions as F

    return [F.col(name).desc_nulls_last() for name in METADATA_COLUMNS if name in rows.columns]


def _clash(table: str, unique_key: Sequence[str], sequence_by: str | None, count: int, examples: Sequence[Any]) -> str:
    shown = "; ".join(", ".join(f"{name}={row[index]}" for index, name in enumerate(unique_key)) for row in examples)
    more = "" if count <= len(examples) else ", ..."
    way_out = (
        f"they tie on sequence_by '{sequence_by}', so name a column that orders them"
        if sequence_by
        else "add sequence_by to say which row is the newest, or make the query give one row a key"
    )
    noun = "key stands" if count == 1 else "keys stand"
    return (
        f"{table}: {count} {noun} in more than one row of the batch, with different values ({shown}{more}): {way_out}."
    )
