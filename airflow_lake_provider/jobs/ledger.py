"""What a table has taken in and published: files by version, intervals by fingerprint.

The ledger lies in immutable side files outside the table's location (orphan removal would take them there). Each
commit writes what it adds (a *delta*) and its snapshot summary names the base and the deltas: so the ledger moves with
the data, atomically, and no kill can part them. After :data:`COMPACT_AFTER` deltas the next one is a new base.

A reader takes the newest ancestor of main whose summary has a pointer (maintenance and strangers' commits carry none),
else the snapshot under the tag ``lake_published``, which is never expired.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import uuid
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from airflow_lake_provider.jobs.errors import LedgerLost
from airflow_lake_provider.jobs.iceberg import PUBLISHED_TAG, IcebergTable
from airflow_lake_provider.protocol import Catalog

POINTER = "lake.ledger"
"""The summary key that names the side files."""

SINCE = "lake.ledger-since"
"""The table property that says from which snapshot on (or ``none``) this package keeps a ledger of the table."""

COMPACT_AFTER = 32
_FORMAT = 1


@dataclass(frozen=True)
class Publication:
    """What the ledger remembers of the last publish for one interval."""

    fingerprint: str
    request_id: str
    run_id: str


@dataclass(frozen=True)
class Pointer:
    """Which side files make up a ledger; ``folder`` is where they lie."""

    folder: str
    base: Optional[str] = None
    deltas: Tuple[str, ...] = ()

    def text(self) -> str:
        """Render for a snapshot summary.

        >>> Pointer(folder="f", deltas=("d1",)).text()
        '{"base":null,"deltas":["d1"],"folder":"f"}'
        """
        plain = {"folder": self.folder, "base": self.base, "deltas": list(self.deltas)}
        return json.dumps(plain, separators=(",", ":"), sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> Pointer:
        """Read what :meth:`text` wrote."""
        plain = json.loads(text)
        return cls(folder=plain["folder"], base=plain["base"], deltas=tuple(plain["deltas"]))


@dataclass(frozen=True)
class Ledger:
    """The state of a table's ledger.

    ``files`` maps a path to its version, ``intervals`` an interval's key to its last publish; the key of a run without
    an interval is the empty text.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    intervals: Mapping[str, Publication] = field(default_factory=dict)
    pointer: Optional[Pointer] = None


def ledger_folder(catalog: Catalog, table: IcebergTable) -> str:
    """Return where the side files of a table lie: in the warehouse, beside all tables.

    A catalog with a server may know the warehouse by a name, or need none: then beside the table's own folder.
    """
    is_place = catalog.warehouse.startswith("/") or ":/" in catalog.warehouse
    root = catalog.warehouse if is_place else table.location.rstrip("/").rpartition("/")[0]
    return f"{root.rstrip('/')}/_lake_ledger/{catalog.name_of(table.name)}/{table.uuid}"


def read_ledger(table: IcebergTable) -> Ledger:
    """Load the ledger that belongs to main as it is now.

    :raises LedgerLost: the table was published by this package, and the pointer or a side file is gone.
    """
    pointer = _find_pointer(table)
    if pointer is None:
        return Ledger()
    files: Dict[str, str] = {}
    intervals: Dict[str, Publication] = {}
    for name in ([pointer.base] if pointer.base else []) + list(pointer.deltas):
        plain = _read_side_file(table, f"{pointer.folder}/{name}")
        files.update(plain["files"])
        intervals.update({key: Publication(*value) for key, value in plain["intervals"].items()})
    return Ledger(files=files, intervals=intervals, pointer=pointer)


def write_delta(
    table: IcebergTable,
    *,
    folder: str,
    ledger: Ledger,
    files: Mapping[str, str],
    interval: str,
    publication: Publication,
    start_anew: bool = False,
) -> Pointer:
    """Write what this commit adds and return the pointer that its summary must carry.

    :param folder: where a new ledger begins, or a compacted one.
    :param start_anew: forget what was there (a full refresh).
    """
    delta = {"files": dict(files), "intervals": {interval: publication}}
    before = None if start_anew else ledger.pointer
    if before is not None and len(before.deltas) + 1 < COMPACT_AFTER:
        # A pointer names one folder, so a delta stays beside the others where the catalog's warehouse has moved since.
        name = _write_side_file(table, before.folder, "delta", delta)
        return Pointer(folder=before.folder, base=before.base, deltas=(*before.deltas, name))
    if before is None:
        name = _write_side_file(table, folder, "delta", delta)
        return Pointer(folder=folder, base=None, deltas=(name,))
    whole = {
        "files": {**ledger.files, **files},
        "intervals": {**ledger.intervals, interval: publication},
    }
    return Pointer(folder=folder, base=_write_side_file(table, folder, "base", whole))


def fingerprint(parts: Mapping[str, Any]) -> str:
    """Hash what decides a run's outcome: rendered spec, code, file versions, source snapshots.

    >>> fingerprint({"spec": "a", "inputs": {"b": 1}}) == fingerprint({"inputs": {"b": 1}, "spec": "a"})
    True
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _find_pointer(table: IcebergTable) -> Optional[Pointer]:
    head = table.head()
    candidates: Iterable[Optional[int]] = (*table.ancestors(head), table.head(PUBLISHED_TAG))
    for snapshot_id in candidates:
        text = None if snapshot_id is None else table.summary(snapshot_id).get(POINTER)
        if text:
            return Pointer.parse(text)
    since = table.properties.get(SINCE)
    if head is None or since is None or since == str(head) or _was_never_published(table, head, since):
        return None
    raise LedgerLost(
        f"{table.name} was published by this package, but no snapshot of it names a ledger any more (main is at "
        f"snapshot {head}). Reading its sources again would add rows twice. Restore a snapshot that has the summary "
        f"key '{POINTER}' (the tag {PUBLISHED_TAG} keeps one), or rebuild the table with --full-refresh."
    )


def _was_never_published(table: IcebergTable, head: int, since: str) -> bool:
    """Whether main shows all that it has been since then, and none of it is ours: a first run that failed, then others.

    Where snapshots have expired nobody can tell, so the answer is no.
    """
    shown = list(table.ancestors(head))
    is_whole = since in map(str, shown) or table.parent(shown[-1]) is None
    return is_whole and all(table.has_snapshot(i) and POINTER not in table.summary(i) for i in table.main_history())


def _read_side_file(table: IcebergTable, location: str) -> Dict[str, Any]:
    try:
        plain = json.loads(gzip.decompress(table.read_file(location)))
        intervals: Dict[str, List[str]] = plain["intervals"]
        return {"files": plain["files"], "intervals": intervals}
    except Exception as exc:
        raise LedgerLost(
            f"{table.name}: the ledger file {location} cannot be read ({type(exc).__name__}). Without it nobody knows "
            "which files the table holds, and reading them again would add rows twice. Restore the file, or rebuild "
            "the table with --full-refresh."
        ) from exc


def _write_side_file(table: IcebergTable, folder: str, kind: str, content: Mapping[str, Any]) -> str:
    name = f"{kind}-{uuid.uuid4().hex}.json.gz"
    intervals = {key: [p.fingerprint, p.request_id, p.run_id] for key, p in content["intervals"].items()}
    text = json.dumps({"format": _FORMAT, "files": content["files"], "intervals": intervals}, separators=(",", ":"))
    table.write_file(f"{folder}/{name}", gzip.compress(text.encode("utf-8"), compresslevel=5, mtime=0))
    return name
