"""The tables of a spec: each one's keys over all that it inherits, with the files that its query or function is in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec.diagnostic import Diagnostic
from airflow_lake_provider.spec.extends import FileFault, find_file, shown_beside
from airflow_lake_provider.spec.findings import Findings
from airflow_lake_provider.spec.inherited import built_in, merged_keys, platform_nodes, without
from airflow_lake_provider.spec.lake_yaml import Settings
from airflow_lake_provider.spec.layers import Layers, default_strategy, layer_of, quarantine_table
from airflow_lake_provider.spec.node import MAPPING, WHOLE_FILE, Node, scalar
from airflow_lake_provider.spec.problem import Path as KeyPath
from airflow_lake_provider.spec.problem import Problem, expected_one_of, show, told
from airflow_lake_provider.spec.python_module import PythonError
from airflow_lake_provider.spec.python_source import PythonFunction, read_python
from airflow_lake_provider.spec.reading import TABLE_PLACES, locate, validate
from airflow_lake_provider.spec.rules import name_warnings, table_problems
from airflow_lake_provider.spec.source import MAX_BYTES, Source, read_source
from airflow_lake_provider.spec.table import Conf, TableSpec, WriteSpec
from airflow_lake_provider.spec.template import names_interval
from airflow_lake_provider.spec.template_check import TemplateCheck
from airflow_lake_provider.spec.values import read_table_name, task_id
from airflow_lake_provider.spec.variables import Scope, put_in

MAX_VALUES = 200_000
"""How many values all tables may have, with what they inherit."""


@dataclass
class ReadTable:
    """One table, with what was found out about it."""

    spec: TableSpec
    names_inputs: bool
    kind: str | None
    function: PythonFunction | None = None
    is_contract_wrong: bool = False

    @property
    def names_interval(self) -> bool:
        """Whether its rows are those of the run's interval."""
        ingest = self.spec.ingest
        files = list(ingest.files) if ingest is not None else []
        by_function = self.function is not None and self.function.names_interval
        return by_function or names_interval([self.spec.sql or "", files])

    def contract(self) -> list[str] | None:
        """Return the columns that the table has, if it says so."""
        if self.spec.columns is None or self.is_contract_wrong:
            return None
        by_source = self.spec.write.when_not_matched_by_source if self.spec.write is not None else None
        return [*self.spec.columns, *(by_source.values() if isinstance(by_source, dict) else ())]


