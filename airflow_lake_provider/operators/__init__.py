"""The operators for hand-written DAGs; DAGs made from specs are built of the same."""

from __future__ import annotations

from airflow_lake_provider.operators.ingest import LakeIngestOperator
from airflow_lake_provider.operators.merge import IcebergMergeOperator
from airflow_lake_provider.operators.quality import LakeQualityCheckOperator
from airflow_lake_provider.operators.transform import LakeTransformOperator

__all__ = ["IcebergMergeOperator", "LakeIngestOperator", "LakeQualityCheckOperator", "LakeTransformOperator"]
