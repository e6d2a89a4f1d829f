"""Airflow provider for lakehouses: YAML specs become DAGs that publish audited Apache Iceberg tables.

Importing this package imports nothing heavy: Spark loads it on the data plane, Airflow at provider discovery.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_lake_provider.factory import load_lake_dags, raise_lake_dag_errors
    from airflow_lake_provider.operators import (
        IcebergMergeOperator,
        LakeIngestOperator,
        LakeQualityCheckOperator,
        LakeTransformOperator,
    )

__version__ = "0.1.0"

__all__ = [
    "IcebergMergeOperator",
    "LakeIngestOperator",
    "LakeQualityCheckOperator",
    "LakeTransformOperator",
    "load_lake_dags",
    "raise_lake_dag_errors",
]

_HOME_OF = {
    "IcebergMergeOperator": "operators",
    "LakeIngestOperator": "operators",
    "LakeQualityCheckOperator": "operators",
    "LakeTransformOperator": "operators",
    "load_lake_dags": "factory",
    "raise_lake_dag_errors": "factory",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
