"""What a run reads, pinned: files by version, tables by snapshot. The identity of both goes into the fingerprint."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Dict, Mapping, Optional, Tuple

from airflow_lake_provider.jobs import ledger as ledgers
from airflow_lake_provider.jobs.batch import FILE, RAW, REASONS
from airflow_lake_provider.jobs.cast import parse_type
from airflow_lake_provider.jobs.contract import Judged, apply_contract
from airflow_lake_provider.jobs.errors import SourceError
from airflow_lake_provider.jobs.iceberg import IcebergTable, quoted
from airflow_lake_provider.jobs.ledger import Ledger
from airflow_lake_provider.jobs.python_function import call_function
from airflow_lake_provider.jobs.soft_delete import columns_without, require_own, with_flag
from airflow_lake_provider.jobs.sources.files import SourceFile, list_files
from airflow_lake_provider.jobs.sources.files import fingerprint as files_fingerprint
from airflow_lake_provider.jobs.sources.intake import Intake, take_in
from airflow_lake_provider.jobs.sources.read import read_files
from airflow_lake_provider.protocol import (
    METADATA_COLUMNS,
    CheckStep,
    IngestStep,
    JobRequest,
    PythonStep,
    Step,
    TableRequest,
    TransformStep,
    WriteStep,
)

_SOURCES = (IngestStep, TransformStep, PythonStep)


@dataclass(frozen=True)
class Inputs:
    """The pinned inputs of one table's run.

    ``fresh`` are the files to read: those that the table has not taken in, or all of them where the table is replaced
    by what they give. ``replaced`` are the paths among them that it holds in another version. ``left`` new files wait
    for the next run.
    ``fingerprint`` identifies the run's outcome; ``repeatable`` is false where an input has no identity, so that an
    equal fingerprint proves nothing.
    """

    fingerprint: str
    repeatable: bool = True
    fresh: Tuple[SourceFile, ...] = ()
    replaced: Tuple[str, ...] = ()
    left: int = 0
    tables: Mapping[str, Optional[int]] = field(default_factory=dict)

    @property
    def versions(self) -> Dict[str, str]:
        """The fresh files as the ledger keeps them."""
        return {file.path: file.version for file in self.fresh}


def find_step(request: TableRequest, *kinds: type) -> Optional[Step]:
    """Return the table's step of one of these kinds, ``None`` when it has none."""
    return next((step for step in request.steps if isinstance(step, kinds)), None)


def pin(spark: Any, job: JobRequest, request: TableRequest, ledger: Ledger) -> Inputs:
    """Look at every input once, and remember what was there.

    :raises SourceError: a table that the query reads does not exist; options of the ingest make no sense.
    :raises FileReplaced: a file came again with other content, and that is to fail.
    """
    source = find_step(request, *_SOURCES)
    checks = find_step(request, CheckStep)
    names = set(source.inputs if isinstance(source, (TransformStep, PythonStep)) else ())
    names |= set(checks.inputs if isinstance(checks, CheckStep) else ()) - {request.table}
    tables = {name: _pin_table(spark, job, request, name) for name in sorted(names)}
    intake = Intake()
    if isinstance(source, IngestStep):
        listed = list_files(spark, source.files, recursive=source.recursive)
        intake = take_in(source, listed, ledger.files, strategy=request.strategy, full_refresh=request.full_refresh)
    deterministic = not isinstance(source, (TransformStep, PythonStep)) or source.deterministic
    identity: Dict[str, Any] = {
        "spec": request.spec_sha256,
        "code": job.provenance.code_sha256,
        "files": files_fingerprint(intake.seen) if intake.seen else None,
        "tables": tables,
    }
    if isinstance(source, PythonStep):
        identity["python"] = source.code_sha256
    return Inputs(
        fingerprint=ledgers.fingerprint(identity),
        repeatable=deterministic and None not in tables.values(),
        fresh=intake.fresh,
        replaced=intake.replaced,
        left=intake.left,
        tables=tables,
    )


