"""The checks of a table: SodaCL as a person writes it, and our keys on it.

The grammar proper is Soda's and is read on the data plane; here we look at the shape, at what we know never works on
Spark, and at which tables a check reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_lake_provider.spec.problem import Path, Problem, did_you_mean, expected_one_of, show
from airflow_lake_provider.spec.values import IDENTIFIER

ON_FAIL = ("fail", "warn", "skip_publish")

_ON_FAIL_FORM = {"enum": list(ON_FAIL)}
CHECK_FORM = {
    "anyOf": [
        {"type": "string", "pattern": r"\S"},
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": {
                "type": ["object", "null"],
                "properties": {
                    "on_fail": {
                        **_ON_FAIL_FORM,
                        "description": "What a failed check does: fail the run, warn, or keep the run from publishing.",
                    },
                    "on_error": {
                        **_ON_FAIL_FORM,
                        "description": "What a check that cannot be computed does; by default as `on_fail`.",
                    },
                    "name": {"type": "string", "description": "How reports call the check."},
                },
            },
        },
    ],
}
"""What a check may look like, as JSON Schema; of Soda's settings it says nothing."""

_METRICS = (
    "row_count", "missing_count", "missing_percent", "invalid_count", "invalid_percent", "duplicate_count",
    "duplicate_percent", "min", "max", "avg", "sum", "min_length", "max_length", "avg_length", "freshness", "schema",
    "failed rows", "values in", "group by",
)  # fmt: skip
_UNSUPPORTED = {
    "stddev": "use a metric of your own: `x expression: stddev(col)`",
    "stddev_pop": "use a metric of your own: `x expression: stddev_pop(col)`",
    "stddev_samp": "use a metric of your own: `x expression: stddev_samp(col)`",
    "variance": "use a metric of your own: `x expression: variance(col)`",
    "var_pop": "use a metric of your own: `x expression: var_pop(col)`",
    "var_samp": "use a metric of your own: `x expression: var_samp(col)`",
    "percentile": "use a metric of your own: `x expression: percentile(col, 0.95)`",
    "distinct_count": "use a metric of your own: `x expression: count(distinct col)`",
    "unique_count": "use a metric of your own: `x expression: count(distinct col)`",
    "anomaly": "its history lives in Soda Cloud only; compare with a fixed threshold",
    "anomaly detection": "its history lives in Soda Cloud only; compare with a fixed threshold",
    "change": "its history lives in Soda Cloud only; compare with a fixed threshold",
    "distribution": "it needs a package that does not run on Spark here",
}
_HEAD = re.compile(r"\s*(failed rows|values in|group by|anomaly detection|[A-Za-z_]\w*)\b", re.IGNORECASE)
_COMPARED = re.compile(r"(<=|>=|!=|<>|=|<|>|\bbetween\b)", re.IGNORECASE)
_NUMBER = r"(?:[-+]?\.?\d[\w.]*(?:\s*%)?|'[^']*')"
_LIMIT = re.compile(
    rf"(?:between\s*[\[(]?\s*{_NUMBER}\s+and\s+{_NUMBER}\s*[\])]?|(?:<=|>=|!=|<>|=|<|>)\s*{_NUMBER})\s*$", re.IGNORECASE
)
_NO_NUMBER = frozenset({"failed rows", "values in", "schema", "group by"})
_TABLE = r"((?:`[^`]+`|\w+)(?:\.(?:`[^`]+`|\w+))*)"
_SAME_AS = re.compile(r"row_count\s+same\s+as\s+" + _TABLE, re.IGNORECASE)
_EXIST_IN = re.compile(r"values\s+in\s*\([^)]*\)\s*must\s+(?:not\s+)?exist\s+in\s+" + _TABLE, re.IGNORECASE)
_COLUMN = re.compile(r"^\s*(?!schema\b|failed\b|values\b|group\b)\w+\s*\(([^()]*)\)", re.IGNORECASE)
QUERY = re.compile(r"^(?:\S+ )?query$")
"""The keys of a check whose value is a SELECT: ``fail query``, ``<metric> query``, ``query`` of a ``group by``."""
CONDITION = re.compile(r"^(?:fail condition|filter|\S+ expression)$")
"""The keys of a check whose value is an expression over the table's columns."""


