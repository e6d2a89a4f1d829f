"""Stands between a worker and its Spark driver, so that the driver never outlives the worker.

A script of its own, run as ``python -I supervisor.py FOLDER PARENT_PID GRACE_SECONDS LIFELINE_FD COMMAND...``; it
imports nothing of the package. The worker holds the write end of a pipe, the lifeline: when the worker dies, even by
SIGKILL, the read end here sees the end of file. A fork of the worker may keep the write end open, so the parent's
process id is watched as well. SIGTERM stops the driver too.

The driver leads a process group of its own, with a temporary folder of its own; both go when it ends. FOLDER gets
``driver.pid`` at the start and ``exit.json`` at the end: ``{"returncode": int, "reason": str}``.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from types import FrameType

PARENT_CHECK_SECONDS = 1.0
PR_SET_CHILD_SUBREAPER = 36
NOT_STARTED = 127
"""The exit status of a driver that could not be started; the shell's own for that."""


def main(arguments: list[str]) -> int:
    """Run the command until it ends, the parent ends, or SIGTERM comes; leave its exit status in the folder."""
    folder, parent, grace, lifeline = arguments[0], int(arguments[1]), float(arguments[2]), int(arguments[3])
    command = arguments[4:]
    reasons: list[str] = []
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        reasons.append(f"it got {signal.Signals(number).name}")
        stop.set()

    def watch_parent() -> None:
        while os.getppid() == parent:
            readable, _, _ = select.select([lifeline], [], [], PARENT_CHECK_SECONDS)
            if readable and not os.read(lifeline, 1):
                break
        reasons.append("the process that started it has ended")
        stop.set()

    # Before the driver is there: a signal that comes early is not lost.
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    adopt_orphans()
    temporary = tempfile.mkdtemp(prefix="lake-")
    try:
        environment = {"SPARK_LOCAL_DIRS": temporary, **os.environ, "TMPDIR": temporary}
        try:
            driver = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, process_group=0)
        except OSError as exc:
            reason = f"{command[0]}: {exc.strerror}"
            leave(folder, "exit.json", json.dumps({"returncode": NOT_STARTED, "reason": reason}))
            return NOT_STARTED
        leave(folder, "driver.pid", str(driver.pid))
        threading.Thread(target=watch_parent, daemon=True).start()
        threading.Thread(target=end_on, args=(stop, driver, grace), daemon=True).start()
        returncode = driver.wait()
        end_group(driver.pid, grace)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    leave(folder, "exit.json", json.dumps({"returncode": returncode, "reason": reasons[0] if reasons else ""}))
    return returncode if returncode >= 0 else 128 - returncode


def end_on(stop: threading.Event, driver: subprocess.Popen[bytes], grace: float) -> None:
    """When ``stop`` is set, ask the driver's group to end; a driver that is left after ``grace`` seconds is killed."""
    stop.wait()
    signal_group(driver.pid, signal.SIGTERM)
    try:
        driver.wait(timeout=grace)
    except subprocess.TimeoutExpired:
        driver.kill()


def end_group(group: int, grace: float) -> None:
    """Give what the driver left behind (its JVM tidies up) ``grace`` seconds to end, then kill it."""
    deadline = time.monotonic() + grace
    number: int = signal.SIGTERM
    while signal_group(group, number) and time.monotonic() < deadline:
        number = 0
        time.sleep(0.05)
        bury_children()
    signal_group(group, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of what the driver leaves behind (Linux): in a container often nobody else would bury it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def bury_children() -> None:
    """Take the exit status of all children that have ended: a zombie would count as alive."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue


def signal_group(group: int, number: int) -> bool:
    """Send a signal to all of a group; ``False`` when nothing of it is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        return False
    return True


def leave(folder: str, name: str, text: str) -> None:
    """Write a small file in one step."""
    path = os.path.join(folder, name)
    with open(f"{path}.part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.part", path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
