"""CSV: values stay text, columns are found by each file's own header, lines that do not parse keep their text.

Spark's own CSV reader has no place in this but for ``multiLine``: it matches columns by position, drops the text of the
lines it understands, and so cannot tell a quoted field that the end of its line cuts off. Lines are read as text and
parsed by ``from_csv``, which is the same parser.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from airflow_lake_provider.jobs.batch import FILE
from airflow_lake_provider.jobs.errors import SourceError
from airflow_lake_provider.jobs.sources.batch import (
    SourceBatch,
    file_column,
    reader_paths,
    require_distinct,
    stack,
    unparsed,
    valid_utf8,
)
from airflow_lake_provider.jobs.sources.files import SourceFile
from airflow_lake_provider.jobs.sources.head import first_records
from airflow_lake_provider.jobs.sources.options import Options
from airflow_lake_provider.jobs.tables import literal, quoted_column
from airflow_lake_provider.protocol import Column

_CORRUPT = "_lake_corrupt"
_TEXT = "_lake_line"
_NOT_FOR_THE_PARSER = ("header", "inferSchema", "encoding", "charset", "multiLine", "lineSep", "enforceSchema")


class Dialect:
    """How a CSV file is written: what this package needs to know of the reader options.

    A quote within quotes is doubled, as RFC 4180, spreadsheets, pandas, DuckDB and PostgreSQL write it. (Spark's own
    default, a backslash, silently leaves both quotes in the value.) ``escape`` says otherwise.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.header = options.flag("header")
        self.infer = options.flag("inferSchema")
        self.encoding = options.text("encoding", "charset", default="UTF-8")
        # A line of UTF-16 cannot be cut off byte by byte.
        self.multi_line = options.flag("multiLine") or self.encoding.upper().startswith(("UTF-16", "UTF-32"))
        self.separator = options.text("sep", "delimiter", default=",").replace("\\t", "\t")
        quote = options.given("quote")
        self.quote = '"' if quote is None else quote.replace("\x00", "")
        self.escape = options.text("escape", default='"')
        self.comment = options.text("comment")
        self.line_separator = options.text("lineSep")

    def reader(self, *without: str) -> Dict[str, str]:
        """Return the options for Spark."""
        return {"escape": self.escape, **self.options.without(*without)}


def read_csv(
    spark: Any, options: Options, files: Sequence[SourceFile], columns: Optional[Sequence[Column]]
) -> SourceBatch:
    """Read CSV files; see ``read_files``."""
    dialect = Dialect(options)
    groups = _groups(spark, dialect, files, columns)
    kinds = _inferred(spark, dialect, groups) if dialect.infer and columns is None else {}
    absent: Dict[str, str] = {}
    parts = []
    for names, header, members in groups:
        require_distinct(names, members[0].path)
        there = {name.lower() for name in names}
        for column in columns or ():
            if column.name.lower() not in there:
                absent.setdefault(column.name, members[0].path)
        types = [kinds.get(name.lower(), "string") for name in names]
        read = _multi_line if dialect.multi_line else _lines
        parts.append(read(spark, dialect, members, names, types, header))
    return SourceBatch(df=stack(parts) if parts else None, formats=options.formats(), absent=absent)


_Group = Tuple[List[str], Optional[str], List[SourceFile]]


def _groups(
    spark: Any, dialect: Dialect, files: Sequence[SourceFile], columns: Optional[Sequence[Column]]
) -> List[_Group]:
    """Return files that have the same columns in the same order, with their names and their header's text."""
    if not dialect.header and columns is not None:
        return [([column.name for column in columns], None, list(files))] if files else []
    records = first_records(
        spark,
        files,
        encoding=dialect.encoding,
        quote=dialect.quote if dialect.multi_line else "",
        comment=dialect.comment,
        line_separator=dialect.line_separator,
    )
    by_record: Dict[str, List[SourceFile]] = {}
    for file, record in zip(files, records):
        if record is not None:
            by_record.setdefault(record, []).append(file)
    groups: Dict[object, _Group] = {}
    for record, members in by_record.items():
        fields = _fields(spark, dialect, record)
        if dialect.header:
            groups[record] = (_names(fields), record, members)
        else:
            names = [f"_c{n}" for n in range(len(fields))]
            groups.setdefault(len(fields), (names, None, []))[2].extend(members)
    return list(groups.values())


def _names(fields: Sequence[Optional[str]]) -> List[str]:
    """Return a header's names; a column without one is called as Spark does.

    >>> _names([" id ", None, "a b"])
    ['id', '_c1', 'a b']
    """
    return [(field or "").strip().strip("\ufeff") or f"_c{n}" for n, field in enumerate(fields)]


