"""The column that says whether a row is gone at the source: the job's own, true or false and never NULL.

Every row of a batch is there, so each gets false; what the table holds and the batch does not is set to true by the
merge.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence, Tuple

from airflow_lake_provider.jobs.errors import ContractError
from airflow_lake_provider.protocol import Column


def require_own(flag: str, given: Sequence[str], columns: Optional[Sequence[Column]], *, table: str) -> None:
    """See that nobody else gives the column, and that the contract, where it has it, says boolean.

    :raises ContractError: the batch brings it, or the contract says otherwise.
    """
    if flag.lower() in {name.lower() for name in given}:
        raise ContractError(
            f"{table}: the query gives a column {flag}, which soft_delete sets by itself; leave it out of the query, "
            "or name another column in soft_delete"
        )
    for column in columns or ():
        if column.name.lower() == flag.lower() and column.type.strip().lower() != "boolean":
            raise ContractError(f"{table}: soft_delete sets {column.name}, which is {column.type} and must be boolean")


def columns_without(flag: str, columns: Optional[Sequence[Column]]) -> Optional[Tuple[Column, ...]]:
    """Return what of the contract the batch itself must meet."""
    if columns is None:
        return None
    return tuple(column for column in columns if column.name.lower() != flag.lower())


def with_flag(rows: Any, flag: str, columns: Optional[Sequence[Column]]) -> Any:
    """Add the column to rows that are there, in its place of the contract; else it is the last."""
    from pyspark.sql import functions as F

    from airflow_lake_provider.jobs.tables import quoted_column

    flagged = rows.withColumn(flag, F.lit(False))
    declared = [column.name for column in columns or ()]
    if flag.lower() not in {name.lower() for name in declared}:
        return flagged
    further = [name for name in rows.columns if name.lower() not in {name.lower() for name in declared}]
    return flagged.select(*[F.col(quoted_column(name)) for name in [*declared, *further]])
