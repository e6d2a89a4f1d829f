"""Processes that other processes find again: by id and by when they began, for ids are used again."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path


def this_host() -> str:
    """Name the place where process ids mean something: the host and, on Linux, the PID namespace (a container)."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()} {namespace}"


def started_at(pid: int) -> str | None:
    """Return a mark of the moment at which a live process began, ``None`` when there is no such process.

    On Linux these are the clock ticks since boot (``/proc/<pid>/stat``); elsewhere what ``ps`` says, to the second.
    A zombie has ended.

    >>> started_at(os.getpid()) == started_at(os.getpid())
    True
    """
    if Path("/proc/self/stat").exists():
        return _from_proc(pid)
    return _from_ps(pid)


def _from_proc(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command, in parentheses, may hold blanks and parentheses itself; the fields of interest follow the last one.
    fields = text.rpartition(")")[2].split()
    state, ticks = fields[0], fields[19]
    return None if state in "ZX" else ticks


def _from_ps(pid: int) -> str | None:
    done = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, began = done.stdout.strip().partition(" ")
    if done.returncode != 0 or not state or state.startswith("Z"):
        return None
    return began.strip()
