"""What concerns several keys of a table, and what needs more than a look at one value."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from airflow_lake_provider.protocol import METADATA_COLUMNS
from airflow_lake_provider.spec.check import check_columns, check_problems
from airflow_lake_provider.spec.column_type import read_type
from airflow_lake_provider.spec.layers import LAYERS, default_strategy, layer_of, quarantine_table
from airflow_lake_provider.spec.lineage import SqlError, read_predicate
from airflow_lake_provider.spec.problem import Path, Problem, did_you_mean, expected_one_of, nearest, show, warning
from airflow_lake_provider.spec.table import FORMATS, LATER_FORMATS, ColumnSpec, IngestSpec, TableSpec
from airflow_lake_provider.spec.template import names_interval
from airflow_lake_provider.spec.values import IDENTIFIER, partition_column

SOURCES = ("ingest", "sql", "sql_file")
_ENDINGS = {"jsonl": "json", "ndjson": "json"}
_TIMES = ("year", "month", "day", "hour")
_FITTING = {
    "year": ("date", "timestamp", "timestamp_ntz"),
    "month": ("date", "timestamp", "timestamp_ntz"),
    "day": ("date", "timestamp", "timestamp_ntz"),
    "hour": ("timestamp", "timestamp_ntz"),
    "bucket": ("int", "bigint", "decimal", "date", "timestamp", "timestamp_ntz", "string", "binary"),
    "truncate": ("int", "bigint", "decimal", "string", "binary"),
}


def strategy_of(table: str, spec: TableSpec) -> str | None:
    """Return how a table is written: its own word, or its layer's."""
    if spec.write is not None:
        return spec.write.strategy
    return default_strategy(table, is_ingest=spec.ingest is not None)


def format_of(ingest: IngestSpec) -> str | None:
    """Return the format of an ingest's files: its own word, or what all their endings tell."""
    if ingest.format is not None:
        return ingest.format
    endings = {_ending(pattern) for pattern in ingest.files}
    return endings.pop() if len(endings) == 1 else None


def _ending(pattern: str) -> str | None:
    suffixes = [suffix.lstrip(".").lower() for suffix in PurePosixPath(pattern).suffixes]
    while suffixes and suffixes[-1] in ("gz", "bz2", "zst", "snappy", "deflate", "lz4"):
        suffixes.pop()
    return _ENDINGS.get(suffixes[-1], suffixes[-1]) if suffixes else None


def table_problems(
    table: str, spec: TableSpec, *, broken: Collection[str] = (), is_of_interval: bool = False
) -> Iterator[Problem]:
    """Yield what is wrong with a table whose keys are right one by one.

    :param broken: keys that were wrong and are not in ``spec``; what would only follow from them is not said.
    :param is_of_interval: the query was rendered from a template of the interval.
    """
    yield from _source_problems(spec, broken)
    if spec.ingest is not None:
        yield from _ingest_problems(spec.ingest)
    yield from _column_problems(spec, broken)
    yield from _write_problems(table, spec, broken, is_of_interval)
    yield from _contract_problems(spec, broken)
    for number, check in enumerate(spec.checks or ()):
        found = [problem.below("checks", number) for problem in check_problems(check)]
        yield from found
        if not found and spec.columns is not None and "columns" not in broken:
            for name, path, span in check_columns(check):
                yield from _in_contract(
                    spec, name, ("checks", number, *path), "the check", span=span, at_key=bool(path)
                )
    named = spec.quarantine.table if spec.quarantine is not None else None
    if named is not None and quarantine_table(table, named).lower() == table.lower():
        message = f"`{table}` would be its own quarantine table"
        yield Problem(("quarantine", "table"), "quarantine", message, "expected another name")


def _source_problems(spec: TableSpec, broken: Collection[str]) -> Iterator[Problem]:
    given = [key for key in SOURCES if getattr(spec, key) is not None]
    if len(given) > 1:
        yield Problem(
            (given[1],),
            "source",
            f"`{given[1]}` stands beside `{given[0]}`",
            "expected exactly one of `ingest`, `sql`, `sql_file`",
            at_key=True,
        )
    if not given and not {*SOURCES, "python"} & set(broken):
        yield Problem(
            (), "source", "the table has no source", "expected exactly one of `ingest`, `sql`, `sql_file`", at_key=True
        )


