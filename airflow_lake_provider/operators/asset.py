"""A table as an Airflow asset."""

from __future__ import annotations

from airflow_lake_provider.compat import Asset, AssetAlias, make_asset
from airflow_lake_provider.spec import Environment


def table_asset(environment: Environment, table: str) -> Asset:
    """Return the asset of ``layer.name``: its name is the table's name in the catalog, its URI the same as a path."""
    identifier = environment.catalog.identifier(table)
    return make_asset(name=identifier, uri="iceberg://" + identifier.replace(".", "/"))


def table_alias(table: str) -> AssetAlias:
    """Return the outlet of the task that writes ``layer.name``; it stands for the asset once there is a snapshot."""
    return AssetAlias(f"lake:{table}")
