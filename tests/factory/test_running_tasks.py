"""A spec that changes under its own running tasks."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from stack import Gates, JobFolders, Run, Stack, Tables, wait_until

pytestmark = [pytest.mark.airflow, pytest.mark.spark, pytest.mark.timeout(1800)]

LAKE = "environments: {local: {engines: {default: {type: local}, quick: {type: in_memory}}}}\n"
SPEC = """\
pipeline: slow
tables:
  gold.first: {{python: "slow.py:build"}}
  gold.second:
    sql: SELECT n, '{word}' AS word FROM gold.first
    engine: quick
"""
THIRD = """\
  gold.third:
    sql: SELECT n FROM gold.second
    engine: quick
"""
FUNCTION = """\
from gates import wait_at


def build(spark):
    wait_at({gate!r})
    return spark.sql("SELECT {number} AS n")
"""


@dataclass
class Project:
    stack: Stack
    gates: Gates

    def write(self, *, word: str, gate: str, number: int, more: str = "") -> None:
        """Write the function first: the spec is read with the one that is there."""
        (self.stack.dags / "slow.py").write_text(FUNCTION.format(gate=gate, number=number))
        (self.stack.dags / "slow.yaml").write_text(SPEC.format(word=word) + more)

    def run_to(self, gate: str) -> Run:
        """Start a run and wait until its first job stands at a gate."""
        run = self.stack.api.trigger("slow", run_id=f"run_{gate}")
        self.gates.wait(gate)
        return run

    def queries(self, run: Run, task_id: str) -> list[str]:
        """Return the SQL of each job that was asked for."""
        starts = JobFolders(self.stack.dags / ".lake" / "jobs").starts("slow", run.run_id, task_id)
        requests = [json.loads((start.folder / "request.json").read_bytes()) for start in starts]
        return [step["sql"] for request in requests for step in request["tables"][0]["steps"] if "sql" in step]

    def is_gone(self) -> bool:
        """Whether Airflow has noticed that no file makes the DAG any more."""
        dag = self.stack.api.dag("slow") or {}
        return not dag["is_active"] if self.stack.is_airflow_2 else bool(dag["is_stale"])

    def numbers(self) -> list[int]:
        return [row["n"] for row in Tables(self.stack.dags).rows("gold.first")]


@pytest.fixture(scope="module")
def project(stack: Stack, spark_python: str) -> Project:
    project = Project(stack, Gates(stack.home / "gates"))
    project.gates.write_module(stack.dags)
    (stack.dags / "lake.yaml").write_text(LAKE)
    project.write(word="old", gate="edit", number=1)
    stack.start("dag-processor", "scheduler")
    stack.api.wait_for_dags("slow")
    stack.api.unpause("slow")
    return project


def test_a_running_task_ends_as_it_began_and_later_ones_follow_the_edited_spec(project: Project) -> None:
    api = project.stack.api
    run = project.run_to("edit")
    project.write(word="new", gate="edited", number=2, more=THIRD)
    wait_until(
        lambda: len(api.get("/dags/slow/tasks")["tasks"]) == 3, seconds=60, what="the edited DAG in the database"
    )
    project.gates.open("edit")
    assert api.wait_for_run("slow", run.run_id).state == "success"
    assert project.numbers() == [1]
    assert project.queries(run, "gold__second") == ["SELECT n, 'new' AS word FROM gold.first"]
    assert project.queries(run, "gold__third") == ["SELECT n FROM gold.second"]


def test_a_deleted_specs_running_task_publishes_and_the_run_waits_for_the_spec(project: Project) -> None:
    api = project.stack.api
    project.write(word="kept", gate="delete", number=3)
    run = project.run_to("delete")
    spec = project.stack.dags / "slow.yaml"
    text = spec.read_text()
    spec.unlink()
    wait_until(project.is_gone, seconds=120, what="the end of the DAG")
    project.gates.open("delete")
    wait_until(lambda: project.numbers() == [3], seconds=120, what="the publish of the running job")
    spec.write_text(text)
    assert api.wait_for_run("slow", run.run_id, seconds=240).state == "success"
    assert project.queries(run, "gold__second") == ["SELECT n, 'kept' AS word FROM gold.first"]
    assert project.numbers() == [3]
