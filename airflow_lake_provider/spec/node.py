"""The tree that a YAML file becomes: nodes that know their place, also after others were merged in or put in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_lake_provider.spec.scalar import offsets
from airflow_lake_provider.spec.source import Source

SCALAR, LIST, MAPPING = "scalar", "list", "mapping"
WHOLE_FILE = "file"
"""The style of a scalar that is a file's whole text: each character of the value stands where it stands."""

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Piece:
    """Characters ``start`` to before ``end`` of a value: written as those from ``raw_start`` to before ``raw_end``."""

    start: int
    end: int
    raw_start: int
    raw_end: int


@dataclass(frozen=True)
class Given:
    """A ``${...}`` of a scalar, and where its value came from.

    :param word: as written, ``${min_rows}``.
    :param file: where the value stands; empty for an environment variable.
    :param reference: what to write in place of a value that environment variables make, to have it looked up again.
    :param is_secret: one of those variables holds a secret, by its name or as the password in a URI.
    """

    word: str
    value: Any
    file: str = ""
    line: int = 0
    reference: str = ""
    is_secret: bool = False


@dataclass(eq=False)
class Node:
    """One value of the file.

    :param start: file offset of its first character; ``end`` is exclusive.
    :param value: of a scalar, typed, variables put in.
    :param text: of a scalar, as written (unescaped).
    :param items: of a list.
    :param entries: of a mapping, key text to (key, value), merge keys resolved.
    :param is_spoilt: what the value is cannot be told (which is said already), so nobody can tell what was meant.
    :param pieces: where the value of a text differs from what was written, in order.
    :param given: the variables in it.
    """

    kind: str
    source: Source
    start: int
    end: int
    value: Any = None
    text: str = ""
    style: str | None = None
    items: list[Node] = field(default_factory=list)
    entries: dict[str, tuple[Node, Node]] = field(default_factory=dict)
    is_spoilt: bool = False
    pieces: tuple[Piece, ...] = ()
    given: tuple[Given, ...] = ()

    def plain(self) -> Any:
        """Return the value as text, numbers, lists and dicts, without entries whose value is spoilt."""
        if self.kind == MAPPING:
            return {key: value.plain() for key, (_, value) in self.entries.items() if not value.is_spoilt}
        if self.kind == LIST:
            return [item.plain() for item in self.items]
        return self.value

    def spoilt_keys(self) -> set[str]:
        """Return the keys that :meth:`plain` leaves out."""
        return {key for key, (_, value) in self.entries.items() if value.is_spoilt}

    def get(self, *path: str) -> Node | None:
        """Return the value below a path of keys, if it is there."""
        node = self
        for key in path:
            if key not in node.entries:
                return None
            node = node.entries[key][1]
        return node

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """Yield all nodes below and this one, with their paths."""
        yield path, self
        for key, (_, value) in self.entries.items():
            yield from value.walk((*path, key))
        for number, item in enumerate(self.items):
            yield from item.walk((*path, number))

    def with_entries(self, entries: dict[str, tuple[Node, Node]]) -> Node:
        """Return the mapping with other entries, at the same place."""
        return replace(self, kind=MAPPING, value=None, entries=entries)

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return the file offsets of the characters ``first`` to before ``last`` of a text scalar's value."""
        raw_first, raw_last = self._raw(first), self._raw(last - 1, ends=True) if last > first else self._raw(first)
        if self.style == WHOLE_FILE:
            return self.start + raw_first, self.start + max(raw_last, raw_first)
        places = self._places
        if places is None or not 0 <= raw_first < len(places):
            return self.first_line()
        return places[raw_first][0], places[max(min(raw_last, len(places)) - 1, raw_first)][1]

    @property
    def _places(self) -> list[tuple[int, int]] | None:
        """Where each character of the text stands; kept with the file, for a thousand mistakes may be in one text."""
        key = (self.start, self.end, self.style or "")
        if key not in self.source.places:
            self.source.places[key] = offsets(self.source.text, self.start, self.end, self.style, self.text)
        return self.source.places[key]

    def _raw(self, offset: int, *, ends: bool = False) -> int:
        """Return where a character of the value was written: its begin, or its end."""
        shift = 0
        for piece in self.pieces:
            if offset < piece.start:
                break
            if offset < piece.end:
                return piece.raw_end if ends else piece.raw_start
            shift = piece.raw_end - piece.end
        return offset + shift + ends

    def first_line(self) -> tuple[int, int]:
        """Return the offsets of the part that stands on the node's first line."""
        line, column = self.source.position(self.start)
        line_end = self.start - column + 1 + len(self.source.line(line))
        return self.start, max(min(self.end, line_end), min(self.start + 1, line_end))


def scalar(value: Any, source: Source, *, start: int = 0, end: int = 0) -> Node:
    """Make a scalar that nobody wrote: a default, or a value from elsewhere."""
    return Node(SCALAR, source, start, end, value=value, text=str(value))
