"""The Spark session of a job: one application, one Iceberg catalog."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from airflow_lake_provider.jobs.errors import StepError
from airflow_lake_provider.jobs.iceberg import string_array
from airflow_lake_provider.jobs.progress import say
from airflow_lake_provider.protocol import Catalog, JobRequest
from airflow_lake_provider.protocol.secrets import missing_secrets
from airflow_lake_provider.protocol.stack import condense

ICEBERG_EXTENSIONS = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"

# Spark's own pattern (spark.redaction.regex): values of such keys are not shown in its UI and logs.
_REDACTED = "(?i)secret|password|token|access[.]?key"

# Schema V1 of Iceberg's JDBC catalog (org.apache.iceberg.jdbc.JdbcUtil), which PyIceberg's SqlCatalog shares.
_EMBEDDED_CATALOG_TABLES = (
    """CREATE TABLE IF NOT EXISTS iceberg_tables (
        catalog_name VARCHAR(255) NOT NULL,
        table_namespace VARCHAR(255) NOT NULL,
        table_name VARCHAR(255) NOT NULL,
        metadata_location VARCHAR(1000),
        previous_metadata_location VARCHAR(1000),
        iceberg_type VARCHAR(5),
        PRIMARY KEY (catalog_name, table_namespace, table_name))""",
    """CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
        catalog_name VARCHAR(255) NOT NULL,
        namespace VARCHAR(255) NOT NULL,
        property_key VARCHAR(255) NOT NULL,
        property_value VARCHAR(1000),
        PRIMARY KEY (catalog_name, namespace, property_key))""",
)


def build_session(request: JobRequest) -> Any:
    """Start (or find) the application's ``SparkSession`` for a request.

    :raises StepError: the catalog cannot be set up, or Spark's own error in a sentence.
    """
    if request.catalog.type == "sqlite":
        prepare_embedded_catalog(Path(request.catalog.properties["path"]))
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName(f"lake {request.pipeline} {request.task.task_id}")
    for key, value in {**session_conf(request.catalog), **request.spark_conf}.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel(os.environ.get("LAKE_SPARK_LOG_LEVEL", "WARN"))
    return spark


def session_conf(catalog: Catalog) -> Dict[str, str]:
    """Return what the session needs so that ``layer.name`` means the lake's table.

    The table cache never expires by itself: a query that names a table twice reads one version of it, and each step
    refreshes what it reads. (With the default of 30 seconds one statement can see two snapshots.)

    >>> conf = session_conf(Catalog(name="lake", type="hadoop", warehouse="file:///data"))
    >>> conf["spark.sql.catalog.lake.warehouse"], conf["spark.sql.defaultCatalog"]
    ('file:///data', 'lake')

    :raises StepError: an environment variable that holds a secret of the catalog is not set.
    """
    missing = missing_secrets(catalog.secrets, os.environ)
    if missing:
        raise StepError(
            f"The catalog '{catalog.name}' takes {', '.join(sorted(catalog.secrets))} from the environment of the job, "
            f"where {', '.join(missing)} has no value. Set it where the driver runs."
        )
    prefix = f"spark.sql.catalog.{catalog.name}"
    conf = {
        "spark.sql.extensions": ICEBERG_EXTENSIONS,
        "spark.sql.defaultCatalog": catalog.name,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.csv.parser.columnPruning.enabled": "false",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        prefix: "org.apache.iceberg.spark.SparkCatalog",
        f"{prefix}.cache.expiration-interval-ms": "-1",
    }
    own = {key: value for key, value in catalog.properties.items() if key != "path"}
    if catalog.warehouse:
        own = {"warehouse": catalog.warehouse, **own}
    if catalog.secrets:
        own.update({key: os.environ[name] for key, name in catalog.secrets.items()})
        conf["spark.redaction.regex"] = "|".join([_REDACTED, *(re.escape(key) for key in sorted(catalog.secrets))])
    if catalog.type == "sqlite":
        # Iceberg's own table creation leaves a ResultSet open, which pins a read transaction on the pooled connection:
        # every other process then gets SQLITE_BUSY for ever. So the tables are made beforehand, by sqlite3.
        own = {
            "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
            "uri": f"jdbc:sqlite:{catalog.properties['path']}?busy_timeout=30000",
            "jdbc.schema-version": "V1",
            "jdbc.init-catalog-tables": "false",
            **own,
        }
    else:
        own = {"type": catalog.type, **own}
    conf.update({f"{prefix}.{key}": value for key, value in own.items()})
    return conf


@contextmanager
def settings_kept(spark: Any) -> Iterator[None]:
    """Put the session's settings and its current catalog and namespace back at the end.

    Tables of one application share a session: what a user's function sets, or a reader of files, is for its own table,
    else rows of the next would depend on whether both run in one application.
    """
    before, place = _settings(spark), _place(spark)
    try:
        yield
    finally:
        try:
            _put_back(spark, before, place)
        except Exception as exc:  # it may be the session's end that ended the table: that error is the one to tell
            say(f"the session's settings could not be put back: {condense(str(exc))}")


def _put_back(spark: Any, before: Mapping[str, str], place: Tuple[str, List[str]]) -> None:
    after = _settings(spark)
    for key in after.keys() - before.keys():
        spark.conf.unset(key)
    for key, value in before.items():
        if after.get(key) != value:
            spark.conf.set(key, value)
    if _place(spark) != place:
        _go_to(spark, *place)


def _settings(spark: Any) -> Dict[str, str]:
    return {row["key"]: row["value"] for row in spark.sql("SET").collect()}


def _place(spark: Any) -> Tuple[str, List[str]]:
    manager = spark._jsparkSession.sessionState().catalogManager()
    return str(manager.currentCatalog().name()), [str(part) for part in manager.currentNamespace()]


def _go_to(spark: Any, catalog: str, namespace: List[str]) -> None:
    manager = spark._jsparkSession.sessionState().catalogManager()
    # Spark takes no empty namespace; to come from another catalog makes the default one current again.
    manager.setCurrentCatalog("spark_catalog")
    manager.setCurrentCatalog(catalog)
    if namespace:
        manager.setCurrentNamespace(string_array(spark, namespace))


def prepare_embedded_catalog(path: Path) -> None:
    """Create the database of the embedded catalog with its two tables; any number of processes may do so at once.

    :raises StepError: the place cannot be written.
    """
    connection: Optional[sqlite3.Connection] = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(str(path), timeout=30)
        with connection:
            for statement in _EMBEDDED_CATALOG_TABLES:
                connection.execute(statement)
    except (OSError, sqlite3.Error) as exc:
        raise StepError(
            f"The embedded catalog {path} cannot be opened: {exc}. Its folder must be writable; "
            "LAKE_HOME names another place."
        ) from exc
    finally:
        if connection is not None:
            connection.close()
