"""Lines for whoever waits: what a long job is doing, on stderr."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any, Optional, Type


def say(text: str) -> None:
    """Write one line for the task log."""
    print(f"lake: {text}", file=sys.stderr, flush=True)


class Progress:
    """While it is open, tells every ``interval`` seconds how many tasks of the running stages are done.

    One line each: ``lake-progress: <table> <done>/<total> tasks, <n> active stages``; none while nothing runs.
    """

    def __init__(self, spark: Any, table: str, *, interval: float = 5.0) -> None:
        self._tracker = spark.sparkContext.statusTracker()
        self._table = table
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lake-progress", daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=self._interval)

    def _watch(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                line = self._line()
            except Exception:  # the application ended under us: whoever ended it tells
                return
            if line:
                print(line, file=sys.stderr, flush=True)

    def _line(self) -> Optional[str]:
        stages = [self._tracker.getStageInfo(stage) for stage in self._tracker.getActiveStageIds()]
        active = [stage for stage in stages if stage is not None]
        if not active:
            return None
        done, total = sum(s.numCompletedTasks for s in active), sum(s.numTasks for s in active)
        noun = "stage" if len(active) == 1 else "stages"
        return f"lake-progress: {self._table} {done}/{total} tasks, {len(active)} active {noun}"
