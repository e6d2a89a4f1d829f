"""Small values of the language: names, durations, dates, crons, time zones, partition transforms.

Each ``read_*`` takes what the YAML holds and returns the value, or raises the error that validators raise.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from airflow_lake_provider.spec.problem import bad, did_you_mean, expected_one_of, show

MAX_NAME = 128
MAX_TASK_ID = 250
_MAX_TAG = 100
_MAX_LINK = 500  # what Airflow's database keeps of an owner's name and of a link
_MAX_DAYS = 36_500
_YEARS = (1900, 9000)
ERROR_DAG = "lake_spec_errors"
FULL_REFRESH = "lake_full_refresh"
"""The param of every DAG that rebuilds its tables."""
"""The DAG that shows wrong specs; no pipeline may have its name."""

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PIPELINE = re.compile(r"[A-Za-z0-9_.\-]{1,250}")
DURATION = re.compile(r"(?=\d)(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
_TRANSFORM = re.compile(r"(\w+)\s*\(\s*(?:([^,()\s]*)\s*,\s*)?([^,()\s]*)\s*\)")

TRANSFORMS = ("year", "month", "day", "hour", "bucket", "truncate")

# What each ``read_*`` takes, as JSON Schema, for editors; here and there a little more. Its title names the type.
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_PART = f"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_NAME - 1}}}"


def text_form(title: str, pattern: str, expected: str) -> dict[str, Any]:
    """Return the JSON Schema of a text.

    :param expected: what to say to somebody who wrote another one.
    """
    return {"title": title, "type": "string", "pattern": pattern, "patternErrorMessage": f"Expected {expected}."}


PIPELINE_FORM = text_form("id", "^[A-Za-z0-9_.-]{1,250}$", "letters, digits, `_`, `-` and `.`, at most 250 of them")
IDENTIFIER_FORM = text_form("name", f"^{_NAME}$", "a name: letters, digits and `_`, no digit first")
TABLE_NAME_FORM = text_form("table", rf"^{_PART}\.{_PART}$", "a table, `layer.name`: letters, digits and `_`")
DURATION_FORM = text_form(
    "duration",
    "^(?=[0-9])([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?$",
    "a duration: `30s`, `5m`, `1h30m`, `1d`",
)
MOMENT_FORM = text_form(
    "date or time", "^[0-9]{4}-?(W?[0-9]{2})", "a date or time: `2026-01-31`, `2026-01-31T06:00:00`"
)
TRANSFORM_FORM = text_form(
    "partition field",
    rf"^({_NAME}|\s*[A-Za-z]+\s*\(\s*([0-9]+\s*,\s*)?{_NAME}\s*\)\s*)$",
    "`col`, `day(col)`, `bucket(16, col)` or the like",
)
MEMORY_FORM = text_form("size of memory", "^[1-9][0-9]{0,8}[kmgtKMGT]b?$", "a size of memory such as `512m` or `4g`")
FRACTION_FORM = {
    "title": "share",
    "anyOf": [
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*%$", "patternErrorMessage": "Expected a share: `10%`."},
        {"type": "number", "minimum": 0, "maximum": 1},
    ],
}
TAG_FORM = {**text_form("tag", r"\S", "some text"), "maxLength": _MAX_TAG}
LINK_FORM = {
    **text_form("link", r"^([Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]|mailto:[^\s?])\S*$", "`https://...` or `mailto:...`"),
    "maxLength": _MAX_LINK,
}


def read_pipeline_id(value: str) -> str:
    """Check a DAG id."""
    if not _PIPELINE.fullmatch(value):
        raise bad(
            "pipeline-id",
            f"{show(value)} cannot be a pipeline's name",
            "expected letters, digits, `_`, `-` and `.`, at most 250 of them",
        )
    if value == ERROR_DAG:
        raise bad("pipeline-id", f"`{value}` is the DAG that shows wrong specs", "expected another name")
    return value


def read_tag(value: str) -> str:
    """Check a DAG's tag."""
    if len(value) > _MAX_TAG:
        raise bad("wrong-value", f"the tag {show(value)} has {len(value)} characters", f"expected at most {_MAX_TAG}")
    return value


