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
from airflow_lake_provider.spec.table import FORMATS, SOURCES, ColumnSpec, IngestSpec, TableSpec, WriteSpec
from airflow_lake_provider.spec.template import names_interval
from airflow_lake_provider.spec.values import IDENTIFIER, partition_column

_ONE_SOURCE = "expected exactly one of `ingest`, `sql`, `sql_file`, `python`"
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


def strategy_of(spec: TableSpec, *, kind: str | None) -> str | None:
    """Return how a table is written: its own word, or its layer's.

    :param kind: the built-in layer that the table's layer is, or is like.
    """
    if spec.write is not None:
        return spec.write.strategy
    return default_strategy(kind, is_ingest=spec.ingest is not None)


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
    table: str,
    spec: TableSpec,
    *,
    kind: str | None,
    layers: Collection[str] = LAYERS,
    broken: Collection[str] = (),
    is_of_interval: bool = False,
) -> Iterator[Problem]:
    """Yield what is wrong with a table whose keys are right one by one.

    :param kind: the built-in layer that the table's layer is, or is like.
    :param layers: the names of the layers that there are.
    :param broken: keys that were wrong and are not in ``spec``; what would only follow from them is not said.
    :param is_of_interval: the query was rendered from a template of the interval.
    """
    yield from _source_problems(spec, broken)
    if spec.ingest is not None:
        yield from _ingest_problems(spec.ingest)
        yield from _repeated_ingest_problems(spec, spec.ingest, strategy_of(spec, kind=kind))
    yield from _column_problems(spec, broken)
    yield from _write_problems(table, spec, broken, is_of_interval, kind, layers)
    if spec.write is not None:
        yield from _option_problems(spec, spec.write, broken)
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
            _ONE_SOURCE,
            at_key=True,
        )
    if not given and not set(SOURCES) & set(broken):
        yield Problem((), "source", "the table has no source", _ONE_SOURCE, at_key=True)


def _ingest_problems(ingest: IngestSpec) -> Iterator[Problem]:
    found = format_of(ingest)
    if found not in FORMATS:
        hint = expected_one_of("", FORMATS).replace("expected one of", "add `format`: one of")
        message = "the files' ending does not tell their format"
        if len({_ending(pattern) for pattern in ingest.files}) > 1:
            message, hint = "the files' endings tell several formats", "expected one format for each table, or `format`"
        yield Problem(("ingest", "files"), "format", message, hint)


def _repeated_ingest_problems(spec: TableSpec, ingest: IngestSpec, strategy: str | None) -> Iterator[Problem]:
    """What only shows when files come again, or in parts."""
    if strategy == "replace" and ingest.files_per_run is not None:
        message = "`files_per_run` stands beside `write: replace`"
        hint = "A table that its files replace is made of all of them: expected another `write`, or no limit."
        yield Problem(("ingest", "files_per_run"), "wrong-key", message, hint, at_key=True)
    if ingest.files_per_run is not None and names_interval(list(ingest.files)):
        message = "`files_per_run` may leave files of an interval behind"
        hint = "The next run reads its own interval: only a second run of this one takes them. Leave the limit out."
        yield warning(("ingest", "files_per_run"), "files-left", message, hint, at_key=True)
    said = "on_replaced" in ingest.model_fields_set and ingest.on_replaced == "replace"
    if said and strategy == "append" and "_source_file" not in ingest.metadata_columns:
        message = "`on_replaced: replace` needs the metadata column `_source_file`"
        hint = "It tells which rows came from the file. Keep the column, or use `append` or `fail`."
        yield Problem(("ingest", "on_replaced"), "wrong-value", message, hint)


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


def _write_problems(
    table: str,
    spec: TableSpec,
    broken: Collection[str],
    is_of_interval: bool,
    kind: str | None,
    layers: Collection[str],
) -> Iterator[Problem]:
    strategy = strategy_of(spec, kind=kind)
    sourced = any(getattr(spec, key) is not None for key in SOURCES)
    if strategy is None:
        if "write" not in broken and sourced:
            layer = layer_of(table)
            guess = did_you_mean(layer, (name for name in layers if name.lower() != layer.lower()))
            hint = "add `write: append`, `merge` or `replace`, or say in `layers` which layer it is `like`"
            message = f"the layer `{layer}` has no way to write of its own, and the table has no `write`"
            yield Problem((), "missing-key", message, f"{hint}; {guess}" if guess else hint, at_key=True)
        return
    is_known = layer_of(table) in layers or layer_of(table).lower() in {name.lower() for name in layers}
    near = None if is_known else nearest(layer_of(table), layers)
    if near is not None:
        message = f"there is no layer `{layer_of(table)}`"
        yield warning((), "layer", message, f"did you mean `{near}`?", at_key=True)
    where: Path = ("write",) if spec.write is not None else ()
    if strategy == "merge" and not spec.unique_key and sourced and not {"unique_key", "write"} & set(broken):
        if spec.write is None:
            message = f"a {layer_of(table)} table merges, and `{table}` has no `unique_key`"
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


_OF_MERGE = (
    "sequence_by", "update_columns", "exclude_columns", "delete_when", "when_matched", "when_not_matched",
    "when_not_matched_by_source", "mode",
)  # fmt: skip


def _option_problems(spec: TableSpec, write: WriteSpec, broken: Collection[str]) -> Iterator[Problem]:
    """What the options of a strategy ask of each other and of the columns."""
    options = [key for key in _OF_MERGE if getattr(write, key) is not None]
    if write.strategy != "merge":
        for key in options:
            message = f"`{write.strategy}` takes no `{key}`"
            yield Problem(("write", key), "wrong-key", message, "only `merge` does", at_key=True)
        return
    if write.update_columns is not None and write.exclude_columns is not None:
        message, hint = "`exclude_columns` stands beside `update_columns`", "expected one of them"
        yield Problem(("write", "exclude_columns"), "wrong-key", message, hint, at_key=True)
    keys = {column.lower() for column in spec.unique_key or ()}
    for option in ("update_columns", "exclude_columns"):
        for number, column in enumerate(getattr(write, option) or ()):
            path: Path = ("write", option, number)
            if column.lower() in keys:
                message = f"`{column}` is in `unique_key`"
                yield Problem(path, "wrong-value", message, "A row's key never changes: leave it out.")
            elif "columns" not in broken:
                yield from _in_contract(spec, column, path, f"`{option}`")
    if write.sequence_by is not None and "columns" not in broken:
        yield from _in_contract(spec, write.sequence_by, ("write", "sequence_by"), "`sequence_by`")
    if write.delete_when is not None:
        yield from _delete_problems(write.delete_when)
    by_source = write.when_not_matched_by_source
    if by_source not in (None, "keep") and spec.ingest is not None:
        message = "`when_not_matched_by_source` would take the rows of all earlier files for gone"
        hint = "An ingest reads new files only. Take them in first, and merge from a query over that table."
        yield Problem(("write", "when_not_matched_by_source"), "wrong-key", message, hint, at_key=True)


def _delete_problems(predicate: str) -> Iterator[Problem]:
    try:
        read_predicate(predicate)
    except SqlError as exc:
        message = exc.message.replace("the rule", "`delete_when`")
        yield Problem(("write", "delete_when"), "rule", message, exc.hint, span=(exc.start, exc.end))


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
