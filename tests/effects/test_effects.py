"""The table of effects, row by row, against a real Airflow."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from airflow_environments import OWN_VERSION, airflow_environment
from stack import Gates, MetadataServer, Stack, airflow_stack

from effects.pipelines import write_pipelines
from effects.scenarios import LOUD, MEET, SCENARIOS, Scene
from effects.table import ROWS, Effect, Row

# All scenarios are played in the first row's setup.
pytestmark = [pytest.mark.airflow, pytest.mark.spark, pytest.mark.timeout(3600)]

VERSION = os.environ.get("LAKE_TEST_AIRFLOW", OWN_VERSION)
# The scheduler makes runs of these by itself as soon as they are unpaused; their scenarios do that.
UNPAUSED_BY_THEMSELVES = {"one_active_run", "three_active_runs", "catchup", "no_catchup", "paused"}


@pytest.fixture(scope="module")
def rows(request: pytest.FixtureRequest) -> list[Row]:
    """The rows that were chosen to run."""
    chosen = {item.callspec.params["row"].key for item in request.session.items if "row" in _params(item)}  # type: ignore[attr-defined]
    return [row for row in ROWS if row.key in chosen]


@pytest.fixture(scope="module")
def stack(metadata_server: MetadataServer, rows: list[Row], spark_python: str) -> Iterator[Stack]:
    with airflow_stack(
        metadata_server,
        environment=airflow_environment(VERSION),
        settings={"AIRFLOW__CORE__PARALLELISM": "2"},  # of each of two schedulers
    ) as stack:
        write_pipelines(stack.dags, Gates(stack.home / "gates"), [row.key for row in rows])
        stack.api.wait_for_dags(*[row.key for row in rows])
        yield stack


@pytest.fixture(scope="module")
def ended(stack: Stack, rows: list[Row]) -> dict[str, BaseException | Scene]:
    """Play all scenarios, as many as possible at the same time; return what became of each."""
    import pyarrow.dataset  # noqa: F401 - not for the first time in a thread that ends: see Tables

    meeting = threading.Barrier(max(1, len([row for row in rows if row.key in MEET])))

    def play(row: Row) -> BaseException | Scene:
        scene = Scene(row.key, stack, Gates(stack.home / "gates"), meeting)
        try:
            if row.key not in UNPAUSED_BY_THEMSELVES:
                stack.api.unpause(row.key)
            SCENARIOS[row.key](scene)
        except BaseException as exc:
            if row.key in MEET:
                meeting.abort()
            return exc
        finally:
            scene.go_on()
        return scene

    found: dict[str, BaseException | Scene] = {}
    stack.start("scheduler:2")
    for number in (0, 1, 2):
        chosen = [row for row in rows if LOUD.get(row.key, 0) == number]
        with ThreadPoolExecutor(max_workers=8) as pool:
            found |= zip([row.key for row in chosen], pool.map(play, chosen), strict=True)
        if number == 0:
            stack.stop("scheduler:2")
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_effect(row: Row, ended: dict[str, BaseException | Scene], stack: Stack) -> None:
    scene = ended[row.key]
    if isinstance(scene, BaseException):
        raise scene
    runs = stack.api.runs(row.key)
    tasks = [task for run in runs for task in stack.api.tasks(row.key, run.run_id)]
    tables = sorted({name for start in scene.starts() for name in _tables(start.folder)}) or [scene.table]
    effect = Effect(
        submissions=len(scene.starts()),
        publishes=sum(len(scene.tables.publishes(table)) for table in tables),
        task=_one({str(task.state) for task in tasks}),
        run=_one({run.state for run in runs}),
    )
    assert effect == row.expected(is_airflow_2=stack.is_airflow_2), _story(scene)
    assert [start.name for start in scene.starts() if start.launches > 1] == []
    assert scene.job_processes() == []
    if effect.task == "success" and effect.publishes:
        assert [scene.tables.refs(table) for table in tables] == [["lake_published", "main"]] * len(tables)


def _tables(folder: Path) -> list[str]:
    return [table["table"] for table in json.loads((folder / "request.json").read_bytes())["tables"]]


def _one(states: set[str]) -> str:
    return states.pop() if len(states) == 1 else " and ".join(sorted(states))


def _params(item: pytest.Item) -> dict[str, object]:
    return dict(item.callspec.params) if hasattr(item, "callspec") else {}


def _story(scene: Scene) -> str:
    """Say what happened, for who reads a failure."""
    said = [f"{start.run_id} {start.name}: {start.status}, delivered {start.is_delivered}" for start in scene.starts()]
    for run in scene.stack.api.runs(scene.key):
        said.append(str(run))
        for task in scene.stack.api.tasks(scene.key, run.run_id):
            said.append(str(task))
            for number in range(1, task.try_number + 1):
                log = scene.stack.task_log(scene.key, run.run_id, task.task_id, number)
                said.append(f"--- try {number}\n{log[-3000:]}")
    return "\n".join(said)
