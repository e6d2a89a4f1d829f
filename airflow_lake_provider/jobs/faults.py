"""The named steps of a table's run, and a way to die at one of them.

``LAKE_FAULT=<step>[@<table>][:<n>]`` kills the job with SIGKILL when it reaches the step for the n-th time (default
1). ``docs/explanation/what-a-kill-leaves.md`` says for each step what the next run finds and does; a test walks
through all of them.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Dict

STEPS = (
    "start",  # the request is read, nothing has happened
    "session",  # Spark runs
    "recovered",  # what earlier runs left is settled
    "read",  # the sources are listed and pinned
    "judged",  # the batch is materialised and judged by the contract
    "table-ready",  # the table exists and its schema fits
    "branch-created",
    "quarantine-staged",  # rejected rows lie on a branch of the quarantine table
    "ledger-written",  # the side file of this run exists, nothing names it yet
    "branch-written",  # the data lies on the branch
    "audited",  # the checks have judged the branch
    "published",  # main has moved, the branch is gone
    "quarantine-picked",  # the rejected rows are in the quarantine table's main
    "reported",  # the report of this table is written
    "finished",  # the final report is written, the process has not ended
)

_seen: Dict[str, int] = {}


def reached(step: str, table: str = "") -> None:
    """Log the step, and die here when ``LAKE_FAULT`` says so.

    :raises ValueError: the step is not one of :data:`STEPS`.
    """
    if step not in STEPS:
        raise ValueError(f"unknown step {step!r}")
    print(f"lake: step {step}{' ' + table if table else ''}", file=sys.stderr, flush=True)
    fault = os.environ.get("LAKE_FAULT")
    if not fault:
        return
    place, _, nth = fault.partition(":")
    wanted_step, _, wanted_table = place.partition("@")
    if wanted_step != step or (wanted_table and wanted_table != table):
        return
    _seen[step] = _seen.get(step, 0) + 1
    if _seen[step] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
