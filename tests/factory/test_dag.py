from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, AssetAll, AssetAny, CronDataIntervalTimetable, DeltaDataIntervalTimetable
from airflow.sdk.exceptions import AirflowFailException

from airflow_lake_provider.factory import build_dag
from airflow_lake_provider.operators import LakeIngestOperator, LakeTransformOperator
from airflow_lake_provider.plan import plan_pipeline

ORDERS = """\
pipeline: orders
description: Orders of the shop
doc: See the file README.md
schedule: 30 6 * * *
timezone: Europe/Berlin
start_date: 2026-01-01
end_date: 2026-02-01
catchup: true
max_active_runs: 3
tags: [shop, daily]
owner: sales
params: {least: 10}
dagrun_timeout: 2h
external: [crm.customers]
defaults: {retries: 2, retry_delay: 1m}
tables:
  bronze.orders:
    description: Orders as delivered
    owner: imports
    ingest: {files: "landing/{{ data_interval_start | ds }}.csv", options: {header: true}}
    spark_conf: {spark.sql.shuffle.partitions: 4}
  silver.orders:
    sql: SELECT o.*, c.name FROM bronze.orders o JOIN crm.customers c ON c.id = o.customer
    columns: {id: bigint not null, day: date, name: string}
    unique_key: id
    partition_by: [month(day)]
    checks: [row_count > 0, "missing_count(name) = 0": {on_fail: warn}]
    execution_timeout: 1h30m
    pool: spark
  gold.orders_by_day:
    sql: SELECT day, count(*) AS orders FROM silver.orders GROUP BY day
"""


TABLE = "tables: {silver.a: {sql: 'SELECT * FROM crm.customers', unique_key: id}}\n"


@pytest.fixture
def build(write_spec: Callable[..., Path]) -> Callable[..., DAG]:
    def make(text: str = ORDERS) -> DAG:
        return build_dag(plan_pipeline(write_spec("orders", text)))

    return make


def spec(schedule: str, more: str = "") -> str:
    return f"""\
pipeline: orders
schedule: {schedule}
{more}
tables:
  bronze.orders:
    ingest: {{files: landing/orders.csv}}
"""


def test_the_pipelines_keys_are_the_dags(build: Callable[..., DAG]) -> None:
    dag = build()
    assert dag.dag_id == "orders"
    assert dag.description == "Orders of the shop"
    assert dag.timetable == CronDataIntervalTimetable("30 6 * * *", timezone="Europe/Berlin")
    assert dag.start_date == datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert dag.end_date == datetime(2026, 1, 31, 23, tzinfo=UTC)
    assert (dag.catchup, dag.max_active_runs, dag.dagrun_timeout) == (True, 3, timedelta(hours=2))
    assert dag.tags == {"shop", "daily"}
    assert dict(dag.params) == {"least": 10, "lake_full_refresh": False}


def test_each_table_is_a_task_in_the_order_of_the_lineage(build: Callable[..., DAG]) -> None:
    dag = build()
    assert {task.task_id: (type(task), task.upstream_task_ids) for task in dag.tasks} == {
        "bronze__orders": (LakeIngestOperator, set()),
        "silver__orders": (LakeTransformOperator, {"bronze__orders"}),
        "gold__orders_by_day": (LakeTransformOperator, {"silver__orders"}),
    }


def test_a_tables_keys_are_the_tasks(build: Callable[..., DAG], folder: Path) -> None:
    dag = build()
    ingest: Any = dag.get_task("bronze__orders")
    assert (ingest.table, ingest.files, ingest.format) == (
        "bronze.orders",
        ["landing/{{ data_interval_start | ds }}.csv"],
        "csv",
    )
    assert (ingest.environment, ingest.engine, ingest.project_dir) == ("local", "default", str(folder))
    assert ingest.spark_conf == {"spark.sql.shuffle.partitions": "4"}
    assert (ingest.retries, ingest.retry_delay, ingest.owner) == (2, timedelta(minutes=1), "imports")
    transform: Any = dag.get_task("silver__orders")
    assert transform.sql.startswith("SELECT o.*, c.name")
    assert transform.unique_key == ["id"]
    assert transform.partition_by == ["month(day)"]
    assert transform.checks == ["row_count > 0", {"missing_count(name) = 0": {"on_fail": "warn"}}]
    assert (transform.execution_timeout, transform.pool, transform.owner) == (timedelta(minutes=90), "spark", "sales")


def test_tables_of_others_are_inlets_and_tables_of_its_own_are_not(build: Callable[..., DAG]) -> None:
    dag = build()
    assert dag.get_task("silver__orders").inlets == [
        Asset(name="lake.crm.customers", uri="iceberg://lake/crm/customers")
    ]
    assert dag.get_task("gold__orders_by_day").inlets == []


