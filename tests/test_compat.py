from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_lake_provider.compat import (
    CronDataIntervalTimetable,
    DeltaDataIntervalTimetable,
    find_connection,
    last_complete_interval,
)
from airflow_lake_provider.engines import Connection
from airflow_lake_provider.exceptions import EngineError

DAILY = CronDataIntervalTimetable("0 0 * * *", timezone="UTC")
PARIS = CronDataIntervalTimetable("0 0 * * *", timezone="Europe/Paris")
SIX_HOURS = DeltaDataIntervalTimetable(timedelta(hours=6))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def interval(schedule: Any, before: str, *, start: str | None = "2026-01-01", end: str | None = None) -> Any:
    dag = DAG(
        "orders",
        schedule=schedule,
        start_date=at(start) if start else None,
        end_date=at(end) if end else None,
        catchup=False,
    )
    found = last_complete_interval(dag, at(before))
    return tuple(moment.strftime("%Y-%m-%dT%H:%M:%S.%f %Z") for moment in found) if found else None


def span(start: str, end: str) -> tuple[str, str]:
    return f"{start}.000000 UTC", f"{end}.000000 UTC"


def test_a_cron_gives_its_last_whole_period() -> None:
    assert interval(DAILY, "2026-01-05T07:30:00.5") == span("2026-01-04T00:00:00", "2026-01-05T00:00:00")


def test_a_period_that_ends_at_that_very_moment_is_complete() -> None:
    assert interval(DAILY, "2026-01-05") == span("2026-01-04T00:00:00", "2026-01-05T00:00:00")


def test_a_cron_in_a_time_zone_ends_at_that_zones_midnight() -> None:
    assert interval(PARIS, "2026-07-05T07:30:00") == span("2026-07-03T22:00:00", "2026-07-04T22:00:00")


def test_a_duration_counts_from_the_start_date_and_not_back_from_the_moment() -> None:
    expected = span("2026-01-04T21:00:00", "2026-01-05T03:00:00")
    assert interval(SIX_HOURS, "2026-01-05T07:30:01.5", start="2026-01-01T03:00:00") == expected


@pytest.mark.parametrize("schedule", [DAILY, SIX_HOURS], ids=["cron", "duration"])
def test_nothing_is_complete_before_the_first_period_has_ended(schedule: Any) -> None:
    assert interval(schedule, "2026-01-01T05:00:00") is None


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param(DAILY, span("2026-01-03T00:00:00", "2026-01-04T00:00:00"), id="cron"),
        pytest.param(SIX_HOURS, span("2026-01-03T00:00:00", "2026-01-03T06:00:00"), id="duration"),
    ],
)
def test_the_last_period_begins_at_the_end_date(schedule: Any, expected: tuple[str, str]) -> None:
    assert interval(schedule, "2026-02-01", end="2026-01-03") == expected


def test_a_trigger_schedule_gives_its_last_tick_as_its_scheduled_runs_have_it() -> None:
    assert interval("@daily", "2026-01-05T07:30:00") == span("2026-01-05T00:00:00", "2026-01-05T00:00:00")


@pytest.mark.parametrize("schedule", [None, "@once"])
def test_a_dag_without_a_schedule_in_time_has_no_interval(schedule: str | None) -> None:
    assert interval(schedule, "2026-01-05") is None


def test_a_connection_is_what_airflow_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ETL", "spark://user:secret@head:7077?deploy-mode=client")
    found = find_connection("etl")
    assert found == Connection("etl", "spark", "head", 7077, {"deploy-mode": "client"})
    assert "secret" not in repr(found)


def test_a_connection_that_airflow_does_not_have_is_named(airflow_db: object) -> None:
    with pytest.raises(EngineError, match="Airflow has no connection 'nowhere'. Add it .* option 'master'"):
        find_connection("nowhere")
