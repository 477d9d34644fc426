"""How a page is laid out, whatever it is about: headline, cards, sections of text, tables and figures, in one file."""

import json
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensembler import serialization
from ensembler.errors import DataWarning, UsageError
from ensembler.predictions.files import writing_files
from ensembler.report.blocks import Block, Card, Listing, Section, Text
from ensembler.report.figures.charts import Figure, Plain
from ensembler.report.figures.drawing import draw_for_file, draw_for_page, save_figure
from ensembler.report.tables import html

if TYPE_CHECKING:
    from jinja2 import Template

FILTERED = 8
"""Tables of so many rows have a field that filters them."""
NEEDED = ("jinja2", "plotly")


@dataclass(frozen=True)
class Page:
    """What a page says.

    Attributes
    ----------
    title : str
    facts : str
        How much was looked at.
    verdict : sequence of str
        Its answer, a paragraph each.
    cards : sequence of Card
    sections : sequence of Section
    alarms : sequence of (grade, text)
        What stands above the answer.
    """

    title: str
    facts: str
    verdict: Sequence[str]
    cards: Sequence[Card]
    sections: Sequence[Section]
    alarms: Sequence[tuple[str, str]] = ()


def require_report() -> None:
    """Refuse to begin where a package is missing that the page is made with.

    Raises
    ------
    UsageError
    """
    from importlib.util import find_spec

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(f"{' and '.join(missing)} not installed; pip install 'ensembler-bench[report]'")


def render_page(page: Page) -> str:
    """Return a page as text.

    Raises
    ------
    UsageError
        A package is missing that it is made with.
    """
    require_report()
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    drawn = {figure.key: [draw_for_page(chart) for _, chart in figure.views] for figure in figures(page.sections)}
    plain = json.dumps(drawn, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    # S704: nothing here comes from outside but the figures, in which no tag can begin.
    return page_template().render(
        title=page.title,
        version=serialization.__version__,
        facts=page.facts,
        alarms=[{"grade": grade, "text": text} for grade, text in page.alarms],
        verdict=page.verdict,
        cards=page.cards,
        sections=[{**vars(section), "blocks": template_blocks(section, drawn)} for section in page.sections],
        figures=Markup(plain.replace("<", "\\u003c")),  # noqa: S704
        style=Markup(template_text("page.css")),  # noqa: S704
        script=Markup(template_text("page.js")),  # noqa: S704
        plotly=Markup(get_plotlyjs()),  # noqa: S704
    )


def page_template() -> "Template":
    """Return the page's template, in which every text is escaped."""
    from jinja2 import Environment, StrictUndefined, select_autoescape

    environment = Environment(autoescape=select_autoescape(default_for_string=True), undefined=StrictUndefined)
    environment.filters["breakable"] = breakable
    return environment.from_string(template_text("page.html"))


def template_text(name: str) -> str:
    """Read one of the files that the page is made of."""
    return files("ensembler.report").joinpath("templates", name).read_text(encoding="utf-8")


def figures(made: Sequence[Section]) -> list[Figure]:
    """Return all figures of some sections."""
    return [block for section in made for block in section.blocks if isinstance(block, Figure)]


def breakable(name: str) -> str:
    """Return a name that may be broken after its underscores, escaped."""
    from markupsafe import Markup, escape

    return escape(name).replace("_", Markup("_<wbr>"))


def template_blocks(section: Section, drawn: dict[str, list[Plain]]) -> list[dict[str, Any]]:
    """Return the blocks of a section as the template wants them."""
    return [template_block(block, drawn) for block in section.blocks]


def template_block(block: Block, drawn: dict[str, list[Plain]]) -> dict[str, Any]:
    """Return a block as the template wants it."""
    from markupsafe import Markup

    if isinstance(block, Text):
        kind = "code" if block.code else "text"
        return {"kind": kind, "text": block.text, "strong": block.strong, "label": "command"}
    if isinstance(block, Listing):
        return {
            "kind": "table",
            "key": block.key,
            "title": block.table.title,
            "folded": block.folded,
            "filter": len(block.table.rows) > FILTERED,
            "html": Markup(html(block.table, block.key, sortable=True)),  # noqa: S704  every text in it is escaped
            "notes": block.table.notes,
        }
    return {
        "kind": "figure",
        "key": block.key,
        "title": block.title,
        "text": block.text,
        "views": [label for label, _ in block.views],
        "height": max(view["layout"]["height"] for view in drawn[block.key]),
        "wide": any(chart.is_wide for _, chart in block.views),
    }


def write_section_figures(
    sections: Sequence[Section],
    folder: Path,
    suffix: str = "svg",
    *,
    titled: bool = False,
    then: Callable[[], object] | None = None,
) -> list[Path]:
    """Write every view of every figure of some sections as a file fit for a paper, and return the files.

    Parameters
    ----------
    suffix : "svg", "png" or "pdf"
    titled : bool
        Whether the figures' titles are drawn too.
    then : callable, optional
        Called once all files are there, as `ensembler.predictions.files.writing_files` says.
    """
    written = []
    with writing_files(folder, then) as temporary, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for figure in figures(sections):
            for place, (label, chart) in enumerate(figure.views):
                name = figure.key if not place else f"{figure.key}-{file_name(label)}"
                save_figure(draw_for_file(chart, figure.title if titled else ""), temporary / f"{name}.{suffix}")
                written.append(folder / f"{name}.{suffix}")
    missing = [warning for warning in caught if "missing from font" in str(warning.message)]
    if missing:
        message = "the figures' font lacks some characters of the names; as SVG the text is whole"
        warnings.warn(message, DataWarning, stacklevel=3)
    for warning in caught:
        if warning not in missing:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return written


def file_name(label: str) -> str:
    """Return a label as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-")[:60]
