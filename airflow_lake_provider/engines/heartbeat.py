"""Whether a driver on another machine lives, judged by its heartbeat and never by a clock of that machine."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from airflow_lake_provider.exceptions import EngineError

BEAT_SECONDS = 5.0
"""How often a supervisor changes its heartbeat."""

SILENT_SECONDS = 90.0
"""A heartbeat that has not changed for so long has stopped. NFS may show an old state of a folder for a minute."""

LONG_SILENT_SECONDS = 24 * 3600.0
"""A heartbeat of this age by the clock needs no watching: no two clocks differ so much."""

HEARTBEAT = "heartbeat"


@dataclass(frozen=True)
class _Beat:
    """What a heartbeat was when it last changed, and when that was seen, on this process's own clock."""

    content: tuple[bytes, int] | None
    seen_at: float


class Heartbeats:
    """The heartbeats that one process looks at.

    A driver counts as dead when this process has seen the same heartbeat for :data:`SILENT_SECONDS`. Its age by the
    clock says nothing within a day: two machines whose clocks differ by hours agree on what has changed. So a first
    look finds every driver of today alive; one that died longer ago is known by processes that look only once, too.
    """

    def __init__(self) -> None:
        self._beats: dict[Path, _Beat] = {}

    def has_stopped(self, folder: Path) -> bool:
        """Whether the heartbeat in the folder has been the same for too long.

        :raises EngineError: the folder cannot be seen from here.
        """
        asked = time.monotonic()
        try:
            content = _read(folder)
        except EngineError:
            self.forget(folder)
            raise
        if _is_of_long_ago(folder, content):
            return True
        now = time.monotonic()
        if now - asked > BEAT_SECONDS:
            self.forget(folder)  # the file system stood still, and with it the driver's beat: its silence begins anew
        last = self._beats.get(folder)
        if last is None or last.content != content:
            self._beats[folder] = _Beat(content, now)
            return False
        return now - last.seen_at >= SILENT_SECONDS

    def forget(self, folder: Path) -> None:
        """Drop what is known of a driver that has ended."""
        self._beats.pop(folder, None)


def _is_of_long_ago(folder: Path, content: tuple[bytes, int] | None) -> bool:
    """Whether the last sign of life, or the folder where there never was one, is older than any clock's error."""
    changed_at = content[1] / 1e9 if content is not None else folder.stat().st_mtime
    return time.time() - changed_at > LONG_SILENT_SECONDS


def _read(folder: Path) -> tuple[bytes, int] | None:
    try:
        with (folder / HEARTBEAT).open("rb") as file:
            return file.read(), os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        if folder.is_dir():
            return None
        raise EngineError(
            f"The job folder {folder} is not to be seen from this machine ({os.uname().nodename}). Workers and "
            "triggerers must share the job_root: mount it on each under the same path, or set deferrable: false."
        ) from None
    except OSError as exc:
        raise EngineError(f"The job folder {folder} cannot be read from {os.uname().nodename}: {exc}") from exc
