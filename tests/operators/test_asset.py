"""A table as an Airflow asset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from airflow_lake_provider.operators.asset import table_alias, table_asset
from airflow_lake_provider.spec import Project


@pytest.mark.parametrize(
    ("prefix", "name", "uri"),
    [
        ("", "lake.silver.flights", "iceberg://lake/silver/flights"),
        ("dev_", "lake.dev_silver.flights", "iceberg://lake/dev_silver/flights"),
    ],
)
def test_asset_is_named_as_the_table_in_the_catalog(tmp_path: Path, prefix: str, name: str, uri: str) -> None:
    environment = Project(tmp_path).environment()
    environment = replace(environment, catalog=replace(environment.catalog, namespace_prefix=prefix))
    asset = table_asset(environment, "silver.flights")
    assert (asset.name, asset.uri) == (name, uri)
    assert table_alias("silver.flights").name == "lake:silver.flights"
