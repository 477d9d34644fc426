"""Figures for a page: what plotly.js draws, as plain values.

Colours are names of the page's own (``var(--blue)``), which the page resolves, so that a figure follows its theme.
Every text is escaped: plotly takes some of HTML for markup.
"""

import html
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ensembler.report.figures.charts import (
    Axis,
    ByClass,
    Chart,
    Diagrams,
    Estimate,
    Front,
    Gains,
    Intervals,
    Mark,
    Matrix,
    Role,
    Sizes,
    Worth,
)
from ensembler.report.figures.style import LOOKS, TICK, shortened

Plain = dict[str, Any]

DIGITS = 5
"""Numbers are rounded to so many significant digits."""
MOST_LABELS, MOST_NUMBERS = 40, 10
MOST_NAMED = 12
"""Members of a committee that are named on hover; more are counted."""
MARGIN = {"l": 52, "r": 12, "t": 48, "b": 44}
HATCH = {"shape": "/", "fillmode": "overlay", "fgcolor": "var(--surface)", "size": 5}
INK, MUTED, GREY, BLUE, ORANGE = "var(--ink)", "var(--muted)", "var(--grey)", "var(--blue)", "var(--orange)"


def draw(chart: Chart) -> Plain:
    """Return traces, layout and height of a chart."""
    drawn = DRAWN[type(chart)](chart)
    drawn["layout"].setdefault("showlegend", any(trace.get("name") for trace in drawn["data"]))
    return drawn


def figure(data: Iterable[Plain | None], height: float, **layout: Any) -> Plain:
    """Put traces and layout together."""
    return {"data": [trace for trace in data if trace is not None], "layout": {**layout, "height": round(height)}}


def text(name: str, most: int | None = None) -> str:
    """Return a text that plotly shows as it is, neither as tags nor as mathematics."""
    return html.escape(name if most is None else shortened(name, most), quote=False).replace("$", "&#36;")


def wrapped(name: str, width: int = 46) -> str:
    """Return a text in lines, whatever its words."""
    lines = [name[start : start + width] for start in range(0, min(len(name), 6 * width), width)]
    return "<br>".join(map(text, lines)) + ("…" if len(name) > 6 * width else "")


def number(value: float | None) -> float | None:
    """Return a value with few digits; None for one that is not there."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")


def numbers(values: Iterable[float | None]) -> list[float | None]:
    """Return values with few digits."""
    return [number(value) for value in values]


def written(value: float, axis: Axis) -> str:
    """Write a value as people read it."""
    if not math.isfinite(value):
        return "no rows"
    return f"{100 * value:.2f} %" if axis.percent else f"{value:.4g}"


def measure(axis: Axis, **more: Any) -> Plain:
    """Return an axis of numbers."""
    format_ = {"tickformat": ".0%"} if axis.percent else {}
    return {"title": {"text": text(axis.title)}, "zeroline": False, "automargin": True, **format_, **more}


def fine(axis: Axis, values: Sequence[float | None]) -> Plain:
    """Return what gives per cents a decimal where values are close together."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return {"tickformat": ".1%"} if axis.percent and known and max(known) - min(known) < 0.1 else {}


def names_below(names: Sequence[str]) -> Plain:
    """Return a vertical axis of names, the first on top."""
    return {
        "tickvals": list(range(len(names))),
        "ticktext": [text(name, 24) for name in names],
        "range": [len(names) - 0.4, -0.6],
        "automargin": True,
        "zeroline": False,
        "showgrid": False,
        "fixedrange": True,
    }


def marker(role: Role, **more: Any) -> Plain:
    """Return how a point of a role is drawn."""
    look = LOOKS[role]
    outline = {"width": 1, "color": "var(--surface)"}
    return {"color": f"var(--{look.color})", "symbol": look.symbol, "size": look.size, "line": outline, **more}