def read_owner(value: str) -> str:
    """Check the name of an owner that a link belongs to."""
    if len(value) > _MAX_LINK:
        raise bad("wrong-value", f"the owner's name has {len(value)} characters", f"expected at most {_MAX_LINK}")
    return value


def read_link(value: str) -> str:
    """Check what a name in Airflow's pages leads to: an address of the web or of mail, nothing that a browser runs."""
    try:
        parts = urlsplit(value)
        is_link = bool(parts.path if parts.scheme == "mailto" else parts.scheme in ("http", "https") and parts.netloc)
    except ValueError:
        is_link = False
    if not is_link or re.search(r"\s", value):
        raise bad("wrong-value", f"{show(value)} is not a link", "expected `https://...` or `mailto:...`")
    if len(value) > _MAX_LINK:
        raise bad("wrong-value", f"the link has {len(value)} characters", f"expected at most {_MAX_LINK}")
    return value


def read_identifier(value: Any) -> str:
    """Check a column's name."""
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        raise bad("identifier", f"{show(value)} is not a name", "expected letters, digits and `_`, no digit first")
    return value


def read_table_name(value: Any) -> str:
    """Check a table's full name, ``layer.name``."""
    if not isinstance(value, str):
        raise bad("table-name", f"{show(value)} is not a table's name", "expected `layer.name`")
    parts = value.split(".")
    if len(parts) != 2:
        hint = "expected `layer.name`, such as `bronze." + (parts[-1] if IDENTIFIER.fullmatch(parts[-1]) else "flights")
        raise bad("table-name", f"{show(value)} is not a table's name", hint + "`")
    for part in parts:
        if not IDENTIFIER.fullmatch(part):
            raise bad(
                "table-name",
                f"{show(value)} is not a table's name",
                "expected `layer.name`, each of letters, digits and `_`, no digit first",
            )
        if len(part) > MAX_NAME:
            raise bad("table-name", f"{show(part)} has {len(part)} characters", f"expected at most {MAX_NAME}")
    if len(task_id(value)) > MAX_TASK_ID:
        raise bad("table-name", f"{show(value)} is too long for a task's id", f"expected at most {MAX_TASK_ID - 1}")
    return value


def task_id(table: str) -> str:
    """Return the id of the task that makes a table.

    >>> task_id("silver.flights")
    'silver__flights'
    """
    return table.replace(".", "__")


def read_duration(value: Any) -> timedelta:
    """Read ``30s``, ``5m``, ``1h30m``, ``1d``; a ``timedelta`` is taken as it is.

    >>> read_duration("1h30m")
    datetime.timedelta(seconds=5400)
    """
    if isinstance(value, timedelta):
        return value
    match = DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        hint = "expected a number and a unit: `30s`, `5m`, `1h30m`, `1d`"
        if isinstance(value, int) and not isinstance(value, bool):
            hint += f"; seconds are `{value}s`"
        raise bad("duration", f"{show(value)} is not a duration", hint)
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    # Of parts of nine digits each the sum of days always fits; Airflow adds durations to dates, which end in 9999.
    if days + hours / 24 + minutes / 1_440 + seconds / 86_400 > _MAX_DAYS:
        raise bad("duration", f"{show(value)} is more than {_MAX_DAYS:,} days", "expected something like `1d`")
    duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not duration:
        raise bad("duration", f"{show(value)} is no time at all", "expected more than zero")
    return duration


