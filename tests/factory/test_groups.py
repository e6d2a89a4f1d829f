from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from airflow_lake_provider.factory import build_dag
from airflow_lake_provider.plan import plan_pipeline

TWO_WAYS = """\
  bronze.raw: {ingest: {files: raw.csv}}
  silver.clean: {sql: SELECT * FROM bronze.raw, unique_key: id}
  gold.daily: {sql: SELECT count(*) AS n FROM silver.clean}
  silver.scored: {sql: SELECT c.* FROM silver.clean c CROSS JOIN gold.daily, unique_key: id}
  gold.scores: {sql: SELECT count(*) AS n FROM silver.scored}
"""


@pytest.fixture
def build(write_spec: Callable[..., Path]) -> Callable[[str], DAG]:
    def make(tables: str) -> DAG:
        return build_dag(plan_pipeline(write_spec("p", f"pipeline: p\nlayers: {{a: , a__b: }}\ntables:\n{tables}")))

    return make


def groups(dag: DAG) -> dict[str, list[str]]:
    return {
        group_id: sorted(group.children)
        for group_id, group in dag.task_group.get_task_group_dict().items()
        if group_id is not None
    }


def order(dag: DAG) -> list[str]:
    """What the grid shows from top to bottom; Airflow raises here when groups wait for each other."""
    serialized = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    return [str(node.node_id) for node in serialized.task_group.topological_sort()]


def test_each_layer_is_a_group_and_task_ids_stay(build: Callable[[str], DAG]) -> None:
    dag = build(
        "  gold.n: {sql: SELECT count(*) AS n FROM silver.b}\n"
        "  silver.b: {sql: SELECT * FROM bronze.b, unique_key: id}\n"
        "  bronze.a: {ingest: {files: a.csv}}\n"
        "  bronze.b: {ingest: {files: b.csv}}\n"
    )
    assert groups(dag) == {
        "bronze": ["bronze__a", "bronze__b"],
        "silver": ["silver__b"],
        "gold": ["gold__n"],
    }
    assert order(dag) == ["bronze", "silver", "gold"]
    assert dag.task_group.get_task_group_dict()["bronze"].tooltip == "layer bronze, 2 tables"
    assert dag.get_task("silver__b").upstream_task_ids == {"bronze__b"}


def test_one_layer_alone_needs_no_group(build: Callable[[str], DAG]) -> None:
    dag = build("  bronze.a: {ingest: {files: a.csv}}\n  bronze.b: {ingest: {files: b.csv}}\n")
    assert groups(dag) == {}
    assert sorted(dag.task_group.children) == ["bronze__a", "bronze__b"]


def test_a_group_never_has_the_name_of_a_task(build: Callable[[str], DAG]) -> None:
    dag = build(
        "  a.b: {ingest: {files: a.csv}, write: append}\n"
        "  a__b.c: {sql: SELECT * FROM a.b, write: replace}\n"
        "  a.b_layer: {sql: SELECT * FROM a__b.c, write: replace}\n"
    )
    assert set(dag.task_ids) == {"a__b", "a__b__c", "a__b_layer"}
    assert groups(dag) == {
        "a": ["a__b"],
        "a__b_layer_layer": ["a__b__c"],
        "a_2": ["a__b_layer"],
    }


def test_layers_that_read_each_other_are_split_where_the_direction_changes(build: Callable[[str], DAG]) -> None:
    dag = build(TWO_WAYS)
    assert groups(dag) == {
        "bronze": ["bronze__raw"],
        "silver": ["silver__clean"],
        "gold": ["gold__daily"],
        "silver_2": ["silver__scored"],
        "gold_2": ["gold__scores"],
    }
    assert order(dag) == ["bronze", "silver", "gold", "silver_2", "gold_2"]


def test_many_tables_are_few_boxes(build: Callable[[str], DAG]) -> None:
    tables = "".join(
        f"  bronze.t{n}: {{ingest: {{files: {n}.csv}}}}\n"
        f"  silver.t{n}: {{sql: SELECT * FROM bronze.t{n}, unique_key: id}}\n"
        for n in range(100)
    )
    dag = build(tables)
    assert {name: len(tasks) for name, tasks in groups(dag).items()} == {"bronze": 100, "silver": 100}
    assert order(dag) == ["bronze", "silver"]