def points(name: str, role: Role, x: Sequence[Any], y: Sequence[Any], hover: Sequence[str], **more: Any) -> Plain:
    """Return marked points that tell about themselves."""
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": text(name),
        "x": x,
        "y": y,
        "marker": marker(role),
        "hovertext": hover,
        "hoverinfo": "text",
    }
    return {**trace, **more}


def draw_intervals(chart: Intervals) -> Plain:
    """Draw a forest plot."""
    traces: list[Plain] = []
    for role in dict.fromkeys(row.role for row in chart.rows):
        places = [place for place, row in enumerate(chart.rows) if row.role == role]
        rows = [chart.rows[place] for place in places]
        hover = [told_estimate(row, chart.axis) for row in rows]
        trace = points(role if role != "other" else "", role, numbers(row.value for row in rows), places, hover)
        trace["showlegend"] = role != "other"
        ends = [end for row in rows if row.interval is not None for end in (*row.interval, None)]
        if ends:
            heights = [place for row, place in zip(rows, places, strict=True) if row.interval is not None]
            across: Plain = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "showlegend": False}
            across |= {"x": numbers(ends), "y": [one for place in heights for one in (place, place, None)]}
            traces.append({**across, "line": {"color": f"var(--{LOOKS[role].color})", "width": 1.8}})
        traces.append(trace)
    known = [end for row in chart.rows for end in row.interval or (row.value,)]
    shapes = []
    for line in chart.lines:
        color = f"var(--{LOOKS[line.role].color})" if line.role != "other" else MUTED
        shapes.append(
            {"type": "line", "x0": number(line.value), "x1": number(line.value), "yref": "paper", "y0": 0, "y1": 1}
            | {"line": {"color": color, "width": 1.4, "dash": LOOKS[line.role].dash}, "layer": "below"}
        )
        if line.label:
            # A line in the legend stands for the shape, which has none.
            traces.append(
                {"type": "scatter", "mode": "lines", "x": [None], "y": [None], "name": text(line.label, 40)}
                | {"line": {"color": color, "width": 1.4, "dash": LOOKS[line.role].dash}, "hoverinfo": "skip"}
            )
    return figure(
        traces,
        150 + 24 * len(chart.rows),
        xaxis=measure(chart.axis, **fine(chart.axis, known)),
        yaxis=names_below([row.label for row in chart.rows]),
        shapes=shapes,
        hovermode="closest",
    )


def told_estimate(row: Estimate, axis: Axis) -> str:
    """Say what a value is, and its interval."""
    told = f"<b>{wrapped(row.label)}</b><br>{written(row.value, axis)}"
    if row.interval is not None:
        low, high = (written(end, axis) for end in row.interval)
        told += f"<br>95 % interval {low} to {high}"
    return told


def told_members(mark: Mark) -> str:
    """Name the members of a committee, some lines long."""
    names = mark.members.split("\n") if mark.members else []
    lines = [text(name, 40) for name in names[:MOST_NAMED]]
    if len(names) > MOST_NAMED:
        lines.append(f"and {len(names) - MOST_NAMED} more")
    return "<br>".join(lines)


def told_committee(mark: Mark, axis: Axis) -> str:
    """Say what a committee is and reaches."""
    members = told_members(mark)
    size = f"{mark.size} member{'s' * (mark.size != 1)}"
    return f"<b>{written(mark.value, axis)}</b>, {size}" + (f"<br>{members}" if members else "")


