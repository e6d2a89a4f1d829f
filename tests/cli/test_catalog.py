from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.cli.catalog import pyiceberg_properties
from airflow_lake_provider.exceptions import LakeError
from airflow_lake_provider.protocol import Catalog

Lake = Callable[..., Any]


def test_properties_are_ready_for_pyiceberg(lake: Lake, project: Path) -> None:
    assert lake("catalog", "--project", project, "--json").document == {
        "name": "lake",
        "properties": {
            "type": "sql",
            "uri": f"sqlite:///{project}/.lake/catalog.db",
            "warehouse": f"file://{project}/.lake/warehouse",
            "init_catalog_tables": "false",
        },
    }


def test_looking_creates_nothing(lake: Lake, project: Path) -> None:
    lake("catalog", "--project", project)
    lake("tables", project)
    assert not (project / ".lake").exists()


def test_home_of_the_state_can_be_moved(
    lake: Lake, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "elsewhere"))
    found = lake("catalog", "--project", project, "--json").document["properties"]
    assert found["uri"] == f"sqlite:///{tmp_path}/elsewhere/catalog.db"


def test_other_catalogs_pass_as_they_are() -> None:
    catalog = Catalog("lake", "rest", "s3://lake/warehouse", {"uri": "https://catalog.example"})
    assert pyiceberg_properties(catalog) == {
        "type": "rest",
        "warehouse": "s3://lake/warehouse",
        "uri": "https://catalog.example",
    }


def test_other_catalogs_need_no_warehouse() -> None:
    catalog = Catalog("lake", "rest", "", {"uri": "https://catalog.example"}, secrets={"token": "LAKE_TOKEN"})
    assert pyiceberg_properties(catalog) == {"type": "rest", "uri": "https://catalog.example"}
    assert pyiceberg_properties(catalog, secrets={"token": "abc"})["token"] == "abc"


@pytest.mark.parametrize(
    ("properties", "uri"),
    [
        ({"uri": "jdbc:postgresql://db:5432/lake"}, "postgresql+psycopg2://db:5432/lake"),
        ({"uri": "jdbc:postgresql://db/lake", "jdbc.user": "m@e"}, "postgresql+psycopg2://m%40e@db/lake"),
        (
            {"uri": "jdbc:postgresql://db/lake?user=me&sslmode=require&ApplicationName=x"},
            "postgresql+psycopg2://me@db/lake?sslmode=require",
        ),
        (
            {"uri": "jdbc:postgresql://db/lake", "jdbc.user": "me", "jdbc.password": "a:b/@"},
            "postgresql+psycopg2://me:a%3Ab%2F%40@db/lake",
        ),
        ({"uri": "jdbc:sqlite:/data/catalog.db?busy_timeout=1"}, "sqlite:////data/catalog.db"),
    ],
)
def test_jdbc_is_what_pyiceberg_calls_sql(properties: dict[str, str], uri: str) -> None:
    assert pyiceberg_properties(Catalog("lake", "jdbc", "s3://lake/w", {**properties, "s3.endpoint": "http://s3"})) == {
        "type": "sql",
        "warehouse": "s3://lake/w",
        "init_catalog_tables": "false",
        "uri": uri,
        "s3.endpoint": "http://s3",
    }


def test_database_that_pyiceberg_lacks_is_named() -> None:
    with pytest.raises(LakeError, match=r"in PostgreSQL or SQLite; a database of 'mysql' is neither"):
        pyiceberg_properties(Catalog("lake", "jdbc", "s3://lake/w", {"uri": "jdbc:mysql://db/lake"}))


def test_catalog_that_pyiceberg_lacks_is_named() -> None:
    with pytest.raises(LakeError, match=r"PyIceberg cannot open a catalog of the type 'hadoop'.*lie in file:///w"):
        pyiceberg_properties(Catalog("lake", "hadoop", "file:///w"))


def test_person_sees_name_and_properties(lake: Lake, project: Path) -> None:
    lines = lake("catalog", "--project", project).out.splitlines()
    assert lines[:2] == ["lake", "  type: sql"]


SHARED = """\
environments:
  shared:
    namespace_prefix: dev_
    env: [LAKE_TOKEN]
    catalog: {type: rest, uri: "http://127.0.0.1:1/none", token: "${env.LAKE_TOKEN}"}
"""


def test_secret_is_left_out_and_named(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lake.yaml").write_text(SHARED)
    monkeypatch.setenv("LAKE_TOKEN", "s3cret")
    result = lake("catalog", "--project", tmp_path, "--env", "shared", "--json")
    properties = {"type": "rest", "uri": "http://127.0.0.1:1/none"}
    assert result.document == {"name": "lake", "properties": properties}
    assert "token (from LAKE_TOKEN)" in result.err
    person = lake("catalog", "--project", tmp_path, "--env", "shared")
    assert "the namespace of a layer: dev_<layer>" in person.out
    assert "s3cret" not in result.out + result.err + person.out + person.err


def test_tables_need_the_secret_here(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lake.yaml").write_text(SHARED)
    monkeypatch.delenv("LAKE_TOKEN", raising=False)
    result = lake("tables", "--project", tmp_path, "--env", "shared")
    assert result.exit_code == 1
    assert "needs token; set LAKE_TOKEN" in result.err
