"""One table's rendered settings as a request to the data plane."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.plan.check_step import check_step, input_name
from airflow_lake_provider.plan.python_step import python_step, read_function
from airflow_lake_provider.plan.settings import normal_settings
from airflow_lake_provider.protocol import (
    Catalog,
    Column,
    IngestStep,
    PublishStep,
    Quarantine,
    Step,
    TableRequest,
    TransformStep,
    WriteStep,
)
from airflow_lake_provider.spec import Environment, TableSpec
from airflow_lake_provider.spec.check import check_problems
from airflow_lake_provider.spec.diagnostic import ERROR
from airflow_lake_provider.spec.layers import LAYERS, default_strategy, layer_of, quarantine_table
from airflow_lake_provider.spec.lineage import SqlError, is_deterministic, read_query
from airflow_lake_provider.spec.namespaces import with_prefix
from airflow_lake_provider.spec.problem import Problem, told
from airflow_lake_provider.spec.python_source import PythonFunction
from airflow_lake_provider.spec.reading import TABLE_PLACES, validate
from airflow_lake_provider.spec.rules import format_of, table_problems
from airflow_lake_provider.spec.source import read_source
from airflow_lake_provider.spec.table import WriteSpec
from airflow_lake_provider.spec.values import read_table_name

_CONTENT = ("ingest", "sql", "python", "columns", "unique_key", "partition_by", "write", "checks", "quarantine")
"""The keys that decide what rows a table holds: they make the fingerprint; a comment or a tag does not."""


def table_request(
    table: str,
    settings: Mapping[str, Any],
    *,
    environment: Environment,
    inputs: Sequence[str] | None = None,
    upstream: Iterable[str] = (),
    names_interval: bool = False,
    full_refresh: bool = False,
    folder: Path | None = None,
    writer: str | None = None,
) -> TableRequest:
    """Return what to ask of the data plane for one table.

    :param table: ``layer.name``.
    :param settings: the table's keys as in a spec (user's or normal form), rendered.
    :param inputs: the tables that it reads; by default what the SQL, the checks and ``depends_on`` name.
    :param upstream: tables of the same request that must have succeeded first.
    :param names_interval: the settings were rendered from a template of the run's interval.
    :param full_refresh: rebuild the table.
    :param folder: where ``python`` is looked for first (the spec's folder); then in the project root.
    :param writer: which task it is, where several may append to the table: each appends an interval once.
    :raises SpecError: a setting is wrong; the message names each, as an argument.
    """
    function: PythonFunction | None = None
    if isinstance(reference := settings.get("python"), str):
        root = environment.project_root
        function = read_function(table, reference, folder=folder or root, root=root)
        names_interval = names_interval or function.names_interval
    spec = _read(table, settings, environment, names_interval=names_interval)
    if full_refresh and names_interval:
        raise SpecError(
            f"{table} cannot be rebuilt in one publish: its settings name the run's interval. Redo the intervals: "
            "airflow backfill create --dag-id <pipeline> --from-date ... --to-date ... --reprocess-behavior completed"
        )
    catalog = environment.catalog
    steps: list[Step]
    if spec.ingest is not None:
        steps = [_ingest(spec, environment)]
    elif function is not None:
        named = {*function.tables, *(spec.depends_on or ())} - {table} if inputs is None else inputs
        deterministic = _has_deterministic_predicates(spec)
        steps = [
            python_step(
                function,
                job_root=environment.job_root,
                inputs=named,
                deterministic=deterministic,
                names_interval=names_interval,
            )
        ]
    else:
        steps = [_transform(table, spec, catalog, inputs=inputs, names_interval=names_interval)]
    steps.append(_write(spec, writer=writer))
    if spec.checks:
        steps.append(check_step(table, spec.checks, catalog))
    steps.append(PublishStep())
    return TableRequest(
        table=table,
        steps=tuple(steps),
        columns=_columns(spec),
        description=spec.description,
        partition_by=tuple(spec.partition_by or ()),
        properties={key: value for key, value in (spec.properties or {}).items() if value is not None},
        quarantine=_quarantine(table, spec),
        upstream=tuple(upstream),
        full_refresh=full_refresh,
        spec_sha256=_sha256(table, spec),
    )


def check_request(table: str, checks: Sequence[Any], *, environment: Environment) -> TableRequest:
    """Return a request that only judges a table.

    :raises SpecError: a check is wrong, or there is none.
    """
    _check_name(table)
    if isinstance(checks, str):
        raise SpecError(f"{table}: checks: `checks` is a text; expected a list, such as [{checks!r}]")
    problems = [problem.below(n) for n, check in enumerate(checks) for problem in check_problems(check)]
    if not checks:
        problems.append(Problem((), "wrong-value", "there is no check", "expected at least one"))
    if problems:
        raise _refused(table, [problem.below("checks") for problem in problems])
    step = check_step(table, checks, environment.catalog)
    return TableRequest(table=table, steps=(step,), spec_sha256=_hash({"table": table, "checks": list(checks)}))


def _read(table: str, settings: Mapping[str, Any], environment: Environment, *, names_interval: bool) -> TableSpec:
    _check_name(table)
    plain = _plain(dict(settings))
    spec, broken, problems = validate(TableSpec, plain, places=TABLE_PLACES, what=f"table `{table}`")
    if spec is not None and spec.sql_file is not None and spec.sql is None:
        spec = _with_file(spec, environment)
    if spec is not None:
        kind = _kind(table, environment)
        layers = (*LAYERS, *environment.layers)
        found = table_problems(table, spec, kind=kind, layers=layers, broken=broken, is_of_interval=names_interval)
        problems.extend(problem for problem in found if problem.severity == ERROR)
        strategy = default_strategy(kind, is_ingest=spec.ingest is not None)
        if spec.write is None and strategy is not None:
            spec = spec.model_copy(update={"write": WriteSpec.model_validate({"strategy": strategy})})
    if problems or spec is None:
        raise _refused(table, problems)
    return spec


def _kind(table: str, environment: Environment) -> str | None:
    """Return the built-in layer that a table's layer is, or is like by ``lake.yaml``."""
    layer = layer_of(table).lower()
    return layer if layer in LAYERS else {name.lower(): kind for name, kind in environment.layers.items()}.get(layer)


def _plain(value: Any) -> Any:
    """Turn what Python code may hand in into what a spec holds: mappings, sequences and paths of any class."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    # The results of a mapped task are a sequence that Airflow reads one by one.
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value


def _with_file(spec: TableSpec, environment: Environment) -> TableSpec:
    root = environment.project_root.resolve()
    path = (root / Path(spec.sql_file or "")).resolve()
    if not path.is_relative_to(root):
        raise SpecError(f"sql_file: {spec.sql_file} lies outside of the project; expected a file below {root}")
    try:
        text = read_source(path).text
    except OSError as exc:
        raise SpecError(f"sql_file: {spec.sql_file} cannot be read from {root}: {exc.strerror}") from exc
    return spec.model_copy(update={"sql": text, "sql_file": None})


def _check_name(table: str) -> None:
    try:
        read_table_name(table)
    except ValueError as exc:
        raise SpecError("table: " + "; ".join(told(exc))) from exc


def _refused(table: str, problems: Iterable[Problem]) -> SpecError:
    lines = []
    for problem in problems:
        argument = ".".join(str(part) for part in problem.path)
        said = "; ".join(part for part in (problem.message, problem.hint.replace("\n", " ")) if part)
        lines.append(f"{argument}: {said}" if argument else said)
    return SpecError("\n".join(f"{table}: {line}" for line in dict.fromkeys(lines)))


def _ingest(spec: TableSpec, environment: Environment) -> IngestStep:
    ingest = spec.ingest
    assert ingest is not None
    return IngestStep(
        files=tuple(environment.data_path(pattern) for pattern in ingest.files),
        format=format_of(ingest) or "",
        options=dict(ingest.options),
        metadata_columns=tuple(ingest.metadata_columns),
        recursive=ingest.recursive,
        on_empty=ingest.on_empty,
        on_replaced=ingest.on_replaced,
        files_per_run=ingest.files_per_run,
    )


def _write(spec: TableSpec, *, writer: str | None) -> WriteStep:
    write = spec.write
    assert write is not None
    by_source = write.when_not_matched_by_source or "keep"
    soft_delete = by_source["soft_delete"] if isinstance(by_source, Mapping) else None
    return WriteStep(
        strategy=write.strategy,
        unique_key=tuple(spec.unique_key or ()),
        sequence_by=write.sequence_by,
        mode=write.mode or "auto",
        update_columns=tuple(write.update_columns or ()),
        exclude_columns=tuple(write.exclude_columns or ()),
        delete_when=write.delete_when,
        when_matched=write.when_matched or "update",
        when_not_matched=write.when_not_matched or "insert",
        when_not_matched_by_source="soft_delete" if isinstance(by_source, Mapping) else by_source,
        soft_delete=soft_delete,
        writer=writer if write.strategy == "append" and spec.ingest is None else None,
    )


def _transform(
    table: str, spec: TableSpec, catalog: Catalog, *, inputs: Sequence[str] | None, names_interval: bool
) -> TransformStep:
    sql = (spec.sql or "").strip().rstrip(";").rstrip()
    try:
        query = read_query(sql)
        rendered = with_prefix(sql, catalog.namespace_prefix, catalog=catalog.name)
    except SqlError as exc:
        line = sql.count("\n", 0, exc.start) + 1
        raise SpecError(f"{table}: sql: {exc.message} (line {line} of the query); {exc.hint}".rstrip("; ")) from exc
    if inputs is None:
        named = {input_name(name, catalog.name) for name in query.tables} | set(spec.depends_on or ())
        inputs = sorted(named - {table})
    return TransformStep(
        sql=rendered,
        inputs=tuple(inputs),
        deterministic=query.deterministic and _has_deterministic_predicates(spec),
        names_interval=names_interval,
    )


def _has_deterministic_predicates(spec: TableSpec) -> bool:
    predicates = [column.rule for column in (spec.columns or {}).values()]
    predicates += [spec.write.delete_when] if spec.write is not None else []
    return all(is_deterministic(predicate) for predicate in predicates if predicate is not None)


def _columns(spec: TableSpec) -> tuple[Column, ...] | None:
    if spec.columns is None:
        return None
    return tuple(Column(name=name, **column.normal()) for name, column in spec.columns.items())


def _quarantine(table: str, spec: TableSpec) -> Quarantine:
    quarantine = spec.quarantine
    if quarantine is None:
        return Quarantine(table=quarantine_table(table, None))
    return Quarantine(
        enabled=quarantine.enabled,
        table=quarantine_table(table, quarantine.table),
        max_fraction=Quarantine.max_fraction if quarantine.max is None else quarantine.max,
    )


def _sha256(table: str, spec: TableSpec) -> str:
    settings = normal_settings(table, spec)
    return _hash({"table": table, **{key: settings[key] for key in _CONTENT if key in settings}})


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
