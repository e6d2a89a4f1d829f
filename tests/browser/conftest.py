from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from finished_demo import Demo
from playwright.sync_api import Browser, Page

from browser.chromium import HEIGHT, WIDTH, open_browser, open_page
from browser.served import Served, served

ROOT = Path(__file__).resolve().parents[2]
_RENAME = """
(names) => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode())
    for (const [place, name] of names)
      walker.currentNode.nodeValue = walker.currentNode.nodeValue.replaceAll(place, name);
}
"""


@pytest.fixture(scope="session")
def ui(demo: Demo) -> Iterator[Served]:
    """Airflow's pages of the finished demo, with one wrong spec beside the good one."""
    with served(demo) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real browser for all tests."""
    with open_browser() as running:
        yield running


@pytest.fixture
def left() -> int:
    """How many hundredths of the window Airflow's grid or graph gets; a test may be parametrized with another."""
    return 50


@pytest.fixture
def page(browser: Browser, left: int) -> Iterator[Page]:
    """A window that knows nothing of earlier ones."""
    with open_page(browser, left=left) as opened:
        yield opened


@pytest.fixture
def places() -> dict[str, str]:
    """What pictures say in the place of this machine's folders."""
    return {str(ROOT): "/srv/env"}


@pytest.fixture
def picture(page: Page, places: dict[str, str], tmp_path: Path) -> Callable[[str], None]:
    """What keeps a picture of the window; ``make pictures`` names the folder of the docs by LAKE_PICTURES."""
    folder = Path(os.environ.get("LAKE_PICTURES", tmp_path))

    def take(name: str) -> None:
        page.evaluate(_RENAME, list(places.items()))
        path = folder / f"{name}.png"
        page.screenshot(path=path, animations="disabled", caret="hide")
        assert struct.unpack(">II", path.read_bytes()[16:24]) == (WIDTH, HEIGHT)

    return take
