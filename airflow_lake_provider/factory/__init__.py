"""Specs as DAGs: what the two loader files of a DAGs folder call."""

from __future__ import annotations

from airflow_lake_provider.factory.dag import build_dag
from airflow_lake_provider.factory.loader import load_lake_dags, raise_lake_dag_errors

__all__ = ["build_dag", "load_lake_dags", "raise_lake_dag_errors"]
