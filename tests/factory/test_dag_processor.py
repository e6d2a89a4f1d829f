"""The loader pair under Airflow's own DAG processor: what its database says afterwards."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.factory.report import ERROR_DAG

pytestmark = pytest.mark.airflow

ROOT = Path(__file__).resolve().parents[2]
LOADER = "from airflow_lake_provider import load_lake_dags\n\nload_lake_dags(globals())\n"
REPORTER = "from airflow_lake_provider import raise_lake_dag_errors\n\nraise_lake_dag_errors(globals())\n"
GOOD = """\
pipeline: {name}
schedule: "@daily"
start_date: 2026-01-01
tables:
  bronze.{name}:
    ingest: {{files: "landing/{name}.csv"}}
  gold.{name}:
    sql: SELECT count(*) AS n FROM bronze.{name}
"""
WRONG = GOOD.replace("ingest:", "ingset:")


class Processor:
    """An Airflow of its own, with a DAGs folder."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.variables = variables
        self.dags = Path(variables["AIRFLOW__CORE__DAGS_FOLDER"])

    def parse(self) -> None:
        """Parse every file once."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "dag-processor", "--num-runs", "1"],
            cwd=self.dags.parent,
            env={**self.variables, "PYTHONPATH": f"{ROOT}{os.pathsep}{self.variables.get('PYTHONPATH', '')}"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the metadata database."""
        with sqlite3.connect(self.dags.parent / "airflow.db") as connection:
            return connection.execute(sql).fetchall()

    @property
    def dag_states(self) -> dict[str, tuple[bool, bool]]:
        """Whether each DAG is stale, and whether it has import errors."""
        return {
            name: (bool(a), bool(b)) for name, a, b in self.query("SELECT dag_id, is_stale, has_import_errors FROM dag")
        }

    @property
    def import_errors(self) -> dict[str, str]:
        """The import errors by file."""
        return dict(self.query("SELECT filename, stacktrace FROM import_error"))


@pytest.fixture
def processor(airflow_home: Callable[..., dict[str, str]]) -> Processor:
    processor = Processor(airflow_home(AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL="0"))
    (processor.dags / "lake_dags.py").write_text(LOADER)
    for name in ("orders", "returns", "visits"):
        (processor.dags / f"{name}.yaml").write_text(GOOD.format(name=name))
    return processor


def test_a_wrong_spec_is_one_import_error_and_leaves_the_other_dags_alive(processor: Processor) -> None:
    (processor.dags / "lake_spec_errors.py").write_text(REPORTER)
    (processor.dags / "wrong.yaml").write_text(WRONG.format(name="wrong"))
    processor.parse()
    assert processor.dag_states == dict.fromkeys(("orders", "returns", "visits"), (False, False))
    (error,) = processor.import_errors.items()
    assert error[0] == "lake_spec_errors.py"
    assert "wrong.yaml:6:5: error[unknown-key]" in error[1]

    # The spec breaks that was good: its DAG goes, the rest stays. Mended, it comes back and the error goes.
    (processor.dags / "returns.yaml").write_text(WRONG.format(name="returns"))
    processor.parse()
    assert {name: processor.dag_states[name] for name in ("orders", "visits")} == {
        "orders": (False, False),
        "visits": (False, False),
    }
    assert "returns.yaml:6:5" in processor.import_errors["lake_spec_errors.py"]
    for name in ("returns", "wrong"):
        (processor.dags / f"{name}.yaml").write_text(GOOD.format(name=name))
    processor.parse()
    assert processor.import_errors == {}
    assert processor.dag_states == dict.fromkeys(("orders", "returns", "visits", "wrong"), (False, False))


def test_without_the_second_file_the_errors_are_a_paused_dag(processor: Processor) -> None:
    (processor.dags / "wrong.yaml").write_text(WRONG.format(name="wrong"))
    processor.parse()
    assert processor.import_errors == {}
    assert set(processor.dag_states) == {"orders", "returns", "visits", ERROR_DAG}
    assert processor.query(f"SELECT is_paused FROM dag WHERE dag_id = '{ERROR_DAG}'") == [(1,)]
    assert processor.query(f"SELECT name FROM dag_tag WHERE dag_id = '{ERROR_DAG}'") == [("spec-error",)]
