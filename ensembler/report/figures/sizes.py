"""Values of committees against their size: all committees as density, the best of each size, and some pointed out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ensembler.comparison.protocol import Protocol
from ensembler.metrics import get_metric
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Axis, Chart, Figure, Mark, Plain, Role, metric_axis
from ensembler.report.figures.style import GREY, TICK
from ensembler.subsets.describe import natural
from ensembler.subsets.results import RuleStudy, SubsetStudy
from ensembler.subsets.summaries import CommitteeEntry, RuleSummary, SearchSummary, SizeEntry, StudySummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

FAR_OFF = 4.0
"""How many times the span of medians and best committees the worst may take of a figure."""
DENSITY_BINS, FEWEST_BINS = 60, 8
MOST_LINES = 30
"""So many committees of a size or fewer are drawn as lines, more as density."""
HALF_WIDTH = 0.42
"""Of the widest part of a density, where sizes are one apart."""
MOST_TICKS = 20
"""So many sizes or fewer have a tick each."""


@dataclass(frozen=True)
class SizeDensity:
    """The committees of one size: how many are at each value, or in each bin around it where ``binned``."""

    size: int
    values: NDArray[np.float64]
    numbers: NDArray[np.int64]
    binned: bool

    @property
    def half_widths(self) -> NDArray[np.float64]:
        """Half the width of the density at each value."""
        return np.asarray(HALF_WIDTH * self.numbers / self.numbers.max())


@dataclass(frozen=True)
class Sizes(Chart):
    """A value against committee size: every committee as density, the best of each size, and some pointed out.

    ``span`` is where to look if some committees are so far off that they would flatten all others.
    """

    axis: Axis
    densities: Sequence[SizeDensity]
    best: Sequence[Mark]
    marks: Sequence[Mark]
    top: Sequence[Mark] = ()
    span: tuple[float, float] | None = None

    def draw_for_page(self) -> Plain:
        """Draw values against committee size by plotly.js."""
        values = [mark.value for mark in self.best] + [float(density.values.min()) for density in self.densities]
        sizes = [mark.size for mark in self.best]
        few = {"dtick": 1} if len(sizes) <= MOST_TICKS else {}
        return plotly.drawing(
            [*self.density_traces(), *self.committee_traces()],
            460,
            xaxis={"title": {"text": "members of the committee"}, "zeroline": False, "showgrid": False}
            | {"range": [min(sizes) - 0.6, max(sizes) + 0.6], **few},
            yaxis=plotly.value_axis(self.axis, **plotly.fine_ticks(self.axis, self.span or values))
            | ({} if self.span is None else {"range": plotly.all_rounded(self.span)}),
            hovermode="closest",
        )

    def density_traces(self) -> list[Plain]:
        """Return all committees: outlines of densities, and lines where they are few."""
        x: list[float | None] = []
        y: list[float | None] = []
        outline_x: list[float | None] = []
        outline_y: list[float | None] = []
        for density in self.densities:
            if density.binned:
                right, left = density.size + density.half_widths, density.size - density.half_widths
                around = np.concatenate([left, right[::-1], left[:1]])
                heights = np.concatenate([density.values, density.values[::-1], density.values[:1]])
                outline_x += [*(round(float(place), 3) for place in around), None]
                outline_y += [*plotly.all_rounded(heights), None]
            else:
                for value in density.values:
                    x += [density.size - TICK, density.size + TICK, None]
                    y += [plotly.rounded(value), plotly.rounded(value), None]
        line = {"color": plotly.GREY, "width": 1}
        still = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "line": line}
        traces: list[Plain] = []
        if outline_x:
            traces.append({**still, "x": outline_x, "y": outline_y, "fill": "toself"})
            traces[0] |= {"name": "all committees", "showlegend": True}
        if x:
            traces.append({**still, "x": x, "y": y, "name": "all committees", "showlegend": not outline_x})
        return traces

    def committee_traces(self) -> list[Plain]:
        """Return the committees that are points: the first ones, the best of each size, and those pointed out."""
        # A committee may be several points in one place, of which any may be the one that is hovered over.
        roles = {mark.members: ", ".join(mark.named) for mark in self.marks}

        def points(name: str, role: Role, marks: Sequence[Mark], **more: object) -> Plain:
            hover = []
            for mark in marks:
                known = roles.get(mark.members)
                hover.append(("" if known is None else f"{known}: ") + plotly.describe_committee(mark, self.axis))
            values = plotly.all_rounded(mark.value for mark in marks)
            return plotly.points(name, role, [mark.size for mark in marks], values, hover, **more)

        traces = []
        if self.top:
            small = plotly.marker("other", size=5, color="var(--sky)", line={"width": 0})
            traces.append(points("the best committees", "other", self.top, marker=small))
        joined = {"mode": "lines+markers", "line": {"color": plotly.INK, "width": 1.3}}
        dark = plotly.marker("other", size=6, color=plotly.INK)
        traces.append(points("best of each size", "other", self.best, **joined, marker=dark))
        return traces + [points(", ".join(mark.named), mark.role, [mark]) for mark in self.marks]

    def draw_for_file(self) -> "Drawing":
        """Draw values against committee size by matplotlib."""
        from matplotlib.ticker import MaxNLocator

        figure = matplotlib.new_figure(matplotlib.PAGE, 3.6)
        axes = matplotlib.frameless(figure.subplots())
        for place, density in enumerate(self.densities):
            draw_density(axes, density, "_" if place else "all committees")
        sizes, values = [mark.size for mark in self.best], [mark.value for mark in self.best]
        axes.plot(sizes, values, ".-", color="0.25", linewidth=0.9, markersize=4, zorder=2, label="best of each size")
        for mark in self.marks:
            written = f"{mark.value:.2%}" if self.axis.percent else f"{mark.value:.4f}"
            style = matplotlib.marker_style(mark.role)
            axes.plot(
                [mark.size],
                [mark.value],
                linestyle="none",
                zorder=3,
                label=f"{', '.join(mark.named)}: {written}",
                **style,
            )
        axes.set_ylim(self.span)
        axes.set_xlabel("members of the committee", fontsize=matplotlib.MEDIUM)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        matplotlib.label_values(axes.yaxis, self.axis)
        matplotlib.add_legend(axes)
        return figure


def draw_density(axes: "Axes", density: SizeDensity, label: str) -> None:
    """Draw the committees of one size in a file's figure."""
    size, values = density.size, density.values
    if density.binned:
        sides = (size - density.half_widths, size + density.half_widths)
        axes.fill_betweenx(values, *sides, color=GREY, alpha=0.55, linewidth=0.4, zorder=1, label=label)
    else:
        axes.hlines(values, size - TICK, size + TICK, color=GREY, linewidth=1.0, zorder=1, label=label)


