"""Frozen dataclasses to JSON documents and back.

Reading is lenient where versions may differ (unknown keys are ignored, absent keys take the field's default) and
strict where a document is wrong: a missing required key or a value of the wrong type names the document and the key.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping as AbstractMapping
from typing import Any, Dict, Type, TypeVar, Union

from airflow_lake_provider.exceptions import ProtocolError
from airflow_lake_provider.protocol.request import PROTOCOL_VERSION, STEP_KINDS, Step

D = TypeVar("D")
# ``X | None``, which the control plane writes, is a union of another kind; Python 3.9 does not have it.
_UNIONS = (Union, getattr(types, "UnionType", Union))
_hints_of: Dict[type, Dict[str, Any]] = {}


def to_json(document: Any) -> str:
    """Render a document of the contract as JSON text, keys in the order of the fields.

    >>> from airflow_lake_provider.protocol import DataInterval
    >>> print(to_json(DataInterval(start="2026-01-01T00:00:00Z", end="2026-01-02T00:00:00Z")))
    {
      "start": "2026-01-01T00:00:00Z",
      "end": "2026-01-02T00:00:00Z"
    }
    """
    return json.dumps(to_plain(document), indent=2, ensure_ascii=False, allow_nan=False)


def to_plain(value: Any) -> Any:
    """Turn dataclasses and tuples into mappings and lists, all the way down."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, AbstractMapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def from_json(cls: Type[D], text: Union[str, bytes], *, source: str) -> D:
    """Read a document.

    :param source: the document's place, for the error.
    :raises ProtocolError: it is not JSON, is of another major version, or does not fit ``cls``.
    """
    try:
        plain = json.loads(text)
    except ValueError as exc:
        raise ProtocolError(f"{source} is not JSON: {exc}") from exc
    if not isinstance(plain, dict):
        raise ProtocolError(f"{source} holds {type(plain).__name__}, expected a JSON object")
    version = plain.get("protocol_version")
    if version is not None and str(version).split(".")[0] != PROTOCOL_VERSION.split(".")[0]:
        raise ProtocolError(
            f"{source} is of protocol version {version}; this package reads {PROTOCOL_VERSION.split('.')[0]}.x. "
            "Use the same major version of airflow-lake-provider on both sides."
        )
    return from_plain(cls, plain, source=source)


def from_plain(cls: Type[D], plain: Any, *, source: str = "document") -> D:
    """Build a dataclass of the contract from parsed JSON; see :func:`from_json`."""
    return typing.cast(D, _read(cls, plain, source, "$"))


def _fail(source: str, where: str, expected: str, value: Any) -> typing.NoReturn:
    raise ProtocolError(f"{source}: {where} is {json.dumps(value, default=str)[:80]}, expected {expected}")


def _read_dataclass(cls: Any, value: Any, source: str, where: str) -> Any:
    if not isinstance(value, dict):
        _fail(source, where, "an object", value)
    hints = _hints_of.get(cls)
    if hints is None:
        hints = _hints_of[cls] = typing.get_type_hints(cls)
    arguments = {}
    for f in dataclasses.fields(cls):
        if f.name in value:
            arguments[f.name] = _read(hints[f.name], value[f.name], source, f"{where}.{f.name}")
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ProtocolError(f"{source}: {where}.{f.name} is missing")
    return cls(**arguments)


def _read(hint: Any, value: Any, source: str, where: str) -> Any:
    if hint is Any:
        return value
    if hint == Step:
        kind = value.get("kind") if isinstance(value, dict) else None
        if kind not in STEP_KINDS:
            _fail(source, f"{where}.kind", "one of " + ", ".join(STEP_KINDS), kind)
        return _read_dataclass(STEP_KINDS[kind], value, source, where)
    if dataclasses.is_dataclass(hint):
        return _read_dataclass(hint, value, source, where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in _UNIONS:
        return None if value is None else _read(arguments[0], value, source, where)
    if origin is not None:
        return _read_collection(origin, arguments, value, source, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        _fail(source, where, {str: "text", int: "an integer", bool: "true or false", float: "a number"}[hint], value)
    return value


def _read_collection(origin: Any, arguments: Any, value: Any, source: str, where: str) -> Any:
    if origin is tuple:
        if not isinstance(value, list):
            _fail(source, where, "a list", value)
        return tuple(_read(arguments[0], item, source, f"{where}[{n}]") for n, item in enumerate(value))
    if origin is AbstractMapping and isinstance(value, dict):
        return {str(key): _read(arguments[1], item, source, f"{where}.{key}") for key, item in value.items()}
    _fail(source, where, "an object", value)
