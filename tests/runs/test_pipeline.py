from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.engines import InMemoryEngine, Status
from airflow_lake_provider.exceptions import EngineNotInstalled, SpecError
from airflow_lake_provider.plan import PipelinePlan, plan_pipeline
from airflow_lake_provider.protocol import (
    DataInterval,
    IngestStep,
    JobRequest,
    LocalStore,
    Rows,
    TableReport,
    TransformStep,
)
from airflow_lake_provider.protocol.store import DELIVERED
from airflow_lake_provider.runs import run_pipeline

SPEC = """\
pipeline: shop
schedule: "@daily"
start_date: 2026-01-01
end_date: 2026-01-03
params: {country: DE}
tables:
  bronze.orders:
    ingest: {files: "in/{{ data_interval_start | ds }}.csv"}
  silver.orders:
    sql: SELECT * FROM bronze.orders WHERE country = '{{ params.country }}'
    unique_key: id
  gold.other:
    sql: SELECT 1 AS one
    spark_conf: {spark.sql.shuffle.partitions: 3}
"""
LOG = logging.getLogger("test")


@pytest.fixture
def plan(tmp_path: Path) -> PipelinePlan:
    (tmp_path / "shop.yaml").write_text(SPEC)
    return plan_pipeline(tmp_path / "shop.yaml")


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {entry["table"]: entry["status"] for entry in document["tables"]}


def test_all_tables_are_one_job_in_dependency_order(plan: PipelinePlan) -> None:
    engine = InMemoryEngine()
    document = run_pipeline(plan, log=LOG, engine=engine)
    (request,) = engine.requests
    assert [table.table for table in request.tables] == ["bronze.orders", "silver.orders", "gold.other"]
    assert (request.task.dag_id, request.task.task_id, request.task.run_id) == ("shop", "lake_run", document["run_id"])
    assert request.tables[1].upstream == ("bronze.orders",)
    assert document["run_id"].startswith("manual__20")
    assert (document["pipeline"], document["status"]) == ("shop", "success")
    assert set(statuses(document).values()) == {"published"}


def test_templates_are_rendered_for_the_last_interval(plan: PipelinePlan, tmp_path: Path) -> None:
    engine = InMemoryEngine()
    run_pipeline(plan, log=LOG, engine=engine)
    (request,) = engine.requests
    assert request.interval == DataInterval("2026-01-03T00:00:00+00:00", "2026-01-04T00:00:00+00:00")
    assert request.logical_date == request.interval.start
    ingest, transform = request.tables[0].steps[0], request.tables[1].steps[0]
    assert isinstance(ingest, IngestStep)
    assert ingest.files == (f"{tmp_path}/in/2026-01-03.csv",)
    assert isinstance(transform, TransformStep)
    assert transform.sql.endswith("country = 'DE'")
    assert not transform.names_interval


def test_interval_may_be_given(plan: PipelinePlan) -> None:
    engine = InMemoryEngine()
    interval = DataInterval("2025-12-31T00:00:00+00:00", "2026-01-01T00:00:00+00:00")
    run_pipeline(plan, log=LOG, engine=engine, interval=interval)
    assert engine.requests[0].interval == interval


def test_failed_table_takes_its_dependants_along_and_no_others(plan: PipelinePlan) -> None:
    engine = InMemoryEngine(outcomes={"bronze.orders": ValueError("no such file")})
    document = run_pipeline(plan, log=LOG, engine=engine)
    assert document["status"] == "failed"
    assert statuses(document) == {
        "bronze.orders": "failed",
        "silver.orders": "upstream_failed",
        "gold.other": "published",
    }
    assert document["tables"][0]["error"] == {"type": "ValueError", "message": "no such file"}


