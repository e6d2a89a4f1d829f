from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.operators import LakeIngestOperator
from airflow_lake_provider.protocol import IngestStep, PublishStep, WriteStep


def test_the_request_reads_the_days_files_and_appends(
    task_run: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    run = task_run(
        LakeIngestOperator,
        table="bronze.orders",
        files="landing/{{ data_interval_start | ds }}.csv",
        options={"header": True},
        columns={"id": "bigint not null"},
        description="Orders as delivered",
    )
    run.run()
    (table,) = engine.requests[0].tables
    ingest, write, publish = table.steps
    assert ingest == IngestStep(files=(f"{project}/landing/2026-01-01.csv",), format="csv", options={"header": "true"})
    assert (write, publish) == (WriteStep(strategy="append"), PublishStep())
    assert table.description == "Orders as delivered"
    assert table.columns is not None
    assert [(column.name, column.type, column.nullable) for column in table.columns] == [("id", "bigint", False)]


def test_several_globs_and_a_format_of_their_own(
    task_run: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    task_run(LakeIngestOperator, table="bronze.orders", files=["a/*", "s3://lake/b/*"], format="json").run()
    step = engine.requests[0].tables[0].steps[0]
    assert isinstance(step, IngestStep)
    assert (step.files, step.format) == ((f"{project}/a/*", "s3://lake/b/*"), "json")


def test_a_format_that_the_ending_does_not_tell_must_be_given(
    task_run: Callable[..., Any], engine: InMemoryEngine
) -> None:
    with pytest.raises(AirflowFailException, match="format"):
        task_run(LakeIngestOperator, table="bronze.orders", files="landing/orders.dat").run()
