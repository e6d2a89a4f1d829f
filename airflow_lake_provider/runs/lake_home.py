"""The folder that holds the local environment's state."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_lake_provider.engines.mwaa import is_allowed, is_mwaa
from airflow_lake_provider.exceptions import SpecError

if TYPE_CHECKING:
    from airflow_lake_provider.spec import Environment

# "[!.]*" matches every name as a glob, and (one character, then dots) as a regular expression.
_IGNORE_FILES = {".gitignore": "*\n", ".airflowignore": "[!.]*\n"}
# Where Airflow checks out one version of a DAG bundle: .../<bundle>/versions/<commit>/...
_BUNDLE_VERSION = re.compile(r"/versions/[0-9a-f]{7,64}(?:/|$)")


def prepare_lake_home(environment: Environment) -> None:
    """Create the folder of an environment that keeps its catalog or its job folders there.

    It carries its own ignore files, so that neither git nor Airflow's DAG processor looks into it.

    :raises SpecError: the folder would vanish with the worker, or cannot be written.
    """
    home = Path(environment.lake_home)
    places = (environment.job_root, environment.catalog.warehouse, environment.catalog.properties.get("path", ""))
    if not any(_is_inside(place, home) for place in places):
        return
    if _BUNDLE_VERSION.search(home.as_posix()):
        raise SpecError(
            f"The lake's folder {home} lies in the checkout of one version of a DAG bundle and would vanish with it. "
            "Set LAKE_HOME to a folder that stays, or name a catalog and a job_root in lake.yaml."
        )
    if is_mwaa() and not is_allowed():
        raise SpecError(
            f"The lake's folder {home} lies in one container of MWAA: no other worker sees it, and it vanishes with "
            "the container. Name a catalog and a job_root in S3 in lake.yaml (docs/how-to/mwaa.md)."
        )
    if "?" in str(home):
        raise SpecError(
            f"The lake's folder {home} has a '?' in its path, where SQLite and URIs end a name. "
            "Rename the folder, or set LAKE_HOME to another one."
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
        for name, text in _IGNORE_FILES.items():
            if not (home / name).exists():
                (home / name).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise SpecError(
            f"The lake's folder {home} cannot be written: {exc.strerror or exc}. LAKE_HOME names another one."
        ) from exc


def _is_inside(place: str, home: Path) -> bool:
    path = place.removeprefix("file://")
    return bool(path) and "://" not in path and Path(path).is_relative_to(home)
