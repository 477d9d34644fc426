"""A real browser that opens pages, and notices what should not happen on them."""

import os
import shutil
from types import SimpleNamespace

import pytest

FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser():
    """Chromium, run by Playwright without a download of its own, in a fresh profile."""
    path = next((found for found in map(shutil.which, NAMES) if found), None)
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no Chromium to open pages with; install the package chromium")
        pytest.skip("there is no Chromium to open pages with")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser):
    """Open a file; the page, what was asked of the network, and what the console and dialogs said."""
    contexts = []

    def call(path, *, width=1200, dark=False):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        seen = SimpleNamespace(page=page, requests=[], said=[])
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("console", lambda message: seen.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: seen.said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (seen.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(path.resolve().as_uri())
        return seen

    yield call
    for context in contexts:
        context.close()


def draw_all(page):
    """Scroll through the page, so that every figure is drawn."""
    for figure in page.query_selector_all("figure"):
        figure.scroll_into_view_if_needed()
        figure.wait_for_selector(".main-svg")


@pytest.fixture(scope="session")
def draw_figures():
    return draw_all
