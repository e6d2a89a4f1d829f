"""JSON, one object a line or many documents a file: values stay text for the contract to cast.

Spark's own JSON reader takes ``{"a":1}{"a":2}`` for one row and loses the other, finds fields by their exact case only,
and reads of a file with several documents the first. Here each document must be one whole JSON object.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, Optional, Sequence

from airflow_lake_provider.jobs.batch import FILE, RAW, REASONS
from airflow_lake_provider.jobs.cast import parse_type
from airflow_lake_provider.jobs.errors import SourceError
from airflow_lake_provider.jobs.sources.batch import SourceBatch, file_column, reader_paths, valid_utf8
from airflow_lake_provider.jobs.sources.files import SourceFile
from airflow_lake_provider.jobs.sources.options import Options
from airflow_lake_provider.jobs.tables import literal, quoted_column, type_sql
from airflow_lake_provider.protocol import Column

_TEXT = "_lake_line"
_FIELDS = "_lake_fields"
_CORRUPT = "_lake_corrupt"
_NOT_FOR_THE_PARSER = ("multiLine", "lineSep", "encoding", "charset", "inferSchema", "header")
_LENIENT = (
    "allowComments",
    "allowUnquotedFieldNames",
    "allowUnquotedControlChars",
    "allowBackslashEscapingAnyCharacter",
    "allowNumericLeadingZeros",
)


def read_json(
    spark: Any, options: Options, files: Sequence[SourceFile], columns: Optional[Sequence[Column]]
) -> SourceBatch:
    """Read JSON files; see ``read_files``."""
    documents = _documents(spark, options, files)
    parser = {**options.without(*_NOT_FOR_THE_PARSER), "columnNameOfCorruptRecord": _CORRUPT}
    settings = "map(" + ", ".join(f"{literal(name)}, {literal(value)}" for name, value in parser.items()) + ")"
    # In brackets it parses only if it is one value and nothing else.
    whole = f"from_json(concat('[', {_TEXT}, ']'), 'array<map<string,string>>', {settings})"
    rows = documents.select(_TEXT, FILE, _fields(whole))
    if columns is None:
        return _as_inferred(spark, options, parser, rows)
    return _by_contract(options, settings, rows, columns)


def _fields(whole: str) -> Any:
    from pyspark.sql import functions as F

    return F.expr(f"CASE WHEN size({whole}) = 1 THEN {whole}[0] END").alias(_FIELDS)


def _documents(spark: Any, options: Options, files: Sequence[SourceFile]) -> Any:
    """Return the text of each document, and its file."""
    from pyspark.sql import functions as F

    encoding = options.text("encoding", "charset", default="UTF-8")
    if not options.flag("multiLine"):
        if encoding.upper().startswith(("UTF-16", "UTF-32")):
            raise SourceError(f"options: JSON lines in {encoding} cannot be split; add multiLine: true")
        reader = spark.read
        if options.given("lineSep"):
            reader = reader.option("lineSep", options.text("lineSep"))
        raw = reader.text(reader_paths(files))
        text = F.col("value")
        if encoding.upper() not in ("UTF-8", "UTF8"):
            text = F.decode(text.cast("binary"), encoding)
        return raw.select(text.alias(_TEXT), file_column(raw)).where(F.col(_TEXT).rlike("[^ \t\r\n]"))
    for name in _LENIENT:
        if options.flag(name):
            raise SourceError(f"options: {name} is not supported with multiLine; write one document a line")
    raw = spark.read.format("binaryFile").load(reader_paths(files))
    whole = raw.select(F.col("content"), file_column(raw)).rdd
    rows = whole.flatMap(lambda row: ((text, row[1]) for text in split_documents(bytes(row[0]), encoding)))
    return spark.createDataFrame(rows, f"{_TEXT} string, {FILE} string")


def split_documents(content: bytes, encoding: str) -> Iterator[str]:
    r"""Yield the text of each document of a file; the elements of an array are documents.

    What cannot be parsed is the last document.

    >>> list(split_documents(b'[{"a": 1.50},\n {"b": [2]}]', "UTF-8"))
    ['{"a": 1.50}', '{"b": [2]}']
    >>> list(split_documents(b'{"a": 1}\n{"b": 2} oh', "UTF-8"))
    ['{"a": 1}', '{"b": 2}', 'oh']
    """
    text = content.decode(encoding, errors="replace").lstrip("\ufeff")
    decoder = json.JSONDecoder()

    def skip(at: int) -> int:
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        return at

    at, in_array = skip(0), False
    while at < len(text):
        if not in_array and text[at] == "[":
            in_array, at = True, skip(at + 1)
            if text[at : at + 1] == "]":
                in_array, at = False, skip(at + 1)
            continue
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield text[at:]
            return
        yield text[at:end]
        at = skip(end)
        if in_array:
            follows = text[at : at + 1]
            if follows not in (",", "]"):
                yield text[at:] or "["  # the array is never closed
                return
            in_array, at = follows == ",", skip(at + 1)


def _reasons() -> Any:
    from pyspark.sql import functions as F

    return (
        F.when(F.col(_FIELDS).isNull(), F.array(F.lit("line does not parse as one JSON object")))
        .otherwise(F.array().cast("array<string>"))
        .alias(REASONS)
    )


def _by_contract(options: Options, settings: str, rows: Any, columns: Sequence[Column]) -> SourceBatch:
    """Take the contract's fields as text. The names that are there cost a pass: the report tells those left out."""
    from pyspark.sql import functions as F

    keys = rows.select(F.map_keys(_FIELDS).alias("k")).where("k IS NOT NULL").distinct()
    there = sorted(row.k for row in keys.select(F.explode("k").alias("k")).distinct().collect())
    spellings: Dict[str, List[str]] = {}
    for name in there:
        spellings.setdefault(name.lower(), []).append(name)
    values = []
    for column in columns:
        names = spellings.get(column.name.lower(), [])
        if names:
            exact_first = sorted(names, key=lambda name: name != column.name)
            texts = ", ".join(_text(column, name, settings) for name in exact_first)
            values.append(F.expr(f"coalesce({texts}, CAST(NULL AS STRING))").alias(column.name))
    wanted = {column.name.lower() for column in columns}
    if not there:  # no document at all says nothing about its columns
        values = [F.lit(None).cast("string").alias(column.name) for column in columns]
    return SourceBatch(
        df=rows.select(*values, FILE, valid_utf8(F.col(_TEXT)).alias(RAW), _reasons()),
        formats=options.formats(base64=True),
        left_out=tuple(name for name in there if name.lower() not in wanted),
    )


