"""How a page is laid out, whatever it is about: headline, cards, sections of text, tables and figures, in one file."""

import json
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensembler import serialization
from ensembler.errors import DataWarning, UsageError
from ensembler.predictions.files import writing_files
from ensembler.report.blocks import Block, Card, Listing, Section, Text
from ensembler.report.figures.charts import Figure, Plain
from ensembler.report.figures.drawing import draw_for_file, draw_for_page, save_figure
from ensembler.report.glossary import TERMS, pieces, rule_summary
from ensembler.report.plotly_bundle import plotly_script
from ensembler.report.tables import html

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

MOST_ALARMS = 2
"""Above the answer; more are counted there, and told in the section on the input."""
FILTERED = 8
"""Tables of so many rows have a field that filters them."""
NEEDED = ("jinja2",)
PRINTED = {"rules": 370, "members": 240, "effects": 400, "ranks": 260}
"""Figures on the two pages that are printed, and how high they are there at most, in pixels of 1/96 inch."""
PRINTED_TABLES = ("table-recall", "table-pairs")
MAIN_SECTIONS = ("committees",)
PRINTED_SENTENCES = ("doctor", "method")
"""Sections whose sentences are printed; of others those are that say what the section comes to."""


@dataclass(frozen=True)
class Page:
    """What a page says.

    Attributes
    ----------
    title : str
        Of the document.
    answer : str
        In one sentence.
    rule : str or None
        The rule that the answer names, to be described on hover.
    heading : str or None
        What stands above the answer, where its reader has given the page a title; else the answer is its heading.
    facts : str
        How much was looked at.
    verdict : sequence of str
        What is said below the answer, a paragraph each.
    reasons : sequence of str
        What is folded away below that.
    cards : sequence of Card
    sections : sequence of Section
    alarms : sequence of (grade, text)
        What stands above the answer.
    """

    title: str
    answer: str
    facts: str
    cards: Sequence[Card]
    sections: Sequence[Section]
    rule: str | None = None
    heading: str | None = None
    verdict: Sequence[str] = ()
    reasons: Sequence[str] = ()
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

    drawn = {figure.key: [draw_for_page(chart) for _, chart in figure.views] for figure in figures(page.sections)}
    plain = json.dumps(drawn, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    words = Words()
    top = {
        "answer": words.name_rule(page.answer, page.rule),
        "facts": words.mark(page.facts),
        "cards": [
            {**vars(card), "label": words.mark(card.label), "note": words.mark(card.note)} for card in page.cards
        ],
        "verdict": [words.mark(sentence) for sentence in page.verdict],
        "reasons": [words.mark(sentence) for sentence in page.reasons],
    }
    # S704: nothing here comes from outside but the figures, in which no tag can begin.
    return page_template().render(
        title=page.title,
        version=serialization.__version__,
        heading=page.heading,
        most_alarms=MOST_ALARMS,
        alarms=[{"grade": grade, "text": text} for grade, text in page.alarms],
        sections=[{**vars(section), "blocks": template_blocks(section, drawn, words)} for section in page.sections],
        glossary=[(term.key, term.name, term.meaning) for term in TERMS],
        rules=rules_on(page.sections),
        figures=Markup(plain.replace("<", "\\u003c")),  # noqa: S704
        style=Markup(template_text("page.css")),  # noqa: S704
        script=Markup(template_text("page.js")),  # noqa: S704
        plotly=Markup(plotly_script()),  # noqa: S704
        **top,
    )


def rules_on(sections: Sequence[Section]) -> list[tuple[str, str]]:
    """Return the rules that some tables of a page are about, each with its description in one line."""
    tables = [block.table for section in sections for block in section.blocks if isinstance(block, Listing)]
    columns = [(table, table.headers.index("rule")) for table in tables if "rule" in table.headers]
    names = dict.fromkeys(row[column].partition(":")[0] for table, column in columns for row in table.rows)
    described = [(name, rule_summary(name)) for name in names]
    return sorted((name, summary) for name, summary in described if summary is not None)


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


@dataclass
class Words:
    """Marks special words, each at its first mention in a section."""

    known: set[str] = field(default_factory=set)

    def mark(self, text: str) -> "Markup":
        """Return a text, escaped, with special words as links to the glossary."""
        from markupsafe import Markup, escape

        link = Markup('<a class="term" href="#{}" title="{}">{}</a>')
        parts = [
            escape(piece.text) if piece.term is None else link.format(piece.term.key, piece.term.meaning, piece.text)
            for piece in pieces(text, self.known)
        ]
        return Markup("").join(parts)

    def name_rule(self, text: str, rule: str | None) -> "Markup":
        """Return the answer, escaped, with the rule's description on hover."""
        from markupsafe import Markup, escape

        summary = None if rule is None else rule_summary(rule)
        if rule is None or summary is None or rule not in text:
            return escape(text)
        before, _, after = text.partition(rule)
        named = Markup('<span class="about" title="{}">{}</span>').format(summary, rule)
        return Markup("").join([escape(before), named, escape(after)])


def template_blocks(section: Section, drawn: dict[str, list[Plain]], words: Words) -> list[dict[str, Any]]:
    """Return the blocks of a section as the template wants them."""
    words.known.clear()
    return [{**template_block(block, drawn, words), "printed": is_printed(block, section)} for block in section.blocks]


def is_printed(block: Block, section: Section) -> bool:
    """Whether a block is on the two pages that are printed."""
    if isinstance(block, Text):
        return (block.strong and section.key in MAIN_SECTIONS) or section.key in PRINTED_SENTENCES
    return block.key in (PRINTED if isinstance(block, Figure) else PRINTED_TABLES)


def template_block(block: Block, drawn: dict[str, list[Plain]], words: Words) -> dict[str, Any]:
    """Return a block as the template wants it."""
    from markupsafe import Markup

    if isinstance(block, Text):
        if block.code:
            return {"kind": "code", "text": block.text, "label": "command"}
        return {"kind": "text", "text": words.mark(block.text), "strong": block.strong}
    if isinstance(block, Listing):
        table = html(block.table, block.key, sortable=True, titled=not block.folded)
        return {
            "kind": "table",
            "key": block.key,
            "title": block.table.title,
            "folded": block.folded,
            "filter": len(block.table.rows) > FILTERED,
            "html": Markup(table),  # noqa: S704  every text in it is escaped
            "notes": [words.mark(note) for note in block.table.notes],
        }
    return {
        "kind": "figure",
        "key": block.key,
        "title": block.title,
        "text": words.mark(block.text),
        "views": [label for label, _ in block.views],
        "height": max(view["layout"]["height"] for view in drawn[block.key]),
        "print_height": PRINTED.get(block.key),
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