def _fields(spark: Any, dialect: Dialect, record: str) -> List[Optional[str]]:
    """Return the fields of one record, by Spark's own parser; no Spark job runs for it."""
    widest = record.count(dialect.separator) + 1
    schema = ", ".join(f"_c{n} string" for n in range(widest))
    kept = ("sep", "delimiter", "quote", "escape", "charToEscapeQuoteEscaping", "maxColumns", "unescapedQuoteHandling")
    options = {name.lower(): value for name in kept for value in [dialect.options.given(name)] if value is not None}
    options.setdefault("escape", dialect.escape)
    parsed = f"from_csv({literal(record)}, {literal(schema)}, {_map(options)})"
    row = spark.range(1).selectExpr(f"{parsed} AS fields").collect()[0].fields
    return list(row)[: _count_fields(record, dialect)]


def _count_fields(record: str, dialect: Dialect) -> int:
    text = record
    if dialect.quote:
        quote = re.escape(dialect.quote)
        if dialect.escape != dialect.quote and dialect.escape:
            text = re.sub(re.escape(dialect.escape) + ".", "", text, flags=re.DOTALL)
        text = re.sub(f"{quote}[^{quote}]*{quote}", "", text)
    return text.count(dialect.separator) + 1


def _map(options: Dict[str, str]) -> str:
    return "map(" + ", ".join(f"{literal(name)}, {literal(value)}" for name, value in options.items()) + ")"


def _schema(types: Sequence[str]) -> str:
    return ", ".join([*(f"_c{n} {kind}" for n, kind in enumerate(types)), f"{_CORRUPT} string"])


def _lines(
    spark: Any,
    dialect: Dialect,
    files: Sequence[SourceFile],
    names: Sequence[str],
    types: Sequence[str],
    header: Optional[str],
) -> Any:
    from pyspark.sql import functions as F

    reader = spark.read
    if dialect.line_separator:
        reader = reader.option("lineSep", dialect.line_separator)
    raw = reader.text(reader_paths(files))
    raw_text = F.col("value")
    is_utf8 = dialect.encoding.upper() in ("UTF-8", "UTF8", "US-ASCII", "ASCII")
    text = raw_text if is_utf8 else F.decode(raw_text.cast("binary"), dialect.encoding)
    lines = raw.select(text.alias(_TEXT), file_column(raw)).where(F.trim(_TEXT) != "")
    if dialect.comment:
        lines = lines.where(~F.startswith(F.col(_TEXT), F.lit(dialect.comment)))
    if header is not None:
        lines = lines.where(F.col(_TEXT) != header)
    options = {**dialect.reader(*_NOT_FOR_THE_PARSER), "columnNameOfCorruptRecord": _CORRUPT}
    schema = _schema(types)
    parsed = lines.select(_TEXT, FILE, F.expr(f"from_csv({_TEXT}, {literal(schema)}, {_map(options)}) AS _lake_row"))
    corrupt = F.col(f"_lake_row.{_CORRUPT}").isNotNull()
    open_quote = _open_quote(F.col(_TEXT), dialect)
    garbled = _garbled(F.col(_TEXT)) if text is raw_text else F.lit(False)
    reason = (
        F.when(garbled, F.lit(_GARBLED))
        .when(open_quote, F.lit(_OPEN_QUOTE))
        .otherwise(_miscounted(F.col(_TEXT), dialect, types))
    )
    raw_column, reasons = unparsed(corrupt | open_quote | garbled, F.col(_TEXT), reason)
    values = [F.col(f"_lake_row._c{n}").alias(name) for n, name in enumerate(names)]
    return parsed.select(*values, FILE, raw_column, reasons)


_GARBLED = "line is not UTF-8 (options: {encoding: ...} names another encoding)"
_OPEN_QUOTE = (
    "line does not parse as CSV: a quoted field does not end in it (where fields hold line breaks: "
    "options: {multiLine: true})"
)


def _without_quoted(text: Any, dialect: Dialect) -> Any:
    """Return the line without what stands between quotes, quotes included; linear in its length."""
    from pyspark.sql import functions as F

    if dialect.escape and dialect.escape != dialect.quote:
        text = F.regexp_replace(text, _literally(dialect.escape) + ".", "")
    quote = _literally(dialect.quote)
    return F.regexp_replace(text, f"{quote}[^{quote}]*+{quote}", "")


