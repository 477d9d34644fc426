"""What members of committees are worth: Shapley values, mean effects, and how often adding one helped and hurt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ensembler.metrics import get_metric
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Axis, Chart, Figure, Plain
from ensembler.report.figures.style import BLUE, GREY, ORANGE
from ensembler.subsets.summaries import RuleSummary, StudySummary

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

MOST_WORTH = 40
"""How many members a figure has at most: the first and the last ones."""
SHARES = "share of committees it joined"
TICKS = {-1.0: "100 %", -0.5: "50 %", 0.0: "0", 0.5: "50 %", 1.0: "100 %"}
"""Of shares that are drawn to either side."""


@dataclass(frozen=True)
class Worth(Chart):
    """What each member is worth: its Shapley value, its mean effect, and how often it helped and hurt.

    The mean effect is what adding the member to a committee changes on average; harm is hatched.
    """

    axis: Axis
    unit: str
    names: Sequence[str]
    values: Sequence[float]
    effects: Sequence[float]
    helped: Sequence[float]
    hurt: Sequence[float]

    def draw_for_page(self) -> Plain:
        """Draw the three parts by plotly.js: beside one another, or where the page is narrow below one another."""
        hover = [
            f"<b>{plotly.escape_wrapped(name)}</b><br>Shapley value {format_signed(value, self.unit)}"
            f"<br>mean effect {format_signed(effect, self.unit)}<br>helped {helped:.1%}, hurt {hurt:.1%}"
            for name, value, effect, helped, hurt in zip(
                self.names, self.values, self.effects, self.helped, self.hurt, strict=True
            )
        ]
        bars, blue = plotly.bars(hover), {"color": plotly.BLUE}
        hatched = {"color": plotly.ORANGE, "pattern": plotly.HATCH}
        second, third = {"xaxis": "x2", "yaxis": "y2"}, {"xaxis": "x3", "yaxis": "y3"}
        up = plotly.all_rounded(max(effect, 0.0) for effect in self.effects)
        down = plotly.all_rounded(min(effect, 0.0) for effect in self.effects)
        hurt = plotly.all_rounded(-value for value in self.hurt)
        drawn = plotly.drawing(
            [
                {**bars, "x": plotly.all_rounded(self.values), "marker": {"color": plotly.GREY}, "showlegend": False},
                {**bars, **second, "x": up, "marker": blue, "showlegend": False},
                {**bars, **second, "x": down, "marker": hatched, "showlegend": False},
                {**bars, **third, "x": plotly.all_rounded(self.helped), "marker": blue, "name": "helped"},
                {**bars, **third, "x": hurt, "marker": hatched, "name": "hurt"},
            ],
            **self.layout([(0, 0.28), (0.33, 0.61), (0.68, 1)], [(0, 1)] * 3, 170 + 26 * len(self.names)),
        )
        rows = [(0.72, 1), (0.37, 0.65), (0, 0.28)]
        drawn["stacked"] = self.layout([(0, 1)] * 3, rows, 320 + 66 * len(self.names))
        return drawn

    def layout(
        self, across: Sequence[tuple[float, float]], along: Sequence[tuple[float, float]], height: float
    ) -> Plain:
        """Return the layout with the parts where they are to be, in shares of the width and of the height."""
        layout: Plain = {"height": round(height), "barmode": "overlay", "hovermode": "closest"}
        zero = {"zeroline": True, "zerolinecolor": plotly.MUTED, "automargin": True}
        ranges = [plotly.padded([0.0, *self.values]), plotly.padded([0.0, *self.effects]), [-1.04, 1.04]]
        ticks = {"tickvals": [-1, -0.5, 0, 0.5, 1], "ticktext": list(TICKS.values()), "ticklabeloverflow": "allow"}
        for place, title in enumerate(self.titles):
            number = "" if not place else str(place + 1)
            named = not place or along[place] != along[0]
            layout[f"xaxis{number}"] = (
                plotly.value_axis(Axis(title), domain=list(across[place]), anchor=f"y{number}", range=ranges[place])
                | zero
                | (ticks if place == len(self.titles) - 1 else {"nticks": 5})
            )
            layout[f"yaxis{number}"] = {
                **plotly.name_axis(self.names),
                "domain": list(along[place]),
                "anchor": f"x{number}",
                "showticklabels": named,
            }
        return layout

    @property
    def titles(self) -> list[str]:
        """What the axes of the parts measure."""
        return [f"Shapley value, {self.axis.title}", f"mean effect, {self.axis.title}", SHARES]

    def draw_for_file(self) -> "Drawing":
        """Draw the three parts beside one another by matplotlib."""
        figure = matplotlib.new_figure(matplotlib.PAGE, 0.9 + 0.22 * len(self.names))
        parts = [matplotlib.frameless(axes) for axes in figure.subplots(1, 3, sharey=True)]
        places, effects = np.arange(len(self.names)), np.asarray(self.effects)
        harm: dict[str, Any] = {"color": ORANGE, "hatch": "///", "edgecolor": "white"}
        parts[0].barh(places, self.values, 0.7, color=GREY)
        parts[1].barh(places, np.maximum(effects, 0), 0.7, color=BLUE)
        parts[1].barh(places, np.minimum(effects, 0), 0.7, **harm)
        parts[2].barh(places, self.helped, 0.7, color=BLUE, label="helped")
        parts[2].barh(places, -np.asarray(self.hurt), 0.7, label="hurt", **harm)
        parts[2].set_xlim(-1.04, 1.04)
        parts[2].set_xticks(list(TICKS), list(TICKS.values()))
        for axes, title in zip(parts, self.titles, strict=True):
            axes.axvline(0, color="0.3", linewidth=0.8)
            axes.tick_params(axis="y", length=0)
            axes.set_xlabel(title.replace(", ", ",\n"), fontsize=matplotlib.MEDIUM)
        matplotlib.add_legend(parts[2])
        matplotlib.label_names(parts[0], self.names)
        return figure


def format_signed(value: float, unit: str) -> str:
    """Write a signed value in its unit."""
    return f"{value:+.2f} {unit}" if unit else f"{value:+.4f}"


def worth(study: StudySummary) -> Figure | None:
    """Show what members are worth, where every committee of two members or more was evaluated."""
    views: list[tuple[str, Chart]] = []
    cut = 0
    for rule in study.rules:
        if rule.members is not None and len(rule.members) > 1:
            views.append((rule.rule, worth_of(rule, study)))
            cut = max(0, len(rule.members) - MOST_WORTH)
    if not views:
        return None
    text = (
        "First each member's Shapley value: what it adds on average over all orders in which a committee could have "
        "been put together. These make up what all members reach beyond none, so that being the first of a committee "
        "counts much. Then what adding it to a committee changes on average, over all committees that it could join, "
        "and in what share of them it made them better or worse."
    )
    if not get_metric(study.metric).greater_is_better:
        text += f" The sign is turned: positive values lower the {study.metric}."
    text += f" {cut} members in the middle are not drawn." if cut else ""
    return Figure("members", "What each member is worth", text, views)


def worth_of(rule: RuleSummary, study: StudySummary) -> Worth:
    """Return what members are worth by one rule, most first; shares in percentage points."""
    metric = get_metric(study.metric)
    ranked = sorted(rule.members or (), key=lambda member: -member.shapley)
    if len(ranked) > MOST_WORTH:
        ranked = ranked[: MOST_WORTH // 2] + ranked[-MOST_WORTH // 2 :]
    factor = 100.0 if metric.share else 1.0
    title = f"{'points of ' if metric.share else ''}{metric.name}"
    title += "" if metric.greater_is_better else ", sign turned"
    return Worth(
        Axis(title),
        "points" if metric.share else "",
        [member.name for member in ranked],
        [factor * member.shapley for member in ranked],
        [factor * member.mean_effect for member in ranked],
        [member.helped for member in ranked],
        [member.hurt for member in ranked],
    )
