"""``columns``: the contract of a table."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictStr, WithJsonSchema

from airflow_lake_provider.spec.column_type import read_type
from airflow_lake_provider.spec.key import FilledText, Keys, OrShort, Text, key
from airflow_lake_provider.spec.problem import bad, show
from airflow_lake_provider.spec.values import IDENTIFIER_FORM, text_form


def _type(value: str) -> str:
    read_type(value)
    return value


def _column(value: Any) -> Any:
    if isinstance(value, str):
        return {"type": value}
    type_ = value.get("type") if isinstance(value, dict) and value.get("nullable") is True else None
    if isinstance(type_, str) and re.search(r"\bnot\s+null\s*$", type_, re.IGNORECASE):
        message = f"`nullable` is `true`, and `type` is {show(type_)}"
        raise bad("wrong-value", message, "expected one of them", path=("nullable",))
    return value


_TYPE = text_form("type", r"\S", "a type such as `bigint`")
_USUAL = ("string", "bigint", "int", "double", "decimal(10,2)", "boolean", "date", "timestamp", "array<string>")


class ColumnSpec(Keys):
    """One column of the contract; ``"bigint not null"`` is short for ``nullable: false``."""

    type: Annotated[StrictStr, AfterValidator(_type), WithJsonSchema(_TYPE)] = key(
        "The type in Spark's words. `not null` behind it is short for `nullable: false`.",
        "bigint",
        "decimal(10,2)",
        "array<string>",
        "string not null",
        default=...,
    )
    nullable: StrictBool = key(
        "Whether NULL is allowed. A row that has NULL where it is not goes to the quarantine.", False, default=True
    )
    description: Text | None = key("What the column holds; it becomes the column's comment.", "In euros, with VAT")
    rule: FilledText | None = key(
        "An SQL predicate that every row must meet, or it goes to the quarantine; one that gives NULL passes.",
        "amount >= 0",
    )

    def normal(self) -> dict[str, Any]:
        """Return the column with its type in normal form."""
        type_, nullable = read_type(self.type)
        column: dict[str, Any] = {"type": type_, "nullable": self.nullable and nullable}
        if self.description is not None:
            column["description"] = self.description
        if self.rule is not None:
            column["rule"] = self.rule
        return column


_NAME = {"pattern": r"^[A-Za-z_][A-Za-z0-9_]*$|\$\{", "patternErrorMessage": IDENTIFIER_FORM["patternErrorMessage"]}
_Column = Annotated[ColumnSpec, BeforeValidator(_column), OrShort(_TYPE, _USUAL)]
Contract = Annotated[dict[str, _Column], Field(json_schema_extra={"propertyNames": _NAME})]
