"""What members of committees are worth: Shapley values, and how often adding a member helped and hurt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ensembler.metrics import get_metric
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Axis, Chart, Figure, Plain
from ensembler.report.figures.style import BLUE, ORANGE
from ensembler.subsets.summaries import RuleSummary, StudySummary

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

MOST_WORTH = 40
"""How many members a figure has at most: the first and the last ones."""
TICKS = {-1.0: "100 %", -0.5: "50 %", 0.0: "0", 0.5: "50 %", 1.0: "100 %"}
"""Of shares that are drawn to either side."""


@dataclass(frozen=True)
class Worth(Chart):
    """What each member is worth, in a unit, and in what share of committees adding it helped and hurt."""

    axis: Axis
    unit: str
    names: Sequence[str]
    values: Sequence[float]
    helped: Sequence[float]
    hurt: Sequence[float]

    @property
    def is_wide(self) -> bool:
        """Whether it scrolls on a phone: panels stand beside one another."""
        return True

    def draw_for_page(self) -> Plain:
        """Draw values beside shares by plotly.js."""
        hover = [
            f"<b>{plotly.escape_wrapped(name)}</b><br>Shapley value {format_signed(value, self.unit)}"
            f"<br>helped {helped:.1%}, hurt {hurt:.1%}"
            for name, value, helped, hurt in zip(self.names, self.values, self.helped, self.hurt, strict=True)
        ]
        bars, side = plotly.bars(hover), {"xaxis": "x2"}
        blue, hatched = {"color": plotly.BLUE}, {"color": plotly.ORANGE, "pattern": plotly.HATCH}
        values, helped = plotly.all_rounded(self.values), plotly.all_rounded(self.helped)
        hurt = plotly.all_rounded(-value for value in self.hurt)
        zero = {"zeroline": True, "zerolinecolor": plotly.MUTED, "automargin": True}
        shares = {"title": {"text": "of the committees it joined"}, "domain": [0.54, 1], "range": [-1.04, 1.04]}
        ticks = {"tickvals": [-1, -0.5, 0, 0.5, 1], "ticktext": list(TICKS.values())}
        return plotly.drawing(
            [
                {**bars, "x": values, "marker": blue, "showlegend": False},
                {**bars, **side, "x": helped, "marker": blue, "name": "helped"},
                {**bars, **side, "x": hurt, "marker": hatched, "name": "hurt"},
            ],
            170 + 26 * len(self.names),
            barmode="overlay",
            xaxis=plotly.value_axis(self.axis, domain=[0, 0.48], **zero),
            xaxis2={**shares, **ticks, **zero},
            yaxis=plotly.name_axis(self.names),
            hovermode="closest",
        )

    def draw_for_file(self) -> "Drawing":
        """Draw values beside shares by matplotlib."""
        figure = matplotlib.new_figure(matplotlib.PAGE, 0.8 + 0.22 * len(self.names))
        left, right = map(matplotlib.frameless, figure.subplots(1, 2, sharey=True))
        places = np.arange(len(self.names))
        left.barh(places, self.values, 0.7, color=BLUE)
        left.axvline(0, color="0.3", linewidth=0.8)
        matplotlib.label_values(left.xaxis, self.axis)
        right.barh(places, self.helped, 0.7, color=BLUE, label="helped")
        right.barh(places, -np.asarray(self.hurt), 0.7, color=ORANGE, hatch="///", edgecolor="white", label="hurt")
        right.axvline(0, color="0.3", linewidth=0.8)
        right.set_xlim(-1, 1)
        right.set_xticks(list(TICKS), list(TICKS.values()))
        right.set_xlabel("share of committees it was added to", fontsize=matplotlib.MEDIUM)
        matplotlib.add_legend(right)
        matplotlib.label_names(left, self.names)
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
        "Left, what each member adds on average over all orders in which a committee could have been put together "
        "(Shapley value): together they make up what all members reach beyond none. Right, in what share of the "
        "committees a member joined it made them better or worse."
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
    in_points = metric.share
    title = f"Shapley value, {'points of ' if in_points else ''}{metric.name}"
    title += "" if metric.greater_is_better else ", sign turned"
    return Worth(
        Axis(title),
        "points" if in_points else "",
        [member.name for member in ranked],
        [100 * member.shapley if in_points else member.shapley for member in ranked],
        [member.helped for member in ranked],
        [member.hurt for member in ranked],
    )
