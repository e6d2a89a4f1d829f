"""Stands between a worker and its Spark driver: starts it, stops it, tells how it ended, leaves nothing of it behind.

A script of its own, run as ``python -I supervisor.py FOLDER PARENT_PID GRACE_SECONDS BEAT_SECONDS LIFELINE_FD
COMMAND...``; it imports nothing of the package. The worker holds the write end of a pipe, the lifeline.

A driver that its worker waits for never outlives the worker: when that dies, even by SIGKILL, the read end of the
lifeline sees the end of file. A fork of the worker may keep the write end open, so the parent's process id is watched
as well. A *detached* driver (PARENT_PID is 0) goes on without its worker; it begins with the first byte on the
lifeline, which the worker sends when it has written down what finds the driver again.

SIGTERM stops the driver, and so does a file ``cancelled`` or ``abandoned`` in FOLDER, whoever left it there from
whatever machine. The driver leads a process group of its own, with a temporary folder of its own; both go when it
ends. FOLDER gets ``driver.pid`` and ``temporary`` at the start, ``heartbeat`` every BEAT_SECONDS, and ``exit.json`` at
the end: ``{"returncode": int, "reason": str}``.
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
from collections.abc import Callable
from types import FrameType

CHECK_SECONDS = 1.0
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
STOPPED_BY = {
    "cancelled": "it was cancelled",
    "abandoned": "it gave no sign of life for too long and was given up",
}
NOT_STARTED = 127
"""The exit status of a driver that could not be started; the shell's own for that."""


def main(arguments: list[str]) -> int:
    """Run the command until it ends, somebody stops it, or a parent that waits for it ends; leave its exit status."""
    folder, parent, lifeline = arguments[0], int(arguments[1]), int(arguments[4])
    grace, beat = float(arguments[2]), float(arguments[3])
    command = arguments[5:]
    reasons: list[str] = []
    stop = threading.Event()

    def stop_because(reason: str) -> None:
        reasons.append(reason)
        stop.set()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop_because(f"it got {signal.Signals(number).name}")

    # Before the driver is there: a signal that comes early is not lost.
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    if not parent and not os.read(lifeline, 1):
        reason = "the process that started it ended before the driver began"
        leave(folder, "exit.json", json.dumps({"returncode": -signal.SIGTERM, "reason": reason}))
        return 128 + signal.SIGTERM
    adopt_orphans()
    temporary = tempfile.mkdtemp(prefix="lake-")
    leave(folder, "temporary", temporary)
    try:
        environment = {"SPARK_LOCAL_DIRS": temporary, **os.environ, "TMPDIR": temporary}
        try:
            driver = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, env=environment, process_group=0, preexec_fn=die_with_parent
            )
        except OSError as exc:
            reason = f"{command[0]}: {exc.strerror}"
            leave(folder, "exit.json", json.dumps({"returncode": NOT_STARTED, "reason": reason}))
            return NOT_STARTED
        leave(folder, "driver.pid", str(driver.pid))
        threads = [
            threading.Thread(target=watch_folder, args=(folder, stop_because), daemon=True),
            threading.Thread(target=keep_beating, args=(folder, beat), daemon=True),
            threading.Thread(target=end_on, args=(stop, driver, grace), daemon=True),
        ]
        if parent:
            threads.append(threading.Thread(target=watch_parent, args=(parent, lifeline, stop_because), daemon=True))
        for thread in threads:
            thread.start()
        returncode = driver.wait()
        end_group(driver.pid, grace)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    leave(folder, "exit.json", json.dumps({"returncode": returncode, "reason": reasons[0] if reasons else ""}))
    return returncode if returncode >= 0 else 128 - returncode


def watch_parent(parent: int, lifeline: int, stop_because: Callable[[str], None]) -> None:
    """Return, after a word to stop, when the process that waits for the driver has ended."""
    while os.getppid() == parent:
        readable, _, _ = select.select([lifeline], [], [], CHECK_SECONDS)
        if readable and not os.read(lifeline, 1):
            break
    stop_because("the process that started it has ended")


def watch_folder(folder: str, stop_because: Callable[[str], None]) -> None:
    """Return, after a word to stop, when somebody has left a file that asks for it."""
    while True:
        for name, reason in STOPPED_BY.items():
            if os.path.exists(os.path.join(folder, name)):
                stop_because(reason)
                return
        time.sleep(CHECK_SECONDS)


def keep_beating(folder: str, seconds: float) -> None:
    """Change the heartbeat for ever.

    The file is written in place: another machine that opens it sees the new content of the same file at once, where
    NFS may go on showing a replaced one for a minute. A full disk stops no beat.
    """
    path = os.path.join(folder, "heartbeat")
    beats = 0
    while True:
        beats += 1
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.pwrite(descriptor, b"%015d\n" % beats, 0)
            finally:
                os.close(descriptor)
        time.sleep(seconds)


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


def die_with_parent() -> None:
    """Let the kernel kill the driver when this process is killed (Linux): nobody would be left to do it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


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
