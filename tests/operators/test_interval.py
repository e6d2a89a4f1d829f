"""Which interval a run has, by how it was started."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import CronDataIntervalTimetable
from airflow.sdk.exceptions import AirflowFailException

from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.operators import LakeIngestOperator
from airflow_lake_provider.protocol import IngestStep

DAILY = CronDataIntervalTimetable("0 0 * * *", timezone="UTC")
RUN_AFTER = datetime(2026, 3, 8, 15, 30, tzinfo=UTC)


def started(run_type: Any, partition_key: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(run_type=run_type, run_after=RUN_AFTER, partition_key=partition_key)


@pytest.fixture
def ingest(task_run: Callable[..., Any]) -> Callable[..., Any]:
    def make(schedule: Any = DAILY, files: str = "landing/{{ data_interval_start | ds }}.csv") -> Any:
        run = task_run(LakeIngestOperator, schedule=schedule, table="bronze.orders", files=files)
        run.variables = {}
        return run

    return make


def files(engine: InMemoryEngine) -> str:
    step = engine.requests[0].tables[0].steps[0]
    assert isinstance(step, IngestStep)
    return step.files[0].rpartition("/")[2]


@pytest.mark.parametrize("run_type", ["manual", SimpleNamespace(value="manual")], ids=["as text", "as an enum"])
def test_a_manual_run_takes_the_last_complete_interval(
    run_type: Any, ingest: Callable[..., Any], engine: InMemoryEngine
) -> None:
    run = ingest()
    run.dag_run = started(run_type)
    run.run()
    assert files(engine) == "2026-03-07.csv"
    request = engine.requests[0]
    assert request.interval is not None
    assert request.interval.key == "2026-03-07T00:00:00+00:00/2026-03-08T00:00:00+00:00"
    assert request.logical_date == "2026-03-07T00:00:00+00:00"


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("{{ ds }}", "2026-03-07"),
        ("{{ ds_nodash }}", "20260307"),
        ("{{ ts_nodash }}", "20260307T000000"),
        ("{{ logical_date | ds }}", "2026-03-07"),
        ("{{ data_interval_end | ds }}", "2026-03-08"),
        ("{{ data_interval_start.add(days=1) | ds }}", "2026-03-08"),
        ("{{ dag_id }}", "orders"),
    ],
)
def test_templates_see_what_they_see_in_the_scheduled_run(
    template: str, rendered: str, ingest: Callable[..., Any], engine: InMemoryEngine
) -> None:
    run = ingest(files=f"landing/{template}.csv")
    run.dag_run = started("manual")
    run.run()
    assert files(engine) == f"{rendered}.csv"


def test_a_run_that_has_an_interval_keeps_it(ingest: Callable[..., Any], engine: InMemoryEngine) -> None:
    run = ingest()
    run.dag_run = started("manual")
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    run.variables = {"data_interval_start": start, "data_interval_end": end}
    run.run()
    assert files(engine) == "2026-01-01.csv"


@pytest.mark.parametrize(
    ("dag_run", "schedule"),
    [
        pytest.param(started("asset_triggered"), DAILY, id="started by assets"),
        pytest.param(started("manual", partition_key="2026-03-07"), DAILY, id="for a partition"),
        pytest.param(started("manual"), None, id="by hand, without a schedule"),
    ],
)
def test_a_template_of_the_interval_fails_a_run_that_has_none_before_the_submit(
    dag_run: Any, schedule: Any, ingest: Callable[..., Any], engine: InMemoryEngine
) -> None:
    run = ingest(schedule)
    run.dag_run = dag_run
    with pytest.raises(AirflowFailException, match="files names the data interval, and the run manual__1 has none"):
        run.run()
    assert engine.requests == []


def test_a_run_without_an_interval_may_do_what_names_none(ingest: Callable[..., Any], engine: InMemoryEngine) -> None:
    run = ingest(None, files="landing/*.csv")
    run.dag_run = started("manual")
    run.run()
    assert (engine.requests[0].interval, engine.requests[0].logical_date) == (None, None)


def test_what_airflow_2_makes_up_for_a_run_that_datasets_started_is_no_interval(
    ingest: Callable[..., Any], engine: InMemoryEngine
) -> None:
    made_up = {"data_interval_start": RUN_AFTER, "data_interval_end": RUN_AFTER, "logical_date": RUN_AFTER}
    run = ingest(None)
    run.dag_run, run.variables = started("dataset_triggered"), dict(made_up)
    with pytest.raises(AirflowFailException, match="files names the data interval, and the run manual__1 has none"):
        run.run()
    assert engine.requests == []
    run = ingest(None, files="landing/*.csv")
    run.dag_run, run.variables = started("dataset_triggered"), dict(made_up)
    run.run()
    assert engine.requests[0].interval is None
