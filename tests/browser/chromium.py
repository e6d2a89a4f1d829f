"""Debian's Chromium without a window, for as long as tests look at pages."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SKIP = "LAKE_ALLOW_NO_BROWSER"
WIDTH, HEIGHT = 1280, 800
PATIENCE = 60_000
"""Milliseconds until something must be on the page; a busy machine needs more than the five seconds of a usual one."""

expect.set_options(timeout=PATIENCE)
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Airflow keeps in the browser how wide its left part is, with grid or graph.
_LEFT_PART = """
for (const direction of ["ltr", "rtl"]) {
  localStorage.setItem(`react-resizable-panels:grid-${direction}`,
    JSON.stringify({"details-panel,main-panel": {expandToSizes: {}, layout: [%d, %d]}}));
}
"""


def chromium() -> str:
    """Return the browser's program; root of a Debian installs it where there is none.

    Without one the tests fail, unless ``LAKE_ALLOW_NO_BROWSER`` says that they may be skipped.
    """
    found = _found()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        found = _found()
    if found is not None:
        return found
    told = f"These tests need a browser, one of {', '.join(PROGRAMS)} on the PATH: apt-get install chromium"
    if os.environ.get(SKIP):
        pytest.skip(told)
    pytest.fail(f"{told}. {SKIP}=1 skips them.")


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the browser, with a profile of its own that is thrown away."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), headless=True, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def open_page(browser: Browser, *, left: int = 50) -> Iterator[Page]:
    """Open a window that knows nothing of earlier ones.

    :param left: how many hundredths of the window Airflow's grid or graph gets.
    """
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT},
        locale="en-US",
        timezone_id="UTC",
        color_scheme="light",
        reduced_motion="reduce",
    )
    context.add_init_script(_LEFT_PART % (left, 100 - left))
    context.set_default_timeout(PATIENCE)
    try:
        yield context.new_page()
    finally:
        context.close()


def _found() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)
