"""A table's checks as a step of a request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.protocol import Catalog, Check, CheckStep
from airflow_lake_provider.spec.check import check_mentions, check_queries, outcomes, split_check
from airflow_lake_provider.spec.lineage import SqlError, TableName, read_query
from airflow_lake_provider.spec.namespaces import check_with_prefix


def check_step(table: str, checks: Sequence[Any], catalog: Catalog) -> CheckStep:
    """Return the step that judges a table; its inputs are the other tables that the checks name.

    :raises SpecError: the SQL of a check cannot be used.
    """
    return CheckStep(
        checks=tuple(_check(table, check, catalog) for check in checks),
        inputs=tuple(sorted(_inputs(checks, catalog.name) - {table})),
    )


def input_name(name: TableName, catalog: str) -> str:
    """Return ``layer.name`` of a table as SQL names it: the catalog may stand before it, a ref or the like behind.

    >>> input_name(TableName(("lake", "silver", "flights", "snapshots"), 0, 0), "lake")
    'silver.flights'
    """
    parts = name.parts
    if len(parts) > 2 and parts[0].lower() == catalog.lower():
        parts = parts[1:]
    return ".".join(parts[:2])


def _check(table: str, check: Any, catalog: Catalog) -> Check:
    text, body = split_check(check)
    on_fail, on_error = outcomes(check)
    try:
        sodacl = check_with_prefix(text, body, catalog.namespace_prefix, catalog=catalog.name, table=table)
    except SqlError as exc:
        raise SpecError(f"{table}: checks: `{text.strip()}`: {exc.message}; {exc.hint}".rstrip("; ")) from exc
    return Check(text=text, body=body or None, on_fail=on_fail, on_error=on_error, sodacl=sodacl)


def _inputs(checks: Iterable[Any], catalog: str) -> set[str]:
    found: set[str] = set()
    for check in checks:
        names = [TableName(tuple(mention.table.split(".")), 0, 0) for mention in check_mentions(check)]
        for sql, _ in check_queries(check):
            try:
                names.extend(read_query(sql).tables)
            except SqlError:
                # Soda's own grammar is not read here; what it cannot run, the job reports.
                continue
        found.update(input_name(name, catalog) for name in names if len(name.parts) > 1)
    return found
