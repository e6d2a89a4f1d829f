"""What a round looks at: it sees what was left behind, and nothing where nothing was."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from chaos import settled
from chaos.victims import WEIGHTS, WORK, kind_of


@pytest.fixture
def stack(tmp_path: Path) -> Any:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "dag_specs").mkdir()
    return SimpleNamespace(home=tmp_path, processes=list)


def told(look: Any, stack: Any) -> list[str]:
    return list(look(stack, stack.home / "dag_specs", ["2013-01-01"]))


def test_nothing_is_told_of_an_empty_home(stack: Any) -> None:
    looks = (settled._refs, settled._processes, settled._locks, settled._temporary, settled._open_starts)
    assert [problem for look in looks for problem in told(look, stack)] == []


def test_missing_tables_are_told(stack: Any) -> None:
    assert "bronze.flights is not there" in told(settled._content, stack)


def test_a_lock_that_is_held_is_told_and_a_free_one_is_not(stack: Any) -> None:
    held, free = stack.home / "held" / ".submit.lock", stack.home / "free" / ".submit.lock"
    for path in (held, free):
        path.parent.mkdir()
        path.touch()
    with held.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert told(settled._locks, stack) == [f"{held} is held by somebody"]


def test_a_temporary_folder_is_told(stack: Any) -> None:
    (stack.home / "tmp" / "lake-x1").mkdir()
    (stack.home / "tmp" / "liblz4.so").touch()
    (problem,) = told(settled._temporary, stack)
    assert "lake-x1 is left" in problem


def test_a_start_that_nobody_settled_is_told(stack: Any) -> None:
    entry = stack.home / "dag_specs" / ".lake" / "jobs" / "flights" / "~open" / "silver__flights" / "ab12.json"
    entry.parent.mkdir(parents=True)
    entry.write_text(json.dumps({}))
    (problem,) = told(settled._open_starts, stack)
    assert "ab12 is in the index of open ones" in problem


def test_a_live_supervisor_is_told(stack: Any) -> None:
    line = [sys.executable, "-c", "import sys; sys.stdin.read()", "/lib/airflow_lake_provider/engines/supervisor.py"]
    with subprocess.Popen(line, stdin=subprocess.PIPE) as process:
        stack.processes = lambda: [psutil.Process(process.pid)]
        assert f"process {process.pid} is alive" in told(settled._processes, stack)[0]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (["airflow worker -- LocalExecutor: 01a1ffb0-4a4f-7000"], "worker"),
        (["airflow worker -- LocalExecutor: <idle>"], None),
        (["airflow worker -- 01a1ffb0-4a4f-7000"], "task"),
        (["python", "-I", "/p/airflow_lake_provider/engines/supervisor.py", "/job"], "supervisor"),
        (["python", "-m", "airflow_lake_provider.jobs", "--request-uri", "/job/request.json"], "driver"),
        (["/jre/bin/java", "-cp", "x"], "jvm"),
        (["python", "-m", "airflow", "scheduler"], None),
    ],
)
def test_processes_are_known_by_what_they_run(line: list[str], kind: str | None) -> None:
    process: Any = SimpleNamespace(cmdline=lambda: line, name=lambda: line[0])
    assert kind_of(process) == kind
    assert kind is None or (kind in WEIGHTS and kind in WORK)
