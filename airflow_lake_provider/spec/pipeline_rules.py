"""What concerns several keys of a pipeline."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from airflow_lake_provider.spec.pipeline_keys import PipelineKeys
from airflow_lake_provider.spec.problem import Problem, warning
from airflow_lake_provider.spec.schedule import WITHOUT_CRON, AssetCondition
from airflow_lake_provider.spec.values import FULL_REFRESH, in_zone


def key_problems(keys: PipelineKeys, broken: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with keys that are right one by one; ``broken`` are those that were not."""
    by_time = keys.schedule is not None and not isinstance(keys.schedule, AssetCondition)
    if by_time and keys.start_date is None and "start_date" not in broken:
        hint = "Add `start_date`, such as `2026-01-01`."
        yield Problem(("schedule",), "missing-key", "a schedule needs `start_date`", hint, at_key=True)
    if FULL_REFRESH in (keys.params or {}):
        message = f"`{FULL_REFRESH}` is a param that every DAG has of itself"
        yield Problem(("params", FULL_REFRESH), "wrong-key", message, "expected another name", at_key=True)
    if keys.schedule == "@continuous" and keys.max_active_runs != 1:
        message = f"`@continuous` runs one at a time, and `max_active_runs` is `{keys.max_active_runs}`"
        yield Problem(("max_active_runs",), "wrong-value", message, "expected `1`")
    first, last = keys.start_date, keys.end_date
    if first is not None and last is not None and in_zone(last, keys.timezone) < in_zone(first, keys.timezone):
        yield Problem(("end_date",), "date", "`end_date` is before `start_date`", "expected the later one")


def schedule_problems(keys: PipelineKeys, of_interval: Sequence[str]) -> Iterator[Problem]:
    """Doubt templates of the interval where runs have none.

    :param of_interval: the tables whose rows are those of the run's interval.
    """
    if not isinstance(keys.schedule, AssetCondition) and keys.schedule not in WITHOUT_CRON:
        return
    if of_interval:
        what = "that assets start have" if isinstance(keys.schedule, AssetCondition) else "of this preset have"
        message = f"runs {what} no data interval, and `{of_interval[0]}` names it"
        hint = "Such a run fails before anything is submitted; one with an interval of its own works."
        yield warning(("schedule",), "no-interval", message, hint, at_key=True)
