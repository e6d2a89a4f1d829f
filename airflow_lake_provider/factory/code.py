"""The text that Airflow's Code tab shows of a DAG that a spec made: the spec's.

Airflow reads the file that a DAG names after the parse, in another process. Were that the spec itself, a spec that is
deleted or renamed in between would be an import error of the loader file, which marks all of its DAGs stale. So the
text is kept in a file that never changes, and what is shown is what was parsed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airflow_lake_provider.compat import DAG, get_parsing_context, shows_code_by_fileloc
from airflow_lake_provider.engines.cache import cache_folder, keep
from airflow_lake_provider.plan import PipelinePlan
from airflow_lake_provider.policy import SPEC

_log = logging.getLogger(__name__)

_FRESH = 24 * 3600.0
_OLD = 30 * _FRESH


@dataclass(frozen=True)
class SpecText:
    """What a spec's file held when its DAG was made.

    :param name: the file's name.
    """

    name: str
    text: str

    def keep(self, *, cache: Path | None = None) -> Path | None:
        """Return a file with this text, written unless it is there; ``None`` where the cache cannot be written.

        The Code tab then shows the loader file, and nothing else is lost.
        """
        data = self.text.encode("utf-8", "surrogatepass")
        folder = (cache or cache_folder()) / "code" / hashlib.sha256(data).hexdigest()[:32]
        path = folder / self.name
        try:
            if path.exists():
                if time.time() - path.stat().st_mtime > _FRESH:
                    os.utime(path)
                return path
            keep(data, path)
            _sweep(folder.parent)
        except OSError as exc:
            _log.warning("The Code tab cannot show %s: %s cannot be written: %s", self.name, folder, exc)
            return None
        return path


def show_code(dag: DAG, plan: PipelinePlan) -> None:
    """Have the Code tab show the spec, where this Airflow can.

    Not on a worker: nobody looks there, and Airflow asks it for one DAG only.
    """
    if plan.text and shows_code_by_fileloc() and get_parsing_context().dag_id is None:
        setattr(dag, SPEC, SpecText(plan.source.name, plan.text))


def _sweep(kept: Path) -> None:
    """Take away texts that no parse has asked for in a month."""
    for folder in kept.iterdir():
        with suppress(OSError):
            if time.time() - max(path.stat().st_mtime for path in (folder, *folder.iterdir())) > _OLD:
                for path in folder.iterdir():
                    path.unlink()
                folder.rmdir()
