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
    # From just after now, so that an interval that ends at this moment counts as complete.
    end, start = _fires(cron, zone, now + timedelta(microseconds=1), "get_prev", 2)
    return start, end


def _next_of_cron(cron: str, zone: ZoneInfo, moment: datetime) -> datetime:
    return _fires(cron, zone, moment, "get_next", 1)[0]


def _fires(cron: str, zone: ZoneInfo, moment: datetime, step: str, count: int) -> list[datetime]:
    """The next or previous times of a cron in a zone, as Airflow's timetables see them.

    A cron of certain hours means the clock on the wall: it is reckoned without an offset, which is put on after. One
    of every hour means real time.
    """
    from croniter import croniter

    local = moment.astimezone(zone)
    on_the_wall = croniter.expand(cron)[0][1] != ["*"]
    fires = croniter(cron, local.replace(tzinfo=None) if on_the_wall else local, ret_type=datetime)
    found = [getattr(fires, step)() for _ in range(count)]
    return [_in_zone(time, zone) for time in found] if on_the_wall else found


def _in_zone(naive: datetime, zone: ZoneInfo) -> datetime:
    """Put a wall clock's time on the time line: the later of two, and one that is skipped as if it were not."""
    later = naive.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if later.astimezone(zone).replace(tzinfo=None) == naive:
        return later
    return naive.replace(tzinfo=zone, fold=0).astimezone(UTC)
