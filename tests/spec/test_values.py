from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from airflow_lake_provider.spec.column_type import read_type
from airflow_lake_provider.spec.problem import told
from airflow_lake_provider.spec.schedule import read_schedule
from airflow_lake_provider.spec.values import (
    in_zone,
    read_duration,
    read_fraction,
    read_moment,
    read_table_name,
    read_timezone,
    read_transform,
)

GOOD: list[tuple[Callable[[Any], Any], Any, Any]] = [
    (read_duration, "30s", timedelta(seconds=30)),
    (read_duration, "5m", timedelta(minutes=5)),
    (read_duration, "1h30m", timedelta(hours=1, minutes=30)),
    (read_duration, "1d", timedelta(days=1)),
    (read_duration, "1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
    (read_duration, timedelta(1), timedelta(1)),
    (read_schedule, None, None),
    (read_schedule, "6h", timedelta(hours=6)),
    (read_schedule, "@hourly", "0 * * * *"),
    (read_schedule, "@daily", "0 0 * * *"),
    (read_schedule, "@midnight", "0 0 * * *"),
    (read_schedule, "@weekly", "0 0 * * 0"),
    (read_schedule, "@monthly", "0 0 1 * *"),
    (read_schedule, "@quarterly", "0 0 1 */3 *"),
    (read_schedule, "@yearly", "0 0 1 1 *"),
    (read_schedule, "  */15 6-18 * *  MON-FRI", "*/15 6-18 * * MON-FRI"),
    (read_schedule, "0 6 * * * 30", "0 6 * * * 30"),
    (read_timezone, "Europe/Berlin", "Europe/Berlin"),
    (read_timezone, "UTC", "UTC"),
    (read_moment, "2026-01-31", datetime(2026, 1, 31)),
    (read_moment, "2026-01-31T06:30:00", datetime(2026, 1, 31, 6, 30)),
    (read_moment, date(2026, 1, 31), datetime(2026, 1, 31)),
    (read_transform, "day", "day"),
    (read_transform, "DAY( ts )", "day(ts)"),
    (read_transform, "bucket(16,id)", "bucket(16, id)"),
    (read_transform, "truncate( 4 , name )", "truncate(4, name)"),
    (read_fraction, "10%", 0.1),
    (read_fraction, "2.5 %", 0.025),
    (read_fraction, 0.25, 0.25),
    (read_fraction, 0, 0.0),
    (read_fraction, "100%", 1.0),
    (read_table_name, "silver.flights", "silver.flights"),
]


@pytest.mark.parametrize(("read", "value", "expected"), GOOD)
def test_good_values(read: Callable[[Any], Any], value: Any, expected: Any) -> None:
    assert read(value) == expected


BAD: list[tuple[Callable[[Any], Any], Any, str]] = [
    (read_duration, "", "not a duration"),
    (read_duration, "1m1h", "not a duration"),
    (read_duration, "1.5h", "not a duration"),
    (read_duration, "-1h", "not a duration"),
    (read_duration, 30, "seconds are `30s`"),
    (read_duration, True, "not a duration"),
    (read_duration, "0h", "more than zero"),
    (read_duration, "999999999d999999999h", "more than 36,500 days"),
    (read_schedule, "0 0 * *", "five or six fields"),
    (read_schedule, "0 0 * * * * *", "five or six fields"),
    (read_schedule, "0 25 * * *", "not the hour"),
    (read_schedule, "0 0 31 2 *", "never comes"),
    (read_schedule, "a b c d e", "not the minute"),
    (read_schedule, "@dayly", "did you mean `@daily`?"),
    (read_schedule, 5, "not a schedule"),
    (read_schedule, "0h", "more than zero"),
    (read_timezone, "Berlin", "did you mean `Europe/Berlin`?"),
    (read_timezone, "Europe/berlin", "Europe/Berlin"),
    (read_timezone, "../../etc/passwd", "not a time zone"),
    (read_timezone, None, "not a time zone"),
    (read_moment, "31.01.2026", "not a date"),
    (read_moment, 20260131, "not a date"),
    (read_transform, "days(ts)", "did you mean `day`?"),
    (read_transform, "bucket(id)", "`bucket(16, id)`"),
    (read_transform, "bucket(0, id)", "needs a number first"),
    (read_transform, "day(1, ts)", "`day(ts)`"),
    (read_transform, "day(ts", "not a partition field"),
    (read_transform, "day(a b)", "not a partition field"),
    (read_transform, "year(1a)", "not a column's name"),
    (read_transform, 5, "not a partition field"),
    (read_fraction, "101%", "share of rows"),
    (read_fraction, 2, "share of rows"),
    (read_fraction, True, "share of rows"),
    (read_fraction, "half", "share of rows"),
    (read_table_name, "flights", "`bronze.flights`"),
    (read_table_name, "a.b.c", "`layer.name`"),
    (read_table_name, "a-b.c", "no digit first"),
    (read_table_name, f"silver.{'x' * 129}", "at most 128"),
    (read_table_name, 5, "not a table's name"),
]


@pytest.mark.parametrize(("read", "value", "said"), BAD)
def test_bad_values_say_what_was_expected(read: Callable[[Any], Any], value: Any, said: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        read(value)
    assert said in "; ".join(told(caught.value))


def test_naive_times_are_local_and_others_are_moved() -> None:
    assert in_zone(datetime(2026, 7, 1), "Europe/Berlin").isoformat() == "2026-07-01T00:00:00+02:00"
    utc = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    assert in_zone(utc, "Asia/Tokyo").isoformat() == "2026-01-01T09:00:00+09:00"


TYPES = {
    "boolean": "boolean",
    "int": "int",
    "INTEGER": "int",
    "smallint": "int",
    "long": "bigint",
    "bigint": "bigint",
    "real": "float",
    "double": "double",
    "decimal": "decimal(10,0)",
    "decimal(12)": "decimal(12,0)",
    "decimal( 10 , 2 )": "decimal(10,2)",
    "string": "string",
    "binary": "binary",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamp",
    "timestamp_ltz": "timestamp",
    "timestamp_ntz": "timestamp_ntz",
    "array<string>": "array<string>",
    "map<string, array<long>>": "map<string,array<bigint>>",
    "struct<a: int>": "struct<a:int>",
    "struct<a int, `b c`: struct<D: date>>": "struct<a:int,`b c`:struct<D:date>>",
}


@pytest.mark.parametrize(("text", "normal"), TYPES.items())
def test_types_have_one_spelling(text: str, normal: str) -> None:
    assert read_type(text) == (normal, True)
    assert read_type(normal) == (normal, True)
    assert read_type(f"{text} NOT NULL") == (normal, False)


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("bigit", "bigit", "did you mean `bigint`?"),
        ("varchar(10)", "varchar", "use `string`"),
        ("uuid", "uuid", "use `string`"),
        ("decimal(39,2)", "decimal(39,2)", "1 to 38"),
        ("decimal(2,3)", "decimal(2,3)", "no greater"),
        ("decimal(a)", "a", "expected a number"),
        ("array<>", ">", "expected a type"),
        ("array<int", "array<int", "expected `>`"),
        ("array int", "int", "expected `<`"),
        ("map<int>", ">", "expected `,`"),
        ("struct<a>", ">", "expected a type"),
        ("struct<: int>", ":", "expected a field's name"),
        ("int null", "null", "expected nothing after `int`"),
        ("int not", "int not", "expected `null`"),
        ("int, string", ",", "expected nothing after `int`"),
        ("", "", "expected a type"),
        ("in t", "in", "is not a column type"),
        ("int;", ";", "expected nothing after `int`"),
    ],
)
def test_wrong_types_point_at_the_word(text: str, where: str, said: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        read_type(text)
    message, hint = told(caught.value)
    first, last = (caught.value.context or {})["span"] or (0, len(text))
    assert said in f"{message}; {hint}"
    assert text[first:last] == where


def test_a_type_cut_at_its_comma_says_to_quote_it() -> None:
    with pytest.raises(PydanticCustomError) as caught:
        read_type("decimal(10")
    assert "quote a type that has one" in str(told(caught.value))


def test_a_type_nested_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="at most|does not fit"):
        read_type("array<" * 5_000 + "int" + ">" * 5_000)
