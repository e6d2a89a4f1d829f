"""From a YAML file to a :class:`PipelineSpec`, or to all of its mistakes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from airflow_lake_provider.spec.check import check_mentions, check_queries
from airflow_lake_provider.spec.diagnostic import Diagnostic
from airflow_lake_provider.spec.document import MAPPING, SCALAR, Node
from airflow_lake_provider.spec.layers import quarantine_table
from airflow_lake_provider.spec.lineage import SqlError, TableName, read_query
from airflow_lake_provider.spec.overrides import apply_overrides
from airflow_lake_provider.spec.pipeline import PIPELINE_LATER, PipelineKeys, PipelineSpec
from airflow_lake_provider.spec.problem import Path as KeyPath
from airflow_lake_provider.spec.problem import Problem, did_you_mean, expected_one_of, show, warning
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
    variable_problem,
    variable_problems,
)
from airflow_lake_provider.spec.rules import name_warnings, table_problems
from airflow_lake_provider.spec.source import Source, read_source
from airflow_lake_provider.spec.table import DefaultKeys, TableSpec
from airflow_lake_provider.spec.template import date_names, unclosed
from airflow_lake_provider.spec.values import in_zone, read_table_name

_METADATA_TABLES = (
    "snapshots", "history", "files", "data_files", "delete_files", "all_data_files", "all_delete_files", "all_files",
    "entries", "all_entries", "manifests", "all_manifests", "partitions", "refs", "metadata_log_entries",
    "position_deletes", "changes",
)  # fmt: skip
_MERGED = ("properties", "spark_conf")
_FILE_FORMATS = ("parquet", "csv", "json", "orc", "avro", "text", "binaryfile", "delta", "iceberg", "jdbc")
_UNRENDERED = ("doc", "description", "dag_display_name", "tags", "owner", "pipeline", "environment")


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
    """One table on its way: ``path`` are its keys' place, ``broken`` the keys that were wrong."""

    name: str
    path: KeyPath
    node: Node
    spec: TableSpec
    given: frozenset[str]
    broken: set[str]
    inputs: set[str] = field(default_factory=set)
    is_lineage_known: bool = True


