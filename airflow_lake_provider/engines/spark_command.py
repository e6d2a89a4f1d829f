"""The command line of spark-submit: which program it is, its options, its environment."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_lake_provider.engines.data_plane import DataPlane, find_data_plane
from airflow_lake_provider.engines.driver_process import driver_environment
from airflow_lake_provider.exceptions import EngineError, EngineNotInstalled

# A Spark of the cluster's own is found and configured by these; a data plane's Spark must not see them.
_OWN_SPARK = ("SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")
_JOINED = ("jars", "packages", "py-files")
# What decides where the job runs and what is told of it: in `lake.yaml`, not per table.
_NOT_PER_TABLE = ("master", "deploy-mode", "kill", "status", "version", "help", "class")


@dataclass(frozen=True)
class SparkSubmit:
    """The program, the environment it needs, and the data plane whose own it is, if it is one's."""

    program: str
    environment: Mapping[str, str]
    plane: DataPlane | None = None


def find_spark_submit(named: str | None, env: Mapping[str, str], *, cache: Path) -> SparkSubmit:
    """Return spark-submit: what somebody named, else the data plane's own, else the one on the PATH.

    :param named: a path, or a command on the PATH.
    :param env: goes over the environment of this process.
    :raises EngineNotInstalled: there is none.
    """
    if named:
        found = shutil.which(Path(named).expanduser())
        if found is None:
            raise EngineNotInstalled(
                f"There is no {named} to submit with. Name a spark-submit that is there: the engine's option "
                "'spark_binary', or the extra `spark-binary` of its connection."
            )
        return SparkSubmit(found, {**driver_environment(keep=_OWN_SPARK), **env})
    try:
        plane = find_data_plane(cache=cache)
    except EngineNotInstalled as exc:
        found = shutil.which("spark-submit")
        if found is None:
            raise EngineNotInstalled(f"There is no spark-submit on the PATH and no data plane with one. {exc}") from exc
        return SparkSubmit(found, {**driver_environment(keep=_OWN_SPARK), **env})
    environment = {
        **driver_environment(),
        "SPARK_HOME": str(plane.spark_home),
        "JAVA_HOME": str(plane.java_home),
        "PYSPARK_DRIVER_PYTHON": str(plane.python),
    }
    return SparkSubmit(str(plane.spark_home / "bin" / "spark-submit"), {**environment, **env}, plane)


def option_words(own: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Return the engine's own options and a table's ``engine_options`` as words of a command line.

    ``True`` is a flag, ``None`` and ``False`` leave an option out, a list repeats it. A table's word wins; jars,
    packages and py-files add up.

    >>> option_words({"queue": "default", "jars": ["a.jar"]}, {"queue": "etl", "jars": "b.jar", "verbose": True})
    ['--queue', 'etl', '--jars', 'a.jar,b.jar', '--verbose']

    :raises EngineError: an option that is not a table's to set, or a value that is no text, number or list.
    """
    for name in given:
        if name.startswith("-"):
            raise EngineError(f"engine_options: {name!r} is spark-submit's option without dashes, {name.lstrip('-')!r}")
        if name in _NOT_PER_TABLE:
            raise EngineError(
                f"engine_options: {name!r} is not a table's to set; what it means stands with the engine in lake.yaml"
            )
    options = {**own, **given}
    for name in _JOINED:
        both = [*_texts(name, own.get(name)), *_texts(name, given.get(name))]
        if name in options:
            options[name] = ",".join(dict.fromkeys(both)) or None
    words: list[str] = []
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        else:
            words.extend(word for text in _texts(name, value) for word in (f"--{name}", text))
    return words


def conf_words(conf: Mapping[str, str]) -> list[str]:
    """Return Spark's properties as words of a command line."""
    return [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]


def _texts(name: str, value: Any) -> Sequence[str]:
    if value is None or value is False:
        return []
    if isinstance(value, Mapping) or value is True:
        raise EngineError(f"engine_options: {name!r} is {value!r}; expected a text, a number or a list of them")
    if isinstance(value, list | tuple):
        return [text for part in value for text in _texts(name, part)]
    return [str(value)]
