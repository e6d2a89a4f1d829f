"""A table's keys in their normal form: plain values that JSON and Jinja take, and that the model reads again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.protocol import Quarantine
from airflow_lake_provider.spec import Environment
from airflow_lake_provider.spec.problem import expected_one_of
from airflow_lake_provider.spec.profiles import size_conf
from airflow_lake_provider.spec.rules import format_of
from airflow_lake_provider.spec.table import TASK_ARGUMENTS, IngestSpec, QuarantineSpec, TableSpec, WriteSpec

_AS_THEY_ARE = (
    "sql", "python", "description", "tags", "unique_key", "partition_by", "checks", "properties", "depends_on",
    "engine", "resource_profile", "spark_conf", "engine_options",
)  # fmt: skip
_ORDER = (
    "ingest", "sql", "python", "description", "tags", "columns", "unique_key", "partition_by", "write", "checks",
    "quarantine", "properties", "depends_on", "engine", "resource_profile", "spark_conf", "engine_options",
)  # fmt: skip

_DEFAULTS = {"engine": "default", "quarantine": True}
"""What a table does anyway: a spec that says so is the same spec."""


def normal_settings(table: str, spec: TableSpec) -> dict[str, Any]:
    """Return the keys that a table sets, or its layer for it; Airflow's own arguments are not among them.

    :param spec: with its ``write``, whoever says it.

    ``write``, ``columns`` and ``quarantine`` are mappings (``quarantine`` also ``False``), what may be a list is one,
    column types and partition fields are in one spelling.
    """
    settings: dict[str, Any] = {}
    if spec.ingest is not None:
        settings["ingest"] = _ingest(spec.ingest)
    if spec.columns is not None:
        settings["columns"] = {name: column.normal() for name, column in spec.columns.items()}
    if spec.write is None:
        raise SpecError(f"{table}: the layer has no way to write of its own; expected `write`")
    settings["write"] = _write(spec.write)
    if spec.quarantine is not None:
        settings["quarantine"] = _quarantine(spec.quarantine)
    settings.update({key: value for key in _AS_THEY_ARE if (value := getattr(spec, key))})
    for key, default in _DEFAULTS.items():
        if settings.get(key) == default:
            del settings[key]
    return {key: settings[key] for key in _ORDER if key in settings}


def task_arguments(spec: TableSpec) -> dict[str, Any]:
    """Return Airflow's own arguments of the task; durations are ``timedelta``."""
    return {key: value for key in TASK_ARGUMENTS if (value := getattr(spec, key)) is not None}


def platform_settings(
    environment: Environment,
    *,
    engine: str = "default",
    resource_profile: str | None = None,
    spark_conf: Mapping[str, str | None] | None = None,
    engine_options: Mapping[str, Any] | None = None,
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return Spark's properties and the platform's own settings of a job: environment < profile < its own.

    :param engine: the name of one of the environment's engines: sizes are said in its words.
    :param resource_profile: a profile of ``lake.yaml``, or one that is built in.
    :raises SpecError: there is no such profile.
    """
    profile: Mapping[str, Any] = {}
    if resource_profile is not None:
        if resource_profile not in environment.profiles:
            hint = expected_one_of(resource_profile, environment.profiles)
            raise SpecError(f"there is no resource profile `{resource_profile}`; {hint}")
        profile = environment.profiles[resource_profile]
    config = environment.engines.get(engine)
    sizes = {name: value for _, name, value in size_conf(profile, config.type if config is not None else "")}
    conf = merge_conf(environment.spark_conf, sizes, profile.get("spark_conf"), spark_conf)
    options = merge_options(environment.engine_options, profile.get("engine_options"), engine_options)
    return conf, options


def merge_options(*layers: Mapping[str, Any] | None) -> dict[str, Any]:
    """Merge settings of any depth, the nearest last; ``None`` takes a key away.

    >>> merge_options({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": 3}})
    {'a': {'c': 2, 'd': 3}}
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in (layer or {}).items():
            there = merged.get(key)
            if isinstance(value, Mapping):
                value = merge_options(there if isinstance(there, Mapping) else None, value)
            merged[key] = value
    return {key: value for key, value in merged.items() if value is not None}


def merge_conf(*layers: Mapping[str, str | None] | None) -> dict[str, str]:
    """Merge Spark settings, the nearest last; ``None`` takes a key away.

    >>> merge_conf({"a": "1", "b": "2"}, None, {"b": None, "c": "3"})
    {'a': '1', 'c': '3'}
    """
    merged: dict[str, str | None] = {}
    for layer in layers:
        merged.update(layer or {})
    return {key: value for key, value in merged.items() if value is not None}


def _ingest(ingest: IngestSpec) -> dict[str, Any]:
    """Return where the files are, and what is said otherwise than by default."""
    said = {
        key: value
        for key, field in IngestSpec.model_fields.items()
        if (value := getattr(ingest, key)) != field.default and key not in ("files", "format", "options")
    }
    return {
        "files": list(ingest.files),
        "format": format_of(ingest),
        "options": dict(ingest.options),
        **{key: list(value) if isinstance(value, list) else value for key, value in said.items()},
    }


def _write(write: WriteSpec) -> dict[str, Any]:
    return {key: value for key in WriteSpec.model_fields if (value := getattr(write, key)) is not None}


def _quarantine(quarantine: QuarantineSpec) -> dict[str, Any] | bool:
    if not quarantine.enabled:
        return False
    is_usual = quarantine.max == Quarantine.max_fraction
    settings = {"table": quarantine.table, "max": None if is_usual else quarantine.max}
    return {key: value for key, value in settings.items() if value is not None} or True
