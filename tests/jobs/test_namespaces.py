"""One catalog, two prefixes: what a job writes, recovers and tells under each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lake_under_test import Lake, ingest, transform

from airflow_lake_provider.jobs.ledger import ledger_folder, read_ledger
from airflow_lake_provider.protocol import Check, Column, Submissions

pytestmark = pytest.mark.spark

COLUMNS = (Column("id", "int"), Column("price", "double", rule="price > 0"))


@pytest.fixture
def dev(lake: Lake) -> Lake:
    """The same lake with a prefix."""
    found = object.__new__(Lake)
    vars(found).update({**vars(lake), "catalog": replace(lake.catalog, namespace_prefix="dev_")})
    return found


def test_rejected_rows_and_ledgers_of_two_prefixes_never_meet(lake: Lake, dev: Lake, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id,price\n1,5\n2,-1\n3,7\n")
    flights = ingest("bronze.flights", f"{tmp_path}/*.csv", columns=COLUMNS)
    plain, prefixed = lake.table(flights), dev.table(flights)
    for report in (plain, prefixed):
        assert (report.table, report.status) == ("bronze.flights", "published")
        assert (report.rows.rows_applied, report.rows.rows_quarantined) == (2, 1)
        assert report.quarantine_table == "bronze.flights__quarantine"
    assert prefixed.commits[0].table == "bronze.flights"
    assert dev.iceberg("bronze.flights").identifier == f"{lake.catalog.name}.dev_bronze.flights"

    (tmp_path / "2.csv").write_text("id,price\n4,-2\n5,9\n")
    assert dev.table(flights).rows.rows_read == 2
    counts = {
        namespace: (
            lake.rows(f"SELECT count(*) FROM {namespace}.flights")[0][0],
            lake.rows(f"SELECT count(*) FROM {namespace}.flights__quarantine")[0][0],
        )
        for namespace in ("bronze", "dev_bronze")
    }
    assert counts == {"bronze": (2, 1), "dev_bronze": (3, 2)}
    tables = {each: each.iceberg("bronze.flights") for each in (lake, dev)}
    assert [len(read_ledger(table).files) for table in tables.values()] == [1, 2]
    folders = {ledger_folder(each.catalog, table) for each, table in tables.items()}
    assert {folder.split("/_lake_ledger/")[1].split("/")[0] for folder in folders} == {
        "bronze.flights",
        "dev_bronze.flights",
    }


def test_dead_branches_go_from_the_tables_of_their_own_prefix_only(lake: Lake, dev: Lake) -> None:
    one = transform("gold.a", "SELECT 1 AS id")
    for each in (lake, dev):
        each.table(one)
        each.iceberg("gold.a").create_branch("lake_dead")
    dev.table(transform("gold.a", "SELECT 2 AS id"), submissions=Submissions(dead=("dead",)))
    assert lake.iceberg("gold.a").refs() == ["lake_dead", "lake_published", "main"]
    assert dev.iceberg("gold.a").refs() == ["lake_published", "main"]


def test_what_an_earlier_start_published_is_found_under_its_prefix_only(lake: Lake, dev: Lake) -> None:
    request = dev.request(transform("gold.a", "SELECT 1 AS id"), run_id="r")
    published = dev.table(*request.tables, run_id="r").snapshot_id
    told = Submissions(undelivered=(request.request_id,))
    again: dict[str, Any] = {"run_id": "r", "submission": 2, "submissions": told}
    assert lake.table(*request.tables, **again).snapshot_id != published
    assert dev.table(*request.tables, **again).snapshot_id == published


def test_soda_gets_the_tables_of_the_catalog_and_people_their_own_words(lake: Lake, dev: Lake) -> None:
    lake.table(transform("silver.other", "SELECT * FROM range(7)"))
    dev.table(transform("silver.other", "SELECT * FROM range(2)"))
    query = {"fail query": "SELECT * FROM gold.a WHERE id = 1"}
    checks = (
        Check("row_count same as silver.other", sodacl={"row_count same as dev_silver.other": None}),
        Check(
            "failed rows",
            body=query,
            on_fail="warn",
            sodacl={"failed rows": {"fail query": "SELECT * FROM dev_gold.a WHERE id = 1"}},
        ),
    )
    report = dev.table(transform("gold.a", "SELECT id FROM dev_silver.other", inputs=("silver.other",), checks=checks))
    assert report.status == "published"
    # The check saw this run's rows on the branch, under the name in the catalog.
    assert [(check.check, check.outcome, check.value) for check in report.checks] == [
        ("row_count same as silver.other", "pass", 0),
        ("failed rows", "fail", 1),
    ]
    assert report.checks[1].message == "fail query SELECT * FROM gold.a WHERE id = 1"
