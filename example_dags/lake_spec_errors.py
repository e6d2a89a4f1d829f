"""Reports the wrong specs below ``dag_specs``: this file's import error lists them all."""

from airflow_lake_provider import raise_lake_dag_errors  # raises when a spec that makes a DAG is wrong

raise_lake_dag_errors(globals(), specs="../dag_specs")
