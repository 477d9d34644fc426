"""Differences from the mean by number of fitting rows: a learning curve of every rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ensembler.metrics.intervals import Interval
from ensembler.ranking.learning_curve import LearningCurve
from ensembler.report.differences import axis_title, scale
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Axis, Chart, Figure, Plain
from ensembler.report.figures.style import BLUE, GREEN, ORANGE, PURPLE, shortened
from ensembler.report.learning_curve import pays_first

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

STYLES = (
    ("blue", BLUE, "o", "circle", "-", "solid"),
    ("orange", ORANGE, "s", "square", "--", "dash"),
    ("green", GREEN, "D", "diamond", "-.", "dashdot"),
    ("purple", PURPLE, "^", "triangle-up", ":", "dot"),
)
"""Colours by name and value, shapes and dashes in matplotlib's and in plotly's words, of the rules drawn in colour."""
DODGE = 0.03
"""Points of the same size stand so far apart, as a share of the size."""
MARGIN = 0.12
FAR_OFF = 1.5
"""How far intervals are drawn beyond the values, in spans of these."""


@dataclass(frozen=True)
class Curve:
    """A rule's differences by number of fitting rows, with intervals where there are some."""

    label: str
    sizes: Sequence[int]
    values: Sequence[float]
    intervals: Sequence[Interval | None]

    @property
    def ends(self) -> list[float]:
        """All ends of intervals, or values without one."""
        return [
            end for value, interval in zip(self.values, self.intervals, strict=True) for end in (interval or (value,))
        ]


@dataclass(frozen=True)
class LearningCurves(Chart):
    """Leading curves in colour with their intervals, the others in grey; ``span`` is where to look."""

    axis: Axis
    leading: Sequence[Curve]
    others: Sequence[Curve]
    span: Interval

    @property
    def sizes(self) -> list[int]:
        """The numbers of fitting rows."""
        return sorted({size for curve in (*self.leading, *self.others) for size in curve.sizes})

    def draw_for_page(self) -> Plain:
        """Draw curves by plotly.js."""
        traces = [grey_trace(curve) for curve in self.others]
        if traces:
            traces[0] |= {"name": "other rules", "showlegend": True}
        traces += [self.leading_trace(place, curve) for place, curve in enumerate(self.leading)]
        sizes = self.sizes
        texts = {"tickvals": sizes, "ticktext": [f"{size:,}" for size in sizes]}
        return plotly.drawing(
            traces,
            440,
            xaxis=plotly.value_axis(Axis("fitting rows"), type="log", showgrid=False, **texts),
            yaxis=plotly.value_axis(self.axis, zeroline=True, range=plotly.all_rounded(self.span)),
            hovermode="closest",
        )

    def leading_trace(self, place: int, curve: Curve) -> Plain:
        """Return one curve in colour, a little to the side of the others."""
        color, _, _, symbol, _, dash = STYLES[place]
        hover = [describe_point(curve, number) for number in range(len(curve.sizes))]
        known = [interval or (value, value) for value, interval in zip(curve.values, curve.intervals, strict=True)]
        up = [high - value for value, (_, high) in zip(curve.values, known, strict=True)]
        down = [value - low for value, (low, _) in zip(curve.values, known, strict=True)]
        color = f"var(--{color})"
        points = plotly.points(
            shortened(curve.label),
            "other",
            plotly.all_rounded(self.dodged(place, curve)),
            plotly.all_rounded(curve.values),
            hover,
        )
        return points | {
            "mode": "lines+markers",
            "marker": plotly.marker("other", size=8, color=color, symbol=symbol),
            "line": {"color": color, "width": 1.8, "dash": dash},
            "error_y": {"type": "data", "symmetric": False, "array": plotly.all_rounded(up)}
            | {"arrayminus": plotly.all_rounded(down), "color": color, "thickness": 1.3, "width": 0},
        }

    def dodged(self, place: int, curve: Curve) -> list[float]:
        """Return where the points of a curve are, beside those of the others."""
        shift = 1 + DODGE * (place - (len(self.leading) - 1) / 2)
        return [size * shift for size in curve.sizes]

    def draw_for_file(self) -> "Drawing":
        """Draw curves by matplotlib."""
        figure = matplotlib.new_figure(matplotlib.PAGE * 0.8, 3.4)
        axes = matplotlib.frameless(figure.subplots())
        axes.axhline(0, color="0.3", linewidth=0.8, zorder=1)
        for place, curve in enumerate(self.others):
            label = None if place else "other rules"
            axes.plot(curve.sizes, curve.values, color="0.78", linewidth=0.8, zorder=1, label=label)
        for place, curve in enumerate(self.leading):
            _, color, marker, _, style, _ = STYLES[place]
            x = self.dodged(place, curve)
            for at, interval in zip(x, curve.intervals, strict=True):
                if interval is not None:
                    axes.plot([at, at], interval, color=color, linewidth=0.9, zorder=2)
            look: dict[str, Any] = {
                "marker": marker,
                "markersize": 4.5,
                "linestyle": style,
                "linewidth": 1.2,
                "color": color,
            }
            axes.plot(x, curve.values, label=matplotlib.fitted(curve.label), zorder=3, **look)
        axes.set_xscale("log")
        axes.set_xticks(self.sizes, [f"{size:,}" for size in self.sizes])
        axes.set_xticks([], minor=True)
        axes.set_ylim(self.span)
        axes.set_xlabel("fitting rows", fontsize=matplotlib.MEDIUM)
        matplotlib.label_values(axes.yaxis, self.axis)
        matplotlib.add_legend(axes)
        return figure


