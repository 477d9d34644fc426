"""Estimates with their intervals below one another: a forest plot, of every rule of a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ensembler.comparison.outcome import PairedTest
from ensembler.comparison.results import Comparison, RuleScore
from ensembler.metrics.intervals import Interval
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Axis, Chart, Figure, Line, Plain, Role, all_roles, metric_axis, rule_roles
from ensembler.report.figures.style import LOOKS
from ensembler.report.glossary import rule_summary
from ensembler.report.leading import rule_named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, how it is marked and what else it is, and what it is in one line."""

    label: str
    value: float
    interval: Interval | None = None
    role: Role = "other"
    roles: tuple[Role, ...] = ()
    about: str = ""

    @property
    def named(self) -> str:
        """All that it is, as the legend says it; nothing where it is like most."""
        return ", ".join(self.roles or ((self.role,) if self.role != "other" else ()))


@dataclass(frozen=True)
class Intervals(Chart):
    """Estimates below one another: a forest plot. The first is drawn on top."""

    axis: Axis
    rows: Sequence[Estimate]
    lines: Sequence[Line] = ()

    def draw_for_page(self) -> Plain:
        """Draw a forest plot by plotly.js."""
        traces: list[Plain] = []
        for role, named in dict.fromkeys((row.role, row.named) for row in self.rows):
            traces += self.traces_of(role, named)
        known = [end for row in self.rows for end in (row.value, *(row.interval or ()))]
        reach = [*known, *(line.value for line in self.lines)]
        return plotly.drawing(
            [*traces, *(legend_line(line) for line in self.lines if line.label)],
            150 + 24 * len(self.rows),
            xaxis=plotly.value_axis(self.axis, range=plotly.padded(reach), **plotly.fine_ticks(self.axis, known)),
            yaxis=plotly.name_axis([row.label for row in self.rows]),
            shapes=[line_shape(line) for line in self.lines],
            hovermode="closest",
        )

    def traces_of(self, role: Role, named: str) -> list[Plain]:
        """Return the intervals and the points of a role; what is several things has an entry of its own."""
        places = [place for place, row in enumerate(self.rows) if (row.role, row.named) == (role, named)]
        rows = [self.rows[place] for place in places]
        hover = [describe_estimate(row, self.axis) for row in rows]
        values = plotly.all_rounded(row.value for row in rows)
        points = plotly.points(named, role, values, places, hover)
        points["showlegend"] = bool(named)
        ends = [end for row in rows if row.interval is not None for end in (*row.interval, None)]
        if not ends:
            return [points]
        heights = [place for row, place in zip(rows, places, strict=True) if row.interval is not None]
        across: Plain = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "showlegend": False}
        across |= {"x": plotly.all_rounded(ends), "y": [end for place in heights for end in (place, place, None)]}
        return [{**across, "line": {"color": f"var(--{LOOKS[role].color})", "width": 1.8}}, points]

    def draw_for_file(self) -> "Drawing":
        """Draw a forest plot by matplotlib."""
        figure = matplotlib.new_figure(matplotlib.PAGE * 0.72, 0.75 + 0.21 * len(self.rows))
        axes = matplotlib.frameless(figure.subplots())
        for line in self.lines:
            draw_line(axes, line)
        labelled: set[str] = set()
        for place, row in enumerate(self.rows):
            mark = matplotlib.marker_style(row.role)
            if row.interval is not None:
                axes.plot(row.interval, [place, place], color=mark["color"], linewidth=1.2, zorder=2)
            label = row.named if row.named and row.named not in labelled else None
            labelled.add(row.named)
            axes.plot([row.value], [place], linestyle="none", label=label, zorder=3, **mark)
        matplotlib.label_names(axes, [row.label for row in self.rows])
        matplotlib.label_values(axes.xaxis, self.axis)
        matplotlib.add_legend(axes)
        return figure


def describe_estimate(row: Estimate, axis: Axis) -> str:
    """Say what a value is, and its interval."""
    text = f"<b>{plotly.escape_wrapped(row.label)}</b><br>{plotly.format_value(row.value, axis)}"
    if row.interval is not None:
        low, high = (plotly.format_value(end, axis) for end in row.interval)
        text += f"<br>95 % interval {low} to {high}"
    text += f"<br>{row.named}" if row.named else ""
    return text + (f"<br>{plotly.escape_wrapped(row.about)}" if row.about else "")


