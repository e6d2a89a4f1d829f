"""What flows where: the tables of several pipelines as one graph, as Mermaid or Graphviz text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_lake_provider.plan.pipeline import PipelinePlan, TablePlan
from airflow_lake_provider.spec.layers import quarantine_table

TABLE, FILES, OUTSIDE, ASSET = "table", "files", "outside", "asset"
FLOWS, REJECTED, STARTS = "flows", "rejected", "starts"

_MERMAID_SHAPES = {TABLE: ('[("', '")]'), FILES: ('[/"', '"/]'), OUTSIDE: ('[("', '")]'), ASSET: ('(["', '"])')}
_DOT_SHAPES = {
    TABLE: "shape=cylinder",
    FILES: "shape=note",
    OUTSIDE: "shape=cylinder, style=dashed",
    ASSET: "shape=oval, style=dashed",
}
_MERMAID_ARROWS = {FLOWS: "-->", REJECTED: "-->|rejected rows|", STARTS: "-.->|starts|"}
_DOT_ARROWS = {FLOWS: "", REJECTED: 'label="rejected rows"', STARTS: 'label="starts", style=dotted'}
_MOST_FILES = 4


@dataclass(frozen=True)
class Vertex:
    """A table, some files, or another asset.

    :param id: its name in the graph's text: letters, digits and ``_``.
    :param lines: what to write on it.
    """

    id: str
    kind: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Edge:
    """From what is read to what reads it; or to the pipeline that it starts."""

    source: str
    target: str
    kind: str = FLOWS


@dataclass(frozen=True)
class Group:
    """One pipeline's tables."""

    id: str
    pipeline: str
    tables: tuple[Vertex, ...]


@dataclass(frozen=True)
class Graph:
    """All of it, in an order that only the specs decide."""

    groups: tuple[Group, ...]
    others: tuple[Vertex, ...]
    edges: tuple[Edge, ...]


def lineage(plans: Iterable[PipelinePlan]) -> Graph:
    """Return the graph of some pipelines; tables that none of them makes are outside."""
    return _Drawing(sorted(plans, key=lambda plan: plan.pipeline)).graph()


@dataclass
class _Drawing:
    plans: Sequence[PipelinePlan]
    others: dict[tuple[str, str], Vertex] = field(default_factory=dict)
    edges: dict[Edge, None] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)

    def graph(self) -> Graph:
        made: dict[str, Vertex] = {}
        groups = []
        for plan in self.plans:
            vertices = []
            for table in plan.tables:
                vertices.append(Vertex(self.id("t", table.task_id), TABLE, (table.table, _strategy(table))))
                made[table.table.lower()] = vertices[-1]
            groups.append(Group(self.id("p", plan.pipeline), plan.pipeline, tuple(vertices)))
        rejected = {_rejected(table): made[table.table.lower()] for plan in self.plans for table in plan.tables}
        for plan, group in zip(self.plans, groups, strict=True):
            for table in plan.tables:
                self.draw_inputs(table, made, rejected)
            assets = plan.schedule.assets if plan.schedule is not None else None
            for name in assets.leaves() if assets is not None else ():
                source = made.get(name.lower()) or self.other(ASSET if "://" in name else OUTSIDE, name)
                self.edges[Edge(source.id, group.id, STARTS)] = None
        return Graph(tuple(groups), tuple(self.others.values()), tuple(self.edges))

    def draw_inputs(self, table: TablePlan, made: Mapping[str, Vertex], rejected: Mapping[str, Vertex]) -> None:
        target = made[table.table.lower()].id
        ingest: Mapping[str, Any] | None = table.settings.get("ingest")
        if ingest is not None:
            self.edges[Edge(self.other(FILES, *_few(ingest["files"])).id, target)] = None
        for name in table.inputs:
            source = made.get(name.lower())
            if source is None and name.lower() in rejected:
                self.edges[Edge(rejected[name.lower()].id, target, REJECTED)] = None
                continue
            self.edges[Edge((source or self.other(OUTSIDE, name)).id, target)] = None

    def other(self, kind: str, *lines: str) -> Vertex:
        key = (kind, "\n".join(lines).lower() if kind == OUTSIDE else "\n".join(lines))
        if key not in self.others:
            name = lines[0].replace(".", "__") if kind == OUTSIDE else str(len(self.others) + 1)
            self.others[key] = Vertex(self.id(kind[0], name), kind, lines)
        return self.others[key]

    def id(self, letter: str, name: str) -> str:
        """Return a name of its own: two that differ in other letters only get a number."""
        base = f"{letter}_{re.sub(r'[^A-Za-z0-9_]', '_', name)}"
        found, number = base, 2
        while found in self.ids:
            found, number = f"{base}_{number}", number + 1
        self.ids.add(found)
        return found


