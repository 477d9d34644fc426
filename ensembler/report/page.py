"""One self-contained HTML page of everything known about a prediction set, and its figures as files."""

import json
import re
import warnings
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensembler.errors import DataWarning, UsageError
from ensembler.predictions.files import write_text
from ensembler.report import bench
from ensembler.report.figures import interactive
from ensembler.report.figures.kinds import Chart, Diagrams, Figure, Matrix, Worth
from ensembler.report.sections import Listing, Section, Text, cards, sections
from ensembler.report.survey import Survey
from ensembler.report.tables import count, html

if TYPE_CHECKING:
    from collections.abc import Sequence

FILTERED = 8
"""Tables of so many rows have a field that filters them."""
MOST_NARROW = 7
"""Matrices of more rows scroll on a phone."""
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


def render(found: Survey, title: str | None = None, command: str | None = None) -> str:
    """Return the page as text.

    Parameters
    ----------
    found : Survey
        What of it is None has no section.
    title : str, optional
    command : str, optional
        The command line that makes the page again, for the page to tell.
    """
    require_report()
    from jinja2 import Environment, StrictUndefined, select_autoescape
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    import ensembler

    home = files("ensembler.report").joinpath("templates")
    environment = Environment(autoescape=select_autoescape(default_for_string=True), undefined=StrictUndefined)
    environment.filters["breakable"] = breakable
    template = environment.from_string(home.joinpath("page.html").read_text(encoding="utf-8"))
    made = sections(found, command)
    result = found.comparison
    data = result.predictions
    drawn = {
        block.key: [interactive.draw(chart) for _, chart in block.views]
        for section in made
        for block in section.blocks
        if isinstance(block, Figure)
    }
    plain = json.dumps(drawn, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    # S704: nothing here comes from outside but the figures, in which no tag can begin.
    return template.render(
        title=title or "Which combination is best?",
        version=ensembler.__version__,
        facts=", ".join(
            (
                count(data.n_members, "member"),
                count(result.scored.n_samples, "scored row"),
                f"{data.n_classes} classes",
            )
        ),
        alarms=[{"grade": "error", "text": one.message} for one in found.findings or () if one.severity == "error"],
        verdict=[bench.conclusion(result)] if result.verdict is None else verdict_of(result),
        cards=cards(result),
        sections=[{**vars(section), "blocks": blocks(section, drawn)} for section in made],
        figures=Markup(plain.replace("<", "\\u003c")),  # noqa: S704
        style=Markup(home.joinpath("page.css").read_text(encoding="utf-8")),  # noqa: S704
        script=Markup(home.joinpath("page.js").read_text(encoding="utf-8")),  # noqa: S704
        plotly=Markup(get_plotlyjs()),  # noqa: S704
    )


def breakable(name: str) -> str:
    """Return a name that may be broken after its underscores, escaped."""
    from markupsafe import Markup, escape

    return escape(name).replace("_", Markup("_<wbr>"))


def verdict_of(result: Any) -> list[str]:
    """Return the verdict's sentences, and what else is to be said, a paragraph each."""
    told = bench.conclusion(result)
    first = " ".join(result.verdict.sentences)
    if not first or not told.startswith(first):
        return [told]
    rest = told.removeprefix(first).strip()
    return [*result.verdict.sentences, *([rest] if rest else [])]


def blocks(section: Section, drawn: dict[str, Any]) -> "Sequence[dict[str, Any]]":
    """Return the blocks of a section as the template wants them."""
    from markupsafe import Markup

    made: list[dict[str, Any]] = []
    for block in section.blocks:
        if isinstance(block, Text):
            kind = "code" if block.code else "text"
            made.append({"kind": kind, "text": block.text, "strong": block.strong, "label": "command"})
        elif isinstance(block, Listing):
            table = html(block.table, block.key, sortable=True)
            made.append(
                {
                    "kind": "table",
                    "key": block.key,
                    "title": block.table.title,
                    "folded": block.folded,
                    "filter": len(block.table.rows) > FILTERED,
                    "html": Markup(table),  # noqa: S704  every text in it is escaped
                    "notes": block.table.notes,
                }
            )
        else:
            made.append(
                {
                    "kind": "figure",
                    "key": block.key,
                    "title": block.title,
                    "text": block.text,
                    "views": [label for label, _ in block.views],
                    "height": max(view["layout"]["height"] for view in drawn[block.key]),
                    "wide": any(is_wide(chart) for _, chart in block.views),
                }
            )
    return made


def write_page(found: Survey, path: Path, title: str | None = None, command: str | None = None) -> None:
    """Write the page; an older file stays until the new one is whole."""
    write_text(path, render(found, title, command))


def write_figures(found: Survey, folder: Path, suffix: str = "svg") -> list[Path]:
    """Write every view of every figure as a file fit for a paper, and return the files.

    Parameters
    ----------
    suffix : "svg", "png" or "pdf"
    """
    from ensembler.report.figures.paper import draw, save_figure

    written = []
    optimistic = found.comparison.protocol.optimistic
    figures = [block for section in sections(found) for block in section.blocks if isinstance(block, Figure)]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for figure in figures:
            for place, (label, chart) in enumerate(figure.views):
                name = figure.key if not place else f"{figure.key}-{file_name(label)}"
                path = folder / f"{name}.{suffix}"
                save_figure(draw(chart, figure.title if optimistic else ""), path)
                written.append(path)
    missing = [one for one in told if "missing from font" in str(one.message)]
    if missing:
        message = "the figures' font lacks some characters of the names; as SVG the text is whole"
        warnings.warn(message, DataWarning, stacklevel=2)
    for one in told:
        if one not in missing:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return written


def is_wide(chart: Chart) -> bool:
    """Whether a chart is drawn no narrower than it can be read, and scrolls on a phone."""
    return isinstance(chart, (Diagrams, Worth)) or (isinstance(chart, Matrix) and len(chart.rows) > MOST_NARROW)


def file_name(label: str) -> str:
    """Return a label as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-")[:60]
