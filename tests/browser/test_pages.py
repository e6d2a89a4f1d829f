"""Airflow's pages of the demo in a real browser: what a person reads there, and the pictures of it in the docs."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from finished_demo import Demo
from playwright.sync_api import Page, expect

from browser.chromium import HEIGHT
from browser.served import Served

pytestmark = [pytest.mark.spark, pytest.mark.airflow, pytest.mark.timeout(2700)]

LAYERS = {
    "bronze": ("bronze__airlines", "bronze__flights", "bronze__weather"),
    "silver": ("silver__flights", "silver__weather"),
    "gold": ("gold__carrier_performance", "gold__delays_by_day"),
}
TASKS = [task for tasks in LAYERS.values() for task in tasks]
Picture = Callable[[str], None]


@pytest.fixture
def places(places: dict[str, str], demo: Demo) -> dict[str, str]:
    return {str(demo.root): "/srv/flights", **places}


def goto(page: Page, ui: Served, path: str) -> None:
    page.goto(f"{ui.url}{path}", wait_until="networkidle")


def press(page: Page, label: str) -> None:
    page.get_by_role("button", name=label, exact=True).first.click()


def settled(page: Page, *words: str) -> str:
    """Return the text of the page when it has come to rest; the words are what it must show before that."""
    for word in words:
        expect(page.get_by_text(word, exact=True).first).to_be_visible()
    before = page.inner_text("body")
    for _ in range(40):
        page.wait_for_timeout(500)
        now = page.inner_text("body")
        if now == before:
            return now
        before = now
    raise AssertionError(f"the page does not come to rest:\n{before}")


def nodes(page: Page) -> set[str]:
    """Return the first line of each node of the graph that is shown."""
    return {node.inner_text().strip().partition("\n")[0] for node in page.locator(".react-flow__node").all()}


def test_grid_shows_layers_that_open_to_tables(page: Page, ui: Served, picture: Picture) -> None:
    goto(page, ui, "/dags/flights")
    closed = settled(page, *LAYERS)
    assert [task for task in TASKS if task in closed] == []
    press(page, "Expand all task groups")
    for task in TASKS:
        expect(page.get_by_text(task, exact=True).first).to_be_visible()
    picture("grid")


def test_graph_of_layers_opens_to_a_graph_of_tables(page: Page, ui: Served, picture: Picture) -> None:
    goto(page, ui, "/dags/flights")
    press(page, "Show Graph (Press g)")
    expect(page.locator(".react-flow__node")).to_have_count(len(LAYERS))
    settled(page)
    assert nodes(page) == set(LAYERS)
    picture("graph-layers")
    press(page, "Expand all task groups")
    for task in TASKS:
        expect(page.locator(".react-flow__node").get_by_text(task, exact=True).first).to_be_visible()
    settled(page)
    picture("graph-tables")


@pytest.mark.parametrize("left", [25])
@pytest.mark.usefixtures("left")
def test_code_tab_shows_the_spec_and_not_the_loader(page: Page, ui: Served, picture: Picture) -> None:
    goto(page, ui, "/dags/flights/code")
    lines = page.locator(".view-lines")
    expect(lines).to_contain_text("bronze.flights:")
    text = lines.inner_text().replace("\u00a0", " ")
    assert "pipeline: flights" in text
    assert "load_lake_dags" not in text
    picture("code")


def test_asset_graph_leads_from_the_pipeline_to_its_tables(page: Page, ui: Served, picture: Picture) -> None:
    goto(page, ui, "/assets")
    page.get_by_text("lake.silver.flights", exact=True).click()
    settled(page, "3 Asset Events")
    expect(page.locator(".react-flow__node").get_by_text("lake.gold.delays_by_day")).to_be_visible()
    assert {"flights", "lake.silver.flights", "lake.gold.delays_by_day"} <= nodes(page)
    picture("assets")


def test_import_error_says_where_the_mistake_is_and_what_to_write(page: Page, ui: Served, picture: Picture) -> None:
    goto(page, ui, "/")
    page.get_by_text("Dag Import Error").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("lake_spec_errors.py").first.click()
    expect(dialog).to_contain_text("unique_keys")
    text = dialog.inner_text()
    assert re.search(r"gusts\.yaml:8:5: error.*unique_keys", text)
    assert "unique_key" in text
    assert "flights.yaml:" not in text
    picture("import-error")


def test_the_other_pipelines_stay_while_one_spec_is_wrong(page: Page, ui: Served) -> None:
    goto(page, ui, "/dags")
    assert "gusts" not in settled(page, "flights")


def test_task_documentation_shows_query_contract_and_checks(page: Page, ui: Served, picture: Picture) -> None:
    goto(page, ui, "/dags/flights/tasks/silver__flights")
    press(page, "Documentation")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Contract")
    text = dialog.inner_text()
    for word in ("Query", "bronze.flights", "dep_time", "Checks", "max(dep_delay) < 600"):
        assert word in text
    # Its lower right corner is a handle: what is shown becomes larger.
    box = dialog.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] - 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] + 250, HEIGHT - 20, steps=5)
    page.mouse.up()
    picture("task-documentation")
