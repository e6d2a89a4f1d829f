"""Python transforms in DAGs made from specs: nothing of them runs where the DAG is parsed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from airflow.serialization.serialized_objects import DagSerialization

from airflow_lake_provider.factory import build_dag
from airflow_lake_provider.operators import LakeTransformOperator
from airflow_lake_provider.plan import plan_pipeline

SPEC = """\
pipeline: orders
external: [bronze.orders]
tables:
  silver.orders:
    python: lake_transforms.orders:build
    unique_key: id
"""


def test_a_parse_reads_the_function_and_runs_nothing_of_it(
    folder: Path, write_spec: Callable[..., Path], tmp_path: Path
) -> None:
    effect = tmp_path / "effect"
    text = f"open({str(effect)!r}, 'w').write('imported')\n"
    (folder / "lake_transforms").mkdir()
    (folder / "lake_transforms" / "__init__.py").write_text(text)
    (folder / "lake_transforms" / "orders.py").write_text(text + "def build(bronze__orders, context): ...\n")
    dag = build_dag(plan_pipeline(write_spec("orders", SPEC)))
    DagSerialization.to_dict(dag)
    task = dag.get_task("silver__orders")
    assert isinstance(task, LakeTransformOperator)
    assert (task.python, task.inputs, task.folder) == ("lake_transforms.orders:build", ("bronze.orders",), folder)
    assert not effect.exists()
    assert not [name for name in sys.modules if name.startswith("lake_transforms")]


def test_a_function_is_looked_for_beside_the_file_that_names_it(folder: Path, write_spec: Callable[..., Path]) -> None:
    (folder.parent / "lake.yaml").write_text("environments: {local: {}}\n")
    shared = folder.parent / "shared"
    shared.mkdir()
    (shared / "orders.py").write_text("def build(bronze__orders): ...\n")
    (shared / "base.yaml").write_text(SPEC.partition("\n")[2].replace("lake_transforms.orders", "orders"))
    dag = build_dag(plan_pipeline(write_spec("orders", "pipeline: orders\nextends: ../shared/base.yaml\n")))
    task = dag.get_task("silver__orders")
    assert isinstance(task, LakeTransformOperator)
    assert task.folder == shared
