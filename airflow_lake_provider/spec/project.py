"""The project around the specs: its root, its environments, and which files are specs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from airflow_lake_provider.exceptions import SpecError, UnknownName
from airflow_lake_provider.spec.document import compose
from airflow_lake_provider.spec.extends import extended
from airflow_lake_provider.spec.lake import LAKE_YAML, LOCAL, EngineConfig, Environment
from airflow_lake_provider.spec.lake_yaml import Settings, empty_lake_yaml, read_lake_yaml, settings_of
from airflow_lake_provider.spec.node import MAPPING, Node
from airflow_lake_provider.spec.problem import expected_one_of
from airflow_lake_provider.spec.source import MAX_BYTES, read_source

__all__ = ["EngineConfig", "Environment", "Project", "find_specs", "is_spec", "load_project"]

_MAX_NEARBY = 200
"""How many specs below a project are looked at for a table that it has not."""


@dataclass(frozen=True)
class Project:
    """A folder of specs with its ``lake.yaml``, if any.

    :param node: ``lake.yaml`` as it is written.
    """

    root: Path
    node: Node | None = None
    _settings: dict[str, Settings] = field(default_factory=dict, repr=False, compare=False)

    def environment(self, name: str | None = None, *, spec_environment: str | None = None) -> Environment:
        """Return the environment to use: ``name``, the spec's, ``LAKE_ENV``, ``default_environment``, ``local``.

        :raises UnknownName: there is none.
        :raises SpecError: one of its variables has no value.
        """
        return self.settings(name, spec_environment=spec_environment).environment

    def settings(self, name: str | None = None, *, spec_environment: str | None = None) -> Settings:
        """Return ``lake.yaml`` as the environment to use sees it; raises as :meth:`environment`."""
        default = self.lake.get("default_environment")
        choices = (
            (name, ""),
            (spec_environment, " (the spec's `environment`)"),
            (os.environ.get("LAKE_ENV"), " (LAKE_ENV)"),
            (default.plain() if default is not None else None, ""),
            (LOCAL, ""),
        )
        chosen, origin = next(choice for choice in choices if choice[0])
        assert chosen is not None
        if chosen not in self.environment_names:
            hint = expected_one_of(chosen, self.environment_names)
            place = self.root / LAKE_YAML
            where = f" in {place}" if place.exists() else f", for {self.root} has no {LAKE_YAML}"
            raise UnknownName(f"there is no environment `{chosen}`{origin}{where}; {hint}")
        if chosen not in self._settings:
            self._settings[chosen] = settings_of(self.lake, chosen, project_root=self.root)
        return self._settings[chosen]

    @cached_property
    def lake(self) -> Node:
        """``lake.yaml`` as it is written; an empty mapping where there is none."""
        return self.node if self.node is not None else empty_lake_yaml(self.root / LAKE_YAML)

    @property
    def environment_names(self) -> tuple[str, ...]:
        """The environments there are; ``local`` is always one."""
        environments = self.lake.get("environments")
        return tuple(dict.fromkeys([*(environments.entries if environments is not None else ()), LOCAL]))

    @cached_property
    def catalog_names(self) -> frozenset[str]:
        """The names that catalogs have in any environment, in lower case."""
        environments = self.lake.get("environments")
        nodes = (node for _, node in environments.entries.values()) if environments is not None else ()
        named = [found.plain() for node in nodes if (found := node.get("catalog", "name")) is not None]
        return frozenset(name.lower() for name in (*named, "lake") if isinstance(name, str))

    @cached_property
    def tables(self) -> Mapping[str, Path]:
        """All tables that the project's specs name, with the file of each; wrong files count as far as they go."""
        found: dict[str, Path] = {}
        for path in find_specs(self.root):
            if project_root(path) != self.root:
                continue  # a folder below with a lake.yaml is a project of its own
            for table in tables_named_in(path, project_root=self.root):
                found.setdefault(table, path)
        return found

    @cached_property
    def nearby(self) -> Mapping[str, Path]:
        """Tables of specs below this folder that are not of this project, for want of a ``lake.yaml``."""
        if self.node is not None:
            return {}
        return {
            table.lower(): path
            for path in find_specs(self.root)[:_MAX_NEARBY]
            if project_root(path) != self.root
            for table in tables_named_in(path, project_root=path.parent)
        }

    @cached_property
    def readable_names(self) -> Mapping[str, str]:
        """What may be read of the project's tables, their quarantine tables too: each name by its lower case."""
        names = [name for table in self.tables for name in (table, f"{table}__quarantine")]
        return {name.lower(): name for name in names}


def load_project(path: Path) -> Project:
    """Find the project of a spec or folder and read its ``lake.yaml``.

    :raises SpecError: ``lake.yaml`` is wrong; carries every mistake.
    """
    root = project_root(path)
    lake_yaml = root / LAKE_YAML
    if not lake_yaml.is_file():
        return Project(root)
    shown = lake_yaml if Path(path).is_absolute() else Path(os.path.relpath(lake_yaml))
    return Project(root, read_lake_yaml(shown))


def project_root(path: Path) -> Path:
    """Return the nearest folder at or above a spec or folder that holds ``lake.yaml``; without one, its own folder."""
    start = Path(path).absolute()
    folder = Path(os.path.normpath(start if start.is_dir() else start.parent))
    return next((above for above in (folder, *folder.parents) if (above / LAKE_YAML).is_file()), folder)


def is_spec(path: Path) -> bool:
    """Whether a YAML file is a spec: its root has the key ``pipeline``, or it is broken and a line begins with it."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
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


def tables_named_in(path: Path, *, project_root: Path) -> list[str]:
    """Return the names under ``tables`` of a spec, those that it extends included; never raises."""
    try:
        root, _ = compose(read_source(path))
    except (SpecError, OSError):
        return []
    if root is None or root.kind != MAPPING:
        return []
    tables = extended(root, path, project_root=project_root)[0].get("tables")
    return list(tables.entries) if tables is not None else []