def grey_trace(curve: Curve) -> Plain:
    """Return a curve in the background, which is named on hover."""
    hover = [describe_point(curve, place) for place in range(len(curve.sizes))]
    trace: Plain = {"type": "scatter", "mode": "lines", "x": list(curve.sizes), "y": plotly.all_rounded(curve.values)}
    trace |= {"hovertext": hover, "hoverinfo": "text", "showlegend": False}
    return trace | {"line": {"color": plotly.GREY, "width": 1}, "opacity": 0.55}


def describe_point(curve: Curve, place: int) -> str:
    """Say what a rule reaches with so many rows."""
    text = f"<b>{plotly.escape_wrapped(curve.label)}</b><br>{curve.sizes[place]:,} fitting rows: "
    text += f"{curve.values[place]:+.4g}"
    interval = curve.intervals[place]
    return text if interval is None else f"{text}<br>95 % interval {interval[0]:+.3g} to {interval[1]:+.3g}"


def learning_curve(curve: LearningCurve | None, recommended: str | None = None) -> Figure | None:
    """Show the recommended rule and those that pay first in colour, and all others behind them."""
    if curve is None or len(curve.sizes) < 2:
        return None
    factor = scale(curve.metric)
    names = [name for name in dict.fromkeys([recommended, *pays_first(curve)]) if name in curve.rules]
    curves = [
        Curve(
            name,
            [point.n_fit for point in curve.of(name)],
            [factor * point.effect for point in curve.of(name)],
            [None if point.interval is None else (factor * point.interval[0], factor * point.interval[1])
             for point in curve.of(name)],
        )
        for name in names if name is not None
    ]  # fmt: skip
    leading, others = curves[: len(STYLES)], curves[len(STYLES) :]
    chart = LearningCurves(Axis(axis_title(curve.metric)), leading, others, span_of(leading))
    paying = [f"{name} from {pays:,}" for name in names if name and (pays := curve.pays_from(name)) is not None]
    text = (
        "Each rule fitted on growing samples of the fitting rows, against the mean, which needs none; above 0 is "
        "better. Lines up and down are 95 % intervals. Shown to pay, at every size from the one named on: "
        f"{', '.join(paying) or 'none'}."
    )
    text += " Grey curves beyond the edges go on." if others else ""
    return Figure("learning-curve", "How many fitting rows a rule needs", text, [("learning curve", chart)])


def span_of(curves: Sequence[Curve]) -> Interval:
    """Return where the curves and their intervals are, and 0; intervals that are far longer are cut."""
    values = [0.0, *(value for curve in curves for value in curve.values)]
    ends = [0.0, *(end for curve in curves for end in curve.ends)]
    reach = FAR_OFF * (max(values) - min(values))
    low, high = max(min(ends), min(values) - reach), min(max(ends), max(values) + reach)
    room = MARGIN * (high - low or 1.0)
    return low - room, high + room
