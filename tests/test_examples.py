"""The example projects, run from their files to published tables."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.cli.catalog import pyiceberg_properties
from airflow_lake_provider.plan import PipelinePlan, plan_pipeline, plan_project
from airflow_lake_provider.runs import run_pipeline

SHOP = Path(__file__).resolve().parent.parent / "examples" / "shop"


def test_the_shops_specs_are_right_in_each_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_BUCKET", "shop")
    for environment in ("dev", "prod"):
        plans, found = plan_project(SHOP / "specs", environment=environment)
        assert ([plan.pipeline for plan in plans], found) == (["orders", "report"], ())


def rows(plan: PipelinePlan, table: str, *columns: str) -> list[tuple[Any, ...]]:
    from pyiceberg.catalog import load_catalog

    catalog = plan.environment.catalog
    opened = load_catalog(catalog.name, **pyiceberg_properties(catalog))
    scan = opened.load_table(catalog.name_of(table)).scan(selected_fields=columns)
    return sorted(tuple(str(row[column]) for column in columns) for row in scan.to_arrow().to_pylist())


def run(spec: Path) -> tuple[PipelinePlan, dict[str, str]]:
    plan = plan_pipeline(spec)
    document = run_pipeline(plan, log=logging.getLogger(__name__))
    return plan, {entry["table"]: entry["status"] for entry in document["tables"]}


@pytest.mark.spark
@pytest.mark.timeout(900)
def test_the_shop_is_open(tmp_path: Path, spark_python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_SPARK_PYTHON", spark_python)
    monkeypatch.delenv("LAKE_HOME", raising=False)
    shop = tmp_path / "shop"
    shutil.copytree(SHOP, shop, ignore=shutil.ignore_patterns(".lake", "__pycache__"))

    plan, statuses = run(shop / "specs" / "orders.yaml")
    assert set(statuses.values()) == {"published"}
    assert rows(plan, "staging.orders", "order_id", "amount", "status") == [
        ("1", "50.00", "paid"), ("3", "75.25", "shipped"), ("5", "120.00", "paid"),
    ]  # fmt: skip
    assert rows(plan, "staging.orders__quarantine", "_reasons") == [("['rule of amount failed: amount >= 0']",)]
    assert rows(plan, "silver.customers", "id", "is_gone") == [("1", "False"), ("2", "False"), ("3", "False")]
    assert rows(plan, "gold.orders_by_city", "city", "orders", "big_orders") == [("Bonn", "1", "1"), ("Köln", "2", "0")]
    assert rows(plan, "gold.big_customers", "name", "spent", "found_by") == [
        ("Ada", "125.25", "orders"), ("Grace", "120.00", "orders"),
    ]  # fmt: skip

    (shop / "data" / "orders" / "2026-03-03.csv").write_text(
        "order_id,customer_id,amount,ordered_at,status\n1,1,50.00,2026-03-03 08:00:00,cancelled\n"
    )
    _, statuses = run(shop / "specs" / "orders.yaml")
    assert statuses["bronze.customers"] == statuses["silver.customers"] == "no_op"
    assert rows(plan, "staging.orders", "order_id") == [("3",), ("5",)]
    assert rows(plan, "gold.big_customers", "name") == [("Grace",)]

    _, statuses = run(shop / "specs" / "report.yaml")
    assert statuses == {"gold.report": "published"}
    assert rows(plan, "gold.report", "city", "big_customers") == [("Bonn", "1"), ("Köln", "0")]