def _garbled(text: Any) -> Any:
    """Whether the bytes of a line are not UTF-8: Spark would replace them without a word."""
    return valid_utf8(text).cast("binary") != text.cast("binary")


def _open_quote(text: Any, dialect: Dialect) -> Any:
    from pyspark.sql import functions as F

    if not dialect.quote:
        return F.lit(False)
    rest = _without_quoted(text, dialect)
    opening = f"(?:^|{_literally(dialect.separator)})[ ]*{_literally(dialect.quote)}"
    if dialect.escape == dialect.quote:
        # Then a line with an even number of quotes closes all it opens, and that is quicker to see.
        suspect = (F.octet_length(text) - F.octet_length(F.replace(text, F.lit(dialect.quote), F.lit("")))) % 2 != 0
    else:
        suspect = F.contains(text, F.lit(dialect.quote))
    return suspect & rest.rlike(opening)


def _miscounted(text: Any, dialect: Dialect, types: Sequence[str]) -> Any:
    from pyspark.sql import functions as F

    bare = _without_quoted(text, dialect) if dialect.quote else text
    separators = (F.length(bare) - F.length(F.replace(bare, F.lit(dialect.separator), F.lit("")))) / len(
        dialect.separator
    )
    found = (separators + 1).cast("int")
    start, expected = "line does not parse as CSV", len(types)
    other = f"{start}: expected {expected} fields"
    if any(kind != "string" for kind in types):
        other = f"{start} with the inferred types"
    return F.when(
        found != expected, F.concat(F.lit(f"{start}: "), found, F.lit(f" fields, expected {expected}"))
    ).otherwise(F.lit(other))


def _literally(text: str) -> str:
    r"""Return a Java regular expression of one text.

    >>> print(_literally("|"), _literally("a"))
    \x{7c} \x{61}
    """
    return "".join(f"\\x{{{ord(character):x}}}" for character in text)


def _multi_line(
    spark: Any,
    dialect: Dialect,
    files: Sequence[SourceFile],
    names: Sequence[str],
    types: Sequence[str],
    header: Optional[str],
) -> Any:
    from pyspark.sql import functions as F

    spark.conf.set("spark.sql.csv.parser.columnPruning.enabled", "false")  # pruned columns hide corrupt records
    options = {
        **dialect.reader("inferSchema", "enforceSchema"),
        "encoding": dialect.encoding,
        "header": str(dialect.header).lower(),
        "multiLine": "true",
        "columnNameOfCorruptRecord": _CORRUPT,
    }
    raw = spark.read.schema(_schema(types)).options(**options).csv(reader_paths(files))
    # Spark refuses a query of nothing but the corrupt record: so it never is alone.
    another = F.coalesce(F.length(F.col("_c0").cast("string")), F.lit(0)) >= 0
    corrupt = F.col(_CORRUPT)
    raw_column, reasons = unparsed(corrupt.isNotNull() & another, corrupt, _miscounted(corrupt, dialect, types))
    values = [F.col(f"_c{n}").alias(name) for n, name in enumerate(names)]
    further = [
        quoted_column(name) for name in raw.columns if name not in {_CORRUPT, *(f"_c{n}" for n in range(len(names)))}
    ]
    return raw.select(*values, *further, file_column(raw), raw_column, reasons)


def _inferred(spark: Any, dialect: Dialect, groups: Sequence[_Group]) -> Dict[str, str]:
    """Return the types of columns by lower-case name: Spark's inference, widened over files with other headers."""
    kinds: Dict[str, str] = {}
    for names, _, members in groups:
        options = {**dialect.reader("enforceSchema"), "encoding": dialect.encoding, "inferSchema": "true"}
        options["multiLine"] = str(dialect.multi_line).lower()
        fields = spark.read.options(**options).csv(reader_paths(members)).schema.fields
        if len(fields) < len(names):
            raise SourceError(f"{members[0].path}: Spark sees {len(fields)} columns where the header has {len(names)}")
        for name, field in zip(names, fields):
            kind, key = field.dataType.simpleString(), name.lower()
            kinds[key] = _wider(kinds.get(key, kind), kind)
    return kinds


def _wider(one: str, other: str) -> str:
    """Return a type for the values of both.

    >>> _wider("int", "bigint"), _wider("double", "int"), _wider("date", "int")
    ('bigint', 'double', 'string')
    """
    for family in (["int", "bigint"], ["int", "bigint", "double"], ["date", "timestamp"]):
        if one in family and other in family:
            return family[max(family.index(one), family.index(other))]
    return one if one == other else "string"
