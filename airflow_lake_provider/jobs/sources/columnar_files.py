"""Parquet, ORC, Avro: files that know their schema. Each is read by its own, and they are brought together by name."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from airflow_lake_provider.jobs.batch import RAW
from airflow_lake_provider.jobs.errors import SourceChanged, SourceError
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
from airflow_lake_provider.jobs.sources.widening import widened
from airflow_lake_provider.jobs.tables import quoted_column
from airflow_lake_provider.protocol import Column

_THREADS = 8
_FIELD = re.compile(r"^  (?:optional|required|repeated) (?:group )?(?:[\w()]+ )?([^ ;]+)", re.MULTILINE)
_NANOSECONDS = re.compile(r"^  \w+ int64 (.+) \(TIMESTAMP\(NANOS,(true|false)\)\)", re.MULTILINE)
# Hive wrote ORC files whose columns have no names of their own until HIVE-4243.
_POSITIONAL = re.compile(r"_col\d+")


@dataclass(frozen=True)
class _Schema:
    """A file's schema: ``text`` says all of it, in the format's own words; ``names`` are the columns' names."""

    text: str
    names: Tuple[str, ...]


@dataclass(frozen=True)
class _Format:
    """``name`` is Spark's, ``noun`` a person's; ``schema_of`` reads the schema of one file in the JVM."""

    name: str
    noun: str
    schema_of: Callable[[Any, Any, Any], _Schema]


def _parquet_schema(jvm: Any, place: Any, configuration: Any) -> _Schema:
    source = jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(place, configuration)
    reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(source)
    try:
        text = str(reader.getFileMetaData().getSchema().toString()).partition("\n")[2]
    finally:
        reader.close()
    return _Schema(text, tuple(_FIELD.findall(text)))


def _orc_schema(jvm: Any, place: Any, configuration: Any) -> _Schema:
    orc = jvm.org.apache.orc.OrcFile
    reader = orc.createReader(place, orc.readerOptions(configuration))
    try:
        # Only the types of the footer tell the attributes, by which Spark knows its own timestamp_ntz from a number.
        types, plain = str(reader.getTypes().toString()), json.loads(reader.getSchema().toJson())
    finally:
        reader.close()
    if plain["category"] != "struct":
        raise SourceError(f"its rows are no structs but of type {plain['category']}; write them with named columns")
    return _Schema(types, tuple(name for field in plain.get("fields", ()) for name in field))


def _avro_schema(jvm: Any, place: Any, configuration: Any) -> _Schema:
    source = jvm.org.apache.avro.mapred.FsInput(place, configuration)
    try:
        reader = jvm.org.apache.avro.file.DataFileReader(source, jvm.org.apache.avro.generic.GenericDatumReader())
        text = str(reader.getSchema().toString())
    finally:
        source.close()
    plain = json.loads(text)
    if not isinstance(plain, dict) or plain["type"] != "record":
        raise SourceError("its rows are no records; write them with named fields")
    return _Schema(text, tuple(field["name"] for field in plain["fields"]))


PARQUET = _Format("parquet", "a Parquet file", _parquet_schema)
ORC = _Format("orc", "an ORC file", _orc_schema)
AVRO = _Format("avro", "an Avro file", _avro_schema)


def read_parquet(
    spark: Any, options: Options, files: Sequence[SourceFile], columns: Optional[Sequence[Column]]
) -> SourceBatch:
    """Read Parquet files; see ``read_files``."""
    return _read_columnar(spark, PARQUET, options, files, columns)


def read_orc(
    spark: Any, options: Options, files: Sequence[SourceFile], columns: Optional[Sequence[Column]]
) -> SourceBatch:
    """Read ORC files; see ``read_files``."""
    return _read_columnar(spark, ORC, options, files, columns)


def read_avro(
    spark: Any, options: Options, files: Sequence[SourceFile], columns: Optional[Sequence[Column]]
) -> SourceBatch:
    """Read Avro files; see ``read_files``."""
    return _read_columnar(spark, AVRO, options, files, columns)


def _read_columnar(
    spark: Any, kind: _Format, options: Options, files: Sequence[SourceFile], columns: Optional[Sequence[Column]]
) -> SourceBatch:
    with_rows = [file for file in files if file.size]
    with ThreadPoolExecutor(_THREADS) as pool:
        schemas = list(pool.map(lambda file: _schema(spark, kind, file), with_rows))
    groups: Dict[_Schema, List[SourceFile]] = {}
    for schema, member in zip(schemas, with_rows):
        if schema.names:  # Hive's ORC files without a row have no column either
            groups.setdefault(schema, []).append(member)
    for schema, members in groups.items():
        _require_names(schema, members[0], columns)
    frames = [(_read(spark, kind, options, schema, members), members[0].path) for schema, members in groups.items()]
    absent: Dict[str, str] = {}
    for frame, file in frames:
        there = {name.lower() for name in frame.columns}
        for column in columns or ():
            if column.name.lower() not in there:
                absent.setdefault(column.name, file)
    parts = widened(frames)
    return SourceBatch(df=stack(parts) if parts else None, formats=options.formats(), absent=absent)


