"""The project's code behind a Python transform as one file: what travels to Spark.

It holds the package of the function's module, or the single file, and likewise everything of the project that these
import, all the way down. What is outside of the project is installed where Spark runs, or it is not there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.protocol.archive import zip_bytes
from airflow_lake_provider.spec.python_module import Find, ModuleFile, PythonError, find_module, is_inside, stamp
from airflow_lake_provider.spec.python_source import PythonFunction

MAX_BYTES = 20_000_000
MAX_FILES = 2_000
"""What an archive may hold: more than code needs; data belongs into tables and files."""

_made: dict[str, PythonArchive] = {}
_COMPILED = (".pyc", ".pyo", ".so", ".pyd", ".dll", ".dylib")


@dataclass(frozen=True)
class PythonArchive:
    """A zip of modules; ``sha256`` of its bytes. Equal code gives equal bytes on every machine."""

    sha256: str
    data: bytes = field(repr=False)


def python_archive(function: PythonFunction) -> PythonArchive:
    """Return the code of a function; the same object as long as no file of it changes.

    :raises SpecError: it is too big, a file of it cannot be read, or a link leads out of the project.
    """
    try:
        files = _collect(function)
        return _zipped(tuple((name, path, stamp(path)) for name, path in sorted(files.items())))
    except OSError as exc:
        raise SpecError(f"{function.reference}: {exc.filename or function.base}: {exc.strerror or exc}") from exc


def archive_of(sha256: str) -> PythonArchive | None:
    """Return an archive that this process has made, by its hash."""
    return _made.get(sha256)


def _collect(function: PythonFunction) -> Mapping[str, Path]:
    """Return what belongs into the archive, by name."""
    roots = (function.base, function.root)
    find = cache(find_module)
    files: dict[str, Path] = {}
    size = 0
    waiting = [ModuleFile(function.base, function.file)]
    met: set[ModuleFile] = set()
    units: set[Path] = set()
    while waiting:
        module = waiting.pop()
        unit = module.unit
        if unit in units:
            continue
        units.add(unit)
        for path in _files_of(unit):
            if not is_inside(path, function.root):
                raise SpecError(
                    f"{function.reference}: {path} is a link out of the project {function.root}; code from there does "
                    "not travel. Copy it into the project, or install it where Spark runs."
                )
            files.setdefault(path.relative_to(module.base).as_posix(), path)
            size += path.stat().st_size
            if len(files) > MAX_FILES or size > MAX_BYTES:
                raise SpecError(
                    f"{function.reference}: its code is more than {MAX_FILES:,} files or {MAX_BYTES // 10**6} MB, "
                    f"counted up to {path}. Keep data out of the package: put it into tables or files that are read."
                )
            if path.suffix == ".py":
                imported = [each for each in _imported(ModuleFile(module.base, path), find, roots) if each not in met]
                waiting.extend(imported)
                met.update(imported)
    return files


def _imported(module: ModuleFile, find: Find, roots: tuple[Path, ...]) -> list[ModuleFile]:
    try:
        return list(module.imported(find, roots))
    except PythonError:
        # A package may hold what is no Python for us, such as a template; what the function needs was read before.
        return []


def _files_of(unit: Path) -> Iterator[Path]:
    if unit.is_file():
        yield unit
        return
    seen: set[str] = set()
    for folder, below, names in os.walk(unit, followlinks=True, onerror=_raise):
        place = os.path.realpath(folder)
        if place in seen:  # a link in a circle
            below.clear()
            continue
        seen.add(place)
        below[:] = sorted(name for name in below if name != "__pycache__" and not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and not name.endswith(_COMPILED) and path.is_file():
                yield path


def _raise(error: OSError) -> None:
    raise error


@lru_cache(maxsize=16)
def _zipped(files: tuple[tuple[str, Path, tuple[int, ...]], ...]) -> PythonArchive:
    entries = {name: path.read_bytes() for name, path, _ in files}
    # A folder without __init__.py is a package too, and in a zip only where it has an entry of its own.
    folders = {f"{parent.as_posix()}/" for name in entries for parent in Path(name).parents if parent != Path()}
    data = zip_bytes({**entries, **dict.fromkeys(folders, b"")})
    archive = PythonArchive(hashlib.sha256(data).hexdigest(), data)
    return _made.setdefault(archive.sha256, archive)
