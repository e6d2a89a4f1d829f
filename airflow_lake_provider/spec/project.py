"""The project around the specs: its root, ``lake.yaml``, environments, and which files are specs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from airflow_lake_provider.exceptions import SpecError, UnknownName
from airflow_lake_provider.protocol import Catalog
from airflow_lake_provider.spec.document import compose
from airflow_lake_provider.spec.problem import bad, expected_one_of, show
from airflow_lake_provider.spec.source import read_source
from airflow_lake_provider.spec.table import Conf, DefaultKeys, FilledText, Identifier, Keys, ScalarText

LAKE_YAML = "lake.yaml"
LOCAL = "local"

CATALOGS = ("sqlite", "hadoop")
_LATER_CATALOGS = ("glue", "rest", "hive", "jdbc")
ENGINES = ("local", "in_memory")
_LATER_ENGINES = ("spark_submit", "glue", "emr_serverless")


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
    """

    name: str
    project_root: Path
    lake_home: Path
    base_path: str
    catalog: Catalog
    job_root: str
    engines: Mapping[str, EngineConfig] = field(default_factory=lambda: {"default": EngineConfig("local")})
    spark_conf: Mapping[str, str] = field(default_factory=dict)

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
    catalog: CatalogKeys | None = None
    engines: dict[str, EngineKeys] | None = None
    job_root: FilledText | None = None
    spark_conf: Conf | None = None


def _no_keys(value: Any) -> Any:
    return {} if value is None else value


class LakeKeys(Keys):
    """``lake.yaml``."""

    default_environment: FilledText | None = None
    environments: dict[str, Annotated[EnvironmentKeys, BeforeValidator(_no_keys)]] | None = None
    defaults: DefaultKeys | None = None


LAKE_LATER = {
    "resource_profiles": "set `spark_conf`",
    "layers": "use `bronze`, `silver`, `gold`, or give each table its `write`",
}
ENVIRONMENT_LATER = {
    "namespace_prefix": "give each environment a catalog of its own",
    "variables": "write the values out",
    "env": "write the values out",
}


@dataclass(frozen=True)
class Project:
    """A folder of specs with its ``lake.yaml``, if any."""

    root: Path
    keys: LakeKeys = field(default_factory=LakeKeys)

    def environment(self, name: str | None = None, *, spec_environment: str | None = None) -> Environment:
        """Return the environment to use: ``name``, the spec's, ``LAKE_ENV``, ``default_environment``, ``local``.

        :raises UnknownName: there is none.
        """
        choices = (
            (name, ""),
            (spec_environment, " (the spec's `environment`)"),
            (os.environ.get("LAKE_ENV"), " (LAKE_ENV)"),
            (self.keys.default_environment, ""),
            (LOCAL, ""),
        )
        chosen, origin = next(choice for choice in choices if choice[0])
        assert chosen is not None
        if chosen not in self.environment_names:
            hint = expected_one_of(chosen, self.environment_names)
            raise UnknownName(f"there is no environment `{chosen}`{origin} in {self.root / LAKE_YAML}; {hint}")
        return self._environment(chosen, (self.keys.environments or {}).get(chosen) or EnvironmentKeys())

    @property
    def environment_names(self) -> tuple[str, ...]:
        """The environments there are; ``local`` is always one."""
        return tuple(dict.fromkeys([*(self.keys.environments or {}), LOCAL]))

    @cached_property
    def tables(self) -> Mapping[str, Path]:
        """All tables that the project's specs name, with the file of each; wrong files count as far as they go."""
        found: dict[str, Path] = {}
        for path in find_specs(self.root):
            for table in tables_named_in(path):
                found.setdefault(table, path)
        return found

    def _environment(self, name: str, keys: EnvironmentKeys) -> Environment:
        home = Path(os.environ.get("LAKE_HOME") or self.root / ".lake").absolute()
        root = str(self.root)
        base = absolute(keys.base_path, root) if keys.base_path else root
        engines = {
            engine: EngineConfig(config.type, dict(config.model_extra or {}))
            for engine, config in (keys.engines or {}).items()
        }
        return Environment(
            name=name,
            project_root=self.root,
            lake_home=home,
            base_path=base,
            catalog=_catalog(keys.catalog or CatalogKeys(), home=home, base=base, root=root),
            job_root=absolute(keys.job_root, root) if keys.job_root else str(home / "jobs"),
            engines={"default": EngineConfig("local"), **engines},
            spark_conf={key: value for key, value in (keys.spark_conf or {}).items() if value is not None},
        )


def _catalog(keys: CatalogKeys, *, home: Path, base: str, root: str) -> Catalog:
    properties: dict[str, str] = dict(keys.model_extra or {})
    if keys.type == "sqlite":
        properties["path"] = absolute(properties["path"], root) if "path" in properties else str(home / "catalog.db")
    warehouse = absolute(keys.warehouse, base) if keys.warehouse else str(home / "warehouse")
    # PyIceberg cuts a URI at `#`, where Hadoop takes it for a letter of the name; of a plain path neither does.
    if warehouse.startswith("/") and "#" not in warehouse:
        warehouse = f"file://{warehouse}"
    return Catalog(name=keys.name, type=keys.type, warehouse=warehouse, properties=properties)


def load_project(path: Path) -> Project:
    """Find the project of a spec or folder and read its ``lake.yaml``.

    :raises SpecError: ``lake.yaml`` is wrong; carries every mistake.
    """
    from airflow_lake_provider.spec.reading import read_lake_yaml

    start = Path(path).absolute()
    folder = start if start.is_dir() else start.parent
    folder = Path(os.path.normpath(folder))
    for candidate in (folder, *folder.parents):
        lake_yaml = candidate / LAKE_YAML
        if lake_yaml.is_file():
            return Project(candidate, read_lake_yaml(lake_yaml))
    return Project(folder)


def is_spec(path: Path) -> bool:
    """Whether a YAML file is a spec: its root has the key ``pipeline``, or it is broken and a line begins with it."""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    if b"pipeline" not in data or path.name == LAKE_YAML:
        return False
    if re.search(rb"^(?:\xef\xbb\xbf)?pipeline\s*:", data, re.MULTILINE):
        return True
    # The key may still be quoted, indented or in a flow mapping.
    try:
        root, _ = compose(read_source(path))
    except SpecError:
        return False
    return root is not None and "pipeline" in root.entries


def find_specs(folder: Path) -> list[Path]:
    """Return the specs below a folder, sorted by path.

    Left out are ``lake.yaml``, names that begin with ``_`` or ``.``, and what ``.airflowignore`` files name.
    """
    from airflow_lake_provider.spec.ignore import Ignored

    found: list[Path] = []
    ignored = Ignored(folder)
    seen: set[str] = set()
    for current, folders, files in os.walk(folder, followlinks=True):
        place = Path(current)
        real = os.path.realpath(current)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        ignored.enter(place)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(("_", ".")) and not ignored.matches(place / name, is_dir=True)
        )
        for name in sorted(files):
            if name.startswith(("_", ".")) or not name.endswith((".yaml", ".yml")) or name == LAKE_YAML:
                continue
            if not ignored.matches(place / name) and is_spec(place / name):
                found.append(place / name)
    return sorted(found)


def tables_named_in(path: Path) -> list[str]:
    """Return the names under ``tables`` of a spec, and of the quarantine tables that belong to them; never raises."""
    try:
        root, _ = compose(read_source(path))
    except (SpecError, OSError):
        return []
    tables = root.entries.get("tables") if root is not None else None
    return list(tables[1].entries) if tables is not None else []
