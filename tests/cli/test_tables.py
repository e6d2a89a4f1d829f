from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow
import pytest

Lake = Callable[..., Any]


@pytest.fixture
def filled(lake: Lake, project: Path) -> Path:
    """The sample project with two tables in its catalog, one without a snapshot."""
    from pyiceberg.catalog import load_catalog

    found = lake("catalog", "--project", project, "--json").document
    (project / ".lake").mkdir()
    catalog = load_catalog(found["name"], **{**found["properties"], "init_catalog_tables": "true"})
    rows = pyarrow.table({"id": [1, 2, 3]})
    for namespace in ("silver", "gold"):
        catalog.create_namespace(namespace)
    catalog.create_table("silver.orders", schema=rows.schema).append(rows)
    catalog.create_table("gold.none", schema=rows.schema)
    return project


def test_catalog_that_is_not_there_has_no_tables(lake: Lake, project: Path) -> None:
    result = lake("tables", project, "--json")
    assert (result.exit_code, result.document) == (0, [])
    assert "has no tables yet" in lake("tables", project).err


def test_database_without_a_catalog_has_no_tables(lake: Lake, tmp_path: Path) -> None:
    keys = f"{{type: jdbc, uri: 'jdbc:sqlite:{tmp_path}/catalog.db', warehouse: {tmp_path}/warehouse}}"
    (tmp_path / "lake.yaml").write_text(f"environments: {{local: {{catalog: {keys}}}}}")
    result = lake("tables", tmp_path, "--json")
    assert (result.exit_code, result.document) == (0, [])


def test_entry_has_iceberg_s_own_counts(lake: Lake, filled: Path) -> None:
    entries = lake("tables", filled, "--json").document
    assert [entry["table"] for entry in entries] == ["gold.none", "silver.orders"]
    orders = entries[1]
    assert list(orders) == ["table", "rows", "files", "bytes", "snapshot_id", "updated_at", "location"]
    assert (orders["rows"], orders["files"]) == (3, 1)
    files = list((filled / ".lake" / "warehouse").rglob("*.parquet"))
    assert orders["bytes"] == sum(path.stat().st_size for path in files)
    assert orders["snapshot_id"] > 0
    assert datetime.fromisoformat(orders["updated_at"]).utcoffset() is not None
    assert orders["location"].endswith("silver/orders")


def test_table_without_a_snapshot_has_no_invented_zeros(lake: Lake, filled: Path) -> None:
    entry = lake("tables", filled, "--json").document[0]
    assert [entry[key] for key in ("rows", "files", "bytes", "snapshot_id", "updated_at")] == [None] * 5


def test_spec_narrows_to_its_own_tables(lake: Lake, filled: Path) -> None:
    entries = lake("tables", filled / "dag_specs" / "orders.yaml", "--json").document
    assert [entry["table"] for entry in entries] == ["silver.orders"]


def test_person_sees_whole_names_and_ids(lake: Lake, filled: Path) -> None:
    entry = lake("tables", filled, "--json").document[1]
    line = next(line for line in lake("tables", filled).out.splitlines() if line.startswith("silver.orders"))
    assert line.split()[1:3] == ["3", "1"]
    assert str(entry["snapshot_id"]) in line


def test_catalog_that_is_broken_is_an_error_in_a_sentence(lake: Lake, project: Path) -> None:
    (project / ".lake").mkdir()
    sqlite3.connect(project / ".lake" / "catalog.db").execute("CREATE TABLE other (a int)")
    result = lake("tables", project)
    assert result.exit_code == 1
    assert "catalog.db" in result.err
    assert "Traceback" not in result.err


def _forbid_sqlalchemy_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyIceberg's catalog in a database cannot be imported, as with the SQLAlchemy 1.4 of Airflow 2.11 and 3.0."""
    monkeypatch.setitem(sys.modules, "pyiceberg.catalog.sql", None)


def test_embedded_catalog_needs_no_sqlalchemy_2(lake: Lake, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _forbid_sqlalchemy_2(monkeypatch)
    entries = lake("tables", filled, "--json").document
    assert [(entry["table"], entry["rows"]) for entry in entries] == [("gold.none", None), ("silver.orders", 3)]


def test_catalog_in_another_database_says_that_it_needs_sqlalchemy_2(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _forbid_sqlalchemy_2(monkeypatch)
    keys = f"{{type: jdbc, uri: 'jdbc:postgresql://127.0.0.1:1/lake', warehouse: {tmp_path}/warehouse}}"
    (tmp_path / "lake.yaml").write_text(f"environments: {{local: {{catalog: {keys}}}}}")
    result = lake("tables", tmp_path, "--json")
    assert result.exit_code == 1
    assert "PyIceberg reads a jdbc catalog by SQLAlchemy 2; here is" in result.err
    assert "Airflow 2.11 and 3.0" in result.err


def test_view_and_another_catalog_of_the_database_are_no_tables_of_this_one(lake: Lake, filled: Path) -> None:
    with sqlite3.connect(filled / ".lake" / "catalog.db") as database:
        for statement in (
            "ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)",
            "UPDATE iceberg_tables SET iceberg_type = 'TABLE'",
            "INSERT INTO iceberg_tables SELECT catalog_name, 'gold', 'seen', metadata_location, NULL, 'VIEW'"
            " FROM iceberg_tables WHERE table_name = 'orders'",
            "INSERT INTO iceberg_tables SELECT 'other', table_namespace, table_name, metadata_location, NULL, 'TABLE'"
            " FROM iceberg_tables WHERE table_name = 'none'",
        ):
            database.execute(statement)
    assert [entry["table"] for entry in lake("tables", filled, "--json").document] == ["gold.none", "silver.orders"]
