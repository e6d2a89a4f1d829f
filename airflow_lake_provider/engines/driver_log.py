"""A driver's output, as a person wants to read it while the job runs."""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from pathlib import Path

from airflow_lake_provider.protocol.stack import condense

PROGRESS_SECONDS = 10.0
"""At most one progress line in this time reaches the log."""

_OURS = "lake: "
_STEP = "lake: step "
_PROGRESS = "lake-progress: "
_SPARK = re.compile(
    r"^\d\d(?:\d\d)?[/-]\d\d[/-]\d\d \d\d:\d\d:\d\d(?:[.,]\d+)? (TRACE|DEBUG|INFO|WARN|ERROR|FATAL) (.*)$"
)
_BLOCK = 1 << 20
# Kept to explain a death without a report.
_TAIL_LINES = 400


def cause_of(output: str) -> str:
    r"""Return in one line why a driver, or spark-submit, ended badly; its chatter on the way counts for nothing.

    >>> cause_of("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\n26/01/01 00:00:00 WARN Utils: Set it\nError: No such master")
    'Error: No such master'
    """
    return condense("\n".join(line for line in output.splitlines() if not _is_chatter(line)))


def _is_chatter(line: str) -> bool:
    spark = _SPARK.match(line)
    return line.startswith("Picked up ") or (spark is not None and spark[1] not in ("ERROR", "FATAL"))


class DriverLog:
    """Follows the file that a driver writes to, and tells a logger what matters of it.

    The job's own lines become INFO, Spark's errors ERROR; everything else (the job's single steps, Spark's warnings,
    frames of traces, what libraries print) is DEBUG: the file keeps all of it.
    """

    def __init__(self, path: Path, log: logging.Logger) -> None:
        self._path = path
        self._log = log
        self._offset = 0
        self._rest = b""
        self._progress_at = -PROGRESS_SECONDS
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)

    @property
    def tail(self) -> str:
        """The last lines that were read."""
        return "\n".join(self._tail)

    def follow(self, *, final: bool = False) -> None:
        """Log what was written since the last call; ``final`` also takes an unfinished last line."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                # In blocks: who comes back to a run that nobody followed has all of its output before them.
                while data := file.read(_BLOCK):
                    self._take(data)
        except FileNotFoundError:
            return
        if final and self._rest:
            self._tell_bytes(self._rest)
            self._rest = b""

    def _take(self, data: bytes) -> None:
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._tell_bytes(line)

    def _tell_bytes(self, line: bytes) -> None:
        self._tell(line.decode("utf-8", errors="replace").rstrip("\r"))

    def _tell(self, line: str) -> None:
        if not line.strip():
            return
        if line.startswith(_PROGRESS):
            self._tell_progress(line[len(_PROGRESS) :])
            return
        if not line.startswith(_STEP):
            self._tail.append(line)
        if line.startswith(_OURS) and not line.startswith(_STEP):
            self._log.info("%s", line[len(_OURS) :])
        elif (spark := _SPARK.match(line)) and spark[1] in ("ERROR", "FATAL"):
            self._log.error("Spark: %s", spark[2])
        else:
            self._log.debug("%s", line)

    def _tell_progress(self, text: str) -> None:
        now = time.monotonic()
        if now - self._progress_at >= PROGRESS_SECONDS:
            self._progress_at = now
            self._log.info("%s", text)
