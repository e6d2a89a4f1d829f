"""Types of equal columns of different files, made equal where no value can be lost by it."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

from airflow_lake_provider.jobs.errors import SourceError
from airflow_lake_provider.jobs.tables import quoted_column

_INTEGERS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 20}


def widened(frames: Sequence[Tuple[Any, str]]) -> List[Any]:
    """Return the frames, each given with one of its files, with the types of equal columns made equal.

    Fields of structs meet by name as columns do.

    :raises SourceError: two files have types that no third can hold; names both.
    """
    from pyspark.sql import functions as F

    kinds: Dict[str, Tuple[Any, str, str]] = {}
    for frame, file in frames:
        for field in frame.schema.fields:
            key = field.name.lower()
            kind, first, name = kinds.get(key, (field.dataType, file, field.name))
            wider = wider_type(kind, field.dataType)
            if wider is None:
                raise SourceError(
                    f"Column {name} is {kind.simpleString()} in {first} and {field.dataType.simpleString()} in {file}; "
                    "no type holds both. Ingest the files into two tables, or write them anew."
                )
            kinds[key] = (wider, first, name)
    return [
        frame.select(
            *(
                _as(F.col(quoted_column(f.name)), f.dataType, kinds[f.name.lower()][0]).alias(f.name)
                for f in frame.schema.fields
            )
        )
        for frame, _ in frames
    ]


def wider_type(one: Any, other: Any) -> Optional[Any]:
    """Return a type that holds all values of both, ``None`` where there is none."""
    from pyspark.sql import types as T

    if one.simpleString() == other.simpleString():
        return one
    if isinstance(one, T.StructType) and isinstance(other, T.StructType):
        return _wider_struct(one, other)
    if isinstance(one, T.ArrayType) and isinstance(other, T.ArrayType):
        element = wider_type(one.elementType, other.elementType)
        return None if element is None else T.ArrayType(element)
    if isinstance(one, T.MapType) and isinstance(other, T.MapType):
        key, value = wider_type(one.keyType, other.keyType), wider_type(one.valueType, other.valueType)
        return None if key is None or value is None else T.MapType(key, value)
    return _wider_atom(one, other)


def _wider_struct(one: Any, other: Any) -> Optional[Any]:
    from pyspark.sql import types as T

    kinds: Dict[str, Tuple[str, Any]] = {}
    for field in [*one.fields, *other.fields]:
        name, kind = kinds.get(field.name.lower(), (field.name, field.dataType))
        wider = wider_type(kind, field.dataType)
        if wider is None:
            return None
        kinds[field.name.lower()] = (name, wider)
    return T.StructType([T.StructField(name, kind) for name, kind in kinds.values()])


def _wider_atom(one: Any, other: Any) -> Optional[Any]:
    from pyspark.sql import types as T

    names = [one.simpleString(), other.simpleString()]
    if "void" in names:
        return other if names[0] == "void" else one
    if all(name in _INTEGERS for name in names):
        return max(one, other, key=lambda kind: _INTEGERS[kind.simpleString()])
    if all(name in ("float", "double", "tinyint", "smallint", "int") for name in names):
        return T.DoubleType()
    if set(names) == {"date", "timestamp"} or set(names) == {"date", "timestamp_ntz"}:
        return one if names[0] != "date" else other
    if not all(isinstance(kind, T.DecimalType) or kind.simpleString() in _INTEGERS for kind in (one, other)):
        return None
    scales = [kind.scale if isinstance(kind, T.DecimalType) else 0 for kind in (one, other)]
    digits = [
        kind.precision - kind.scale if isinstance(kind, T.DecimalType) else _INTEGERS[kind.simpleString()]
        for kind in (one, other)
    ]
    if max(digits) + max(scales) > 38:
        return None
    return T.DecimalType(max(digits) + max(scales), max(scales))


def _as(value: Any, kind: Any, wider: Any) -> Any:
    """Return a value of one type as the wider one has it; Spark's own cast of structs goes by position."""
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    if kind.simpleString() == wider.simpleString():
        return value
    if isinstance(kind, T.StructType):
        have = {field.name.lower(): field for field in kind.fields}
        fields = []
        for field in wider.fields:
            there = have.get(field.name.lower())
            if there is None:
                fields.append(F.lit(None).cast(field.dataType).alias(field.name))
            else:
                fields.append(_as(value.getField(there.name), there.dataType, field.dataType).alias(field.name))
        return F.when(value.isNotNull(), F.struct(*fields))
    if isinstance(kind, T.ArrayType):
        return F.transform(value, lambda element: _as(element, kind.elementType, wider.elementType))
    if isinstance(kind, T.MapType):
        keyed = F.transform_keys(value, lambda key, _: _as(key, kind.keyType, wider.keyType))
        return F.transform_values(keyed, lambda _, element: _as(element, kind.valueType, wider.valueType))
    return value.cast(wider)
