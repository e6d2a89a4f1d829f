"""Keys of the language: the closed mapping, what a key means, and the types that many keys share.

Each type says beside its validator what a person may write, as JSON Schema: editors and the reference pages read it
there. It never takes part in validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)

from airflow_lake_provider.spec.problem import bad, show
from airflow_lake_provider.spec.values import (
    DURATION_FORM,
    FRACTION_FORM,
    IDENTIFIER_FORM,
    TABLE_NAME_FORM,
    read_duration,
    read_fraction,
    read_identifier,
    read_table_name,
    text_form,
)

T = TypeVar("T")


class Keys(BaseModel):
    """A mapping of the language: closed, read only."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def key(description: str, *examples: Any, default: Any = None) -> Any:
    """Describe a key of a model: one or two sentences, and values that validate.

    :param default: ``...`` where the key has to be there.
    """
    return Field(default, description=description, examples=list(examples))


@dataclass(frozen=True, eq=False)
class OrShort:
    """Marks a value that has a short form beside its own: a strategy's name for the mapping of ``write``.

    :param examples: values to propose.
    """

    short: Any
    examples: tuple[Any, ...] = ()

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Let an editor take either form."""
        made = {"anyOf": [self.short, handler(core_schema)]}
        return {**made, "examples": list(self.examples)} if self.examples else made


@dataclass(frozen=True)
class _OrOne:
    """Marks a list that may be written as its one item."""

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        made = handler(core_schema)
        return {"anyOf": [made["items"], made]}


def listed(value: Any) -> Any:
    """Let one word stand for a list of one."""
    return [value] if isinstance(value, str) else value


def _no_keys(value: Any) -> Any:
    return {} if value is None else value


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


_SCALARS = ["string", "number", "boolean"]

Text = StrictStr
FilledText = Annotated[StrictStr, AfterValidator(_not_blank), WithJsonSchema(text_form("text", r"\S", "some text"))]
Identifier = Annotated[str, BeforeValidator(read_identifier), WithJsonSchema(IDENTIFIER_FORM)]
TableName = Annotated[str, BeforeValidator(read_table_name), WithJsonSchema(TABLE_NAME_FORM)]
Duration = Annotated[timedelta, BeforeValidator(read_duration), WithJsonSchema(DURATION_FORM)]
Fraction = Annotated[float, BeforeValidator(read_fraction), WithJsonSchema(FRACTION_FORM)]
ScalarText = Annotated[
    str, BeforeValidator(_scalar_text), WithJsonSchema({"title": "text, number or boolean", "type": _SCALARS})
]
OptionalText = Annotated[
    str | None,
    BeforeValidator(_optional_text),
    WithJsonSchema({"title": "text, number, boolean or `null`", "type": [*_SCALARS, "null"]}),
]
Texts = dict[str, ScalarText]
Conf = dict[str, OptionalText]
Options = dict[str, Any]
Listed = Annotated[list[T], BeforeValidator(listed), _OrOne()]
FilledList = Annotated[list[T], BeforeValidator(listed), Field(min_length=1), _OrOne()]
MaybeEmpty = Annotated[T, BeforeValidator(_no_keys), OrShort({"type": "null"})]
"""A mapping that may be a name with nothing below it."""
Columns = FilledList[Identifier]
_MOST = 2**31 - 1  # Airflow's database keeps numbers in 32 bits; a greater one would stop all DAGs of the file
Count = Annotated[StrictInt, Field(ge=0, le=_MOST)]
Positive = Annotated[StrictInt, Field(ge=1, le=_MOST)]
