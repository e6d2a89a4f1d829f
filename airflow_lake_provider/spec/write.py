"""``write``: how the batch meets the table."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from airflow_lake_provider.spec.key import Columns, FilledText, Identifier, Keys, OrShort, key
from airflow_lake_provider.spec.problem import bad, expected_one_of, show
from airflow_lake_provider.spec.values import IDENTIFIER_FORM, read_identifier

STRATEGIES = ("append", "merge", "replace")
LATER_STRATEGIES = ("scd2", "cdc", "replace_interval", "delete_insert")
WRITE_LATER = (
    "track_columns", "ignore_columns", "valid_from", "valid_to", "is_current", "hard_deletes", "deletes", "truncates",
    "format", "stored_as", "ignore_null_updates", "interval_column",
)  # fmt: skip


def _strategy(value: Any) -> Any:
    if value in LATER_STRATEGIES:
        raise bad("not-supported-yet", f"the strategy `{value}` is not supported yet", expected_one_of("", STRATEGIES))
    if value not in STRATEGIES:
        raise bad("wrong-value", f"`write` is {show(value)}", expected_one_of(str(value), STRATEGIES))
    return value


def _write(value: Any) -> Any:
    if isinstance(value, str):
        return {"strategy": value}
    if isinstance(value, dict) and "strategy" not in value and len(value) == 1:
        (only,) = value
        if only in STRATEGIES:
            raise bad(
                "wrong-value", f"`write` has the key `{only}`", f"write `strategy: {only}` and its options beside it"
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


_SOFT_DELETE = {
    "type": "object",
    "properties": {"soft_delete": IDENTIFIER_FORM},
    "required": ["soft_delete"],
    "additionalProperties": False,
}
BySource = Annotated[
    str | dict[str, str],
    BeforeValidator(_by_source),
    WithJsonSchema({"anyOf": [{"enum": ["keep", "delete"]}, _SOFT_DELETE]}),
]


class WriteSpec(Keys):
    """How the batch meets the table."""

    strategy: Annotated[Literal["append", "merge", "replace"], BeforeValidator(_strategy)] = key(
        "`append` adds rows, `merge` keeps one row per `unique_key`, `replace` makes the table what the query gives.",
        "merge",
        default=...,
    )
    sequence_by: Identifier | None = key(
        "`merge`: the column whose highest value is a key's newest row; a row that is older than the table's never "
        "overwrites it. By default `_ingested_at`, where the query gives that column.",
        "updated_at",
    )
    mode: Literal["auto", "copy_on_write", "merge_on_read"] | None = key(
        "How files with changed rows are rewritten: whole, or by deletes beside them. `auto`, the default, leaves it "
        "to the table's properties.",
        "merge_on_read",
    )
    update_columns: Columns | None = key(
        "`merge`: the columns that an update sets; by default all. Not beside `exclude_columns`.", ["status", "amount"]
    )
    exclude_columns: Columns | None = key(
        "`merge`: the columns that an update leaves as they are. Not beside `update_columns`.", ["country"]
    )
    delete_when: FilledText | None = key(
        "`merge`: an SQL predicate over a row of the query; where it is true, the table's row of that key is deleted.",
        "status = 'deleted'",
    )
    when_matched: Literal["update", "keep"] | None = key(
        "`merge`: what becomes of the table's row of a known key; `update` by default.", "keep"
    )
    when_not_matched: Literal["insert", "ignore"] | None = key(
        "`merge`: what becomes of a row with a new key; `insert` by default.", "ignore"
    )
    when_not_matched_by_source: BySource | None = key(
        "`merge`: what becomes of the table's rows whose key the query does not give: they stay (`keep`, the default), "
        "go, or have a boolean column set. Only for a query that gives the whole source, not for an ingest.",
        "delete",
        {"soft_delete": "is_deleted"},
    )


Write = Annotated[WriteSpec, BeforeValidator(_write), OrShort({"enum": list(STRATEGIES)})]
