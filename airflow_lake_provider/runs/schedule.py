"""The last complete data interval of a schedule, without Airflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from airflow_lake_provider.protocol import DataInterval

if TYPE_CHECKING:
    from airflow_lake_provider.plan import PipelinePlan


def last_interval(plan: PipelinePlan, *, now: datetime | None = None) -> DataInterval | None:
    """Return the newest interval of a pipeline's schedule that has ended, within its start and end date.

    ``None`` for a pipeline without a schedule in time, and for one whose first interval has not ended yet.

    :param now: an aware time; by default the clock's.
    """
    now = now or datetime.now(UTC)
    if plan.schedule is None or (plan.schedule.cron is None and plan.schedule.every is None):
        return None
    if plan.end_date is not None:
        # The last run of a DAG is the one whose interval begins at the end date or before: nothing later counts.
        now = min(now, _after(plan, plan.end_date))
    if plan.schedule.cron is not None:
        start, end = _last_of_cron(plan.schedule.cron, ZoneInfo(plan.timezone), now)
    else:
        assert plan.schedule.every is not None
        start, end = _last_of_duration(plan.schedule.every, plan.start_date or datetime(1970, 1, 1, tzinfo=UTC), now)
    if plan.start_date is not None and start < plan.start_date:
        return None
    return DataInterval(start=utc_text(start), end=utc_text(end))


def utc_text(moment: datetime) -> str:
    """Return an aware time as the protocol writes it.

    >>> utc_text(datetime(2026, 1, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")))
    '2026-01-01T00:00:00+00:00'
    """
    return moment.astimezone(UTC).isoformat()


def _after(plan: PipelinePlan, end_date: datetime) -> datetime:
    """The end of the last interval that begins at ``end_date`` or before."""
    assert plan.schedule is not None
    if plan.schedule.every is not None:
        start = plan.start_date or datetime(1970, 1, 1, tzinfo=UTC)
        return start + ((end_date - start) // plan.schedule.every + 1) * plan.schedule.every
    assert plan.schedule.cron is not None
    zone = ZoneInfo(plan.timezone)
    return _next_of_cron(plan.schedule.cron, zone, end_date)


def _last_of_duration(every: timedelta, first: datetime, now: datetime) -> tuple[datetime, datetime]:
    end = first + ((now - first) // every) * every
    return end - every, end


def _last_of_cron(cron: str, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    from croniter import croniter

    # From just after now, so that an interval that ends at this moment counts as complete.
    fires = croniter(cron, now.astimezone(zone) + timedelta(microseconds=1), ret_type=datetime)
    end = fires.get_prev()
    return fires.get_prev(), end


def _next_of_cron(cron: str, zone: ZoneInfo, moment: datetime) -> datetime:
    from croniter import croniter

    following: datetime = croniter(cron, moment.astimezone(zone), ret_type=datetime).get_next()
    return following
