"""Airflow's connections without Airflow: the value, and where it comes from when no Airflow is there to ask."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from airflow_lake_provider.exceptions import EngineError

# Airflow's name for the query parameter that holds an extra which is no flat mapping of texts.
_EXTRA = "__extra__"


@dataclass(frozen=True)
class Connection:
    """The fields of an Airflow connection that engines read; login and password are none of them."""

    conn_id: str
    conn_type: str
    host: str = ""
    port: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


FindConnection = Callable[[str], Connection]
"""From a ``conn_id`` to its connection; raises :class:`EngineError` when there is none."""


def connection_from_environment(conn_id: str, environ: Mapping[str, str] | None = None) -> Connection:
    """Return the connection that ``AIRFLOW_CONN_<ID>`` holds, as JSON or as a URI, in the way Airflow reads it.

    >>> connection_from_environment("etl", {"AIRFLOW_CONN_ETL": "spark://head:7077?queue=etl"})
    Connection(conn_id='etl', conn_type='spark', host='head', port=7077, extra={'queue': 'etl'})

    :raises EngineError: the variable is not set, or cannot be read; its value is never shown.
    """
    name = f"AIRFLOW_CONN_{conn_id.upper()}"
    text = (os.environ if environ is None else environ).get(name, "").strip()
    if not text:
        raise EngineError(
            f"There is no connection {conn_id!r}: without Airflow it is read from the environment variable {name} "
            "(JSON or a URI), which is not set. Set it, or name the cluster itself with the engine's option 'master'."
        )
    try:
        return _from_json(conn_id, text) if text.startswith("{") else _from_uri(conn_id, text)
    except (ValueError, TypeError, AttributeError):
        # The cause would show the text, and with it a password.
        raise EngineError(
            f"{name} is no connection: expected Airflow's JSON form "
            '({"conn_type": "spark", "host": ..., "port": ..., "extra": {...}}) or a URI (spark://host:7077?queue=etl)'
        ) from None


def _from_json(conn_id: str, text: str) -> Connection:
    fields = json.loads(text)
    extra = fields.get("extra") or {}
    port = fields.get("port")
    return Connection(
        conn_id=conn_id,
        conn_type=_type(fields.get("conn_type") or ""),
        host=fields.get("host") or "",
        port=int(port) if port else None,
        extra=dict(json.loads(extra) if isinstance(extra, str) else extra),
    )


def _from_uri(conn_id: str, text: str) -> Connection:
    """Read ``type://host:port?extra``; the host may have a scheme of its own (``k8s://https://host:443``)."""
    scheme, found, rest = text.partition("://")
    if not found:
        raise ValueError("no scheme")
    inner, has_protocol, _ = rest.partition("://")
    parts = urlsplit(rest if has_protocol else f"//{rest}")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    host = unquote(parts.hostname or "")
    if "/" in host:  # a quoted URL: Airflow keeps its letters' case
        host = unquote(parts.netloc.rpartition("@")[2].partition(":")[0])
    return Connection(
        conn_id=conn_id,
        conn_type=_type(scheme.lower()),
        host=f"{inner}://{host}" if has_protocol and host else host,
        port=parts.port,
        extra=dict(json.loads(query[_EXTRA])) if _EXTRA in query else query,
    )


def _type(text: str) -> str:
    return text.replace("-", "_")
