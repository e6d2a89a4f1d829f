"""What failed checks mean and how they are told: the same in the job's report and in the task's error."""

from __future__ import annotations

from typing import Any, Optional, Sequence, Tuple

from airflow_lake_provider.protocol.report import CheckResult


def failed_checks(checks: Sequence[CheckResult]) -> Tuple[CheckResult, ...]:
    """Return the checks that keep a table from being published: failed or not evaluable, and asked to fail it."""
    return tuple(check for check in checks if check.outcome in ("fail", "error") and check.on_fail == "fail")


def check_failure(table: str, checks: Sequence[CheckResult], *, branch: Optional[str] = None) -> str:
    """Return the message of a table whose checks failed; its first line names each failed check with its value.

    :param branch: the branch that holds what the checks judged, where one was written.

    >>> checks = (CheckResult("row_count > 1000", "fail", 842), CheckResult("missing_count(id) = 0", "pass", 0))
    >>> print(check_failure("silver.flights", checks))
    1 of 2 checks failed on silver.flights: row_count > 1000 (was 842)
    Nothing was published.
    """
    failed = failed_checks(checks)
    named = "; ".join(_one_line(check) for check in failed)
    noun = "check" if len(checks) == 1 else "checks"
    lines = [f"{len(failed)} of {len(checks)} {noun} failed on {table}: {named}"]
    lines += [f"  {check.check}: {check.message}" for check in failed if check.message and check.outcome != "error"]
    held = f" The rows of this run are on the branch {branch} until a later run publishes." if branch else ""
    return "\n".join([*lines, f"Nothing was published.{held}"])


def _one_line(check: CheckResult) -> str:
    if check.outcome == "error":
        why = (check.message or "no reason given").splitlines()[0]
        return f"{check.check} (could not be evaluated: {why})"
    return f"{check.check} (was {'NULL' if check.value is None else _text(check.value)})"


def _text(value: Any) -> str:
    """Six significant digits are enough for a person; whole numbers stay whole."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return str(value)