def _ingest_problems(ingest: IngestSpec) -> Iterator[Problem]:
    found = format_of(ingest)
    if ingest.format is None and found in LATER_FORMATS:
        yield Problem(
            ("ingest", "files"),
            "not-supported-yet",
            f"the format `{found}` is not supported yet",
            expected_one_of("", FORMATS),
        )
    elif found not in FORMATS:
        hint = expected_one_of("", FORMATS).replace("expected one of", "add `format`: one of")
        message = "the files' ending does not tell their format"
        if len({_ending(pattern) for pattern in ingest.files}) > 1:
            message, hint = "the files' endings tell several formats", "expected one format for each table, or `format`"
        yield Problem(("ingest", "files"), "format", message, hint)


def _column_problems(spec: TableSpec, broken: Collection[str]) -> Iterator[Problem]:
    columns = spec.columns
    if columns is None:
        return
    if not columns and "columns" not in broken:
        yield Problem(
            ("columns",), "wrong-value", "`columns` is empty", "expected `name: type`, or leave `columns` out"
        )
    seen: dict[str, str] = {}
    for name, column in columns.items():
        path: Path = ("columns", name)
        if not IDENTIFIER.fullmatch(name):
            yield Problem(
                path,
                "identifier",
                f"{show(name)} is not a column's name",
                "expected letters, digits and `_`, no digit first",
                at_key=True,
            )
        elif name.lower() in seen:
            message = f"`{name}` and `{seen[name.lower()]}` differ only by case"
            yield Problem(path, "duplicate-column", message, "Spark and most catalogs take them as one.", at_key=True)
        elif spec.ingest is not None and name.lower() in METADATA_COLUMNS:
            yield Problem(
                path,
                "reserved-column",
                f"`{name}` is a metadata column of every ingest",
                "Leave it out: it is added.",
                at_key=True,
            )
        seen.setdefault(name.lower(), name)
        if column.rule is not None:
            yield from _rule_problems(column, name, spec)


def _rule_problems(column: ColumnSpec, name: str, spec: TableSpec) -> Iterator[Problem]:
    path: Path = ("columns", name, "rule")
    try:
        named = read_predicate(column.rule or "")
    except SqlError as exc:
        yield Problem(path, "rule", exc.message, exc.hint, span=(exc.start, exc.end))
        return
    for other, start, end in named:
        yield from _in_contract(spec, other, path, "the rule", span=(start, end))


def _write_problems(table: str, spec: TableSpec, broken: Collection[str], is_of_interval: bool) -> Iterator[Problem]:
    strategy = strategy_of(table, spec)
    sourced = spec.ingest is not None or spec.sql is not None or spec.sql_file is not None
    if strategy is None:
        if "write" not in broken and sourced:
            layer = layer_of(table)
            guess = did_you_mean(layer, LAYERS)
            hint = "add `write: append`, `merge` or `replace`, or use the layers `bronze`, `silver`, `gold`"
            message = f"the layer `{layer}` has no way to write of its own, and the table has no `write`"
            yield Problem((), "missing-key", message, f"{hint}; {guess}" if guess else hint, at_key=True)
        return
    near = nearest(layer_of(table), LAYERS)
    if near is not None and layer_of(table).lower() not in LAYERS:
        message = f"the layer `{layer_of(table)}` is not built in"
        yield warning((), "layer", message, f"did you mean `{near}`?", at_key=True)
    where: Path = ("write",) if spec.write is not None else ()
    if strategy == "merge" and not spec.unique_key and sourced and not {"unique_key", "write"} & set(broken):
        if spec.write is None:
            message = f"a {layer_of(table).lower()} table merges, and `{table}` has no `unique_key`"
            hint = "add `unique_key`, or say otherwise with `write: append` or `write: replace`"
        else:
            message, hint = "`merge` needs `unique_key`", "add `unique_key`: the columns that make a row the same row"
        yield Problem(where, "missing-key", message, hint, at_key=not where)
    is_query = spec.ingest is None and sourced
    is_repeated = is_query and not is_of_interval and not names_interval(spec.sql or "")
    if strategy == "append" and is_repeated and "write" not in broken:
        message = "an `append` from a query would add the same rows at each run"
        hint = (
            "It needs `incremental` (not supported yet), or an interval template in the query:\n"
            "`WHERE day = '{{ data_interval_start | ds }}'`"
        )
        yield Problem(where, "append-needs-interval", message, hint, at_key=not where)
    if spec.write is not None and spec.write.sequence_by is not None and strategy != "merge":
        yield Problem(
            ("write", "sequence_by"),
            "wrong-key",
            f"`{strategy}` takes no `sequence_by`",
            "only `merge` does",
            at_key=True,
        )