class TableReading:
    """Reads the tables of one spec; ``tables`` are those of which something can be made, ``wrong`` the others' names.

    :param path: the spec's file; ``root`` the project's folder.
    :param defaults: the spec's ``defaults``, without the wrong ones.
    """

    def __init__(
        self,
        findings: Findings,
        *,
        path: Path,
        root: Path,
        settings: Settings,
        scope: Scope,
        templates: TemplateCheck,
        defaults: Node | None,
        layers: Layers,
    ) -> None:
        self._found = findings
        self._path = path
        self._root = root
        self._settings = settings
        self._scope = scope
        self._templates = templates
        self._defaults = defaults
        self._layers = layers
        self._resolved: dict[str, tuple[Node, Node]] = {}
        self._sql_length = 0
        self._values = 0
        self.tables: dict[str, ReadTable] = {}
        self.wrong: list[str] = []

    def read(self) -> None:
        """Read all tables."""
        node = self._found.root.get("tables")
        if node is None:
            return
        if not node.entries:
            found = show(node.plain() or None)
            hint = "expected at least one table: `layer.name:` and its keys below it"
            self._found.add(Problem(("tables",), "wrong-type", f"`tables` is {found}", hint, at_key=node.value is None))
            return
        self._resolved = dict(node.entries)
        root = self._found.root
        key = root.entries["tables"][0]
        self._found.root = root.with_entries({**root.entries, "tables": (key, node.with_entries(self._resolved))})
        first_by_lower: dict[str, str] = {}
        first_by_task: dict[str, str] = {}
        for name, (_, value) in node.entries.items():
            namesake = first_by_task.setdefault(task_id(name), name)
            if namesake != name:
                message = f"`{name}` and `{namesake}` would both be the task `{task_id(name)}`"
                self._found.add(
                    Problem(("tables", name), "duplicate-table", message, "expected another name", at_key=True)
                )
            other = first_by_lower.setdefault(name.lower(), name)
            if other != name:
                message, hint = f"`{name}` and `{other}` differ only by case", "Most catalogs take them as one table."
                self._found.add(Problem(("tables", name), "duplicate-table", message, hint, at_key=True))
            if not self._read_table(name, value):
                self.wrong.append(name)
        self._check_quarantine_names()

    def _read_table(self, name: str, node: Node) -> bool:
        """Read one table; ``False`` when nothing can be made of it."""
        path: KeyPath = ("tables", name)
        try:
            read_table_name(name)
        except ValueError as exc:
            self._found.add(Problem(path, "table-name", *told(exc), at_key=True))
            return False
        self._found.add(*(problem.below(*path) for problem in name_warnings(name)))
        if node.kind != MAPPING:
            hint = "expected its keys below it: `ingest`, `sql`, `sql_file` or `python`, and more"
            message = f"the table `{name}` is {show(node.plain())}"
            self._found.add(Problem(path, "wrong-type", message, hint, at_key=node.value is None))
            return False
        layer = self._layers.of(layer_of(name))
        merged = merged_keys(self._settings.node.get("defaults"), self._defaults, *layer.keys, node)
        self._values += sum(1 for _ in merged.walk())
        if self._values > MAX_VALUES:
            message = f"the tables up to here have more than {MAX_VALUES:,} values, inherited ones counted each time"
            self._found.add(Problem(path, "too-big", message, "Split the spec.", at_key=True))
            raise self._found.error()
        self._resolved[name] = (self._resolved[name][0], merged)
        spec, broken, problems = validate(
            TableSpec, merged.plain(), places=TABLE_PLACES, what=f"table `{name}`", node=merged
        )
        self._found.add(*(problem.below(*path) for problem in problems))
        if spec is None:
            return False
        table = ReadTable(spec, bool(spec.depends_on) or "depends_on" in broken, layer.kind)
        table.is_contract_wrong = bool({"columns", "write"} & set(broken))
        self._read_sources(name, table, merged)
        for problem in table_problems(
            name, spec, kind=layer.kind, layers=self._layers.names, broken=broken, is_of_interval=table.names_interval
        ):
            self._found.add(problem.below(*path))
        self._complete(name, table, merged, broken)
        self.tables[name] = table
        return True

    def _read_sources(self, name: str, table: ReadTable, merged: Node) -> None:
        """Read the files that hold the query or the function, if any; a file's text stands as ``sql`` then."""
        if table.spec.sql_file is not None:
            text = self._read_sql_file(table.spec.sql_file, ("tables", name, "sql_file"), merged.entries["sql_file"][1])
            if text is not None and table.spec.sql is None:
                merged.entries["sql"] = (merged.entries["sql_file"][0], text)
                table.spec = table.spec.model_copy(update={"sql": text.value})
        if table.spec.python is not None:
            table.function = self._read_function(table.spec.python, name, merged.entries["python"][1])

    def _read_sql_file(self, name: str, path: KeyPath, node: Node) -> Node | None:
        found = find_file(name, (self._folder_of(node), self._path.parent), self._root.resolve())
        if isinstance(found, FileFault):
            self._found.add(Problem(path, found.code, found.message, found.hint))
            return None
        shown = shown_beside(found, self._path)
        try:
            source = Source(shown, read_source(found).text)
        except SpecError as exc:
            wrong = [each for each in exc.diagnostics if isinstance(each, Diagnostic)]
            self._found.note(*(replace(each, file=shown) for each in wrong))
            return None
        except OSError as exc:
            self._found.add(
                Problem(path, "missing-file", f"{show(name)} cannot be read: {exc.strerror}", "expected a file")
            )
            return None
        self._sql_length += len(source.text)
        if self._sql_length > MAX_BYTES:
            message = f"the files of this spec's queries hold more than {MAX_BYTES:,} characters together"
            self._found.add(Problem(path, "too-big", message, "Split the spec."))
            return None
        whole = replace(scalar(source.text, source, end=len(source.text)), style=WHOLE_FILE)
        text, problems = put_in(whole, self._scope)
        self._found.note(*problems)
        for problem in self._templates.problems(text.value, ()):
            self._found.note(locate(problem, text))
        return text

    def _read_function(self, reference: str, name: str, node: Node) -> PythonFunction | None:
        try:
            return read_python(reference, folder=self._folder_of(node), root=self._root)
        except OSError as exc:
            message = f"{show(reference)} cannot be read: {exc.strerror}"
            self._found.add(Problem(("tables", name, "python"), "python", message, "expected `file.py:function`"))
            return None
        except PythonError as exc:
            if exc.source is None:
                self._found.add(
                    Problem(("tables", name, "python"), "python", exc.message, exc.hint, (exc.start, exc.end))
                )
                return None
            source = Source(shown_beside(Path(exc.source.name).resolve(), self._path), exc.source.text)
            self._found.note(source.diagnostic(exc.start, exc.end, code="python", message=exc.message, hint=exc.hint))
            return None

    def _folder_of(self, node: Node) -> Path:
        """Return the folder of the file that holds a value: what a relative path in it is relative to."""
        file = Path(node.source.name)
        return file.parent if node.source.name != "--set" and file.is_file() else self._path.parent

    def _complete(self, name: str, table: ReadTable, merged: Node, broken: set[str]) -> None:
        """Fill in what the layer, the profile and the environment say of a table."""
        spec, path, environment = table.spec, ("tables", name), self._settings.environment
        updates: dict[str, object] = {"sql_file": None}
        if spec.properties is not None:
            updates["properties"] = {key: value for key, value in spec.properties.items() if value is not None}
        strategy = default_strategy(table.kind, is_ingest=spec.ingest is not None)
        if spec.write is None and strategy is not None:
            updates["write"] = WriteSpec.model_validate({"strategy": strategy})
            merged.entries["write"] = (self._resolved[name][0], built_in(strategy))
        engine = environment.engines.get(spec.engine or "default")
        if engine is None:
            message = f"the environment `{environment.name}` has no engine `{spec.engine}`"
            hint = expected_one_of(spec.engine or "", environment.engines)
            self._found.add(Problem((*path, "engine"), "unknown-engine", message, hint))
        profile = spec.resource_profile
        if profile is not None and profile not in environment.profiles:
            hint = expected_one_of(profile, environment.profiles)
            self._found.add(
                Problem((*path, "resource_profile"), "unknown-profile", f"there is no profile `{profile}`", hint)
            )
        elif engine is not None:
            own = without(merged, broken) or merged
            for key, node in platform_nodes(self._settings, engine, profile, own).items():
                at = merged.entries[key][0] if key in merged.entries else self._resolved[name][0]
                merged.entries[key] = (at, node)
                updates[key] = _as_conf(node.plain()) if key == "spark_conf" else node.plain()
        table.spec = spec.model_copy(update=updates)

    def quarantine_of(self, name: str) -> str:
        """Return the table that keeps the rejected rows of a table."""
        quarantine = self.tables[name].spec.quarantine
        return quarantine_table(name, quarantine.table if quarantine is not None else None)

    def _check_quarantine_names(self) -> None:
        """No table may be what another one keeps its rejected rows in."""
        owners: dict[str, str] = {}
        for name in self.tables:
            kept = self.quarantine_of(name)
            other = owners.setdefault(kept.lower(), name)
            if other.lower() != name.lower():
                message = f"`{name}` and `{other}` would share the quarantine table `{kept}`"
                path = ("tables", name, "quarantine", "table")
                self._found.add(Problem(path, "quarantine", message, "expected one for each table"))
        for name in self.tables:
            owner = owners.get(name.lower())
            if owner is not None and owner != name:
                message = f"`{name}` is the quarantine table of `{owner}`"
                hint = "expected another name for one of them"
                self._found.add(Problem(("tables", name), "quarantine", message, hint, at_key=True))


def _as_conf(plain: object) -> dict[str, str | None]:
    """Return Spark's properties as text; what the model has checked before always fits."""
    return TypeAdapter(Conf).validate_python(plain)
