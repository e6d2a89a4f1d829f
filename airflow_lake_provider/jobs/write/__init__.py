"""How a batch meets its table: one module a strategy, each a function from the batch and the pinned table to a plan."""

from __future__ import annotations

from typing import Any, Callable, Dict

from airflow_lake_provider.jobs.batch import Batch
from airflow_lake_provider.jobs.write.append import plan_append
from airflow_lake_provider.jobs.write.merge import plan_merge
from airflow_lake_provider.jobs.write.plan import WritePlan
from airflow_lake_provider.jobs.write.replace import plan_replace
from airflow_lake_provider.protocol import WriteStep

__all__ = ["STRATEGIES", "WritePlan", "plan_append", "plan_merge", "plan_replace"]

STRATEGIES: Dict[str, Callable[[Any, Batch, WriteStep, str], WritePlan]] = {
    "append": plan_append,
    "merge": plan_merge,
    "replace": plan_replace,
}
"""Strategy to planner; a planner takes the session, the batch, the step and the branch's SQL identifier."""
