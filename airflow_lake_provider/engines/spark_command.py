"""The command line of spark-submit: which program it is, its options, its environment."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_lake_provider.engines.data_plane import DataPlane, find_data_plane
from airflow_lake_provider.engines.driver_environment import driver_environment
from airflow_lake_provider.exceptions import EngineError, EngineNotInstalled

# A Spark of the cluster's own is found and configured by these; a data plane's Spark must not see them.
_OWN_SPARK = ("SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")
_ADDED_UP = ("jars", "packages", "py-files")
# Without a value; any other option would swallow the word behind it, and these would take theirs for the application.
_FLAGS = ("supervise", "verbose", "load-spark-defaults")
_REPEATED = ("conf",)
# What decides where the job runs and what is told of it: in `lake.yaml`, not per table.
_NOT_PER_TABLE = (
    "master", "remote", "deploy-mode", "kill", "status", "version", "help", "usage-error", "class",
)  # fmt: skip
_OPTION = re.compile(r"[A-Za-z][A-Za-z-]*")


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

    ``True`` is a flag, ``None`` and ``False`` leave an option out. A list is one text with commas, as spark-submit
    takes it; of ``conf`` each is an option of its own. A table's word wins; jars, packages and py-files add up.

    >>> option_words({"queue": "default", "jars": ["a.jar"]}, {"queue": "etl", "jars": "b.jar", "verbose": True})
    ['--queue', 'etl', '--jars', 'a.jar,b.jar', '--verbose']
    >>> option_words({}, {"files": ["a", "b"], "conf": ["k=1", "l=2"]})
    ['--files', 'a,b', '--conf', 'k=1', '--conf', 'l=2']

    :raises EngineError: an option that is not a table's to set, or a value that it cannot have.
    """
    for name, value in given.items():
        _check_option(name, value)
    options = {**own, **given}
    for name in _ADDED_UP:
        if name in options:
            options[name] = list(dict.fromkeys([*_texts(own.get(name)), *_texts(given.get(name))]))
    words: list[str] = []
    for name, value in options.items():
        texts = _texts(value)
        if value is True:
            words.append(f"--{name}")
        elif name in _REPEATED:
            words.extend(word for text in texts for word in (f"--{name}", text))
        elif texts:
            words.extend((f"--{name}", ",".join(texts)))
    return words


def conf_words(conf: Mapping[str, str]) -> list[str]:
    """Return Spark's properties as words of a command line."""
    return [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]


def spark_uri(uri: str) -> str:
    """Return a URI in Hadoop's words: S3 is ``s3a``; a path without a scheme is one of the pod's own, mounted there."""
    if uri.startswith("s3://"):
        return f"s3a://{uri[len('s3://') :]}"
    if uri.startswith("file://"):
        return f"local://{uri[len('file://') :]}"
    return uri if "://" in uri else f"local://{uri}"


def conf_given(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the properties that a table's ``engine_options`` set as ``conf``.

    >>> conf_given({"conf": ["a=1", "b=x=y"]})
    {'a': '1', 'b': 'x=y'}
    """
    words = (text.partition("=") for text in _texts(options.get("conf")))
    return {key: value for key, _, value in words}


def _check_option(name: str, value: Any) -> None:
    if name.startswith("-"):
        raise EngineError(f"engine_options: {name!r} is spark-submit's option without dashes, {name.lstrip('-')!r}")
    if not _OPTION.fullmatch(name):
        raise EngineError(f"engine_options: {name!r} is no name of an option; expected one such as 'num-executors'")
    if name in _NOT_PER_TABLE:
        raise EngineError(
            f"engine_options: {name!r} is not a table's to set; what it means stands with the engine in lake.yaml"
        )
    if value is None or value is False:
        return
    if name in _FLAGS and value is not True:
        raise EngineError(f"engine_options: {name!r} is {value!r}; it has no value, expected true or false")
    parts = value if isinstance(value, list | tuple) else [value]
    if name not in _FLAGS and any(part is None or isinstance(part, bool | Mapping | list | tuple) for part in parts):
        raise EngineError(f"engine_options: {name!r} is {value!r}; expected a text, a number or a list of them")


def _texts(value: Any) -> list[str]:
    """Return what is said for an option, part by part; a text may have several parts, by commas."""
    if value is None or isinstance(value, bool):
        return []
    return [str(part) for part in value] if isinstance(value, list | tuple) else [str(value)]
