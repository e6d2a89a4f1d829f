"""Equal specs serialize to the same DAG in every process: else each parse makes a new DAG version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.serialized_objects import DagSerialization

from airflow_lake_provider.factory import build_dag
from airflow_lake_provider.plan import plan_pipeline

ROOT = Path(__file__).resolve().parents[2]
FLIGHTS = ROOT / "dag_specs" / "flights.yaml"
OUTLINES = sorted((ROOT / "tests" / "plan" / "outlines").glob("*.yaml"))
HASHES = """
import sys
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.serialized_objects import DagSerialization
from airflow.sdk import DAG
from airflow_lake_provider import load_lake_dags
module = {"__file__": sys.argv[1]}
load_lake_dags(module)
for name, value in sorted(module.items()):
    if isinstance(value, DAG):
        print(name, SerializedDagModel.hash(DagSerialization.to_dict(value)))
"""
MANY_KEYS = """\
pipeline: orders
tags: [b, a, c]
params: {b: 1, a: [z, y]}
external: [crm.b, crm.a, crm.c]
tables:
  silver.orders:
    sql: SELECT * FROM crm.a JOIN crm.b USING (id) JOIN crm.c USING (id)
    unique_key: [b, a]
    columns: {b: string, a: string}
    properties: {write.b: "1", write.a: "2"}
    depends_on: [crm.b]
    checks: [{"row_count > 0": {on_fail: warn, name: x}}]
"""


def hashes(loader: Path, seed: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", HASHES, str(loader)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    (tmp_path / "flights.yaml").write_text((ROOT / "dag_specs" / "flights.yaml").read_text())
    (tmp_path / "orders.yaml").write_text(MANY_KEYS)
    return tmp_path


def test_two_processes_and_two_checkouts_serialize_the_same_dags(
    specs: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for spec in specs.glob("*.yaml"):
        (elsewhere / spec.name).write_text(spec.read_text())
    first, second = hashes(specs / "lake_dags.py", "1"), hashes(elsewhere / "lake_dags.py", "4711")
    assert set(first) == {"flights", "orders"}
    assert first == second


def digest(spec: Path) -> str:
    return str(SerializedDagModel.hash(DagSerialization.to_dict(build_dag(plan_pipeline(spec)))))


def test_a_changed_spec_is_another_dag(specs: Path) -> None:
    spec = specs / "orders.yaml"
    before = digest(spec)
    assert digest(spec) == before
    text = spec.read_text()
    for old, new in (("row_count > 0", "row_count > 1"), ("SELECT *", "SELECT a"), ("[b, a, c]", "[b, a]")):
        spec.write_text(text.replace(old, new))
        assert digest(spec) != before, new


def backwards(value: Any) -> Any:
    """Return the same mappings with their keys in the other order; lists stay, their order means something."""
    if isinstance(value, dict):
        return {key: backwards(value[key]) for key in reversed(value)}
    return [backwards(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "spec", [*sorted((ROOT / "tests" / "plan" / "outlines").glob("*.yaml")), FLIGHTS, None], ids=str
)
def test_comments_and_the_order_of_keys_make_no_other_dag(spec: Path | None, tmp_path: Path) -> None:
    text = spec.read_text() if spec is not None else MANY_KEYS
    if spec is not None:
        shutil.copytree(spec.parent, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "orders.yaml"
    path.write_text(text)
    before = digest(path)
    path.write_text(f"# A remark\n{text}\n# Another\n")
    assert digest(path) == before
    path.write_text(yaml.safe_dump(backwards(yaml.safe_load(text)), sort_keys=False))
    assert digest(path) == before
