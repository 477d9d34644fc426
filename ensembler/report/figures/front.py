"""What accuracy costs: the committees that no cheaper one equals, with single members beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ensembler.metrics import METRICS
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Axis, Chart, Figure, Mark, Plain, metric_axis
from ensembler.subsets.summaries import CostSummary, RuleSummary, StudySummary

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class Front(Chart):
    """Committees that no cheaper one equals, from the cheapest on, and single members beside them."""

    axis: Axis
    unit: str
    costs: Sequence[float]
    values: Sequence[float]
    members: Sequence[str]
    marks: Sequence[tuple[float, Mark]] = ()

    def draw_for_page(self) -> Plain:
        """Draw values against costs by plotly.js."""
        front = [
            (cost, Mark(len(members.split("\n")), value, members))
            for cost, value, members in zip(self.costs, self.values, self.members, strict=True)
        ]
        # A single member that is on the line is seen around its point.
        others, around = [], {"marker": plotly.marker("member", size=12)}
        joined = [
            plotly.points(
                "no cheaper one is as good",
                "other",
                plotly.all_rounded(self.costs),
                plotly.all_rounded(self.values),
                [self.describe(cost, mark) for cost, mark in front],
                mode="lines+markers",
                line={"color": plotly.INK, "width": 1.3, "shape": "hv"},
                marker=plotly.marker("other", size=7, color=plotly.INK),
            )
        ]
        for role in dict.fromkeys(mark.role for _, mark in self.marks):
            pairs = [pair for pair in self.marks if pair[1].role == role]
            others.append(
                plotly.points(
                    "single members" if role == "member" else role,
                    role,
                    plotly.all_rounded(cost for cost, _ in pairs),
                    plotly.all_rounded(mark.value for _, mark in pairs),
                    [self.describe(cost, mark) for cost, mark in pairs],
                    **(around if role == "member" else {}),
                )
            )
        below = [trace for trace in others if trace["name"] == "single members"]
        return plotly.drawing(
            [*below, *joined, *(trace for trace in others if trace not in below)],
            400,
            xaxis=plotly.value_axis(Axis(self.unit), rangemode="tozero"),
            yaxis=plotly.value_axis(self.axis, **plotly.fine_ticks(self.axis, self.values)),
            hovermode="closest",
        )

    def describe(self, cost: float, mark: Mark) -> str:
        """Say what a committee reaches, who is in it, and what it costs."""
        return f"{plotly.describe_committee(mark, self.axis)}<br>{cost:,.0f} {plotly.escape(self.unit)}"

    def draw_for_file(self) -> "Drawing":
        """Draw values against costs by matplotlib."""
        from matplotlib.ticker import EngFormatter

        figure = matplotlib.new_figure(matplotlib.PAGE * 0.72, 2.8)
        axes = matplotlib.frameless(figure.subplots())
        axes.step(self.costs, self.values, where="post", color="0.25", linewidth=0.9, zorder=1)
        label = "no cheaper one is as good"
        axes.plot(self.costs, self.values, ".", color="0.25", markersize=5, zorder=2, label=label)
        for cost, mark in self.marks:
            label = mark.role if mark.role != "member" else "single members"
            known = label in axes.get_legend_handles_labels()[1]
            style = matplotlib.marker_style(mark.role)
            # A single member that is on the line is seen around its point.
            style |= {"markersize": 7.5} if mark.role == "member" else {}
            above = 0.5 if mark.role == "member" else 3
            axes.plot([cost], [mark.value], linestyle="none", zorder=above, label=None if known else label, **style)
        axes.set_xlabel(self.unit, fontsize=matplotlib.MEDIUM)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        matplotlib.label_values(axes.yaxis, self.axis)
        matplotlib.add_legend(axes)
        return figure


def front(study: StudySummary) -> Figure | None:
    """Show what accuracy costs, where costs are known and two committees or more are worth theirs."""
    views: list[tuple[str, Chart]] = []
    for rule in study.rules:
        if rule.cost is not None and len(rule.cost.front) > 1:
            views.append((rule.rule, front_of(rule, rule.cost, study)))
    if not views:
        return None
    text = (
        "Accuracy on the scored rows against what a committee costs. The line joins committees that no cheaper one "
        "equals on the rows to choose by; on the scored rows it need not rise. The marked one is the cheapest within "
        "one standard error of the best."
    )
    return Figure("cost", "What accuracy costs", text, views)


def front_of(rule: RuleSummary, cost: CostSummary, study: StudySummary) -> Front:
    """Return the cost front of one rule, with single members and the marked committee beside it."""
    cheapest = cost.cheapest
    marks = [
        (price, Mark(1, member.alone, member.name, "member"))
        for price, member in zip(study.costs or (), rule.members or (), strict=False)
    ]
    mark = Mark(cheapest.size, cheapest.accuracy, "\n".join(cheapest.members), "cheapest")
    return Front(
        metric_axis(METRICS["accuracy"]),
        cost.unit,
        [entry.cost or 0.0 for entry in cost.front],
        [entry.accuracy for entry in cost.front],
        ["\n".join(entry.members) for entry in cost.front],
        [*marks, (cheapest.cost or 0.0, mark)],
    )
