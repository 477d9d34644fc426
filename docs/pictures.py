"""Make the pictures of the README from the bundled predictions, into docs/_static.

    python docs/pictures.py

The page is photographed in Chromium, light and dark; the sweep is drawn as the page's own figure.
"""

import shutil
import tempfile
from pathlib import Path

from ensembler import load_predictions
from ensembler.predictions import bundled
from ensembler.report.page import render, write_figures
from ensembler.report.survey import survey

STATIC = Path(__file__).parent / "_static"
WIDTH, HEIGHT = 1180, 1370
FIGURES = {"committees.svg": "sweep.svg", "members.svg": "worth.svg"}


def main() -> None:
    """Make all of them."""
    found = survey(load_predictions(bundled.folder()))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_figures(found, home)
        for source, target in FIGURES.items():
            shutil.copyfile(home / source, STATIC / target)
        page = home / "report.html"
        page.write_text(render(found, command="ensembler report"), encoding="utf-8")
        photograph(page)


def photograph(path: Path) -> None:
    """Photograph the top of a page in both themes."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for theme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=theme, device_scale_factor=1.5
            )
            page = context.new_page()
            page.goto(path.as_uri())
            page.locator("#figure-rules .main-svg").first.wait_for()
            page.wait_for_timeout(300)
            target = STATIC / f"report-{theme}.png"
            page.screenshot(path=target)
            Image.open(target).convert("RGB").save(target, optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