def _contract_problems(spec: TableSpec, broken: Collection[str]) -> Iterator[Problem]:
    parted: dict[tuple[str, str], str] = {}
    for number, transform in enumerate(spec.partition_by or ()):
        column = partition_column(transform)
        path: Path = ("partition_by", number)
        missing = list(_in_contract(spec, column, path, "`partition_by`")) if "columns" not in broken else []
        yield from missing
        type_ = _type_of(spec, column)
        name = transform.partition("(")[0] if "(" in transform else None
        other = parted.setdefault((column.lower(), "time" if name in _TIMES else name or ""), transform)
        if other != transform or (spec.partition_by or ()).index(transform) != number:
            message = f"`{transform}` stands beside `{other}`"
            hint = "Iceberg takes one of them for a column; the finer one serves both." if name in _TIMES else ""
            yield Problem(path, "partition", message, hint or "Iceberg takes one of them for a column.")
        if name and type_ and type_.partition("(")[0] not in _FITTING[name]:
            yield Problem(
                path,
                "partition",
                f"`{name}` does not fit `{column}`, a `{type_}`",
                f"expected a column of {_or(_FITTING[name])}",
            )
        elif type_ and type_.partition("<")[0] in ("array", "map", "struct"):
            yield Problem(path, "partition", f"`{column}` is a `{type_}`", "a table is partitioned by plain columns")
    seen: set[str] = set()
    for number, column in enumerate(spec.unique_key or ()):
        if column.lower() in seen:
            yield Problem(("unique_key", number), "duplicate-column", f"`{column}` stands twice in `unique_key`")
        seen.add(column.lower())
        if "columns" not in broken:
            yield from _in_contract(spec, column, ("unique_key", number), "`unique_key`")
        type_ = _type_of(spec, column) or ""
        if type_.startswith("map"):
            yield Problem(("unique_key", number), "unique-key", f"`{column}` is a `{type_}`", "maps cannot be compared")
    if spec.write is not None and spec.write.sequence_by is not None and "columns" not in broken:
        yield from _in_contract(spec, spec.write.sequence_by, ("write", "sequence_by"), "`sequence_by`")


def _or(words: Collection[str]) -> str:
    *most, last = (f"`{word}`" for word in words)
    return f"{', '.join(most)} or {last}" if most else last


def _in_contract(
    spec: TableSpec, column: str, path: Path, what: str, *, span: tuple[int, int] | None = None, at_key: bool = False
) -> Iterator[Problem]:
    if spec.columns is None or column.lower() in METADATA_COLUMNS:
        return
    if column.lower() in {name.lower() for name in spec.columns}:
        return
    guess = did_you_mean(column, spec.columns)
    yield Problem(
        path,
        "unknown-column",
        f"{what} names `{column}`, which is not in `columns`",
        guess or "Add it to `columns`.",
        span=span,
        at_key=at_key,
    )


def _type_of(spec: TableSpec, column: str) -> str | None:
    for name, entry in (spec.columns or {}).items():
        if name.lower() == column.lower():
            return read_type(entry.type)[0]
    return None


def name_warnings(table: str) -> Iterator[Problem]:
    """Yield doubts about a table's name."""
    if table != table.lower():
        yield warning(
            (),
            "upper-case",
            f"`{table}` has capital letters",
            f"advised: `{table.lower()}`, for some catalogs fold case",
            at_key=True,
        )