def _schema(spark: Any, kind: _Format, file: SourceFile) -> _Schema:
    """Return a file's schema.

    :raises SourceError: it is no file of the format. ``SourceChanged`` where it is not there any more.
    """
    from py4j.protocol import Py4JJavaError

    jvm = spark._jvm
    configuration = spark._jsparkSession.sessionState().newHadoopConf()
    try:
        place = jvm.org.apache.hadoop.fs.Path(f"file://{file.path}" if file.path.startswith("/") else file.path)
        return kind.schema_of(jvm, place, configuration)
    except SourceError as exc:
        raise SourceError(f"{file.path}: {exc}") from None
    except Py4JJavaError as exc:
        cause = exc.java_exception
        if cause.getClass().getSimpleName() == "FileNotFoundException":
            raise SourceChanged.gone(file.path) from None
        reason = cause.getMessage() or cause.getClass().getSimpleName()
        raise SourceError(f"{file.path} is not {kind.noun} that can be read: {reason}") from None


def _require_names(schema: _Schema, file: SourceFile, columns: Optional[Sequence[Column]]) -> None:
    """See that columns have names, and different ones.

    :raises SourceError: two are equal but for case; all are those that old Hive made up, and the contract knows none.
    """
    require_distinct(schema.names, file.path)
    if columns is None or not all(_POSITIONAL.fullmatch(name) for name in schema.names):
        return
    if not {column.name.lower() for column in columns} & {name.lower() for name in schema.names}:
        raise SourceError(
            f"{file.path}: its columns have no names of their own, only {', '.join(schema.names[:3])}, ... (as old "
            "Hive writes ORC), and columns meet by name. Write the files anew from a table with names, or ingest them "
            "into a table whose contract says _col0, _col1, ... and name the columns in a query."
        )


def _read(spark: Any, kind: _Format, options: Options, schema: _Schema, files: Sequence[SourceFile]) -> Any:
    """Read files of one schema."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import AnalysisException, ParseException
    from pyspark.sql import functions as F

    nanoseconds = dict(_NANOSECONDS.findall(schema.text)) if kind is PARQUET else {}
    if nanoseconds:  # pandas writes them; Spark reads them only as the numbers that they are
        spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    try:
        raw = spark.read.format(kind.name).options(**options.without("mergeSchema")).load(reader_paths(files))
    except (AnalysisException, ParseException, Py4JJavaError) as exc:
        text = str(exc)
        if "Failed to find data source" in text:
            raise SourceError(_no_reader(spark, kind)) from exc
        if "PATH_NOT_FOUND" in text:
            raise SourceChanged.gone(files[0].path if len(files) == 1 else f"one of {len(files)} files") from exc
        if "TIMESTAMP_INSTANT" in schema.text:
            raise SourceError(
                f"{files[0].path}: it has columns of ORC's type 'timestamp with local time zone', which Spark "
                f"{spark.version} does not read. Write them as ORC's plain timestamp, in UTC, or write Parquet."
            ) from exc
        detail = re.sub(r"\s+", " ", text.partition("\tat ")[0]).strip()
        raise SourceError(f"{files[0].path}: Spark does not read the schema of this file: {detail}") from exc
    values = []
    for name in raw.columns:
        column = quoted_column(name)
        if name in nanoseconds:
            micros = f"timestamp_micros(({column} - pmod({column}, 1000)) DIV 1000)"
            target = "TIMESTAMP" if nanoseconds[name] == "true" else "TIMESTAMP_NTZ"
            values.append(F.expr(f"CAST({micros} AS {target})").alias(name))
        else:
            values.append(F.col(column))
    return raw.select(*values, file_column(raw), F.lit(None).cast("string").alias(RAW), no_reasons())


def _no_reader(spark: Any, kind: _Format) -> str:
    is_3 = spark.version.startswith("3.")
    jar = f"org.apache.spark:spark-{kind.name}_{'2.12' if is_3 else '2.13'}"
    last = " (3.5.7 is the last one, and serves later 3.5)" if is_3 else ""
    return (
        f"This Spark ({spark.version}) has no reader for {kind.name}: it needs the jar {jar} of its own version{last}. "
        "`lake spark install` brings it to the local environment; elsewhere name it in spark_conf: "
        f"{{spark.jars.packages: '{jar}:{'3.5.7' if is_3 else spark.version}'}}."
    )
