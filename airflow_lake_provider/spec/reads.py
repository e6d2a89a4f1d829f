"""What each table of a spec reads: by its SQL, its checks, and ``depends_on``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path as FilePath
from typing import Any

from airflow_lake_provider.spec.check import check_mentions, check_queries
from airflow_lake_provider.spec.diagnostic import Diagnostic
from airflow_lake_provider.spec.extends import shown_beside
from airflow_lake_provider.spec.lineage import SqlError, TableName, read_query
from airflow_lake_provider.spec.naming import KnownTables, circles, is_part_of_table
from airflow_lake_provider.spec.node import SCALAR, Node
from airflow_lake_provider.spec.problem import Path, Problem, did_you_mean
from airflow_lake_provider.spec.python_source import PythonFunction
from airflow_lake_provider.spec.reading import locate
from airflow_lake_provider.spec.source import Source
from airflow_lake_provider.spec.sql_columns import unknown_columns
from airflow_lake_provider.spec.table import TableSpec

At = Callable[[int, int], Diagnostic]
"""Gives the place of some characters of a text."""

MAX_SHOWN = 12
"""How many columns a message lists, and tables of a circle; how many unknown columns of a query are guessed at."""

MAX_GUESSED = 1_000
"""How many columns are looked at for what was meant."""


class Reads:
    """Collects, table by table, what is read; and what is wrong with it.

    ``inputs`` are all tables that a table reads, ``upstream`` those of this spec that make them.

    :param contracts: the columns of the tables of this spec that say so.
    :param note: takes each mistake.
    """

    def __init__(
        self,
        known: KnownTables,
        root: Node,
        spec_path: FilePath,
        *,
        contracts: Mapping[str, Collection[str]],
        note: Callable[[Diagnostic], None],
    ) -> None:
        self._known = known
        self._contracts = contracts
        self._root = root
        self._spec_path = spec_path
        self._note = note
        self._edges: dict[str, dict[str, Callable[[], Diagnostic]]] = {}
        self.inputs: dict[str, set[str]] = {}

    @property
    def upstream(self) -> Mapping[str, tuple[str, ...]]:
        """For each table those of this spec that must be done first, sorted."""
        return {name: tuple(sorted(self._edges.get(name, ()))) for name in self.inputs}

    def table(self, name: str, spec: TableSpec, function: PythonFunction | None, *, names_inputs: bool) -> None:
        """Note what one table reads; its keys stand at their place in the tree, a ``sql_file``'s text as ``sql``.

        :param names_inputs: it has ``depends_on``, so SQL that cannot be read for lineage will do.
        """
        path: Path = ("tables", name)
        self.inputs[name] = set()
        if spec.sql is not None:
            self._query(name, spec.sql, self._at((*path, "sql")), names_inputs=names_inputs)
        if function is not None:
            source = Source(shown_beside(function.file.resolve(), self._spec_path), function.source.text)
            for parameter in function.parameters:
                parts = tuple(parameter.table.split("."))
                self._use(name, TableName(parts, parameter.start, parameter.end), _in_file(source))
        for number, other in enumerate(spec.depends_on or ()):
            at = self._at((*path, "depends_on", number))
            self._use(name, TableName(tuple(other.split(".")), 0, len(other)), at)
        for number, check in enumerate(spec.checks or ()):
            if isinstance(check, str) or (isinstance(check, dict) and len(check) == 1):
                self._check(name, check, (*path, "checks", number))

    def schedule(self, root: Node) -> None:
        """See that the tables whose updates start the pipeline are others'."""
        entry = root.get("schedule")
        for path, node in entry.walk(("schedule",)) if entry is not None else ():
            if node.kind != SCALAR or not isinstance(node.value, str) or "." not in node.value or "://" in node.value:
                continue
            at = self._at(path)
            name = TableName(tuple(node.value.split(".")), 0, len(node.value))
            found = self._known.resolve(name)
            if found is None:
                self._wrong(at(name.start, name.end), "unknown-table", *self._known.unknown(name, reader=""))
            elif self._known.owner(found) is not None:
                message, hint = f"`{found}` is a table of this pipeline", "A pipeline cannot wait for itself."
                self._wrong(at(name.start, name.end), "cycle", message, hint)

    def circles(self, order: Sequence[str]) -> None:
        """Say which tables read each other in a circle."""
        for loop in circles(self._edges, order):
            at = self._edges[loop[0]][loop[1]]()
            steps = [f"`{name}`" for name in loop]
            if len(steps) > MAX_SHOWN:
                steps[MAX_SHOWN - 1 : -1] = [f"{len(steps) - MAX_SHOWN} more"]
            hint = " -> ".join(steps) + " (each reads the next)"
            self._wrong(at, "cycle", "these tables read each other in a circle", hint)

    def _at(self, path: Path, *, at_key: bool = False) -> At:
        def at(start: int, end: int) -> Diagnostic:
            return locate(Problem(path, "", "", span=(start, end), at_key=at_key), self._root)

        return at

    def _wrong(self, at: Diagnostic, code: str, message: str, hint: str) -> None:
        # What is already said at the place is where a variable's value comes from.
        hint = "\n".join(filter(None, (hint, at.hint)))
        self._note(replace(at, code=code, message=message, hint=hint))

    def _check(self, table: str, check: Any, path: Path) -> None:
        for mention in check_mentions(check):
            at = self._at((*path, *mention.path), at_key=bool(mention.path))
            name = TableName(tuple(mention.table.split(".")), mention.start, mention.end)
            self._use(table, name, at, in_check=True)
        for sql, below in check_queries(check):
            self._query(table, sql, self._at((*path, *below)), names_inputs=True, in_check=True)

    def _query(self, table: str, sql: str, at: At, *, names_inputs: bool, in_check: bool = False) -> None:
        try:
            query = read_query(sql)
        except SqlError as exc:
            self._wrong(at(exc.start, exc.end), "sql", exc.message, exc.hint)
            return
        if not query.readable and not names_inputs:
            message = "the tables of this SQL cannot be read from its text"
            self._wrong(at(*_deciding(sql)), "unread-sql", message, "Name its tables in `depends_on`.")
        for name in query.tables:
            self._use(table, name, at, in_check=in_check)
        if any(self._contract(name) is not None for name in query.tables):
            self._columns(sql, at)

    def _contract(self, name: TableName) -> Collection[str] | None:
        if is_part_of_table(name.parts[-1]):
            return None  # a metadata table, or a ref that may be older than the contract
        return self._contracts.get(self._known.resolve(name) or "")

    def _columns(self, sql: str, at: At) -> None:
        for number, column in enumerate(unknown_columns(sql, self._contract)):
            message = f"no table of the query has a column `{column.name}`"
            if column.table:
                message = f"`{column.table}` has no column `{column.name}`"
            shown = ", ".join(f"`{name}`" for name in column.known[:MAX_SHOWN])
            guess = did_you_mean(column.name, column.known[:MAX_GUESSED]) if number < MAX_SHOWN else ""
            hint = guess or f"there are {shown}" + (" and more" if len(column.known) > MAX_SHOWN else "")
            self._wrong(at(column.start, column.end), "unknown-column", message, hint)

    def _use(self, table: str, name: TableName, at: At, *, in_check: bool = False) -> None:
        found = self._known.resolve(name)
        if found is None:
            self._wrong(at(name.start, name.end), "unknown-table", *self._known.unknown(name, reader=table))
            return
        owner = self._known.owner(found)
        if owner == table:
            if not in_check and found == table:
                hint = "Read the tables that it is made from."
                self._wrong(at(name.start, name.end), "cycle", f"`{table}` reads itself", hint)
            return
        self.inputs[table].add(found)
        if owner is not None and owner not in self._edges.setdefault(table, {}):
            self._edges[table][owner] = partial(at, name.start, name.end)


def _in_file(source: Source) -> At:
    def at(start: int, end: int) -> Diagnostic:
        return source.diagnostic(start, end, code="", message="")

    return at


def _deciding(sql: str) -> tuple[int, int]:
    """The first template that makes SQL unreadable: a statement, or else an expression."""
    match = re.search(r"\{%.*?%\}", sql, re.DOTALL) or re.search(r"\{\{.*?\}\}", sql, re.DOTALL)
    return match.span() if match else (0, len(sql))