def test_docs_are_raw_text_and_never_the_name_of_a_file(
    build: Callable[..., DAG], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "See the file README.md").write_text("the file's text")
    dag = build()
    assert dag.doc_md == "See the file README.md\n"
    assert str(dag.get_task("bronze__orders").doc_md).startswith("Orders as delivered\n")


@pytest.mark.parametrize(
    ("schedule", "timetable"),
    [
        ('"@daily"', CronDataIntervalTimetable("0 0 * * *", timezone="UTC")),
        ("0 */6 * * *", CronDataIntervalTimetable("0 */6 * * *", timezone="UTC")),
        ("6h", DeltaDataIntervalTimetable(timedelta(hours=6))),
    ],
)
def test_a_schedule_in_time_gives_runs_a_real_interval(
    schedule: str, timetable: Any, build: Callable[..., DAG]
) -> None:
    assert build(spec(schedule, "start_date: 2026-01-01")).timetable == timetable


def test_without_a_schedule_nothing_runs_by_itself(build: Callable[..., DAG]) -> None:
    dag = build(spec("null"))
    assert (dag.schedule, dag.catchup, dag.start_date) == (None, False, None)


def test_catchup_is_off_unless_asked_for_whatever_airflow_is_set_to(
    build: Callable[..., DAG], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__SCHEDULER__CATCHUP_BY_DEFAULT", "True")
    assert build(spec('"@daily"', "start_date: 2026-01-01")).catchup is False


def test_an_unknown_name_in_a_template_is_an_error_and_not_an_empty_text(build: Callable[..., DAG]) -> None:
    text = ORDERS.replace("{{ data_interval_start | ds }}", "{{ params.nobody }}")
    task: Any = build(text).get_task("bronze__orders")
    with pytest.raises(AirflowFailException, match="bronze__orders: a template cannot be rendered: 'params' is"):
        task.render_template_fields({"dag": task.dag, "run_id": "r"})


def test_every_dag_passes_airflows_own_validation(build: Callable[..., DAG]) -> None:
    dag = build()
    assert dag.validate() is None
    assert dag.task_dict


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("{assets: [crm.customers]}", AssetAll),
        ("{all: [crm.customers, erp.items]}", AssetAll),
        ("{any: [crm.customers, erp.items]}", AssetAny),
    ],
)
def test_a_schedule_by_assets_waits_for_the_tables_assets(
    build: Callable[..., DAG], schedule: str, expected: type
) -> None:
    dag = build(f"pipeline: p\nschedule: {schedule}\nexternal: [crm.customers, erp.items]\n{TABLE}")
    condition = dag.timetable.asset_condition
    assert type(condition) is expected
    assert condition.objects[0] == Asset(name="lake.crm.customers", uri="iceberg://lake/crm/customers")


def test_conditions_nest_and_other_assets_go_by_their_uri(build: Callable[..., DAG]) -> None:
    schedule = "{any: [crm.customers, {all: [erp.items, 's3://other/ready']}]}"
    dag = build(f"pipeline: p\nschedule: {schedule}\nexternal: [crm.customers, erp.items]\n{TABLE}")
    first, both = dag.timetable.asset_condition.objects
    assert first.name == "lake.crm.customers"
    assert isinstance(both, AssetAll)
    assert [asset.uri for asset in both.objects] == ["iceberg://lake/erp/items", "s3://other/ready"]


@pytest.mark.parametrize("preset", ["@once", "@continuous"])
def test_a_preset_without_a_cron_is_airflows_own(build: Callable[..., DAG], preset: str) -> None:
    dag = build(f'pipeline: p\nschedule: "{preset}"\nstart_date: 2026-01-01\nexternal: [crm.customers]\n{TABLE}')
    assert type(dag.timetable).__name__ == {"@once": "OnceTimetable", "@continuous": "ContinuousTimetable"}[preset]
    assert dag.validate() is None


def test_a_function_is_looked_for_from_the_file_that_names_it(
    build: Callable[..., DAG], folder: Path, write_spec: Callable[..., Path]
) -> None:
    (folder / "shared").mkdir()
    (folder / "lake.yaml").write_text("")
    (folder / "shared" / "days.py").write_text("def build(crm__customers):\n    return crm__customers\n")
    write_spec("", "tables: {gold.days: {python: 'days.py:build'}}\n", at="shared/base.yaml")
    (folder / "shared" / "lake.yaml").write_text("")
    dag = build("pipeline: p\nextends: shared/base.yaml\nexternal: [crm.customers]\n")
    task = dag.get_task("gold__days")
    assert task.folder == folder / "shared"
    assert task.project_dir == str(folder), "the project is the spec's; another may begin beside the file"
