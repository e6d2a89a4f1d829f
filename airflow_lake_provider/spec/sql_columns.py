"""Columns of a query that cannot exist, because the contracts of the tables that it reads do not have them.

Only what is certain is said: as soon as one table in sight has no contract, or something else may give a column of
that name (a function that makes rows, a pivot, a lateral view), the name is left to Spark.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from airflow_lake_provider.protocol import METADATA_COLUMNS
from airflow_lake_provider.spec.lineage import PLACEHOLDER, TableName, named_tables, parse_select, table_name

Contract = Callable[[TableName], Collection[str] | None]
"""Gives the columns of a table that a query names; ``None`` where nobody tells them."""

_ALWAYS = frozenset({
    # Iceberg's and Spark's own columns of each table.
    *METADATA_COLUMNS, "_metadata", "_file", "_pos", "_deleted", "_spec_id", "_partition", "_row_id",
    "_last_updated_sequence_number",
    # Functions that are called without parentheses.
    "current_catalog", "current_database", "current_date", "current_schema", "current_time", "current_timestamp",
    "current_timezone", "current_user", "all", "grouping__id", "localtimestamp", "now", "session_user", "user",
})  # fmt: skip


@dataclass(frozen=True)
class UnknownColumn:
    """A column that no table in sight has; characters ``start`` to before ``end``.

    :param known: the columns that there are.
    :param table: the one table that is asked for it, as the query names it; empty where several are.
    """

    name: str
    start: int
    end: int
    known: tuple[str, ...]
    table: str


def unknown_columns(sql: str, contract: Contract) -> list[UnknownColumn]:
    """Return the columns of a query that cannot exist, in the order of the text.

    :raises SqlError: as :func:`airflow_lake_provider.spec.lineage.read_query`.
    """
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.scope import traverse_scope

    select = parse_select(sql)
    if select is None:
        return []
    reading = _Reading(contract, {id(table) for table in named_tables(select)}, _variables(select))
    try:
        found = [column for scope in traverse_scope(select) for column in reading.unknown(scope)]
    except (SqlglotError, RecursionError):
        return []  # what it means is for Spark to say
    return sorted(dict.fromkeys(found), key=lambda column: column.start)


class _Reading:
    """One query.

    :param tables: the ids of the nodes that name a table; those that name a CTE are none.
    :param variables: names that lambdas bind, anywhere in the query.
    """

    def __init__(self, contract: Contract, tables: set[int], variables: frozenset[str]) -> None:
        self.contract = contract
        self.tables = tables
        self.variables = variables
        self._outputs: dict[int, tuple[str, ...] | None] = {}

    def unknown(self, scope: Any) -> Iterator[UnknownColumn]:
        from sqlglot import exp

        select = scope.expression
        sources = self.sources_in_sight(scope) if isinstance(select, exp.Select) else None
        if sources is None:
            return
        given = {*_ALWAYS, *self.variables, *(each.alias.lower() for each in select.expressions if each.alias)}
        given.update(column.lower() for columns in sources.values() for column in columns)
        known = tuple(dict.fromkeys(name for columns in sources.values() for name in columns))
        is_told = not any(map(_names_more, select.expressions))
        lowered = {name: {*_ALWAYS, *(column.lower() for column in columns)} for name, columns in sources.items()}
        for column in _own_columns(select):
            parts = [part for part in column.parts if isinstance(part, exp.Identifier)]
            if not parts or any(PLACEHOLDER.search(part.name) for part in parts):
                continue
            first = parts[0].name.lower()
            if first in given:  # what follows a column's name is a field of it
                continue
            if len(parts) == 1 and is_told:
                yield _unknown(parts[0], known, self.named(scope, next(iter(sources)) if len(sources) == 1 else ""))
            elif len(parts) == 2 and first in sources and parts[1].name.lower() not in lowered[first]:
                yield _unknown(parts[1], sources[first], self.named(scope, first))

    def named(self, scope: Any, source: str) -> str:
        """Return a source as the query names it: a table without an alias by its full name."""
        from sqlglot import exp

        for name, (node, _) in scope.selected_sources.items():
            if name.lower() == source and isinstance(node, exp.Table) and id(node) in self.tables:
                return name if node.alias else ".".join(table_name(node).parts)
        return source

    def sources_in_sight(self, scope: Any) -> dict[str, tuple[str, ...]] | None:
        """Return the columns of all that a name may mean here, outer queries included; ``None`` if one is unknown."""
        from sqlglot import exp

        found: dict[str, tuple[str, ...]] = {}
        step = scope
        while step is not None:
            if step.is_udtf or (step.is_cte and step.parent is not None and not step.parent.is_root):
                return None
            own = {} if isinstance(step.expression, exp.SetOperation) else self.sources(step)
            if own is None:
                return None
            found = {**own, **found}
            step = None if step.is_cte or step.is_root else step.parent
        return found

    def sources(self, scope: Any) -> dict[str, tuple[str, ...]] | None:
        from sqlglot import exp

        select = scope.expression
        if not isinstance(select, exp.Select) or select.args.get("laterals") or select.args.get("from_") is None:
            return None
        if any(isinstance(join.this, exp.Lateral | exp.Unnest) for join in select.args.get("joins") or ()):
            return None
        found: dict[str, tuple[str, ...]] = {}
        for name, (node, source) in scope.selected_sources.items():
            columns = self.columns_of(node, source)
            if columns is None or name.lower() in found:
                return None
            found[name.lower()] = columns
        named = 1 + len(select.args.get("joins") or ())
        return found if len(found) == named else None

    def columns_of(self, node: Any, source: Any) -> tuple[str, ...] | None:
        from sqlglot import exp

        if node.args.get("pivots") or any(node.args.get(key) for key in ("version", "when", "laterals", "joins")):
            return None
        alias = node.args.get("alias")
        renamed = tuple(each.name for each in alias.args.get("columns") or ()) if alias is not None else ()
        if renamed:
            return renamed
        if isinstance(source, exp.Table):
            columns = self.contract(table_name(source)) if id(source) in self.tables else None
            return tuple(columns) if columns is not None else None
        return self.outputs(source)

    def outputs(self, scope: Any) -> tuple[str, ...] | None:
        """Return the names of a query's columns; ``None`` where its text does not tell them."""
        key = id(scope)
        if key not in self._outputs:
            self._outputs[key] = None  # of a recursive one
            self._outputs[key] = self._read_outputs(scope)
        return self._outputs[key]

    def _read_outputs(self, scope: Any) -> tuple[str, ...] | None:
        from sqlglot import exp

        cte = scope.expression.parent
        alias = cte.args.get("alias") if isinstance(cte, exp.CTE) else None
        if alias is not None and alias.args.get("columns"):
            return tuple(each.name for each in alias.args["columns"])
        if not isinstance(scope.expression, exp.Select):
            left = scope.union_scopes[0] if scope.is_union and scope.union_scopes else None
            return self.outputs(left) if left is not None else None
        names: list[str] = []
        for each in scope.expression.expressions:
            more = self.names_of(each, scope)
            if more is None:
                return None
            names.extend(more)
        return tuple(dict.fromkeys(names))

    def names_of(self, projection: Any, scope: Any) -> tuple[str, ...] | None:
        from sqlglot import exp

        if isinstance(projection, exp.Star) or (
            isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star)
        ):
            star = projection if isinstance(projection, exp.Star) else projection.this
            sources = self.sources(scope)
            if sources is None or star.args.get("rename") or star.args.get("replace"):
                return None
            if isinstance(projection, exp.Column):
                return sources.get(projection.table.lower()) if len(projection.parts) == 2 else None
            return tuple(name for columns in sources.values() for name in columns)
        if isinstance(projection, exp.Alias | exp.Column | exp.Dot) and projection.alias_or_name:
            return (projection.alias_or_name,)
        return None


def _own_columns(select: Any) -> Iterator[Any]:
    """Yield the columns that stand in a SELECT itself: its inner queries have scopes of their own."""
    from sqlglot import exp

    inner = exp.Query | exp.Star | exp.Hint | exp.Lambda | exp.With

    def is_inner(node: Any) -> bool:
        return node is not select and isinstance(node, inner)

    for node in select.walk(prune=is_inner):
        if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
            yield node


def _names_more(projection: Any) -> bool:
    """Whether an expression may give columns whose names its text does not say: a function that makes rows."""
    from sqlglot import exp

    plain = exp.Alias | exp.Column | exp.Dot | exp.Star | exp.Literal | exp.AggFunc | exp.Filter | exp.Window
    return not isinstance(projection, plain)


def _variables(select: Any) -> frozenset[str]:
    from sqlglot import exp

    return frozenset(name.name.lower() for each in select.find_all(exp.Lambda) for name in each.expressions)


def _unknown(part: Any, known: tuple[str, ...], table: str) -> UnknownColumn:
    start = part.meta.get("start", 0)
    return UnknownColumn(part.name, start, part.meta.get("end", start) + 1, known, table)