def draw_sizes(chart: Sizes) -> Plain:
    """Draw values against committee size."""
    x: list[float | None] = []
    y: list[float | None] = []
    outline_x: list[float | None] = []
    outline_y: list[float | None] = []
    for density in chart.densities:
        half = 0.42 * density.numbers / density.numbers.max()
        if density.binned:
            around = np.concatenate([density.size - half, (density.size + half)[::-1], [density.size - half[0]]])
            heights = np.concatenate([density.values, density.values[::-1], density.values[:1]])
            outline_x += [*(round(float(one), 3) for one in around), None]
            outline_y += [*numbers(heights), None]
        else:
            for value in density.values:
                x += [density.size - TICK, density.size + TICK, None]
                y += [number(value), number(value), None]
    still = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "line": {"color": GREY, "width": 1}}
    best = list(chart.best)
    # A committee may be several points in one place, of which any may be the one that is told about.
    roles = {mark.members: mark.role for mark in chart.marks}

    def told(mark: Mark) -> str:
        role = roles.get(mark.members)
        return ("" if role is None else f"{role}: ") + told_committee(mark, chart.axis)

    size_line = {"color": INK, "width": 1.3}
    traces: list[Plain | None] = [
        {**still, "x": outline_x, "y": outline_y, "fill": "toself", "name": "all committees", "showlegend": True}
        if outline_x
        else None,
        {**still, "x": x, "y": y, "name": "all committees", "showlegend": not outline_x} if x else None,
        points(
            "the best committees",
            "other",
            [mark.size for mark in chart.top],
            numbers(mark.value for mark in chart.top),
            [told(mark) for mark in chart.top],
            marker=marker("other", size=5, color="var(--sky)", line={"width": 0}),
        )
        if chart.top
        else None,
        points(
            "best of each size",
            "other",
            [mark.size for mark in best],
            numbers(mark.value for mark in best),
            [told(mark) for mark in best],
            mode="lines+markers",
            line=size_line,
            marker=marker("other", size=6, color=INK),
        ),
    ]
    for mark in chart.marks:
        traces.append(points(mark.role, mark.role, [mark.size], [number(mark.value)], [told(mark)]))
    values = [mark.value for mark in best] + [float(density.values.min()) for density in chart.densities]
    sizes = [mark.size for mark in best]
    few = {"dtick": 1} if len(sizes) <= 20 else {}
    return figure(
        traces,
        460,
        xaxis={"title": {"text": "members of the committee"}, "zeroline": False, "showgrid": False}
        | {"range": [min(sizes) - 0.6, max(sizes) + 0.6], **few},
        yaxis=measure(chart.axis, **fine(chart.axis, chart.span or values))
        | ({} if chart.span is None else {"range": numbers(chart.span)}),
        hovermode="closest",
    )


def told_value(value: float, unit: str) -> str:
    """Write a signed value in its unit."""
    return f"{value:+.2f} {unit}" if unit else f"{value:+.4f}"


def draw_worth(chart: Worth) -> Plain:
    """Draw what members are worth, beside how often they helped and hurt."""
    places = list(range(len(chart.names)))
    hover = [
        f"<b>{wrapped(name)}</b><br>Shapley value {told_value(value, chart.unit)}"
        f"<br>helped {helped:.1%}, hurt {hurt:.1%}"
        for name, value, helped, hurt in zip(chart.names, chart.values, chart.helped, chart.hurt, strict=True)
    ]
    bars = {"type": "bar", "orientation": "h", "y": places, "hovertext": hover, "hoverinfo": "text", "width": 0.7}
    hurt_fill = {"color": ORANGE, "pattern": HATCH}
    side = {"xaxis": "x2"}
    ticks = {"tickvals": [-1, -0.5, 0, 0.5, 1], "ticktext": ["100 %", "50 %", "0", "50 %", "100 %"]}
    zero = {"zeroline": True, "zerolinecolor": MUTED, "automargin": True}
    return figure(
        [
            {**bars, "x": numbers(chart.values), "marker": {"color": BLUE}, "showlegend": False},
            {**bars, **side, "x": numbers(chart.helped), "marker": {"color": BLUE}, "name": "helped"},
            {**bars, **side, "x": numbers(-value for value in chart.hurt), "marker": hurt_fill, "name": "hurt"},
        ],
        170 + 26 * len(places),
        barmode="overlay",
        xaxis=measure(chart.axis, domain=[0, 0.48], **zero),
        xaxis2={
            "title": {"text": "of the committees it joined"},
            "domain": [0.54, 1],
            "range": [-1.04, 1.04],
            **ticks,
            **zero,
        },
        yaxis=names_below(chart.names),
        hovermode="closest",
    )


