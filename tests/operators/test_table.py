"""The outlet of a table and its asset event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import AssetAlias
from airflow.sdk.exceptions import AirflowException

from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.operators import (
    IcebergMergeOperator,
    LakeIngestOperator,
    LakeQualityCheckOperator,
    LakeTransformOperator,
)
from airflow_lake_provider.protocol import CheckResult, Rows, TableReport

TABLE = "silver.orders"
WRITERS = {
    LakeIngestOperator: {"files": "landing/*.csv", "write": "append"},
    LakeTransformOperator: {"sql": "SELECT 1 AS id", "unique_key": "id"},
    IcebergMergeOperator: {"source": "bronze.orders", "unique_key": "id"},
}


@pytest.mark.parametrize("operator", WRITERS, ids=lambda operator: operator.__name__)
def test_a_publish_emits_one_event_with_snapshot_and_counts(
    operator: Any, task_run: Callable[..., Any], engine: InMemoryEngine
) -> None:
    rows = Rows(rows_read=5, rows_applied=3, rows_unchanged=2, rows_stale=0, rows_quarantined=0, rows_deduplicated=0)
    engine.outcomes[TABLE] = TableReport(table=TABLE, status="published", snapshot_id=7, rows=rows)
    run = task_run(operator, table=TABLE, **WRITERS[operator])
    run.run()
    (event,) = run.events
    assert event.source_alias_name == "lake:silver.orders"
    assert (event.dest_asset_key.name, event.dest_asset_key.uri) == (
        "lake.silver.orders",
        "iceberg://lake/silver/orders",
    )
    assert event.extra == {
        "snapshot_id": 7,
        "rows_read": 5,
        "rows_applied": 3,
        "rows_unchanged": 2,
        "rows_stale": 0,
        "rows_quarantined": 0,
        "rows_deduplicated": 0,
    }


@pytest.mark.parametrize("status", ["no_op", "skip_publish", "skipped", "failed"])
def test_nothing_but_a_publish_emits_an_event(
    status: str, task_run: Callable[..., Any], engine: InMemoryEngine
) -> None:
    checks = (CheckResult("row_count > 0", "fail", 0),) if status == "failed" else ()
    engine.outcomes[TABLE] = TableReport(table=TABLE, status=status, snapshot_id=7, checks=checks)
    run = task_run(LakeTransformOperator, table=TABLE, **WRITERS[LakeTransformOperator])
    try:
        run.run()
    except AirflowException:
        assert status in ("skipped", "failed")
    assert run.events == []


@pytest.mark.parametrize("operator", WRITERS, ids=lambda operator: operator.__name__)
def test_the_outlet_is_an_alias_beside_the_users_own(operator: Any, task_run: Callable[..., Any]) -> None:
    mine, default = AssetAlias("mine"), AssetAlias("default")
    run = task_run(operator, table=TABLE, outlets=[mine], **WRITERS[operator])
    assert run.operator.outlets == [mine, AssetAlias("lake:silver.orders")]
    run = task_run(operator, table=TABLE, default_args={"outlets": [default]}, **WRITERS[operator])
    assert run.operator.outlets == [default, AssetAlias("lake:silver.orders")]


def test_a_quality_check_has_no_outlet(task_run: Callable[..., Any], engine: InMemoryEngine) -> None:
    engine.outcomes[TABLE] = TableReport(table=TABLE, status="no_op")
    run = task_run(LakeQualityCheckOperator, table=TABLE, checks=["row_count > 0"])
    run.run()
    assert (run.operator.outlets, run.events) == ([], [])
