"""The pipelines of the scenarios: one small table each, whose transform waits at a gate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from stack import Gates

LAKE = """\
environments:
  local:
    engines:
      default: &small
        type: local
        master: "local[1]"
        driver_memory: 512m
        spark_conf: {spark.sql.shuffle.partitions: "1", spark.ui.enabled: "false"}
      deferred:
        <<: *small
        deferrable: true
defaults: {retries: 1, retry_delay: 1s}
"""
LOADER = '''\
"""The DAGs of all specs; and workers that wait at a gate where their log says where they are."""

import logging

from airflow_lake_provider import load_lake_dags
from gates import GATES, wait_at


class Moments(logging.Filter):
    def filter(self, record):
        said = record.getMessage()
        for held in GATES.glob("*.held"):
            dag_id, moment = held.name.split(".")[:2]
            if said.startswith(moment) and f"/{dag_id}/" in said:
                held.unlink()
                wait_at(f"{dag_id}.{moment}")
        return True


logging.getLogger("airflow.task.operators.lake").addFilter(Moments())
load_lake_dags(globals())
'''
BY_HAND = '''\
"""A DAG whose worker waits at a gate before the operator does anything."""

from datetime import timedelta

from airflow_lake_provider import LakeTransformOperator
from airflow_lake_provider.compat import DAG
from gates import wait_at

with DAG("killed_before_request", schedule=None, catchup=False):
    LakeTransformOperator(
        task_id="silver__killed_before_request",
        table="silver.killed_before_request",
        sql="SELECT id FROM range(2)",
        unique_key="id",
        retries=1,
        retry_delay=timedelta(seconds=1),
        pre_execute=lambda context: wait_at("killed_before_request"),
    )
'''
ROWS = '''\
"""Two rows of each interval, as soon as the gate is open; a file makes the function fail."""

from gates import GATES, wait_at
from pyspark.sql import functions as F


def rows(spark, context):
    wait_at(context.dag_id)
    start = context.data_interval_start
    names = [context.dag_id, f"{context.dag_id}.{start.year}" if start else context.dag_id]
    if any((GATES / f"{name}.fails").exists() for name in names):
        raise OSError("the file is there")
    return spark.range(2).select("id", F.lit(start.date() if start else None).cast("date").alias("day"))
'''
SPEC = """\
pipeline: {key}
{dag}
tables:
  silver.{key}:
    python: rows.py:rows
    unique_key: [id{day}]
    {table}
"""
DAILY = 'schedule: "@daily"\nstart_date: 2026-01-01\n'
# No interval is complete that begins after this start: the scheduler makes no run, only people do.
BY_PEOPLE = f'schedule: "@yearly"\nstart_date: {datetime.now(UTC) - timedelta(days=2):%Y-%m-%d}\n'
DEFERRED = "engine: deferred"
REPROCESS = ("reprocess_none", "reprocess_failed", "reprocess_completed")

_DAG = {
    "dagrun_timeout": "dagrun_timeout: 1m15s",
    "one_active_run": DAILY + "end_date: 2026-01-03\ncatchup: true",
    "three_active_runs": DAILY + "end_date: 2026-01-03\ncatchup: true\nmax_active_runs: 3",
    "catchup": DAILY + "end_date: 2026-01-03\ncatchup: true",
    # Three years behind; with an end date in the past, Airflow 3 makes no run at all.
    **dict.fromkeys(
        ("no_catchup", "without_date", "twice_in_interval"),
        f'schedule: "@yearly"\nstart_date: {datetime.now(UTC).year - 3}-01-01',
    ),
    "paused": DAILY + "end_date: 2026-01-02\ncatchup: true",
    **dict.fromkeys(("with_date", "backfill", "backfill_backwards", *REPROCESS), BY_PEOPLE),
}
_TABLE = {
    "execution_timeout": "execution_timeout: 45s\n    retries: 0",
    "deferred_execution_timeout": "execution_timeout: 45s\n    retries: 0",
    **dict.fromkeys(REPROCESS, "retries: 0"),
}
_WHOLE = {
    "deferred_slot": """\
pipeline: deferred_slot
defaults: {engine: deferred, pool: one_slot_deferred, unique_key: [id]}
tables:
  silver.deferred_slot: {python: "rows.py:rows"}
  silver.deferred_slot_b: {python: "rows.py:rows"}
""",
    "pool_of_one": """\
pipeline: pool_of_one
defaults: {pool: one_slot, unique_key: id}
tables:
  silver.pool_of_one: {sql: SELECT id FROM range(1)}
  silver.pool_of_one_b: {sql: SELECT id FROM range(2)}
  silver.pool_of_one_c: {sql: SELECT id FROM range(3)}
""",
    "conf": """\
pipeline: conf
params: {n: 2}
tables:
  silver.conf:
    sql: SELECT id FROM range({{ params.n }} + {{ dag_run.conf['more'] }})
    unique_key: id
""",
    "full_refresh": """\
pipeline: full_refresh
params: {n: 3}
tables:
  silver.full_refresh:
    sql: SELECT id FROM range({{ params.n }})
    unique_key: id
""",
}


def write_pipelines(dags: Path, gates: Gates, keys: list[str]) -> None:
    """Write the project of the scenarios into a DAGs folder."""
    gates.write_module(dags)
    (dags / "lake.yaml").write_text(LAKE)
    (dags / ".airflowignore").write_text("gates.py\nrows.py\n")
    (dags / "rows.py").write_text(ROWS)
    (dags / "lake_dags.py").write_text(LOADER)
    for key in keys:
        if key == "killed_before_request":
            (dags / "by_hand.py").write_text(BY_HAND)
        else:
            (dags / f"{key}.yaml").write_text(_spec(key))


def _spec(key: str) -> str:
    if key in _WHOLE:
        return _WHOLE[key]
    dag = _DAG.get(key, "")
    table = "\n    ".join(filter(None, [_TABLE.get(key), DEFERRED if key.startswith("deferred_") else None]))
    return SPEC.format(key=key, dag=dag, table=table, day=", day" if "schedule" in dag else "")
