"""A spec as it counts in the end: each of its values, defaults too, with the place that it comes from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

from airflow_lake_provider.exceptions import UnknownName
from airflow_lake_provider.protocol import Quarantine
from airflow_lake_provider.protocol.secrets import is_secret
from airflow_lake_provider.spec.annotated import Reference, Writer
from airflow_lake_provider.spec.extends import shown_beside
from airflow_lake_provider.spec.inherited import built_in
from airflow_lake_provider.spec.node import LIST, MAPPING, SCALAR, Given, Node, Path, scalar
from airflow_lake_provider.spec.overrides import longest_key
from airflow_lake_provider.spec.pipeline import PipelineKeys, PipelineSpec
from airflow_lake_provider.spec.problem import did_you_mean
from airflow_lake_provider.spec.reading import TABLE_PLACES, keys_of
from airflow_lake_provider.spec.rules import format_of
from airflow_lake_provider.spec.source import Source
from airflow_lake_provider.spec.table import TASK_ARGUMENTS, IngestSpec, TableSpec
from airflow_lake_provider.spec.variables import BUILT_IN

RESOLVED = ("extends", "variables", "defaults", "layers", "sql_file")
"""The keys that a resolved spec does not have: what they say stands where it counts."""

_TABLE_KEYS = (*(key for key in TABLE_PLACES[()].keys if key not in RESOLVED), *TASK_ARGUMENTS)
_TABLE_DEFAULTS: Mapping[str, Any] = {"quarantine": True, "on_schema_change": "fail", "engine": "default"}

WRITTEN, SET, ENV_OPTION, ENVIRONMENT = "written", "--set", "--env", "environment"
_BY_OPTION, _BY_VARIABLE = Source(ENV_OPTION, ""), Source("LAKE_ENV", "")
_ORIGINS = {BUILT_IN.name: BUILT_IN.name, SET: SET, ENV_OPTION: ENV_OPTION, _BY_VARIABLE.name: ENVIRONMENT}


@dataclass(frozen=True)
class Variable:
    """A ``${...}`` that a value was made with.

    :param name: as in ``${name}``; of an environment variable with ``env.`` before it.
    :param file: where its value stands, ``None`` in the environment.
    """

    name: str
    file: str | None
    line: int | None


@dataclass(frozen=True)
class Value:
    """One value of a resolved spec.

    :param path: its keys and list positions.
    :param value: as it counts; of a secret the ``${env.NAME}`` that it comes from.
    :param file: where it stands; ``None`` where no file holds it.
    :param origin: ``written``, ``built in``, ``--set``, ``--env`` or ``environment``.
    :param variables: those in it and in the keys above it.
    """

    path: Path
    value: Any
    file: str | None
    line: int | None
    column: int | None
    origin: str
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True)
class Explained:
    """A resolved spec, or a part of it.

    :param spec: what was read.
    :param node: the tree: each value at the place that it comes from.
    :param path: where the part stands in the whole; empty for the whole.
    :param key: of a part that is a mapping's, its key.
    """

    spec: PipelineSpec
    node: Node
    path: Path = ()
    key: Node | None = None

    def part(self, dotted: str) -> Explained:
        """Return the part that a path such as ``tables.silver.flights.write`` names; positions in lists are numbers.

        :raises UnknownName: there is none.
        """
        node, key, path, rest = self.node, self.key, self.path, dotted
        while rest:
            step = longest_key(node, rest) if node.kind == MAPPING else rest.partition(".")[0]
            if node.kind == MAPPING and step is not None:
                key, node = node.entries[step]
                path = (*path, step)
            elif node.kind == LIST and step is not None and step.isdecimal() and int(step) < len(node.items):
                key, node = None, node.items[int(step)]
                path = (*path, int(step))
            else:
                raise UnknownName(_unknown(self.spec, node, rest, dotted))
            rest = rest[len(step) + 1 :]
        return Explained(self.spec, node, path, key)

    def values(self) -> Iterator[Value]:
        """Yield all values; empty lists and mappings are values too."""
        given = self.key.given if self.key is not None else ()
        yield from self._values(self.node, self.path, given)

    def yaml(self) -> str:
        """Return the spec as YAML: it reads as the same spec, with a comment beside each value where it comes from.

        A part is written with its key, or with the dash of its list.
        """
        writer = Writer(text=_written, note=self._note)
        if not self.path:
            return writer.mapping(self.node)
        if self.key is None:
            return writer.item(self.node)
        return writer.entry(str(self.path[-1]), self.key, self.node)

    def _values(self, node: Node, path: Path, given: tuple[Given, ...]) -> Iterator[Value]:
        for name, (key, value) in node.entries.items():
            yield from self._values(value, (*path, name), (*given, *key.given))
        for number, item in enumerate(node.items):
            yield from self._values(item, (*path, number), given)
        if not node.entries and not node.items:
            file, line, column = self._place(node)
            value = _written(node, node.value, escape=False) if node.kind == SCALAR else node.plain()
            names = tuple(dict.fromkeys(self._variable(each) for each in (*given, *node.given)))
            yield Value(path, value, file, line, column, _ORIGINS.get(node.source.name, WRITTEN), names)

    def _note(self, node: Node) -> str:
        file, line, _ = self._place(node)
        said = [f"{file}:{line}" if file is not None else node.source.name]
        for each in dict.fromkeys(self._variable(given) for given in node.given):
            place = "the environment" if each.file is None else f"{each.file}:{each.line}" if each.line else each.file
            said.append(f"${{{each.name}}} from {place}")
        return "  # " + "".join(letter if letter.isprintable() else "?" for letter in ", ".join(said))

    def _place(self, node: Node) -> tuple[str | None, int | None, int | None]:
        if node.source.name in _ORIGINS:
            return None, None, None
        line, column = node.source.position(node.start)
        return self._shown(node.source.name), line, column

    def _variable(self, given: Given) -> Variable:
        found = re.match(r"\$\{\s*((?:env\.)?\w+)", given.word)
        name = found[1] if found is not None else given.word
        if not given.file:
            return Variable(name, None, None)
        if given.file == SET:
            return Variable(name, SET, None)
        return Variable(name, self._shown(given.file), given.line)

    def _shown(self, name: str) -> str:
        """Name a file as the spec was named; ``lake.yaml`` was found by its whole path."""
        if name not in self._names:
            is_whole = os.path.isabs(name) and not self.spec.path.is_absolute()
            self._names[name] = shown_beside(FilePath(name).resolve(), self.spec.path) if is_whole else name
        return self._names[name]

    @cached_property
    def _names(self) -> dict[str, str]:
        return {}


def explain(spec: PipelineSpec, *, asked: str | None = None) -> Explained:
    """Resolve a spec: extended files, variables, defaults, layers, profiles and the environment's settings merged in.

    :param asked: the environment that was asked for by name, over what the spec and the project say.
    """
    own = spec.node.entries
    entries: dict[str, tuple[Node, Node]] = {}
    for key, field in PipelineKeys.model_fields.items():
        if key in RESOLVED:
            continue
        if key == "environment":
            entries[key] = (scalar(key, BUILT_IN), _environment(spec, asked))
        elif key in own:
            entries[key] = own[key]
        elif field.default is not None or key == "schedule":
            entries[key] = (scalar(key, BUILT_IN), built_in(field.default))
    word, tables = own["tables"]
    made = {name: (key, _table(node, spec.tables[name])) for name, (key, node) in tables.entries.items()}
    entries["tables"] = (word, tables.with_entries(made))
    return Explained(spec, _secrets_marked(spec.node.with_entries(entries)))


def _secrets_marked(node: Node, name: str = "") -> Node:
    """Take what environment variables give to a key that holds a secret by its name for one, whatever they are called.

    :param name: the key that the value stands at.
    """
    given = tuple(replace(each, is_secret=True) if each.reference and is_secret(name) else each for each in node.given)
    entries = {word: (key, _secrets_marked(value, word)) for word, (key, value) in node.entries.items()}
    return replace(node, given=given, entries=entries, items=[_secrets_marked(item, name) for item in node.items])


def _environment(spec: PipelineSpec, asked: str | None) -> Node:
    """Return the environment's name at the place that chose it, in the order in which :class:`Project` looks."""
    name = spec.environment.name
    if asked:
        return scalar(name, _BY_OPTION)
    own = spec.node.get("environment")
    if own is not None and own.value == name:
        return own
    if os.environ.get("LAKE_ENV"):
        return scalar(name, _BY_VARIABLE)
    default = spec.project.lake.get("default_environment")
    return default if default is not None and default.value == name else scalar(name, BUILT_IN)


