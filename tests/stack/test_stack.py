"""The stack itself: components die and come back, tasks run on, and nothing is left at the end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from stack import MetadataServer, Stack, airflow_stack, wait_until

pytestmark = pytest.mark.airflow

DAG_FILE = """\
import os
import time

from airflow_lake_provider.compat import DAG, BaseOperator


class Wait(BaseOperator):
    def execute(self, context):
        open("{home}/started", "w").close()
        while not os.path.exists("{home}/go"):
            time.sleep(0.1)
        return context["params"]["word"]


with DAG("waits", schedule=None, catchup=False, params={{"word": "none"}}):
    Wait(task_id="wait")
"""


@pytest.fixture(scope="module")
def stack(metadata_server: MetadataServer) -> Iterator[Stack]:
    with airflow_stack(metadata_server, start=["api-server", "scheduler", "dag-processor", "triggerer"]) as stack:
        (stack.dags / "waits.py").write_text(DAG_FILE.format(home=stack.home))
        stack.api.wait_for_dags("waits")
        stack.api.unpause("waits")
        yield stack


def test_components_come_and_go_while_a_task_runs(stack: Stack) -> None:
    run = stack.api.trigger("waits", conf={"word": "yes"}, logical_date=datetime(2026, 1, 1, tzinfo=UTC))
    wait_until((stack.home / "started").exists, seconds=60, what="the task")
    stack.kill("dag-processor", whole=True)
    stack.stop("triggerer")
    stack.start("triggerer", "dag-processor")
    (stack.home / "go").touch()
    assert stack.api.wait_for_run("waits", run.run_id).state == "success"
    assert stack.api.result("waits", run.run_id, "wait") == "yes"
    assert "wait" in stack.task_log("waits", run.run_id, "wait")
    assert "class Wait" in stack.api.source("waits")
    stack.check()


def test_nothing_is_left_of_a_stack(metadata_server: MetadataServer) -> None:
    with airflow_stack(metadata_server, start=["scheduler"]) as stack:
        wait_until(lambda: len(stack.processes()) > 1, seconds=60, what="the scheduler's workers")
        stack.kill("scheduler")
        # What a killed scheduler leaves behind is found by its folder: nobody is its parent any more.
        assert stack.processes()
    assert not stack.home.exists()
    marks = [str(Path(process.cwd())) for process in psutil.process_iter(["pid"]) if _is_readable(process)]
    assert str(stack.home) not in marks


def _is_readable(process: psutil.Process) -> bool:
    try:
        return bool(process.cwd()) and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
        return False
