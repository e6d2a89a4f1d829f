"""The operators as a DAG's author meets them: their arguments, in a DAG that Airflow loads and stores."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import BaseOperator
from airflow.serialization.serialized_objects import DagSerialization

import airflow_lake_provider

EVERYWHERE = {"environment", "engine", "resource_profile", "spark_conf", "engine_options", "project_dir", "deferrable"}
OWN = {
    "LakeIngestOperator": {
        "table", "files", "format", "options", "columns", "unique_key", "partition_by", "write", "checks", "recursive",
        "on_empty", "on_replaced", "metadata_columns", "files_per_run", "quarantine", "properties",
    },
    "LakeTransformOperator": {"table", "sql", "sql_file", "python", "columns", "unique_key", "write", "checks"},
    "IcebergMergeOperator": {"table", "source", "unique_key"},
    "LakeQualityCheckOperator": {"table", "checks"},
}  # fmt: skip
NOT_TEMPLATED = {"project_dir", "deferrable"}

DAG_FILE = """\
from datetime import timedelta

from airflow.sdk import DAG

from airflow_lake_provider import (
    IcebergMergeOperator,
    LakeIngestOperator,
    LakeQualityCheckOperator,
    LakeTransformOperator,
)

with DAG("by_hand", schedule=None, catchup=False):
    taken = LakeIngestOperator(
        task_id="take",
        table="bronze.orders",
        files="landing/{{ data_interval_start | ds }}.csv",
        format="csv",
        options={"header": True},
        retries=2,
        retry_delay=timedelta(minutes=1),
        pool="spark",
    )
    made = LakeTransformOperator(
        task_id="make", table="gold.days", sql="SELECT * FROM bronze.orders", write="replace", engine="default"
    )
    merged = IcebergMergeOperator(
        task_id="merge", table="silver.orders", source="bronze.orders", unique_key=["id"], deferrable=False
    )
    checked = LakeQualityCheckOperator(task_id="check", table="silver.orders", checks=["row_count > 0"])
    taken >> [made, merged] >> checked
"""


def arguments(operator: type) -> dict[str, Any]:
    """Return an operator's own arguments and those of its parents, down to Airflow's."""
    found: dict[str, Any] = {}
    for parent in operator.__mro__:
        if parent is BaseOperator:
            break
        if "__init__" in vars(parent):
            signature = inspect.signature(vars(parent)["__init__"])
            found |= {name: entry for name, entry in signature.parameters.items() if name != "self"}
    return {name: entry for name, entry in found.items() if entry.kind is not entry.VAR_KEYWORD}


@pytest.mark.parametrize("name", OWN)
def test_arguments_are_keys_of_the_spec_by_keyword_and_templated(name: str) -> None:
    operator = getattr(airflow_lake_provider, name)
    found = arguments(operator)
    assert (OWN[name] | EVERYWHERE) - set(found) == set()
    assert {entry.kind for entry in found.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert (OWN[name] | EVERYWHERE) - set(operator.template_fields) == NOT_TEMPLATED
    assert issubclass(operator, BaseOperator)


@pytest.mark.parametrize("name", OWN)
def test_an_argument_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(TypeError):
        getattr(airflow_lake_provider, name)(task_id="t", table="a.b", tabel="a.b")


@pytest.fixture
def by_hand(write: Callable[..., Path]) -> Any:
    root = write({"dags/by_hand.py": DAG_FILE})
    bag = DagBag(dag_folder=str(root / "dags"))
    assert bag.import_errors == {}
    return bag.dags["by_hand"]


def test_a_dag_written_by_hand_loads_and_is_stored(by_hand: Any) -> None:
    kept = DagSerialization.from_dict(DagSerialization.to_dict(by_hand))
    assert sorted(kept.task_ids) == ["check", "make", "merge", "take"]
    assert set(kept.get_task("check").upstream_task_ids) == {"make", "merge"}
    take = kept.get_task("take")
    assert (take.retries, take.retry_delay.total_seconds(), take.pool) == (2, 60, "spark")
    assert take.files == "landing/{{ data_interval_start | ds }}.csv"


def test_tasks_have_the_outlets_of_their_tables(by_hand: Any) -> None:
    outlets = {task.task_id: [outlet.name for outlet in task.outlets] for task in by_hand.tasks}
    assert outlets == {
        "take": ["lake:bronze.orders"],
        "make": ["lake:gold.days"],
        "merge": ["lake:silver.orders"],
        "check": [],
    }
