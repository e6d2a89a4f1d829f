"""What a table's keys are in the end: its own, over its layer's, over the defaults of spec and project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from airflow_lake_provider.spec.lake import EngineConfig
from airflow_lake_provider.spec.lake_yaml import Settings
from airflow_lake_provider.spec.node import LIST, MAPPING, Node, scalar
from airflow_lake_provider.spec.profiles import SIZES, size_conf
from airflow_lake_provider.spec.variables import BUILT_IN

MERGED = ("properties", "spark_conf", "engine_options")
"""The keys whose maps merge, entry by entry; of all others the nearest counts as a whole."""


def merged_keys(*mappings: Node | None) -> Node:
    """Merge mappings of table keys, the nearest last; the result stands where the last one does."""
    nodes = [node for node in mappings if node is not None and node.kind == MAPPING]
    entries: dict[str, tuple[Node, Node]] = {}
    for node in nodes:
        for name, (key, value) in node.entries.items():
            below = entries.get(name)
            if name in MERGED and below is not None:
                value = _merged_map(below[1], value)
            entries[name] = (key, value)
    return nodes[-1].with_entries(entries)


def _merged_map(below: Node, value: Node) -> Node:
    """Merge two maps all the way down; a null stays, for it takes away what an environment sets too."""
    if below.kind != MAPPING or value.kind != MAPPING:
        return value
    entries = dict(below.entries)
    for name, (key, item) in value.entries.items():
        there = entries.get(name)
        entries[name] = (key, item if there is None else _merged_map(there[1], item))
    return value.with_entries(entries)


def without(node: Node | None, keys: set[str]) -> Node | None:
    """Leave out keys that are wrong: where they are inherited, nobody hears of them again."""
    if node is None or not keys:
        return node
    return node.with_entries({name: entry for name, entry in node.entries.items() if name not in keys})


def platform_nodes(settings: Settings, engine: EngineConfig, profile: str | None, own: Node) -> dict[str, Node]:
    """Return ``spark_conf`` and ``engine_options`` of a table: the environment's, its profile's, its own.

    :param profile: the resource profile that the table names.
    :param own: the table's keys, merged over those that it inherits.
    """
    found: dict[str, Node] = {}
    written = settings.node.get("resource_profiles", profile) if profile is not None else None
    for key in ("spark_conf", "engine_options"):
        layers: list[Node | None] = [settings.environment_node(key)]
        if profile is not None:
            if key == "spark_conf":
                layers.append(_sizes(settings, engine, profile, written))
            layers.append(written.get(key) if written is not None else None)
        layers.append(own.get(key))
        nodes = [node for node in layers if node is not None and node.kind == MAPPING and node.entries]
        if nodes:
            merged = nodes[0]
            for node in nodes[1:]:
                merged = _merged_map(merged, node)
            found[key] = merged
    return found


def _sizes(settings: Settings, engine: EngineConfig, profile: str, written: Node | None) -> Node:
    """Return a profile's sizes as Spark's properties, each at the place of the size that it comes from."""
    sizes = settings.environment.profiles[profile]
    entries: dict[str, tuple[Node, Node]] = {}
    for word, name, value in size_conf({key: sizes.get(key) for key in SIZES}, engine.type):
        said = written.get(word) if written is not None else None
        place = said if said is not None else scalar(value, BUILT_IN)
        entries[name] = (scalar(name, place.source, start=place.start, end=place.end), replace(place, value=value))
    return Node(MAPPING, BUILT_IN, 0, 0, entries=entries)


def built_in(value: object) -> Node:
    """Make a node of a default that no file holds."""
    if isinstance(value, Mapping):
        entries = {str(key): (scalar(str(key), BUILT_IN), built_in(item)) for key, item in value.items()}
        return Node(MAPPING, BUILT_IN, 0, 0, entries=entries)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Node(LIST, BUILT_IN, 0, 0, items=[built_in(item) for item in value])
    return scalar(value, BUILT_IN)