def draw_front(chart: Front) -> Plain:
    """Draw what accuracy costs."""

    def told(cost: float, mark: Mark) -> str:
        return f"{told_committee(mark, chart.axis)}<br>{cost:,.0f} {text(chart.unit)}"

    front = [
        Mark(len(members.split("\n")), value, members)
        for value, members in zip(chart.values, chart.members, strict=True)
    ]
    traces = [
        points(
            "no cheaper one is as good",
            "other",
            numbers(chart.costs),
            numbers(chart.values),
            [told(cost, mark) for cost, mark in zip(chart.costs, front, strict=True)],
            mode="lines+markers",
            line={"color": INK, "width": 1.3, "shape": "hv"},
            marker=marker("other", size=7, color=INK),
        )
    ]
    for role in dict.fromkeys(mark.role for _, mark in chart.marks):
        pairs = [pair for pair in chart.marks if pair[1].role == role]
        traces.append(
            points(
                "single members" if role == "member" else role,
                role,
                numbers(cost for cost, _ in pairs),
                numbers(mark.value for _, mark in pairs),
                [told(cost, mark) for cost, mark in pairs],
            )
        )
    return figure(
        traces,
        400,
        xaxis=measure(Axis(chart.unit), rangemode="tozero"),
        yaxis=measure(chart.axis, **fine(chart.axis, chart.values)),
        hovermode="closest",
    )


def draw_by_class(chart: ByClass) -> Plain:
    """Draw values by class."""
    names = [f"{name} ({rows:,})" for name, rows in zip(chart.classes, chart.rows, strict=True)]
    traces: list[Plain] = []
    x: list[float | None] = []
    y: list[float] = []
    hover: list[str] = []
    for member in chart.members:
        x += numbers(member.values)
        y += list(range(len(names)))
        hover += [
            f"{text(member.label, 40)}<br>{text(name, 40)}: {written(value, chart.axis)}"
            for name, value in zip(chart.classes, member.values, strict=True)
        ]
    if chart.members:
        traces.append(points("members", "member", x, y, hover, marker=marker("member", size=6, opacity=0.5)))
    shift = np.linspace(-0.26, 0.26, max(len(chart.series), 1)) if len(chart.series) > 1 else [0.0]
    for offset, one in zip(shift, chart.series, strict=False):
        base = None if chart.base is None or one is chart.base else chart.base.values
        worse = [base is not None and value < base[place] for place, value in enumerate(one.values)]
        symbol = LOOKS[one.role].symbol
        shapes = [f"{symbol}-open" if lost else symbol for lost in worse]
        outline = {"width": [2 if lost else 1 for lost in worse], "color": "var(--surface)"}
        told = [
            f"<b>{text(one.label, 40)}</b><br>{text(name, 40)}: {written(value, chart.axis)}"
            + (
                f"<br>{100 * (value - base[place]):+.1f} points against the best member"
                if base is not None and math.isfinite(value)
                else ""
            )
            for place, (name, value) in enumerate(zip(chart.classes, one.values, strict=True))
        ]
        drawn = marker(one.role, symbol=shapes, size=LOOKS[one.role].size, line=outline)
        places = [place + round(float(offset), 3) for place in range(len(names))]
        trace = points(shortened(one.label, 34), one.role, numbers(one.values), places, told, marker=drawn)
        traces.append(trace)
    lines = [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": place, "y1": place, "layer": "below"}
        | {"line": {"color": "var(--grid)", "width": 1}}
        for place in range(len(names))
    ]
    return figure(
        traces,
        170 + 40 * len(names),
        xaxis=measure(chart.axis),
        yaxis=names_below(names),
        shapes=lines,
        hovermode="closest",
    )


