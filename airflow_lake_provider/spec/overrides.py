"""``--set path=value``: values put into a spec before it is checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from airflow_lake_provider.spec.diagnostic import Diagnostic
from airflow_lake_provider.spec.document import compose
from airflow_lake_provider.spec.node import LIST, MAPPING, SCALAR, Node
from airflow_lake_provider.spec.source import Source


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
        value, found = compose(Source("--set", " " * (len(path) + 1) + text))
        wrong.extend(replace(diagnostic, text=override) for diagnostic in found)
        if found:
            continue
        if value is None:
            value = Node(SCALAR, source, len(override), len(override))
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
        step = _step(node, rest)
        key = Node(SCALAR, source, at, at + len(step), value=step, text=step)
        if step == rest:
            node.entries[step] = (key, value)
            return None
        if step not in node.entries:
            node.entries[step] = (key, Node(MAPPING, source, at, at + len(step)))
        node, rest, at = node.entries[step][1], rest[len(step) + 1 :], at + len(step) + 1


def longest_key(node: Node, path: str) -> str | None:
    """Return the longest key of a mapping that a dotted path begins with, if any."""
    fitting = [key for key in node.entries if path == key or path.startswith(f"{key}.")]
    return max(fitting, key=len, default=None)


def _step(node: Node, rest: str) -> str:
    fitting = longest_key(node, rest)
    if fitting is not None:
        return fitting
    # A property's own key has dots (`write.parquet.compression-codec`): a mapping of such keys takes the rest whole.
    dotted = any("." in key for key in node.entries)
    return rest if dotted else rest.partition(".")[0]