@dataclass(frozen=True)
class Mention:
    """A table that a check names: at ``path`` below the check, characters ``start`` to before ``end``."""

    table: str
    path: Path
    start: int
    end: int


def split_check(check: Any) -> tuple[str, Mapping[str, Any]]:
    """Return a check's text and its body without our own keys.

    >>> split_check({"max(x) < 5": {"on_fail": "warn", "name": "small"}})
    ('max(x) < 5', {'name': 'small'})
    """
    if isinstance(check, str):
        return check, {}
    ((text, body),) = check.items()
    return text, {key: value for key, value in (body or {}).items() if key not in ("on_fail", "on_error")}


def outcomes(check: Any) -> tuple[str, str]:
    """Return ``on_fail`` and ``on_error`` (default: as ``on_fail``) of a check."""
    body = {} if isinstance(check, str) else next(iter(check.values())) or {}
    on_fail = body.get("on_fail", "fail")
    return on_fail, body.get("on_error", on_fail)


def check_problems(check: Any) -> Iterator[Problem]:
    """Yield what is wrong with one check of the list."""
    if isinstance(check, str):
        yield from _text_problems(check, ())
        return
    if not isinstance(check, dict) or len(check) != 1:
        found = "a mapping of several keys" if isinstance(check, dict) and check else show(check)
        hint = "expected text such as `row_count > 0`, or one key with its settings indented below it"
        yield Problem((), "check", f"a check is {found}", hint)
        return
    ((text, body),) = check.items()
    if not isinstance(text, str):
        yield Problem((), "check", f"a check is {show(text)}", "expected text such as `row_count > 0`")
        return
    yield from _text_problems(text, (text,), bare=False, at_key=True)
    if body is None:
        return
    if not isinstance(body, dict):
        yield from _value_problems(text, body)
        return
    yield from _own_key_problems(text, body)
    if text.strip().lower() == "failed rows" and not {"fail condition", "fail query"} & set(body):
        hint = "expected `fail condition` (a predicate) or `fail query` (a SELECT of the failed rows)"
        yield Problem((text,), "check", "`failed rows` does not say which rows fail", hint, at_key=True)


def _own_key_problems(text: str, body: Mapping[str, Any]) -> Iterator[Problem]:
    for key in ("on_fail", "on_error"):
        if key not in body:
            continue
        value = body[key]
        if value == "quarantine":
            hint = expected_one_of("", ON_FAIL) + "; a column's `rule` sets rows aside"
            yield Problem((text, key), "not-supported-yet", f"`{key}: quarantine` is not supported yet", hint)
        elif value not in ON_FAIL:
            yield Problem((text, key), "wrong-value", f"`{key}` is {show(value)}", expected_one_of(str(value), ON_FAIL))
    if "scope" in body:
        hint = "A check judges the table as it would be after the run."
        yield Problem((text, "scope"), "not-supported-yet", "`scope` is not supported yet", hint, at_key=True)
    for key in body:
        guess = did_you_mean(str(key), ("on_fail", "on_error")) if str(key).startswith("on") else ""
        if guess and key not in ("on_fail", "on_error"):
            yield Problem((text, key), "unknown-key", f"unknown key `{key}` in a check", guess, at_key=True)


def _value_problems(text: str, body: Any) -> Iterator[Problem]:
    # `row_count: > 0` is a common slip: SodaCL wants the comparison in the key.
    if isinstance(body, str) and _COMPARED.match(body.strip()):
        yield Problem((text,), "check", f"`{text}` has a comparison for a value", f"write `{text} {body}` as one text")
    else:
        hint = "expected its settings as a mapping, or nothing"
        yield Problem((text,), "check", f"the settings of `{text}` are {show(body)}", hint)


