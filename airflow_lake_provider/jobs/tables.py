"""The table itself: made from its contract, compared with it afterwards, never changed behind anybody's back."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Tuple

from airflow_lake_provider.jobs.errors import ContractError, SchemaChanged
from airflow_lake_provider.jobs.iceberg import IcebergTable, quoted
from airflow_lake_provider.jobs.ledger import SINCE
from airflow_lake_provider.jobs.progress import say
from airflow_lake_provider.protocol import METADATA_COLUMNS, Catalog, Column, IngestStep, TableRequest, WriteStep

# `write.wap.enabled` lets the checks read the audit branch under the table's own name. The retry counts are Iceberg's
# own loop around each commit: its default of 4 is short for many writers on one embedded catalog.
_PROPERTIES = {
    "write.wap.enabled": "true",
    "commit.retry.num-retries": "30",
    "commit.retry.min-wait-ms": "50",
}

ROW_LEVEL_MODES = {"copy_on_write": "copy-on-write", "merge_on_read": "merge-on-read"}
"""``mode`` of a write in Iceberg's words; ``auto`` leaves the table's properties as they are."""

# Iceberg reads the mode of a row-level operation from the table alone: there is no option of a write, nor a conf.
ROW_LEVEL_PROPERTIES = ("write.delete.mode", "write.merge.mode", "write.update.mode")

# A publish is three commits of metadata: without a limit each leaves a file for ever.
_AT_CREATION = {
    "format-version": "2",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
}


def ensure_table(spark: Any, request: TableRequest, schema: Any, *, catalog: Catalog) -> IcebergTable:
    """Create the table for rows of ``schema`` (a Spark ``StructType``), or see that the one that is there fits.

    Two processes may create the same table at once: the second finds the first one's.

    :raises SchemaChanged: the table that is there has other columns, types, nullability or partitions.
    :raises ContractError: the batch has no columns at all.
    """
    if not schema.fields:
        raise ContractError(f"{request.table}: the batch has no columns, so there is no table to make of it")
    table = IcebergTable.find(spark, catalog, request.table)
    if table is None:
        _create(spark, request, schema, catalog)
        table = IcebergTable.find(spark, catalog, request.table)
        if table is None:
            raise SchemaChanged(f"{request.table} was dropped by somebody else while this run was creating it")
    differences = _differences(spark, table, request, schema)
    if differences:
        raise SchemaChanged(_explain(table, differences))
    properties = {**_PROPERTIES, **_row_level_properties(request), **_user_properties(request)}
    if SINCE not in table.properties:
        properties[SINCE] = str(table.head() or "none")
    table.set_properties(properties)
    return table


def ensure_namespace(spark: Any, catalog: str, namespace: str) -> None:
    """Create the namespace unless it is there; two processes at once are fine."""
    name = f"{quoted(catalog)}.{quoted(namespace)}"
    try:
        spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {name}")
    except Exception:
        # Between the catalog's look and its insert another process created it: then it is there now.
        if not any(row[0] == namespace for row in spark.sql(f"SHOW NAMESPACES IN {quoted(catalog)}").collect()):
            raise


def create_table_sql(request: TableRequest, schema: Any, identifier: str) -> str:
    """Return the ``CREATE TABLE`` of a contract."""
    contract = {column.name.lower(): column for column in request.columns or ()}
    columns = ",\n  ".join(_column_sql(f, contract.get(f.name.lower())) for f in schema.fields)
    parts = [f"CREATE TABLE IF NOT EXISTS {quoted(identifier)} (\n  {columns}\n) USING iceberg"]
    if request.partition_by:
        parts.append("PARTITIONED BY (" + ", ".join(partition_sql(word) for word in request.partition_by) + ")")
    if request.description:
        parts.append("COMMENT " + literal(request.description))
    properties = {
        **_AT_CREATION,
        **_PROPERTIES,
        **_row_level_properties(request),
        SINCE: "none",
        **_user_properties(request, comment=False),
    }
    parts.append("TBLPROPERTIES (" + ", ".join(f"{literal(k)}={literal(v)}" for k, v in properties.items()) + ")")
    return "\n".join(parts)


def literal(text: str) -> str:
    r"""Return a Spark SQL string literal.

    >>> print(literal("it's a \\"), literal("${x}"))
    'it\'s a \\' '\u0024{x}'
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    # Spark puts values of settings into the text of a statement before it reads it, literals included.
    return "'" + escaped.replace("${", "\\u0024{") + "'"


def partition_sql(word: str) -> str:
    """Turn a partition of a spec into Spark's DDL.

    >>> partition_sql("day(ts)"), partition_sql("bucket(16, id)"), partition_sql("carrier")
    ('days(`ts`)', 'bucket(16, `id`)', '`carrier`')
    """
    name, arguments = split_partition(word)
    spark_name = {"year": "years", "month": "months", "day": "days", "hour": "hours"}.get(name, name)
    column = quoted(arguments[-1])
    if not spark_name:
        return column
    return f"{spark_name}({', '.join([*arguments[:-1], column])})"