def _table(node: Node, table: TableSpec) -> Node:
    defaults: dict[str, Any] = dict(_TABLE_DEFAULTS)
    entries = dict(node.entries)
    if table.ingest is not None:
        key, ingest = entries["ingest"]
        entries["ingest"] = (key, _ingest(ingest, table))
    quarantine = entries.get("quarantine")
    if quarantine is not None and quarantine[1].kind == MAPPING:
        entries["quarantine"] = (quarantine[0], _filled(quarantine[1], {"max": Quarantine.max_fraction}))
    return _ordered(_filled(node.with_entries(entries), defaults), _TABLE_KEYS)


def _ingest(node: Node, table: TableSpec) -> Node:
    ingest = table.ingest
    assert ingest is not None
    defaults = {key: field.default for key, field in IngestSpec.model_fields.items() if not field.is_required()}
    defaults["format"] = format_of(ingest)
    if "_source_file" not in ingest.metadata_columns:
        # Nothing tells which rows a file gave, so they cannot be replaced, and a spec may not say that they are.
        del defaults["on_replaced"]
    return _ordered(_filled(node, defaults), keys_of(IngestSpec))


def _filled(node: Node, defaults: Mapping[str, Any]) -> Node:
    """Add what counts where nothing is written."""
    added = {
        key: (scalar(key, BUILT_IN), built_in(value))
        for key, value in defaults.items()
        if key not in node.entries and value not in (None, {}, [])
    }
    return node.with_entries({**node.entries, **added})


