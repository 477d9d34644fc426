"""What drawings for a page share: traces, axes and texts as plotly.js takes them.

Colours are names of the page's own (``var(--blue)``), which the page resolves, so that a figure follows its theme.
Every text is escaped: plotly takes some of HTML for markup.
"""

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any

from ensembler.report.figures.charts import Axis, Mark, Plain, Role
from ensembler.report.figures.style import LOOKS, shortened
from ensembler.report.tables import count

DIGITS = 5
"""Numbers are rounded to so many significant digits."""
MOST_NAMED = 12
"""Members of a committee that are named on hover; more are counted."""
HATCH = {"shape": "/", "fillmode": "overlay", "fgcolor": "var(--surface)", "size": 5}
INK, MUTED, GREY, BLUE, ORANGE = "var(--ink)", "var(--muted)", "var(--grey)", "var(--blue)", "var(--orange)"
ROOM = 0.04
"""Between the outermost ends and the edge, as a share of what they span."""
CLOSE_TOGETHER = 0.1
"""Shares that span less than this have a decimal on their axis."""


def drawing(traces: Iterable[Plain], height: float, **layout: Any) -> Plain:
    """Put traces and layout together."""
    return {"data": list(traces), "layout": {**layout, "height": round(height)}}


def escape(name: str, most: int | None = None) -> str:
    """Return a text that plotly shows as it is, neither as tags nor as mathematics."""
    return html.escape(name if most is None else shortened(name, most), quote=False).replace("$", "&#36;")


def escape_wrapped(name: str, width: int = 46) -> str:
    """Return a text in lines, whatever its words."""
    lines = [name[start : start + width] for start in range(0, min(len(name), 6 * width), width)]
    return "<br>".join(map(escape, lines)) + ("…" if len(name) > 6 * width else "")


def rounded(value: float | None) -> float | None:
    """Return a value with few digits; None for one that is not there."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")


def all_rounded(values: Iterable[float | None]) -> list[float | None]:
    """Return values with few digits."""
    return [rounded(value) for value in values]


def format_value(value: float, axis: Axis) -> str:
    """Write a value as people read it."""
    if not math.isfinite(value):
        return "no rows"
    return f"{100 * value:.2f} %" if axis.percent else f"{value:.4g}"


def value_axis(axis: Axis, **more: Any) -> Plain:
    """Return an axis of numbers."""
    ticks = {"tickformat": ".0%"} if axis.percent else {}
    return {"title": {"text": escape(axis.title)}, "zeroline": False, "automargin": True, **ticks, **more}


def fine_ticks(axis: Axis, values: Sequence[float | None]) -> Plain:
    """Return what gives per cents a decimal where values are close together."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return {"tickformat": ".1%"} if axis.percent and known and max(known) - min(known) < CLOSE_TOGETHER else {}


def padded(values: Iterable[float | None], room: float = ROOM) -> list[float | None]:
    """Return a range that holds all values with some room on either side, so that no line ends on the plot's edge."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return [None, None]
    low, high = min(known), max(known)
    space = room * (high - low) or 0.5 * abs(high) or 1.0
    return [rounded(low - space), rounded(high + space)]


def name_axis(names: Sequence[str]) -> Plain:
    """Return a vertical axis of names, the first on top."""
    return {
        "tickvals": list(range(len(names))),
        "ticktext": [escape(name, 24) for name in names],
        "range": [len(names) - 0.4, -0.6],
        "automargin": True,
        "zeroline": False,
        "showgrid": False,
        "fixedrange": True,
    }


def legend_entry(name: str, look: Plain, mode: str = "markers") -> Plain:
    """Return an entry of the legend that no trace has."""
    trace = {"type": "scatter", "mode": mode, "x": [None], "y": [None], "name": name, "hoverinfo": "skip"}
    return trace | {"showlegend": True, "marker" if mode == "markers" else "line": look}


def marker(role: Role, **more: Any) -> Plain:
    """Return how a point of a role is drawn."""
    look = LOOKS[role]
    outline = {"width": 1, "color": "var(--surface)"}
    return {"color": f"var(--{look.color})", "symbol": look.symbol, "size": look.size, "line": outline, **more}


def points(name: str, role: Role, x: Sequence[Any], y: Sequence[Any], hover: Sequence[str], **more: Any) -> Plain:
    """Return marked points, each with a text on hover."""
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": escape(name),
        "x": x,
        "y": y,
        "marker": marker(role),
        "hovertext": hover,
        "hoverinfo": "text",
    }
    return {**trace, **more}


def bars(hover: Sequence[str]) -> Plain:
    """Return what lying bars have in common: the first is on top, each has a text on hover."""
    trace = {"type": "bar", "orientation": "h", "y": list(range(len(hover))), "hovertext": hover, "hoverinfo": "text"}
    return {**trace, "width": 0.7}


def describe_members(mark: Mark) -> str:
    """Name the members of a committee, some lines long."""
    names = mark.members.split("\n") if mark.members else []
    lines = [escape(name, 40) for name in names[:MOST_NAMED]]
    if len(names) > MOST_NAMED:
        lines.append(f"and {len(names) - MOST_NAMED} more")
    return "<br>".join(lines)


def describe_committee(mark: Mark, axis: Axis) -> str:
    """Say what a committee reaches, and who is in it."""
    members = describe_members(mark)
    return f"<b>{format_value(mark.value, axis)}</b>, {count(mark.size, 'member')}" + (
        f"<br>{members}" if members else ""
    )
