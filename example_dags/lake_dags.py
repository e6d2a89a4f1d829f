"""Brings the DAG of each good spec below ``dag_specs``."""

from airflow_lake_provider import load_lake_dags

load_lake_dags(globals(), specs="../dag_specs")
