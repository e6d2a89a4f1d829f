"""Pipelines that start each other by assets, on a real scheduler: who starts, how often, and with what.

Most of it runs on the engine that runs nothing, for the question is what Airflow does; the last test runs on Spark.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from stack import JobFolders, Run, Stack, wait_until

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1800)]

LAKE = """\
environments:
  local: {engines: {default: {type: in_memory}}}
  spark: {}
"""
PRODUCER = """\
pipeline: {name}
tables:
  silver.{name}: {{sql: SELECT 1 AS id, unique_key: id}}
"""
CONSUMER = """\
pipeline: {name}
schedule: {schedule}
tables:
  gold.{name}: {{sql: {sql}}}
"""
SPECS = {
    "a": PRODUCER.format(name="a"),
    "b": PRODUCER.format(name="b"),
    "c": PRODUCER.format(name="c"),
    "after_all": CONSUMER.format(
        name="after_all",
        schedule="{all: [silver.a, silver.b, silver.c]}",
        sql="SELECT id FROM silver.a JOIN silver.b USING (id) JOIN silver.c USING (id)",
    ),
    "after_any": CONSUMER.format(
        name="after_any", schedule="{any: [silver.a, silver.b, silver.c]}", sql="SELECT id FROM silver.a"
    ),
    "after_either": CONSUMER.format(
        name="after_either",
        schedule="{any: [silver.c, {all: [silver.a, silver.b]}]}",
        sql="SELECT id FROM silver.a",
    ),
    "of_interval": CONSUMER.format(
        name="of_interval",
        schedule="{assets: [silver.c]}",
        sql="\"SELECT id FROM silver.c WHERE '{{ data_interval_start | ds }}' > '2000'\"",
    ),
    # Reads what another pipeline makes, and is not started by it.
    "reader": CONSUMER.format(name="reader", schedule="null", sql="SELECT id FROM silver.a"),
}
SPARK = {
    "orders": """\
pipeline: orders
environment: spark
tables:
  bronze.orders:
    ingest: {files: "landing/*.csv", options: {header: true}}
    columns: {id: bigint not null}
""",
    "report": """\
pipeline: report
environment: spark
schedule: {assets: [bronze.orders]}
tables:
  gold.report: {sql: SELECT count(*) AS orders FROM bronze.orders}
""",
}
NUMBERS = count()
QUIET_SECONDS = 6
"""How long nothing may happen for it to be true that nothing will."""


class Assets:
    """The pipelines above, at work."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.api = stack.api
        self.jobs = JobFolders(stack.dags / ".lake" / "jobs")

    def run(self, pipeline: str) -> Run:
        """Run a pipeline by hand, to its end."""
        day = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=next(NUMBERS))
        run = self.api.trigger(pipeline, logical_date=day)
        return self.api.wait_for_run(pipeline, run.run_id, seconds=300)

    def publish(self, pipeline: str) -> Run:
        """Run a pipeline of one table by hand; it publishes."""
        run = self.run(pipeline)
        assert run.state == "success", self.stack.task_log(pipeline, run.run_id, f"silver__{pipeline}")
        return run

    def started(self, pipeline: str, runs: int) -> list[Run]:
        """Wait until a pipeline has been started so often, and has ended."""

        def ended() -> list[Run]:
            found = [run for run in self.api.runs(pipeline) if run.state in ("success", "failed")]
            return found if len(found) >= runs else []

        return wait_until(ended, seconds=120, what=lambda: f"{runs} runs of {pipeline}: {self.api.runs(pipeline)}")

    def counts(self) -> dict[str, int]:
        """Say how often assets have started each pipeline so far."""
        return {name: len(self.api.runs(name)) for name in ("after_all", "after_any", "after_either", "of_interval")}

    def starts(self, **runs: int) -> None:
        """Wait until assets have started each consumer so often; none may be started once more."""
        wait_until(lambda: self.counts() == runs, seconds=120, what=lambda: f"{runs}, there are {self.counts()}")
        time.sleep(QUIET_SECONDS)
        assert self.counts() == runs

    def named(self, table: str) -> str:
        """Return what an asset's events are found by on this version: its name, on 2.11 the end of its URI."""
        return table.replace(".", "/") if self.stack.is_airflow_2 else f"lake.{table}"


@pytest.fixture(scope="module")
def assets(stack: Stack) -> Assets:
    (stack.dags / "lake.yaml").write_text(LAKE)
    for name, text in SPECS.items():
        (stack.dags / f"{name}.yaml").write_text(text)
    stack.start("dag-processor", "scheduler")
    stack.api.wait_for_dags(*SPECS)
    stack.api.unpause(*SPECS)
    return Assets(stack)


def test_any_starts_at_each_publish_and_all_when_there_was_one_of_each(assets: Assets) -> None:
    assets.publish("a")
    assets.starts(after_all=0, after_any=1, after_either=0, of_interval=0)
    assets.publish("b")
    assets.starts(after_all=0, after_any=2, after_either=1, of_interval=0)
    assets.publish("c")
    assets.starts(after_all=1, after_any=3, after_either=2, of_interval=1)
    for name in ("after_all", "after_any", "after_either"):
        assert {run.state for run in assets.started(name, 1)} == {"success"}
    # Two of the three are not all of them once more.
    assets.publish("a")
    assets.starts(after_all=1, after_any=4, after_either=2, of_interval=1)
    assets.publish("b")
    assets.starts(after_all=1, after_any=5, after_either=3, of_interval=1)


