"""The asset example under a real scheduler: a publish starts it, and it reads what the publish told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from stack import MetadataServer, airflow_stack, wait_until

pytestmark = pytest.mark.airflow

EXAMPLES = Path(__file__).resolve().parent.parent / "example_dags"
# No Spark: what starts whom is asked here, what a publish is elsewhere.
LAKE_YAML = "environments: {local: {engines: {default: {type: in_memory}}}}\n"


def test_a_publish_starts_the_consumer_with_what_it_told(metadata_server: MetadataServer) -> None:
    with airflow_stack(metadata_server) as stack:
        for name in ("lake_operators.py", "lake_on_publish.py"):
            shutil.copy(EXAMPLES / name, stack.dags / name)
        shutil.copytree(EXAMPLES / "sql", stack.dags / "sql")
        (stack.dags / "lake.yaml").write_text(LAKE_YAML)
        stack.api.wait_for_dags("lake_operators", "lake_on_publish")
        stack.api.unpause("lake_operators", "lake_on_publish")
        made = stack.api.trigger("lake_operators")
        assert stack.api.wait_for_run("lake_operators", made.run_id).state == "success"
        (run,) = wait_until(lambda: stack.api.runs("lake_on_publish"), seconds=60, what="a run of the consumer")
        assert run.run_type == "asset_triggered"
        assert stack.api.wait_for_run("lake_on_publish", run.run_id).state == "success"
        (event,) = stack.api.asset_events("gold.revenue_by_day")
        assert set(event["extra"]) >= {"snapshot_id", "rows_read", "rows_applied"}
        told = {str(event["extra"]["snapshot_id"]): event["extra"]["rows_applied"]}
        assert stack.api.result("lake_on_publish", run.run_id, "read_events") == told
