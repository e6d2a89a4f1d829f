"""The user's cache folder: job library, jars, the default data plane environment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return ``$LAKE_CACHE``, else ``airflow-lake-provider`` in ``$XDG_CACHE_HOME`` or ``~/.cache``.

    Nothing is created.

    >>> cache_folder({"LAKE_CACHE": "/var/cache/lake"}).as_posix()
    '/var/cache/lake'
    >>> cache_folder({"XDG_CACHE_HOME": "/data/cache"}).as_posix()
    '/data/cache/airflow-lake-provider'
    """
    values = os.environ if environ is None else environ
    if own := values.get("LAKE_CACHE"):
        return Path(own).expanduser().absolute()
    shared = values.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "airflow-lake-provider"


def keep(data: bytes, path: Path) -> Path:
    """Write a file of the cache unless it is there; nobody ever sees a part of it.

    :raises OSError: its folder cannot be written.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    os.chmod(part, 0o644)
    os.replace(part, path)
    return path
