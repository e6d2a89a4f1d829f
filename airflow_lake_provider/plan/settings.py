"""A table's keys in their normal form: plain values that JSON and Jinja take, and that the model reads again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec.rules import format_of, strategy_of
from airflow_lake_provider.spec.table import TASK_ARGUMENTS, QuarantineSpec, TableSpec

_AS_THEY_ARE = (
    "sql", "description", "tags", "unique_key", "partition_by", "checks", "properties", "depends_on", "engine",
    "spark_conf",
)  # fmt: skip
_ORDER = (
    "ingest", "sql", "description", "tags", "columns", "unique_key", "partition_by", "write", "checks", "quarantine",
    "properties", "depends_on", "engine", "spark_conf",
)  # fmt: skip


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
    if spec.columns is not None:
        settings["columns"] = {name: column.normal() for name, column in spec.columns.items()}
    settings["write"] = _write(table, spec)
    if spec.quarantine is not None:
        settings["quarantine"] = _quarantine(spec.quarantine)
    settings.update({key: value for key in _AS_THEY_ARE if (value := getattr(spec, key))})
    return {key: settings[key] for key in _ORDER if key in settings}


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


def _quarantine(quarantine: QuarantineSpec) -> dict[str, Any] | bool:
    if not quarantine.enabled:
        return False
    settings = {"table": quarantine.table, "max": quarantine.max}
    return {key: value for key, value in settings.items() if value is not None} or True