def draw_matrix(chart: Matrix) -> Plain:
    """Draw a square of values."""
    n_rows, n_columns = chart.values.shape
    most = float(np.nanmax(np.abs(chart.values), initial=0.0)) or 1.0
    scale = [[0, "var(--surface)"], [1, "var(--heat)"]]
    if chart.diverging:
        scale = [[0, "var(--cool)"], [0.5, "var(--surface)"], [1, "var(--heat)"]]
    cells = [[number(value) for value in row] for row in chart.values.tolist()]
    trace: Plain = {
        "type": "heatmap",
        "z": cells,
        "zmin": number(-most) if chart.diverging else number(chart.low),
        "zmax": number(most),
        "colorscale": scale,
        "xgap": 1 if n_rows <= MOST_LABELS else 0,
        "ygap": 1 if n_rows <= MOST_LABELS else 0,
        "colorbar": {"thickness": 10, "len": 0.8, "outlinewidth": 0}
        | {"tickformat": "+" if chart.diverging else ".0%"},
    }
    value = "%{z:+.2f} points" if chart.diverging else "%{z:.2%}"
    counted = ""
    if chart.counts is not None:
        trace["customdata"] = chart.counts.tolist()
        counted = f"<br>%{{customdata:,}} {text(chart.counted)}"
    # Who a cell is about is put together by the page: as data it would be by far the most.
    trace["hovertemplate"] = f"%{{hovertext}}<br><b>{value}</b>{counted}<extra></extra>"
    if n_rows <= MOST_NUMBERS:
        trace["texttemplate"] = "%{z:+.1f}" if chart.diverging else "%{z:.0%}"
        trace["textfont"] = {"size": 11, "color": INK}
    many = n_rows > MOST_LABELS
    labels = [text(name, 16 if n_columns > 10 else 22) for name in chart.columns]
    height = 200 + (520 if many else max(240, 27 * n_rows))
    drawn = figure(
        [trace],
        height,
        xaxis={"title": {"text": text(chart.column_title)}, "automargin": True, "showgrid": False, "zeroline": False}
        | {"tickvals": [] if many else list(range(n_columns)), "ticktext": [] if many else labels, "tickangle": -45},
        yaxis={**names_below(chart.rows), "title": {"text": text(chart.row_title)}}
        | {"range": [n_rows - 0.5, -0.5]}
        | ({"tickvals": [], "ticktext": []} if many else {}),
    )
    sides = ((chart.row_title, chart.rows), (chart.column_title, chart.columns))
    drawn["cells"] = [[f"{text(title)} {text(name, 40)}".strip() for name in names] for title, names in sides]
    return drawn


def unsigned(right: Sequence[int], left: Sequence[int]) -> Plain:
    """Return ticks that have no sign on either side of 0."""
    most = max(*right, *left, 1)
    step = next(step for power in range(12) for step in (10**power, 2 * 10**power, 5 * 10**power) if 3 * step >= most)
    places = list(range(-3 * step, 4 * step, step))
    return {"tickvals": places, "ticktext": [f"{abs(place):,}" for place in places]}


def draw_gains(chart: Gains) -> Plain:
    """Draw what was gained and lost in each class."""
    places = list(range(len(chart.classes)))
    hover = [
        f"<b>{text(name, 40)}</b><br>{gained:,} gained, {lost:,} lost: {gained - lost:+,}"
        for name, gained, lost in zip(chart.classes, chart.gained, chart.lost, strict=True)
    ]
    bars = {"type": "bar", "orientation": "h", "y": places, "hovertext": hover, "hoverinfo": "text", "width": 0.7}
    fill = {"color": ORANGE, "pattern": HATCH}
    return figure(
        [
            {**bars, "x": list(chart.gained), "name": "gained", "marker": {"color": BLUE}},
            {**bars, "x": [-one for one in chart.lost], "name": "lost", "marker": fill},
        ],
        160 + 28 * len(places),
        barmode="overlay",
        xaxis=measure(chart.axis, zeroline=True, zerolinecolor=MUTED, **unsigned(chart.gained, chart.lost)),
        yaxis=names_below(chart.classes),
        hovermode="closest",
    )


