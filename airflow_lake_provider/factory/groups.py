"""Layers as task groups: which tables of a pipeline lie in one box of Airflow's graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from airflow_lake_provider.plan import TablePlan


@dataclass(frozen=True)
class LayerGroup:
    """The tables of a layer that are drawn together.

    :param id: unlike each task id and each other group's.
    :param layer: the layer's name.
    :param tables: in the plan's order.
    """

    id: str
    layer: str
    tables: tuple[TablePlan, ...]

    @property
    def tooltip(self) -> str:
        """What Airflow shows beside the group's name."""
        return f"layer {self.layer}, {len(self.tables)} {'table' if len(self.tables) == 1 else 'tables'}"


def layer_groups(tables: Sequence[TablePlan]) -> tuple[LayerGroup, ...]:
    """Return the groups of a plan's tables, those that others wait for first; none where all lie in one layer.

    A layer is one group, unless that would make a circle: Airflow shows no DAG whose groups wait for each other. Of
    layers that read each other both ways, each group holds the tables that are equally many changes of layer deep.
    """
    layers = dict.fromkeys(_layer(table) for table in tables)
    if len(layers) < 2:
        return ()
    depths = _depths(tables)
    members: dict[tuple[str, int], list[TablePlan]] = {}
    for table in tables:
        members.setdefault((_layer(table), depths[table.table]), []).append(table)
    taken = {table.task_id for table in tables}
    parts: dict[str, int] = {}
    groups = []
    for (layer, _), grouped in members.items():
        parts[layer] = parts.get(layer, 0) + 1
        name = layer if parts[layer] == 1 else f"{layer}_{parts[layer]}"
        groups.append(LayerGroup(_free(name, taken), layer, tuple(grouped)))
        # Airflow draws the group's edges from and to two points that have names like tasks.
        taken.update((groups[-1].id, f"{groups[-1].id}.upstream_join_id", f"{groups[-1].id}.downstream_join_id"))
    return tuple(groups)


def _layer(table: TablePlan) -> str:
    return table.table.partition(".")[0]


def _free(name: str, taken: Iterable[str]) -> str:
    while name in taken:
        name += "_layer"
    return name


def _depths(tables: Sequence[TablePlan]) -> Mapping[str, int]:
    """Count for each table the changes of layer above it, among the layers that read each other both ways only."""
    layer_of = {table.table: _layer(table) for table in tables}
    reads: dict[str, set[str]] = {}
    for table in tables:
        reads.setdefault(layer_of[table.table], set()).update(layer_of[name] for name in table.upstream)
    above = {layer: _reached(layer, reads) for layer in reads}
    depths: dict[str, int] = {}
    for table in tables:
        layer = layer_of[table.table]
        depths[table.table] = max(
            (
                depths[name] + (layer_of[name] != layer)
                for name in table.upstream
                if layer_of[name] in above[layer] and layer in above[layer_of[name]]
            ),
            default=0,
        )
    return depths


def _reached(layer: str, reads: Mapping[str, set[str]]) -> set[str]:
    """Return the layers that a layer's tables are made from, however far up."""
    found: set[str] = set()
    waiting = list(reads[layer])
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += reads[other]
    return found
