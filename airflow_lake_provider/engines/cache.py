"""The user's cache folder: job library, jars, the default data plane environment."""

from __future__ import annotations

import os
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
