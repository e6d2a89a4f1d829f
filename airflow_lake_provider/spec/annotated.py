"""A tree as YAML text again, with a note beside each value; reading it gives the same values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from airflow_lake_provider.spec.document import typed
from airflow_lake_provider.spec.node import LIST, MAPPING, Node

_STEP = 2
_MAX_SIMPLE_KEY = 1000
"""YAML takes no longer key without a `?` before it."""
_PLAIN_START = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/.(+")


@dataclass(frozen=True)
class Writer:
    """Writes block YAML, a value on each line.

    :param text: gives what to write for a key or a scalar (its name for a key, else its value).
    :param note: gives the comment beside a value, or beside a key whose value is a structure; may be empty.
    """

    text: Callable[[Node, Any], Any]
    note: Callable[[Node], str]

    def entry(self, name: str, key: Node, value: Node) -> str:
        """Write a mapping of one entry."""
        return _joined(self._entry(name, key, value, 0))

    def item(self, value: Node) -> str:
        """Write a list of one item."""
        return _joined(self._item(value, 0))

    def mapping(self, node: Node) -> str:
        """Write a mapping, or a list, as a whole document."""
        return _joined(self._below(node, 0))

    def _below(self, node: Node, depth: int) -> Iterator[str]:
        for name, (key, value) in node.entries.items():
            yield from self._entry(name, key, value, depth)
        for item in node.items:
            yield from self._item(item, depth)

    def _entry(self, name: str, key: Node, value: Node, depth: int) -> Iterator[str]:
        margin = " " * depth
        written = _scalar(self.text(key, name))
        own = self.note(key) if key.given else ""
        if len(written) > _MAX_SIMPLE_KEY:
            yield f"{margin}? {written}{own}"
            written, own = "", ""
        if _is_structure(value):
            yield f"{margin}{written}:{own}"
            yield from self._below(value, depth + _STEP)
            return
        yield from self._leaf(f"{margin}{written}:", value, depth, own)

    def _item(self, value: Node, depth: int) -> Iterator[str]:
        if not _is_structure(value):
            yield from self._leaf(f"{' ' * depth}-", value, depth, "")
            return
        # The dash takes the place of the first line's indentation.
        first, *rest = self._below(value, depth + _STEP)
        yield f"{' ' * depth}- {first[depth + _STEP :]}"
        yield from rest

    def _leaf(self, prefix: str, value: Node, depth: int, key_note: str) -> Iterator[str]:
        note = self.note(value)
        note = note if key_note in ("", note) else f"{note}; the key: {key_note.removeprefix('  # ')}"
        if value.kind in (LIST, MAPPING):
            yield f"{prefix} {'[]' if value.kind == LIST else '{}'}{note}"
            return
        text = self.text(value, value.value)
        if isinstance(text, str) and (header := _block_header(text)):
            yield f"{prefix} {header}{note}"
            body = text[:-1] if text.endswith("\n") else text
            margin = " " * (depth + _STEP)
            yield from (f"{margin}{line}" if line else "" for line in body.split("\n"))
            return
        yield f"{prefix} {_scalar(text)}{note}"


class Reference(str):
    """Text to be written without quotes, whatever it looks like: a ``${...}`` that takes the type of its value."""


def _is_structure(node: Node) -> bool:
    return bool(node.entries or node.items)


def _scalar(value: Any) -> str:
    if isinstance(value, Reference):
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value) if value - value == 0 else f"-.{repr(value)[1:]}" if value < 0 else f".{value!r}"
    if isinstance(value, int):
        return str(value)
    return value if _is_plain(value) else _quoted(value)


def _is_plain(text: str) -> bool:
    """Whether a text reads as itself without quotes, also behind a dash and before a comment."""
    return (
        text[:1] in _PLAIN_START
        and text.isascii()
        and text.isprintable()
        and not text.endswith((" ", ":"))
        and not text.startswith("...")
        and ": " not in text
        and " #" not in text
        and isinstance(typed(text), str)
    )


def _quoted(text: str) -> str:
    return yaml.dump(text, Dumper=yaml.SafeDumper, default_style='"', allow_unicode=True, width=float("inf")).rstrip(
        "\n"
    )


def _block_header(text: str) -> str:
    """Return how a text of several lines is written as a block; empty where a block cannot hold it."""
    lines = text.split("\n")
    if len(lines) < 2 or not text.strip() or text.lstrip("\n")[0] in " \t":
        return ""
    if any(line and (line.isspace() or not line.replace("\t", " ").isprintable()) for line in lines):
        return ""
    return "|-" if not text.endswith("\n") else "|" if not text.endswith("\n\n") else "|+"


def _joined(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"
