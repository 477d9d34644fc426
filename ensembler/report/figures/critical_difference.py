"""Mean ranks on a line, with bars over rules that are not shown to differ: a critical-difference diagram."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ensembler.ranking.results import Ranking
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Chart, Figure, Plain, Role, ranking_roles
from ensembler.report.figures.style import BLUE, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

NARROWEST, FILE, CHARACTER = 600.0, 820.0, 6.8
"""Pixels: the narrowest page, a file as far as its font is smaller, and the width of a character."""
LEVEL, RULER = 0.55, 1.7
"""Heights, in rows of names: from one bar to the next, and of the ruler above the axis."""
CUT = 24
MOST_NUMERALS = 15


@dataclass(frozen=True)
class RankedName:
    """A rule at its mean rank."""

    label: str
    rank: float
    role: Role = "other"


@dataclass(frozen=True)
class Stem:
    """Where a name stands: from its rank on the axis down to a row, and to one side."""

    name: RankedName
    row: float
    side: float
    is_left: bool

    @property
    def label(self) -> str:
        """The name as it has room."""
        return shortened(self.name.label, CUT)


@dataclass(frozen=True)
class CriticalDifference(Chart):
    """Mean ranks, best first, and by how much two must differ to be significant."""

    names: Sequence[RankedName]
    critical_difference: float

    @property
    def is_wide(self) -> bool:
        """Names on either side need their room."""
        return True

    @property
    def ends(self) -> tuple[int, int]:
        """The first and the last rank on the axis."""
        low, high = math.floor(self.names[0].rank), math.ceil(self.names[-1].rank)
        return low, max(high, low + 1)

    @property
    def groups(self) -> list[tuple[float, float, int]]:
        """Ends of the largest groups of rules that are not shown to differ, and the level of each one's bar."""
        ranks = [name.rank for name in self.names]
        spans: list[tuple[float, float]] = []
        for first in ranks:
            last = max(rank for rank in ranks if rank - first <= self.critical_difference)
            if last > first and (not spans or last > spans[-1][1]):
                spans.append((first, last))
        levels: list[float] = []
        bars = []
        for first, last in spans:
            level = next((level for level, end in enumerate(levels) if end < first), len(levels))
            levels[level : level + 1] = [last]
            bars.append((first, last, level))
        return bars

    @property
    def n_levels(self) -> int:
        """How many bars lie below one another."""
        return max((level for _, _, level in self.groups), default=-1) + 1

    @property
    def bottom(self) -> float:
        """The lowest row."""
        return min(stem.row for stem in self.stems)

    @property
    def stems(self) -> list[Stem]:
        """Where the names stand: the better half on the left, the others on the right."""
        low, high = self.ends
        gap = 0.03 * (high - low)
        first_row = 1 + LEVEL * self.n_levels
        half = math.ceil(len(self.names) / 2)
        left = [Stem(name, -first_row - row, low - gap, is_left=True) for row, name in enumerate(self.names[:half])]
        right = [
            Stem(name, -first_row - row, high + gap, is_left=False)
            for row, name in enumerate(self.names[: half - 1 : -1])
        ]
        return [*left, *right]

    def limits(self, width: float = NARROWEST) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return what the axes span, with room for names on either side."""
        low, high = self.ends
        right = max(high, low + self.critical_difference)
        room = {
            is_left: CHARACTER * max((7 + len(stem.label) for stem in self.stems if stem.is_left == is_left), default=0)
            for is_left in (True, False)
        }
        unit = (right - low) / (width - room[True] - room[False])
        return (low - unit * room[True], right + unit * room[False]), (self.bottom - 0.7, RULER + 1.1)

    def draw_for_page(self) -> Plain:
        """Draw ranks on a line by plotly.js."""
        low, high = self.ends
        x_range, y_range = self.limits()
        hidden = {"visible": False, "fixedrange": True}
        return plotly.drawing(
            [*self.line_traces(), *self.name_traces(), *self.axis_traces(low, high)],
            20 + 23 * (y_range[1] - y_range[0]),
            xaxis={**hidden, "range": plotly.all_rounded(x_range)},
            yaxis={**hidden, "range": plotly.all_rounded(y_range)},
            hovermode="closest",
            showlegend=False,
            margin={"l": 8, "r": 8, "t": 8, "b": 8},
        )

    def line_traces(self) -> list[Plain]:
        """Return the stems, and the bars over rules that are not shown to differ."""
        stems, bars = [], []
        for stem in self.stems:
            stems += [(stem.name.rank, 0.0), (stem.name.rank, stem.row), (stem.side, stem.row), (None, None)]
        for first, last, level in self.groups:
            height = -0.6 - LEVEL * level
            bars += [(first, height), (last, height), (None, None)]
        return [
            lines(stems, {"color": plotly.GREY, "width": 1}),
            lines(bars, {"color": plotly.INK, "width": 4}),
        ]

    def name_traces(self) -> list[Plain]:
        """Return the names with their ranks, and a point on the axis for each."""
        traces: list[Plain] = []
        for stem in self.stems:
            rank, label = f"{stem.name.rank:.2f}", plotly.escape(stem.label)
            text = f"{label}  {rank}" if stem.is_left else f"{rank}  {label}"
            color = plotly.BLUE if stem.name.role == "recommended" else plotly.INK
            where = "middle left" if stem.is_left else "middle right"
            traces.append({
                "type": "scatter", "mode": "text", "x": [plotly.rounded(stem.side)], "y": [stem.row], "text": [text],
                "textposition": where, "textfont": {"size": 12, "color": color}, "hoverinfo": "skip",
            })  # fmt: skip
        for role in dict.fromkeys(name.role for name in self.names):
            named = [name for name in self.names if name.role == role]
            hover = [f"<b>{plotly.escape_wrapped(name.label)}</b><br>mean rank {name.rank:.2f}" for name in named]
            ranks = plotly.all_rounded(name.rank for name in named)
            traces.append(plotly.points("", role, ranks, [0.0] * len(named), hover))
        return traces

    def axis_traces(self, low: int, high: int) -> list[Plain]:
        """Return the axis with its numbers, and the ruler of the critical difference."""
        ticks = list(range(low, high + 1))
        numbers: Plain = {"type": "scatter", "mode": "lines+text", "x": ticks, "y": [0.0] * len(ticks)}
        numbers |= {"text": [self.numeral(tick) for tick in ticks], "textposition": "top center", "hoverinfo": "skip"}
        numbers |= {"line": {"color": plotly.INK, "width": 1.2}, "textfont": {"size": 12, "color": plotly.MUTED}}
        ends = plotly.all_rounded([low, low + self.critical_difference])
        ruler: Plain = {"type": "scatter", "mode": "lines+markers+text", "x": ends, "y": [RULER, RULER]}
        ruler |= {"line": {"color": plotly.INK, "width": 2}, "hoverinfo": "skip"}
        ruler |= {"marker": {"symbol": "line-ns", "size": 10, "line": {"width": 2, "color": plotly.INK}}}
        ruler |= {"text": ["", f"  critical difference {self.critical_difference:.2f}"]}
        ruler |= {"textposition": "middle right", "textfont": {"size": 12, "color": plotly.INK}}
        return [numbers, ruler]

    def numeral(self, tick: int) -> str:
        """Return the number at a tick; of many, only every fifth has one."""
        low, high = self.ends
        return str(tick) if high - low <= MOST_NUMERALS or tick % 5 == 0 else ""

    def draw_for_file(self) -> "Drawing":
        """Draw ranks on a line by matplotlib."""
        x_range, y_range = self.limits(FILE)
        low, high = self.ends
        figure = matplotlib.new_figure(matplotlib.PAGE, 0.17 * (y_range[1] - y_range[0]))
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set_xlim(x_range)
        axes.set_ylim(y_range)
        small = matplotlib.SMALL
        axes.plot([low, high], [0, 0], color="black", linewidth=0.9)
        for tick in range(low, high + 1):
            axes.text(tick, 0.3, self.numeral(tick), ha="center", va="bottom", fontsize=small)
            axes.plot([tick, tick], [0, 0.2], color="black", linewidth=0.7)
        axes.plot([low, low + self.critical_difference], [RULER] * 2, "|-", color="black", linewidth=1.2, markersize=5)
        text = f"critical difference {self.critical_difference:.2f}"
        axes.text(low + self.critical_difference + 0.02 * (high - low), RULER, text, va="center", fontsize=small)
        for stem in self.stems:
            name = stem.name
            axes.plot([name.rank, name.rank, stem.side], [0, stem.row, stem.row], color="0.6", linewidth=0.6, zorder=1)
            rank, label = f"{name.rank:.2f}", matplotlib.fitted(stem.label)
            text = f"{label}  {rank} " if stem.is_left else f" {rank}  {label}"
            color = BLUE if name.role == "recommended" else "black"
            side = "right" if stem.is_left else "left"
            axes.text(stem.side, stem.row, text, ha=side, va="center", fontsize=small, color=color)
            axes.plot([name.rank], [0], linestyle="none", zorder=3, **matplotlib.marker_style(name.role))
        for first, last, level in self.groups:
            axes.plot([first, last], [-0.6 - LEVEL * level] * 2, color="black", linewidth=2.4, zorder=2)
        return figure


def lines(places: Sequence[tuple[float | None, float | None]], style: Plain) -> Plain:
    """Return lines through places, broken where there is none."""
    trace = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "line": style}
    return trace | {
        "x": plotly.all_rounded(x for x, _ in places),
        "y": plotly.all_rounded(y for _, y in places),
    }


def critical_difference(ranking: Ranking) -> Figure | None:
    """Show mean ranks, and which rules are not shown to differ in them."""
    if ranking.critical_difference is None:
        return None
    roles = ranking_roles(ranking)
    names = [
        RankedName(rule.name, rule.mean_rank, roles.get(rule.name, "other"))
        for rule in ranking.rules
        if rule.mean_rank is not None
    ]
    chart = CriticalDifference(names, ranking.critical_difference)
    text = (
        f"Mean rank of each rule over {ranking.n_clusters} sets; 1 is best. Rules under one bar are closer than the "
        f"critical difference of {ranking.critical_difference:.2f} (Nemenyi's test, 5 % for all pairs together) and "
        "not shown to differ. Ranks depend on which rules are compared; the difference from the mean does not."
    )
    return Figure("ranks", "Mean ranks", text, [("mean ranks", chart)])
