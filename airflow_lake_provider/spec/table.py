"""One table of a spec: its keys, as pydantic reads them.

Validators bring each value into its normal form, and the normal form reads as itself again: settings that went through
Airflow's templates are validated by the same model. What concerns several keys is in ``rules``.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, StrictBool, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from airflow_lake_provider.spec.check import CHECK_FORM
from airflow_lake_provider.spec.column import ColumnSpec, Contract
from airflow_lake_provider.spec.ingest import FORMATS, IngestSpec
from airflow_lake_provider.spec.key import (
    Columns,
    Conf,
    FilledText,
    Fraction,
    Identifier,
    Keys,
    Listed,
    Options,
    OrShort,
    TableName,
    Text,
    key,
    listed,
)
from airflow_lake_provider.spec.problem import bad, expected_one_of, show
from airflow_lake_provider.spec.task import TASK_ARGUMENTS, TaskKeys
from airflow_lake_provider.spec.values import (
    IDENTIFIER_FORM,
    TABLE_NAME_FORM,
    TRANSFORM_FORM,
    read_identifier,
    read_table_name,
    read_transform,
)
from airflow_lake_provider.spec.write import WRITE_LATER, Write, WriteSpec

__all__ = [
    "FORMATS",
    "SOURCES",
    "TABLE_LATER",
    "TASK_ARGUMENTS",
    "WRITE_LATER",
    "ColumnSpec",
    "Conf",
    "DefaultKeys",
    "IngestSpec",
    "LayerKeys",
    "QuarantineSpec",
    "TableSpec",
    "TaskKeys",
    "WriteSpec",
    "listed",
]


def _quarantine(value: Any) -> Any:
    if isinstance(value, bool):
        return {"enabled": value}
    if isinstance(value, dict) and "enabled" in value:
        raise bad(
            "unknown-key", "unknown key `enabled` in `quarantine`", "expected `true`, `false`, or `table` and `max`"
        )
    return value


def _quarantine_table(value: Any) -> Any:
    return read_table_name(value) if isinstance(value, str) and "." in value else read_identifier(value)


_QuarantineTable = Annotated[
    str, BeforeValidator(_quarantine_table), WithJsonSchema({"anyOf": [IDENTIFIER_FORM, TABLE_NAME_FORM]})
]


class QuarantineSpec(Keys):
    """Where rejected rows go; a bare table name stands in the table's own layer."""

    enabled: SkipJsonSchema[StrictBool] = True
    table: _QuarantineTable | None = key(
        "The table that keeps the rejected rows; a bare name lies in the table's own layer. By default the table's "
        "name with `__quarantine` behind it.",
        "rejected_orders",
        "audit.orders",
    )
    max: Fraction | None = key(
        "The largest share of the rows read that may be rejected, 10 % by default; above it nothing is published.",
        "5%",
        0.01,
    )


_SCHEMA_CHANGES = ("fail", "ignore", "append_new_columns", "sync_all_columns")


def _on_schema_change(value: Any) -> Any:
    if value in _SCHEMA_CHANGES[1:]:
        message = f"`on_schema_change: {value}` is not supported yet"
        raise bad(
            "not-supported-yet", message, "expected `fail`: a schema that differs from the contract fails the run"
        )
    if value != "fail":
        hint = expected_one_of(str(value), _SCHEMA_CHANGES)
        raise bad("wrong-value", f"`on_schema_change` is {show(value)}", hint)
    return value


_Quarantine = Annotated[QuarantineSpec, BeforeValidator(_quarantine), OrShort({"type": "boolean"})]
_SchemaChange = Annotated[str, BeforeValidator(_on_schema_change), WithJsonSchema({"enum": ["fail"]})]
_Transform = Annotated[str, BeforeValidator(read_transform), WithJsonSchema(TRANSFORM_FORM)]
_Check = Annotated[Any, WithJsonSchema(CHECK_FORM)]


