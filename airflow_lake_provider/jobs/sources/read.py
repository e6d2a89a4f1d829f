"""Files into one DataFrame: data columns, metadata columns, and what the reader has against a row."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from airflow_lake_provider.jobs.batch import FILE, RAW, REASONS
from airflow_lake_provider.jobs.cast import Formats
from airflow_lake_provider.jobs.errors import SourceError
from airflow_lake_provider.jobs.sources.batch import SourceBatch
from airflow_lake_provider.jobs.sources.columnar_files import read_avro, read_orc, read_parquet
from airflow_lake_provider.jobs.sources.csv_files import read_csv
from airflow_lake_provider.jobs.sources.files import SourceFile
from airflow_lake_provider.jobs.sources.json_files import read_json
from airflow_lake_provider.jobs.sources.options import Options
from airflow_lake_provider.jobs.tables import literal, quoted_column
from airflow_lake_provider.protocol import Column, IngestStep

_READERS: Dict[str, Callable[[Any, Options, Sequence[SourceFile], Optional[Sequence[Column]]], SourceBatch]] = {
    "csv": read_csv,
    "json": read_json,
    "parquet": read_parquet,
    "orc": read_orc,
    "avro": read_avro,
}


def read_files(
    spark: Any,
    step: IngestStep,
    files: Sequence[SourceFile],
    *,
    columns: Optional[Sequence[Column]],
    run_id: str,
    ingested_at: datetime,
) -> SourceBatch:
    """Read files of one format into one batch.

    With a contract, CSV and JSON values stay text, so that the contract can say which value does not fit; CSV columns
    are found by each file's header, without a header by position. Without one, CSV gives text unless ``inferSchema`` is
    given, the other formats their own types. Lines that do not parse are rows with a reason and their text. Files
    without a byte have no rows.

    :param columns: the contract, or ``None``.
    :param ingested_at: aware, for ``_ingested_at``.
    :raises SourceError: files contradict each other or cannot be read; an option is wrong or would lose rows.
    """
    reader = _READERS.get(step.format)
    if reader is None:
        raise SourceError(f"format '{step.format}' is not one of {', '.join(_READERS)}")
    options = Options(step.options)
    _check_formats(spark, options.formats())
    # Spark's default refuses, at run time, text that its old parser would have read and its new one does not.
    spark.conf.set("spark.sql.legacy.timeParserPolicy", "CORRECTED")
    with _few_listing_tasks(spark):
        batch = reader(spark, options, files, columns) if files else SourceBatch(df=None)
    if batch.df is None:
        batch = replace(batch, df=_no_rows(spark, columns))
    return _with_metadata(batch, step, run_id, ingested_at)


@contextmanager
def _few_listing_tasks(spark: Any) -> Iterator[None]:
    """Spark looks at more than 32 files in a job of up to 10,000 tasks: a minute of them for nothing on few cores."""
    name = "spark.sql.sources.parallelPartitionDiscovery.parallelism"
    before = spark.conf.get(name)
    spark.conf.set(name, str(4 * spark.sparkContext.defaultParallelism))
    try:
        yield
    finally:
        spark.conf.set(name, before)


def _check_formats(spark: Any, formats: Formats) -> None:
    """See that the patterns of dates and times are ones that Spark understands, before any row is read."""
    for option, pattern in (
        ("dateFormat", formats.date),
        ("timestampFormat", formats.timestamp),
        ("timestampNTZFormat", formats.timestamp_ntz),
    ):
        if pattern is None:
            continue
        try:
            spark.range(1).selectExpr(f"try_to_timestamp(string(id), {literal(pattern)})").collect()
        except Exception as exc:
            reason = str(exc).split("You can form")[0].splitlines()[0][:200]
            raise SourceError(
                f"options: {option} '{pattern}' is not a pattern that Spark understands ({reason}). "
                "See Spark's 'Datetime Patterns for Formatting and Parsing'."
            ) from exc


def _no_rows(spark: Any, columns: Optional[Sequence[Column]]) -> Any:
    names = [quoted_column(column.name) for column in columns or ()]
    fields = [*(f"{name} string" for name in names), f"{FILE} string", f"{RAW} string", f"{REASONS} array<string>"]
    return spark.createDataFrame([], ", ".join(fields))


def _with_metadata(batch: SourceBatch, step: IngestStep, run_id: str, ingested_at: datetime) -> SourceBatch:
    from pyspark.sql import functions as F

    moment = ingested_at.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")
    made = {
        "_source_file": F.col(FILE),
        "_ingested_at": F.expr(f"TIMESTAMP '{moment}Z'"),
        "_run_id": F.lit(run_id),
    }
    wanted = [name for name in made if name in step.metadata_columns]
    data: List[str] = []
    left_out: List[str] = []
    for name in batch.df.columns:
        if name in (FILE, RAW, REASONS):
            continue
        (left_out if name.lower() in wanted else data).append(name)
    file = [] if "_source_file" in wanted else [FILE]
    df = batch.df.select(
        *(F.col(quoted_column(name)) for name in data),
        *(made[name].alias(name) for name in wanted),
        *file,
        RAW,
        REASONS,
    )
    return replace(batch, df=df, left_out=(*batch.left_out, *left_out))
