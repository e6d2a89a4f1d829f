"""Waiting for something to become true, with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(
    condition: Callable[[], Found | None], *, seconds: float, what: str | Callable[[], str], poll: float = 0.3
) -> Found:
    """Return what ``condition`` gives as soon as it is true.

    :param what: what is waited for, said when it does not come; a function is asked only then.
    :raises AssertionError: it did not come true in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what() if callable(what) else what}")
        time.sleep(poll)
