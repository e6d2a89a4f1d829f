"""What people may see of a spec's values: those that environment variables give stand there by the variables' names.

Secrets reach a spec that way. A page that everybody reads holds ``${env.TOKEN}``, and never the token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_lake_provider.spec.node import LIST, MAPPING, Node


def shown(value: Any, node: Node | None) -> Any:
    """Return a value of the spec with what environment variables made of it taken back.

    :param value: in its normal form, which may be longer than what is written: ``{"type": "bigint"}`` of ``BIGINT``.
    :param node: where it is written; ``None`` where nobody wrote it.
    """
    if node is None:
        return value
    if node.kind == MAPPING and isinstance(value, Mapping):
        return {_key(key, node): shown(item, node.get(key)) for key, item in value.items()}
    if node.kind == LIST and isinstance(value, Sequence) and not isinstance(value, str):
        items = node.items if len(node.items) == len(value) else [None] * len(value)
        return [shown(item, at) for item, at in zip(value, items, strict=True)]
    written = _written(node)
    if written is None:
        return value
    if isinstance(value, Mapping):
        # The short form of a mapping gives its first key: the type of a column, the strategy of a write.
        return {next(iter(value)): written} if value else {}
    return [written] if isinstance(value, Sequence) and not isinstance(value, str) else written


def as_written(node: Node) -> Any:
    """Return the plain value of a node with what environment variables made of it taken back."""
    return shown(node.plain(), node)


def _key(key: str, node: Node) -> str:
    entry = node.entries.get(key)
    return (_written(entry[0]) or key) if entry is not None else key


def _written(node: Node) -> str | None:
    """Return the text of a scalar without what environment variables gave; ``None`` where they gave nothing."""
    if not any(given.reference for given in node.given):
        return None
    if not isinstance(node.value, str):
        return next(given.reference for given in node.given if given.reference)
    used = [piece for piece in node.pieces if piece.raw_end - piece.raw_start > 1]  # a shorter one is a `$${`
    parts: list[str] = []
    at = 0
    for piece, given in zip(used, node.given, strict=False):
        parts.append(node.value[at : piece.start])
        parts.append(given.reference or node.value[piece.start : piece.end])
        at = piece.end
    return "".join([*parts, node.value[at:]])
