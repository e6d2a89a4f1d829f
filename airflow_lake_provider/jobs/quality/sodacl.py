"""Checks as SodaCL text: JSON, which is YAML, with one check on each line, so that a line number names a check."""

from __future__ import annotations

import json
import re
from typing import Any, List, Sequence

from airflow_lake_provider.protocol import Check

FIRST_LINE = 2
"""The line of the first check, counted from 1."""

# YAML breaks lines at these, or refuses them, where JSON leaves them as they are.
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LONGEST_SIMPLE_KEY = 1000


def sodacl(dataset: str, checks: Sequence[Check]) -> str:
    """Return the SodaCL document of a table's checks.

    :param dataset: the table's name in the session's default catalog.

    >>> print(sodacl("silver.t", [Check("row_count > 0"), Check("missing_count(a) = 0", {"name": "a: all"})]))
    "checks for silver.t":
    - "row_count > 0"
    - {"missing_count(a) = 0": {"name": "a: all"}}
    """
    lines: List[str] = [f"{_json(f'checks for {dataset}')}:"]
    for check in checks:
        ((text, body),) = (check.sodacl or {check.text: check.body}).items()
        key = _json(text.strip())
        if not body:
            lines.append(f"- {key}")
            continue
        explicit = "? " if len(key) > _LONGEST_SIMPLE_KEY else ""
        lines.append(f"- {{{explicit}{key}: {_json(body)}}}")
    return "\n".join(lines)


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
