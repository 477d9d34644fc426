"""Pooled effects of rules with two intervals each, below one another: a forest plot over many prediction sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ensembler.metrics.intervals import Interval
from ensembler.ranking.results import RankedRule, Ranking
from ensembler.report.differences import axis_title, scale
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Axis, Chart, Figure, Line, Plain, Role, ranking_roles
from ensembler.report.figures.intervals import draw_line, line_shape
from ensembler.report.figures.style import LOOKS

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

FAR_OFF = 3.0
"""How many times the span of most effects and intervals the others may take of a figure."""
MARGIN = 0.06


@dataclass(frozen=True)
class Effect:
    """A pooled effect, its interval, and the wider one that predicts it on a new set."""

    label: str
    value: float
    interval: Interval | None = None
    prediction: Interval | None = None
    role: Role = "other"

    @property
    def ends(self) -> list[float]:
        """All ends."""
        return [self.value, *(self.interval or ()), *(self.prediction or ())]


@dataclass(frozen=True)
class Forest(Chart):
    """Effects below one another, the first on top.

    ``span`` is where to look if some are so far off that they would flatten all others.
    """

    axis: Axis
    rows: Sequence[Effect]
    span: Interval | None = None

    def draw_for_page(self) -> Plain:
        """Draw effects by plotly.js."""
        traces = [self.interval_trace(role) for role in dict.fromkeys(row.role for row in self.rows)]
        traces += [self.point_trace(role) for role in dict.fromkeys(row.role for row in self.rows)]
        predictions = [(row.prediction, place) for place, row in enumerate(self.rows)]
        thin = across(predictions, "95 % prediction interval", {"color": plotly.GREY, "width": 1.2})
        span = {"range": plotly.padded(self.span or [0.0, *(end for row in self.rows for end in row.ends)])}
        return plotly.drawing(
            [thin, *traces, *self.arrows()],
            150 + 24 * len(self.rows),
            xaxis=plotly.value_axis(self.axis, **span),
            yaxis=plotly.name_axis([row.label for row in self.rows]),
            shapes=[line_shape(Line("", 0.0))],
            hovermode="closest",
        )

    def going_on(self) -> list[tuple[float, int, str]]:
        """Return where lines leave the figure: the edge, the row and the side."""
        if self.span is None:
            return []
        low, high = self.span
        return [
            (edge, place, side)
            for place, row in enumerate(self.rows)
            for edge, side, beyond in ((low, "left", min(row.ends) < low), (high, "right", max(row.ends) > high))
            if beyond
        ]

    def arrows(self) -> list[Plain]:
        """Return arrows where lines go on beyond the figure."""
        leaving = self.going_on()
        if not leaving:
            return []
        look = {"color": plotly.GREY, "size": 9, "symbol": [f"triangle-{side}" for _, _, side in leaving]}
        x, y = plotly.all_rounded(edge for edge, _, _ in leaving), [place for _, place, _ in leaving]
        return [plotly.points("goes on", "other", x, y, [""] * len(leaving), marker=look, hoverinfo="skip")]

    def interval_trace(self, role: Role) -> Plain:
        """Return the intervals of a role."""
        placed = [(row.interval, place) for place, row in enumerate(self.rows) if row.role == role]
        label = "95 % interval" if role == self.rows[0].role else ""
        return across(placed, label, {"color": f"var(--{LOOKS[role].color})", "width": 3.5})

    def point_trace(self, role: Role) -> Plain:
        """Return the effects of a role."""
        placed = [(row, place) for place, row in enumerate(self.rows) if row.role == role]
        values = plotly.all_rounded(row.value for row, _ in placed)
        hover = [describe_effect(row, self.axis) for row, _ in placed]
        name = role if role != "other" else ""
        points = plotly.points(name, role, values, [place for _, place in placed], hover)
        return points | {"showlegend": role != "other"}

    def draw_for_file(self) -> "Drawing":
        """Draw effects by matplotlib."""
        figure = matplotlib.new_figure(matplotlib.PAGE * 0.72, 0.8 + 0.2 * len(self.rows))
        axes = matplotlib.frameless(figure.subplots())
        draw_line(axes, Line("", 0.0))
        labelled: set[str] = set()

        def once(label: str) -> str | None:
            fresh = label not in labelled and label != "other"
            labelled.add(label)
            return label if fresh else None

        for place, row in enumerate(self.rows):
            mark = matplotlib.marker_style(row.role)
            if row.prediction is not None:
                label = once("95 % prediction interval")
                axes.plot(row.prediction, [place, place], color="0.6", linewidth=0.7, zorder=1.5, label=label)
            if row.interval is not None:
                label = once("95 % interval")
                axes.plot(row.interval, [place, place], color=mark["color"], linewidth=2.0, zorder=2, label=label)
            axes.plot([row.value], [place], linestyle="none", label=once(row.role), zorder=3, **mark)
        for edge, place, side in self.going_on():
            arrow: dict[str, Any] = {
                "marker": "<" if side == "left" else ">",
                "markersize": 4,
                "color": "0.6",
                "clip_on": False,
            }
            axes.plot([edge], [place], linestyle="none", zorder=4, label=once("goes on"), **arrow)
        if self.span is not None:
            axes.set_xlim(self.span)
        matplotlib.label_names(axes, [row.label for row in self.rows])
        matplotlib.label_values(axes.xaxis, self.axis)
        matplotlib.add_legend(axes)
        return figure


def across(placed: Sequence[tuple[Interval | None, int]], label: str, style: Plain) -> Plain:
    """Return intervals as lying lines, each at its height."""
    known = [(ends, place) for ends, place in placed if ends is not None]
    x = [end for ends, _ in known for end in (*ends, None)]
    y = [height for _, place in known for height in (place, place, None)]
    trace: Plain = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "line": style, "name": label}
    return trace | {"x": plotly.all_rounded(x), "y": y, "showlegend": bool(label and known)}


def describe_effect(row: Effect, axis: Axis) -> str:
    """Say what an effect is, and its intervals."""
    text = f"<b>{plotly.escape_wrapped(row.label)}</b><br>{row.value:+.4g}"
    for name, ends in (("interval", row.interval), ("prediction interval", row.prediction)):
        if ends is not None:
            low, high = (plotly.format_value(end, axis) for end in ends)
            text += f"<br>95 % {name} {low} to {high}"
    return text


def forest(ranking: Ranking) -> Figure | None:
    """Show by how much each rule is better than the mean, largest effect first."""
    rules = [rule for rule in ranking.rules if rule.effect is not None]
    if not rules:
        return None
    rows = [effect_of(rule, ranking) for rule in rules]
    rows.sort(key=lambda row: -row.value)
    axis = Axis(axis_title(ranking.metric))
    chart = Forest(axis, rows, span_of(rows))
    text = (
        f"By how much each rule is better than the simple mean, pooled over {ranking.n_clusters} sets by a "
        "random-effects model; right of 0 is better. The thick line is the 95 % interval of the effect: where it "
        "crosses 0, the rule is not shown to differ from the mean. The thin line is where the difference on a new set "
        "will lie, 95 %: where it crosses 0, the rule may do worse there, however sure its average is."
    )
    text += " Lines that end in an arrow go on." if chart.going_on() else ""
    return Figure("effects", "By how much each rule is better than the mean", text, [("effect", chart)])


def effect_of(rule: RankedRule, ranking: Ranking) -> Effect:
    """Return a rule's effect as it is drawn, shares in percentage points."""
    effect = rule.effect
    assert effect is not None
    factor = scale(ranking.metric)

    def scaled(ends: Interval | None) -> Interval | None:
        return None if ends is None else (factor * ends[0], factor * ends[1])

    role = ranking_roles(ranking).get(rule.name, "other")
    return Effect(rule.name, factor * effect.effect, scaled(effect.interval), scaled(effect.prediction_interval), role)


def span_of(rows: Sequence[Effect]) -> Interval | None:
    """Return where most effects are, if the others are very far from there."""
    ends = np.array([end for row in rows for end in row.ends] + [0.0])
    low, high = np.percentile([end for row in rows for end in (row.value, *(row.interval or ()))], [10, 100])
    low, high = min(low, 0.0), max(high, 0.0)
    reach = FAR_OFF * (high - low)
    if ends.max() - ends.min() <= reach or not high > low:
        return None
    low, high = max(ends.min(), low - reach / 2), min(ends.max(), high + reach / 2)
    room = MARGIN * (high - low)
    return float(low - room), float(high + room)
