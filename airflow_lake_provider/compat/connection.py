"""Airflow's connections."""

from __future__ import annotations

from airflow_lake_provider.compat.authoring import AirflowNotFoundException, BaseHook
from airflow_lake_provider.engines import Connection
from airflow_lake_provider.exceptions import EngineError


def find_connection(conn_id: str) -> Connection:
    """Return one of Airflow's connections, from wherever this Airflow keeps it.

    :raises EngineError: there is none.
    """
    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as exc:
        raise EngineError(
            f"Airflow has no connection {conn_id!r}. Add it (Admin, Connections, or AIRFLOW_CONN_{conn_id.upper()}), "
            "or name the cluster itself with the engine's option 'master'."
        ) from exc
    return Connection(
        conn_id=conn_id,
        conn_type=found.conn_type or "",
        host=found.host or "",
        port=found.port,
        extra=found.extra_dejson,
    )
