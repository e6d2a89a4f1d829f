"""Whether Python source gives equal rows from equal tables, as far as its text tells.

It does not where it names the clock or chance, reads anything that no snapshot identifies (files, the network, the
environment, a Spark session of its own), runs text as code, or asks what differs from run to run (``context.run_id``,
``context.logical_date``). Names are looked at, not values: ``x.now`` counts whatever ``x`` is. Text that is SQL by its
look is held to the rules of a query. In doubt the answer is no, which costs a ``no_op``; a wrong yes would leave
old rows in a table.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from airflow_lake_provider.spec.lineage import is_deterministic as is_deterministic_sql

_MODULES = frozenset({
    "adlfs", "aiohttp", "airflow", "azure", "boto3", "botocore", "cx_Oracle", "deltalake", "duckdb", "fsspec", "ftplib",
    "gcsfs", "glob", "google", "http.client", "httpx", "kafka", "MySQLdb", "oracledb", "paramiko", "psycopg",
    "psycopg2", "pyiceberg", "pymongo", "pymysql", "pyodbc", "random", "redis", "requests", "s3fs", "secrets",
    "smtplib", "snowflake", "socket", "sqlalchemy", "sqlite3", "subprocess", "urllib.request", "urllib3",
})  # fmt: skip
_NAMES = frozenset({
    # the clock
    "current_date", "current_timestamp", "curdate", "localtimestamp", "monotonic", "now", "perf_counter", "time_ns",
    "today", "utcnow",
    # chance, and what differs with the layout of the data
    "RandomState", "default_rng", "input_file_name", "monotonically_increasing_id", "rand", "randn", "randomSplit",
    "random", "randstr", "sampleBy", "spark_partition_id", "urandom", "uuid1", "uuid4",
    # what no snapshot identifies
    "SparkSession", "current_user", "environ", "getActiveSession", "getenv", "import_module", "listdir", "read_bytes",
    "read_csv", "read_excel", "read_feather", "read_fwf", "read_html", "read_json", "read_orc", "read_parquet",
    "read_pickle", "read_sql", "read_sql_query", "read_sql_table", "read_table", "read_text", "read_xml", "scandir",
    "session_user", "sparkContext", "sparkSession", "sql_ctx", "urlopen",
    # what differs from run to run
    "logical_date", "run_id",
})  # fmt: skip
_CALLS = _NAMES | {"iterdir", "open", "sample", "shuffle", "time", "uniform", "user", "uuid"}
"""Words that are columns too (``df.open``): they count where they are called."""

_BUILTINS = frozenset({"__import__", "eval", "exec", "input", "open"})
_BY_NAME = frozenset({"call_function", "call_udf", "getattr"})
_OF_INTERVAL = frozenset({"data_interval_end", "data_interval_start", "logical_date"})


def is_deterministic(tree: ast.Module) -> bool:
    """Whether a module uses no clock, no chance, and nothing from outside of its arguments.

    >>> is_deterministic(ast.parse("def f(df): return df.withColumn('at', F.current_timestamp())"))
    False
    >>> is_deterministic(ast.parse("def f(df): return df.filter('distance > 0').select(df.open)"))
    True
    """
    nodes = list(ast.walk(tree))
    starred = any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in nodes)
    silent = {id(node.value) for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}
    return not any(_is_doubtful(node, starred=starred) for node in nodes if id(node) not in silent)


def names_interval(tree: ast.Module) -> bool:
    """Whether a module names the run's interval: an attribute of that name, of whatever.

    >>> names_interval(ast.parse("day = context.data_interval_start"))
    True
    """
    return any(
        (isinstance(node, ast.Attribute) and node.attr in _OF_INTERVAL)
        or not _OF_INTERVAL.isdisjoint(_texts_of_lookup(node))
        for node in ast.walk(tree)
    )


def _is_doubtful(node: ast.AST, *, starred: bool) -> bool:
    if isinstance(node, ast.Import):
        return any(_is_of(alias.name) for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        if node.level or node.module == "datetime":  # the project's own, which is looked at itself; types
            return False
        return any(_is_of(f"{node.module}.{alias.name}") or alias.name in _CALLS for alias in node.names)
    if isinstance(node, ast.Attribute):
        return node.attr in _NAMES
    if isinstance(node, ast.Name):
        return isinstance(node.ctx, ast.Load) and (node.id in _BUILTINS or (starred and node.id in _NAMES))
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        is_word = called in _CALLS and (starred or isinstance(node.func, ast.Attribute))
        return is_word or not _CALLS.isdisjoint(_texts_of_lookup(node))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and not is_deterministic_sql(node.value)


def _is_of(module: str) -> bool:
    parts = module.split(".")
    return any(".".join(parts[:length]) in _MODULES for length in range(1, len(parts) + 1))


def _texts_of_lookup(node: ast.AST) -> Iterator[str]:
    """Yield the names that a call looks up by text, as ``getattr(context, "run_id")`` does."""
    if not isinstance(node, ast.Call):
        return
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if called in _BY_NAME:
        for argument in node.args:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value
