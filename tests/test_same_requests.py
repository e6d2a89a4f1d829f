"""The same spec asks for the same work by ``lake run`` and by Airflow: their requests are compared, field by field."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_lake_provider.cli.sample import SPEC, sample_project
from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.factory import build_dag
from airflow_lake_provider.plan import PipelinePlan, plan_pipeline
from airflow_lake_provider.protocol import DataInterval, JobRequest, Provenance, TableRequest, TaskIdentity, to_json
from airflow_lake_provider.runs import run_pipeline

ROOT = Path(__file__).resolve().parent.parent
OUTLINES = ROOT / "tests" / "plan" / "outlines"
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
INTERVAL = DataInterval(start="2026-01-01T00:00:00+00:00", end="2026-01-02T00:00:00+00:00")
LOG = logging.getLogger("test")

LAKE = """\
default_environment: dev
environments:
  dev:
    namespace_prefix: dev_
    catalog: {name: other}
    variables: {min_rows: 5}
    spark_conf: {spark.sql.shuffle.partitions: 4, spark.x: "y"}
    engine_options: {labels: {team: lake, cost: 1}}
    engines:
      heavy: {type: spark_submit, master: "spark://m:7077"}
resource_profiles:
  tiny: {driver_memory: 1g, spark_conf: {spark.y: z}, engine_options: {labels: {cost: 2}}}
defaults: {retries: 2, retry_delay: 1m}
layers:
  staging: {like: silver, spark_conf: {spark.layer: staging}}
"""
BASE = """\
schedule: "@daily"
start_date: 2026-01-01
external: [crm.customers]
defaults: {owner: base, resource_profile: tiny}
params: {country: DE}
"""
RICH = """\
pipeline: rich
extends: base.yaml
variables: {min_rows: 1, key: [id, day]}
layers: {mart: {like: gold, engine: heavy, spark_conf: {spark.x: null}}}
tables:
  bronze.orders:
    ingest:
      files: ["landing/{{ data_interval_start | ds }}/*.csv", "more/*.csv"]
      options: {header: true, sep: ";"}
      recursive: true
      on_empty: skip
      on_replaced: append
      files_per_run: 5
      metadata_columns: [_source_file, _run_id]
    columns: {id: bigint not null, day: date, amount: {type: "decimal(10,2)", rule: "amount >= 0", description: Euros}}
    quarantine: {table: bad_orders, max: 5%}
  staging.orders:
    description: Orders of {{ params.country }}
    sql_file: sql/orders.sql
    unique_key: ${key}
    partition_by: [month(day), "bucket(4, id)"]
    write: {strategy: merge, sequence_by: amount, delete_when: amount = 0, mode: merge_on_read}
    checks:
      - row_count > ${min_rows}
      - "missing_count(id) = 0": {on_fail: warn, name: all}
      - failed rows: {name: known, fail query: "SELECT o.* FROM staging.orders o JOIN crm.customers c ON c.id = o.id"}
    properties: {write.format.default: parquet, format-version: 2, gone: null}
    engine_options: {labels: {team: null, own: {deep: [1, "{{ ds }}"]}}}
    depends_on: bronze.orders
  silver.append:
    sql: SELECT * FROM staging.orders WHERE day = '{{ data_interval_start | ds }}' AND n = '$${x}'
    write: append
  mart.by_function:
    python: functions.py:make
    unique_key: id
    write: {strategy: merge, when_not_matched_by_source: {soft_delete: gone}}
  gold.quiet:
    sql: SELECT * FROM mart.by_function JOIN bronze.bad_orders USING (id)
    quarantine: true
    engine: default
    resource_profile: large
"""
FUNCTION = """\
import helper


def make(staging__orders, crm__customers, context, spark):
    return helper.joined(staging__orders, crm__customers)
