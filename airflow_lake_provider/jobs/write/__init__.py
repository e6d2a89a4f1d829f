"""How a batch meets its table: one module a strategy, each a function from the batch and the pinned table to a plan."""

from __future__ import annotations

from typing import Any, Callable, Dict

from airflow_lake_provider.jobs.batch import Batch
from airflow_lake_provider.jobs.write.append import plan_append
from airflow_lake_provider.jobs.write.merge import plan_merge, plan_merge_anew
from airflow_lake_provider.jobs.write.plan import WritePlan
from airflow_lake_provider.jobs.write.replace import plan_replace
from airflow_lake_provider.protocol import WriteStep

__all__ = ["REBUILDS", "STRATEGIES", "Planner", "WritePlan"]

Planner = Callable[[Any, Batch, WriteStep, str], WritePlan]

STRATEGIES: Dict[str, Planner] = {
    "append": plan_append,
    "merge": plan_merge,
    "replace": plan_replace,
}
"""Strategy to planner; a planner takes the session, the batch, the step and the branch's SQL identifier."""

REBUILDS: Dict[str, Planner] = {
    "append": plan_replace,
    "merge": plan_merge_anew,
    "replace": plan_replace,
}
"""Strategy to the planner of a full refresh: the table as the batch alone makes it."""
