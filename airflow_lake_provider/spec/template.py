"""Jinja in a spec's strings, read without Jinja: where templates are and which names they use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_TEMPLATE = 10_000
"""Characters of one template; a longer one is refused, and never looked at."""

_OPENER = re.compile(r"\{[{%#]")
_CLOSERS = {"{{": "}}", "{%": "%}", "{#": "#}"}
_STRING = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_NAME = re.compile(r"(?<![\w.|])(?:dag_run\s*\.\s*)?[A-Za-z_]\w*")

_DATE_NAMES = frozenset({"ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz", "logical_date", "execution_date"})
_INTERVAL_NAMES = _DATE_NAMES | {
    "data_interval_start",
    "data_interval_end",
    "prev_data_interval_start_success",
    "prev_data_interval_end_success",
}


@dataclass(frozen=True)
class Template:
    """One ``{{ }}``, ``{% %}`` or ``{# #}`` and its place in the string."""

    text: str
    start: int
    end: int

    @property
    def is_expression(self) -> bool:
        """Whether it is a ``{{ }}``: it stands for a value."""
        return self.text.startswith("{{")

    @property
    def is_statement(self) -> bool:
        """Whether it is a ``{% %}``: the text around it may come out otherwise."""
        return self.text.startswith("{%")

    def names(self) -> Iterator[tuple[str, int]]:
        """Yield the variables it uses with their place in the string; filters and attributes are none."""
        if self.text.startswith("{#") or len(self.text) > MAX_TEMPLATE:
            return
        blanked = _STRING.sub(lambda m: " " * len(m[0]), self.text)
        blanked = re.sub(r"\|\s*\w+", lambda m: " " * len(m[0]), blanked)
        for match in _NAME.finditer(blanked):
            name = re.sub(r"^dag_run\s*\.\s*", "", match[0])
            yield name, self.start + match.end() - len(name)


def templates(text: str) -> list[Template]:
    """Return the templates of a string, in order."""
    return _scan(text)[0]


def unclosed(text: str) -> int | None:
    """Return the place of a ``{{``, ``{%`` or ``{#`` that nothing closes.

    >>> unclosed("a {{ ds }} b {{ ts")
    13
    """
    return _scan(text)[1]


def _scan(text: str) -> tuple[list[Template], int | None]:
    """Return the templates and the first opener that nothing closes, in one pass over the text."""
    found: list[Template] = []
    left_open: int | None = None
    at = 0
    while (opener := _OPENER.search(text, at)) is not None:
        end = text.find(_CLOSERS[opener[0]], opener.end())
        if end < 0:
            left_open = opener.start()
            break
        at = end + 2
        found.append(Template(text[opener.start() : at], opener.start(), at))
    return found, left_open


def names_interval(value: Any) -> bool:
    """Whether any string in a nested value has a template of the run's data interval.

    >>> names_interval({"files": ["landing/{{ data_interval_start | ds }}.csv"]})
    True
    >>> names_interval(["{{ params.day | ds }}", "plain ds"])
    False
    """
    if isinstance(value, str):
        return any(name in _INTERVAL_NAMES for template in templates(value) for name, _ in template.names())
    if isinstance(value, Mapping):
        return any(names_interval(item) for pair in value.items() for item in pair)
    if isinstance(value, Sequence):
        return any(names_interval(item) for item in value)
    return False


def date_names(text: str) -> list[tuple[str, int]]:
    """Return the uses of ``ds`` and its like, which a manual run of Airflow 3 may not have, with their places."""
    return [found for template in templates(text) for found in template.names() if found[0] in _DATE_NAMES]
