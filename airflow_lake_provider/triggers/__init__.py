"""What waits in Airflow's triggerer, in place of a worker."""

from __future__ import annotations

from airflow_lake_provider.triggers.run import LakeRunTrigger

__all__ = ["LakeRunTrigger"]