def line_style(line: Line) -> Plain:
    """Return colour and dashes of a line."""
    color = f"var(--{LOOKS[line.role].color})" if line.role != "other" else plotly.MUTED
    return {"color": color, "width": 1.4, "dash": LOOKS[line.role].dash}


def line_shape(line: Line) -> Plain:
    """Return a line across the whole height."""
    value = plotly.rounded(line.value)
    shape = {"type": "line", "x0": value, "x1": value, "yref": "paper", "y0": 0, "y1": 1}
    return shape | {"line": line_style(line), "layer": "below"}


def legend_line(line: Line) -> Plain:
    """Return the line's entry in the legend, which shapes do not have."""
    trace = {"type": "scatter", "mode": "lines", "x": [None], "y": [None], "name": plotly.escape(line.label, 40)}
    return trace | {"line": line_style(line), "hoverinfo": "skip"}


def draw_line(axes: "Axes", line: Line) -> None:
    """Draw a line across the whole height of a file's figure."""
    color = LOOKS[line.role].value if line.role != "other" else "0.5"
    style, label = matplotlib.STYLES[LOOKS[line.role].dash], matplotlib.fitted(line.label)
    axes.axvline(line.value, color=color, linestyle=style, linewidth=1.0, label=label, zorder=1)


def forest(result: Comparison) -> Figure:
    """Show every rule with its interval, by itself and against the best member and the mean."""
    metric = result.metric
    views: list[tuple[str, Chart]] = [(metric, by_itself(result))]
    against_best = [(entry, entry.against_best) for entry in result.rules]
    against_mean = [(entry, entry.against_mean) for entry in result.rules]
    for other, pairs in (("the best member", against_best), ("the simple mean", against_mean)):
        tested = [(entry, test) for entry, test in pairs if test is not None]
        if tested:
            views.append((f"against {other}", differences(result, other, tested)))
    text = (
        f"Each combination rule's {metric} on the scored rows with its 95 % interval, best first; the lines across are "
        "the best single model (long dashes) and the simple mean (dots). Where intervals overlap, a rule can still be "
        "better row by row: the other views show the paired differences, and there an interval that crosses 0 means "
        "that the difference may be noise."
    )
    return Figure("rules", "Every rule, with its uncertainty", text, views)


def by_itself(result: Comparison) -> Intervals:
    """Return every rule's value with its interval, and the best member and the mean as lines."""
    metric = result.first_metric
    lines = []
    if result.best_member is not None:
        label = f"best member: {result.best_member_name}"
        lines.append(Line(label, result.best_member.metrics[metric.name], "best member"))
    mean = rule_named(result, "mean")
    if mean is not None:
        lines.append(Line("simple mean", mean.metrics[metric.name], "mean"))
    rows = [
        estimate(entry, result, entry.metrics[metric.name], entry.intervals.get(metric.name))
        for entry in result.rules
        if np.isfinite(entry.metrics[metric.name])
    ]
    return Intervals(metric_axis(metric), rows, lines)


def estimate(entry: RuleScore, result: Comparison, value: float, interval: Interval | None) -> Estimate:
    """Return a rule's value as it is drawn, with all that the rule is."""
    role, roles = rule_roles(result).get(entry.name, "other"), all_roles(result, entry.name)
    return Estimate(entry.name, value, interval, role, roles, rule_summary(entry.name) or "")


def differences(result: Comparison, other: str, tested: Sequence[tuple[RuleScore, PairedTest]]) -> Intervals:
    """Return every rule's difference from another one with its interval, shares in percentage points."""
    metric = result.first_metric
    scale = 100.0 if metric.share else 1.0
    title = f"points of {metric.name} better than {other}" if metric.share else f"{metric.name}: improvement on {other}"
    rows = [
        estimate(
            entry,
            result,
            scale * test.difference,
            None if test.interval is None else (scale * test.interval[0], scale * test.interval[1]),
        )
        for entry, test in tested
    ]
    return Intervals(Axis(title), rows, [Line("", 0.0)])
