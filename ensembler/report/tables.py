"""Tables as plain text cells, and how they are drawn in a terminal, written as Markdown and as HTML.

Numbers, intervals, p-values and marks are written here, the same in every table.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ensembler.comparison import wording
from ensembler.metrics.intervals import Interval
from ensembler.report.glossary import rule_summary, term_of
from ensembler.serialization import printable

if TYPE_CHECKING:
    from rich.console import Console

MISSING, BETWEEN_ENDS = "–", " … "
RECOMMENDED, CHOSEN, LUCKIEST, WORSE, SIGNIFICANT = "★", "☆", "†", "↓", "*"
"""Marks of what to use, what was chosen by its score on the fitting rows, what is best on the scored rows, what is
below the best member, and what is significant."""
LONG_WORD = 12
"""Longer first lines of a heading are broken at a hyphen."""
GAP, NARROWEST = 2, 12
"""Spaces between columns, and what a column of names is not made narrower than."""
DESCRIBED = ("rule", "measure")
"""Headings of the columns whose cells say on hover what they are."""
LONG = 36
"""Longer cells may be broken into lines on a page."""


@dataclass(frozen=True)
class Table:
    """A title, headers (numbers are right-aligned), rows of text, and what to say below.

    ``total`` says that the last row sums up the others, ``broken`` that line ends in cells are meant; elsewhere they
    are part of a name, and shown as such.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    left: Sequence[int] = (0,)
    strong: Sequence[int] = field(default=())
    total: bool = False
    broken: bool = False


@dataclass(frozen=True)
class Document:
    """Sentences, and tables between them."""

    parts: Sequence[Table | str]


def number(value: float | None, decimals: int = 4, *, sign: bool = False, points: bool = False) -> str:
    """Write a number, without a leading zero unless in points; a dash for one that is missing or not finite."""
    if value is None or not math.isfinite(value):
        return MISSING
    return wording.fraction(value, decimals, sign=sign, points=points)


def format_interval(ends: Interval | None, decimals: int = 4, *, sign: bool = False, points: bool = False) -> str:
    """Write the ends of an interval; a dash for one that is missing."""
    if ends is None:
        return MISSING
    return BETWEEN_ENDS.join(number(end, decimals, sign=sign, points=points) for end in ends)


def format_p_value(value: float | None) -> str:
    """Write a p-value; small ones as a bound, a dash for one that is missing."""
    return MISSING if value is None else wording.format_p_value(value)


def count(number: int, what: str) -> str:
    """Write how many there are of something."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def mark_optimistic(title: str, *, optimistic: bool) -> str:
    """Say in a title that figures are optimistic, where rules were fitted on the rows that are scored."""
    return f"{title} (optimistic)" if optimistic else title


def one_line(text: str) -> str:
    r"""Return a text with line ends and tabs, which only names from files have, as escapes.

    >>> print(one_line("a\tb"))
    a\tb
    """
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def some_of(names: Sequence[str], most: int) -> str:
    """Name the first of many, and say how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def heading(name: str) -> str:
    """Break a long name, as of a rule, at a hyphen or before its parameters."""
    name = one_line(name).replace(":", ":\n", 1)
    return name.replace("-", "-\n", 1) if len(name.split("\n")[0]) > LONG_WORD else name


