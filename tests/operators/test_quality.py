from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.operators import LakeQualityCheckOperator
from airflow_lake_provider.protocol import CheckResult, CheckStep, TableReport


def test_the_request_holds_nothing_but_the_checks(task_run: Callable[..., Any], engine: InMemoryEngine) -> None:
    checks = ["row_count > {{ params.least }}", {"missing_count(id) = 0": {"on_fail": "warn"}}]
    run = task_run(LakeQualityCheckOperator, table="silver.orders", checks=checks)
    run.params = {"least": 10}
    run.run()
    (step,) = engine.requests[0].tables[0].steps
    assert isinstance(step, CheckStep)
    assert [(check.text, check.on_fail) for check in step.checks] == [
        ("row_count > 10", "fail"),
        ("missing_count(id) = 0", "warn"),
    ]


def test_a_failed_check_fails_the_task_without_retry(task_run: Callable[..., Any], engine: InMemoryEngine) -> None:
    checks = (CheckResult("row_count > 10", "fail", 3),)
    engine.outcomes["silver.orders"] = TableReport(table="silver.orders", status="failed", checks=checks)
    run = task_run(LakeQualityCheckOperator, table="silver.orders", checks=["row_count > 10"], retries=3)
    with pytest.raises(AirflowFailException, match=r"^1 of 1 check failed on silver.orders: row_count > 10 \(was 3\)"):
        run.run()


def test_no_check_at_all_is_refused(task_run: Callable[..., Any], engine: InMemoryEngine) -> None:
    with pytest.raises(AirflowFailException, match="there is no check"):
        task_run(LakeQualityCheckOperator, table="silver.orders", checks=[]).run()
    assert engine.requests == []
