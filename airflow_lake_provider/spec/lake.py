"""``lake.yaml``: its keys, and the environment that they make."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictStr

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.protocol import Catalog
from airflow_lake_provider.protocol.secrets import secrets_apart
from airflow_lake_provider.spec.problem import bad, expected_one_of, show
from airflow_lake_provider.spec.profiles import BUILT_IN_PROFILES
from airflow_lake_provider.spec.table import (
    Conf,
    DefaultKeys,
    FilledText,
    Identifier,
    Keys,
    LayerKeys,
    Options,
    Positive,
    ScalarText,
    listed,
)
from airflow_lake_provider.spec.values import read_memory

LAKE_YAML = "lake.yaml"
LOCAL = "local"

CATALOGS = ("sqlite", "hadoop", "jdbc", "rest", "hive")
_LATER_CATALOGS = ("glue",)
ENGINES = ("local", "spark_submit", "in_memory")
_LATER_ENGINES = ("glue", "emr_serverless")
_PATHLESS = ("rest", "hive")
"""Catalogs that may know by themselves where their tables lie."""


@dataclass(frozen=True)
class EngineConfig:
    """One of an environment's engines: its type, and the settings that are the engine's own."""

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)


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


def _one_of(what: str, known: tuple[str, ...], later: tuple[str, ...]) -> Any:
    def read(value: Any) -> Any:
        if value in later:
            raise bad("not-supported-yet", f"{what} type `{value}` is not supported yet", expected_one_of("", known))
        if value not in known:
            raise bad("wrong-value", f"the {what}'s `type` is {show(value)}", expected_one_of(str(value), known))
        return value

    return BeforeValidator(read)


def _prefix(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"(?:[A-Za-z_][A-Za-z0-9_]*)?", value):
        raise bad("identifier", f"`namespace_prefix` is {show(value)}", "expected letters, digits and `_`: `dev_`")
    return value


def _variable_name(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise bad("identifier", f"{show(value)} is not an environment variable's name", "expected such as `BUCKET`")
    return value


def _no_keys(value: Any) -> Any:
    return {} if value is None else value


class CatalogKeys(Keys):
    """``catalog`` of an environment; further keys pass to Iceberg as they are."""

    model_config = {**Keys.model_config, "extra": "allow"}
    __pydantic_extra__: dict[str, ScalarText] = Field(init=False)

    name: Identifier = "lake"
    type: Annotated[str, _one_of("catalog", CATALOGS, _LATER_CATALOGS)] = "sqlite"
    warehouse: FilledText | None = None


class EngineKeys(Keys):
    """One engine of an environment; further keys are the engine's own settings."""

    model_config = {**Keys.model_config, "extra": "allow"}

    type: Annotated[str, _one_of("engine", ENGINES, _LATER_ENGINES)]


class EnvironmentKeys(Keys):
    """One environment of ``lake.yaml``."""

    base_path: FilledText | None = None
    namespace_prefix: Annotated[StrictStr, BeforeValidator(_prefix)] = ""
    catalog: CatalogKeys | None = None
    engines: dict[str, EngineKeys] | None = None
    job_root: FilledText | None = None
    variables: dict[str, Any] | None = None
    env: Annotated[list[Annotated[str, BeforeValidator(_variable_name)]], BeforeValidator(listed)] | None = None
    spark_conf: Conf | None = None
    engine_options: Options | None = None


Memory = Annotated[str, BeforeValidator(read_memory)]


class ProfileKeys(Keys):
    """A resource profile: sizes, and the settings that go with them."""

    driver_memory: Memory | None = None
    driver_cores: Positive | None = None
    executor_memory: Memory | None = None
    executor_cores: Positive | None = None
    executors: Positive | None = None
    spark_conf: Conf | None = None
    engine_options: Options | None = None


class LakeKeys(Keys):
    """``lake.yaml``."""

    default_environment: FilledText | None = None
    environments: dict[str, Annotated[EnvironmentKeys, BeforeValidator(_no_keys)]] | None = None
    resource_profiles: dict[str, ProfileKeys] | None = None
    defaults: DefaultKeys | None = None
    layers: dict[str, Annotated[LayerKeys, BeforeValidator(_no_keys)]] | None = None


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
        engine: EngineConfig(config.type, dict(config.model_extra or {}))
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