class _Reading:
    """The state of reading one file: what was found wrong so far, and the tables by name."""

    def __init__(self, path: Path, source: Source, project: Project) -> None:
        self.path = path
        self.source = source
        self.project = project
        self.root: Node = Node(MAPPING, source, 0, 0)
        self.diagnostics: list[Diagnostic] = []
        self.tables: dict[str, _Table] = {}
        self.broken_tables: list[str] = []
        self.external: list[str] = []
        self.edges: dict[str, dict[str, Diagnostic]] = {}

    def add(self, *problems: Problem) -> None:
        self.diagnostics.extend(locate(problem, self.root) for problem in problems)

    def read(self, overrides: Sequence[str]) -> PipelineSpec:
        root, self.diagnostics = read_root(self.source)
        if root is None:
            raise as_error(self.diagnostics, self.source.name)
        self.root = root
        self.diagnostics.extend(apply_overrides(root, overrides))
        self.read_strings()
        keys = self.read_keys()
        self.read_tables(self.read_defaults())
        if keys is not None:
            self.external = list(keys.external or ())
        for table in self.tables.values():
            self.read_lineage(table)
        self.find_cycles()
        if keys is None or any(diagnostic.is_error for diagnostic in self.diagnostics):
            raise as_error(self.diagnostics, self.source.name)
        return PipelineSpec(
            path=self.path,
            project=self.project,
            keys=keys,
            tables={name: table.spec for name, table in self.tables.items()},
            inputs={name: tuple(sorted(table.inputs)) for name, table in self.tables.items()},
            upstream={name: tuple(sorted(self.edges.get(name, ()))) for name in self.tables},
            warnings=as_error(self.diagnostics, self.source.name).diagnostics,  # type: ignore[arg-type]
        )

    def read_strings(self) -> None:
        """Look at every text of the file: variables, and templates where text is rendered."""
        self.add(*variable_problems(self.root))
        for path, node in self.root.walk():
            if node.kind != SCALAR or not isinstance(node.value, str) or (path and path[0] in _UNRENDERED):
                continue
            self.add(*_template_problems(node.value, path))

    def read_keys(self) -> PipelineKeys | None:
        plain = self.root.plain()
        own = {key: value for key, value in plain.items() if key not in ("tables", "defaults")}
        places: dict[tuple[str, ...], Place] = {
            (): Place((*keys_of(PipelineKeys), "defaults", "tables"), PIPELINE_LATER)
        }
        keys, broken, problems = validate(PipelineKeys, own, places=places, what="the pipeline")
        self.add(*problems)
        if "tables" not in plain and "tables" not in broken:
            self.add(Problem((), "missing-key", "the pipeline has no `tables`", "Add `tables`.", at_key=True))
        if keys is None:
            return None
        if keys.schedule is not None and keys.start_date is None and "start_date" not in broken:
            self.add(
                Problem(
                    ("schedule",),
                    "missing-key",
                    "a schedule needs `start_date`",
                    "Add `start_date`, such as `2026-01-01`.",
                    at_key=True,
                )
            )
        first, last = keys.start_date, keys.end_date
        if first is not None and last is not None and in_zone(last, keys.timezone) < in_zone(first, keys.timezone):
            self.add(Problem(("end_date",), "date", "`end_date` is before `start_date`", "expected the later one"))
        known = self.project.environment_names
        if keys.environment is not None and keys.environment not in known:
            message = f"there is no environment `{keys.environment}` in the project's lake.yaml"
            self.add(
                Problem(("environment",), "unknown-environment", message, expected_one_of(keys.environment, known))
            )
        return keys

    def read_defaults(self) -> DefaultKeys:
        entry = self.root.entries.get("defaults")
        if entry is None:
            return DefaultKeys()
        if entry[1].kind != MAPPING:
            self.add(
                Problem(
                    ("defaults",),
                    "wrong-type",
                    f"`defaults` is {show(entry[1].plain())}",
                    "expected a mapping of table keys",
                )
            )
            return DefaultKeys()
        defaults, _, problems = validate(DefaultKeys, entry[1].plain(), places=DEFAULT_PLACES, what="`defaults`")
        self.add(*(problem.below("defaults") for problem in problems))
        return defaults or DefaultKeys()

    def read_tables(self, defaults: DefaultKeys) -> None:
        entry = self.root.entries.get("tables")
        if entry is None:
            return
        node = entry[1]
        if node.kind != MAPPING or not node.entries:
            found = "empty" if not node.plain() else show(node.plain())
            self.add(
                Problem(
                    ("tables",),
                    "wrong-type",
                    f"`tables` is {found}",
                    "expected at least one table: `layer.name:` and its keys below it",
                )
            )
            return
        lower: dict[str, str] = {}
        for name, (_, value) in node.entries.items():
            path: KeyPath = ("tables", name)
            try:
                read_table_name(name)
            except ValueError as exc:
                context: Any = getattr(exc, "context", None) or {}
                self.add(
                    Problem(path, "table-name", context.get("text", str(exc)), context.get("hint", ""), at_key=True)
                )
                self.broken_tables.append(name)
                continue
            if name.lower() in lower:
                message = f"`{name}` and `{lower[name.lower()]}` differ only by case"
                self.add(
                    Problem(path, "duplicate-table", message, "Most catalogs take them as one table.", at_key=True)
                )
            lower.setdefault(name.lower(), name)
            self.add(*(problem.below(*path) for problem in name_warnings(name)))
            self.read_table(name, value, defaults)
        self.check_quarantine_names()

    def read_table(self, name: str, node: Node, defaults: DefaultKeys) -> None:
        path: KeyPath = ("tables", name)
        if node.kind != MAPPING:
            hint = "expected its keys below it: `ingest`, `sql` or `sql_file`, and more"
            self.add(
                Problem(
                    path, "wrong-type", f"the table `{name}` is {show(node.plain())}", hint, at_key=node.value is None
                )
            )
            self.broken_tables.append(name)
            return
        spec, broken, problems = validate(TableSpec, node.plain(), places=TABLE_PLACES, what=f"table `{name}`")
        self.add(*(problem.below(*path) for problem in problems))
        if spec is None:
            self.broken_tables.append(name)
            return
        given = frozenset(spec.model_fields_set)
        layers = (self.project.keys.defaults or DefaultKeys(), defaults, spec)
        table = _Table(name, path, node, _merged(layers), given, broken)
        self.tables[name] = table
        for problem in table_problems(name, table.spec, broken=broken):
            in_defaults = problem.path and str(problem.path[0]) not in given
            self.add(problem.below(*(("defaults",) if in_defaults and not problem.at_key else path)))

    def check_quarantine_names(self) -> None:
        """No table may be what another one keeps its rejected rows in."""
        owners = {}
        for name, table in self.tables.items():
            quarantine = table.spec.quarantine
            kept = quarantine_table(name, quarantine.table if quarantine is not None else None)
            owners[kept.lower()] = name
        for name in self.tables:
            owner = owners.get(name.lower())
            if owner is not None:
                message = f"`{name}` is the quarantine table of `{owner}`"
                self.add(
                    Problem(
                        ("tables", name), "quarantine", message, "expected another name for one of them", at_key=True
                    )
                )

    # Lineage

    def read_lineage(self, table: _Table) -> None:
        spec = table.spec
        if spec.sql is not None:
            self.read_sql(table, spec.sql, (*table.path, "sql"))
        elif spec.sql_file is not None and "sql_file" in table.given:
            self.read_sql_file(table, spec.sql_file)
        for number, name in enumerate(spec.depends_on or ()):
            path = (*table.path, "depends_on", number)
            self.use(table, TableName(tuple(name.split(".")), 0, len(name)), locate(Problem(path, "", ""), self.root))
        for number, check in enumerate(spec.checks or ()):
            if isinstance(check, str) or (isinstance(check, dict) and len(check) == 1):
                self.read_check(table, check, (*table.path, "checks", number))

    def read_sql(self, table: _Table, sql: str, path: KeyPath) -> None:
        def place(start: int, end: int) -> Diagnostic:
            return locate(Problem(path, "", "", span=(start, end)), self.root)

        self.read_query(table, sql, place, may_be_unread="depends_on" in table.given | table.broken)

    def read_sql_file(self, table: _Table, name: str) -> None:
        path = (*table.path, "sql_file")
        found = self.find_file(name)
        if isinstance(found, Problem):
            self.add(found.below(*path))
            return
        source = Source(_shown(found, self.path), read_source(found).text)
        for match in re.finditer(r"(?<!\$)\$\{[^}]*\}?", source.text):
            problem = variable_problem((), match[0], match.start())
            self.diagnostics.append(
                source.diagnostic(
                    match.start(), match.end(), code=problem.code, message=problem.message, hint=problem.hint
                )
            )
        for problem in _template_problems(source.text, ()):
            start, end = problem.span or (0, 1)
            self.diagnostics.append(
                source.diagnostic(
                    start, end, code=problem.code, message=problem.message, hint=problem.hint, severity=problem.severity
                )
            )

        def place(start: int, end: int) -> Diagnostic:
            return source.diagnostic(start, end, code="", message="")

        self.read_query(table, source.text, place, may_be_unread="depends_on" in table.given | table.broken)
        sql = source.text.replace("$${", "${")
        table.spec = table.spec.model_copy(update={"sql": sql, "sql_file": None})
        if not self.append_is_safe(table):
            return

    def append_is_safe(self, table: _Table) -> bool:
        found = [
            p for p in table_problems(table.name, table.spec, broken=table.broken) if p.code == "append-needs-interval"
        ]
        self.add(*(problem.below(*table.path) for problem in found))
        return not found

    def find_file(self, name: str) -> Path | Problem:
        folder, root = self.path.parent.resolve(), self.project.root.resolve()
        for base in (folder, root):
            candidate = (base / name).resolve()
            if not candidate.is_relative_to(root):
                return Problem(
                    (),
                    "path",
                    f"{show(name)} lies outside of the project",
                    f"expected a file below {root.name or root}/",
                )
            if candidate.is_file():
                return candidate
        near = did_you_mean(name, (p.relative_to(folder).as_posix() for p in folder.rglob("*.sql")))
        return Problem(
            (),
            "missing-file",
            f"there is no file {show(name)}",
            near or "expected a path relative to the spec, or to the project's root",
        )

    def read_check(self, table: _Table, check: Any, path: KeyPath) -> None:
        for mention in check_mentions(check):
            is_key = bool(mention.path)
            at = Problem((*path, *mention.path), "", "", span=(mention.start, mention.end), at_key=is_key)
            name = TableName(tuple(mention.table.split(".")), mention.start, mention.end)
            self.use(table, name, locate(at, self.root), in_check=True)
        for sql, below in check_queries(check):

            def place(start: int, end: int, below: KeyPath = below) -> Diagnostic:
                return locate(Problem((*path, *below), "", "", span=(start, end)), self.root)

            self.read_query(table, sql, place, may_be_unread=True, in_check=True)

    def read_query(self, table: _Table, sql: str, place: Any, *, may_be_unread: bool, in_check: bool = False) -> None:
        try:
            query = read_query(sql)
        except SqlError as exc:
            self.diagnostics.append(_retold(place(exc.start, exc.end), "sql", exc.message, exc.hint))
            return
        if not query.readable:
            table.is_lineage_known = False
            if not may_be_unread:
                message = "the tables of this SQL cannot be read: a template decides them"
                hint = "Name them in `depends_on`."
                self.diagnostics.append(_retold(place(*_deciding(sql)), "unread-sql", message, hint))
        for name in query.tables:
            self.use(table, name, place(name.start, name.end), in_check=in_check)

    def use(self, table: _Table, name: TableName, at: Diagnostic, *, in_check: bool = False) -> None:
        """Note that a table reads another one, or say that there is no such table."""
        found = self.resolve(name)
        if found is None:
            self.diagnostics.append(_retold(at, "unknown-table", *self.unknown(name)))
            return
        owner = self.owner(found)
        if owner == table.name:
            if not in_check and found == table.name:
                hint = "Read the tables that it is made from."
                self.diagnostics.append(_retold(at, "cycle", f"`{table.name}` reads itself", hint))
            return
        table.inputs.add(found)
        if owner is not None:
            self.edges.setdefault(table.name, {}).setdefault(owner, at)

    def owner(self, name: str) -> str | None:
        """Return the table of this spec that makes ``name``: itself, or the one whose quarantine it is."""
        if name in self.tables:
            return name
        for table in self.tables.values():
            if name == self.quarantine_of(table):
                return table.name
        return None

    def quarantine_of(self, table: _Table) -> str:
        quarantine = table.spec.quarantine
        return quarantine_table(table.name, quarantine.table if quarantine is not None else None)

    def known(self) -> dict[str, str]:
        """All tables that may be read without looking into other specs, lower case to the name as declared."""
        own = [*self.tables, *self.broken_tables, *self.external]
        own.extend(self.quarantine_of(table) for table in self.tables.values())
        return {name.lower(): name for name in own}

    def resolve(self, name: TableName) -> str | None:
        parts = [part.lower() for part in name.parts]
        candidates = [parts]
        if len(parts) > 2:
            candidates.append(parts[1:])
            if parts[-1] in _METADATA_TABLES or parts[-1].startswith(("branch_", "tag_")):
                candidates.extend([parts[:-1], parts[1:-1]])
        known = self.known()
        for candidate in candidates:
            if len(candidate) == 2 and ".".join(candidate) in known and self.is_ours(parts, candidate):
                return known[".".join(candidate)]
        elsewhere = {table.lower(): table for table in self.project.tables}
        for candidate in candidates:
            word = ".".join(candidate)
            if len(candidate) == 2 and self.is_ours(parts, candidate):
                if word in elsewhere:
                    return elsewhere[word]
                if word.endswith("__quarantine") and word.removesuffix("__quarantine") in elsewhere:
                    return word
        return None

    def is_ours(self, parts: list[str], candidate: list[str]) -> bool:
        """Whether what stands before the table's name, if anything, is the catalog."""
        if parts[: len(candidate)] == candidate:
            return True
        catalogs = {"lake", *(
            environment.catalog.name.lower()
            for environment in (self.project.keys.environments or {}).values()
            if environment.catalog is not None
        )}  # fmt: skip
        return parts[0] in catalogs

    def unknown(self, name: TableName) -> tuple[str, str]:
        shown = ".".join(name.parts)
        if len(name.parts) == 2 and name.parts[0].lower() in _FILE_FORMATS and re.search(r"[/*.:]", name.parts[1]):
            return f"`{shown}` is a file", "take files in with `ingest`, and read that table"
        names = {*self.known().values(), *self.project.tables}
        if len(name.parts) == 1:
            same = sorted(other for other in names if other.lower().endswith(f".{shown.lower()}"))
            guess = f"did you mean `{same[0]}`?" if same else did_you_mean(shown, names)
            return f"`{shown}` is not a table's full name", f"expected `layer.name`; {guess}".rstrip("; ")
        guess = did_you_mean(shown, names)
        listed = "expected a table of this spec, of another spec of the project, or of `external`"
        return f"there is no table `{shown}`", f"{listed}\n{guess}".strip()

    def find_cycles(self) -> None:
        graph = {name: set(above) for name, above in self.edges.items()}
        while True:
            try:
                TopologicalSorter(graph).prepare()
            except CycleError as exc:
                # graphlib gives the path against our direction: each reads the one before it.
                loop = list(reversed(exc.args[1]))
            else:
                return
            start = min(range(len(loop) - 1), key=lambda n: list(self.tables).index(loop[n]))
            loop = loop[start:-1] + loop[: start + 1]
            at = self.edges[loop[0]][loop[1]]
            path = " -> ".join(f"`{name}`" for name in loop)
            message = "these tables read each other in a circle"
            self.diagnostics.append(_retold(at, "cycle", message, f"{path} (each reads the next)"))
            graph[loop[0]].discard(loop[1])


def _deciding(sql: str) -> tuple[int, int]:
    match = re.search(r"\{%.*?%\}", sql, re.DOTALL) or re.search(r"\{\{.*?\}\}", sql, re.DOTALL)
    return match.span() if match else (0, len(sql))


def _template_problems(text: str, path: KeyPath) -> Iterator[Problem]:
    at = unclosed(text)
    if at is not None:
        yield Problem(path, "template", f"nothing closes this `{text[at : at + 2]}`", "", span=(at, at + 2))
    for name, start in date_names(text):
        hint = "Write `{{ data_interval_start | ds }}`: the start of the run's own interval."
        message = f"on Airflow 3 a manual run may have no `{name}`, or another day's"
        yield warning(path, "ds-template", message, hint, span=(start, start + len(name)))


def _retold(at: Diagnostic, code: str, message: str, hint: str) -> Diagnostic:
    from dataclasses import replace

    return replace(at, code=code, message=message, hint=hint)


def _shown(path: Path, beside: Path) -> str:
    """Name a file as the spec was named: relative to the same place."""
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
