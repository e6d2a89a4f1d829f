"""One table of a spec: its keys, as pydantic reads them.

Validators bring each value into its normal form, and the normal form reads as itself again: settings that went through
Airflow's templates are validated by the same model. What concerns several keys is in ``rules``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
)

from airflow_lake_provider.protocol import METADATA_COLUMNS
from airflow_lake_provider.spec.column_type import read_type
from airflow_lake_provider.spec.problem import bad, expected_one_of, show
from airflow_lake_provider.spec.values import (
    read_duration,
    read_fraction,
    read_identifier,
    read_table_name,
    read_transform,
)

FORMATS = ("csv", "json", "parquet", "orc", "avro")
STRATEGIES = ("append", "merge", "replace")
LATER_STRATEGIES = ("scd2", "cdc", "replace_interval", "delete_insert")


def listed(value: Any) -> Any:
    """Let one word stand for a list of one."""
    return [value] if isinstance(value, str) else value


def _scalar_text(value: Any) -> Any:
    """Spark and Iceberg take text only; YAML's numbers and booleans are written the way they want them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if not isinstance(value, str):
        raise bad("wrong-type", f"the value is {show(value)}", "expected text, a number, `true` or `false`")
    return value


def _optional_text(value: Any) -> Any:
    return None if value is None else _scalar_text(value)


def _not_blank(value: str) -> str:
    if not value.strip():
        raise bad("wrong-value", "the text is empty", "expected some text")
    return value


def _format(value: Any) -> Any:
    if value not in FORMATS:
        raise bad("wrong-value", f"`format` is {show(value)}", expected_one_of(str(value), FORMATS))
    return value


def _strategy(value: Any) -> Any:
    if value in LATER_STRATEGIES:
        raise bad("not-supported-yet", f"the strategy `{value}` is not supported yet", expected_one_of("", STRATEGIES))
    if value not in STRATEGIES:
        raise bad("wrong-value", f"`write` is {show(value)}", expected_one_of(str(value), STRATEGIES))
    return value


Text = StrictStr
FilledText = Annotated[StrictStr, AfterValidator(_not_blank)]
Identifier = Annotated[str, BeforeValidator(read_identifier)]
TableName = Annotated[str, BeforeValidator(read_table_name)]
Duration = Annotated[timedelta, BeforeValidator(read_duration)]
Fraction = Annotated[float, BeforeValidator(read_fraction)]
ScalarText = Annotated[str, BeforeValidator(_scalar_text)]
Conf = dict[str, Annotated[str | None, BeforeValidator(_optional_text)]]
Options = dict[str, Any]
Columns = Annotated[list[Identifier], BeforeValidator(listed), Field(min_length=1)]
Count = Annotated[StrictInt, Field(ge=0)]
Positive = Annotated[StrictInt, Field(ge=1)]


class Keys(BaseModel):
    """A mapping of the language: closed, read only."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _metadata_columns(value: Any) -> Any:
    if isinstance(value, bool):
        return list(METADATA_COLUMNS) if value else []
    names = listed(value)
    if not isinstance(names, list):
        hint = "expected `true`, `false`, or a list of them"
        raise bad("wrong-type", f"`metadata_columns` is {show(value)}", hint)
    for name in names:
        if name not in METADATA_COLUMNS:
            raise bad(
                "wrong-value", f"{show(name)} is no metadata column", expected_one_of(str(name), METADATA_COLUMNS)
            )
    return [name for name in METADATA_COLUMNS if name in names]


class IngestSpec(Keys):
    """Files to take in."""

    files: Annotated[list[FilledText], BeforeValidator(listed), Field(min_length=1)]
    format: Annotated[str, BeforeValidator(_format)] | None = None
    options: dict[str, ScalarText] = {}
    recursive: StrictBool = False
    on_empty: Literal["succeed", "skip", "fail"] = "succeed"
    on_replaced: Literal["replace", "append", "fail"] = "replace"
    metadata_columns: Annotated[list[str], BeforeValidator(_metadata_columns)] = list(METADATA_COLUMNS)
    files_per_run: Positive | None = None


def _column(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


def _type(value: str) -> str:
    read_type(value)
    return value


class ColumnSpec(Keys):
    """One column of the contract; ``"bigint not null"`` is short for ``nullable: false``."""

    type: Annotated[StrictStr, AfterValidator(_type)]
    nullable: StrictBool = True
    description: Text | None = None
    rule: FilledText | None = None

    def normal(self) -> dict[str, Any]:
        """Return the column with its type in normal form."""
        type_, nullable = read_type(self.type)
        column: dict[str, Any] = {"type": type_, "nullable": self.nullable and nullable}
        if self.description is not None:
            column["description"] = self.description
        if self.rule is not None:
            column["rule"] = self.rule
        return column


def _write(value: Any) -> Any:
    if isinstance(value, str):
        return {"strategy": value}
    if isinstance(value, dict) and "strategy" not in value and len(value) == 1:
        (key,) = value
        if key in STRATEGIES:
            raise bad(
                "wrong-value", f"`write` has the key `{key}`", f"write `strategy: {key}` and its options beside it"
            )
    return value


def _by_source(value: Any) -> Any:
    words = ("keep", "delete")
    if isinstance(value, dict):
        if list(value) != ["soft_delete"]:
            hint = "expected `keep`, `delete`, or `{soft_delete: column}`"
            raise bad("wrong-value", "`when_not_matched_by_source` is a mapping of other keys", hint)
        return {"soft_delete": read_identifier(value["soft_delete"])}
    if value not in words:
        hint = "expected `keep`, `delete`, or `{soft_delete: column}`"
        raise bad("wrong-value", f"`when_not_matched_by_source` is {show(value)}", hint)
    return value


class WriteSpec(Keys):
    """How the batch meets the table."""

    strategy: Annotated[Literal["append", "merge", "replace"], BeforeValidator(_strategy)]
    sequence_by: Identifier | None = None
    mode: Literal["auto", "copy_on_write", "merge_on_read"] | None = None
    update_columns: Columns | None = None
    exclude_columns: Columns | None = None
    delete_when: FilledText | None = None
    when_matched: Literal["update", "keep"] | None = None
    when_not_matched: Literal["insert", "ignore"] | None = None
    when_not_matched_by_source: Annotated[str | dict[str, str], BeforeValidator(_by_source)] | None = None


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


class QuarantineSpec(Keys):
    """Where rejected rows go; a bare table name stands in the table's own layer."""

    enabled: StrictBool = True
    table: Annotated[str, BeforeValidator(_quarantine_table)] | None = None
    max: Fraction | None = None


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


