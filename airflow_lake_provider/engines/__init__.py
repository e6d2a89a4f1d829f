"""Where jobs run: one seam, one module per platform. Nothing here imports Airflow, boto3 or pyspark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_lake_provider.engines.base import Engine, FollowsLogs, RunHandle, RunState, SparkJob, Status
from airflow_lake_provider.engines.bundle import JobLibrary, job_library, job_library_sha256
from airflow_lake_provider.engines.connection import Connection, FindConnection
from airflow_lake_provider.engines.registry import engine_types, get_engine

if TYPE_CHECKING:
    from airflow_lake_provider.engines.in_memory import InMemoryEngine
    from airflow_lake_provider.engines.local import LocalEngine
    from airflow_lake_provider.engines.spark_submit import SparkSubmitEngine

__all__ = [
    "Connection",
    "Engine",
    "FindConnection",
    "FollowsLogs",
    "InMemoryEngine",
    "JobLibrary",
    "LocalEngine",
    "RunHandle",
    "RunState",
    "SparkJob",
    "SparkSubmitEngine",
    "Status",
    "engine_types",
    "get_engine",
    "job_library",
    "job_library_sha256",
]


def __getattr__(name: str) -> Any:
    if name == "InMemoryEngine":
        from airflow_lake_provider.engines.in_memory import InMemoryEngine

        return InMemoryEngine
    if name == "LocalEngine":
        from airflow_lake_provider.engines.local import LocalEngine

        return LocalEngine
    if name == "SparkSubmitEngine":
        from airflow_lake_provider.engines.spark_submit import SparkSubmitEngine

        return SparkSubmitEngine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