def test_who_reads_a_table_is_not_started_by_it(assets: Assets) -> None:
    assert assets.api.runs("reader") == []


def test_a_run_that_assets_start_works_unless_it_names_an_interval(assets: Assets) -> None:
    assets.publish("c")
    run = assets.started("of_interval", 1)[0]
    assert run.state == "failed"
    (task,) = assets.api.tasks("of_interval", run.run_id)
    assert (task.state, task.try_number) == ("failed", 1), "another try cannot mend it"
    log = assets.stack.task_log("of_interval", run.run_id, task.task_id)
    assert f"sql names the data interval, and the run {run.run_id} has none (it was started by assets" in log
    assert "Nothing was submitted" in log
    assert assets.jobs.starts("of_interval") == []
    (start, *_) = assets.jobs.starts("after_any")
    assert json.loads((start.folder / "request.json").read_bytes())["interval"] is None


def test_an_event_says_what_was_published(assets: Assets) -> None:
    before = len(assets.api.asset_events(assets.named("silver.a")))
    run = assets.publish("a")
    events = assets.api.asset_events(assets.named("silver.a"))
    assert len(events) == before + 1
    last = events[-1]
    source = (last["source_dag_id"], last["source_task_id"], last["source_run_id"])
    assert source == ("a", "silver__a", run.run_id)
    assert set(last["extra"]) >= {"snapshot_id", "rows_read", "rows_applied", "rows_unchanged", "rows_quarantined"}


def test_what_starts_what_is_the_same_in_lake_graph(assets: Assets) -> None:
    from click.testing import CliRunner

    from airflow_lake_provider.cli import lake

    done = CliRunner().invoke(lake, ["graph", str(assets.stack.dags)])
    assert done.exit_code == 0, done.output
    starts = sorted(line.strip() for line in done.stdout.splitlines() if "starts" in line)
    assert starts == sorted(
        [
            *(f"t_silver__{name} -.->|starts| p_after_all" for name in "abc"),
            *(f"t_silver__{name} -.->|starts| p_after_any" for name in "abc"),
            *(f"t_silver__{name} -.->|starts| p_after_either" for name in "abc"),
            "t_silver__c -.->|starts| p_of_interval",
        ]
    )
    if assets.stack.is_airflow_2:
        return
    found = assets.api.get("/assets?limit=100")["assets"]
    scheduled = {
        (asset["name"].removeprefix("lake."), dag["dag_id"]) for asset in found for dag in asset["scheduled_dags"]
    }
    assert scheduled == {
        *((f"silver.{name}", consumer) for name in "abc" for consumer in ("after_all", "after_any", "after_either")),
        ("silver.c", "of_interval"),
    }
    inlets = {
        (asset["name"].removeprefix("lake."), task["dag_id"]) for asset in found for task in asset["consuming_tasks"]
    }
    assert inlets >= {("silver.a", "reader"), ("silver.b", "after_all"), ("silver.c", "of_interval")}


@pytest.mark.spark
def test_on_spark_a_publish_starts_the_consumer_and_a_no_op_starts_nobody(assets: Assets, spark_python: str) -> None:
    landing = assets.stack.dags / "landing"
    landing.mkdir()
    (landing / "1.csv").write_text("id\n1\n2\nx\n")
    for name, text in SPARK.items():
        (assets.stack.dags / f"{name}.yaml").write_text(text)
    assets.api.wait_for_dags(*SPARK)
    assets.api.unpause(*SPARK)
    first = assets.run("orders")
    assert first.state == "failed", "one of three rows is more than 10 %: nothing is published"
    assert assets.api.asset_events(assets.named("bronze.orders")) == []
    (landing / "1.csv").write_text("id\n" + "".join(f"{n}\n" for n in range(20)) + "x\n")
    second = assets.run("orders")
    assert second.state == "success"
    (event,) = assets.api.asset_events(assets.named("bronze.orders"))
    (report,) = (start.report for start in assets.jobs.starts("orders", second.run_id))
    assert event["extra"] == {
        "snapshot_id": report["tables"][0]["snapshot_id"],
        "rows_read": 21,
        "rows_applied": 20,
        "rows_unchanged": 0,
        "rows_stale": 0,
        "rows_quarantined": 1,
        "rows_deduplicated": 0,
    }
    (consumed,) = assets.started("report", 1)
    assert consumed.state == "success"
    third = assets.run("orders")
    assert third.state == "success"
    assert [start.status for start in assets.jobs.starts("orders", third.run_id)] == ["no_op"]
    time.sleep(QUIET_SECONDS)
    assert len(assets.api.asset_events(assets.named("bronze.orders"))) == 1
    assert len(assets.api.runs("report")) == 1
