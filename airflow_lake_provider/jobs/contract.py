"""The contract: which columns a batch must have, of which types, and what each row must meet.

Nothing runs here: the answer is one lazy select over the batch. What is wrong with the batch as a whole is an error;
what is wrong with a row is a reason in that row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from airflow_lake_provider.jobs.batch import DELETES, FILE, RAW, REASONS
from airflow_lake_provider.jobs.cast import Formats, cast, parse_type, shown
from airflow_lake_provider.jobs.errors import ContractError
from airflow_lake_provider.jobs.predicates import predicates
from airflow_lake_provider.jobs.tables import literal, quoted_column, type_sql
from airflow_lake_provider.protocol import METADATA_COLUMNS, Column

_INTERNAL = "_lake_"


@dataclass(frozen=True)
class Judged:
    """A batch held against its contract.

    ``df``: the contract's columns in its order with its types (without one: the batch's own), the metadata columns
    that are there, then ``_lake_reasons`` (``array<string>``, empty for a good row) and ``_lake_raw`` (``string``: a
    rejected row as JSON, or the text that did not parse; NULL for a good one), and ``_lake_deletes`` (``boolean``)
    where there is a ``delete_when``.
    ``left_out`` are further columns of the source, ``missing`` nullable ones of the contract that it lacks.
    """

    df: Any
    left_out: Tuple[str, ...] = ()
    missing: Tuple[str, ...] = ()


@dataclass(frozen=True)
class _Source:
    """A column of the batch; ``kind`` is its Spark type."""

    name: str
    kind: Any


def apply_contract(
    batch_df: Any,
    *,
    columns: Optional[Sequence[Column]],
    unique_key: Sequence[str] = (),
    sequence_by: Optional[str] = None,
    delete_when: Optional[str] = None,
    formats: Optional[Formats] = None,
    absent: Optional[Mapping[str, str]] = None,
    left_out: Sequence[str] = (),
    origin: str,
    table: str,
) -> Judged:
    """Hold a batch against its contract. Columns meet by name, whatever their case.

    :param batch_df: the batch; metadata columns, ``_lake_reasons`` and ``_lake_raw`` in it are kept.
    :param columns: the contract; ``None`` takes the batch's own columns and types.
    :param sequence_by: only seen to be there.
    :param delete_when: a predicate over the contract's columns, as it types them, and further columns of the batch. Of
        a row that only deletes, no more than key and sequence need to fit.
    :param formats: how the source writes dates and times as text.
    :param absent: columns of the contract that some file lacks, each with such a file.
    :param left_out: further columns of the source that the reader has already left out.
    :param origin: ``file`` or ``query``; a query must give every column.
    :param table: for the errors.
    :raises ContractError: a column is missing, is there twice, or is of a type that no value of which could fit; a
        rule or ``delete_when`` cannot be understood; ``unique_key`` or ``sequence_by`` names no column.
    """
    source, metadata = _columns_of(batch_df, columns, table, own=(FILE, RAW, REASONS) if origin == "file" else ())
    if columns is None:
        columns = [Column(name=name, type=type_sql(kind)) for name, kind in _typed(source, table)]
        targets = [there.kind for there in source.values()]
    else:
        targets = [parse_type(column.type, where=f"{table}: the type of {column.name}") for column in columns]
    wanted = {column.name.lower() for column in columns}
    missing = _missing(columns, source, absent or {}, origin, table)
    _require_names([*unique_key, *([sequence_by] if sequence_by else [])], wanted | set(metadata), columns, table)

    stage, misfits = _cast_stage(batch_df, columns, targets, source, metadata, formats or Formats(), table)
    if delete_when is not None:
        stage = _told_deletes(stage, delete_when, source, columns, metadata, left_out, table)
    reasons = _reasons(stage, columns, misfits, {name.lower() for name in unique_key}, sequence_by, table)
    kept = [*(column.name for column in columns), *metadata.values()]
    further = [there.name for name, there in source.items() if name not in wanted]
    return Judged(
        df=_final(stage, reasons, kept, list(source.values())),
        left_out=tuple(dict.fromkeys([*further, *left_out])),
        missing=tuple(missing),
    )


def _columns_of(
    df: Any, columns: Optional[Sequence[Column]], table: str, *, own: Sequence[str]
) -> Tuple[Dict[str, _Source], Dict[str, str]]:
    """Return the batch's data columns and its metadata columns, both by lower-case name.

    :param own: what the reader of files adds; a query that gave such a column would judge its own rows.
    """
    declared = {column.name.lower() for column in columns or ()}
    source: Dict[str, _Source] = {}
    metadata: Dict[str, str] = {}
    for field in df.schema.fields:
        key = field.name.lower()
        if field.name in own:
            continue
        if key.startswith(_INTERNAL):
            raise ContractError(f"{table}: column {field.name}: names that begin with {_INTERNAL} are the job's own")
        if key in source or key in metadata:
            raise ContractError(f"{table}: the batch has two columns {field.name}; give one of them another name")
        if key in METADATA_COLUMNS and key not in declared:
            metadata[key] = field.name
        else:
            source[key] = _Source(field.name, field.dataType)
    ordered = {name: metadata[name] for name in METADATA_COLUMNS if name in metadata}
    return source, ordered


def _typed(source: Mapping[str, _Source], table: str) -> List[Tuple[str, Any]]:
    for there in source.values():
        if there.kind.simpleString() == "void":
            raise ContractError(
                f"{table}: column {there.name} is NULL in every row and has no type; "
                f"write CAST(NULL AS ...) AS {there.name}, or declare it in columns"
            )
    return [(there.name, there.kind) for there in source.values()]


def _missing(
    columns: Sequence[Column], source: Mapping[str, _Source], absent: Mapping[str, str], origin: str, table: str
) -> List[str]:
    somewhere = {name.lower(): file for name, file in absent.items()}
    missing = [column for column in columns if column.name.lower() not in source or column.name.lower() in somewhere]
    fatal = missing if origin == "query" else [column for column in missing if not column.nullable]
    if not fatal:
        return [column.name for column in missing]
    names = ", ".join(column.name for column in fatal)
    plural = "columns" if len(fatal) > 1 else "column"
    there = ", ".join([column.name for column in source.values()][:20]) or "nothing"
    if origin == "query":
        raise ContractError(f"{table}: the query does not give the {plural} {names} of the contract; it gives {there}")
    file = somewhere.get(fatal[0].name.lower())
    place = f"the file {file} does not have" if file else "the files do not have"
    raise ContractError(
        f"{table}: {place} the {plural} {names}, which the contract does not let be NULL; there: {there}"
    )


def _require_names(names: Sequence[str], there: "set[str]", columns: Sequence[Column], table: str) -> None:
    for name in names:
        if name.lower() not in there:
            have = ", ".join(column.name for column in columns)
            raise ContractError(f"{table}: there is no column {name} to be a key or a sequence; there are: {have}")


_Misfit = Tuple[str, str]
"""SQL of whether a value did not fit, and of the reason; both over the cast stage."""


def _cast_stage(
    df: Any,
    columns: Sequence[Column],
    targets: Sequence[Any],
    source: Mapping[str, _Source],
    metadata: Mapping[str, str],
    formats: Formats,
    table: str,
) -> Tuple[Any, Dict[str, _Misfit]]:
    """Select the typed columns under their names and the originals beside them; tell which may not have fitted.

    So each value is cast once and only looked at afterwards.
    """
    original = {key: f"{_INTERNAL}in_{n}" for n, key in enumerate(source)}
    typed: List[str] = []
    misfits: Dict[str, _Misfit] = {}
    for column, target in zip(columns, targets):
        name = quoted_column(column.name)
        there = source.get(column.name.lower())
        if there is None:
            typed.append(f"CAST(NULL AS {type_sql(target)}) AS {name}")
            continue
        how = cast(
            quoted_column(there.name),
            source=there.kind,
            target=target,
            formats=formats,
            where=f"{table}: {column.name}",
        )
        typed.append(f"{how.value} AS {name}")
        before = original[column.name.lower()]
        misfit = how.misfit(before, name)
        if misfit:
            start, end = literal(f"{column.name}: '"), literal(f"' is not {_article(column.type)}")
            misfits[column.name] = misfit, f"concat({start}, {shown(before, there.kind)}, {end})"
    typed += [quoted_column(name) for name in metadata.values()]
    typed += [f"{quoted_column(there.name)} AS {original[key]}" for key, there in source.items()]
    typed += [FILE] if FILE in df.columns else []
    typed.append(f"{REASONS} AS {_INTERNAL}read" if REASONS in df.columns else f"array() AS {_INTERNAL}read")
    typed.append(f"{RAW} AS {_INTERNAL}text" if RAW in df.columns else f"CAST(NULL AS STRING) AS {_INTERNAL}text")
    return df.selectExpr(*typed), misfits


def _article(kind: str) -> str:
    kind = kind if len(kind) <= 60 else kind[:60] + "…"
    return ("an " if kind[:1].lower() in "aeiou" else "a ") + kind


def _told_deletes(
    stage: Any,
    delete_when: str,
    source: Mapping[str, _Source],
    columns: Sequence[Column],
    metadata: Mapping[str, str],
    left_out: Sequence[str],
    table: str,
) -> Any:
    """Add whether ``delete_when`` holds: over the typed columns, and what else the batch gives under its own name."""
    from pyspark.sql import functions as F

    declared = {column.name.lower() for column in columns}
    further = {there.name: f"{_INTERNAL}in_{n}" for n, (key, there) in enumerate(source.items()) if key not in declared}
    seen = stage.select("*", *(F.col(internal).alias(name) for name, internal in further.items()))
    there = [*(column.name for column in columns), *further, *metadata.values()]
    try:
        holds = predicates(seen, {"delete_when": delete_when}, there, table)["delete_when"]
    except ContractError as exc:
        unread = [name for name in left_out if f"no column `{name}`" in str(exc)]
        hint = f". The files have {unread[0]}, but only columns of the contract are read: declare it" if unread else ""
        raise ContractError(f"{exc}{hint}") from exc
    return seen.select(*stage.columns, F.coalesce(holds, F.lit(False)).alias(DELETES))


def _reasons(
    stage: Any,
    columns: Sequence[Column],
    misfits: Mapping[str, _Misfit],
    keys: "set[str]",
    sequence_by: Optional[str],
    table: str,
) -> List[Tuple[Any, Any]]:
    """Return what a row can have wrong: each a condition and the reason."""
    from pyspark.sql import functions as F

    ruled = {f"the rule of {column.name}": column.rule for column in columns if column.rule}
    rules = predicates(stage, ruled, [column.name for column in columns], table)
    reasons: List[Tuple[Any, Any]] = []
    some_delete = DELETES in stage.columns
    always = {*keys, sequence_by.lower()} if sequence_by else keys

    def add(column: Column, bad: Any, reason: Any) -> None:
        # A row that deletes brings nothing but its key: sources leave the rest NULL.
        spared = some_delete and column.name.lower() not in always
        reasons.append((bad & ~F.col(DELETES) if spared else bad, reason))

    for column in columns:
        is_null = F.col(quoted_column(column.name)).isNull()
        if column.name in misfits:
            bad, reason = (F.expr(text) for text in misfits[column.name])
            add(column, bad, reason)
            is_null = is_null & ~F.coalesce(bad, F.lit(False))
        if not column.nullable:
            add(column, is_null, F.lit(f"{column.name} is NULL"))
        elif column.name.lower() in keys:
            add(column, is_null, F.lit(f"{column.name} is NULL, which a unique_key must not be"))
        if column.rule:
            text = f"rule of {column.name} failed: {' '.join(column.rule.split())}"
            add(column, ~rules[f"the rule of {column.name}"], F.lit(text))
    return reasons


def _final(stage: Any, reasons: Sequence[Tuple[Any, Any]], kept: Sequence[str], source: Sequence[_Source]) -> Any:
    from pyspark.sql import functions as F

    read = F.size(f"{_INTERNAL}read") > 0
    found = F.array().cast("array<string>")
    if reasons:
        # Almost all rows are good: texts are made only where some condition is met. (A chain of ORs is a tree as deep
        # as it is long; a coalesce is flat.)
        some = F.coalesce(*(F.when(bad, F.lit(True)) for bad, _ in reasons))
        texts = F.filter(F.array(*(F.when(bad, text) for bad, text in reasons)), lambda text: text.isNotNull())
        found = F.when(some, texts).otherwise(found)
    names = [quoted_column(name) for name in kept]
    originals = [f"{_INTERNAL}in_{n}" for n in range(len(source))]
    told = [name for name in (DELETES, FILE) if name in stage.columns]
    judged = stage.select(
        *names,
        *originals,
        *told,
        f"{_INTERNAL}text",
        F.when(read, F.col(f"{_INTERNAL}read")).otherwise(found).alias(REASONS),
    )
    row = F.lit("{}")
    if source:
        fields = [F.col(f"{_INTERNAL}in_{n}").alias(there.name) for n, there in enumerate(source)]
        row = F.to_json(F.struct(*fields), {"ignoreNullFields": "false"})
    raw = F.when(F.size(REASONS) > 0, F.coalesce(F.col(f"{_INTERNAL}text"), row))
    return judged.select(*names, *told, REASONS, raw.alias(RAW))
