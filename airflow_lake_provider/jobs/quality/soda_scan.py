"""One Soda scan, with what is wrong for a job in Soda's defaults put right at its border.

Soda 3.5.6 sends usage telemetry unless a file in the home says otherwise, loads any ``.env`` above it over the
environment, keeps its logs in a process-wide singleton (so one scan at a time), executes a query twice for each hundred
rows it pages, and samples failed rows even where nobody takes the samples.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

_DATA_SOURCE = "lake"
_PAGE_LIMIT = 10_000
"""How many rows of a failed-rows query are fetched at most; more are counted as this many."""

_prepared = False


@dataclass(frozen=True)
class ScanResult:
    """What a scan said: ``checks`` as in Soda's own result document, and its error lines."""

    checks: Tuple[Mapping[str, Any], ...]
    errors: Tuple[str, ...]


def scan(spark: Any, table: str, checks: Sequence[Mapping[str, Any]]) -> ScanResult:
    """Run checks (parsed SodaCL, one mapping each) over a table and return all that Soda says, raising nothing.

    A failure inside Soda is an error line, like those that it logs itself.
    """
    _prepare()
    from soda.scan import Scan

    environment = dict(os.environ)
    try:
        one = Scan()
        one.set_data_source_name(_DATA_SOURCE)
        one.add_spark_session(spark, _DATA_SOURCE)
        one.add_sodacl_yaml_str(sodacl(table, checks))
        one._configuration.samples_limit = 0  # nobody takes the samples, and each costs up to four more scans
        one.execute()
        results = one.get_scan_results()
        errors = [log["message"] for log in results.get("logs", ()) if str(log.get("level")).lower() == "error"]
        return ScanResult(checks=tuple(results.get("checks", ())), errors=tuple(first_line(text) for text in errors))
    except Exception as exc:
        return ScanResult(checks=(), errors=(first_line(str(exc)) or type(exc).__name__,))
    finally:
        os.environ.clear()
        os.environ.update(environment)


def sodacl(table: str, checks: Sequence[Mapping[str, Any]]) -> str:
    """Render SodaCL: JSON, which is YAML that needs no quoting rules of its own.

    >>> sodacl("silver.t", [{"row_count > 0": {"name": "a"}}])
    '{"checks for silver.t": [{"row_count > 0": {"name": "a"}}]}'
    """
    return json.dumps({f"checks for {table}": list(checks)}, ensure_ascii=False)


def first_line(text: str) -> str:
    r"""Return the first line that says something, shortened: Soda adds query plans and the query itself.

    >>> first_line("Query execution error in 1.lake.t: [UNRESOLVED_COLUMN] no `x`.; line 8 pos 18;\n'Aggregate")
    '[UNRESOLVED_COLUMN] no `x`.'
    """
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if line.startswith("Query execution error in "):
        line = line.partition(": ")[2]
    line = line.partition("; line ")[0]
    return line if len(line) <= 300 else line[:297] + "..."


def _prepare() -> None:
    """Import Soda without its telemetry, its ``.env`` files and its pager; once a process."""
    global _prepared
    if _prepared:
        return
    for name in ("soda", "soda.scan", "opentelemetry"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    from soda.common.config_helper import ConfigHelper

    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "config.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("send_anonymous_usage_stats: false\nuser_cookie_id: none\n")
        ConfigHelper.get_instance(config)
        import soda.telemetry.soda_telemetry  # reads the configuration when it is imported
    import soda.common.env_helper
    from soda.data_sources import spark_df_cursor

    soda.common.env_helper.load_dotenv = lambda *arguments, **options: False
    spark_df_cursor.SparkDfCursor.execute = _execute
    spark_df_cursor.SparkDfCursor.fetchmany = _fetchmany
    _prepared = True


def _execute(self: Any, sql: str) -> None:
    """Stand in for ``SparkDfCursor.execute``: also forget the page of the last query."""
    self.df = self.spark_session.sql(sqlQuery=sql)
    self.description = self.convert_spark_df_schema_to_dbapi_description(self.df)
    self.cursor_index = 0
    self.lake_rows = None


def _fetchmany(self: Any, size: int) -> Tuple[Any, ...]:
    """Stand in for ``SparkDfCursor.fetchmany``: run the query once and page from memory.

    The original counts and runs the whole query again for each hundred rows (soda-core pull request 2143).
    """
    if self.lake_rows is None:
        self.lake_rows = self.df.limit(_PAGE_LIMIT).collect()
        self.rowcount = len(self.lake_rows)
    page: List[Any] = self.lake_rows[self.cursor_index : self.cursor_index + size]
    self.cursor_index += len(page)
    return tuple(tuple(self.convert_spark_row_to_dbapi_row(row)) for row in page)


def as_mapping(value: Any) -> Dict[str, Any]:
    """Return a mapping's items as a new one, anything else as none."""
    return dict(value) if isinstance(value, Mapping) else {}
