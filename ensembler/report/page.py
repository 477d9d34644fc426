"""One self-contained HTML page of everything known about a prediction set, and its figures as files."""

import json
import re
import warnings
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensembler import serialization
from ensembler.comparison.results import Comparison
from ensembler.errors import DataWarning, UsageError
from ensembler.predictions.files import write_text
from ensembler.report import bench
from ensembler.report.blocks import Block, Listing, Section, Text
from ensembler.report.cards import cards
from ensembler.report.figures.charts import Figure, Plain
from ensembler.report.figures.drawing import draw_for_file, draw_for_page, save_figure
from ensembler.report.headline import headline
from ensembler.report.sections import sections
from ensembler.report.survey import Survey
from ensembler.report.tables import count, html
from ensembler.subsets.describe import summarize_search, summarize_study

if TYPE_CHECKING:
    from jinja2 import Template

FILTERED = 8
"""Tables of so many rows have a field that filters them."""
NEEDED = ("jinja2", "plotly")


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


def render(survey: Survey, title: str | None = None, command: str | None = None) -> str:
    """Return the page as text.

    Parameters
    ----------
    survey : Survey
        What of it is None has no section.
    title : str, optional
    command : str, optional
        The command line that makes the page again, for the page to tell.
    """
    require_report()
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    made = sections(survey, command)
    result = survey.comparison
    drawn = {figure.key: [draw_for_page(chart) for _, chart in figure.views] for figure in figures(made)}
    plain = json.dumps(drawn, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    # S704: nothing here comes from outside but the figures, in which no tag can begin.
    return page_template().render(
        title=title or "Which combination is best?",
        version=serialization.__version__,
        facts=set_facts(result),
        alarms=[
            {"grade": finding.severity, "text": finding.message}
            for finding in survey.findings or ()
            if finding.severity == "error"
        ],
        verdict=verdict_paragraphs(survey),
        cards=cards(result),
        sections=[{**vars(section), "blocks": template_blocks(section, drawn)} for section in made],
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


def set_facts(result: Comparison) -> str:
    """Say how many members, scored rows and classes there are."""
    data = result.predictions
    members, rows = count(data.n_members, "member"), count(result.scored.n_samples, "scored row")
    return f"{members}, {rows}, {data.n_classes} classes"


def verdict_paragraphs(survey: Survey) -> list[str]:
    """Return what to use, a paragraph a sentence, and what else is to be said in one more.

    Where committees were tried, the first sentence is that of ``ensembler subsets``.
    """
    result = survey.comparison
    advice, reservations = bench.advice(result), bench.reservations(result)
    use = survey_headline(survey)
    if use is not None and result.verdict is not None:
        advice = [use, f"With all members, {result.verdict.standing}", *result.verdict.reasons]
    if result.verdict is None:
        return [" ".join([*advice, *reservations])]
    return [*advice, *([" ".join(reservations)] if reservations else [])]


def survey_headline(survey: Survey) -> str | None:
    """Return the sentence that says what to use, where committees were tried."""
    if survey.study is not None:
        summary = summarize_study(survey.study)
        return headline(summary.advice, summary.rules, len(summary.members))
    if survey.search is not None:
        found = summarize_search(survey.search)
        return headline(found.advice, found.rules, len(found.members))
    return None


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


def write_page(survey: Survey, path: Path, title: str | None = None, command: str | None = None) -> None:
    """Write the page; an older file stays until the new one is whole."""
    write_text(path, render(survey, title, command))


def write_figures(survey: Survey, folder: Path, suffix: str = "svg") -> list[Path]:
    """Write every view of every figure as a file fit for a paper, and return the files.

    Parameters
    ----------
    suffix : "svg", "png" or "pdf"
    """
    written = []
    optimistic = survey.comparison.protocol.optimistic
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for figure in figures(sections(survey)):
            for place, (label, chart) in enumerate(figure.views):
                name = figure.key if not place else f"{figure.key}-{file_name(label)}"
                path = folder / f"{name}.{suffix}"
                save_figure(draw_for_file(chart, figure.title if optimistic else ""), path)
                written.append(path)
    missing = [warning for warning in caught if "missing from font" in str(warning.message)]
    if missing:
        message = "the figures' font lacks some characters of the names; as SVG the text is whole"
        warnings.warn(message, DataWarning, stacklevel=2)
    for warning in caught:
        if warning not in missing:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return written


def file_name(label: str) -> str:
    """Return a label as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-")[:60]
