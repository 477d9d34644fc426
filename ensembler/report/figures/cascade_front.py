"""What a cascade costs and reaches: the front, with single members, all members and the wanted one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ensembler.deployment.cascades.results import CascadeStudy
from ensembler.metrics import METRICS
from ensembler.report.cascade import describe, listed, percent
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Axis, Chart, Figure, Plain, Role, metric_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class Point:
    """A cascade, or what it is held against: its cost as a share, what it reaches with the interval, and its stages."""

    cost: float
    value: float
    text: str
    role: Role = "other"
    label: str = ""


@dataclass(frozen=True)
class CascadeFront(Chart):
    """Accuracy against cost, both on the scored rows; the line joins the cascades of the front."""

    axis: Axis
    front: Sequence[Point]
    others: Sequence[Point]

    def draw_for_page(self) -> Plain:
        """Draw accuracy against cost by plotly.js."""
        traces = [
            plotly.points(
                "no cheaper cascade was as good",
                "other",
                plotly.all_rounded(point.cost for point in self.front),
                plotly.all_rounded(point.value for point in self.front),
                [self.describe(point) for point in self.front],
                mode="lines+markers",
                line={"color": plotly.INK, "width": 1.1},
                marker=plotly.marker("other", size=5, color=plotly.INK),
            )
        ]
        for point in self.others:
            traces.append(
                plotly.points(
                    point.label,
                    point.role,
                    plotly.all_rounded([point.cost]),
                    plotly.all_rounded([point.value]),
                    [self.describe(point)],
                )
            )
        values = [point.value for point in (*self.front, *self.others)]
        return plotly.drawing(
            traces,
            400,
            xaxis=plotly.value_axis(COST, rangemode="tozero"),
            yaxis=plotly.value_axis(self.axis, **plotly.fine_ticks(self.axis, values)),
            hovermode="closest",
        )

    def describe(self, point: Point) -> str:
        """Say what a cascade is, reaches and costs."""
        text = plotly.escape_wrapped(point.text)
        return f"<b>{plotly.format_value(point.value, self.axis)}</b> at {percent(point.cost)} of the cost<br>{text}"

    def draw_for_file(self) -> "Drawing":
        """Draw accuracy against cost by matplotlib."""
        figure = matplotlib.new_figure(matplotlib.PAGE * 0.72, 2.8)
        axes = matplotlib.frameless(figure.subplots())
        costs, values = [point.cost for point in self.front], [point.value for point in self.front]
        label = "no cheaper cascade was as good"
        axes.plot(costs, values, "-", color="0.25", linewidth=0.8, marker=".", markersize=4, zorder=1, label=label)
        for point in self.others:
            style = matplotlib.marker_style(point.role)
            axes.plot([point.cost], [point.value], linestyle="none", zorder=3, label=point.label, **style)
        axes.set_xlim(left=0)
        matplotlib.label_values(axes.xaxis, COST)
        matplotlib.label_values(axes.yaxis, self.axis)
        matplotlib.add_legend(axes)
        return figure


COST = Axis("cost of a row, as a share of all members'", percent=True)


def front_of(study: CascadeStudy) -> CascadeFront:
    """Return the chart of a study."""
    summary = study.summary
    front = [Point(point.cost_share, point.accuracy, describe(point.stages, study)) for point in listed(study, 60)]
    full = summary.full_cost
    others = [
        Point(1.0, summary.full_accuracy, "all members", "all members", "all members"),
        Point(
            summary.best_member_cost / full,
            summary.best_member_accuracy,
            summary.best_member,
            "best member",
            "best single model",
        ),
        Point(summary.cost_share, summary.accuracy, describe(summary.stages, study), "chosen", "the one to use"),
    ]
    return CascadeFront(metric_axis(METRICS["accuracy"]), front, merged(others))


def merged(points: Sequence[Point]) -> list[Point]:
    """Return one point for several in one place: the last, which names them all."""
    found: dict[tuple[float, float], Point] = {}
    for point in points:
        before = found.pop((point.cost, point.value), None)
        label = point.label if before is None else f"{point.label}, {before.label}"
        found[point.cost, point.value] = replace(point, label=label)
    return list(found.values())


def cascade_front(study: CascadeStudy) -> Figure | None:
    """Show what cascades cost and reach; None where there is one point only."""
    if len(study.front) < 2:
        return None
    text = (
        "Accuracy against the cost of a row, both on the scored rows. The line joins cascades that no cheaper one "
        "equals on the rows they were found on; on the scored rows it need not rise."
    )
    return Figure("cascade", "What cascades cost", text, [(study.rule, front_of(study))])
