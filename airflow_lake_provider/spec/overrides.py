"""``--set path=value``: values put into a spec before it is checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from airflow_lake_provider.spec.diagnostic import Diagnostic
from airflow_lake_provider.spec.document import compose
from airflow_lake_provider.spec.node import LIST, MAPPING, SCALAR, Node
from airflow_lake_provider.spec.source import Source

_PLAIN = ("@", "`", "%", "*", "{{")
"""What no YAML value begins with: such a text stands for itself, as in ``schedule=@daily``."""
_FLAT = ("spark_conf", "properties", "options")
"""Keys of a table whose own keys have dots."""


def apply_overrides(root: Node, overrides: Iterable[str]) -> list[Diagnostic]:
    """Put each ``path=value`` into the tree; the value is YAML.

    A step of the path is the longest key that fits, so that ``tables.silver.flights.write=append`` means the table.

    :return: what is wrong with the overrides, at their place in ``--set``.
    """
    wrong: list[Diagnostic] = []
    for override in overrides:
        source = Source("--set", override)
        path, equals, text = override.partition("=")
        if not equals or not path.strip("."):
            message = "this sets nothing"
            wrong.append(
                source.diagnostic(0, len(override), code="override", message=message, hint="expected `path=value`")
            )
            continue
        # The path stays as blanks, so that every place in the value is its place in the argument.
        begin = len(path) + 1
        is_plain = text.startswith(_PLAIN)
        value, found = (None, []) if is_plain else compose(Source("--set", " " * begin + text))
        wrong.extend(replace(diagnostic, text=override) for diagnostic in found)
        if found:
            continue
        if value is None:
            value = Node(SCALAR, source, begin, len(override), value=text if is_plain else None, text=text)
        _relabel(value, source)
        fault = _put(root, path, value, source)
        if fault is not None:
            wrong.append(fault)
    return wrong


def _relabel(node: Node, source: Source) -> None:
    for _, below in node.walk():
        below.source = source
        for key, _ in below.entries.values():
            key.source = source


def _put(root: Node, path: str, value: Node, source: Source) -> Diagnostic | None:
    node, rest, at = root, path, 0
    above: list[str] = []
    while True:
        if node.kind == LIST:
            step = rest.partition(".")[0]
            if not step.isdigit() or int(step) >= len(node.items):
                message = f"the list has no place `{step}`"
                return source.diagnostic(
                    at,
                    at + len(step),
                    code="override",
                    message=message,
                    hint=f"it has {len(node.items)}, the first is 0",
                )
            if step == rest:
                node.items[int(step)] = value
                return None
            node, rest, at = node.items[int(step)], rest[len(step) + 1 :], at + len(step) + 1
            continue
        if node.kind != MAPPING:
            return source.diagnostic(
                at, at + len(rest), code="override", message=f"nothing stands below `{path[: at - 1]}`"
            )
        step = _step(node, rest, above)
        key = Node(SCALAR, source, at, at + len(step), value=step, text=step)
        if step == rest:
            node.entries[step] = (key, value)
            return None
        if step not in node.entries:
            node.entries[step] = (key, Node(MAPPING, source, at, at + len(step)))
        node, rest, at = node.entries[step][1], rest[len(step) + 1 :], at + len(step) + 1
        above.append(step)


def longest_key(node: Node, path: str) -> str | None:
    """Return the longest key of a mapping that a dotted path begins with, if any."""
    fitting = [key for key in node.entries if path == key or path.startswith(f"{key}.")]
    return max(fitting, key=len, default=None)


def _step(node: Node, rest: str, above: Sequence[str]) -> str:
    fitting = longest_key(node, rest)
    if fitting is not None:
        return fitting
    if list(above) == ["tables"]:  # a new table's name has two parts
        return ".".join(rest.split(".")[:2])
    # A property's own key has dots (`write.parquet.compression-codec`): such a mapping takes the rest whole.
    is_flat = above[:1] != ["params"] and above[-1:] and above[-1] in _FLAT
    return rest if is_flat else rest.partition(".")[0]
