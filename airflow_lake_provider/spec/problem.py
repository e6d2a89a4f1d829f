"""What is wrong with a value, by its path: what validators raise, and what positions are added to later."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from airflow_lake_provider.spec.diagnostic import ERROR, WARNING

Path = tuple[str | int, ...]

_LISTED = 40
"""How many words a hint lists."""


@dataclass(frozen=True)
class Problem:
    """A mistake at a path of keys and list positions.

    :param span: the wrong characters of a text value, first and one past the last; ``None``: the whole value.
    :param at_key: the key is wrong (or lacks something), not its value.
    """

    path: Path
    code: str
    message: str
    hint: str = ""
    span: tuple[int, int] | None = None
    at_key: bool = False
    severity: str = ERROR

    def below(self, *prefix: str | int) -> Problem:
        """Return the same problem, seen from further up."""
        return replace(self, path=(*prefix, *self.path))


def warning(path: Path, code: str, message: str, hint: str = "", **where: Any) -> Problem:
    """Make a problem that does not keep the spec from being used."""
    return Problem(path, code, message, hint, severity=WARNING, **where)


def bad(
    code: str, message: str, hint: str = "", *, span: tuple[int, int] | None = None, path: Path = ()
) -> PydanticCustomError:
    """Make the error that a validator raises; :func:`problems_of` reads it back.

    :param span: the wrong characters of a text.
    :param path: what is wrong below the value that is validated.
    """
    return PydanticCustomError(code, "{text}", {"text": message, "hint": hint, "span": span, "path": path})


def told(error: ValueError) -> tuple[str, str]:
    """Return message and hint of an error that :func:`bad` made."""
    context = getattr(error, "context", None) or {}
    return context.get("text", str(error)), context.get("hint", "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean `x`?`` for the nearest known word, or nothing.

    >>> did_you_mean("unique_keys", ["unique_key", "columns"])
    'did you mean `unique_key`?'
    """
    near = nearest(word, known)
    return f"did you mean `{near}`?" if near else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that ``word`` most likely is a misspelling of."""
    by_lower = {name.lower(): name for name in sorted(known)}
    close = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def expected_one_of(word: str, known: Iterable[str]) -> str:
    """Return the hint for a word out of a closed set."""
    names = list(known)
    listed = (
        "expected one of " + ", ".join(f"`{name}`" for name in names[:_LISTED])
        if len(names) > 1
        else f"expected `{names[0]}`"
    )
    if len(names) > _LISTED:
        listed += f" and {len(names) - _LISTED:,} more"
    guess = did_you_mean(word, names)
    return f"{listed}; {guess}" if guess else listed


def problems_of(error: ValidationError, *, what: str) -> list[Problem]:
    """Turn pydantic's errors into problems in our words.

    :param what: what is being read, for the messages about keys (``table `silver.flights```).
    """
    return [_problem(entry, what) for entry in error.errors(include_url=False)]


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "bool_type": "`true` or `false`",
    "float_type": "a number",
    "float_parsing": "a number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
}


_MAPPINGS = {
    "ingest": "a mapping: `{files: landing/*.csv}`",
    "options": "a mapping of the reader's options: `{header: true}`",
    "columns": "a mapping: `name: type` for each column",
    "column": "a type, or a mapping: `{type: bigint, nullable: false}`",
    "write": "a strategy, or a mapping: `{strategy: merge, sequence_by: col}`",
    "quarantine": "`true`, `false`, or a mapping: `{table: name, max: 10%}`",
}


def _problem(entry: Any, what: str) -> Problem:
    path, kind, context = tuple(entry["loc"]), entry["type"], entry.get("ctx") or {}
    if "hint" in context and "text" in context:
        return Problem((*path, *context["path"]), kind, context["text"], context["hint"], span=context["span"])
    name = ".".join(str(part) for part in path if not isinstance(part, int))
    if kind == "extra_forbidden":
        return Problem(path, "unknown-key", f"unknown key `{path[-1]}` in {what}", at_key=True)
    if kind == "missing":
        return Problem(path[:-1], "missing-key", f"{what} has no `{path[-1]}`", f"Add `{path[-1]}`.", at_key=True)
    if kind in _EXPECTED:
        hint = f"expected {_EXPECTED[kind]}"
        if _EXPECTED[kind] == "a mapping" and path:
            key = "column" if len(path) > 1 and path[-2] == "columns" else str(path[-1])
            hint = f"expected {_MAPPINGS.get(key, 'a mapping')}"
        if kind == "string_type" and isinstance(entry["input"], int | float):
            hint += "; quote it"
        if isinstance(entry["input"], str) and kind.startswith(("bool_", "int_", "float_")):
            return Problem(path, "wrong-type", f"`{name}` is the text {show(entry['input'])}", hint)
        return Problem(path, "wrong-type", f"`{name}` is {show(entry['input'])}", hint)
    if kind == "literal_error":
        words = re.findall(r"'([^']*)'", context["expected"])
        hint = expected_one_of(str(entry["input"]), words)
        return Problem(path, "wrong-value", f"`{name}` is {show(entry['input'])}", hint)
    if kind == "greater_than_equal":
        return Problem(path, "wrong-value", f"`{name}` is {show(entry['input'])}", f"expected at least {context['ge']}")
    if kind == "less_than_equal":
        return Problem(path, "wrong-value", f"`{name}` is {show(entry['input'])}", f"expected at most {context['le']}")
    if kind == "too_short":
        return Problem(path, "wrong-value", f"`{name}` is empty", "expected at least one entry")
    message = entry["msg"].removeprefix("Input should be ")
    return Problem(path, "wrong-value", f"`{name}` is {show(entry['input'])}", f"expected {message}")


def show(value: Any) -> str:
    """Return a value as a message may quote it: short, and never the inside of a structure."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value)
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"
