"""Values into the types of a contract: the typed value, and whether the value did not fit.

Expressions are SQL text: ``try_cast`` within nested types has no other form before Spark 4. They give the same answer
with ANSI mode on and off. A value fits when nothing of it is lost, except that decimals round to their scale and
floating point numbers to their precision, as in every database.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Optional, Tuple

from airflow_lake_provider.jobs.errors import ContractError
from airflow_lake_provider.jobs.tables import literal, quoted_column, type_sql

_DATE = "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_CLOCK = "[0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}([.][0-9]{1,9})?)?"
_INTEGERS = ("ByteType", "ShortType", "IntegerType", "LongType")
_FRACTIONS = ("FloatType", "DoubleType")
_NUMBERS = (*_INTEGERS, *_FRACTIONS, "DecimalType")
_TIMES = ("DateType", "TimestampType", "TimestampNTZType")
_NESTED = ("ArrayType", "StructType", "MapType")


@dataclass(frozen=True)
class Formats:
    """How the source writes what is text there: the reader options of the same meaning, in Spark's patterns.

    ``time_zone`` is for timestamps that name none; ``base64`` says that binary is base64, as in JSON.
    """

    date: Optional[str] = None
    timestamp: Optional[str] = None
    timestamp_ntz: Optional[str] = None
    time_zone: Optional[str] = None
    base64: bool = False


_Bad = Callable[[str, str], str]


class Cast(NamedTuple):
    """SQL of the typed value, and what makes the SQL of whether it does not fit.

    ``bad`` takes the SQL of the value as it was and of the typed one, so that neither is evaluated anew; it is ``None``
    where every value fits.
    """

    value: str
    bad: Optional[_Bad] = None

    def misfit(self, value: str, typed: str) -> Optional[str]:
        """Return SQL of whether ``value`` did not fit."""
        return self.bad(value, typed) if self.bad else None


class _NoCast(Exception):
    """No value of the one type can become one of the other."""


def parse_type(text: str, *, where: str) -> Any:
    """Return Spark's ``DataType`` of a type in a contract; needs a running session.

    Integers shorter than ``int`` become ``int``, as Iceberg has none.

    :raises ContractError: Spark or Iceberg has no such type; the message begins with ``where``.
    """
    from pyspark.errors import ParseException
    from pyspark.sql import types as T

    try:
        kind = _parsed(text)
    except ParseException as exc:
        raise ContractError(f"{where}: '{text}' is not a type that Spark knows") from exc
    for part in _parts(kind):
        if type(part).__name__ not in (*_NUMBERS, *_TIMES, *_NESTED, "StringType", "BinaryType", "BooleanType"):
            raise ContractError(f"{where}: Iceberg tables cannot hold {part.simpleString()}; use string or binary")
    return T.IntegerType() if isinstance(kind, (T.ByteType, T.ShortType)) else kind


def cast(value: str, *, source: Any, target: Any, formats: Formats, where: str) -> Cast:
    """Return how ``value``, SQL of type ``source``, becomes one of type ``target``.

    Fields of structs meet by name, whatever their case and order; one that the source lacks is NULL.

    :raises ContractError: no value of the one type can become one of the other.
    """
    try:
        return _cast(value, source, target, formats, itertools.count())
    except _NoCast:
        raise ContractError(
            f"{where} is {target.simpleString()} in the contract and {source.simpleString()} in the source; "
            "no such value can become the other. Correct the type, or convert it in the query."
        ) from None


def shown(value: str, source: Any) -> str:
    """Return SQL of a value as text for a reason, at most 60 characters of it."""
    kind = type(source).__name__
    text = f"to_json({value})" if kind in _NESTED else f"hex({value})" if kind == "BinaryType" else f"string({value})"
    return f"CASE WHEN char_length({text}) > 60 THEN concat(left({text}, 60), '…') ELSE {text} END"


@lru_cache(maxsize=None)
def _parsed(text: str) -> Any:
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    # Spark 3.5 has no public parser of types in Python; a cast is one.
    return SparkSession.builder.getOrCreate().range(0).select(F.lit(None).cast(text).alias("t")).schema["t"].dataType


def _parts(kind: Any) -> Iterator[Any]:
    yield kind
    name = type(kind).__name__
    children = {
        "ArrayType": lambda: [kind.elementType],
        "MapType": lambda: [kind.keyType, kind.valueType],
        "StructType": lambda: [field.dataType for field in kind.fields],
    }.get(name, list)()
    for child in children:
        yield from _parts(child)


def _cast(value: str, source: Any, target: Any, formats: Formats, names: Iterator[int]) -> Cast:
    if source.simpleString() == target.simpleString():
        return Cast(value)
    have, want = type(source).__name__, type(target).__name__
    name = type_sql(target)
    if have == "NullType":
        return Cast(f"CAST({value} AS {name})")
    if have == "StringType":
        return _from_text(value, target, formats)
    if want == "StringType":
        return Cast(f"to_json({value})" if have in _NESTED else f"CAST({value} AS STRING)")
    if want in _NESTED:
        if have != want:
            raise _NoCast
        return {"ArrayType": _array, "MapType": _map, "StructType": _struct}[want](
            value, source, target, formats, names
        )
    if want in (*_NUMBERS, "BooleanType") and have in (*_NUMBERS, "BooleanType"):
        exact = want in (*_INTEGERS, "BooleanType")
        return Cast(f"try_cast({value} AS {name})", _lost_as(source) if exact else _is_lost)
    if want in _TIMES and have in _TIMES:
        return Cast(f"CAST({value} AS {name})", _lost_as(source) if want == "DateType" else None)
    raise _NoCast


def _is_lost(value: str, typed: str) -> str:
    return f"{value} IS NOT NULL AND {typed} IS NULL"


def _lost_as(source: Any) -> _Bad:
    """Return what tells whether a value is another one when it comes back."""
    kind = source.simpleString()
    return lambda value, typed: f"{value} IS NOT NULL AND ({typed} IS NULL OR CAST({typed} AS {kind}) <> {value})"


def _array(value: str, source: Any, target: Any, formats: Formats, names: Iterator[int]) -> Cast:
    element = f"_e{next(names)}"
    inner = _cast(element, source.elementType, target.elementType, formats, names)
    misfit = inner.misfit(element, inner.value)
    typed = f"transform({value}, {element} -> {inner.value})"
    if misfit is None:
        return Cast(typed)
    return Cast(typed, lambda value, _: f"exists({value}, {element} -> coalesce({misfit}, false))")


def _map(value: str, source: Any, target: Any, formats: Formats, names: Iterator[int]) -> Cast:
    key, item = f"_e{next(names)}", f"_e{next(names)}"
    if _cast(key, source.keyType, target.keyType, formats, names).value != key:
        raise _NoCast  # two keys could become one
    items = _cast(item, source.valueType, target.valueType, formats, names)
    misfit = items.misfit(item, items.value)
    typed = f"transform_values({value}, ({key}, {item}) -> {items.value})"
    if misfit is None:
        return Cast(typed)
    return Cast(typed, lambda value, _: f"exists(map_values({value}), {item} -> coalesce({misfit}, false))")


def _struct(value: str, source: Any, target: Any, formats: Formats, names: Iterator[int]) -> Cast:
    there = {field.name.lower(): field for field in source.fields}

    def parts(whole: str) -> Iterator[Tuple[Any, str, Optional[Cast]]]:
        for field in target.fields:
            have = there.get(field.name.lower())
            if have is None:
                yield field, "", None
                continue
            part = f"{whole}.{quoted_column(have.name)}"
            yield field, part, _cast(part, have.dataType, field.dataType, formats, names)

    def bad(whole: str, _: str) -> str:
        misfits = [one.misfit(part, one.value) for _, part, one in parts(whole) if one is not None]
        return " OR ".join(f"coalesce({misfit}, false)" for misfit in misfits if misfit)

    values = ", ".join(
        f"{literal(field.name)}, {one.value if one is not None else f'CAST(NULL AS {type_sql(field.dataType)})'}"
        for field, _, one in parts(value)
    )
    typed = f"CASE WHEN {value} IS NOT NULL THEN named_struct({values}) END"
    return Cast(typed, bad if any(one is not None and one.bad is not None for _, _, one in parts(value)) else None)


def _from_text(value: str, target: Any, formats: Formats) -> Cast:
    kind, name = type(target).__name__, target.simpleString()
    if kind == "BinaryType":
        typed = f"try_to_binary({value}, 'base64')" if formats.base64 else f"CAST({value} AS BINARY)"
    elif kind in _INTEGERS:
        typed = _integer(value, name)
    elif kind in _NESTED:
        return _json(value, target, formats)
    elif kind in _TIMES:
        by_kind = {"DateType": _date, "TimestampType": _timestamp, "TimestampNTZType": _timestamp_ntz}
        typed = by_kind[kind](value, formats)
    else:
        typed = f"try_cast({value} AS {name})"
    return Cast(typed, _no_fraction if kind in _FRACTIONS else _is_lost)


def _no_fraction(value: str, typed: str) -> str:
    # Java reads '1d' and '1f' as numbers, and what is too large for a double as infinite.
    suffixed = " OR ".join(f"endswith(trim({value}), '{letter}')" for letter in "dDfF")
    too_lenient = f"{typed} IN (double('Infinity'), double('-Infinity')) OR {suffixed}"
    return f"{value} IS NOT NULL AND ({typed} IS NULL OR (({too_lenient}) AND NOT contains(lower({value}), 'inf')))"


def _integer(value: str, name: str) -> str:
    # Writers that know one kind of number write 5 as 5.0, and large ones as 1.0E7.
    exact = f"try_cast({value} AS DECIMAL(38,18))"
    return (
        f"coalesce(try_cast({value} AS {name}), CASE"
        f" WHEN {value} RLIKE '[0-9][.]0*[ ]*$' THEN try_cast(regexp_replace({value}, '[.]0*[ ]*$', '') AS {name})"
        f" WHEN {value} RLIKE '[0-9.][eE][+]?[0-9]' AND {exact} = floor({exact}) THEN try_cast({exact} AS {name}) END)"
    )


def _date(value: str, formats: Formats) -> str:
    if formats.date:
        return f"CAST(try_to_timestamp({value}, {literal(formats.date)}) AS DATE)"
    # Spark itself takes '2026' and '2026-01-02 whatever' for dates.
    text, midnight = f"trim({value})", "[T ]00:00(:00([.]0*)?)?Z?"
    bare = f"locate('-', {text}, 6) > 0 AND NOT contains({text}, ' ') AND NOT contains({text}, 'T')"
    return f"CASE WHEN ({bare}) OR {text} RLIKE '^{_DATE}{midnight}$' THEN try_cast({value} AS DATE) END"


def _timestamp(value: str, formats: Formats) -> str:
    if formats.timestamp:
        typed = f"try_to_timestamp({value}, {literal(formats.timestamp)})"
        names_zone = any(letter in _pattern_letters(formats.timestamp) for letter in "XxZzVO")
        return typed if names_zone or not formats.time_zone else _in_zone(typed, formats.time_zone)
    # Spark itself takes '2026' for its first day, and '12:30-02:00' for a time of the day on which the job runs.
    dated = f"locate('-', {value}, 6) > 0 AND (locate(':', {value}) = 0 OR locate('-', {value}) < locate(':', {value}))"
    typed = f"CASE WHEN {dated} THEN try_cast({value} AS TIMESTAMP) END"
    if not formats.time_zone:
        return typed
    zoneless = f"{value} RLIKE '^[ ]*{_DATE}([T ]{_CLOCK})?[ ]*$'"
    return f"CASE WHEN {zoneless} THEN {_in_zone(typed, formats.time_zone)} ELSE {typed} END"


def _timestamp_ntz(value: str, formats: Formats) -> str:
    pattern = formats.timestamp_ntz or formats.timestamp
    if pattern:
        return f"CAST(try_to_timestamp({value}, {literal(pattern)}) AS TIMESTAMP_NTZ)"
    # Spark itself drops the zone of a text that names one.
    return f"CASE WHEN {value} RLIKE '^[ ]*{_DATE}([T ]{_CLOCK})?[ ]*$' THEN try_cast({value} AS TIMESTAMP_NTZ) END"


def _in_zone(timestamp: str, zone: str) -> str:
    return f"to_utc_timestamp({timestamp}, {literal(zone)})"


def _pattern_letters(pattern: str) -> str:
    return "".join(pattern.split("'")[::2])


def _json(value: str, target: Any, formats: Formats) -> Cast:
    """Nested values in text are JSON; what does not fit anywhere in one makes the whole not fit."""
    schema = f"struct<v: {type_sql(target)}, _lake_corrupt: string>"
    options: Mapping[str, Optional[str]] = {
        "columnNameOfCorruptRecord": "_lake_corrupt",
        "dateFormat": formats.date,
        "timestampFormat": formats.timestamp,
        "timestampNTZFormat": formats.timestamp_ntz,
    }
    pairs = ", ".join(f"'{key}', {literal(text)}" for key, text in options.items() if text)
    document = f"concat('{{\"v\":', {value}, '}}')"
    parsed = f"from_json({document}, {literal(schema)}, map({pairs}))"
    return Cast(
        f"CASE WHEN {parsed}._lake_corrupt IS NULL THEN {parsed}.v END",
        lambda value, typed: f"{value} IS NOT NULL AND {typed} IS NULL AND trim({value}) <> 'null'",
    )
