"""What must hold when all runs have ended well, whatever was killed on the way."""

from __future__ import annotations

import fcntl
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
from raw_flights import EXPECTED, assert_published, raw_files
from stack import JobFolders, Stack, Tables

from chaos.project import DAG_ID
from chaos.victims import at_work

QUARANTINE = "silver.flights__quarantine"


def assert_settled(stack: Stack, project: Path, days: Sequence[str]) -> None:
    """See that nothing tells this lake from one where nobody was killed.

    :raises AssertionError: with all that is wrong.
    """
    wrong = [problem for look in LOOKS for problem in look(stack, project, days)]
    assert not wrong, "\n".join(wrong)


def _content(stack: Stack, project: Path, days: Sequence[str]) -> Iterator[str]:
    tables = Tables(project)
    with tempfile.TemporaryDirectory() as folder:
        raw = raw_files(Path(folder), days)
        for name in EXPECTED:
            table = tables.table(name)
            if table is None:
                yield f"{name} is not there"
                continue
            rows = table.scan().to_arrow()
            try:
                assert_published(name, rows, raw)
            except AssertionError as exc:
                wanted = len(raw.execute(EXPECTED[name][0]).fetchall())
                yield f"{name} is not what the raw files say ({rows.num_rows} rows, expected {wanted}) {exc}"[:500]
        yield from _quarantine(tables, raw.execute(NEVER_LEFT).fetchall())


NEVER_LEFT = "SELECT carrier, flight::int, origin, time_hour FROM raw_flights WHERE dep_time IS NULL"


def _quarantine(tables: Tables, expected: Sequence[tuple[object, ...]]) -> Iterator[str]:
    """Compare the rejected flights, each of which must be there once."""
    raw = [json.loads(row["_raw"]) for row in tables.rows(QUARANTINE)]
    found = Counter((row["carrier"], int(row["flight"]), row["origin"]) for row in raw)
    wanted = Counter(tuple(row[:3]) for row in expected)
    if found != wanted:
        yield f"{QUARANTINE}: too many {dict(found - wanted)}, missing {dict(wanted - found)}"


def _refs(stack: Stack, project: Path, days: Sequence[str]) -> Iterator[str]:
    tables = Tables(project)
    for name in (*EXPECTED, *(f"{table}__quarantine" for table in EXPECTED)):
        left = set(tables.refs(name)) - {"main", "lake_published"}
        if left:
            yield f"{name} still has {sorted(left)}"


def _processes(stack: Stack, project: Path, days: Sequence[str]) -> Iterator[str]:
    for process in at_work(stack):
        yield f"process {process.pid} is alive: {_command(process)}"


def _locks(stack: Stack, project: Path, days: Sequence[str]) -> Iterator[str]:
    for path in stack.home.rglob("*lock"):
        if path.is_file():
            with path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    yield f"{path} is held by somebody"


def _temporary(stack: Stack, project: Path, days: Sequence[str]) -> Iterator[str]:
    """Ours begin with ``lake-``, Spark's with ``spark`` or ``blockmgr``; half-written documents with a dot."""
    for path in (stack.home / "tmp").iterdir():
        if path.name.startswith(("lake-", "spark", "blockmgr", "tmp")) and path.is_dir():
            yield f"{path} is left: {[entry.name for entry in path.iterdir()][:5]}"


def _open_starts(stack: Stack, project: Path, days: Sequence[str]) -> Iterator[str]:
    root = project / ".lake" / "jobs"
    starts = {start.request_id: start for start in JobFolders(root).starts(DAG_ID)}
    for path in sorted((root / DAG_ID / "~open").rglob("*.json")):
        start = starts.get(path.stem)
        name = f"{start.run_id}/{start.task_id}/{start.name}" if start is not None else path.stem
        yield f"the start {name} is in the index of open ones, though good ones came after it"


LOOKS = (_content, _refs, _processes, _locks, _temporary, _open_starts)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:200]
    except psutil.Error:
        return "gone meanwhile"
