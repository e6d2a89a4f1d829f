"""A real Airflow for tests: scheduler, DAG processor, triggerer and API server as processes, PostgreSQL behind them.

    with metadata_server() as server, airflow_stack(server) as stack:
        (stack.dags / "lake_dags.py").write_text(...)
        stack.api.wait_for_dags("orders")
        stack.api.unpause("orders")
        run = stack.api.trigger("orders")
        stack.kill("scheduler")
        stack.start("scheduler")
        stack.api.wait_for_run("orders", run.run_id)

What happened tell :class:`JobFolders` and :class:`Tables`, never Airflow's state. :class:`Gates` hold jobs in the
middle of their work.
"""

from stack.api import FINISHED, Api, ApiError, Run, TaskInstance
from stack.counts import JobFolders, Start, Tables
from stack.database import MetadataServer, metadata_server
from stack.gates import Gates
from stack.services import Stack, airflow_stack
from stack.waiting import wait_until

__all__ = [
    "FINISHED",
    "Api",
    "ApiError",
    "Gates",
    "JobFolders",
    "MetadataServer",
    "Run",
    "Stack",
    "Start",
    "Tables",
    "TaskInstance",
    "airflow_stack",
    "metadata_server",
    "wait_until",
]
