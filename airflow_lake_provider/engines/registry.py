"""From an engine's type in ``lake.yaml`` to the engine; an engine's module is imported when it is asked for."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import inspect
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_lake_provider.engines.base import Engine
from airflow_lake_provider.engines.connection import FindConnection, connection_from_environment
from airflow_lake_provider.exceptions import EngineError

_ENGINES = {
    "in_memory": ("airflow_lake_provider.engines.in_memory", "InMemoryEngine"),
    "local": ("airflow_lake_provider.engines.local", "LocalEngine"),
    "spark_submit": ("airflow_lake_provider.engines.spark_submit", "SparkSubmitEngine"),
}
_NOT_YET = ("emr_serverless", "glue")
# What the program hands in itself; never an option of lake.yaml.
_COLLABORATORS = ("cache", "find_connection", "log")
_replacement: list[Engine] = []


def engine_types() -> tuple[str, ...]:
    """Return the types that :func:`get_engine` knows, sorted.

    >>> engine_types()
    ('in_memory', 'local', 'spark_submit')
    """
    return tuple(sorted(_ENGINES))


def get_engine(
    engine_type: str,
    options: Mapping[str, Any] | None = None,
    *,
    log: logging.Logger | None = None,
    find_connection: FindConnection = connection_from_environment,
) -> Engine:
    """Make the engine of a type.

    :param options: the engine's keys in ``lake.yaml`` beside ``type``.
    :param log: where the engine passes on what a run writes, if it can.
    :param find_connection: from the ``conn_id`` of an engine to its connection; by default from the environment.
    :raises EngineError: the type or an option is unknown, or not supported yet.
    :raises EngineNotInstalled: something has to be installed for it.
    """
    if _replacement:
        return _replacement[-1]
    if engine_type in _NOT_YET:
        raise EngineError(f"Engine {engine_type!r} is not supported yet; there are: {', '.join(engine_types())}")
    if engine_type not in _ENGINES:
        raise EngineError(
            f"There is no engine {engine_type!r}; there are: {', '.join(engine_types())}."
            + _did_you_mean(engine_type, engine_types())
        )
    module, name = _ENGINES[engine_type]
    made = getattr(importlib.import_module(module), name)
    parameters = inspect.signature(made).parameters
    known = tuple(parameter for parameter in parameters if parameter not in _COLLABORATORS)
    for option in options or {}:
        if option not in known:
            raise EngineError(
                f"Engine {engine_type!r} has no option {option!r}; it has: {', '.join(known)}."
                + _did_you_mean(option, known)
            )
    handed_in = {"log": log, "find_connection": find_connection}
    collaborators = {name: value for name, value in handed_in.items() if name in parameters}
    engine: Engine = made(**(options or {}), **collaborators)
    return engine


@contextlib.contextmanager
def replaced_by(engine: Engine) -> Iterator[None]:
    """While it is open, :func:`get_engine` gives ``engine`` for every type, in this process."""
    _replacement.append(engine)
    try:
        yield
    finally:
        _replacement.remove(engine)


def _did_you_mean(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