def _ordered(node: Node, keys: tuple[str, ...]) -> Node:
    return node.with_entries({key: node.entries[key] for key in keys if key in node.entries})


def _written(node: Node, value: Any, *, escape: bool = True) -> Any:
    """Return what to write for a value, so that it reads as itself: ``${`` escaped, secrets by their names."""
    if not isinstance(value, str):
        hidden = [given.reference for given in node.given if given.is_secret]
        return Reference(hidden[0]) if hidden else value
    used = [piece for piece in node.pieces if piece.raw_end - piece.raw_start > 1]  # a shorter one is a `$${`
    parts: list[str] = []
    at = 0
    for piece, given in zip(used, node.given, strict=False):
        if given.is_secret:
            parts += [_escaped(value[at : piece.start], escape), given.reference]
            at = piece.end
    return "".join([*parts, _escaped(value[at:], escape)])


def _escaped(text: str, escape: bool) -> str:
    return text.replace("${", "$${") if escape else text


def _unknown(spec: PipelineSpec, node: Node, rest: str, dotted: str) -> str:
    """Say that a path leads nowhere, and which one was meant."""
    before = dotted[: len(dotted) - len(rest)].rstrip(".")
    where = f" in `{before}`" if before else ""
    message = f"{spec.path} has no `{rest}`{where}"
    if not before and rest.partition(".")[0] in RESOLVED:
        return f"{message}: what it says stands where it counts, in the tables"
    if node.kind == LIST and node.items:
        return f"{message}; the list has {len(node.items)} items, the first is 0"
    if node.kind != MAPPING or not node.entries:
        return f"{message}: nothing stands below it"
    meant = did_you_mean(rest, node.entries) or did_you_mean(rest.partition(".")[0], node.entries)
    if not before:
        named = (f"tables.{table}" for table in spec.tables if rest == table or rest.startswith(f"{table}."))
        meant = meant or next((f"did you mean `{table}`?" for table in named), "")
    return f"{message}; {meant}" if meant else f"{message}; it has: {', '.join(node.entries)}"