def draw_diagrams(chart: Diagrams) -> Plain:
    """Draw reliability diagrams in a row, with the number of rows below."""
    traces: list[Plain] = []
    layout: Plain = {}
    n_panels = len(chart.panels)
    notes = []
    most = max(max(diagram.rows) for _, diagram in chart.panels)
    for place, (title, diagram) in enumerate(chart.panels):
        left = place / n_panels
        domain = [round(left, 4), round(left + 0.88 / n_panels, 4)]
        upper, lower = 2 * place + 1, 2 * place + 2
        centres = [number((low + high) / 2) for low, high in zip(diagram.edges[:-1], diagram.edges[1:], strict=True)]
        hover = [
            f"<b>{text(title, 40)}</b><br>{rows:,} rows<br>confidence {sure:.1%}, right {hit:.1%}"
            if rows
            else "no rows"
            for rows, sure, hit in zip(diagram.rows, diagram.confidence, diagram.accuracy, strict=True)
        ]
        names = {"xaxis": f"x{upper}", "yaxis": f"y{upper}", "showlegend": False}
        straight = {"type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "hoverinfo": "skip"}
        traces += [
            {**straight, **names, "line": {"color": MUTED, "dash": "dash", "width": 1}},
            {"type": "bar", "x": centres, "y": numbers(diagram.accuracy), "hovertext": hover, "hoverinfo": "text"}
            | {**names, "marker": {"color": BLUE}},
            {"type": "scatter", "mode": "markers", "x": numbers(diagram.confidence), "y": numbers(diagram.accuracy)}
            | {**names, "hoverinfo": "skip", "marker": {"color": ORANGE, "size": 6, "symbol": "diamond"}},
            {"type": "bar", "x": centres, "y": list(diagram.rows), "hovertext": hover, "hoverinfo": "text"}
            | {**names, "xaxis": f"x{lower}", "yaxis": f"y{lower}", "marker": {"color": GREY}},
        ]
        share = {"range": [0, 1], "zeroline": False, "tickvals": [0, 0.5, 1], "ticktext": ["0", "50", "100"]}
        first = place == 0
        layout[f"xaxis{upper}"] = {**share, "domain": domain, "anchor": f"y{upper}", "showticklabels": False}
        layout[f"yaxis{upper}"] = {**share, "domain": [0.36, 1], "anchor": f"x{upper}", "showticklabels": first}
        layout[f"xaxis{lower}"] = {**share, "domain": domain, "anchor": f"y{lower}", "title": {"text": "confidence, %"}}
        layout[f"yaxis{lower}"] = {"domain": [0, 0.26], "anchor": f"x{lower}", "nticks": 3, "tickformat": "~s"}
        layout[f"yaxis{lower}"] |= {"range": [0, 1.05 * most], "showticklabels": first}
        if first:
            layout[f"yaxis{upper}"]["title"] = {"text": "right, %"}
            layout[f"yaxis{lower}"]["title"] = {"text": "rows"}
        notes.append(
            {"text": f"<b>{text(title, 16)}</b><br>ECE {diagram.error:.3f}", "showarrow": False, "align": "left"}
            | {"xref": "paper", "yref": "paper", "x": domain[0], "y": 1.02, "xanchor": "left", "yanchor": "bottom"}
        )
    layout |= {"annotations": notes, "bargap": 0.1, "showlegend": False, "margin": MARGIN, "hovermode": "closest"}
    return figure(traces, 460, **layout)


DRAWN: dict[type, Callable[[Any], Plain]] = {
    Intervals: draw_intervals,
    Sizes: draw_sizes,
    Worth: draw_worth,
    Front: draw_front,
    ByClass: draw_by_class,
    Matrix: draw_matrix,
    Gains: draw_gains,
    Diagrams: draw_diagrams,
}
