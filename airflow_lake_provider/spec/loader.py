"""From a YAML file to a :class:`PipelineSpec`, or to all of its mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec.diagnostic import Diagnostic, in_order
from airflow_lake_provider.spec.document import MAPPING, SCALAR, Node
from airflow_lake_provider.spec.layers import quarantine_table
from airflow_lake_provider.spec.naming import KnownTables
from airflow_lake_provider.spec.overrides import apply_overrides
from airflow_lake_provider.spec.pipeline import PIPELINE_LATER, PipelineKeys, PipelineSpec
from airflow_lake_provider.spec.problem import Path as KeyPath
from airflow_lake_provider.spec.problem import Problem, did_you_mean, expected_one_of, show, told, warning
from airflow_lake_provider.spec.project import Project, load_project
from airflow_lake_provider.spec.reading import (
    DEFAULT_PLACES,
    TABLE_PLACES,
    Place,
    as_error,
    keys_of,
    locate,
    read_root,
    validate,
    variable_problems,
    variables_in,
)
from airflow_lake_provider.spec.reads import Reads
from airflow_lake_provider.spec.rules import name_warnings, table_problems
from airflow_lake_provider.spec.source import Source, read_source
from airflow_lake_provider.spec.table import DefaultKeys, TableSpec, listed
from airflow_lake_provider.spec.template import date_names, names_interval, unclosed
from airflow_lake_provider.spec.values import in_zone, read_table_name, task_id

_MERGED = ("properties", "spark_conf")
_UNRENDERED = frozenset({"doc", "description", "dag_display_name", "tags", "owner", "pipeline", "environment"})


def load_spec(path: Path, *, project: Project | None = None, overrides: Sequence[str] = ()) -> PipelineSpec:
    """Read one spec.

    :param path: the YAML file; messages name it as it is given here.
    :param project: by default the one that the file lies in.
    :param overrides: ``path=value`` each, the value read as YAML, put in place before anything is checked.
    :raises SpecError: carries every mistake of the file, in the file's order, warnings last.
    :raises OSError: the file is missing or unreadable.
    """
    path = Path(path)
    source = read_source(path)
    return _Reading(path, source, project or load_project(path)).read(overrides)


@dataclass
class _Table:
    """One table: its keys over all defaults, and the file that its SQL came from, if any."""

    spec: TableSpec
    path: KeyPath
    names_inputs: bool
    sql_source: Source | None = None

    def final(self) -> TableSpec:
        """Return the keys with the text of the SQL, wherever it came from."""
        if self.sql_source is None:
            return self.spec
        sql = self.sql_source.text.replace("$${", "${")
        return self.spec.model_copy(update={"sql": sql, "sql_file": None})


class _Reading:
    """The state of reading one file: what was found wrong so far, and the tables by name."""

    def __init__(self, path: Path, source: Source, project: Project) -> None:
        self.path = path
        self.source = source
        self.project = project
        self.root: Node = Node(MAPPING, source, 0, 0)
        self.diagnostics: list[Diagnostic] = []
        self.tables: dict[str, _Table] = {}
        self.wrong_tables: list[str] = []

    def add(self, *problems: Problem) -> None:
        self.diagnostics.extend(locate(problem, self.root) for problem in problems)

    def read(self, overrides: Sequence[str]) -> PipelineSpec:
        root, self.diagnostics = read_root(self.source)
        if root is None:
            raise as_error(self.diagnostics, self.source.name)
        self.root = root
        self.diagnostics.extend(apply_overrides(root, overrides))
        if not self.diagnostics and not _is_like_a_spec(root):
            message = "this is no spec: it has no `pipeline`"
            hint = "expected a file with the keys `pipeline` and `tables`"
            self.add(Problem((), "missing-key", message, hint, at_key=True))
            raise as_error(self.diagnostics, self.source.name)
        self.read_strings()
        keys = self.read_keys()
        self.read_tables(self.read_defaults())
        reads = self.read_inputs()
        if keys is None or any(diagnostic.is_error for diagnostic in self.diagnostics):
            raise as_error(self.diagnostics, self.source.name)
        return PipelineSpec(
            path=self.path,
            project=self.project,
            keys=keys,
            tables={name: table.final() for name, table in self.tables.items()},
            inputs={name: tuple(sorted(inputs)) for name, inputs in reads.inputs.items()},
            upstream=reads.upstream,
            warnings=in_order(self.diagnostics, main_file=self.source.name),
        )

    def read_strings(self) -> None:
        """Look at every text of the file: variables everywhere, templates where text is rendered."""
        self.add(*variable_problems(self.root))
        for path, node in self.root.walk():
            if _UNRENDERED.intersection(path[:1]):
                continue
            if node.kind == SCALAR and isinstance(node.value, str):
                self.add(*_template_problems(node.value, path))
            for key in node.entries:
                self.add(*(replace(problem, at_key=True) for problem in _template_problems(key, (*path, key))))

    def read_keys(self) -> PipelineKeys | None:
        plain = self.root.plain()
        own = {key: value for key, value in plain.items() if key not in ("tables", "defaults")}
        places: dict[tuple[str, ...], Place] = {
            (): Place((*keys_of(PipelineKeys), "defaults", "tables"), PIPELINE_LATER)
        }
        spoilt = self.root.spoilt_keys()
        keys, broken, problems = validate(PipelineKeys, own, places=places, what="the pipeline", spoilt=spoilt)
        self.add(*problems)
        for key, advice in (("pipeline", "the DAG's name"), ("tables", "at least one table")):
            if key not in plain and key not in broken:
                self.add(Problem((), "missing-key", f"the spec has no `{key}`", f"Add `{key}`: {advice}.", at_key=True))
        if keys is not None:
            self.add(*self.key_problems(keys, broken))
        return keys

    def key_problems(self, keys: PipelineKeys, broken: set[str]) -> Iterator[Problem]:
        if keys.schedule is not None and keys.start_date is None and "start_date" not in broken:
            hint = "Add `start_date`, such as `2026-01-01`."
            yield Problem(("schedule",), "missing-key", "a schedule needs `start_date`", hint, at_key=True)
        first, last = keys.start_date, keys.end_date
        if first is not None and last is not None and in_zone(last, keys.timezone) < in_zone(first, keys.timezone):
            yield Problem(("end_date",), "date", "`end_date` is before `start_date`", "expected the later one")
        known = self.project.environment_names
        if keys.environment is not None and keys.environment not in known:
            message = f"there is no environment `{keys.environment}` in the project"
            yield Problem(("environment",), "unknown-environment", message, expected_one_of(keys.environment, known))

    def read_defaults(self) -> DefaultKeys:
        entry = self.root.entries.get("defaults")
        if entry is None:
            return DefaultKeys()
        plain = entry[1].plain()
        if not isinstance(plain, dict):
            hint = "expected a mapping of table keys"
            self.add(Problem(("defaults",), "wrong-type", f"`defaults` is {show(plain)}", hint))
            return DefaultKeys()
        defaults, _, problems = validate(DefaultKeys, plain, places=DEFAULT_PLACES, what="`defaults`")
        self.add(*(problem.below("defaults") for problem in problems))
        return defaults or DefaultKeys()

    def read_tables(self, defaults: DefaultKeys) -> None:
        entry = self.root.entries.get("tables")
        if entry is None:
            return
        node = entry[1]
        if not node.entries:
            found = show(node.plain() or None)
            hint = "expected at least one table: `layer.name:` and its keys below it"
            self.add(Problem(("tables",), "wrong-type", f"`tables` is {found}", hint, at_key=node.value is None))
            return
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
            if not self.read_table(name, value, defaults):
                self.wrong_tables.append(name)
        self.check_quarantine_names()

    def read_table(self, name: str, node: Node, defaults: DefaultKeys) -> bool:
        """Read one table; ``False`` when nothing can be made of it."""
        path: KeyPath = ("tables", name)
        try:
            read_table_name(name)
        except ValueError as exc:
            self.add(Problem(path, "table-name", *told(exc), at_key=True))
            return False
        self.add(*(problem.below(*path) for problem in name_warnings(name)))
        if node.kind != MAPPING:
            hint = "expected its keys below it: `ingest`, `sql` or `sql_file`, and more"
            message = f"the table `{name}` is {show(node.plain())}"
            self.add(Problem(path, "wrong-type", message, hint, at_key=node.value is None))
            return False
        spec, broken, problems = validate(
            TableSpec, node.plain(), places=TABLE_PLACES, what=f"table `{name}`", spoilt=node.spoilt_keys()
        )
        self.add(*(problem.below(*path) for problem in problems))
        if spec is None:
            return False
        merged = _merged((self.project.keys.defaults or DefaultKeys(), defaults, spec))
        table = _Table(merged, path, names_inputs=bool(merged.depends_on) or "depends_on" in broken)
        if merged.sql_file is not None:
            table.sql_source = self.read_sql_file(merged.sql_file, (*path, "sql_file"))
        is_of_interval = merged.sql_file is not None and (
            table.sql_source is None or names_interval(table.sql_source.text)
        )
        for problem in table_problems(name, merged, broken=broken, is_of_interval=is_of_interval):
            key = problem.path[0] if problem.path else None
            is_default = key in defaults.model_fields_set and key not in spec.model_fields_set
            self.add(problem.below("defaults") if is_default else problem.below(*path))
        self.tables[name] = table
        return True

    def read_sql_file(self, name: str, path: KeyPath) -> Source | None:
        folder, root = self.path.parent.resolve(), self.project.root.resolve()
        found = None
        for base in (folder, root):
            candidate = (base / name).resolve()
            if not candidate.is_relative_to(root):
                hint = "expected a file inside of the project"
                self.add(Problem(path, "path", f"{show(name)} lies outside of the project", hint))
                return None
            if found is None and candidate.is_file():
                found = candidate
        if found is None:
            near = did_you_mean(name, (file.relative_to(folder).as_posix() for file in folder.rglob("*.sql")))
            hint = "expected a path from the spec's folder, or from the project's root"
            self.add(Problem(path, "missing-file", f"there is no file {show(name)}", f"{hint}\n{near}".strip()))
            return None
        try:
            source = Source(_shown(found, self.path), read_source(found).text)
        except SpecError as exc:
            wrong = [each for each in exc.diagnostics if isinstance(each, Diagnostic)]
            self.diagnostics.extend(replace(each, file=_shown(found, self.path)) for each in wrong)
            return None
        except OSError as exc:
            self.add(Problem(path, "missing-file", f"{show(name)} cannot be read: {exc.strerror}", "expected a file"))
            return None
        for problem in (*variables_in(source.text, ()), *_template_problems(source.text, ())):
            self.diagnostics.append(
                source.diagnostic(
                    *(problem.span or (0, 1)),
                    code=problem.code,
                    message=problem.message,
                    hint=problem.hint,
                    severity=problem.severity,
                )
            )
        return source

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
        named = self.root.plain().get("external")
        external = [name for name in listed(named) if isinstance(name, str)] if isinstance(named, str | list) else []
        for number, name in enumerate(external):
            if name in made:
                message = f"`{name}` is a table of this spec"
                self.add(Problem(("external", number), "external", message, "expected tables that others write"))
        reads = Reads(KnownTables(made, [*self.wrong_tables, *external], self.project), self.root)
        for name, table in self.tables.items():
            reads.table(name, table.spec, table.path, sql_source=table.sql_source, names_inputs=table.names_inputs)
        reads.circles(list(self.tables))
        self.diagnostics.extend(reads.diagnostics)
        return reads


def _is_like_a_spec(root: Node) -> bool:
    """Whether a mapping has a spec's key, or one that may be meant for its two required ones."""
    known = {*keys_of(PipelineKeys), *PIPELINE_LATER, "defaults", "tables"}
    return any(key in known or did_you_mean(key, ("pipeline", "tables")) for key in root.entries)