def draw(document: Document, console: "Console") -> None:
    """Print a document to a terminal; nothing in it is taken for markup."""
    from rich import box
    from rich.padding import Padding
    from rich.table import Table as RichTable
    from rich.text import Text

    for index, part in enumerate(document.parts):
        if index:
            console.print()
        if isinstance(part, str):
            console.print(Text(one_line(part)))
            continue
        drawn = RichTable(
            title=Text(one_line(part.title), style="bold"),
            title_justify="left",
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        for column, header in enumerate(part.headers):
            drawn.add_column(
                Text(printable(header)), justify="left" if column in part.left else "right", overflow="fold"
            )
        written = part if part.broken else replace(part, rows=[list(map(one_line, row)) for row in part.rows])
        for position, row in enumerate(narrowed(written, console.width)):
            drawn.add_row(*(Text(printable(cell)) for cell in row), style="bold" if position in part.strong else None)
        console.print(drawn)
        for note in part.notes:
            console.print(Padding(Text(one_line(note)), (0, 0, 0, 2), expand=False))


def narrowed(table: Table, width: int) -> Sequence[Sequence[str]]:
    """Return the rows as they fit a width: the widest column of text broken at hyphens and the like.

    Where that is not enough, intervals are broken in the middle before it.
    """
    rows = table.rows
    texts = [column for column in table.left if column < len(table.headers)]
    widths = column_widths(table.headers, rows)
    if excess(widths, width) <= 0 or not texts:
        return rows
    widest = max(texts, key=lambda column: widths[column])
    if excess(widths, width) > widths[widest] - NARROWEST:
        rows = [[cell.replace(BETWEEN_ENDS, f"{BETWEEN_ENDS.strip()}\n") for cell in row] for row in rows]
        widths = column_widths(table.headers, rows)
    most = max(widths[widest] - max(excess(widths, width), 0), NARROWEST)
    return [[broken(cell, most) if column == widest else cell for column, cell in enumerate(row)] for row in rows]


def column_widths(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return how wide each column is on a terminal."""
    from rich.cells import cell_len

    return [
        max(cell_len(line) for cell in cells for line in (cell.splitlines() or [""]))
        for cells in zip(headers, *rows, strict=True)
    ]


def excess(widths: Sequence[int], width: int) -> int:
    """Return by how much columns are too wide together."""
    return sum(widths) + GAP * (len(widths) - 1) - width


def broken(text: str, most: int) -> str:
    """Break a name that is too wide after hyphens, colons, commas and equals signs; words are left to the terminal."""
    lines = [""]
    for piece in [text] if " " in text else re.findall(r"[^:,=-]*[:,=-]*", text):
        if lines[-1] and len(lines[-1]) + len(piece) > most:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def markdown(document: Document) -> str:
    """Return a document as GitHub-flavoured Markdown."""
    lines: list[str] = []
    for part in document.parts:
        if isinstance(part, str):
            lines += [escape(part), ""]
            continue
        lines += [f"**{escape(part.title)}**", "", markdown_row(part.headers)]
        lines.append(
            "|" + "|".join("---" if column in part.left else "---:" for column in range(len(part.headers))) + "|"
        )
        for position, row in enumerate(part.rows):
            strong = position in part.strong
            lines.append(
                markdown_row([f"**{cell}**" if strong and cell else cell for cell in map(escape, row)], escaped=True)
            )
        lines.append("")
        for note in part.notes:
            lines += [escape(apart(note)), ""]
    return "\n".join(lines).rstrip() + "\n"


def apart(note: str) -> str:
    """Return a note whose parts stand apart where blanks alone do not show it.

    >>> apart("★ recommended   ☆ chosen")
    '★ recommended; ☆ chosen'
    """
    return re.sub(r" {3,}", "; ", note)


def markdown_row(cells: Sequence[str], *, escaped: bool = False) -> str:
    """Write one row of a Markdown table."""
    return "| " + " | ".join(cell if escaped else escape(cell) for cell in cells) + " |"


def escape(text: str) -> str:
    """Keep names from being read as Markdown or HTML."""
    for character in "\\|<>*_`[]#":
        text = text.replace(character, {"<": "&lt;", ">": "&gt;"}.get(character, "\\" + character))
    return printable(" ".join(text.split()))


def html(table: Table, identity: str = "", *, sortable: bool = False, titled: bool = True) -> str:
    """Return a table as HTML, every text escaped.

    Parameters
    ----------
    table : Table
    identity : str
        Its name in links.
    sortable : bool
        Headers are buttons; special words and rules have their description on hover.
    titled : bool
        Whether the title is seen; else it is there for those who listen only.
    """
    from html import escape as quoted

    opening = f'<table id="{quoted(identity)}">' if identity else "<table>"
    unseen = "" if titled else ' class="unseen"'
    lines = [opening, f"<caption{unseen}>{quoted(table.title)}</caption>"]
    heads = []
    for column, header in enumerate(table.headers):
        kind = "text" if column in table.left else "number"
        words = joined(header)
        label = quoted(words) or '<span class="unseen">mark</span>'
        about = f' title="{quoted(described)}"' if (described := description(words)) else ""
        content = f'<button type="button"{about}>{label}</button>' if sortable and header else label
        heads.append(f'<th scope="col" class="{kind}">{content}</th>')
    lines.append(f"<thead><tr>{''.join(heads)}</tr></thead>")
    lines.append("<tbody>")
    named = next((column for column in table.left if column < len(table.headers) and table.headers[column]), None)
    for position, row in enumerate(table.rows):
        if table.total and position == len(table.rows) - 1:
            lines.append("</tbody><tfoot>")
        cells = []
        for column, cell in enumerate(row):
            kind = "text" if column in table.left else "number"
            kind += " long" if len(cell) > LONG else ""
            tag = 'th scope="row"' if column == named else "td"
            content = quoted(cell.strip())
            summary = description(cell) if sortable and table.headers[column] in DESCRIBED else None
            if summary is not None:
                content = f'<span class="about" title="{quoted(summary)}">{content}</span>'
            cells.append(f'<{tag} class="{kind}">{content}</{tag.split(maxsplit=1)[0]}>')
        strong = ' class="strong"' if position in table.strong else ""
        lines.append(f"<tr{strong}>{''.join(cells)}</tr>")
    return "\n".join([*lines, "</tfoot>" if table.total else "</tbody>", "</table>"])


def joined(header: str) -> str:
    """Return a heading in one line."""
    return " ".join(header.replace(":\n", ":").replace("-\n", "-").split())


def description(header: str) -> str | None:
    """Say what a heading means, where it is a special word or a rule's name."""
    term = term_of(header)
    return rule_summary(header) if term is None else term.meaning


def fragment(parts: Sequence[Table | str]) -> str:
    """Return tables and sentences as HTML to be shown among other things, with notes below their tables."""
    from html import escape as quoted

    lines = []
    for part in parts:
        lines.append(f"<p>{quoted(part)}</p>" if isinstance(part, str) else html(part))
        lines += (
            [] if isinstance(part, str) else [f"<p><small>{quoted(apart(note))}</small></p>" for note in part.notes]
        )
    return "\n".join(lines)