def sweep(study: SubsetStudy, summary: StudySummary) -> Figure:
    """Show all committees of each rule that was swept."""
    views = [
        (rule.rule, sizes_of(swept, rule, summary)) for swept, rule in zip(study.rules, summary.rules, strict=True)
    ]
    text = (
        f"All {summary.rules[0].n_subsets:,} committees on the scored rows. Grey shapes are wide where many committees "
        f"are, each size by itself; {MOST_LINES} committees or fewer are single lines. The star is the committee "
        f"{how_chosen(summary.protocol)}, the triangle the best on the scored rows, which luck has helped. Small "
        "dots are those that come first on the rows to choose by; hover names the members."
    )
    if any(chart.span is not None for _, chart in views):
        text += " The worst committees are too far off to be drawn."
    return Figure("committees", "Every committee", text, views)


def sizes_of(swept: RuleStudy, rule: RuleSummary, study: StudySummary) -> Sizes:
    """Show every committee of a rule by size, with the best, the chosen and the whole marked."""
    best = [Mark(size.size, size.best, "\n".join(size.members)) for size in rule.by_size]
    named: list[tuple[Role, CommitteeEntry | None]] = [
        ("all members", rule.whole),
        ("luckiest", rule.luckiest),
        ("chosen", rule.chosen),
    ]
    marks = merged([committee_mark(entry, role) for role, entry in named if entry is not None])
    top = [committee_mark(entry) for entry in rule.best]
    axis = metric_axis(get_metric(study.metric))
    return Sizes(axis, size_densities(swept), best, marks, top, span_of(rule.by_size))


