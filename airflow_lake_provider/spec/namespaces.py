"""Names of tables as the catalog has them: people write ``silver.flights``, the table is ``dev_silver.flights``.

Only the names change; every other character of a query stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from airflow_lake_provider.spec.check import CONDITION, QUERY, check_mentions
from airflow_lake_provider.spec.lineage import SqlError, identifiers_of, named_tables, parse_select
from airflow_lake_provider.spec.naming import is_part_of_table


def with_prefix(sql: str, prefix: str, *, catalog: str) -> str:
    """Put the environment's prefix before the layer of each table that a rendered query names.

    CTEs, aliases and the fields of structs keep their names.

    >>> with_prefix("SELECT silver.f.id FROM silver.f JOIN `gold`.x AS silver", "dev_", catalog="lake")
    'SELECT dev_silver.f.id FROM dev_silver.f JOIN `dev_gold`.x AS silver'

    :param prefix: of the environment's namespaces; without one nothing changes.
    :param catalog: the environment's catalog, whose name may stand before a table's.
    :raises SqlError: it does not parse, or computes the names of its tables.
    """
    if not prefix:
        return sql
    select = parse_select(sql)
    if select is None:
        message = f"the tables of this SQL cannot be read from its text, so they cannot get the prefix `{prefix}`"
        raise SqlError(message, "Write the names of its tables out.", 0, len(sql))
    layers = [_layer(identifiers_of(table), catalog) for table in named_tables(select)]
    layers += list(_qualifiers(select, catalog))
    return _inserted(sql, prefix, (_name_start(sql, layer) for layer in layers if layer is not None))


def check_with_prefix(
    text: str, body: Mapping[str, Any] | None, prefix: str, *, catalog: str, table: str
) -> dict[str, Any] | None:
    """Return a check as ``{text: body}`` with the prefix in all names of tables; ``None`` where nothing changes.

    >>> check_with_prefix("row_count same as silver.a", None, "dev_", catalog="lake", table="silver.b")
    {'row_count same as dev_silver.a': None}

    :param table: the table that the check judges.
    :raises SqlError: SQL in it does not parse, or computes the names of its tables.
    """
    if not prefix:
        return None
    places = []
    for mention in check_mentions(text):
        parts = [*re.finditer(r"`[^`]+`|\w+", text[mention.start : mention.end])]
        at = _layer_index([part[0].strip("`") for part in parts], catalog)
        if at is not None:
            start = mention.start + parts[at].start()
            places.append(start + (text[start] == "`"))
    changed_text = _inserted(text, prefix, places)
    changed = {
        key: _check_sql(key, value, prefix, catalog=catalog, table=table) if isinstance(value, str) else value
        for key, value in (body or {}).items()
    }
    if changed_text == text and changed == (body or {}):
        return None
    return {changed_text: changed or None}


def _check_sql(key: str, sql: str, prefix: str, *, catalog: str, table: str) -> str:
    if QUERY.search(key):
        return with_prefix(sql, prefix, catalog=catalog)
    # Without a dot there is no table's name in a condition.
    if not CONDITION.search(key) or "." not in sql:
        return sql
    head = f"SELECT 1 FROM {table} WHERE "
    return with_prefix(head + sql, prefix, catalog=catalog)[len(head) + len(prefix) :]


def _layer_index(parts: Sequence[str], catalog: str) -> int | None:
    """Return which part of a table's name is the layer; ``None`` for a bare name and for one of another catalog.

    Behind ``layer.name`` may stand a metadata table or a ref, which Iceberg reads as a part of the name.
    """
    if len(parts) > 2 and parts[0].lower() == catalog.lower():
        return 1
    is_full = len(parts) == 2 or (len(parts) == 3 and is_part_of_table(parts[2]))
    return 0 if is_full else None


def _layer(identifiers: Sequence[Any], catalog: str) -> Any | None:
    at = _layer_index([identifier.name for identifier in identifiers], catalog)
    return None if at is None else identifiers[at]


def _qualifiers(select: Any, catalog: str) -> Iterator[Any]:
    """Yield the layers in columns that are written with their table's full name, ``silver.flights.id``.

    As Spark resolves names, the nearest SELECT with such a table counts, unless something there is called ``silver``.
    """
    from sqlglot import exp

    for column in select.find_all(exp.Column):
        identifiers, length = _column_parts(column)
        names = [identifier.name.lower() for identifier in identifiers]
        at = 1 if len(names) > 2 and names[0] == catalog.lower() else 0
        scope = column.find_ancestor(exp.Select)
        while scope is not None and length > at + 2:
            tables, aliases = _sources(scope, catalog)
            if any(names[at : at + len(table)] == table for table in tables):
                yield identifiers[at]
                break
            scope = None if names[at] in aliases else _enclosing(scope)


def _column_parts(column: Any) -> tuple[list[Any], int]:
    """Return the identifiers of ``a.b.c.d`` and how many parts it has; a star is a part without a name."""
    from sqlglot import exp

    whole = column
    while isinstance(whole.parent, exp.Dot) and whole.parent.this is whole:
        whole = whole.parent
    return identifiers_of(whole), len(whole.parts)


def _sources(scope: Any, catalog: str) -> tuple[list[list[str]], set[str]]:
    """Return the tables of a SELECT's own FROM that have no alias, from the layer on, and what else has a name there.

    A table without an alias goes by its last name too.
    """
    from sqlglot import exp

    tables: list[list[str]] = []
    aliases: set[str] = set()
    clauses = [scope.args.get("from_"), *(scope.args.get("joins") or ()), *(scope.args.get("laterals") or ())]
    for clause in clauses:
        nodes = clause.walk(prune=lambda node: isinstance(node, exp.Select | exp.SetOperation)) if clause else ()
        for node in nodes:
            if node.alias if isinstance(node, exp.Table | exp.DerivedTable | exp.UDTF) else "":
                aliases.add(node.alias.lower())
            elif isinstance(node, exp.Table) and (identifiers := identifiers_of(node)):
                names = [identifier.name.lower() for identifier in identifiers]
                at = _layer_index(names, catalog)
                aliases.add(names[-1])
                tables += [] if at is None else [names[at:]]
    return tables, aliases


def _enclosing(scope: Any) -> Any | None:
    """Return the SELECT whose tables a subquery sees too; a CTE or a subquery in FROM sees none but its own."""
    from sqlglot import exp

    node, parent = scope, scope.parent
    while parent is not None and not isinstance(parent, exp.Select):
        is_source = isinstance(parent, exp.From) or (isinstance(parent, exp.Join) and parent.this is node)
        if isinstance(parent, exp.CTE) or (is_source and not isinstance(node, exp.Lateral)):
            return None
        node, parent = parent, parent.parent
    return parent


def _name_start(sql: str, identifier: Any) -> int:
    """Return where an identifier's own letters begin, behind its quote.

    :raises SqlError: they are not there: the parser's places are off, and no text may be changed by guess.
    """
    start = identifier.meta.get("start", -1)
    start += sql[start : start + 1] == "`"
    if start < 0 or not sql.startswith(identifier.name.replace("`", "``"), start):
        message = f"the name `{identifier.name}` cannot be found in the text, so it cannot get the environment's prefix"
        raise SqlError(message, "Write the query in a plainer way.", 0, len(sql))
    return int(start)


def _inserted(text: str, prefix: str, places: Iterable[int]) -> str:
    for place in sorted(set(places), reverse=True):
        text = text[:place] + prefix + text[place:]
    return text