def _text_problems(text: str, path: Path, *, bare: bool = True, at_key: bool = False) -> Iterator[Problem]:
    if "{{" in text or "{%" in text:
        return
    head = _HEAD.match(text)
    if head is None:
        yield Problem(
            path, "check", f"{show(text)} is not a check", "expected a metric first: `row_count > 0`", at_key=at_key
        )
        return
    word, span = head[1].lower(), head.span(1)
    if word in _UNSUPPORTED:
        message = (
            f"`{word}` does not run on Spark without Soda Cloud"
            if "Cloud" in _UNSUPPORTED[word]
            else f"`{word}` does not run on Spark"
        )
        yield Problem(path, "check", message, _UNSUPPORTED[word], span=span, at_key=at_key)
        return
    compared = _COMPARED.search(text, head.end())
    if word == "row_count" and _SAME_AS.match(text.strip()):
        return
    if bare and compared is None and word not in ("values in", "schema", "warn", "fail"):
        guess = did_you_mean(word, _METRICS) if word not in _METRICS else ""
        hint = f"expected a comparison, such as `{text.strip()} > 0`"
        if word in ("failed rows", "group by"):
            hint = f"expected `{word}` to have its settings indented below it"
        yield Problem(
            path, "check", f"{show(text)} compares with nothing", "; ".join(filter(None, (hint, guess))), at_key=at_key
        )
        return
    if bare and word == "schema":
        hint = "expected its settings indented below it, such as `fail: {when required column missing: [id]}`"
        yield Problem(path, "check", "`schema` has no settings", hint, at_key=at_key)
        return
    # A metric of one's own has its expression below it; without a body only Soda's metrics can be meant.
    if bare and word not in _METRICS and word not in ("warn", "fail"):
        yield Problem(
            path, "check", f"`{head[1]}` is not a metric", expected_one_of(word, _METRICS), span=span, at_key=at_key
        )
        return
    if compared is not None and word in _METRICS and word not in _NO_NUMBER:
        limit = _LIMIT.match(text, compared.start())
        if limit is None:
            hint = "expected a number, such as `> 0`, `< 5%`, `between 1 and 10`, or an age, such as `< 1d`"
            compared_with = (compared.start(), len(text.rstrip()))
            message = f"{show(text[slice(*compared_with)])} is no limit"
            yield Problem(path, "check", message, hint, span=compared_with, at_key=at_key)


def check_columns(check: Any) -> list[tuple[str, Path, tuple[int, int]]]:
    """Return the plain column names in a check's own metric, with their places."""
    text = check if isinstance(check, str) else next(iter(check))
    match = _COLUMN.match(text)
    if match is None or "{{" in text:
        return []
    path: Path = () if isinstance(check, str) else (text,)
    found = []
    for part in re.finditer(r"[^,]+", match[1]):
        name = part[0].strip()
        if IDENTIFIER.fullmatch(name):
            first = match.start(1) + part.start() + part[0].index(name)
            found.append((name, path, (first, first + len(name))))
    return found


def check_mentions(check: Any) -> list[Mention]:
    """Return the tables that a check's own grammar names (not those in its SQL; see :func:`check_queries`)."""
    text = check if isinstance(check, str) else next(iter(check))
    path: Path = () if isinstance(check, str) else (text,)
    mentions = []
    for pattern in (_SAME_AS, _EXIST_IN):
        for match in pattern.finditer(text):
            mentions.append(Mention(match[1].replace("`", ""), path, *match.span(1)))
    return mentions


def check_queries(check: Any) -> list[tuple[str, Path]]:
    """Return the SQL statements in a check's body, with their paths."""
    if isinstance(check, str):
        return []
    ((text, body),) = check.items()
    if not isinstance(body, dict):
        return []
    return [(value, (text, key)) for key, value in body.items() if isinstance(value, str) and QUERY.search(str(key))]