def merged(marks: Sequence[Mark]) -> list[Mark]:
    """Return one mark for a committee that is several things: that of the last, which names them all."""
    found: dict[tuple[int, str], Mark] = {}
    for mark in marks:
        place = (mark.size, mark.members)
        before = found.pop(place, None)
        also = () if before is None else before.named
        found[place] = replace(mark, also=tuple(also))
    return list(found.values())


def committee_mark(entry: CommitteeEntry, role: Role = "other") -> Mark:
    """Return a committee as a point at what it reaches on the scored rows."""
    return Mark(entry.size, entry.score, "\n".join(entry.members), role)


def size_densities(rule: RuleStudy) -> list[SizeDensity]:
    """Return how the values of the committees of each size are spread, in the metric's own direction."""
    sweep = rule.scored
    densities = []
    for size in sweep.by_size():
        if sweep.tally.histogram is not None:
            row = sweep.tally.histogram[size.size]
            places = np.flatnonzero(row)
            values, counted = places / sweep.unit, row[places]
        else:
            values, counted = np.unique(sweep.values_of_size(size.size), return_counts=True)
        binned = bool(counted.sum() > MOST_LINES and len(values) > 1)
        if binned:
            n_bins = int(min(DENSITY_BINS, max(FEWEST_BINS, counted.sum() ** 0.5)))
            # An empty bin at each end closes the shape.
            step = (values.max() - values.min()) / n_bins
            edges = np.linspace(values.min() - step, values.max() + step, n_bins + 3)
            counted, edges = np.histogram(values, bins=edges, weights=counted)
            values = (edges[1:] + edges[:-1]) / 2
        values = np.array([natural(value, sweep.metric) for value in values])
        densities.append(SizeDensity(size.size, values, np.asarray(counted), binned))
    return densities


def span_of(by_size: Sequence[SizeEntry]) -> tuple[float, float] | None:
    """Return where most committees of all sizes are, if the worst are very far from there."""
    middle = [value for size in by_size for value in (size.best, size.median)]
    everything = [*middle, *(size.worst for size in by_size)]
    low, high = min(middle), max(middle)
    if max(everything) - min(everything) <= FAR_OFF * (high - low):
        return None
    return low - 0.1 * (high - low), high + 0.1 * (high - low)


def how_chosen(protocol: Protocol) -> str:
    """Say on which rows a committee was chosen."""
    if protocol.optimistic:
        return "chosen on these very rows, on which weights were fitted too"
    if protocol.fit_on == "cross":
        return "chosen on these same rows, with cross-fitted weights"
    return "chosen without these rows"


def searched(search: SearchSummary) -> Figure:
    """Show the best committees that a search came upon."""
    views: list[tuple[str, Chart]] = []
    axis = metric_axis(get_metric(search.metric))
    for rule in search.rules:
        best = [committee_mark(entry) for entry in rule.by_size]
        views.append((rule.rule, Sizes(axis, [], best, [committee_mark(rule.chosen, "chosen")])))
    text = (
        f"{len(search.members)} members have too many committees to look at all. A beam search, {search.width} "
        f"wide, grew these member by member up to {search.sizes[1]}; there may be better ones. The star is the one "
        f"{how_chosen(search.protocol)}. Values are on the scored rows."
    )
    return Figure("committees", "Good committees of each size", text, views)
