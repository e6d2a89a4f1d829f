from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from airflow_lake_provider.plan import PipelinePlan, Schedule
from airflow_lake_provider.protocol import DataInterval
from airflow_lake_provider.runs import last_interval
from airflow_lake_provider.spec import Environment

NOW = datetime(2026, 3, 30, 12, 30, tzinfo=UTC)


def plan(environment: Environment, **changes: Any) -> PipelinePlan:
    return PipelinePlan(pipeline="p", source=Path("p.yaml"), environment=environment, tables=(), **changes)


def berlin(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo("Europe/Berlin"))  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("changes", "now", "start", "end"),
    [
        pytest.param({"schedule": Schedule(cron="@daily")}, NOW, "2026-03-29T00:00", "2026-03-30T00:00", id="daily"),
        pytest.param(
            {"schedule": Schedule(cron="0 * * * *")}, NOW, "2026-03-30T11:00", "2026-03-30T12:00", id="hourly"
        ),
        pytest.param(
            {"schedule": Schedule(cron="0 6 * * 1-5")}, NOW, "2026-03-27T06:00", "2026-03-30T06:00", id="weekdays"
        ),
        pytest.param(
            {"schedule": Schedule(cron="@daily")},
            datetime(2026, 3, 30, tzinfo=UTC),
            "2026-03-29T00:00",
            "2026-03-30T00:00",
            id="an interval that ends at this moment is complete",
        ),
        pytest.param(
            {"schedule": Schedule(cron="@daily"), "timezone": "Europe/Berlin"},
            NOW,
            "2026-03-28T23:00",
            "2026-03-29T22:00",
            id="the day that daylight saving makes shorter",
        ),
        pytest.param(
            {"schedule": Schedule(cron="30 2 * * *"), "timezone": "Europe/Berlin"},
            datetime(2026, 3, 29, 12, tzinfo=UTC),
            "2026-03-28T01:30",
            "2026-03-29T01:30",
            id="a time of day that the day does not have",
        ),
        pytest.param(
            {"schedule": Schedule(cron="0 * * * *"), "timezone": "Europe/Berlin"},
            datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
            "2026-10-25T00:00",
            "2026-10-25T01:00",
            id="the hour that comes twice",
        ),
        pytest.param(
            {"schedule": Schedule(every=timedelta(hours=6)), "start_date": datetime(2026, 1, 1, 1, tzinfo=UTC)},
            NOW,
            "2026-03-30T01:00",
            "2026-03-30T07:00",
            id="durations count from the start date",
        ),
        pytest.param(
            {"schedule": Schedule(cron="@daily"), "end_date": datetime(2026, 1, 3, tzinfo=UTC)},
            NOW,
            "2026-01-03T00:00",
            "2026-01-04T00:00",
            id="nothing begins after the end date",
        ),
        pytest.param(
            {
                "schedule": Schedule(every=timedelta(days=1)),
                "start_date": datetime(2026, 1, 1, tzinfo=UTC),
                "end_date": datetime(2026, 1, 3, 12, tzinfo=UTC),
            },
            NOW,
            "2026-01-03T00:00",
            "2026-01-04T00:00",
            id="the same with a duration",
        ),
        pytest.param(
            {"schedule": Schedule(cron="@daily"), "start_date": berlin(2026, 3, 29), "timezone": "Europe/Berlin"},
            NOW,
            "2026-03-28T23:00",
            "2026-03-29T22:00",
            id="the first interval begins at the start date",
        ),
    ],
)
def test_last_complete_interval(
    environment: Environment, changes: dict[str, Any], now: datetime, start: str, end: str
) -> None:
    found = last_interval(plan(environment, **changes), now=now)
    assert found == DataInterval(f"{start}:00+00:00", f"{end}:00+00:00")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="no schedule"),
        pytest.param(
            {"schedule": Schedule(cron="@daily"), "start_date": datetime(2026, 3, 30, tzinfo=UTC)}, id="begins today"
        ),
        pytest.param(
            {"schedule": Schedule(every=timedelta(days=2)), "start_date": datetime(2026, 3, 29, tzinfo=UTC)},
            id="the first duration goes on",
        ),
    ],
)
def test_no_complete_interval(environment: Environment, changes: dict[str, Any]) -> None:
    assert last_interval(plan(environment, **changes), now=NOW) is None


@pytest.mark.airflow
@pytest.mark.parametrize("cron", ["@daily", "0 6 * * 1-5", "*/15 * * * *", "30 2 * * *", "0 */6 * * *"])
@pytest.mark.parametrize(
    "now", [datetime(2026, m, d, 3, 7, tzinfo=UTC) for m, d in ((3, 28), (3, 30), (7, 1), (10, 26))]
)
def test_interval_is_the_one_of_airflow_s_timetable(environment: Environment, cron: str, now: datetime) -> None:
    import pendulum
    from airflow.timetables.interval import CronDataIntervalTimetable

    timetable = CronDataIntervalTimetable(cron, timezone=pendulum.timezone("Europe/Berlin"))
    theirs = timetable.infer_manual_data_interval(run_after=pendulum.instance(now))
    ours = last_interval(plan(environment, schedule=Schedule(cron=cron), timezone="Europe/Berlin"), now=now)
    assert ours is not None
    assert datetime.fromisoformat(ours.start) == theirs.start
    assert datetime.fromisoformat(ours.end) == theirs.end