class TaskKeys(Keys):
    """Airflow's own arguments of the task."""

    retries: Count | None = None
    retry_delay: Duration | None = None
    retry_exponential_backoff: StrictBool | None = None
    max_retry_delay: Duration | None = None
    execution_timeout: Duration | None = None
    pool: FilledText | None = None
    pool_slots: Positive | None = None
    priority_weight: StrictInt | None = None
    weight_rule: Literal["downstream", "upstream", "absolute"] | None = None
    queue: FilledText | None = None
    trigger_rule: (
        Literal[
            "all_success", "all_failed", "all_done", "all_done_min_one_success", "all_done_setup_success",
            "all_skipped", "always", "none_failed", "none_failed_min_one_success", "none_skipped", "one_done",
            "one_failed", "one_success",
        ]
        | None
    ) = None  # fmt: skip
    depends_on_past: StrictBool | None = None
    wait_for_downstream: StrictBool | None = None
    max_active_tis_per_dag: Positive | None = None
    run_as_user: FilledText | None = None
    executor: FilledText | None = None
    owner: FilledText | None = None


TASK_ARGUMENTS = tuple(TaskKeys.model_fields)


class DefaultKeys(TaskKeys):
    """The keys that may stand in ``defaults``: all of a table but its source."""

    description: Text | None = None
    tags: Annotated[list[FilledText], BeforeValidator(listed)] | None = None
    columns: dict[str, Annotated[ColumnSpec, BeforeValidator(_column)]] | None = None
    unique_key: Columns | None = None
    partition_by: Annotated[list[Annotated[str, BeforeValidator(read_transform)]], BeforeValidator(listed)] | None = (
        None
    )
    write: Annotated[WriteSpec, BeforeValidator(_write)] | None = None
    checks: list[Any] | None = None
    quarantine: Annotated[QuarantineSpec, BeforeValidator(_quarantine)] | None = None
    on_schema_change: Annotated[str, BeforeValidator(_on_schema_change)] | None = None
    properties: Conf | None = None
    depends_on: Annotated[list[TableName], BeforeValidator(listed)] | None = None
    engine: FilledText | None = None
    resource_profile: FilledText | None = None
    spark_conf: Conf | None = None
    engine_options: Options | None = None


class LayerKeys(DefaultKeys):
    """One layer: table keys for all of its tables, over those of the layer that it is like."""

    like: Identifier | None = None


class TableSpec(DefaultKeys):
    """One table."""

    ingest: IngestSpec | None = None
    sql: FilledText | None = None
    sql_file: FilledText | None = None
    python: FilledText | None = None


SOURCES = ("ingest", "sql", "sql_file", "python")
"""Where a table's rows come from: exactly one."""

TABLE_LATER = {"incremental": "use an interval template in the query, or `write: merge`"}
WRITE_LATER = (
    "track_columns", "ignore_columns", "valid_from", "valid_to", "is_current", "hard_deletes", "deletes", "truncates",
    "format", "stored_as", "ignore_null_updates", "interval_column",
)  # fmt: skip
