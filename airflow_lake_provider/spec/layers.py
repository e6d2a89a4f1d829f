"""Layers: what a table does when it does not say. Three are built in, others are like one of them or of each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from airflow_lake_provider.spec.node import Node
from airflow_lake_provider.spec.problem import Path, Problem, expected_one_of, show

BRONZE, SILVER, GOLD = "bronze", "silver", "gold"
LAYERS = (BRONZE, SILVER, GOLD)
MAX_CHAIN = 20
"""How many layers may be like each other, one after the other."""

_STRATEGY = {BRONZE: "append", SILVER: "merge", GOLD: "replace"}


def layer_of(table: str) -> str:
    """Return the layer of ``layer.name``."""
    return table.partition(".")[0]


def default_strategy(kind: str | None, *, is_ingest: bool) -> str | None:
    """Return the write strategy of a table that names none; ``None`` where its layer does not tell.

    :param kind: the built-in layer that the table's layer is, or is like.

    >>> default_strategy("silver", is_ingest=False), default_strategy(None, is_ingest=True)
    ('merge', 'append')
    """
    return _STRATEGY.get(kind or "", "append" if is_ingest else None)


def quarantine_table(table: str, named: str | None) -> str:
    """Return the full name of the table that keeps the rejected rows of ``table``."""
    if named is None:
        return f"{table}__quarantine"
    return named if "." in named else f"{layer_of(table)}.{named}"


@dataclass(frozen=True)
class Layer:
    """One layer.

    :param kind: the built-in layer that it is, or is like in the end.
    :param keys: the mappings of table keys that count for its tables, the farthest first.
    """

    kind: str | None
    keys: tuple[Node, ...] = ()


class Layers:
    """The layers that a spec's tables may lie in.

    :param declared: ``layers`` of the spec merged over those of ``lake.yaml``: name to its mapping.
    """

    def __init__(self, declared: Mapping[str, Node]) -> None:
        self._declared = {name.lower(): node for name, node in declared.items()}
        self._names = {name.lower(): name for name in (*LAYERS, *declared)}

    @property
    def names(self) -> tuple[str, ...]:
        """All layers, the built-in ones first."""
        return tuple(self._names.values())

    def of(self, name: str) -> Layer:
        """Return a layer; one that is not declared has no keys."""
        chain = list(self._chain(name.lower()))
        last = chain[-1]
        keys = tuple(self._keys(node) for word in reversed(chain) if (node := self._declared.get(word)) is not None)
        return Layer(last if last in LAYERS else None, keys)

    def problems(self) -> Iterator[tuple[Path, Problem]]:
        """Yield what is wrong with each ``like``, with the layer's name."""
        for word in self._declared:
            name = self._names[word]
            like = self._like(word)
            path: Path = (name, "like")
            if like is None:
                continue
            if word in LAYERS:
                message, hint = f"`{name}` is built in: it is like no other", "Leave `like` out, or name a new layer."
                yield path, Problem(path, "layer", message, hint, at_key=True)
            elif like not in self._names:
                hint = expected_one_of(like, [other for other in self.names if other != name])
                yield path, Problem(path, "layer", f"there is no layer {show(like)}", hint)
            elif len(list(self._chain(word))) > MAX_CHAIN:
                message = f"more than {MAX_CHAIN} layers are like each other"
                yield path, Problem(path, "layer", message, "expected a shorter chain")
            elif (loop := self._circle(word)) and word == min(loop):
                shown = " -> ".join(f"`{self._names[step]}`" for step in (*loop, loop[0]))
                yield path, Problem(path, "cycle", "these layers are like each other in a circle", shown)

    def _like(self, word: str) -> str | None:
        node = self._declared[word].get("like") if word in self._declared else None
        value = node.plain() if node is not None and not node.is_spoilt else None
        return value.lower() if isinstance(value, str) else None

    def _chain(self, word: str) -> Iterator[str]:
        seen: set[str] = set()
        step: str | None = word
        while step is not None and step not in seen and len(seen) <= MAX_CHAIN:
            seen.add(step)
            yield step
            step = None if step in LAYERS else self._like(step)

    def _circle(self, word: str) -> list[str]:
        """Return the circle that a layer is in, from it."""
        chain = list(self._chain(word))
        return chain if self._like(chain[-1]) == word else []

    @staticmethod
    def _keys(node: Node) -> Node:
        return replace(node, entries={key: entry for key, entry in node.entries.items() if key != "like"})
