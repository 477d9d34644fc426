"""What a rule gains on each set, against how large the set is: small multiples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ensembler.arrays import mid_ranks
from ensembler.ranking.results import Ranking
from ensembler.report.differences import axis_title, scale
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Axis, Chart, Figure, Plain
from ensembler.report.figures.style import BLUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

FEWEST_SETS = 4
"""Of fewer sets there is nothing to see."""
MOST_RULES = 4
GAP = 0.05
"""Between panels, as a share of the width."""
MOST_STEPS = 5
LOGARITHMIC = 8.0
"""Sizes of which the largest is so many times the smallest are on a logarithmic axis."""


@dataclass(frozen=True)
class SizePanel:
    """One measure of size: its title, and its value for each set."""

    title: str
    sizes: Sequence[int]

    @property
    def is_logarithmic(self) -> bool:
        """Whether sizes are spread over orders of magnitude."""
        return max(self.sizes) >= LOGARITHMIC * min(self.sizes)

    @property
    def ticks(self) -> list[int]:
        """A few sizes to write on the axis."""
        low, high = min(self.sizes), max(self.sizes)
        nice = [factor * 10**power for power in range(12) for factor in (1, 2, 5)]
        if not self.is_logarithmic:
            step = next(step for step in nice if high - low <= MOST_STEPS * step)
            return list(range(-(-low // step) * step, high + 1, step))
        inside = [tick for tick in nice if 0.9 * low <= tick <= 1.1 * high]
        return inside if len(inside) < 7 else [tick for tick in inside if str(tick)[0] == "1"]


@dataclass(frozen=True)
class GainBySize(Chart):
    """The gain of one rule on each set, against several measures of size that share the vertical axis."""

    axis: Axis
    panels: Sequence[SizePanel]
    sets: Sequence[str]
    gains: Sequence[float]

    @property
    def is_wide(self) -> bool:
        """Panels beside one another scroll on a phone."""
        return len(self.panels) > 1

    def correlation(self, panel: SizePanel) -> float:
        """Return Spearman's rank correlation of gain with size; NaN where all gains are equal."""
        if np.ptp(self.gains) == 0:
            return math.nan
        return float(np.corrcoef(mid_ranks(np.asarray(panel.sizes)), mid_ranks(np.asarray(self.gains)))[0, 1])

    def panel_title(self, panel: SizePanel) -> str:
        """Return the title of a panel with its correlation."""
        value = self.correlation(panel)
        return panel.title if math.isnan(value) else f"{panel.title} (ρ = {value:+.2f})"

    def draw_for_page(self) -> Plain:
        """Draw the panels by plotly.js."""
        traces: list[Plain] = []
        layout: Plain = {"yaxis": plotly.value_axis(self.axis, zeroline=True), "hovermode": "closest"}
        width = (1 + GAP) / len(self.panels) - GAP
        for place, panel in enumerate(self.panels):
            number = "" if not place else str(place + 1)
            left = place * (width + GAP)
            hover = [
                f"<b>{plotly.escape(name, 40)}</b><br>{size:,} {panel.title}<br>{gain:+.4g}"
                for name, size, gain in zip(self.sets, panel.sizes, self.gains, strict=True)
            ]
            points = plotly.points("", "other", list(panel.sizes), plotly.all_rounded(self.gains), hover)
            marker = plotly.marker("other", size=8, color=plotly.BLUE, opacity=0.8)
            traces.append(points | {"marker": marker, "xaxis": f"x{number}", "yaxis": "y"})
            texts = {"tickvals": panel.ticks, "ticktext": [f"{tick:,}" for tick in panel.ticks]}
            layout[f"xaxis{number}"] = plotly.value_axis(Axis(self.panel_title(panel)), **texts) | {
                "type": "log" if panel.is_logarithmic else "linear",
                "domain": [round(left, 4), round(left + width, 4)],
                "anchor": "y",
            }
        return plotly.drawing(traces, 340, **layout)

    def draw_for_file(self) -> "Drawing":
        """Draw the panels by matplotlib."""
        figure = matplotlib.new_figure(matplotlib.PAGE, 2.3)
        drawn = figure.subplots(1, len(self.panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(drawn, self.panels, strict=True):
            self.draw_panel(matplotlib.frameless(axes), panel)
        matplotlib.label_values(drawn[0].yaxis, self.axis)
        return figure

    def draw_panel(self, axes: "Axes", panel: SizePanel) -> None:
        """Draw one panel by matplotlib."""
        axes.axhline(0, color="0.5", linewidth=0.8, zorder=1)
        axes.plot(panel.sizes, self.gains, "o", color=BLUE, alpha=0.8, markersize=4, zorder=2, markeredgewidth=0)
        if panel.is_logarithmic:
            axes.set_xscale("log")
        axes.set_xticks(panel.ticks, [f"{tick:,}" for tick in panel.ticks])
        axes.set_xticks([], minor=True)
        axes.set_xlabel(self.panel_title(panel), fontsize=matplotlib.MEDIUM)


def gain_by_size(ranking: Ranking) -> Figure | None:
    """Show what the leading rules gain against the numbers of fitting rows, members and classes."""
    measures = {
        "fitting rows": [values.n_fit for values in ranking.sets],
        "members": [values.n_members for values in ranking.sets],
        "classes": [values.n_classes for values in ranking.sets],
    }
    varied = {title: sizes for title, sizes in measures.items() if len(set(sizes)) > 1}
    names = leading(ranking)
    if len(ranking.sets) < FEWEST_SETS or not varied or not names:
        return None
    order = [rule.name for rule in ranking.rules]
    axis = Axis(axis_title(ranking.metric))
    views: list[tuple[str, Chart]] = []
    for name in names:
        gains = scale(ranking.metric) * ranking.differences[:, order.index(name)]
        there = np.flatnonzero(np.isfinite(gains)).tolist()
        panels = [SizePanel(title, [sizes[place] for place in there]) for title, sizes in varied.items()]
        sets = [ranking.sets[place].name for place in there]
        views.append((name, GainBySize(axis, panels, sets, gains[there].tolist())))
    text = (
        f"What {names[0]} and other leading rules gain over the mean on each set, against {' and '.join(varied)}. ρ is "
        "Spearman's rank correlation. Where points are above 0 on one side only, the rule is for sets of that size; "
        "sets differ in more than their size, so that this is no proof."
    )
    return Figure("size", "What is gained on small and on large sets", text, views)


def leading(ranking: Ranking) -> list[str]:
    """Return the recommended rule and those of the best mean ranks, but for the mean, whose gain is 0."""
    wanted = dict.fromkeys([ranking.recommended, *(rule.name for rule in ranking.rules)])
    complete = [name for name in wanted if name != "mean" and ranking[name].mean_rank is not None]
    return complete[:MOST_RULES]
