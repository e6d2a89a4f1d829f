"""What the Code tab is given; ``test_code_tab`` asks Airflow's API for it."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow import settings
from airflow.sdk import DAG

from airflow_lake_provider import load_lake_dags
from airflow_lake_provider.factory import build_dag
from airflow_lake_provider.factory.code import SpecText
from airflow_lake_provider.plan import plan_pipeline


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def dag(write_spec: Callable[..., Path]) -> DAG:
    """Return a DAG as Airflow's parse has it before the policies: its file is the loader."""
    dag = build_dag(plan_pipeline(write_spec("orders")))
    dag.fileloc, dag.relative_fileloc = "/dags/lake_dags.py", "lake_dags.py"
    return dag


def test_the_policy_is_one_of_airflows_own_kind() -> None:
    (found,) = (each for each in importlib.metadata.entry_points(group="airflow.policy") if each.name == "lake")
    assert found.value == "airflow_lake_provider.policy"


def test_airflow_is_told_of_a_file_with_the_specs_text(dag: DAG, folder: Path, cache: Path) -> None:
    settings.dag_policy(dag)
    shown = Path(dag.fileloc)
    assert (shown.name, shown.read_text()) == ("orders.yaml", (folder / "orders.yaml").read_text())
    assert shown.is_relative_to(cache)
    assert dag.relative_fileloc == "lake_dags.py"


def test_the_text_is_that_of_the_parse_whatever_becomes_of_the_spec(dag: DAG, folder: Path) -> None:
    text = (folder / "orders.yaml").read_text()
    (folder / "orders.yaml").unlink()
    settings.dag_policy(dag)
    assert Path(dag.fileloc).read_text() == text


def test_other_dags_keep_their_own_file() -> None:
    dag = DAG("other", schedule=None)
    before = dag.fileloc
    settings.dag_policy(dag)
    assert dag.fileloc == before


def test_a_worker_keeps_the_loader_file(
    write_spec: Callable[..., Path], folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_spec("orders")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "orders")
    module = {"__file__": str(folder / "lake_dags.py")}
    load_lake_dags(module)
    before = module["orders"].fileloc
    settings.dag_policy(module["orders"])
    assert module["orders"].fileloc == before
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_costs_no_dag(
    dag: DAG, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAKE_CACHE", str(tmp_path / "file"))
    settings.dag_policy(dag)
    assert dag.fileloc == "/dags/lake_dags.py"
    assert "The Code tab cannot show orders.yaml" in caplog.text


def test_equal_texts_are_kept_once_and_old_ones_go(tmp_path: Path) -> None:
    first, second = SpecText("a.yaml", "pipeline: a\n"), SpecText("a.yaml", "pipeline: a # edited\n")
    old = first.keep(cache=tmp_path)
    assert old is not None
    assert first.keep(cache=tmp_path) == old
    month_ago = time.time() - 31 * 24 * 3600
    os.utime(old, (month_ago, month_ago))
    assert first.keep(cache=tmp_path) == old
    assert time.time() - old.stat().st_mtime < 60, "a text that is in use does not grow old"
    for path in (old, old.parent):
        os.utime(path, (month_ago, month_ago))
    new = second.keep(cache=tmp_path)
    assert new is not None
    assert sorted((tmp_path / "code").iterdir()) == [new.parent]


def test_loading_the_policy_loads_nothing_heavy_of_the_package() -> None:
    heavy = [f"airflow_lake_provider.{name}" for name in ("compat", "factory", "operators", "spec")]
    program = f"import sys, airflow_lake_provider.policy; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
