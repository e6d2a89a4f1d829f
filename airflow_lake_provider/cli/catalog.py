"""``lake catalog``: how other programs open the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

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
    if found.secrets:
        kept = ", ".join(f"{key} (from {name})" for key, name in found.secrets.items())
        click.echo(f"Not shown, give them to PyIceberg yourself: {kept}", err=True)
    if as_json:
        print_json({"name": found.name, "properties": properties})
        return
    click.echo(found.name)
    if found.namespace_prefix:
        click.echo(f"  the namespace of a layer: {found.namespace('<layer>')}")
    for name, value in properties.items():
        click.echo(f"  {name}: {value}")


def pyiceberg_properties(catalog: Catalog, *, secrets: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what ``pyiceberg.catalog.load_catalog`` needs beside the name.

    PyIceberg does not make the tables of a catalog in a database: its schema lacks a column that Iceberg's Java side
    needs. The first job makes them.

    >>> from airflow_lake_provider.protocol import Catalog
    >>> pyiceberg_properties(Catalog("lake", "sqlite", "file:///lake/warehouse", {"path": "/lake/catalog.db"}))["uri"]
    'sqlite:////lake/catalog.db'

    :param secrets: the values of the catalog's secrets, property by property; by default they are left out.
    :raises LakeError: PyIceberg has no catalog of the type.
    """
    place = {"warehouse": catalog.warehouse} if catalog.warehouse else {}
    own = {key: value for key, value in catalog.properties.items() if key != "path"}
    own.update(secrets or {})
    if catalog.type == "sqlite":
        uri = f"sqlite:///{catalog.properties['path']}"
        return {"type": "sql", "uri": uri, **place, "init_catalog_tables": "false", **own}
    if catalog.type == "jdbc":
        own["uri"] = sql_uri(own)
        own = {key: value for key, value in own.items() if not key.startswith("jdbc.")}
        return {"type": "sql", **place, "init_catalog_tables": "false", **own}
    if catalog.type in _AS_THEY_ARE:
        return {"type": catalog.type, **place, **own}
    raise LakeError(
        f"PyIceberg cannot open a catalog of the type {catalog.type!r}; it can: sqlite, jdbc, "
        f"{', '.join(_AS_THEY_ARE)}. The tables of this one lie in {catalog.warehouse}."
    )


def sql_uri(properties: Mapping[str, str]) -> str:
    """Return SQLAlchemy's URI of a database that a JDBC catalog's properties name.

    The options of a JDBC URI are its driver's own and stay behind, but for the user and ``sslmode``. Without a
    password PostgreSQL's client takes it from where it always does: ``PGPASSWORD``, ``~/.pgpass``.

    >>> sql_uri({"uri": "jdbc:postgresql://db:5432/lake?sslmode=require&ApplicationName=x", "jdbc.user": "me"})
    'postgresql+psycopg2://me@db:5432/lake?sslmode=require'

    :raises LakeError: PyIceberg cannot use the database.
    """
    found = properties.get("uri", "").removeprefix("jdbc:")
    scheme, _, rest = found.partition(":")
    address, _, query = rest.partition("?")
    if scheme == "sqlite":
        return f"sqlite:///{address.removeprefix('file:')}"
    if scheme != "postgresql":
        raise LakeError(
            f"PyIceberg reads a jdbc catalog in PostgreSQL or SQLite; a database of {scheme!r} is neither. Spark and "
            "other programs on Iceberg's Java library can read it."
        )
    options = dict(parse_qsl(query))
    name = properties.get("jdbc.user", options.get("user", ""))
    password = properties.get("jdbc.password", "")
    account = quote(name, safe="") + (f":{quote(password, safe='')}" if password else "") + ("@" if name else "")
    server, _, database = address.removeprefix("//").rpartition("/")
    kept = urlencode({key: value for key, value in options.items() if key == "sslmode"})
    return f"postgresql+psycopg2://{account}{server}/{database}" + (f"?{kept}" if kept else "")