def _few(files: Sequence[str]) -> Sequence[str]:
    return (
        files if len(files) <= _MOST_FILES else [*files[: _MOST_FILES - 1], f"and {len(files) - _MOST_FILES + 1} more"]
    )


def _strategy(table: TablePlan) -> str:
    return str(table.settings["write"]["strategy"])


def _rejected(table: TablePlan) -> str:
    quarantine = table.settings.get("quarantine")
    named = quarantine.get("table") if isinstance(quarantine, Mapping) else None
    return quarantine_table(table.table, named).lower()


def mermaid(graph: Graph) -> str:
    """Return the graph as a Mermaid flowchart."""
    return "\n".join(_mermaid(graph)) + "\n"


def _mermaid(graph: Graph) -> Iterator[str]:
    yield "flowchart LR"
    for vertex in graph.others:
        yield f"  {_mermaid_vertex(vertex)}"
    for group in graph.groups:
        yield f'  subgraph {group.id}["{_mermaid_text(group.pipeline)}"]'
        for vertex in group.tables:
            yield f"    {_mermaid_vertex(vertex)}"
        yield "  end"
    for edge in graph.edges:
        yield f"  {edge.source} {_MERMAID_ARROWS[edge.kind]} {edge.target}"
    outside = [vertex.id for vertex in graph.others if vertex.kind in (OUTSIDE, ASSET)]
    if outside:
        yield "  classDef outside stroke-dasharray: 4 4"
        yield f"  class {','.join(outside)} outside"


def _mermaid_vertex(vertex: Vertex) -> str:
    before, after = _MERMAID_SHAPES[vertex.kind]
    return f"{vertex.id}{before}{'<br/>'.join(map(_mermaid_text, vertex.lines))}{after}"


def _mermaid_text(text: str) -> str:
    """Return text inside of quotes; what Mermaid, Markdown or HTML would read is written by its number."""
    return re.sub(r"[^\w .,/:=@?+*'|(){}\[\]-]", lambda letter: f"#{ord(letter[0])};", text)


def dot(graph: Graph) -> str:
    """Return the graph in Graphviz's language."""
    return "\n".join(_dot(graph)) + "\n"


def _dot(graph: Graph) -> Iterator[str]:
    yield "digraph lake {"
    yield "  rankdir=LR;"
    yield "  compound=true;"
    for vertex in graph.others:
        yield f"  {_dot_vertex(vertex)}"
    for group in graph.groups:
        yield f"  subgraph cluster_{group.id} {{"
        yield f"    label={_dot_text(group.pipeline)};"
        for vertex in group.tables:
            yield f"    {_dot_vertex(vertex)}"
        yield "  }"
    first = {group.id: group.tables[0].id for group in graph.groups}
    for edge in graph.edges:
        # Graphviz knows edges between nodes only; this one is cut off where it enters the cluster.
        target = first[edge.target] if edge.kind == STARTS else edge.target
        ends = f"lhead=cluster_{edge.target}" if edge.kind == STARTS else ""
        attributes = ", ".join(filter(None, [_DOT_ARROWS[edge.kind], ends]))
        yield f"  {edge.source} -> {target}" + (f" [{attributes}];" if attributes else ";")
    yield "}"


def _dot_vertex(vertex: Vertex) -> str:
    return f"{vertex.id} [{_DOT_SHAPES[vertex.kind]}, label={_dot_text(*vertex.lines)}];"


def _dot_text(*lines: str) -> str:
    escaped = (re.sub(r"\s", " ", line.replace("\\", "\\\\").replace('"', '\\"')) for line in lines)
    return '"' + "\\n".join(escaped) + '"'
