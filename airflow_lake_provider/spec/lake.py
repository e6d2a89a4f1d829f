"""The environment that the keys of ``lake.yaml`` make."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.protocol import Catalog
from airflow_lake_provider.protocol.secrets import secrets_apart
from airflow_lake_provider.spec.lake_keys import CatalogKeys, EnvironmentKeys, LakeKeys
from airflow_lake_provider.spec.profiles import BUILT_IN_PROFILES

LAKE_YAML = "lake.yaml"
LOCAL = "local"

_PATHLESS = ("rest", "hive")
"""Catalogs that may know by themselves where their tables lie."""


@dataclass(frozen=True)
class EngineConfig:
    """One of an environment's engines: its type, the settings that are the engine's own, and how tasks wait for it.

    :param deferrable: whether Airflow's tasks wait in the triggerer; ``None`` leaves it to Airflow's configuration.
    :param poll_interval: seconds between two looks at a run.
    """

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    deferrable: bool | None = None
    poll_interval: float | None = None


@dataclass(frozen=True)
class Environment:
    """Where tables live and jobs run.

    :param lake_home: the folder of the local state (``.lake``).
    :param base_path: what relative data paths are relative to: an absolute path or a URI.
    :param job_root: where the job folders lie: an absolute path or a URI.
    :param engine_options: the platform's own settings for every job, passed as they are.
    :param profiles: the resource profiles of ``lake.yaml`` over the built-in ones, each key to value.
    :param layers: the layers of ``lake.yaml``: the built-in layer that each is like in the end, if any.
    """

    name: str
    project_root: Path
    lake_home: Path
    base_path: str
    catalog: Catalog
    job_root: str
    engines: Mapping[str, EngineConfig] = field(default_factory=lambda: {"default": EngineConfig("local")})
    spark_conf: Mapping[str, str] = field(default_factory=dict)
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: BUILT_IN_PROFILES)
    layers: Mapping[str, str | None] = field(default_factory=dict)

    def data_path(self, path: str) -> str:
        """Return an absolute path or URI of a data path of a spec; only the spec's own part of it is a glob.

        :raises SpecError: the folder above has braces in its name, which a glob cannot say.
        """
        found = absolute(path, re.sub(r"[*?\[]", r"[\g<0>]", self.base_path))
        if found != path and re.search(r"\{.*\}", self.base_path):
            raise SpecError(
                f"{path} lies below {self.base_path}, whose braces would be read as alternatives. Rename the folder, "
                "or set the environment's base_path to another one."
            )
        return found


def absolute(path: str, base: str) -> str:
    """Return ``path`` below ``base`` unless it is absolute or a URI itself.

    >>> absolute("landing/*.csv", "s3://lake/"), absolute("/data/a.csv", "/base")
    ('s3://lake/landing/*.csv', '/data/a.csv')
    """
    if path.startswith("/") or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", path):
        return path
    while path.startswith("./"):
        path = path[2:]
    if "://" not in base:
        while path.startswith("../"):
            path, base = path[3:], os.path.dirname(base.rstrip("/"))
    return f"{base.rstrip('/')}/{path}"


def engine_config(type_: str, keys: Mapping[str, Any]) -> EngineConfig:
    """Return an engine of ``lake.yaml``: what is its own, and what is the waiting task's."""
    deferrable, poll_interval = keys.get("deferrable"), keys.get("poll_interval")
    own = {name: value for name, value in keys.items() if name not in ("deferrable", "poll_interval")}
    if type_ == "spark_submit" and poll_interval is not None:
        own["poll_interval"] = poll_interval  # it asks a cluster no more often
    return EngineConfig(type_, own, deferrable, poll_interval)


def build_environment(
    name: str, keys: LakeKeys, *, root: Path, layers: Mapping[str, str | None] | None = None
) -> Environment:
    """Return an environment of ``lake.yaml``, all defaults filled in.

    :param layers: the built-in layer that each layer of ``lake.yaml`` is like.
    """
    own = (keys.environments or {}).get(name) or EnvironmentKeys()
    home = Path(os.environ.get("LAKE_HOME") or root / ".lake").absolute()
    base = absolute(own.base_path, str(root)) if own.base_path else str(root)
    engines = {
        engine: engine_config(config.type, config.model_dump(exclude={"type"}, exclude_unset=True))
        for engine, config in (own.engines or {}).items()
    }
    catalog = _catalog(own.catalog or CatalogKeys(), home=home, base=base, root=str(root), prefix=own.namespace_prefix)
    return Environment(
        name=name,
        project_root=root,
        lake_home=home,
        base_path=base,
        catalog=catalog,
        job_root=absolute(own.job_root, str(root)) if own.job_root else str(home / "jobs"),
        engines={"default": EngineConfig("local"), **engines},
        spark_conf={key: value for key, value in (own.spark_conf or {}).items() if value is not None},
        engine_options={key: value for key, value in (own.engine_options or {}).items() if value is not None},
        profiles=_profiles(keys),
        layers=dict(layers or {}),
    )


def _profiles(keys: LakeKeys) -> dict[str, dict[str, Any]]:
    profiles: dict[str, dict[str, Any]] = {name: dict(profile) for name, profile in BUILT_IN_PROFILES.items()}
    for name, profile in (keys.resource_profiles or {}).items():
        own = {key: getattr(profile, key) for key in profile.model_fields_set}
        profiles[name] = {**profiles.get(name, {}), **own}
    return profiles


def _catalog(keys: CatalogKeys, *, home: Path, base: str, root: str, prefix: str) -> Catalog:
    properties, secrets = secrets_apart(keys.model_extra or {})
    if keys.type == "sqlite":
        properties["path"] = absolute(properties["path"], root) if "path" in properties else str(home / "catalog.db")
    if keys.type in _PATHLESS:
        # Such a warehouse may be a mere name that the catalog's server knows.
        warehouse = keys.warehouse or ""
    else:
        warehouse = absolute(keys.warehouse, base) if keys.warehouse else str(home / "warehouse")
    # PyIceberg cuts a URI at `#`, where Hadoop takes it for a letter of the name; of a plain path neither does.
    if warehouse.startswith("/") and "#" not in warehouse:
        warehouse = f"file://{warehouse}"
    return Catalog(keys.name, keys.type, warehouse, properties, namespace_prefix=prefix, secrets=secrets)