def test_isolated_run_is_one_job_per_table_with_the_same_end(plan: PipelinePlan) -> None:
    told: list[tuple[str, str]] = []
    engine = InMemoryEngine(outcomes={"bronze.orders": ValueError("no such file")})
    document = run_pipeline(
        plan, log=LOG, engine=engine, isolated=True, on_table=lambda t: told.append((t.table, t.status))
    )
    assert [request.task.task_id for request in engine.requests] == ["bronze__orders", "gold__other"]
    assert statuses(document) == {
        "bronze.orders": "failed",
        "silver.orders": "upstream_failed",
        "gold.other": "published",
    }
    assert told == list(statuses(document).items())
    together = run_pipeline(plan, log=LOG, engine=InMemoryEngine(outcomes=engine.outcomes))
    errors = [[table["error"] for table in one["tables"]] for one in (document, together)]
    assert errors[0] == errors[1]
    assert errors[0][1] == {"type": "UpstreamFailed", "message": "not run, because bronze.orders did not succeed"}


@pytest.mark.parametrize("isolated", [True, False])
def test_what_stands_on_a_skipped_table_is_skipped_and_the_run_is_good(plan: PipelinePlan, isolated: bool) -> None:
    skipped = TableReport(table="bronze.orders", status="skipped")
    engine = InMemoryEngine(outcomes={"bronze.orders": skipped})
    document = run_pipeline(plan, log=LOG, engine=engine, isolated=isolated)
    assert statuses(document) == {"bronze.orders": "skipped", "silver.orders": "skipped", "gold.other": "published"}
    assert document["status"] == "success"


def test_chosen_tables_run_without_what_they_stand_on(plan: PipelinePlan) -> None:
    engine = InMemoryEngine()
    document = run_pipeline(plan, log=LOG, engine=engine, tables=["silver.orders"])
    assert statuses(document) == {"silver.orders": "published"}
    assert engine.requests[0].tables[0].upstream == ()


def test_unknown_table_is_named_with_those_there_are(plan: PipelinePlan) -> None:
    with pytest.raises(SpecError, match=r"shop has no table silver.order; it has: bronze.orders, gold.other, silver"):
        run_pipeline(plan, log=LOG, engine=InMemoryEngine(), tables=["silver.order"])


def test_spark_conf_of_the_tables_reaches_the_job(plan: PipelinePlan) -> None:
    engine = InMemoryEngine()
    run_pipeline(plan, log=LOG, engine=engine)
    assert engine.requests[0].spark_conf == {"spark.sql.shuffle.partitions": "3"}


def test_full_refresh_reaches_the_tables(plan: PipelinePlan) -> None:
    engine = InMemoryEngine()
    run_pipeline(plan, log=LOG, engine=engine, tables=["gold.other"], full_refresh=True)
    assert engine.requests[0].tables[0].full_refresh


def test_full_refresh_of_what_names_the_interval_is_refused(plan: PipelinePlan) -> None:
    engine = InMemoryEngine()
    with pytest.raises(SpecError, match="backfill"):
        run_pipeline(plan, log=LOG, engine=engine, full_refresh=True)
    assert engine.requests == []


def test_job_that_is_lost_fails_every_table_with_its_reason(plan: PipelinePlan) -> None:
    document = run_pipeline(plan, log=LOG, engine=InMemoryEngine(ends=Status.LOST))
    assert set(statuses(document).values()) == {"failed"}
    assert "was lost" in document["tables"][0]["error"]["message"]


def test_good_run_is_delivered(plan: PipelinePlan) -> None:
    document = run_pipeline(plan, log=LOG, engine=InMemoryEngine())
    place = document["tables"][0]["report_uri"].rpartition("/")[0]
    assert DELIVERED in LocalStore().documents(place)


def test_counts_are_those_of_the_report(plan: PipelinePlan) -> None:
    def counted(request: JobRequest) -> TableReport:
        return TableReport(table="", status="published", rows=Rows(rows_read=5, rows_applied=4, rows_quarantined=1))

    document = run_pipeline(plan, log=LOG, engine=InMemoryEngine(outcomes={"gold.other": counted}))
    entry = document["tables"][2]
    assert (entry["rows_read"], entry["rows_applied"], entry["rows_quarantined"], entry["rows_written"]) == (
        5,
        4,
        1,
        None,
    )


def test_engine_comes_from_the_environment(plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LAKE_SPARK_PYTHON", raising=False)
    with pytest.raises(EngineNotInstalled, match="lake spark install"):
        run_pipeline(plan, log=LOG)
    with InMemoryEngine.installed() as engine:
        run_pipeline(plan, log=LOG)
    assert len(engine.requests) == 1
