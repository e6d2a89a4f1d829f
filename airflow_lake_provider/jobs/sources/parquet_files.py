"""Parquet: each file by its own schema, brought together by column name."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Optional, Sequence, Tuple

from airflow_lake_provider.jobs.batch import RAW
from airflow_lake_provider.jobs.errors import SourceError
from airflow_lake_provider.jobs.sources.batch import (
    SourceBatch,
    file_column,
    no_reasons,
    reader_paths,
    require_distinct,
    stack,
)
from airflow_lake_provider.jobs.sources.files import SourceFile
from airflow_lake_provider.jobs.sources.options import Options
from airflow_lake_provider.jobs.tables import quoted_column
from airflow_lake_provider.protocol import Column

_THREADS = 8
_FIELD = re.compile(r"^  (?:optional|required|repeated) (?:group )?(?:[\w()]+ )?([^ ;]+)", re.MULTILINE)
_NANOSECONDS = re.compile(r"^  \w+ int64 (.+) \(TIMESTAMP\(NANOS,(true|false)\)\)", re.MULTILINE)


def read_parquet(
    spark: Any, options: Options, files: Sequence[SourceFile], columns: Optional[Sequence[Column]]
) -> SourceBatch:
    """Read Parquet files; see ``read_files``."""
    groups: Dict[str, List[SourceFile]] = {}
    with_rows = [file for file in files if file.size]
    with ThreadPoolExecutor(_THREADS) as pool:
        texts = list(pool.map(lambda file: _schema_text(spark, file), with_rows))
    for text, member in zip(texts, with_rows):
        groups.setdefault(text, []).append(member)
    frames = [(_read(spark, options, text, members), members[0].path) for text, members in groups.items()]
    absent: Dict[str, str] = {}
    for frame, file in frames:
        there = {name.lower() for name in frame.columns}
        for column in columns or ():
            if column.name.lower() not in there:
                absent.setdefault(column.name, file)
    parts = _widened(frames)
    return SourceBatch(df=stack(parts) if parts else None, formats=options.formats(), absent=absent)


def _schema_text(spark: Any, file: SourceFile) -> str:
    """Return a file's schema in Parquet's own words, from its footer."""
    from py4j.protocol import Py4JJavaError

    jvm = spark._jvm
    configuration = spark._jsparkSession.sessionState().newHadoopConf()
    try:
        place = jvm.org.apache.hadoop.fs.Path(f"file://{file.path}" if file.path.startswith("/") else file.path)
        source = jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(place, configuration)
        reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(source)
        try:
            return str(reader.getFileMetaData().getSchema().toString()).partition("\n")[2]
        finally:
            reader.close()
    except Py4JJavaError as exc:
        cause = exc.java_exception
        raise SourceError(f"{file.path} is not a Parquet file that can be read: {cause.getMessage()}") from None


def _read(spark: Any, options: Options, schema_text: str, files: Sequence[SourceFile]) -> Any:
    """Read files of one schema."""
    from pyspark.errors import AnalysisException
    from pyspark.sql import functions as F

    nanoseconds = dict(_NANOSECONDS.findall(schema_text))
    if nanoseconds:  # pandas writes them; Spark reads them only as the numbers that they are
        spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    require_distinct(_FIELD.findall(schema_text), files[0].path)
    try:
        raw = spark.read.options(**options.without("mergeSchema")).parquet(*reader_paths(files))
    except AnalysisException as exc:
        detail = re.sub(r"\s+", " ", str(exc)).strip()
        raise SourceError(f"{files[0].path}: Spark does not read this Parquet schema: {detail}") from exc
    values = []
    for name in raw.columns:
        column = quoted_column(name)
        if name in nanoseconds:
            micros = f"timestamp_micros(({column} - pmod({column}, 1000)) DIV 1000)"
            kind = "TIMESTAMP" if nanoseconds[name] == "true" else "TIMESTAMP_NTZ"
            values.append(F.expr(f"CAST({micros} AS {kind})").alias(name))
        else:
            values.append(F.col(column))
    return raw.select(*values, file_column(raw), F.lit(None).cast("string").alias(RAW), no_reasons())


def _widened(frames: Sequence[Tuple[Any, str]]) -> List[Any]:
    """Return the frames with the types of equal columns made equal, where no value can be lost by it.

    :raises SourceError: two files have types that no third can hold; names both.
    """
    from pyspark.sql import functions as F

    kinds: Dict[str, Tuple[Any, str, str]] = {}
    for frame, file in frames:
        for field in frame.schema.fields:
            key = field.name.lower()
            kind, first, name = kinds.get(key, (field.dataType, file, field.name))
            wider = _wider(kind, field.dataType)
            if wider is None:
                raise SourceError(
                    f"Column {name} is {kind.simpleString()} in {first} and {field.dataType.simpleString()} in {file}; "
                    "no type holds both. Ingest the files into two tables, or write them anew."
                )
            kinds[key] = (wider, first, name)
    return [
        frame.select(
            *(F.col(quoted_column(f.name)).cast(kinds[f.name.lower()][0]).alias(f.name) for f in frame.schema.fields)
        )
        for frame, _ in frames
    ]


def _wider(one: Any, other: Any) -> Optional[Any]:
    """Return a type that holds all values of both, ``None`` where there is none."""
    from pyspark.sql import types as T

    if one.simpleString() == other.simpleString():
        return one
    integers = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 20}
    names = [one.simpleString(), other.simpleString()]
    if all(name in integers for name in names):
        return max(one, other, key=lambda kind: integers[kind.simpleString()])
    if all(name in ("float", "double", "tinyint", "smallint", "int") for name in names):
        return T.DoubleType()
    scales = [kind.scale if isinstance(kind, T.DecimalType) else 0 for kind in (one, other)]
    digits = [
        kind.precision - kind.scale if isinstance(kind, T.DecimalType) else integers.get(kind.simpleString(), 99)
        for kind in (one, other)
    ]
    if max(digits) + max(scales) <= 38:
        return T.DecimalType(max(digits) + max(scales), max(scales))
    if set(names) == {"date", "timestamp"} or set(names) == {"date", "timestamp_ntz"}:
        return one if names[0] != "date" else other
    return None
