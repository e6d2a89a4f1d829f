"""Checks on a table as it would be after this run, with verdicts that never take silence for a pass."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import math
import re
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

from airflow_lake_provider.jobs.iceberg import quoted
from airflow_lake_provider.jobs.quality.soda import Measured, Scanned, scan
from airflow_lake_provider.jobs.quality.sodacl import FIRST_LINE, sodacl
from airflow_lake_provider.protocol import Catalog, Check, CheckResult

PASS, WARN, FAIL, ERROR = "pass", "warn", "fail", "error"
_SEVERITY = (PASS, WARN, FAIL, ERROR)
_WAP_BRANCH = "spark.wap.branch"
# Spark takes "a" for a text, which is never NULL: such a check would always pass.
_QUOTED_COLUMN = re.compile(r"^\s*\w+\s*\([^)]*\"")


def run_checks(
    spark: Any, *, table: str, catalog: Catalog, checks: Sequence[Check], branch: Optional[str]
) -> Tuple[CheckResult, ...]:
    """Judge a table by SodaCL checks; one result for each check, in their order.

    :param table: the table, ``layer.name``.
    :param catalog: where it lies: the session's default catalog.
    :param branch: the audit branch that the table's name means during the checks; ``None`` judges main. It needs the
        table property ``write.wap.enabled``.
    :raises StepError: Soda is not installed.
    """
    if not checks:
        return ()
    spark.sql(f"REFRESH TABLE {quoted(catalog.identifier(table))}")
    dataset = catalog.name_of(table)
    judged: Dict[int, CheckResult] = {}
    for n, check in enumerate(checks):
        if _QUOTED_COLUMN.search(check.text):
            judged[n] = _result(check, ERROR, None, 'Spark takes "..." for a text; put a column in backticks: `...`')
    with _reading(spark, branch):
        left = [n for n in range(len(checks)) if n not in judged]
        first = scan(spark, sodacl(dataset, [checks[n] for n in left])) if left else None
        for position, n in enumerate(left):
            one = first
            if len(left) > 1 and first is not None and not first.clean:
                # One wrong column fails the whole query, and with it up to fifty metrics: judge each by itself.
                one, position = scan(spark, sodacl(dataset, [checks[n]])), 0
            assert one is not None
            judged[n] = _judge(checks[n], one, FIRST_LINE + position)
    return tuple(judged[n] for n in range(len(checks)))


def verdict(results: Sequence[CheckResult]) -> str:
    """Return what the results mean for publishing: ``pass``, ``warn``, ``skip_publish`` or ``fail``.

    >>> failed = CheckResult("row_count > 0", "fail", 0)
    >>> verdict([]), verdict([failed]), verdict([CheckResult("row_count > 0", "fail", 0, on_fail="warn")])
    ('pass', 'fail', 'warn')
    """
    words = {WARN if result.outcome == WARN else result.on_fail for result in results if result.outcome != PASS}
    return next((word for word in ("fail", "skip_publish", "warn") if word in words), "fail" if words else "pass")


@contextlib.contextmanager
def _reading(spark: Any, branch: Optional[str]) -> Iterator[None]:
    before = spark.conf.get(_WAP_BRANCH, None)
    if branch is None:
        spark.conf.unset(_WAP_BRANCH)
    else:
        spark.conf.set(_WAP_BRANCH, branch)
    try:
        yield
    finally:
        if before is None:
            spark.conf.unset(_WAP_BRANCH)
        else:
            spark.conf.set(_WAP_BRANCH, before)


def _judge(check: Check, scanned: Scanned, line: int) -> CheckResult:
    mine = [measured for measured in scanned.measured if measured.line == line]
    if not scanned.clean:
        return _result(check, ERROR, None, _condensed(scanned.errors))
    if not mine:
        return _result(check, ERROR, None, "Soda evaluated nothing for it")
    main = mine[0]
    value = _plain(main.value)
    unmeasured = [one for one in mine if one.outcome is None]
    if unmeasured:
        return _result(check, ERROR, None, _why_unmeasured(unmeasured[0]))
    if any(isinstance(one.value, float) and math.isnan(one.value) for one in mine):
        return _result(check, ERROR, None, "the value is NaN, which is above and below nothing")
    if main.kind == "GroupByCheck":
        return _judge_groups(check, mine[1:])
    return _result(
        check, main.outcome, _freshness(main) if main.kind == "FreshnessCheck" else value, _message(check, main)
    )


def _judge_groups(check: Check, groups: Sequence[Measured]) -> CheckResult:
    if not groups:
        return _result(check, ERROR, None, "there is no group to judge")
    outcome = max((group.outcome for group in groups), key=_SEVERITY.index)
    bad = [group for group in groups if group.outcome != PASS]
    message = None
    if bad:
        values = ", ".join(str(_plain(group.value)) for group in bad[:5])
        message = f"{len(bad)} of {len(groups)} groups do not pass; their values: {values}{', ...' if bad[5:] else ''}"
    return _result(check, outcome, len(bad), message)


def _result(check: Check, outcome: str, value: Any, message: Optional[str]) -> CheckResult:
    return CheckResult(
        check=check.text,
        outcome=outcome,
        value=value,
        on_fail=check.on_error if outcome == ERROR else check.on_fail,
        message=message,
    )


def _why_unmeasured(one: Measured) -> str:
    if one.value is None and "threshold" not in one.kind.lower():
        return "there is no value: the table has no row for it, the column is NULL throughout, or no threshold is given"
    return "it has no threshold to be judged by"


def _condensed(errors: Sequence[str]) -> str:
    """Return the reason in one line: Spark's sentence without its plan, Soda's without its stack."""
    if not errors:
        return "Soda could not evaluate it"
    # What was not computed because of a failed query says less than the failure.
    first = next((error for error in errors if not error.startswith("Metrics '")), errors[0])
    text = re.split(r"; line \d+|\n|;\s*'", first.strip())[0]
    text = re.sub(r"\s+", " ", text).strip()
    return text if len(text) <= 300 else text[:299] + "…"


def _message(check: Check, one: Measured) -> Optional[str]:
    """Say what was expected, where the check's own line does not; ``None`` of a check that passed."""
    if one.outcome == PASS:
        return None
    said = [_schema_events(one)] if one.kind == "SchemaCheck" else []
    for key in ("name", "fail condition", "fail query", one.outcome):
        asked = (check.body or {}).get(str(key))
        if isinstance(asked, str):
            said.append(" ".join((asked if key == "name" else f"{key} {asked}").split()))
    return "; ".join(part for part in said if part) or None


def _schema_events(one: Measured) -> Optional[str]:
    details = one.details
    parts = [f"column {name} is missing" for name in details.get("missing_column_names") or ()]
    parts += [f"column {name} is there" for name in details.get("present_column_names") or ()]
    for key, word in (("column_type_mismatches", "type"), ("column_index_mismatches", "index")):
        for name, found in (details.get(key) or {}).items():
            parts.append(f"{word} of {name} is {found[f'actual_{word}']}, expected {found[f'expected_{word}']}")
    return "; ".join(parts) or None


def _freshness(one: Measured) -> Optional[str]:
    age = one.details.get("freshness")
    return str(age) if age is not None else None


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it.

    >>> _plain(decimal.Decimal("1.50")), _plain(decimal.Decimal("3")), _plain(datetime.timedelta(hours=26))
    (1.5, 3, '1 day, 2:00:00')
    """
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return value.isoformat() if isinstance(value, (datetime.date, datetime.datetime)) else str(value)
