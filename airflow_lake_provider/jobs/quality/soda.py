"""Soda, kept to what it is used for: the measuring of checks on one Spark session.

Soda reads the user's home, ``.env`` files and environment variables, sends telemetry, and pages through results by
running the query anew for each hundred rows. What is replaced of it here is replaced for the length of one scan.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

from airflow_lake_provider.jobs.errors import StepError
from airflow_lake_provider.jobs.tables import literal

_MOST_ROWS = 10_000
_ONE_AT_A_TIME = threading.Lock()  # Soda's log is one for the process: a second scan wipes the first one's errors
_DESCRIBE_ENDS = ("", "# Partition Information", "# Partitioning", "# Clustering Information", "# Metadata Columns")


@dataclass(frozen=True)
class Measured:
    """One check object of Soda's: the line of the document it came from, its outcome (``None``: not evaluated)."""

    line: int
    kind: str
    outcome: Any
    value: Any
    details: Dict[str, Any]


@dataclass(frozen=True)
class Scanned:
    """What one scan gave: ``clean`` says that nothing in it went wrong, ``errors`` what did."""

    clean: bool
    measured: Tuple[Measured, ...]
    errors: Tuple[str, ...]


def scan(spark: Any, document: str) -> Scanned:
    """Measure the checks of one SodaCL document.

    :raises StepError: Soda is not installed.
    """
    with _ONE_AT_A_TIME, _quiet(), _environment():
        scan_class = _load()
        with _patched():
            return _scan(scan_class, spark, document)


def _scan(scan_class: Any, spark: Any, document: str) -> Scanned:
    soda = scan_class()
    # What is left of `${...}` in a check is meant as it stands, and no environment variable beats the scan's own.
    soda.jinja_resolve = lambda definition, variables=None, location=None: definition
    soda.get_variable = lambda name, default_value=None: soda._variables.get(name, default_value)
    soda.set_data_source_name("lake")  # before any check: the parser remembers it
    soda.add_spark_session(spark, "lake")
    soda._configuration.samples_limit = 0
    soda.add_sodacl_yaml_str(document)
    code = soda.execute()
    logged = soda.get_error_logs()
    errors = tuple(filter(None, (_explained(str(log.message), log.exception) for log in logged)))
    measured = tuple(
        Measured(
            line=check.check_cfg.location.line,
            kind=type(check).__name__,
            outcome=check.outcome.value if check.outcome is not None else None,
            value=getattr(check, "check_value", None),
            details=dict(check.get_log_diagnostic_dict() or {}),
        )
        for check in soda._checks
    )
    return Scanned(clean=code in (0, 1, 2) and not logged, measured=measured, errors=errors)


def _explained(message: str, exception: Any) -> str:
    if exception is None:
        return message
    if isinstance(exception, (AttributeError, KeyError, TypeError)):
        return "Soda does not understand the check"  # it stumbled over what its parser gave it
    if message.startswith(("Query execution error", "Error occurred while executing scan")):
        return _sentence(exception)  # empty where Soda logs its own way out of a failed query
    return f"{message}: {exception}"


def _sentence(exception: Any) -> str:
    """Return what an exception says; of one from the JVM the innermost cause."""
    text = str(exception).strip()
    causes = re.findall(r"^(?:Caused by)?:? ?[\w.$]+(?:Exception|Error): (.+)$", text, re.MULTILINE)
    return str(causes[-1]) if causes else text


