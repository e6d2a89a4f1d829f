"""How a driver ended, by the files that it and its supervisor left in its folder."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
from pathlib import Path

from airflow_lake_provider.engines.base import RunState, Status
from airflow_lake_provider.engines.driver_log import DriverLog, cause_of
from airflow_lake_provider.engines.supervisor import NOT_STARTED
from airflow_lake_provider.protocol.store import CANCELLED

DRIVER = "driver.pid"
TEMPORARY = "temporary"
STATUS = "exit.json"
ABANDONED = "abandoned"
LOG = "driver.log"
LEFTOVERS = (DRIVER, TEMPORARY, STATUS, CANCELLED, ABANDONED, "heartbeat")
"""What an earlier driver may have left in a folder, and a new one must not find."""

_SILENT = logging.Logger("silent", level=logging.CRITICAL + 1)


def last_state(folder: Path, *, process: str) -> RunState:
    """Return the state of a driver that has ended.

    :param process: its process, in a few words.
    """
    try:
        status = json.loads((folder / STATUS).read_bytes())
    except FileNotFoundError:
        status = None
    if status is not None and status["returncode"] == 0:
        return RunState(Status.SUCCEEDED)
    if (folder / CANCELLED).exists():
        return RunState(Status.CANCELLED, "cancelled")
    if status is None and (folder / ABANDONED).exists():
        return RunState(Status.LOST, f"{process} has given no sign of life for too long: its machine is gone, or stuck")
    if status is None:
        return RunState(Status.LOST, f"{process} has gone and left no exit status")
    if status["returncode"] == NOT_STARTED and status["reason"]:
        return RunState(Status.FAILED, f"the driver could not be started: {status['reason']}")
    if status["reason"]:
        return RunState(Status.LOST, f"the driver was stopped: {status['reason']}")
    return RunState(Status.FAILED, _why(folder, status["returncode"]))


def sweep(folder: Path) -> None:
    """Kill what is left of a driver's group on this machine, and remove its temporary folder: its supervisor is dead.

    The process id may be another's by now. The driver's own working directory is its folder; a group whose leader has
    gone keeps its number from being used again.
    """
    with contextlib.suppress(OSError, ValueError):
        leader = int((folder / DRIVER).read_text())
        if _is_in(leader, folder):
            os.killpg(leader, signal.SIGKILL)
    with contextlib.suppress(OSError):
        temporary = Path((folder / TEMPORARY).read_text())
        if temporary.name.startswith("lake-"):
            shutil.rmtree(temporary, ignore_errors=True)


def _is_in(pid: int, folder: Path) -> bool:
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd")) == folder.resolve()
    except FileNotFoundError:
        return True  # no such process, or no /proc at all (macOS)


def _why(folder: Path, returncode: int) -> str:
    output = DriverLog(folder / LOG, _SILENT)
    output.follow(final=True)
    cause = cause_of(output.tail)
    if returncode < 0:
        name = signal.Signals(-returncode).name
        hint = " (does the machine have enough memory for driver_memory?)" if name == "SIGKILL" else ""
        return f"the driver was killed by {name}{hint}"
    return f"the driver ended with exit code {returncode}{_signal_of(returncode)}" + (f": {cause}" if cause else "")


def _signal_of(returncode: int) -> str:
    """Name the signal that ended the Python of a driver whose JVM came through: spark-submit reports 128 and more."""
    with contextlib.suppress(ValueError):
        return f" (killed by {signal.Signals(returncode - 128).name})"
    return ""
