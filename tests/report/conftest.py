"""A real browser that opens pages, and notices what should not happen on them."""

import os
import shutil
from types import SimpleNamespace

import pytest

from ensembler.parallel.workers import process_pool
from ensembler.ranking.rank import rank_rules
from ensembler.report import ranking_page
from ensembler.report.figures.charts import Figure
from tests.ranking.draw import draw_set

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


@pytest.fixture(scope="session")
def ranked():
    """Rules over seven made sets of unequal size, two of which share rows, with a learning curve."""
    sets = {f"set-{seed}": draw_set(seed, n_rows=160 + 40 * seed, n_classes=3 + seed % 2) for seed in range(7)}
    sets["again"] = sets["set-3"].pick([0, 1, 2])
    rules = ["mean", "log-pool", "median", "max", "best-member"]
    return rank_rules(sets, rules, n_resamples=100, learning_curve=True, workers=lambda: process_pool(1))


@pytest.fixture(scope="session")
def ranking_figures(ranked):
    """The figures on a ranking's page by their keys, in order."""
    return {
        block.key: block
        for section in ranking_page.sections(ranked)
        for block in section.blocks
        if isinstance(block, Figure)
    }
