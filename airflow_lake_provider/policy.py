"""Airflow's cluster policy of this package: the Code tab shows the spec of a DAG that a spec made.

Airflow loads this module in each of its processes while it is still starting: no import of Airflow's authoring
interface here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.policies import hookimpl

if TYPE_CHECKING:
    from airflow_lake_provider.compat import DAG

SPEC = "_lake_spec"
"""The attribute that holds a DAG's spec, where it is to be shown; every other DAG stays as it is."""


@hookimpl
def dag_policy(dag: DAG) -> None:
    """Name the spec's kept text as the file whose text Airflow stores; workers go by ``relative_fileloc``."""
    spec = vars(dag).get(SPEC)
    path = spec.keep() if spec is not None else None
    if path is not None:
        dag.fileloc = str(path)