def split_partition(word: str) -> Tuple[str, List[str]]:
    """Split ``bucket(16, id)`` into its transform and arguments; a bare column has the transform ``""``."""
    name, bracket, rest = word.strip().partition("(")
    if not bracket:
        return "", [name.strip()]
    return name.strip().lower(), [argument.strip().strip("`") for argument in rest.rstrip().rstrip(")").split(",")]


def _create(spark: Any, request: TableRequest, schema: Any, catalog: Catalog) -> None:
    ensure_namespace(spark, catalog.name, catalog.namespace(request.table.rpartition(".")[0]))
    say(f"creating {request.table}")
    try:
        spark.sql(create_table_sql(request, schema, catalog.identifier(request.table)))
    except Exception:
        if IcebergTable.find(spark, catalog, request.table) is None:
            raise


def _column_sql(field: Any, column: Optional[Column]) -> str:
    parts = [quoted_column(field.name), type_sql(field.dataType)]
    if column is not None and not column.nullable:
        parts.append("NOT NULL")
    if column is not None and column.description:
        parts.append("COMMENT " + literal(column.description))
    return " ".join(parts)


def quoted_column(name: str) -> str:
    """Quote one column's name, dots included."""
    return "`" + name.replace("`", "``") + "`"


def type_sql(data_type: Any) -> str:
    """Return a Spark type as DDL takes it; ``simpleString`` leaves the names of a struct's fields unquoted."""
    from pyspark.sql.types import ArrayType, MapType, StructType

    if isinstance(data_type, StructType):
        return "struct<" + ",".join(f"{quoted_column(f.name)}:{type_sql(f.dataType)}" for f in data_type.fields) + ">"
    if isinstance(data_type, ArrayType):
        return f"array<{type_sql(data_type.elementType)}>"
    if isinstance(data_type, MapType):
        return f"map<{type_sql(data_type.keyType)},{type_sql(data_type.valueType)}>"
    return str(data_type.simpleString())


def _user_properties(request: TableRequest, *, comment: bool = True) -> Mapping[str, str]:
    described = {"comment": request.description} if comment and request.description else {}
    return {**described, **request.properties}


def _row_level_properties(request: TableRequest) -> Mapping[str, str]:
    modes = [ROW_LEVEL_MODES[s.mode] for s in request.steps if isinstance(s, WriteStep) and s.mode in ROW_LEVEL_MODES]
    return {key: mode for mode in modes for key in ROW_LEVEL_PROPERTIES}


def _differences(spark: Any, table: IcebergTable, request: TableRequest, schema: Any) -> List[str]:
    found = []
    have = {f.name.lower(): f for f in spark.table(quoted(table.identifier)).schema.fields}
    wanted = {f.name.lower(): f for f in schema.fields}
    required = {c.name.lower() for c in request.columns or () if not c.nullable}
    # A query may give the metadata columns of what it reads, or not; of an ingest they are a setting as any other.
    is_ingest = any(isinstance(step, IngestStep) for step in request.steps)
    for name, field in wanted.items():
        there = have.get(name)
        if there is None:
            found.append(f"column {field.name} ({_stored_type(field)}) is new")
        elif there.dataType.simpleString().lower() != _stored_type(field).lower():
            found.append(
                f"column {field.name} is {there.dataType.simpleString()} in the table, {_stored_type(field)} now"
            )
        elif request.columns is not None and name not in METADATA_COLUMNS and (name in required) == there.nullable:
            was, now = ("nullable", "not null") if there.nullable else ("not null", "nullable")
            found.append(f"column {field.name} is {was} in the table, {now} now")
    found += [
        f"column {there.name} ({there.dataType.simpleString()}) is gone"
        for name, there in have.items()
        if name not in wanted and (is_ingest or name not in METADATA_COLUMNS)
    ]
    partitions = tuple(_normal_partition(word) for word in request.partition_by)
    if partitions != tuple(_normal_partition(word) for word in table.partition_fields):
        was, now = ", ".join(table.partition_fields), ", ".join(request.partition_by)
        found.append(f"the table is partitioned by ({was}), now by ({now})")
    return found


def _stored_type(field: Any) -> str:
    """Return the type as Iceberg keeps it: it has no byte, short, char or varchar."""
    name = str(field.dataType.simpleString())
    if name in ("tinyint", "smallint"):
        return "int"
    return "string" if name.startswith(("char(", "varchar(")) else name


def _normal_partition(word: str) -> str:
    name, arguments = split_partition(word)
    return f"{name}({','.join(arguments)})".lower()


def _explain(table: IcebergTable, differences: List[str]) -> str:
    return (
        f"{table.name} differs from its contract: {'; '.join(differences)}. Nothing was written (on_schema_change is "
        f"'fail'). Change the table by ALTER TABLE {table.identifier} ..., put the contract back, or drop the table."
    )