"""


def rich(folder: Path) -> Path:
    files = {
        "lake.yaml": LAKE, "base.yaml": BASE, "rich.yaml": RICH, "functions.py": FUNCTION,
        "helper.py": "def joined(one, two):\n    return one.join(two, 'id')\n",
        "sql/orders.sql": "SELECT *, '{{ run_id }}' AS run, '{{ ts }}' AS ts\nFROM bronze.orders\n",
    }  # fmt: skip
    (folder / "sql").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder / "rich.yaml"


def by_lake_run(plan: PipelinePlan) -> tuple[list[JobRequest], list[dict[str, Any]]]:
    with InMemoryEngine.installed() as engine:
        document = run_pipeline(plan, log=LOG, interval=INTERVAL, isolated=True, poll_interval=0.01)
    assert document["status"] == "success"
    return engine.requests, engine.options


def by_airflow(plan: PipelinePlan, run_id: str) -> tuple[list[JobRequest], list[dict[str, Any]]]:
    """Execute the DAG's tasks as a worker does, but for Airflow's own part: no database, no API server."""
    dag = build_dag(plan)
    dag.fileloc = str(plan.source.parent / "lake_dags.py")
    dag_run = SimpleNamespace(run_type="scheduled", run_after=END, partition_key=None)
    with InMemoryEngine.installed() as engine:
        for table in plan.tables:
            task = dag.get_task(table.task_id).prepare_for_execution()
            task.poll_interval = 0.01
            context = {
                "ti": SimpleNamespace(
                    dag_id=dag.dag_id, task_id=task.task_id, try_number=1, max_tries=0, map_index=-1,
                    xcom_push=lambda key, value: None,
                ),
                "dag": dag, "task": task, "run_id": run_id, "dag_run": dag_run, "params": dag.params.dump(),
                "outlet_events": OutletEventAccessors(), "data_interval_start": START, "data_interval_end": END,
                "logical_date": START, "ds": "2026-01-01", "ds_nodash": "20260101", "ts": START.isoformat(),
            }  # fmt: skip
            task.render_template_fields(context)
            task.execute(context)
    return engine.requests, engine.options


def essence(request: JobRequest) -> JobRequest:
    """Leave out who asks, and for which attempt; the upstream tables of a job are those in it, and each has one."""
    return replace(
        request,
        request_id="",
        task=TaskIdentity(dag_id=request.task.dag_id, run_id="", task_id=request.task.task_id),
        report_uri="",
        tables=tuple(without_upstream(table) for table in request.tables),
        provenance=Provenance(spec_sha256=request.provenance.spec_sha256),
    )


def without_upstream(table: TableRequest) -> TableRequest:
    return replace(table, upstream=())


def sample(folder: Path) -> Path:
    """Write the project of ``lake init``."""
    for name, text in sample_project().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / SPEC


def copied(path: Path) -> Callable[[Path], Path]:
    """Return what copies a spec with all that lies beside it."""

    def write(folder: Path) -> Path:
        shutil.copytree(path.parent, folder / "project", ignore=shutil.ignore_patterns(".lake", "*.txt"))
        return folder / "project" / path.name

    return write


SPECS: Mapping[str, Callable[[Path], Path]] = {
    "rich": rich,
    "sample": sample,
    "flights": copied(ROOT / "dag_specs" / "flights.yaml"),
    **{path.stem: copied(path) for path in sorted(OUTLINES.glob("*.yaml"))},
}


@pytest.mark.parametrize("name", SPECS)
def test_both_ask_for_the_same(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)
    monkeypatch.delenv("LAKE_ENV", raising=False)
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "home"))
    run_id = "manual__2026-01-01T00:00:00+00:00"
    monkeypatch.setattr("airflow_lake_provider.runs.pipeline.datetime", Frozen)
    # One of the specs leaves a parameter to whoever starts it.
    overrides = ["params.all=true"] if name == "durations" else []
    plan = plan_pipeline(SPECS[name](tmp_path), overrides=overrides)
    here, here_options = by_lake_run(plan)
    shutil.rmtree(tmp_path / "home")  # or the second would be a retry of the first, and go on where it was
    there, there_options = by_airflow(plan, run_id)
    assert [request.tables[0].table for request in here] == [table.table for table in plan.tables]
    for one, other in zip(here, there, strict=True):
        assert json.loads(to_json(essence(other))) == json.loads(to_json(essence(one)))
    assert there_options == here_options
    assert {table.spec_sha256 for request in here for table in request.tables}.isdisjoint({""})


class Frozen(datetime):
    """A clock that stands, so that both runs have one name and `{{ run_id }}` is the same."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return START
