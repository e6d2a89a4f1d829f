from __future__ import annotations

from pathlib import Path

import pytest

from airflow_lake_provider.spec import Environment, Project


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The local environment of an empty project."""
    monkeypatch.delenv("LAKE_ENV", raising=False)
    monkeypatch.delenv("LAKE_HOME", raising=False)
    return Project(tmp_path).environment()
