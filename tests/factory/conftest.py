from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow_environments import OWN_VERSION, airflow_environment

if TYPE_CHECKING:
    from stack import MetadataServer, Stack

STALE_SECONDS = 8
AT_WORK = {
    "AIRFLOW__CORE__MIN_SERIALIZED_DAG_FETCH_INTERVAL": "0",
    "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
    "AIRFLOW__SCHEDULER__PARSING_CLEANUP_INTERVAL": "2",
    # Nobody dies here: a machine that is busy may be slow.
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "120",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    **{
        f"AIRFLOW__{section}__{key}": value
        for section in ("DAG_PROCESSOR", "SCHEDULER")
        for key, value in (
            ("MIN_FILE_PROCESS_INTERVAL", "1"),
            ("PARSING_PROCESSES", "2"),
            ("STALE_DAG_THRESHOLD", str(STALE_SECONDS)),
        )
    },
}
LOADER = "from airflow_lake_provider import load_lake_dags\n\nload_lake_dags(globals())\n"

SPEC = """\
pipeline: {pipeline}
schedule: "@daily"
start_date: 2026-01-01
tables:
  bronze.{table}:
    ingest: {{files: landing/{table}.csv, options: {{header: true}}}}
  silver.{table}:
    sql: SELECT * FROM bronze.{table}
    unique_key: id
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty DAGs folder."""
    folder = tmp_path / "dags"
    folder.mkdir()
    return folder


@pytest.fixture
def write_spec(folder: Path) -> Callable[..., Path]:
    """Return what writes a spec of two tables; ``text`` writes any other."""

    def write(pipeline: str, text: str | None = None, *, at: str | None = None) -> Path:
        path = folder / (at or f"{pipeline}.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if text is not None else SPEC.format(pipeline=pipeline, table=pipeline.replace("-", "_")))
        return path

    return write


@pytest.fixture(scope="module")
def stack(metadata_server: MetadataServer) -> Iterator[Stack]:
    """Return an Airflow whose API server runs and whose DAGs folder holds the loader; the test starts the rest.

    ``LAKE_TEST_AIRFLOW`` names another version than the newest.
    """
    from stack import airflow_stack

    environment = airflow_environment(os.environ.get("LAKE_TEST_AIRFLOW", OWN_VERSION))
    with airflow_stack(metadata_server, environment=environment, start=["api-server"], settings=AT_WORK) as stack:
        stack.env["LAKE_CACHE"] = str(stack.home / "cache")
        (stack.dags / "lake_dags.py").write_text(LOADER)
        yield stack
