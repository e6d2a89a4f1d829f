"""Data intervals, by the timetables of Airflow's core."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def last_complete_interval(dag: Any, before: datetime) -> tuple[datetime, datetime] | None:
    """Return the newest data interval of the DAG's schedule that has ended by ``before``, within start and end date.

    :param before: aware.
    :return: start and end, in UTC; ``None`` when the DAG has no schedule in time, or no interval has ended yet.
    """
    import pendulum
    from airflow.timetables import interval

    timetable = _core_timetable(dag.timetable)
    if not timetable.periodic:
        return None
    moment = pendulum.instance(before).in_timezone("UTC")
    last = pendulum.instance(dag.end_date).in_timezone("UTC") if dag.end_date is not None else None
    if isinstance(timetable, interval.DeltaDataIntervalTimetable):
        start, end = _last_step(timetable, dag.start_date, moment, last)
    elif isinstance(timetable, interval.CronDataIntervalTimetable):
        if last is not None:
            moment = min(moment, timetable._get_next(timetable._align_to_prev(last)))
        start, end = timetable.infer_manual_data_interval(run_after=moment)
    else:
        # A trigger timetable takes the moment as it is; on its last tick the interval is one of a scheduled run.
        moment = moment if last is None else min(moment, last)
        align = getattr(timetable, "_align_to_prev", None)
        start, end = timetable.infer_manual_data_interval(run_after=align(moment) if align else moment)
    return (start, end) if dag.start_date is None or start >= dag.start_date else None


def _core_timetable(timetable: Any) -> Any:
    """Return the timetable that can compute; on Airflow 3 a DAG holds a mere description of it."""
    try:
        from airflow.serialization.encoders import coerce_to_core_timetable
    except ImportError:
        return timetable
    return coerce_to_core_timetable(timetable)


def _last_step(timetable: Any, start_date: datetime | None, moment: Any, last: Any | None) -> tuple[datetime, datetime]:
    """Return the last whole step of a fixed length, counted from the DAG's start; it begins at ``last`` or before.

    Airflow itself would end the interval at ``moment``, to the microsecond: no run but this one would ever have it.
    """
    import pendulum

    step = moment - timetable._get_prev(moment)
    first = pendulum.instance(start_date) if start_date is not None else pendulum.datetime(1970, 1, 1)
    steps = (moment - first) // step
    if last is not None:
        steps = min(steps, (last - first) // step + 1)
    end = first + step * steps
    return (end - step).in_timezone("UTC"), end.in_timezone("UTC")
