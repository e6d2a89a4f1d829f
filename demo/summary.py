"""What the demo published, read back as anybody would: by `lake tables`, `lake catalog` and PyIceberg."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from project import ROOT, SPEC, command
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.table import Table as IcebergTable
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


def print_summary(env: Mapping[str, str], *, console: Console) -> None:
    """Print the tables, their growth from snapshot to snapshot, and what was set aside."""
    tables = json.loads(command(["lake", "tables", str(SPEC), "--json"], env=env))
    catalog = open_catalog(env)
    shown = Table("table", title="\nPublished", title_justify="left", title_style="bold", header_style="bold")
    for column in ("rows", "files", "bytes", "quarantined"):
        shown.add_column(column, justify="right")
    shown.add_column("rows after each snapshot")
    names = {f"{'.'.join(name)}" for layer in catalog.list_namespaces() for name in catalog.list_tables(layer)}
    for entry in sorted(tables, key=lambda entry: str(entry["table"])):
        name = entry["table"]
        if name.endswith(QUARANTINE):
            continue
        aside = catalog.load_table(name + QUARANTINE) if name + QUARANTINE in names else None
        growth = [rows for _, rows in published(catalog.load_table(name))]
        shown.add_row(
            name,
            f"{entry['rows']:,}",
            str(entry["files"]),
            f"{entry['bytes']:,}",
            f"{aside.scan().count():,}" if aside else "",
            " → ".join(f"{rows:,}" for rows in growth),
        )
    console.print(shown)
    relative = SPEC.relative_to(ROOT)
    now = datetime.now(UTC).strftime("%H:%M UTC")
    console.print(f"{relative} made these tables ({now}). Look around: [bold]make airflow[/]")