def _load() -> Any:
    """Import Soda without its telemetry: its settings come from a file of ours, not from the user's home."""
    try:
        from soda.common.config_helper import ConfigHelper

        with tempfile.TemporaryDirectory() as folder:
            settings = Path(folder) / "config.yml"
            settings.write_text("send_anonymous_usage_stats: false\nuser_cookie_id: none\n", encoding="utf-8")
            ConfigHelper.get_instance(str(settings))
            from soda.scan import Scan
    except ModuleNotFoundError as exc:
        raise StepError(
            f"Checks need Soda, and '{exc.name}' is not installed in the data plane's Python. "
            "`lake spark install` builds an environment with all of it; elsewhere: pip install "
            "soda-core-spark-df==3.5.6 setuptools"
        ) from exc
    return Scan


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """UTC for the driver, since Soda takes local times for UTC; and nothing that Soda would take from outside."""
    before = dict(os.environ)
    for name in before:
        if name.upper().startswith("SODA_") or name == "telemetry_local_debug_mode":
            del os.environ[name]
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        time.tzset()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Soda logs 25 lines for 20 good checks, and every error twice; the results say all of it."""
    logger = logging.getLogger("soda")
    level, logger.disabled = logger.level, False
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _patched() -> Iterator[None]:
    """Replace what in Soda reads ``.env`` files, takes samples, counts row by row, or runs one query many times."""
    from soda.common import env_helper
    from soda.data_sources.spark_df_connection import SparkDfConnection
    from soda.data_sources.spark_df_cursor import SparkDfCursor
    from soda.data_sources.spark_df_data_source import SparkDfDataSource
    from soda.execution.query.sample_query import SampleQuery
    from soda.execution.query.user_defined_failed_rows_expression_query import UserDefinedFailedRowsExpressionQuery
    from soda.execution.query.user_defined_failed_rows_query import UserDefinedFailedRowsQuery

    cursor = _one_pass_cursor(SparkDfCursor)
    replacements: List[Tuple[Any, str, Any]] = [
        (env_helper, "load_dotenv", lambda *args, **kwargs: False),
        (SparkDfConnection, "cursor", lambda self: cursor(self.spark_session)),
        (SampleQuery, "execute", lambda self: None),
        (UserDefinedFailedRowsExpressionQuery, "execute", lambda self: None),
        (UserDefinedFailedRowsQuery, "execute", _count_failed_rows),
        # Soda leaves quotes within texts as they are.
        (SparkDfDataSource, "escape_string", lambda self, text: literal(text)[1:-1]),
        (SparkDfDataSource, "escape_regex", lambda self, text: literal(text)[1:-1]),
    ]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in replacements]
    for owner, name, replacement in replacements:
        setattr(owner, name, replacement)
    try:
        yield
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def _count_failed_rows(query: Any) -> None:
    """Count what a ``fail query`` finds in Spark; Soda would fetch every row of it."""
    for cursor in query._execute_cursor():
        try:
            query.metric.set_value(cursor.df.count())
        except Exception as exc:  # what the generator does with its own
            query._cursor_execute_exception_handler(exc)


def _one_pass_cursor(original: Any) -> Any:
    class OnePassCursor(original):  # type: ignore[misc]
        """Runs a query once and pages through its rows in memory."""

        def execute(self, sql: str) -> None:
            super().execute(sql.strip().rstrip(";"))
            self._sql = sql
            self._left: Any = None

        def fetchone(self) -> Tuple[Any, ...]:
            rows = self.df.limit(1).collect()
            if not rows:
                raise ValueError("the query gives no row")
            self.rowcount = 1
            return tuple(rows[0])

        def fetchmany(self, size: int) -> Tuple[Any, ...]:
            if self._left is None:
                self._left = self.fetchall()
            page, self._left = self._left[:size], self._left[size:]
            return tuple(page)

        def fetchall(self) -> Tuple[Any, ...]:
            rows = [list(row) for row in self.df.limit(_MOST_ROWS + 1).collect()]
            if len(rows) > _MOST_ROWS:
                raise ValueError(f"the query gives more than {_MOST_ROWS:,} rows to the driver; aggregate them")
            if self._sql.startswith("DESCRIBE "):
                # Below a table's columns Spark tells its partitions: Soda would take those lines for columns.
                ends = (n for n, row in enumerate(rows) if row[0] in _DESCRIBE_ENDS)
                rows = rows[: next(ends, len(rows))]
            self.rowcount = len(rows)
            return tuple(rows)

    return OnePassCursor
