"""From a YAML file to a :class:`PipelineSpec`, or to all of its mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec.diagnostic import MAX_MISTAKES, Diagnostic, in_order
from airflow_lake_provider.spec.extends import FileFault, extended, find_file, shown_beside
from airflow_lake_provider.spec.inherited import built_in, merged_keys, platform_nodes, without
from airflow_lake_provider.spec.lake_yaml import Settings, layer_nodes
from airflow_lake_provider.spec.layers import Layers, default_strategy, layer_of, quarantine_table
from airflow_lake_provider.spec.naming import KnownTables
from airflow_lake_provider.spec.node import MAPPING, SCALAR, WHOLE_FILE, Node, scalar
from airflow_lake_provider.spec.overrides import apply_overrides
from airflow_lake_provider.spec.pipeline import PipelineKeys, PipelineSpec
from airflow_lake_provider.spec.problem import Path as KeyPath
from airflow_lake_provider.spec.problem import Problem, did_you_mean, expected_one_of, show, told, warning
from airflow_lake_provider.spec.project import Project, load_project
from airflow_lake_provider.spec.python_module import PythonError
from airflow_lake_provider.spec.python_source import PythonFunction, read_python
from airflow_lake_provider.spec.reading import (
    DEFAULT_PLACES,
    LAYER_PLACES,
    TABLE_PLACES,
    Place,
    as_error,
    keys_of,
    locate,
    read_root,
    validate,
)
from airflow_lake_provider.spec.reads import Reads
from airflow_lake_provider.spec.rules import name_warnings, table_problems
from airflow_lake_provider.spec.schedule import WITHOUT_CRON, AssetCondition
from airflow_lake_provider.spec.source import MAX_BYTES, Source, read_source
from airflow_lake_provider.spec.table import Conf, DefaultKeys, LayerKeys, TableSpec, WriteSpec, listed
from airflow_lake_provider.spec.template import date_names, names_interval, unclosed
from airflow_lake_provider.spec.template_names import in_need_of_a_parser, template_faults
from airflow_lake_provider.spec.values import FULL_REFRESH, in_zone, read_table_name, task_id
from airflow_lake_provider.spec.variables import declared, put_in

_UNRENDERED = frozenset({"doc", "description", "dag_display_name", "tags", "owner", "pipeline", "environment"})
_UNSET = frozenset({"variables", "extends", "environment", "tables"})
"""Root keys in which variables are not simply put in: they come first, or are looked at by themselves."""

MAX_TEMPLATES = 5_000
"""How many templates of one spec are parsed; a bound on what that can cost."""

MAX_VALUES = 200_000
"""How many values all tables may have, with what they inherit."""


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


@dataclass
class _Table:
    """One table, with what was found out about it."""

    spec: TableSpec
    names_inputs: bool
    kind: str | None
    function: PythonFunction | None = None
    is_contract_wrong: bool = False

    def contract(self) -> list[str] | None:
        """Return the columns that the table has, if it says so."""
        if self.spec.columns is None or self.is_contract_wrong:
            return None
        by_source = self.spec.write.when_not_matched_by_source if self.spec.write is not None else None
        return [*self.spec.columns, *(by_source.values() if isinstance(by_source, dict) else ())]


class _Reading:
    """The state of reading one file: what was found wrong so far, and the tables by name.

    ``root`` is the tree as it is known by then: with what it extends, overrides, variables, and in the end with all
    that each table inherits. Each problem is located in it, so it is shown in the file that holds the value.
    """

    def __init__(self, path: Path, source: Source, project: Project) -> None:
        self.path = path
        self.source = source
        self.project = project
        self.root: Node = Node(MAPPING, source, 0, 0)
        self.diagnostics: list[Diagnostic] = []
        self.tables: dict[str, _Table] = {}
        self.templates = 0
        self.has_schedule = False
        self.sql_length = 0
        self.values = 0
        self.wrong_tables: list[str] = []

    def add(self, *problems: Problem) -> None:
        self.note(*(locate(problem, self.root) for problem in problems))

    def note(self, *diagnostics: Diagnostic) -> None:
        """Keep what was found; where that is more than anybody reads, it is time to say so."""
        self.diagnostics.extend(diagnostics)
        if len(self.diagnostics) > MAX_MISTAKES:
            raise as_error(self.diagnostics, self.source.name)

    def read(self, environment: str | None, overrides: Sequence[str]) -> PipelineSpec:
        self.read_file(overrides)
        settings = self.read_settings(environment)
        self.put_variables_in(settings)
        self.read_strings()
        keys = self.read_keys()
        self.read_tables(settings, self.read_defaults(), self.read_layers(settings))
        reads = self.read_inputs()
        if keys is not None:
            self.add(*self.schedule_problems(keys))
        if keys is None or any(diagnostic.is_error for diagnostic in self.diagnostics):
            raise as_error(self.diagnostics, self.source.name)
        return PipelineSpec(
            path=self.path,
            project=self.project,
            environment=settings.environment,
            node=self.root,
            keys=keys,
            tables={name: table.spec for name, table in self.tables.items()},
            functions={name: table.function for name, table in self.tables.items() if table.function is not None},
            inputs={name: tuple(sorted(inputs)) for name, inputs in reads.inputs.items()},
            upstream=reads.upstream,
            warnings=in_order(self.diagnostics, main_file=self.source.name),
        )

    def read_file(self, overrides: Sequence[str]) -> None:
        root, self.diagnostics = read_root(self.source)
        if root is None:
            raise as_error(self.diagnostics, self.source.name)
        self.root = root
        if not self.diagnostics and not _is_like_a_spec(root):
            message = "this is no spec: it has no `pipeline`"
            hint = "expected a file with the keys `pipeline` and `tables`"
            self.add(Problem((), "missing-key", message, hint, at_key=True))
            raise as_error(self.diagnostics, self.source.name)
        self.root, wrong = extended(root, self.path, project_root=self.project.root)
        self.note(*wrong)
        if "pipeline" not in root.entries and "pipeline" in self.root.entries:
            message = "the spec has no `pipeline` of its own, only that of a file that it extends"
            hint = "Add `pipeline`: a file that has it is a spec, and its name is its own."
            self.note(root.source.diagnostic(*root.first_line(), code="missing-key", message=message, hint=hint))
        self.note(*apply_overrides(self.root, overrides))

    def read_settings(self, environment: str | None) -> Settings:
        named = self.root.get("environment")
        own = named.plain() if named is not None else None
        known = self.project.environment_names
        if isinstance(own, str) and own not in known:
            message = f"there is no environment `{own}` in the project"
            if "${" in own:
                message = "`environment` takes no variables: it is where they come from"
            self.add(Problem(("environment",), "unknown-environment", message, expected_one_of(own, known)))
        spec_environment = own if isinstance(own, str) and own in known else None
        return self.project.settings(environment, spec_environment=spec_environment)

    def put_variables_in(self, settings: Settings) -> None:
        own = (settings.keys.environments or {}).get(settings.environment.name)
        env = frozenset(own.env or ()) if own is not None else frozenset[str]()
        scope, wrong = declared(self.root.get("variables"), settings.environment_node("variables"), env=env)
        self.scope = scope
        self.note(*wrong)
        entries = dict(self.root.entries)
        for name, (key, value) in self.root.entries.items():
            if name not in _UNSET:
                made, wrong = put_in(value, scope)
                self.note(*wrong)
                entries[name] = (key, made)
        self.root = self.root.with_entries(entries)
        tables = self.root.get("tables")
        if tables is None or tables.kind != MAPPING:
            return
        made_tables: dict[str, tuple[Node, Node]] = {}
        for name, (key, value) in tables.entries.items():
            made, wrong = put_in(value, scope)
            self.note(*wrong)
            made_tables[name] = (key, made)
        entries["tables"] = (entries["tables"][0], tables.with_entries(made_tables))
        self.root = self.root.with_entries(entries)

    def read_strings(self) -> None:
        """Look at the templates of every text that is rendered."""
        for path, node in self.root.walk():
            if _UNRENDERED.intersection(path[:1]):
                continue
            if node.kind == SCALAR and isinstance(node.value, str):
                self.add(*self.template_problems(node.value, path))
            for key in node.entries:
                self.add(*(replace(problem, at_key=True) for problem in self.template_problems(key, (*path, key))))

    def template_problems(self, text: str, path: KeyPath) -> Iterator[Problem]:
        at = unclosed(text)
        if at is not None:
            opener = text[at : at + 2]
            closer = {"{{": "}}", "{%": "%}", "{#": "#}"}[opener]
            yield Problem(path, "template", f"nothing closes this `{opener}`", f"expected `{closer}`", (at, at + 2))
        elif number := in_need_of_a_parser(text):
            self.templates += number
            if self.templates > MAX_TEMPLATES:
                if self.templates - number <= MAX_TEMPLATES:
                    message = f"the spec has more than {MAX_TEMPLATES:,} templates with more in them than a name"
                    yield Problem(path, "too-big", message, "Use variables: `${name}`.")
                return
            params = self.root.get("params")
            for fault in template_faults(
                text, variables=self.scope.variables, params=params.entries if params is not None else ()
            ):
                yield Problem(path, "template", fault.message, fault.hint, (fault.start, fault.end))
        for name, start in date_names(text):
            hint = "Write `{{ data_interval_start | ds }}`: the start of the run's own interval."
            message = f"on Airflow 3 a manual run may have no `{name}`, or another day's"
            yield warning(path, "ds-template", message, hint, span=(start, start + len(name)))

    def read_keys(self) -> PipelineKeys | None:
        plain = self.root.plain()
        own = {key: value for key, value in plain.items() if key not in ("tables", "defaults")}
        places: dict[tuple[str, ...], Place] = {
            (): Place((*keys_of(PipelineKeys), "defaults", "tables")),
            **{("layers", "*", *path): place for path, place in LAYER_PLACES.items()},
        }
        keys, broken, problems = validate(PipelineKeys, own, places=places, what="the pipeline", node=self.root)
        self.add(*problems)
        for key, advice in (("pipeline", "the DAG's name"), ("tables", "at least one table")):
            if key not in plain and key not in broken:
                self.add(Problem((), "missing-key", f"the spec has no `{key}`", f"Add `{key}`: {advice}.", at_key=True))
        if keys is not None:
            self.add(*self.key_problems(keys, broken))
        self.has_schedule = keys is not None and "schedule" not in broken
        return keys

    def key_problems(self, keys: PipelineKeys, broken: set[str]) -> Iterator[Problem]:
        by_time = keys.schedule is not None and not isinstance(keys.schedule, AssetCondition)
        if by_time and keys.start_date is None and "start_date" not in broken:
            hint = "Add `start_date`, such as `2026-01-01`."
            yield Problem(("schedule",), "missing-key", "a schedule needs `start_date`", hint, at_key=True)
        if FULL_REFRESH in (keys.params or {}):
            message = f"`{FULL_REFRESH}` is a param that every DAG has of itself"
            yield Problem(("params", FULL_REFRESH), "wrong-key", message, "expected another name", at_key=True)
        if keys.schedule == "@continuous" and keys.max_active_runs != 1:
            message = f"`@continuous` runs one at a time, and `max_active_runs` is `{keys.max_active_runs}`"
            yield Problem(("max_active_runs",), "wrong-value", message, "expected `1`")
        first, last = keys.start_date, keys.end_date
        if first is not None and last is not None and in_zone(last, keys.timezone) < in_zone(first, keys.timezone):
            yield Problem(("end_date",), "date", "`end_date` is before `start_date`", "expected the later one")

    def schedule_problems(self, keys: PipelineKeys) -> Iterator[Problem]:
        """Doubt templates of the interval where runs have none."""
        if not isinstance(keys.schedule, AssetCondition) and keys.schedule not in WITHOUT_CRON:
            return
        named = [name for name, table in self.tables.items() if _names_interval(table)]
        if named:
            what = "that assets start have" if isinstance(keys.schedule, AssetCondition) else "of this preset have"
            message = f"runs {what} no data interval, and `{named[0]}` names it"
            hint = "Such a run fails before anything is submitted; one with an interval of its own works."
            yield warning(("schedule",), "no-interval", message, hint, at_key=True)

    def read_defaults(self) -> Node | None:
        node = self.root.get("defaults")
        if node is None or node.is_spoilt:
            return None
        plain = node.plain()
        if not isinstance(plain, dict):
            hint = "expected a mapping of table keys"
            self.add(Problem(("defaults",), "wrong-type", f"`defaults` is {show(plain)}", hint))
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
            self.add(*(problem.below(*path) for problem in problems))
        return without(node, broken)

    def read_layers(self, settings: Settings) -> Layers:
        shared, own = layer_nodes(settings.node), layer_nodes(self.root)
        declared_layers: dict[str, Node] = {}
        for name in dict.fromkeys((*shared, *own)):
            mine = own.get(name)
            if mine is not None and mine.kind == MAPPING:
                mine = self.read_inherited(mine, LayerKeys, LAYER_PLACES, "a layer", (), is_said=True)
            nodes = [node for node in (shared.get(name), mine) if node is not None and node.kind == MAPPING]
            declared_layers[name] = merged_keys(*nodes) if nodes else Node(MAPPING, self.source, 0, 0)
        layers = Layers(declared_layers)
        self.add(*(problem.below("layers") for path, problem in layers.problems() if path[0] in own))
        return layers

    def read_tables(self, settings: Settings, defaults: Node | None, layers: Layers) -> None:
        node = self.root.get("tables")
        if node is None:
            return
        if not node.entries:
            found = show(node.plain() or None)
            hint = "expected at least one table: `layer.name:` and its keys below it"
            self.add(Problem(("tables",), "wrong-type", f"`tables` is {found}", hint, at_key=node.value is None))
            return
        self.resolved: dict[str, tuple[Node, Node]] = dict(node.entries)
        key = self.root.entries["tables"][0]
        self.root = self.root.with_entries({**self.root.entries, "tables": (key, node.with_entries(self.resolved))})
        first_by_lower: dict[str, str] = {}
        first_by_task: dict[str, str] = {}
        for name, (_, value) in node.entries.items():
            namesake = first_by_task.setdefault(task_id(name), name)
            if namesake != name:
                message = f"`{name}` and `{namesake}` would both be the task `{task_id(name)}`"
                self.add(Problem(("tables", name), "duplicate-table", message, "expected another name", at_key=True))
            other = first_by_lower.setdefault(name.lower(), name)
            if other != name:
                message, hint = f"`{name}` and `{other}` differ only by case", "Most catalogs take them as one table."
                self.add(Problem(("tables", name), "duplicate-table", message, hint, at_key=True))
            if not self.read_table(name, value, settings, defaults, layers):
                self.wrong_tables.append(name)
        self.check_quarantine_names()

    def read_table(self, name: str, node: Node, settings: Settings, defaults: Node | None, layers: Layers) -> bool:
        """Read one table; ``False`` when nothing can be made of it."""
        path: KeyPath = ("tables", name)
        try:
            read_table_name(name)
        except ValueError as exc:
            self.add(Problem(path, "table-name", *told(exc), at_key=True))
            return False
        self.add(*(problem.below(*path) for problem in name_warnings(name)))
        if node.kind != MAPPING:
            hint = "expected its keys below it: `ingest`, `sql`, `sql_file` or `python`, and more"
            message = f"the table `{name}` is {show(node.plain())}"
            self.add(Problem(path, "wrong-type", message, hint, at_key=node.value is None))
            return False
        layer = layers.of(layer_of(name))
        merged = merged_keys(settings.node.get("defaults"), defaults, *layer.keys, node)
        self.values += sum(1 for _ in merged.walk())
        if self.values > MAX_VALUES:
            message = f"the tables up to here have more than {MAX_VALUES:,} values, inherited ones counted each time"
            self.add(Problem(path, "too-big", message, "Split the spec.", at_key=True))
            raise as_error(self.diagnostics, self.source.name)
        self.resolved[name] = (self.resolved[name][0], merged)
        spec, broken, problems = validate(
            TableSpec, merged.plain(), places=TABLE_PLACES, what=f"table `{name}`", node=merged
        )
        self.add(*(problem.below(*path) for problem in problems))
        if spec is None:
            return False
        table = _Table(spec, bool(spec.depends_on) or "depends_on" in broken, layer.kind)
        table.is_contract_wrong = bool({"columns", "write"} & set(broken))
        self.read_sources(name, table, merged)
        for problem in table_problems(
            name, spec, kind=layer.kind, layers=layers.names, broken=broken, is_of_interval=_names_interval(table)
        ):
            self.add(problem.below(*path))
        self.complete(name, table, merged, settings, broken)
        self.tables[name] = table
        return True

    def read_sources(self, name: str, table: _Table, merged: Node) -> None:
        """Read the files that hold the query or the function, if any; a file's text stands as ``sql`` then."""
        if table.spec.sql_file is not None:
            text = self.read_sql_file(table.spec.sql_file, ("tables", name, "sql_file"), merged.entries["sql_file"][1])
            if text is not None and table.spec.sql is None:
                merged.entries["sql"] = (merged.entries["sql_file"][0], text)
                table.spec = table.spec.model_copy(update={"sql": text.value})
        if table.spec.python is not None:
            table.function = self.read_function(table.spec.python, name, merged.entries["python"][1])

    def read_sql_file(self, name: str, path: KeyPath, node: Node) -> Node | None:
        found = find_file(name, (self.folder_of(node), self.path.parent), self.project.root.resolve())
        if isinstance(found, FileFault):
            self.add(Problem(path, found.code, found.message, found.hint))
            return None
        shown = shown_beside(found, self.path)
        try:
            source = Source(shown, read_source(found).text)
        except SpecError as exc:
            wrong = [each for each in exc.diagnostics if isinstance(each, Diagnostic)]
            self.note(*(replace(each, file=shown) for each in wrong))
            return None
        except OSError as exc:
            self.add(Problem(path, "missing-file", f"{show(name)} cannot be read: {exc.strerror}", "expected a file"))
            return None
        self.sql_length += len(source.text)
        if self.sql_length > MAX_BYTES:
            message = f"the files of this spec's queries hold more than {MAX_BYTES:,} characters together"
            self.add(Problem(path, "too-big", message, "Split the spec."))
            return None
        whole = replace(scalar(source.text, source, end=len(source.text)), style=WHOLE_FILE)
        text, problems = put_in(whole, self.scope)
        self.note(*problems)
        for problem in self.template_problems(text.value, ()):
            self.note(locate(problem, text))
        return text

    def read_function(self, reference: str, name: str, node: Node) -> PythonFunction | None:
        try:
            return read_python(reference, folder=self.folder_of(node), root=self.project.root)
        except OSError as exc:
            message = f"{show(reference)} cannot be read: {exc.strerror}"
            self.add(Problem(("tables", name, "python"), "python", message, "expected `file.py:function`"))
            return None
        except PythonError as exc:
            if exc.source is None:
                self.add(Problem(("tables", name, "python"), "python", exc.message, exc.hint, (exc.start, exc.end)))
                return None
            source = Source(shown_beside(Path(exc.source.name).resolve(), self.path), exc.source.text)
            self.note(source.diagnostic(exc.start, exc.end, code="python", message=exc.message, hint=exc.hint))
            return None

    def folder_of(self, node: Node) -> Path:
        """Return the folder of the file that holds a value: what a relative path in it is relative to."""
        file = Path(node.source.name)
        return file.parent if node.source.name != "--set" and file.is_file() else self.path.parent

    def complete(self, name: str, table: _Table, merged: Node, settings: Settings, broken: set[str]) -> None:
        """Fill in what the layer, the profile and the environment say of a table."""
        spec, path, environment = table.spec, ("tables", name), settings.environment
        updates: dict[str, object] = {"sql_file": None}
        if spec.properties is not None:
            updates["properties"] = {key: value for key, value in spec.properties.items() if value is not None}
        strategy = default_strategy(table.kind, is_ingest=spec.ingest is not None)
        if spec.write is None and strategy is not None:
            updates["write"] = WriteSpec.model_validate({"strategy": strategy})
            merged.entries["write"] = (self.resolved[name][0], built_in(strategy))
        engine = environment.engines.get(spec.engine or "default")
        if engine is None:
            message = f"the environment `{environment.name}` has no engine `{spec.engine}`"
            hint = expected_one_of(spec.engine or "", environment.engines)
            self.add(Problem((*path, "engine"), "unknown-engine", message, hint))
        profile = spec.resource_profile
        if profile is not None and profile not in environment.profiles:
            hint = expected_one_of(profile, environment.profiles)
            self.add(Problem((*path, "resource_profile"), "unknown-profile", f"there is no profile `{profile}`", hint))
        elif engine is not None:
            own = without(merged, broken) or merged
            for key, node in platform_nodes(settings, engine, profile, own).items():
                at = merged.entries[key][0] if key in merged.entries else self.resolved[name][0]
                merged.entries[key] = (at, node)
                updates[key] = as_conf(node.plain()) if key == "spark_conf" else node.plain()
        table.spec = spec.model_copy(update=updates)

    def quarantine_of(self, name: str) -> str:
        quarantine = self.tables[name].spec.quarantine
        return quarantine_table(name, quarantine.table if quarantine is not None else None)

    def check_quarantine_names(self) -> None:
        """No table may be what another one keeps its rejected rows in."""
        owners: dict[str, str] = {}
        for name in self.tables:
            kept = self.quarantine_of(name)
            other = owners.setdefault(kept.lower(), name)
            if other.lower() != name.lower():
                message = f"`{name}` and `{other}` would share the quarantine table `{kept}`"
                path = ("tables", name, "quarantine", "table")
                self.add(Problem(path, "quarantine", message, "expected one for each table"))
        for name in self.tables:
            owner = owners.get(name.lower())
            if owner is not None and owner != name:
                message = f"`{name}` is the quarantine table of `{owner}`"
                hint = "expected another name for one of them"
                self.add(Problem(("tables", name), "quarantine", message, hint, at_key=True))

    def read_inputs(self) -> Reads:
        made = {self.quarantine_of(name): name for name in self.tables} | {name: name for name in self.tables}
        node = self.root.get("external")
        named = listed(node.plain()) if node is not None else []
        external = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
        for number, name in enumerate(external):
            if name in made:
                message = f"`{name}` is a table of this spec"
                self.add(Problem(("external", number), "external", message, "expected tables that others write"))
        known = KnownTables(made, [*self.wrong_tables, *external], self.project)
        contracts = {name: columns for name, table in self.tables.items() if (columns := table.contract()) is not None}
        reads = Reads(known, self.root, self.path, contracts=contracts, note=self.note)
        for name, table in self.tables.items():
            reads.table(name, table.spec, table.function, names_inputs=table.names_inputs)
        reads.circles(list(self.tables))
        if self.has_schedule:
            reads.schedule(self.root)
        return reads


def _is_like_a_spec(root: Node) -> bool:
    """Whether a mapping has a spec's key, or one that may be meant for its two required ones."""
    known = {*keys_of(PipelineKeys), "defaults", "tables"}
    return any(key in known or did_you_mean(key, ("pipeline", "tables")) for key in root.entries)


def _names_interval(table: _Table) -> bool:
    """Whether a table's rows are those of the run's interval."""
    ingest = table.spec.ingest
    files = list(ingest.files) if ingest is not None else None
    by_function = table.function is not None and table.function.names_interval
    return by_function or names_interval([table.spec.sql or "", files or []])


def as_conf(plain: object) -> dict[str, str | None]:
    """Return Spark's properties as text; what the model has checked before always fits."""
    return TypeAdapter(Conf).validate_python(plain)