class DefaultKeys(TaskKeys):
    """The keys that may stand in ``defaults``: all of a table but its source."""

    description: Text | None = key("What the table holds; it becomes the Iceberg table's comment.", "One row per order")
    tags: Listed[FilledText] | None = key("Words to find the table by; nothing depends on them.", ["pii", "orders"])
    columns: Contract | None = key(
        "The contract: each column as `name: type` or `name: {type, nullable, description, rule}`. The table has "
        "exactly these and the metadata columns; without it, what the query or file gives.",
        {"order_id": "bigint not null", "amount": {"type": "decimal(10,2)", "rule": "amount >= 0"}},
    )
    unique_key: Columns | None = key(
        "The column, or the columns, that tell rows apart; `merge` needs it. A row with NULL in it goes to the "
        "quarantine.",
        "order_id",
        ["order_id", "country"],
    )
    partition_by: Listed[_Transform] | None = key(
        "The partition fields: `col`, `year(col)`, `month(col)`, `day(col)`, `hour(col)`, `bucket(n, col)`, "
        "`truncate(n, col)`.",
        ["day(ordered_at)", "bucket(16, order_id)"],
        "country",
    )
    write: Write | None = key(
        "How the rows meet the table: a strategy, or a mapping of it and its options. By default `append` in bronze, "
        "`merge` in silver, `replace` in gold.",
        "merge",
        {"strategy": "merge", "sequence_by": "updated_at"},
    )
    checks: list[_Check] | None = key(
        "SodaCL checks of the table as it would be after the run; `on_fail` on each is `fail` (the default), `warn` or "
        "`skip_publish`.",
        ["row_count > 0", {"avg(amount) < 1000": {"on_fail": "warn"}}],
    )
    quarantine: _Quarantine | None = key(
        "What becomes of rows that break the contract: they are set aside (`true`, the default where a rule can reject "
        "rows), or one fails the run (`false`). A mapping names the table and the largest share.",
        False,
        {"table": "rejected_orders", "max": "5%"},
    )
    on_schema_change: _SchemaChange | None = key(
        "What a run does when contract or batch differ from the table that is there: `fail`, the default.", "fail"
    )
    properties: Conf | None = key(
        "Iceberg table properties by their own names; `null` takes one away that a default sets.",
        {"write.parquet.compression-codec": "zstd", "history.expire.min-snapshots-to-keep": 10},
    )
    depends_on: Listed[TableName] | None = key(
        "Tables that must be done first, beside those that the query shows.", ["bronze.customers"]
    )
    engine: FilledText | None = key("One of the environment's engines, `default` by default.", "heavy")
    resource_profile: FilledText | None = key(
        "The sizes to run with: `small`, `medium`, `large`, `xlarge`, or one of `lake.yaml`. By default the engine's "
        "own.",
        "large",
    )
    spark_conf: Conf | None = key(
        "Spark properties over those of environment and profile; `null` takes one away.",
        {"spark.sql.shuffle.partitions": 64},
    )
    engine_options: Options | None = key(
        "Settings of the platform for this table's job, passed as they are: with `spark_submit`, options of the "
        "command.",
        {"queue": "etl"},
    )


class LayerKeys(DefaultKeys):
    """One layer: table keys for all of its tables, over those of the layer that it is like."""

    like: Identifier | None = key(
        "The layer whose behaviour and keys this one takes over: `bronze`, `silver`, `gold`, or another one.", "bronze"
    )


class TableSpec(DefaultKeys):
    """One table."""

    ingest: IngestSpec | None = key(
        "The files that the rows come from; each is taken in once. Instead of `sql`, `sql_file` or `python`.",
        {"files": "landing/orders/*.csv", "options": {"header": True}},
    )
    sql: FilledText | None = key(
        "One SELECT in Spark's dialect, CTEs allowed; the tables that it reads are named `layer.name`.",
        "SELECT * FROM bronze.orders WHERE amount > 0",
    )
    sql_file: FilledText | None = key(
        "A file that holds the SELECT, from the spec's folder, then from the project's root.", "queries/orders.sql"
    )
    python: FilledText | None = key(
        "A function that returns the DataFrame, `package.module:function` or `file.py:function`; its parameters are "
        "the tables that it reads, `bronze__orders` for `bronze.orders`. It is not imported when the spec is read.",
        "transforms.py:clean_orders",
    )


SOURCES = ("ingest", "sql", "sql_file", "python")
"""Where a table's rows come from: exactly one."""

TABLE_LATER = {"incremental": "use an interval template in the query, or `write: merge`"}
