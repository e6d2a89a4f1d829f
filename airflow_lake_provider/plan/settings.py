"""A table's keys in their normal form: plain values that JSON and Jinja take, and that the model reads again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec.rules import format_of, strategy_of
from airflow_lake_provider.spec.table import TASK_ARGUMENTS, TableSpec


def normal_settings(table: str, spec: TableSpec) -> dict[str, Any]:
    """Return the keys that a table sets, or its layer for it; Airflow's own arguments are not among them.

    ``write``, ``columns`` and ``quarantine`` are mappings (``quarantine`` also ``False``), what may be a list is one,
    column types and partition fields are in one spelling.
    """
    settings: dict[str, Any] = {}
    if spec.ingest is not None:
        settings["ingest"] = {
            "files": list(spec.ingest.files),
            "format": format_of(spec.ingest),
            "options": dict(spec.ingest.options),
        }
    if spec.sql is not None:
        settings["sql"] = spec.sql
    if spec.description is not None:
        settings["description"] = spec.description
    if spec.tags:
        settings["tags"] = list(spec.tags)
    if spec.columns is not None:
        settings["columns"] = {name: column.normal() for name, column in spec.columns.items()}
    if spec.unique_key:
        settings["unique_key"] = list(spec.unique_key)
    if spec.partition_by:
        settings["partition_by"] = list(spec.partition_by)
    settings["write"] = _write(table, spec)
    if spec.checks:
        settings["checks"] = list(spec.checks)
    quarantine = _quarantine(spec)
    if quarantine is not None:
        settings["quarantine"] = quarantine
    for key in ("properties", "spark_conf"):
        if getattr(spec, key):
            settings[key] = dict(getattr(spec, key))
    if spec.depends_on:
        settings["depends_on"] = list(spec.depends_on)
    if spec.engine is not None:
        settings["engine"] = spec.engine
    return settings


def task_arguments(spec: TableSpec) -> dict[str, Any]:
    """Return Airflow's own arguments of the task; durations are ``timedelta``."""
    return {key: value for key in TASK_ARGUMENTS if (value := getattr(spec, key)) is not None}


def merge_conf(*layers: Mapping[str, str | None] | None) -> dict[str, str]:
    """Merge Spark settings, the nearest last; ``None`` takes a key away.

    >>> merge_conf({"a": "1", "b": "2"}, None, {"b": None, "c": "3"})
    {'a': '1', 'c': '3'}
    """
    merged: dict[str, str | None] = {}
    for layer in layers:
        merged.update(layer or {})
    return {key: value for key, value in merged.items() if value is not None}


def _write(table: str, spec: TableSpec) -> dict[str, Any]:
    strategy = strategy_of(table, spec)
    if strategy is None:
        raise SpecError(f"{table}: the layer has no way to write of its own; expected `write`")
    write: dict[str, Any] = {"strategy": strategy}
    if spec.write is not None and spec.write.sequence_by is not None:
        write["sequence_by"] = spec.write.sequence_by
    return write


def _quarantine(spec: TableSpec) -> dict[str, Any] | bool | None:
    quarantine = spec.quarantine
    if quarantine is None:
        return None
    if not quarantine.enabled:
        return False
    settings = {"table": quarantine.table, "max": quarantine.max}
    return {key: value for key, value in settings.items() if value is not None} or True