def _text(column: Column, name: str, settings: str) -> str:
    """Return SQL of a field as text.

    A map of strings has numbers as Java writes a double: 17 digits. Decimals are read once more, as what they are.
    """
    field = f"{_FIELDS}[{literal(name)}]"
    kind = parse_type(column.type, where=column.name)
    if "decimal" not in kind.simpleString():
        return field
    exact = "decimal(38,18)" if kind.typeName() == "decimal" and kind.scale <= 18 else type_sql(kind)
    quoted = quoted_column(name)
    schema = f"struct<{quoted}: {exact}, {_CORRUPT}: string>"
    parsed = f"from_json({_TEXT}, {literal(schema)}, {settings})"
    value = f"{parsed}.{quoted}"
    text = f"CAST({value} AS STRING)" if kind.typeName() == "decimal" else f"to_json({value})"
    return (
        f"CASE WHEN {field} IS NOT NULL AND {parsed}.{_CORRUPT} IS NULL THEN coalesce({text}, {field}) ELSE {field} END"
    )


def _as_inferred(spark: Any, options: Options, parser: Dict[str, str], rows: Any) -> SourceBatch:
    from pyspark.sql import functions as F

    good = rows.where(F.col(_FIELDS).isNotNull()).select(_TEXT)
    fields = _inferred(spark, parser, good)
    kind = "struct<" + ", ".join([*(_declared(f.name, f.dataType) for f in fields), f"{_CORRUPT}: string"]) + ">"
    settings = "map(" + ", ".join(f"{literal(name)}, {literal(value)}" for name, value in parser.items()) + ")"
    typed = rows.withColumn("_lake_row", F.expr(f"from_json({_TEXT}, {literal(kind)}, {settings})"))
    misfit = F.col(f"_lake_row.{_CORRUPT}").isNotNull() & F.col(_FIELDS).isNotNull()
    reason = F.when(misfit, F.array(F.lit("values do not fit the inferred types"))).otherwise(_reasons())
    values = [F.col("_lake_row").getField(field.name).alias(field.name) for field in fields]
    text = valid_utf8(F.col(_TEXT)).alias(RAW)
    return SourceBatch(
        df=typed.select(*values, FILE, text, reason.alias(REASONS)), formats=options.formats(base64=True)
    )


def _inferred(spark: Any, parser: Dict[str, str], documents: Any) -> List[Any]:
    """Return the fields that Spark infers.

    :raises SourceError: names differ only by case: Spark would take them for one and lose the values of the other.
    """
    strings = getattr(documents._jdf, "as")(spark._jvm.org.apache.spark.sql.Encoders.STRING())
    reader = spark.read.options(**parser)
    before = spark.conf.get("spark.sql.caseSensitive")
    spark.conf.set("spark.sql.caseSensitive", "true")
    try:
        schema = reader._df(reader._jreader.json(strings)).schema
    finally:
        spark.conf.set("spark.sql.caseSensitive", before)
    _require_distinct(schema, "")
    return [field for field in schema.fields if field.name != _CORRUPT]


def _require_distinct(kind: Any, path: str) -> None:
    spellings: Dict[str, str] = {}
    for field in getattr(kind, "fields", ()):
        other = spellings.setdefault(field.name.lower(), field.name)
        if other != field.name:
            raise SourceError(
                f"The JSON documents have the fields '{path}{other}' and '{path}{field.name}', which differ only by "
                "case: Spark takes them for one. Declare the fields in `columns`; then both spellings count."
            )
        _require_distinct(field.dataType, f"{path}{field.name}.")
    if kind.typeName() == "array":
        _require_distinct(kind.elementType, path)


def _declared(name: str, kind: Any) -> str:
    return f"{quoted_column(name)}: {type_sql(kind)}"
