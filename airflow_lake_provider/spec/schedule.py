"""``schedule``: a cron, a preset, a duration, assets, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic_core import PydanticCustomError

from airflow_lake_provider.spec.problem import bad, expected_one_of, show
from airflow_lake_provider.spec.values import (
    DURATION,
    DURATION_FORM,
    TABLE_NAME_FORM,
    read_duration,
    read_table_name,
    text_form,
)

PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
_OTHER_NAMES = {"@midnight": PRESETS["@daily"], "@annually": PRESETS["@yearly"]}
WITHOUT_CRON = ("@once", "@continuous")
"""Presets that no clock tells; their runs have no data interval of any length."""

_ASSETS_TITLE = {"title": "assets"}  # alone it stands for the type of that title
_ASSETS_LIST = {
    "type": "array",
    "minItems": 1,
    "items": {
        "anyOf": [
            TABLE_NAME_FORM,
            text_form("asset", "://", "a table, `layer.name`, or an asset's URI"),
            _ASSETS_TITLE,
        ]
    },
}
_ASSETS_FORM = {
    **_ASSETS_TITLE,
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "properties": {
        "assets": {**_ASSETS_LIST, "description": "A run starts when all of them were updated."},
        "all": {**_ASSETS_LIST, "description": "A run starts when all of them were updated."},
        "any": {**_ASSETS_LIST, "description": "A run starts when one of them was updated."},
    },
}
SCHEDULE_FORM = {
    "anyOf": [
        {"title": "preset", "enum": [*PRESETS, *_OTHER_NAMES, *WITHOUT_CRON]},
        text_form("cron", r"^\s*[^@\s]\S*(\s+\S+){4,5}\s*$", "a cron, a preset such as `@daily`, or a duration"),
        DURATION_FORM,
        _ASSETS_FORM,
        {"type": "null"},
    ]
}

_EXPECTED = "expected a cron of five or six fields (`0 6 * * *`), a preset such as `@daily`, a duration such as `6h`, "
_ASSETS = "expected `{assets: [...]}`, `{any: [...]}` or `{all: [...]}`, of tables `layer.name` and assets' URIs"
_CRON = "expected five or six fields, such as `0 6 * * *`"
_CRON_FIELDS = ("the minute", "the hour", "the day of the month", "the month", "the day of the week", "the second")
_CRON_VALUES = (
    "0 to 59, `*`, `*/15`, or a list", "0 to 23, `*`, `*/6`, or a list", "1 to 31, `*`, `L`, or a list",
    "1 to 12, `jan` to `dec`, `*`, or a list", "0 to 7 (0 and 7 are Sunday), `sun` to `sat`, `*`, or a list",
    "0 to 59, `*`, `*/15`, or a list",
)  # fmt: skip
_MAX_DEPTH = 10


@dataclass(frozen=True)
class AssetCondition:
    """Which updates start a run: ``all`` of the parts, or ``any`` of them.

    :param of: tables (``layer.name``), URIs of other assets, and further conditions.
    """

    kind: Literal["all", "any"]
    of: tuple[str | AssetCondition, ...]

    def leaves(self) -> Iterator[str]:
        """Yield the tables and URIs in it, in order."""
        for part in self.of:
            if isinstance(part, AssetCondition):
                yield from part.leaves()
            else:
                yield part


def read_schedule(value: Any) -> str | timedelta | AssetCondition | None:
    """Read a pipeline's schedule; presets become the cron that they stand for."""
    if value is None or isinstance(value, timedelta | AssetCondition):
        return value
    if isinstance(value, dict):
        return _read_condition(value, 0)
    if not isinstance(value, str):
        raise bad("schedule", f"{show(value)} is not a schedule", _EXPECTED + "`{assets: [...]}`, or `null`")
    if value.startswith("@"):
        if value in WITHOUT_CRON:
            return value
        known = {**PRESETS, **_OTHER_NAMES}
        if value not in known:
            raise bad("schedule", f"`{value}` is not a preset", expected_one_of(value, (*PRESETS, *WITHOUT_CRON)))
        return known[value]
    if DURATION.fullmatch(value):
        return read_duration(value)
    return _read_cron(value)


def _read_condition(value: dict[str, Any], depth: int) -> AssetCondition:
    if len(value) != 1 or next(iter(value)) not in ("assets", "any", "all"):
        raise bad("schedule", "this is not a schedule by assets", _ASSETS)
    ((word, parts),) = value.items()
    if not isinstance(parts, list) or not parts:
        raise bad("schedule", f"`{word}` is {show(parts)}" if parts else f"`{word}` is empty", _ASSETS, path=(word,))
    if depth > _MAX_DEPTH:
        raise bad("schedule", "the conditions are nested too deep", _ASSETS)
    read: list[str | AssetCondition] = []
    for number, part in enumerate(parts):
        if isinstance(part, dict):
            try:
                read.append(_read_condition(part, depth + 1))
            except PydanticCustomError as exc:
                context = dict(exc.context or {})
                path = (word, number, *context["path"])
                raise bad("schedule", context["text"], context["hint"], path=path) from exc
        elif isinstance(part, str) and "://" in part:
            read.append(part)
        else:
            try:
                read.append(read_table_name(part))
            except ValueError as exc:
                raise bad("schedule", f"{show(part)} is no asset", _ASSETS, path=(word, number)) from exc
    return AssetCondition("any" if word == "any" else "all", tuple(read))


def _read_cron(value: str) -> str:
    from croniter import CroniterBadDateError, CroniterError, croniter

    fields = value.split()
    if len(fields) not in (5, 6):
        raise bad("schedule", f"{show(value)} is not a schedule", _EXPECTED + "or `null`")
    try:
        croniter(value, datetime(2024, 1, 1, tzinfo=UTC)).get_next(datetime)
    except CroniterBadDateError as exc:
        raise bad("schedule", f"the cron {show(value)} never comes", "expected a day that there is") from exc
    except (CroniterError, ValueError, KeyError) as exc:
        for number, field in enumerate(re.finditer(r"\S+", value)):
            alone = " ".join(field[0] if number == at else "*" for at in range(len(fields)))
            if not croniter.is_valid(alone):
                message = f"{show(field[0])} is not {_CRON_FIELDS[number]} of a cron"
                raise bad("schedule", message, f"expected {_CRON_VALUES[number]}", span=field.span()) from exc
        raise bad("schedule", f"{show(value)} is not a cron", _CRON) from exc
    return " ".join(fields)
