from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

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
