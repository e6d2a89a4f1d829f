"""The user's modules: fetched as one zip, importable here and in Spark's Python workers.

Two archives may hold different modules of one name, for tables of one application may come from different projects.
At any time one archive is in force: the others leave ``sys.path``, ``sys.modules`` and Spark's list of files for
workers, and each has workers of its own, which Spark starts anew where the environment of a function differs.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import tempfile
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, List, Optional, Set, Tuple

from airflow_lake_provider.jobs.errors import CodeError
from airflow_lake_provider.protocol import PythonStep, open_store

_PREFIX = "lake-code-"
_ENVIRONMENT = "LAKE_CODE_SHA256"

# Spark serves the files of an application from where they lie, so they stay until the process ends.
_folder: Optional[tempfile.TemporaryDirectory[str]] = None
_fetched: Dict[str, Path] = {}
_added: Set[Tuple[str, str]] = set()


def import_module(spark: Any, step: PythonStep) -> ModuleType:
    """Import the step's module from its archive, and let Spark's workers import what it holds.

    :raises CodeError: the archive is not there or is another, or a name in it is taken. What the import itself raises
        is the user's and passes through.
    """
    path = _fetch(step)
    _put_in_force(spark.sparkContext, step.code_sha256, path)
    _check_names(path, step)
    module = importlib.import_module(step.module)
    if not is_from(path, module):
        raise CodeError(
            f"{step.module} was imported from {getattr(module, '__file__', None)}, not from the project. Give the "
            "module a name that nothing has where Spark runs."
        )
    return module


def archive_path(step: PythonStep) -> str:
    """Return where the step's archive is kept here; frames of its modules have files below it."""
    return str(_fetch(step))


def is_from(path: Path, module: ModuleType) -> bool:
    """Whether a module was loaded from an archive."""
    return any(place.startswith(str(path)) for place in _places(module))


def _fetch(step: PythonStep) -> Path:
    global _folder
    known = _fetched.get(step.code_sha256)
    if known is not None:
        return known
    data = open_store(step.code_uri).read(step.code_uri)
    if data is None:
        raise CodeError(
            f"The code of {step.module}:{step.function} is not at {step.code_uri}. It is written there before a job is "
            "submitted: run the task again."
        )
    found = hashlib.sha256(data).hexdigest()
    if found != step.code_sha256:
        raise CodeError(
            f"The code of {step.module}:{step.function} at {step.code_uri} has the hash {found}, expected "
            f"{step.code_sha256}: somebody changed the file. Delete it and run the task again."
        )
    if _folder is None:
        _folder = tempfile.TemporaryDirectory(prefix="lake-code-")
    path = Path(_folder.name).resolve() / f"{_PREFIX}{step.code_sha256}.zip"
    path.write_bytes(data)
    _fetched[step.code_sha256] = path
    return path


def _put_in_force(context: Any, sha256: str, path: Path) -> None:
    if (context.applicationId, sha256) not in _added:
        context.addPyFile(str(path))
        _added.add((context.applicationId, sha256))
    # Workers import from the files in this list; Spark has no call that takes one away.
    context._python_includes[:] = [
        *(name for name in context._python_includes if not name.startswith(_PREFIX)),
        path.name,
    ]
    context.environment[_ENVIRONMENT] = sha256
    sys.path[:] = [str(path), *(entry for entry in sys.path if not Path(entry).name.startswith(_PREFIX))]
    for name, module in list(sys.modules.items()):
        if not is_from(path, module) and any(f"/{_PREFIX}" in place for place in _places(module)):
            del sys.modules[name]
    importlib.invalidate_caches()


def _check_names(path: Path, step: PythonStep) -> None:
    """See that no module of the archive has the name of one that is loaded here: the import would give that one."""
    with zipfile.ZipFile(path) as archive:
        names = {name.partition("/")[0] for name in archive.namelist()}
    for name in sorted({name[: -len(".py")] if name.endswith(".py") else name for name in names}):
        loaded = sys.modules.get(name)
        if loaded is not None and not is_from(path, loaded):
            raise CodeError(
                f"The code of {step.module}:{step.function} has a module {name}, and {name} is already loaded where "
                f"Spark runs ({getattr(loaded, '__file__', None) or 'built in'}). Give the project's module another "
                "name."
            )


def _places(module: ModuleType) -> List[str]:
    """Return where a module was loaded from: its file, or the folders of a package that has none."""
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        return [file]
    try:
        return [str(entry) for entry in getattr(module, "__path__", ())]
    except Exception:  # some modules make up their attributes
        return []