def _template_problems(text: str, path: KeyPath) -> Iterator[Problem]:
    at = unclosed(text)
    if at is not None:
        opener = text[at : at + 2]
        closer = {"{{": "}}", "{%": "%}", "{#": "#}"}[opener]
        yield Problem(path, "template", f"nothing closes this `{opener}`", f"expected `{closer}`", span=(at, at + 2))
    for name, start in date_names(text):
        hint = "Write `{{ data_interval_start | ds }}`: the start of the run's own interval."
        message = f"on Airflow 3 a manual run may have no `{name}`, or another day's"
        yield warning(path, "ds-template", message, hint, span=(start, start + len(name)))


def _shown(path: Path, beside: Path) -> str:
    """Name a file as the spec was named: from the same place."""
    folder = beside.parent
    try:
        return str(folder / path.relative_to(folder.resolve()))
    except ValueError:
        return str(path)


def _merged(layers: Sequence[DefaultKeys]) -> TableSpec:
    """Merge keys, the nearest last: maps entry by entry, everything else as a whole."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key in layer.model_fields_set:
            value = getattr(layer, key)
            if key in _MERGED and isinstance(value, dict) and merged.get(key):
                value = {**merged[key], **value}
            merged[key] = value
    return TableSpec.model_construct(_fields_set=set(merged), **merged)
