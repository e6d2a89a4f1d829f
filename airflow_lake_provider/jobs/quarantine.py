"""Rejected rows: staged beside the table's own commit, in the quarantine table once that commit is published.

The quarantine table is a second table, so there is an order: its rows are staged as one append on a branch; main's
commit names that snapshot; after the publish it is cherry-picked. Every run first finishes a pick that main names, so
no kill loses rows or doubles them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional

from airflow_lake_provider.jobs.batch import FILE, RAW, REASONS, Batch
from airflow_lake_provider.jobs.errors import QuarantineDisabled, QuarantineLimitExceeded
from airflow_lake_provider.jobs.iceberg import PUBLISHED_TAG, IcebergTable, branch_of, quoted, stamped
from airflow_lake_provider.jobs.progress import say
from airflow_lake_provider.jobs.tables import ensure_table
from airflow_lake_provider.jobs.write.plan import append_rows
from airflow_lake_provider.protocol import Catalog, Quarantine, TableRequest

STAMP = "lake.quarantine"
"""The summary key by which a table's commit names the staged rows that belong to it."""

_EXAMPLES = 3


@dataclass(frozen=True)
class Staged:
    """An append to the quarantine table that waits for its pick."""

    table: str
    snapshot_id: int

    def text(self) -> str:
        """Render for a snapshot summary."""
        return json.dumps({"table": self.table, "snapshot_id": self.snapshot_id}, separators=(",", ":"))


def quarantine_table(request: TableRequest) -> str:
    """Return the name of the table that takes the rejected rows.

    >>> quarantine_table(TableRequest(table="silver.flights", steps=()))
    'silver.flights__quarantine'
    """
    return request.quarantine.table or f"{request.table}__quarantine"


def check_limit(request: TableRequest, batch: Batch) -> None:
    """See that the rejected rows may be set aside at all.

    :raises QuarantineDisabled: there are some, and the table sets ``quarantine: false``.
    :raises QuarantineLimitExceeded: their share of the rows read is above the limit.
    """
    if not batch.rows_rejected:
        return
    share = batch.rows_rejected / batch.rows_read
    counted = f"{request.table}: {batch.rows_rejected} of {batch.rows_read} rows ({share:.1%}) were rejected"
    if not request.quarantine.enabled:
        raise QuarantineDisabled(
            f"{counted} ({_top_reasons(batch)}), and quarantine is off. Nothing was written. Mend the rows, change the "
            "contract, or set quarantine: true to set such rows aside."
        )
    if share > request.quarantine.max_fraction:
        raise QuarantineLimitExceeded(
            f"{counted} ({_top_reasons(batch)}), more than the {request.quarantine.max_fraction:.1%} that "
            "quarantine.max allows. Nothing was published: mend the source, change the contract or raise the limit."
        )


def stage(
    spark: Any,
    request: TableRequest,
    batch: Batch,
    *,
    catalog: Catalog,
    request_id: str,
    run_id: str,
    interval_start: Optional[str],
    stamps: Mapping[str, str],
) -> Optional[Staged]:
    """Append the rejected rows, less those that lie in the quarantine table already, to a branch of it.

    A row lies there already when raw text, reasons and file are equal, so a repeated run sets nothing aside twice.
    Returns ``None`` where nothing is new.
    """
    from pyspark.sql import functions as F

    if not batch.rows_rejected:
        return None
    named = next((name for name in (FILE, "_source_file") if name in batch.rejected.columns), None)
    source_file = F.col(named) if named is not None else F.lit(None).cast("string")
    rows = batch.rejected.select(
        F.current_timestamp().alias("_quarantined_at"),
        F.lit(run_id).alias("_run_id"),
        F.lit(interval_start).cast("timestamp").alias("_interval_start"),
        source_file.alias("_source_file"),
        F.col(REASONS).alias("_reasons"),
        F.col(RAW).alias("_raw"),
    )
    described = TableRequest(
        table=quarantine_table(request),
        steps=(),
        description=f"Rows that {request.table} rejected",
        quarantine=Quarantine(enabled=False),
    )
    table = ensure_table(spark, described, rows.schema, catalog=catalog)
    same = ["_raw", "_reasons", "_source_file"]
    there = spark.table(quoted(table.identifier)).select(*[F.col(name).alias("there" + name) for name in same])
    on = F.lit(True)
    for name in same:
        on = on & F.col(name).eqNullSafe(F.col("there" + name))
    fresh = rows.join(there, on, "left_anti").localCheckpoint(eager=True)
    if fresh.isEmpty():
        return None
    branch = branch_of(request_id)
    table.create_branch(branch)
    with stamped(spark, stamps):
        append_rows(fresh, table.branch(branch))
    table.refresh()
    head = table.head(branch)
    assert head is not None
    return Staged(table=table.name, snapshot_id=head)


def finish_pick(spark: Any, table: IcebergTable, *, catalog: Catalog) -> Optional[int]:
    """Bring the rows that the last published commit names into the quarantine table; a pick already made stays made.

    Returns the quarantine table's snapshot that holds them, ``None`` where the commit names none.
    """
    published = table.head(PUBLISHED_TAG)
    if published is None:
        return None
    summary = table.summary(published)
    if STAMP not in summary:
        return None
    plain = json.loads(summary[STAMP])
    name, snapshot_id = str(plain["table"]), int(plain["snapshot_id"])
    quarantine = IcebergTable.find(spark, catalog, name)
    if quarantine is None or not quarantine.has_snapshot(snapshot_id):
        say(f"the rows that {table.name} rejected are not in {name} any more: it was dropped, or its snapshots expired")
        return None
    quarantine.cherry_pick(snapshot_id)
    quarantine.drop_refs([branch_of(summary["lake.request_id"])])
    return quarantine.head()


def drop_dead_refs(spark: Any, request: TableRequest, request_ids: List[str], *, catalog: Catalog) -> None:
    """Drop the branches that dead submissions left on the table and on its quarantine table."""
    if not request_ids:
        return
    names = [branch_of(request_id) for request_id in request_ids]
    for name in (request.table, quarantine_table(request)):
        table = IcebergTable.find(spark, catalog, name)
        dropped = table.drop_refs(names) if table is not None else []
        if dropped:
            say(f"dropped {len(dropped)} branch(es) that dead runs left on {name}")


def _top_reasons(batch: Batch) -> str:
    from pyspark.sql import functions as F

    reasons = batch.rejected.select(F.explode(REASONS).alias("reason")).groupBy("reason").agg(F.count("*").alias("n"))
    top = reasons.orderBy(F.desc("n"), "reason").limit(_EXAMPLES).collect()
    return "; ".join(f"{row['reason']}: {row['n']}" for row in top)
