"""``lake catalog``: how other programs open the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from airflow_lake_provider.cli.options import environment_option, examples, json_option, print_json, project_option
from airflow_lake_provider.exceptions import LakeError

if TYPE_CHECKING:
    from airflow_lake_provider.protocol import Catalog

_AS_THEY_ARE = ("glue", "hive", "rest")


@click.command(
    short_help="Show how PyIceberg opens the catalog.",
    epilog=examples(
        "import json, subprocess",
        "from pyiceberg.catalog import load_catalog",
        'found = json.loads(subprocess.check_output(["lake", "catalog", "--json"]))',
        'load_catalog(found["name"], **found["properties"]).list_namespaces()',
    ),
)
@environment_option
@project_option
@json_option
def catalog(environment: str | None, project_folder: Path | None, as_json: bool) -> None:
    """Show the name and properties with which PyIceberg opens the environment's catalog."""
    from airflow_lake_provider.spec import load_project

    project = load_project(project_folder or Path.cwd())
    found = project.environment(environment).catalog
    properties = pyiceberg_properties(found)
    if as_json:
        print_json({"name": found.name, "properties": properties})
        return
    click.echo(found.name)
    if found.namespace_prefix:
        click.echo(f"  the namespace of a layer: {found.namespace('<layer>')}")
    for name, value in properties.items():
        click.echo(f"  {name}: {value}")


def pyiceberg_properties(catalog: Catalog) -> dict[str, str]:
    """Return what ``pyiceberg.catalog.load_catalog`` needs beside the name.

    PyIceberg does not make the tables of the embedded catalog: its schema lacks a column that Iceberg's Java side
    needs. The first job makes them.

    >>> from airflow_lake_provider.protocol import Catalog
    >>> pyiceberg_properties(Catalog("lake", "sqlite", "file:///lake/warehouse", {"path": "/lake/catalog.db"}))["uri"]
    'sqlite:////lake/catalog.db'

    :raises LakeError: PyIceberg has no catalog of the type.
    """
    if catalog.type == "sqlite":
        own = {key: value for key, value in catalog.properties.items() if key != "path"}
        return {
            "type": "sql",
            "uri": f"sqlite:///{catalog.properties['path']}",
            "warehouse": catalog.warehouse,
            "init_catalog_tables": "false",
            **own,
        }
    if catalog.type in _AS_THEY_ARE:
        return {"type": catalog.type, "warehouse": catalog.warehouse, **catalog.properties}
    raise LakeError(
        f"PyIceberg cannot open a catalog of the type {catalog.type!r}; it can: sqlite, {', '.join(_AS_THEY_ARE)}. "
        f"The tables of this one lie in {catalog.warehouse}."
    )
