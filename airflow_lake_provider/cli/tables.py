"""``lake tables``: what is published."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from airflow_lake_provider.cli.catalog import pyiceberg_properties
from airflow_lake_provider.cli.options import (
    environment_option,
    examples,
    json_option,
    print_json,
    project_option,
    readable_path,
)
from airflow_lake_provider.exceptions import LakeError
from airflow_lake_provider.protocol.secrets import missing_secrets

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.typedef import Identifier

    from airflow_lake_provider.protocol import Catalog

# The first job makes the tables of a catalog in a database: as PostgreSQL and SQLite say that it has not.
_NO_TABLE_YET = re.compile(r'"iceberg_\w+" does not exist|no such table: iceberg_\w+')


@click.command(
    short_help="Show the published tables with rows, files and snapshots.",
    epilog=examples("lake tables", "lake tables dag_specs/orders.yaml --json"),
)
@click.argument("spec", required=False, type=click.Path(path_type=Path), callback=readable_path)
@environment_option
@project_option
@json_option
def tables(spec: Path | None, environment: str | None, project_folder: Path | None, as_json: bool) -> None:
    """Show all tables of the environment's catalog, or those of SPEC that exist, by Iceberg's own counts."""
    from airflow_lake_provider.plan import plan_pipeline
    from airflow_lake_provider.spec import load_project

    if spec is None or spec.is_dir():
        project = load_project(project_folder or spec or Path.cwd())
        catalog, names = project.environment(environment).catalog, None
    else:
        known = load_project(project_folder) if project_folder is not None else None
        plan = plan_pipeline(spec, project=known, environment=environment)
        catalog, names = plan.environment.catalog, {table.table for table in plan.tables}
    entries = [entry for entry in table_entries(catalog) if names is None or entry["table"] in names]
    if as_json:
        print_json(entries)
        return
    if not entries:
        among = f" in namespaces that begin with {catalog.namespace_prefix!r}" if catalog.namespace_prefix else ""
        click.echo(f"The catalog {catalog.name!r} has no tables yet{among}.", err=True)
        return
    _print(entries)


def table_entries(catalog: Catalog) -> list[dict[str, Any]]:
    """Return one entry per table of a catalog, sorted by name; none where the first job has yet to make the catalog.

    With a namespace prefix these are the tables in namespaces that begin with it, by the names that specs use.
    Counts are those of the current snapshot's summary, ``None`` where it has none.

    :raises LakeError: the catalog, or a table in it, cannot be read.
    """
    if catalog.type == "sqlite" and not Path(catalog.properties["path"]).exists():
        return []
    missing = missing_secrets(catalog.secrets, os.environ)
    if missing:
        raise LakeError(
            f"The catalog {catalog.name!r} needs {', '.join(sorted(catalog.secrets))}; set {', '.join(missing)}"
        )
    properties = pyiceberg_properties(catalog, secrets={key: os.environ[name] for key, name in catalog.secrets.items()})
    try:
        entries = [_entry(name, table) for name, table in _loaded(catalog, properties)]
    except Exception as exc:  # each catalog has its own client with its own errors
        if catalog.type == "jdbc" and _NO_TABLE_YET.search(str(exc)):
            return []
        place = catalog.properties.get("path") or catalog.properties.get("uri") or catalog.warehouse or catalog.type
        why = str(exc).strip().splitlines()
        raise LakeError(
            f"The catalog {catalog.name!r} ({place}) cannot be read: {why[0] if why else exc.__class__.__name__}"
        ) from exc
    return sorted(entries, key=lambda entry: str(entry["table"]))


def _loaded(catalog: Catalog, properties: Mapping[str, str]) -> Iterator[tuple[str, Table]]:
    # It warns of each way to read files that is not installed, and takes the next.
    logging.getLogger("pyiceberg.io").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyiceberg.exceptions import NoSuchTableError

        # Airflow 2.11 and 3.0 keep SQLAlchemy 1.4, with which PyIceberg cannot open a database.
        found = _in_sqlite(catalog, properties) if catalog.type == "sqlite" else _in_catalog(catalog, properties)
        for identifier, load in found:
            try:
                yield ".".join(identifier).removeprefix(catalog.namespace_prefix), load()
            except NoSuchTableError:  # dropped in this moment, or no Iceberg table
                continue


def _in_catalog(catalog: Catalog, properties: Mapping[str, str]) -> Iterator[tuple[Identifier, Callable[[], Table]]]:
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import NotInstalledError

    try:
        opened = load_catalog(catalog.name, **properties)
    except NotInstalledError as exc:
        if catalog.type != "jdbc":
            raise
        raise LakeError(
            f"PyIceberg reads a jdbc catalog by SQLAlchemy 2; here is {version('sqlalchemy')}, which Airflow 2.11 and "
            "3.0 need. Run this command where a newer Airflow is installed, or ask Spark"
        ) from exc
    for namespace in opened.list_namespaces():
        if not namespace[0].startswith(catalog.namespace_prefix):
            continue
        for identifier in opened.list_tables(namespace):
            yield identifier, partial(opened.load_table, identifier)


def _in_sqlite(catalog: Catalog, properties: Mapping[str, str]) -> Iterator[tuple[Identifier, Callable[[], Table]]]:
    from pyiceberg.table import StaticTable

    # Writable, for a killed writer's journal has to be rolled back; never created.
    place = f"{Path(catalog.properties['path']).absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(place, uri=True)) as database:
        database.row_factory = sqlite3.Row
        rows = database.execute("SELECT * FROM iceberg_tables WHERE catalog_name = ?", (catalog.name,)).fetchall()
    for row in rows:
        is_view = "iceberg_type" in row.keys() and row["iceberg_type"] == "VIEW"  # noqa: SIM118 - of values otherwise
        if row["table_namespace"].startswith(catalog.namespace_prefix) and not is_view:
            load = partial(StaticTable.from_metadata, row["metadata_location"], dict(properties))
            yield (row["table_namespace"], row["table_name"]), load


def _entry(name: str, table: Table) -> dict[str, Any]:
    snapshot = table.current_snapshot()
    summary = snapshot.summary if snapshot is not None else None

    def count(key: str) -> int | None:
        value = summary[key] if summary is not None and key in summary.additional_properties else None
        return int(value) if value is not None else None

    updated = (
        datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds")
        if snapshot is not None
        else None
    )
    return {
        "table": name,
        "rows": count("total-records"),
        "files": count("total-data-files"),
        "bytes": count("total-files-size"),
        "snapshot_id": snapshot.snapshot_id if snapshot is not None else None,
        "updated_at": updated,
        "location": table.location(),
    }


def _print(entries: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table as Grid

    grid = Grid(box=None, padding=(0, 2, 0, 0))
    grid.add_column("table")
    for heading in ("rows", "files", "bytes", "snapshot", "updated"):
        grid.add_column(heading, justify="right")
    for entry in entries:
        counts = ["" if entry[key] is None else f"{entry[key]:,}" for key in ("rows", "files", "bytes")]
        updated = (entry["updated_at"] or "")[:19].replace("T", " ")
        grid.add_row(entry["table"], *counts, str(entry["snapshot_id"] or ""), updated)
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)  # nothing may be cut where a program reads
    console.print(grid)