def read_timezone(value: Any) -> str:
    """Check an IANA name."""
    try:
        ZoneInfo(value)
    except Exception as exc:  # zoneinfo raises KeyError, ValueError, OSError, TypeError by the shape of the name
        from zoneinfo import available_timezones

        names = available_timezones() if isinstance(value, str) else set()
        by_city = {name.rpartition("/")[2]: name for name in names}
        guess = by_city.get(str(value).replace(" ", "_").title())
        hint = f"did you mean `{guess}`?" if guess else did_you_mean(str(value), names)
        raise bad(
            "timezone",
            f"{show(value)} is not a time zone",
            f"expected a name such as `Europe/Berlin`; {hint}".rstrip("; "),
        ) from exc
    return str(value)


def read_moment(value: Any) -> datetime:
    """Read an ISO date or time; without an offset it is left naive."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError) as exc:
        raise bad("date", f"{show(value)} is not a date", "expected `2026-01-31` or `2026-01-31T06:00:00`") from exc
    if not _YEARS[0] <= moment.year <= _YEARS[1]:  # beyond, another time zone's date may not exist
        raise bad("date", f"{show(value)} is out of range", f"expected a year from {_YEARS[0]} to {_YEARS[1]}")
    return moment


def in_zone(moment: datetime, timezone: str) -> datetime:
    """Return an aware time: a naive one is taken as local in ``timezone``."""
    zone: tzinfo = UTC if timezone == "UTC" else ZoneInfo(timezone)
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def read_transform(value: Any) -> str:
    """Read a partition field into its normal form.

    >>> read_transform("bucket( 16 , id )")
    'bucket(16, id)'
    """
    if isinstance(value, str) and IDENTIFIER.fullmatch(value):
        return value
    match = _TRANSFORM.fullmatch(value.strip()) if isinstance(value, str) and len(value) <= 3 * MAX_NAME else None
    if match is None:
        hint = "expected `col`, `day(col)` or `bucket(16, col)`"
        if isinstance(value, str) and value.count("(") != value.count(")"):
            hint += "\nBetween brackets a comma ends the value: quote a field that has one."
        raise bad("partition", f"{show(value)} is not a partition field", hint)
    name, number, column = match[1].lower(), match[2], match[3]
    if name not in TRANSFORMS:
        raise bad(
            "partition",
            f"`{match[1]}` is not a partition transform",
            expected_one_of(name, TRANSFORMS),
            span=match.span(1),
        )
    if name in ("bucket", "truncate"):
        if number is None or not number.isdigit() or not 1 <= int(number) <= 2**31 - 1:
            named = number if number is not None and IDENTIFIER.fullmatch(number) else column or "col"
            raise bad(
                "partition", f"`{name}` needs a number first", f"expected `{name}(16, {named})`", span=match.span()
            )
        argument = f"{int(number)}, "
    elif number is not None:
        raise bad(
            "partition", f"`{name}` takes a column only", f"expected `{name}({column or 'col'})`", span=match.span()
        )
    else:
        argument = ""
    if not IDENTIFIER.fullmatch(column):
        raise bad(
            "identifier",
            f"{show(column)} is not a column's name",
            "expected letters, digits and `_`",
            span=match.span(3),
        )
    return f"{name}({argument}{column})"


def partition_column(transform: str) -> str:
    """Return the column of a partition field in normal form.

    >>> partition_column("bucket(16, id)"), partition_column("day")
    ('id', 'day')
    """
    return transform.rpartition("(")[2].rstrip(")").rpartition(", ")[2]


def read_memory(value: Any) -> str:
    """Check a size of memory as Spark writes it.

    >>> read_memory("512m")
    '512m'
    """
    if not isinstance(value, str) or not re.fullmatch(r"[1-9][0-9]{0,8}[kmgtKMGT]b?", value):
        raise bad("wrong-value", f"{show(value)} is not a size of memory", "expected such as `512m` or `4g`")
    return value


def read_fraction(value: Any) -> float:
    """Read ``10%`` or a number between 0 and 1."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value)) and float(match[1]) <= 100:
        return float(match[1]) / 100
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise bad("fraction", f"{show(value)} is not a share of rows", "expected `10%`, or a number from 0 to 1")
