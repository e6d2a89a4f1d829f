"""A Python transform: call the user's function with DataFrames of pinned tables, and see that it gives one back."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Dict, Optional

from airflow_lake_provider.jobs.errors import CodeError, FunctionFailed
from airflow_lake_provider.jobs.iceberg import quoted
from airflow_lake_provider.jobs.python_code import archive_path, import_module
from airflow_lake_provider.protocol import JobRequest, PythonStep
from airflow_lake_provider.protocol.stack import condense

# The same code with the same tables makes these again; anything else (I/O, Spark, the cluster) may pass.
_LASTING = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, NotImplementedError,
    SyntaxError, TypeError, UnicodeError,
)  # fmt: skip
_LASTING_IN_SPARK = (
    "AnalysisException", "ParseException", "IllegalArgumentException", "PySparkAttributeError", "PySparkTypeError",
    "PySparkValueError",
)  # fmt: skip


@dataclass(frozen=True)
class RunContext:
    """What a function gets as ``context``: plain values, so that a test hands in any object with these attributes.

    Times are aware, in UTC; they are ``None`` in a run that has none (started by assets, or by hand without a
    schedule in time). ``table`` is ``layer.name``, the table that the rows are for.
    """

    dag_id: str
    run_id: str
    task_id: str
    table: str
    logical_date: Optional[datetime] = None
    data_interval_start: Optional[datetime] = None
    data_interval_end: Optional[datetime] = None


def run_context(job: JobRequest, table: str) -> RunContext:
    """Return the context of one table's run."""
    return RunContext(
        dag_id=job.task.dag_id,
        run_id=job.task.run_id,
        task_id=job.task.task_id,
        table=table,
        logical_date=_time(job.logical_date),
        data_interval_start=_time(job.interval.start if job.interval is not None else None),
        data_interval_end=_time(job.interval.end if job.interval is not None else None),
    )


def call_function(spark: Any, job: JobRequest, table: str, step: PythonStep) -> Any:
    """Return the DataFrame that the user's function gives.

    Its tables are read as a query reads them: from the session's catalog, whose cache holds what was pinned.

    :raises CodeError: the code cannot be had, or the function gives something else than one DataFrame.
    :raises FunctionFailed: the function, or the import of its module, raised.
    """
    arguments: Dict[str, Any] = {
        parameter: spark.table(quoted(job.catalog.identifier(name))) for parameter, name in step.parameters.items()
    }
    if "context" in step.wants:
        arguments["context"] = run_context(job, table)
    if "spark" in step.wants:
        arguments["spark"] = spark
    try:
        function = getattr(import_module(spark, step), step.function)
        rows = function(**arguments)
    except CodeError:
        raise
    except (Exception, SystemExit) as exc:  # a script's habit: sys.exit would end the job without a report
        raise _failure(exc, table, step) from exc
    _check_rows(rows, table, step)
    return rows


def _failure(error: BaseException, table: str, step: PythonStep) -> FunctionFailed:
    name = type(error).__name__
    archive = archive_path(step) + "/"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(archive)]
    place = f" at {frames[-1].filename[len(archive) :]}:{frames[-1].lineno}" if frames else ""
    cause = condense("".join(traceback.format_exception_only(type(error), error)))
    hint = ". Packages from outside of the project are installed where Spark runs." if name in _NOT_THERE else ""
    return FunctionFailed(
        f"{table}: {step.module}:{step.function} failed{place}: {cause}{hint}",
        retryable=not isinstance(error, _LASTING) and name not in _LASTING_IN_SPARK,
    )


_NOT_THERE = ("ImportError", "ModuleNotFoundError")


def _check_rows(rows: Any, table: str, step: PythonStep) -> None:
    from pyspark.sql import DataFrame

    start = f"{table}: {step.module}:{step.function} returned"
    if not isinstance(rows, DataFrame):
        kind = type(rows)
        came = "nothing" if rows is None else f"a {kind.__module__}.{kind.__qualname__}".replace("builtins.", "")
        raise CodeError(f"{start} {came}; expected one Spark DataFrame")
    if rows.isStreaming:
        raise CodeError(f"{start} a streaming DataFrame; expected one of a bounded read")


def _time(text: Optional[str]) -> Optional[datetime]:
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))
