"""From checks as they were written to one result each.

Soda passes in silence what it could not evaluate: a misspelt column gives return code 3 and no failed check, an average
over no rows gives no outcome, NaN passes every bound. Here each written check gets exactly one result, and whatever was
not evaluated is an ``error``.
"""

from __future__ import annotations

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from airflow_lake_provider.jobs.iceberg import forget
from airflow_lake_provider.jobs.quality.soda_scan import ScanResult, as_mapping, scan
from airflow_lake_provider.protocol import Check, CheckResult

_WAP_BRANCH = "spark.wap.branch"
_GROUPED = ("group by", "group evolution")
_WORST = ("pass", "warn", "fail", "error")


def run_checks(
    spark: Any, *, table: str, identifier: str, checks: Sequence[Check], branch: Optional[str]
) -> Tuple[CheckResult, ...]:
    """Evaluate checks over a table, one result for each, in their order.

    :param table: ``layer.name``, as the checks and their queries name it.
    :param identifier: ``catalog.layer.name``.
    :param branch: the audit branch that the table's own name shall mean, everywhere in the checks, or ``None`` for main.
        The table needs the property ``write.wap.enabled=true``.
    """
    catalog = identifier.partition(".")[0]
    forget(spark, catalog, table)
    before = spark.conf.get(_WAP_BRANCH, None)
    if branch is not None:
        spark.conf.set(_WAP_BRANCH, branch)
    try:
        return tuple(_evaluate(spark, table, checks))
    finally:
        if before is None:
            spark.conf.unset(_WAP_BRANCH)
        else:
            spark.conf.set(_WAP_BRANCH, before)


def verdict(results: Sequence[CheckResult]) -> str:
    """Say what the results mean for the publish: ``pass``, ``warn``, ``skip_publish`` or ``fail``.

    >>> verdict([CheckResult(check="a", outcome="fail", on_fail="warn"), CheckResult(check="b", outcome="pass")])
    'warn'
    >>> verdict([CheckResult(check="a", outcome="error"), CheckResult(check="b", outcome="fail", on_fail="skip_publish")])
    'fail'
    """
    words = {"pass"}
    for result in results:
        if result.outcome in ("fail", "error"):
            words.add(result.on_fail)
        elif result.outcome == "warn":
            words.add("warn")
    return next(word for word in ("fail", "skip_publish", "warn", "pass") if word in words)


def _evaluate(spark: Any, table: str, checks: Sequence[Check]) -> List[CheckResult]:
    """All checks in one scan, so that Soda shares queries; then alone, each that got no clear answer there.

    One wrong column fails the whole aggregation query, and with it checks that are right.
    """
    together = [n for n, check in enumerate(checks) if not check.text.startswith(_GROUPED)]
    found: Dict[int, CheckResult] = {}
    if len(together) > 1:
        result = scan(spark, table, [_written(checks[n], n) for n in together])
        by_name = {str(check.get("name")): check for check in result.checks}
        for n in together:
            plain = by_name.get(_name(n))
            answer = _answer(checks[n], [plain] if plain is not None else [], result)
            if answer.outcome != "error":
                found[n] = answer
    for n, check in enumerate(checks):
        if n not in found:
            result = scan(spark, table, [_written(check, n)])
            found[n] = _answer(check, list(result.checks), result)
    return [found[n] for n in range(len(checks))]


def _name(n: int) -> str:
    return f"lake_{n}"


def _written(check: Check, n: int) -> Mapping[str, Any]:
    """Return the check as SodaCL, under a name by which its result is found again."""
    return {check.text: {**as_mapping(check.body), "name": _name(n)}}


def _answer(check: Check, plain: Sequence[Mapping[str, Any]], result: ScanResult) -> CheckResult:
    """Turn Soda's answers to one check (several for a group) into one result; the worst counts."""
    answers = [_single(check, one) for one in plain]
    if not answers:
        told = [error for error in result.errors if not error.startswith("Error occurred while executing scan")]
        unknown = "Soda cannot read it; is the metric's name right, and is it one that works on Spark?"
        empty = "Soda gave no result: over no rows, for one, there is no such figure"
        reason = told[0] if told else f"{check.text}: {unknown if result.errors else empty}"
        return _error(check, reason)
    worst = max(answers, key=lambda answer: _WORST.index(answer.outcome))
    if worst.outcome == "error" and result.errors:
        return _error(check, result.errors[0])
    return worst


def _single(check: Check, plain: Mapping[str, Any]) -> CheckResult:
    outcome, value = plain.get("outcome"), _value(plain)
    if outcome not in ("pass", "warn", "fail"):
        return _error(check, "it was not evaluated: over no rows there is no such figure")
    if isinstance(value, float) and not math.isfinite(value):
        return _error(check, f"the measured value is {value}, which no bound can judge")
    message = _threshold(check, str(outcome)) if outcome != "pass" else None
    return CheckResult(check=check.text, outcome=str(outcome), value=value, on_fail=check.on_fail, message=message)


def _threshold(check: Check, outcome: str) -> Optional[str]:
    """Say what was expected where the check's first line does not: an alert, a condition, a name."""
    body = as_mapping(check.body)
    said = [str(body["name"])] if body.get("name") else []
    for key in ("fail condition", "fail query", outcome):
        if isinstance(body.get(key), str):
            said.append(f"{key} {' '.join(body[key].split())}")
    return "; ".join(said) or None


def _value(plain: Mapping[str, Any]) -> Any:
    diagnostics = as_mapping(plain.get("diagnostics"))
    value = diagnostics.get("value")
    if value is None and "missing_column_names" in diagnostics:
        return _schema_events(diagnostics)
    if isinstance(value, (int, float, str, bool)) or value is None:
        return value
    return str(value)


def _schema_events(diagnostics: Mapping[str, Any]) -> Optional[str]:
    """Say what a schema check found, in words."""
    events = []
    for key, word in (("missing_column_names", "missing"), ("present_column_names", "forbidden")):
        if diagnostics.get(key):
            events.append(f"{word}: {', '.join(map(str, diagnostics[key]))}")
    for key, word in (("column_type_mismatches", "type"), ("column_index_mismatches", "position")):
        if diagnostics.get(key):
            events.append(f"other {word}: {', '.join(map(str, diagnostics[key]))}")
    return "; ".join(events) or None


def _error(check: Check, message: str) -> CheckResult:
    return CheckResult(check=check.text, outcome="error", on_fail=check.on_error, message=message)
