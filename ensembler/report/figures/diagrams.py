"""Reliability diagrams side by side: of the predictions with some confidence, how many are right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ensembler.comparison.results import Comparison
from ensembler.metrics.calibration import Reliability
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Chart, Figure, Plain
from ensembler.report.figures.style import BLUE, GREY, ORANGE
from ensembler.report.leading import compared_rules, recommended_rule, rule_named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

MOST_PANELS = 4
NARROW, ROW_GAP = 2, 0.16
"""Diagrams in a row where the page is narrow; what is between such rows, as a share of the height."""
MARGIN = {"l": 52, "r": 12, "t": 56, "b": 44}
SHARES = [-0.03, 1.04]
"""What is drawn of shares: all, and points at 0 and 1 whole."""
TOP_FROM, BOTTOM_TO, PANEL_WIDTH = 0.36, 0.26, 0.88
"""Where diagrams begin and the bars below them end, in shares of the height; how much of its place a panel takes."""


@dataclass(frozen=True)
class Diagrams(Chart):
    """Reliability diagrams side by side."""

    panels: Sequence[tuple[str, Reliability]]

    def draw_for_page(self) -> Plain:
        """Draw diagrams, each above its number of rows, by plotly.js: in a row, on a narrow page two in a row."""
        traces: list[Plain] = []
        for place in range(len(self.panels)):
            traces += self.panel_traces(place)
        drawn = plotly.drawing(traces, **self.layout(len(self.panels), 460))
        if len(self.panels) > NARROW:
            drawn["stacked"] = self.layout(NARROW, 400 * -(-len(self.panels) // NARROW))
        return drawn

    def layout(self, n_columns: int, height: float) -> Plain:
        """Return the layout of so many diagrams in a row."""
        layout: Plain = {"height": height, "bargap": 0.1, "showlegend": False, "margin": MARGIN, "hovermode": "closest"}
        for place in range(len(self.panels)):
            layout |= self.panel_axes(place, n_columns)
        return layout | {"annotations": [self.panel_title(place, n_columns) for place in range(len(self.panels))]}

    def panel_traces(self, place: int) -> list[Plain]:
        """Return the dashed line, the bars and points of a diagram, and the bars below it."""
        title, diagram = self.panels[place]
        upper, lower = 2 * place + 1, 2 * place + 2
        ends = zip(diagram.edges[:-1], diagram.edges[1:], strict=True)
        centres = [plotly.rounded((low + high) / 2) for low, high in ends]
        accuracy, confidence = plotly.all_rounded(diagram.accuracy), plotly.all_rounded(diagram.confidence)
        hover = [
            f"<b>{plotly.escape(title, 40)}</b><br>{rows:,} rows<br>confidence {confident:.1%}, right {right:.1%}"
            if rows
            else "no rows"
            for rows, confident, right in zip(diagram.rows, diagram.confidence, diagram.accuracy, strict=True)
        ]
        above = {"xaxis": f"x{upper}", "yaxis": f"y{upper}", "showlegend": False}
        below = {**above, "xaxis": f"x{lower}", "yaxis": f"y{lower}"}
        straight = {"type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "hoverinfo": "skip"}
        return [
            {**straight, **above, "line": {"color": plotly.MUTED, "dash": "dash", "width": 1}},
            {"type": "bar", "x": centres, "y": accuracy, "hovertext": hover, "hoverinfo": "text"}
            | {**above, "marker": {"color": plotly.BLUE}},
            {"type": "scatter", "mode": "markers", "x": confidence, "y": accuracy}
            | {**above, "hoverinfo": "skip"}
            | {"marker": {"color": plotly.ORANGE, "size": 6, "symbol": "diamond"}},
            {"type": "bar", "x": centres, "y": list(diagram.rows), "hovertext": hover, "hoverinfo": "text"}
            | {**below, "marker": {"color": plotly.GREY}},
        ]

    def panel_axes(self, place: int, n_columns: int) -> Plain:
        """Return the axes of a diagram and of the bars below it; the first panel of a row has the titles."""
        upper, lower, first = 2 * place + 1, 2 * place + 2, place % n_columns == 0
        most = max(max(diagram.rows) for _, diagram in self.panels)
        domain = self.panel_domain(place, n_columns)
        bottom, top = self.row_domain(place, n_columns)
        share = {"range": SHARES, "zeroline": False, "tickvals": [0, 0.5, 1], "ticktext": ["0", "50", "100"]}
        accuracy = {
            **share,
            "domain": within(bottom, top, TOP_FROM, 1.0),
            "anchor": f"x{upper}",
            "showticklabels": first,
        }
        rows: dict[str, Any] = {
            "domain": within(bottom, top, 0.0, BOTTOM_TO),
            "anchor": f"x{lower}",
            "nticks": 3,
            "tickformat": "~s",
        }
        rows |= {"range": [0, 1.05 * most], "showticklabels": first}
        if first:
            accuracy["title"] = {"text": "right, %"}
            rows["title"] = {"text": "rows"}
        return {
            f"xaxis{upper}": {**share, "domain": domain, "anchor": f"y{upper}", "showticklabels": False},
            f"yaxis{upper}": accuracy,
            f"xaxis{lower}": {**share, "domain": domain, "anchor": f"y{lower}", "title": {"text": "confidence, %"}},
            f"yaxis{lower}": rows,
        }

    def panel_title(self, place: int, n_columns: int) -> Plain:
        """Return the title above a panel, with its calibration error."""
        title, diagram = self.panels[place]
        text = f"<b>{plotly.escape(title, 16 if n_columns > NARROW else 14)}</b><br>ECE {diagram.error:.3f}"
        left, top = self.panel_domain(place, n_columns)[0], self.row_domain(place, n_columns)[1]
        note = {"text": text, "showarrow": False, "align": "left", "xref": "paper", "yref": "paper"}
        return note | {"x": left, "y": round(top + 0.02, 4), "xanchor": "left", "yanchor": "bottom"}

    def panel_domain(self, place: int, n_columns: int) -> list[float]:
        """Return from where to where a panel reaches, in shares of the width."""
        left = place % n_columns / n_columns
        return [round(left, 4), round(left + PANEL_WIDTH / n_columns, 4)]

    def row_domain(self, place: int, n_columns: int) -> tuple[float, float]:
        """Return from where to where a panel's row reaches, in shares of the height."""
        n_rows = -(-len(self.panels) // n_columns)
        if n_rows == 1:
            return 0.0, 1.0
        height = (1 - ROW_GAP * (n_rows - 1)) / n_rows
        top = 1 - place // n_columns * (height + ROW_GAP)
        return top - height, top

    def draw_for_file(self) -> "Drawing":
        """Draw diagrams in a row, with the number of rows below, by matplotlib."""
        n_panels = len(self.panels)
        figure = matplotlib.new_figure(2.3 * max(n_panels, 2), 3.0)
        axes = figure.subplots(2, n_panels, height_ratios=(3, 1), sharex=True, squeeze=False)
        for column, (title, diagram) in enumerate(self.panels):
            draw_panel(axes[0][column], axes[1][column], title, diagram)
        axes[0][0].set_ylabel("accuracy", fontsize=matplotlib.MEDIUM)
        axes[1][0].set_ylabel("rows", fontsize=matplotlib.MEDIUM)
        return figure


def within(bottom: float, top: float, low: float, high: float) -> list[float]:
    """Return a part of a row, in shares of the figure's height."""
    return [round(bottom + low * (top - bottom), 4), round(bottom + high * (top - bottom), 4)]


def draw_panel(upper: "Axes", lower: "Axes", title: str, diagram: Reliability) -> None:
    """Draw a diagram of a file's figure, and the number of rows below it."""
    matplotlib.frameless(upper)
    matplotlib.frameless(lower)
    edges, medium = np.array(diagram.edges), matplotlib.MEDIUM
    centres, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    upper.plot([0, 1], [0, 1], "--", color="0.6", linewidth=0.8, zorder=1)
    upper.bar(centres, np.nan_to_num(np.array(diagram.accuracy)), width * 0.9, color=BLUE, alpha=0.8, zorder=2)
    upper.plot(diagram.confidence, diagram.accuracy, ".", color=ORANGE, markersize=5, zorder=3)
    upper.set_title(matplotlib.fitted(title), fontsize=medium)
    upper.text(0.04, 0.9, f"ECE {diagram.error:.3f}", transform=upper.transAxes, fontsize=medium)
    lower.bar(centres, diagram.rows, width * 0.9, color=GREY)
    lower.set_xlabel("confidence", fontsize=medium)
    upper.set_ylim(*SHARES)
    upper.set_xlim(*SHARES)


def reliability(result: Comparison) -> Figure | None:
    """Show how far predictions are as right as they are confident."""
    panels = reliability_panels(result)
    if not panels:
        return None
    text = (
        "Of the predictions with some confidence, how many are right: bars on the dashed line are calibrated, below it "
        "overconfident, above it underconfident. The bars underneath are how many rows have that confidence; ECE is "
        "the mean distance from the line."
    )
    return Figure("reliability", "Is it as right as it is confident?", text, [("reliability", Diagrams(panels))])


def reliability_panels(result: Comparison) -> list[tuple[str, Reliability]]:
    """Return reliability diagrams of the best member, of what to use, the chosen rule, the mean and a leading rule."""
    panels = []
    if result.best_member is not None and result.best_member.reliability is not None:
        panels.append((f"best member: {result.best_member_name}", result.best_member.reliability))
    compared = [entry.name for entry in compared_rules(result)]
    for name in dict.fromkeys([recommended_rule(result), result.chosen, "mean", *compared]):
        entry = rule_named(result, name)
        if entry is not None and entry.reliability is not None and len(panels) < MOST_PANELS:
            panels.append((entry.name, entry.reliability))
    return panels
