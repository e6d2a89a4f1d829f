"""Which tables may be read, what a query means by a name, and circles among tables."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from airflow_lake_provider.spec.lineage import TableName
from airflow_lake_provider.spec.project import Project

_METADATA_TABLES = frozenset({
    "snapshots", "history", "files", "data_files", "delete_files", "all_data_files", "all_delete_files", "all_files",
    "entries", "all_entries", "manifests", "all_manifests", "partitions", "refs", "metadata_log_entries",
    "position_deletes", "changes",
})  # fmt: skip
_FILE_FORMATS = frozenset({"parquet", "csv", "json", "orc", "avro", "text", "binaryfile", "delta", "iceberg"})

_ALIKE, _ALIKE_IN_ALL = 0.7, 0.85
"""How much of two tables' own names, or of their whole ones, must be the same for one to be meant by the other."""

_COMPARISONS = 20_000
"""How many names one spec's unknown ones are compared with, to guess what was meant."""

MAX_CIRCLES = 20
"""How many circles are told of one spec; each may be found only when the one before is gone."""


class KnownTables:
    """What one spec may read.

    :param made: the tables of the spec and their quarantine tables, each with the table whose task makes it.
    :param declared: further names that are known: wrong tables of the spec (one mistake is enough), ``external``.
    """

    def __init__(self, made: Mapping[str, str], declared: Iterable[str], project: Project) -> None:
        self._owners = {name.lower(): owner for name, owner in made.items()}
        self._own = {name.lower(): name for name in (*declared, *made)}
        self._project = project
        self._comparisons = 0

    def owner(self, name: str) -> str | None:
        """Return the table of this spec whose task makes ``name``."""
        return self._owners.get(name.lower())

    def resolve(self, name: TableName) -> str | None:
        """Return the table that a query names, as it is declared; ``None`` when there is none.

        Case does not matter, the catalog's name may stand first, and Iceberg's metadata tables and refs
        (``silver.flights.snapshots``) mean the table.
        """
        parts = tuple(part.lower() for part in name.parts)
        candidates = list(self._candidates(parts))
        own = next((self._own[candidate] for candidate in candidates if candidate in self._own), None)
        if own is not None:
            return own
        return next((self._elsewhere[candidate] for candidate in candidates if candidate in self._elsewhere), None)

    def unknown(self, name: TableName, *, reader: str) -> tuple[str, str]:
        """Return message and hint for a name that is no table.

        :param reader: the table whose query it stands in; it is never what was meant.
        """
        shown = ".".join(name.parts)
        if len(name.parts) == 2 and name.parts[0].lower() in _FILE_FORMATS and re.search(r"[/*.:]", name.parts[1]):
            return f"`{shown}` is a file", "Take files in with `ingest`, and read that table."
        near = self._nearest(name.parts[-2:], reader)
        guess = f"did you mean `{near}`?" if near else ""
        if len(name.parts) == 1:
            hint = "expected `layer.name`, or a CTE of the query"
            if "." in shown:
                hint = "expected a quote around each part: " + ".".join(f"`{part}`" for part in shown.split("."))
            return f"`{shown}` is not a table's full name", f"{hint}\n{guess}".strip()
        near_by = self._project.nearby.get(".".join(name.parts[-2:]).lower())
        if near_by is not None:
            hint = (
                f"It is in {near_by}: without a lake.yaml each folder is a project. An empty one above both is enough."
            )
            return f"there is no table `{shown}` in the project", hint
        hint = "expected a table of this spec, of another spec in the project, or of `external`"
        return f"there is no table `{shown}`", f"{hint}\n{guess}".strip()

    def _nearest(self, parts: tuple[str, ...], reader: str) -> str | None:
        """Return the table whose own name is most like it; of several, the one in the most likely layer."""
        known = {**self._elsewhere, **self._own}
        known.pop(reader.lower(), None)
        self._comparisons += len(known)
        if self._comparisons > _COMPARISONS:
            return None

        def likeness(candidate: str) -> tuple[float, float, str]:
            layer, _, word = candidate.partition(".")
            names = difflib.SequenceMatcher(None, word, parts[-1].lower()).ratio()
            layers = difflib.SequenceMatcher(None, layer, parts[0].lower()).ratio()
            return names, layers, candidate

        best = max((likeness(candidate) for candidate in known), default=None)
        if best is None:
            return None
        # Of a short name one letter is much; in the whole it is little.
        whole = difflib.SequenceMatcher(None, best[2], ".".join(parts).lower()).ratio()
        return known[best[2]] if best[0] >= _ALIKE or whole >= _ALIKE_IN_ALL else None

    def _candidates(self, parts: tuple[str, ...]) -> Iterator[str]:
        """Yield what the parts may mean as ``layer.name``, the plainest first."""
        if len(parts) > 2 and parts[0] in self._project.catalog_names:
            yield from self._candidates(parts[1:])
        if len(parts) == 3 and is_part_of_table(parts[2]):
            yield from self._candidates(parts[:2])
        if len(parts) == 2:
            yield ".".join(parts)

    @property
    def _elsewhere(self) -> Mapping[str, str]:
        """The tables of the project's other specs, looked up only when a name is not this spec's own."""
        return self._project.readable_names


def is_part_of_table(name: str) -> bool:
    """Whether a name behind a table's own is one of Iceberg's metadata tables, or a ref.

    >>> is_part_of_table("snapshots"), is_part_of_table("branch_audit"), is_part_of_table("flights")
    (True, True, False)
    """
    return name.lower() in _METADATA_TABLES or name.lower().startswith(("branch_", "tag_"))


def circles(edges: Mapping[str, Iterable[str]], order: Sequence[str]) -> Iterator[list[str]]:
    """Yield circles of tables, each from its first in ``order`` and back to it: every one reads the next.

    >>> list(circles({"a": ["b"], "b": ["c"], "c": ["a"]}, ["a", "b", "c"]))
    [['a', 'b', 'c', 'a']]
    """
    graph = {name: set(read) for name, read in edges.items()}
    place = {name: number for number, name in enumerate(order)}
    for _ in range(MAX_CIRCLES):
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as exc:
            # graphlib names each table before those that need it; here each stands before those it reads.
            loop = exc.args[1][-1:0:-1]
        else:
            return
        first = min(range(len(loop)), key=lambda n: place[loop[n]])
        loop = [*loop[first:], *loop[: first + 1]]
        yield loop
        graph[loop[0]].discard(loop[1])
