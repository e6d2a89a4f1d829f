"""From a YAML file to a :class:`PipelineSpec`, or to all of its mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from airflow_lake_provider.spec.diagnostic import in_order
from airflow_lake_provider.spec.extends import extended
from airflow_lake_provider.spec.findings import Findings
from airflow_lake_provider.spec.inherited import merged_keys, without
from airflow_lake_provider.spec.lake import LAKE_YAML
from airflow_lake_provider.spec.lake_yaml import Settings, layer_nodes
from airflow_lake_provider.spec.layers import Layers
from airflow_lake_provider.spec.naming import KnownTables
from airflow_lake_provider.spec.node import MAPPING, SCALAR, Node
from airflow_lake_provider.spec.overrides import apply_overrides
from airflow_lake_provider.spec.pipeline import PipelineSpec
from airflow_lake_provider.spec.pipeline_keys import PipelineKeys
from airflow_lake_provider.spec.pipeline_rules import key_problems, schedule_problems
from airflow_lake_provider.spec.problem import Path as KeyPath
from airflow_lake_provider.spec.problem import Problem, did_you_mean, expected_one_of, show
from airflow_lake_provider.spec.project import Project, load_project
from airflow_lake_provider.spec.reading import DEFAULT_PLACES, LAYER_PLACES, Place, keys_of, read_root, validate
from airflow_lake_provider.spec.reads import Reads
from airflow_lake_provider.spec.source import Source, read_source
from airflow_lake_provider.spec.table import DefaultKeys, LayerKeys, listed
from airflow_lake_provider.spec.table_reading import TableReading
from airflow_lake_provider.spec.template_check import TemplateCheck
from airflow_lake_provider.spec.variables import Scope, declared, put_in

_UNRENDERED = frozenset({"doc", "description", "dag_display_name", "tags", "owner", "pipeline", "environment"})
_UNSET = frozenset({"variables", "extends", "environment", "tables"})
"""Root keys in which variables are not simply put in: they come first, or are looked at by themselves."""


def load_spec(
    path: Path, *, project: Project | None = None, environment: str | None = None, overrides: Sequence[str] = ()
) -> PipelineSpec:
    """Read one spec.

    :param path: the YAML file; messages name it as it is given here.
    :param project: by default the one that the file lies in.
    :param environment: whose variables count; by default the spec's own, ``LAKE_ENV``, or the project's default.
    :param overrides: ``path=value`` each, the value read as YAML, put in place before anything is checked.
    :raises SpecError: carries every mistake of the file, in the file's order, warnings last.
    :raises UnknownName: there is no such environment.
    :raises OSError: the file is missing or unreadable.
    """
    path = Path(path)
    source = read_source(path)
    return _Reading(path, source, project or load_project(path)).read(environment, overrides)


class _Reading:
    """Reads one file, step by step; each leaves the tree of the findings further resolved."""

    def __init__(self, path: Path, source: Source, project: Project) -> None:
        self.path = path
        self.source = source
        self.project = project
        self.found = Findings(source)

    def read(self, environment: str | None, overrides: Sequence[str]) -> PipelineSpec:
        found = self.found
        self.read_file(overrides)
        settings = self.read_settings(environment)
        scope = self.put_variables_in(settings)
        params = found.root.get("params")
        templates = TemplateCheck(variables=scope.variables, params=params.entries if params is not None else ())
        self.read_strings(templates)
        keys, broken = self.read_keys()
        reading = TableReading(
            found,
            path=self.path,
            root=self.project.root,
            settings=settings,
            scope=scope,
            templates=templates,
            defaults=self.read_defaults(),
            layers=self.read_layers(settings),
        )
        reading.read()
        tables = reading.tables
        reads = self.read_inputs(reading, has_schedule=keys is not None and "schedule" not in broken)
        if keys is not None:
            of_interval = [name for name, table in tables.items() if table.names_interval]
            found.add(*schedule_problems(keys, of_interval))
        if keys is None or found.has_errors:
            raise found.error()
        return PipelineSpec(
            path=self.path,
            project=self.project,
            environment=settings.environment,
            node=found.root,
            keys=keys,
            tables={name: table.spec for name, table in tables.items()},
            functions={name: table.function for name, table in tables.items() if table.function is not None},
            inputs={name: tuple(sorted(inputs)) for name, inputs in reads.inputs.items()},
            upstream=reads.upstream,
            warnings=in_order(found.diagnostics, main_file=self.source.name),
        )

    def read_file(self, overrides: Sequence[str]) -> None:
        root, wrong = read_root(self.source)
        self.found.note(*wrong)
        if root is None:
            raise self.found.error()
        self.found.root = root
        is_lake_yaml = self.path.name == LAKE_YAML
        if not wrong and (is_lake_yaml or not _is_like_a_spec(root)):
            message = "this is no spec: it has no `pipeline`"
            hint = "expected a file with the keys `pipeline` and `tables`"
            if is_lake_yaml:
                hint = "lake.yaml is checked with each spec of its project: name one of them."
            self.found.add(Problem((), "missing-key", message, hint, at_key=True))
            raise self.found.error()
        self.found.root, wrong = extended(root, self.path, project_root=self.project.root)
        self.found.note(*wrong)
        if "pipeline" not in root.entries and "pipeline" in self.found.root.entries:
            message = "the spec has no `pipeline` of its own, only that of a file that it extends"
            hint = "Add `pipeline`: a file that has it is a spec, and its name is its own."
            self.found.note(root.source.diagnostic(*root.first_line(), code="missing-key", message=message, hint=hint))
        self.found.note(*apply_overrides(self.found.root, overrides))

    def read_settings(self, environment: str | None) -> Settings:
        named = self.found.root.get("environment")
        own = named.plain() if named is not None else None
        known = self.project.environment_names
        if isinstance(own, str) and own not in known:
            message = f"there is no environment `{own}` in the project"
            if "${" in own:
                message = "`environment` takes no variables: it is where they come from"
            self.found.add(Problem(("environment",), "unknown-environment", message, expected_one_of(own, known)))
        spec_environment = own if isinstance(own, str) and own in known else None
        return self.project.settings(environment, spec_environment=spec_environment)

    def put_variables_in(self, settings: Settings) -> Scope:
        own = (settings.keys.environments or {}).get(settings.environment.name)
        env = frozenset(own.env or ()) if own is not None else frozenset[str]()
        scope, wrong = declared(self.found.root.get("variables"), settings.environment_node("variables"), env=env)
        self.found.note(*wrong)
        entries = dict(self.found.root.entries)
        for name, (key, value) in self.found.root.entries.items():
            if name not in _UNSET:
                made, wrong = put_in(value, scope)
                self.found.note(*wrong)
                entries[name] = (key, made)
        self.found.root = self.found.root.with_entries(entries)
        tables = self.found.root.get("tables")
        if tables is None or tables.kind != MAPPING:
            return scope
        made_tables: dict[str, tuple[Node, Node]] = {}
        for name, (key, value) in tables.entries.items():
            made, wrong = put_in(value, scope)
            self.found.note(*wrong)
            made_tables[name] = (key, made)
        entries["tables"] = (entries["tables"][0], tables.with_entries(made_tables))
        self.found.root = self.found.root.with_entries(entries)
        return scope

    def read_strings(self, templates: TemplateCheck) -> None:
        """Look at the templates of every text that is rendered."""
        for path, node in self.found.root.walk():
            if _UNRENDERED.intersection(path[:1]):
                continue
            if node.kind == SCALAR and isinstance(node.value, str):
                self.found.add(*templates.problems(node.value, path))
            for key in node.entries:
                self.found.add(*(replace(problem, at_key=True) for problem in templates.problems(key, (*path, key))))

    def read_keys(self) -> tuple[PipelineKeys | None, set[str]]:
        plain = self.found.root.plain()
        own = {key: value for key, value in plain.items() if key not in ("tables", "defaults")}
        places: dict[tuple[str, ...], Place] = {
            (): Place((*keys_of(PipelineKeys), "defaults", "tables")),
            **{("layers", "*", *path): place for path, place in LAYER_PLACES.items()},
        }
        keys, broken, problems = validate(PipelineKeys, own, places=places, what="the pipeline", node=self.found.root)
        self.found.add(*problems)
        for key, advice in (("pipeline", "the DAG's name"), ("tables", "at least one table")):
            if key not in plain and key not in broken:
                self.found.add(
                    Problem((), "missing-key", f"the spec has no `{key}`", f"Add `{key}`: {advice}.", at_key=True)
                )
        if keys is not None:
            self.found.add(*key_problems(keys, broken))
        return keys, broken

    def read_defaults(self) -> Node | None:
        node = self.found.root.get("defaults")
        if node is None or node.is_spoilt:
            return None
        plain = node.plain()
        if plain is None:
            return None
        if not isinstance(plain, dict):
            hint = "expected a mapping of table keys"
            self.found.add(Problem(("defaults",), "wrong-type", f"`defaults` is {show(plain)}", hint))
            return None
        return self.read_inherited(node, DefaultKeys, DEFAULT_PLACES, "`defaults`", ("defaults",))

    def read_inherited(
        self,
        node: Node,
        model: type[DefaultKeys],
        places: dict[tuple[str, ...], Place],
        what: str,
        path: KeyPath,
        *,
        is_said: bool = False,
    ) -> Node | None:
        """Validate keys that tables inherit, and leave out the wrong ones."""
        _, broken, problems = validate(model, node.plain(), places=places, what=what, node=node)
        if not is_said:
            self.found.add(*(problem.below(*path) for problem in problems))
        return without(node, broken)

    def read_layers(self, settings: Settings) -> Layers:
        shared, own = layer_nodes(settings.node), layer_nodes(self.found.root)
        declared_layers: dict[str, Node] = {}
        for name in dict.fromkeys((*shared, *own)):
            mine = own.get(name)
            if mine is not None and mine.kind == MAPPING:
                mine = self.read_inherited(mine, LayerKeys, LAYER_PLACES, "a layer", (), is_said=True)
            nodes = [node for node in (shared.get(name), mine) if node is not None and node.kind == MAPPING]
            declared_layers[name] = merged_keys(*nodes) if nodes else Node(MAPPING, self.source, 0, 0)
        layers = Layers(declared_layers)
        self.found.add(*(problem.below("layers") for path, problem in layers.problems() if path[0] in own))
        return layers

    def read_inputs(self, reading: TableReading, *, has_schedule: bool) -> Reads:
        tables = reading.tables
        made = {reading.quarantine_of(name): name for name in tables} | {name: name for name in tables}
        node = self.found.root.get("external")
        named = listed(node.plain()) if node is not None else []
        external = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
        for number, name in enumerate(external):
            if name in made:
                message = f"`{name}` is a table of this spec"
                self.found.add(Problem(("external", number), "external", message, "expected tables that others write"))
        known = KnownTables(made, [*reading.wrong, *external], self.project)
        contracts = {name: columns for name, table in tables.items() if (columns := table.contract()) is not None}
        reads = Reads(known, self.found.root, self.path, contracts=contracts, note=self.found.note)
        for name, table in tables.items():
            reads.table(name, table.spec, table.function, names_inputs=table.names_inputs)
        reads.circles(list(tables))
        if has_schedule:
            reads.schedule(self.found.root)
        return reads


def _is_like_a_spec(root: Node) -> bool:
    """Whether a mapping has a spec's key, or one that may be meant for its two required ones."""
    known = {*keys_of(PipelineKeys), "defaults", "tables"}
    return any(key in known or did_you_mean(key, ("pipeline", "tables")) for key in root.entries)
