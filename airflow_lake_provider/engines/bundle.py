"""The job library as one file: what travels to the data plane."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from airflow_lake_provider.engines.cache import cache_folder, keep
from airflow_lake_provider.exceptions import EngineError
from airflow_lake_provider.protocol.archive import zip_bytes

_PACKAGE = Path(__file__).resolve().parent.parent
_SOURCES = ("__init__.py", "exceptions.py", "protocol/*.py", "jobs/**/*.py")


@dataclass(frozen=True)
class JobLibrary:
    """The zip of the package's data plane side; ``sha256`` of its bytes, also part of its name."""

    path: Path
    sha256: str


def job_library(*, cache: Path | None = None) -> JobLibrary:
    """Return the job library, written to the cache folder unless the same one is there.

    Equal sources give equal bytes on every machine, so the name says what is inside and nobody ever overwrites it.

    :param cache: the folder to keep it in, by default :func:`~airflow_lake_provider.engines.cache.cache_folder`.
    :raises EngineError: the folder cannot be written.
    """
    data = _zip(_PACKAGE)
    digest = hashlib.sha256(data).hexdigest()
    return JobLibrary(_keep(data, f"airflow_lake_provider-{digest}.zip", cache), digest)


def entry_script(*, cache: Path | None = None) -> Path:
    """Return the script that starts a job, for platforms that start files and not modules of the job library.

    It lies beside the job library and not in the package: Python puts a script's own folder first on its path.

    :raises EngineError: the folder cannot be written.
    """
    data = (_PACKAGE / "jobs" / "__main__.py").read_bytes()
    return _keep(data, f"lake-job-{hashlib.sha256(data).hexdigest()}.py", cache)


def _keep(data: bytes, name: str, cache: Path | None) -> Path:
    folder = (cache or cache_folder()) / "job-library"
    try:
        return keep(data, folder / name)
    except OSError as exc:
        raise EngineError(
            f"The job library cannot be written to {folder}: {exc.strerror or exc}. "
            "LAKE_CACHE names a folder that can be written."
        ) from exc


def job_library_sha256() -> str:
    """Return the hash of the job library without writing it anywhere: the identity of the code that jobs run."""
    return hashlib.sha256(_zip(_PACKAGE)).hexdigest()


def _zip(package: Path) -> bytes:
    """Return the archive of the data plane's modules of ``package``; equal sources give equal bytes."""
    sources = {path for pattern in _SOURCES for path in package.glob(pattern)}
    return zip_bytes({f"{package.name}/{path.relative_to(package).as_posix()}": path.read_bytes() for path in sources})
