"""What the demo published, read back as anybody would: by `lake tables`, `lake catalog` and PyIceberg."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from project import SPEC, command
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.table import Table as IcebergTable
from rich import box
from rich.console import Console
from rich.table import Table

QUARANTINE = "__quarantine"


def open_catalog(env: Mapping[str, str]) -> Catalog:
    """Return the demo's catalog as PyIceberg sees it."""
    found = json.loads(command(["lake", "catalog", "--project", str(SPEC.parent), "--json"], env=env))
    return load_catalog(found["name"], **found["properties"])


def published(table: IcebergTable) -> list[tuple[int, int]]:
    """Return (snapshot id, rows then) of the snapshots on main, the oldest first."""
    history = []
    snapshot = table.current_snapshot()
    while snapshot is not None:
        rows = snapshot.summary["total-records"] if snapshot.summary else None
        history.append((snapshot.snapshot_id, int(rows or 0)))
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None
    return history[::-1]


def growth(table: IcebergTable) -> list[int]:
    """Return the table's rows after each publish, the oldest first; what was published without rows is left out."""
    counts = [rows for _, rows in published(table)]
    return [rows for n, rows in enumerate(counts) if rows and (n == 0 or rows != counts[n - 1])]


def print_summary(env: Mapping[str, str], results: Mapping[str, Mapping[str, Any]], *, console: Console) -> None:
    """Print the tables, their growth, what was set aside, and how the newest run's checks went.

    :param results: what the newest task of each table gave back, by the table's name.
    """
    tables = json.loads(command(["lake", "tables", "--project", str(SPEC.parent), "--json"], env=env))
    rows = {entry["table"]: entry["rows"] for entry in tables}
    catalog = open_catalog(env)
    shown = Table("table", title="\nPublished", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    shown.add_column("rows", justify="right")
    shown.add_column("after each publish")
    shown.add_column("set aside", justify="right")
    shown.add_column("checks", justify="right")
    for name in results:
        loaded = catalog.load_table(name)
        aside = rows.get(name + QUARANTINE)
        shown.add_row(
            name,
            f"{rows[name]:,}",
            " → ".join(f"{count:,}" for count in growth(loaded)),
            f"{aside:,}" if aside else "",
            passed(results[name]["checks"]),
        )
    console.print(shown)


def passed(checks: Sequence[Mapping[str, Any]]) -> str:
    """Say how many checks passed; nothing where there are none.

    >>> passed([{"outcome": "pass"}, {"outcome": "fail"}])
    '1/2'
    """
    return f"{sum(check['outcome'] == 'pass' for check in checks)}/{len(checks)}" if checks else ""
