"""What a person sees of a task that waits in the triggerer: its state, who waits, and that a slot is free."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect
from stack import MetadataServer, Stack, airflow_stack
from stack.gates import Gates

from browser.chromium import open_page

pytestmark = [pytest.mark.spark, pytest.mark.airflow, pytest.mark.timeout(900)]

FILES = {
    "lake.yaml": "environments:\n  local:\n    engines:\n      default: {type: local, deferrable: true}\n",
    "lake_dags.py": "from airflow_lake_provider import load_lake_dags\n\nload_lake_dags(globals())\n",
    "shipping.py": (
        "from gates import wait_at\n\n\n"
        'def orders(spark):\n    wait_at("orders")\n    return spark.sql("SELECT 1 AS order_id, 20 AS amount")\n'
    ),
    "shipping.yaml": """\
pipeline: shipping
tables:
  silver.orders:
    description: One row per order
    python: shipping:orders
    write: replace
  gold.turnover:
    sql: SELECT sum(amount) AS turnover FROM silver.orders
""",
}


@pytest.fixture(scope="module")
def stack(metadata_server: MetadataServer) -> Iterator[Stack]:
    with airflow_stack(metadata_server) as running:
        for name, text in FILES.items():
            (running.dags / name).write_text(text)
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with open_page(browser, left=35) as opened:
        yield opened


def test_a_waiting_task_is_deferred_and_says_who_waits(
    stack: Stack, page: Page, picture: Callable[[str], None]
) -> None:
    gates = Gates(stack.home / "gates")
    gates.write_module(stack.dags)
    stack.api.wait_for_dags("shipping")
    stack.api.unpause("shipping")
    run = stack.api.trigger("shipping")
    gates.wait("orders")
    stack.api.wait_for_task("shipping", run.run_id, "silver__orders", "deferred")

    page.goto(
        f"{stack.api.url}/dags/shipping/runs/{quote(run.run_id)}/tasks/silver__orders/details", wait_until="networkidle"
    )
    expect(page.get_by_text("Deferred").first).to_be_visible()
    expect(page.get_by_text("airflow_lake_provider.triggers").first).to_be_visible()
    picture("deferred")

    gates.open("orders")
    assert stack.api.wait_for_run("shipping", run.run_id).state == "success"
    assert stack.api.result("shipping", run.run_id, "gold__turnover")["status"] == "published"