def judge(spark: Any, job: JobRequest, request: TableRequest, inputs: Inputs, *, now: datetime) -> Optional[Judged]:
    """Read the batch and hold it against the contract; nothing runs yet.

    Returns ``None`` where neither a file nor a contract says what the columns are: an empty file has none.
    """
    source = find_step(request, *_SOURCES)
    write = find_step(request, WriteStep)
    assert isinstance(write, WriteStep)
    if isinstance(source, TransformStep):
        return _judged(request, write, spark.sql(source.sql), origin="query")
    if isinstance(source, PythonStep):
        return _judged(request, write, call_function(spark, job, request.table, source), origin="query")
    assert isinstance(source, IngestStep)
    if not inputs.fresh:
        rows = _no_rows(spark, request, source)
        return None if rows is None else _judged(request, write, rows, origin="file")
    batch = read_files(spark, source, inputs.fresh, columns=request.columns, run_id=job.task.run_id, ingested_at=now)
    if request.columns is None and not set(batch.df.columns) - {*METADATA_COLUMNS, FILE, RAW, REASONS}:
        return None
    return _judged(
        request, write, batch.df, origin="file", formats=batch.formats, absent=batch.absent, left_out=batch.left_out
    )


def _judged(request: TableRequest, write: WriteStep, rows: Any, *, origin: str, **more: Any) -> Judged:
    flag, columns = write.soft_delete, request.columns
    if flag is not None:
        require_own(flag, rows.columns, columns, table=request.table)
        columns = columns_without(flag, columns)
    judged = apply_contract(
        rows,
        columns=columns,
        unique_key=write.unique_key,
        sequence_by=write.sequence_by,
        delete_when=write.delete_when,
        origin=origin,
        table=request.table,
        **more,
    )
    return judged if flag is None else replace(judged, df=with_flag(judged.df, flag, request.columns))


def _no_rows(spark: Any, request: TableRequest, source: IngestStep) -> Optional[Any]:
    """Return a batch without rows in the contract's own shape, ``None`` where there is no contract."""
    if request.columns is None:
        return None
    from pyspark.sql.types import ArrayType, StringType, StructType, TimestampType

    schema = StructType()
    for name in source.metadata_columns:
        schema = schema.add(name, TimestampType() if name == "_ingested_at" else StringType())
    for column in request.columns:
        kind = parse_type(column.type, where=f"{request.table}: the type of {column.name}")
        schema = schema.add(column.name, kind)
    return spark.createDataFrame([], schema.add(RAW, StringType()).add(REASONS, ArrayType(StringType())))


def no_rows_of(spark: Any, table: IcebergTable) -> Judged:
    """Return a batch without rows in the shape of a table."""
    empty = spark.table(quoted(table.identifier)).where("false")
    return Judged(empty.selectExpr("*", f"CAST(NULL AS ARRAY<STRING>) AS {REASONS}", f"CAST(NULL AS STRING) AS {RAW}"))


def _pin_table(spark: Any, job: JobRequest, request: TableRequest, name: str) -> Optional[int]:
    """Return the snapshot that a name means now; ``None`` for a table without one that Iceberg could tell."""
    catalog, parts = job.catalog, name.split(".")
    if len(parts) == 3 and parts[0] == catalog.name:
        parts = parts[1:]
    identifier, there = name, ""
    if len(parts) == 2:
        logical = ".".join(parts)
        table = IcebergTable.find(spark, catalog, logical)
        if table is not None:
            return table.head() or 0  # a table that nobody has written yet has no snapshot, and that is its state
        identifier = catalog.identifier(logical)
        there = f" as {catalog.name_of(logical)}" if catalog.namespace_prefix else ""
    if not spark.catalog.tableExists(identifier):
        raise SourceError(
            f"{request.table} reads {name}, which does not exist in catalog '{catalog.name}'{there}. Run the pipeline "
            "that writes it first; an ingest without files and without columns makes no table."
        )
    return None
