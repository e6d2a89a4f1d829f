from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.operators import IcebergMergeOperator
from airflow_lake_provider.protocol import TransformStep, WriteStep


@pytest.mark.parametrize(
    ("source", "sql"),
    [
        ("bronze.orders", "SELECT * FROM bronze.orders"),
        (" `bronze`.`orders` ", "SELECT * FROM  `bronze`.`orders`"),
        ("SELECT id, day FROM bronze.orders", "SELECT id, day FROM bronze.orders"),
        ("WITH o AS (SELECT 1 AS id) SELECT * FROM o", "WITH o AS (SELECT 1 AS id) SELECT * FROM o"),
    ],
    ids=["a table", "a quoted table", "a query", "a query with a CTE"],
)
def test_the_source_is_a_table_or_a_query(
    source: str, sql: str, task_run: Callable[..., Any], engine: InMemoryEngine
) -> None:
    task_run(IcebergMergeOperator, table="silver.orders", source=source, unique_key=["id", "day"]).run()
    query, write = engine.requests[0].tables[0].steps[:2]
    assert isinstance(query, TransformStep)
    assert query.sql == sql
    assert write == WriteStep(strategy="merge", unique_key=("id", "day"))


@pytest.mark.parametrize(
    "arguments",
    [{"sequence_by": "updated_at"}, {"write": {"sequence_by": "updated_at"}}],
    ids=["as an argument", "as the spec's key"],
)
def test_the_newest_row_of_a_key_wins(
    arguments: dict[str, Any], task_run: Callable[..., Any], engine: InMemoryEngine
) -> None:
    task_run(IcebergMergeOperator, table="gold.orders", source="bronze.orders", unique_key="id", **arguments).run()
    assert engine.requests[0].tables[0].steps[1] == WriteStep(
        strategy="merge", unique_key=("id",), sequence_by="updated_at"
    )


def test_another_strategy_is_refused(task_run: Callable[..., Any], engine: InMemoryEngine) -> None:
    run = task_run(IcebergMergeOperator, table="silver.orders", source="bronze.orders", unique_key="id", write="append")
    with pytest.raises(AirflowFailException, match="write.strategy is 'append'; expected 'merge'"):
        run.run()
    assert engine.requests == []
