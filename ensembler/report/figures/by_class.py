"""Recall of each class: every member as a point, the best member and leading rules marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.comparison.results import Comparison
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Axis, Chart, Figure, Plain, Role, rule_roles
from ensembler.report.figures.style import GREY, LOOKS, shortened
from ensembler.report.leading import best_member_recall, compared_rules, losing_classes, rule_named, shown_classes
from ensembler.report.tables import some_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

MOST_CLOUD = 60
"""How many members are points at most."""
MOST_LOSING = 6
LANE = 11
"""Pixels that a series has in each class for itself."""
OPEN = "open: below the best member"


@dataclass(frozen=True)
class Series:
    """A member's or a rule's values, one for each class."""

    label: str
    values: Sequence[float]
    role: Role = "other"


@dataclass(frozen=True)
class ByClass(Chart):
    """Values by class: every member as a point, and some series marked. Open marks are below ``base``."""

    axis: Axis
    classes: Sequence[str]
    rows: Sequence[int]
    members: Sequence[Series]
    series: Sequence[Series]
    base: Series | None = None

    @property
    def names(self) -> list[str]:
        """The classes, each with its number of rows."""
        return [f"{name} ({rows:,})" for name, rows in zip(self.classes, self.rows, strict=True)]

    def base_of(self, series: Series) -> Sequence[float] | None:
        """Return what the values of a series are held against, if there is something."""
        return None if self.base is None or series is self.base else self.base.values

    def draw_for_page(self) -> Plain:
        """Draw values by class by plotly.js."""
        first, *shifts = self.lanes
        marked = [self.series_trace(series, shift) for shift, series in zip(shifts, self.series, strict=True)]
        lines = [
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": place - 0.5, "y1": place - 0.5, "layer": "below"}
            | {"line": {"color": "var(--grid)", "width": 1}}
            for place in range(1, len(self.classes))
        ]
        return plotly.drawing(
            [*([self.members_trace(first)] if self.members else []), *marked, *self.open_entry()],
            170 + (LANE * (len(self.series) + 1) + 12) * len(self.classes),
            xaxis=plotly.value_axis(self.axis),
            yaxis=plotly.name_axis(self.names),
            shapes=lines,
            hovermode="closest",
        )

    @property
    def lanes(self) -> list[float]:
        """Where members, and then each series, stand in a class, so that no mark lies on another's."""
        width = LANE / (LANE * (len(self.series) + 1) + 12)
        return [round(width * (place - len(self.series) / 2), 3) for place in range(len(self.series) + 1)]

    def open_entry(self) -> list[Plain]:
        """Return the legend's entry for open marks, where there are some."""
        if not any(value < base for value, base in self.compared()):
            return []
        look = {"symbol": "circle-open", "size": 9, "color": plotly.MUTED, "line": {"width": 2, "color": plotly.MUTED}}
        return [plotly.legend_entry(OPEN, look)]

    def compared(self) -> list[tuple[float, float]]:
        """Return the values of all series with what they are held against."""
        pairs = [(series, self.base_of(series)) for series in self.series]
        return [pair for series, base in pairs if base is not None for pair in zip(series.values, base, strict=True)]

    def members_trace(self, shift: float) -> Plain:
        """Return the points of all members, a little shifted."""
        x: list[float | None] = []
        y: list[float] = []
        hover: list[str] = []
        for member in self.members:
            x += plotly.all_rounded(member.values)
            y += [place + shift for place in range(len(self.classes))]
            hover += [
                f"{plotly.escape(member.label, 40)}<br>{self.describe(name, value)}"
                for name, value in zip(self.classes, member.values, strict=True)
            ]
        return plotly.points("members", "member", x, y, hover, marker=plotly.marker("member", size=6, opacity=0.5))

    def series_trace(self, series: Series, shift: float) -> Plain:
        """Return the points of a series, a little shifted, open ones where it is below the base."""
        base = self.base_of(series)
        worse = [base is not None and value < base[place] for place, value in enumerate(series.values)]
        hover = []
        for place, (name, value) in enumerate(zip(self.classes, series.values, strict=True)):
            text = f"<b>{plotly.escape(series.label, 40)}</b><br>{self.describe(name, value)}"
            if base is not None and np.isfinite(value):
                text += f"<br>{100 * (value - base[place]):+.1f} points against the best member"
            hover.append(text)
        look = LOOKS[series.role]
        symbols = [f"{look.symbol}-open" if lost else look.symbol for lost in worse]
        outline = {"width": [2 if lost else 1 for lost in worse], "color": "var(--surface)"}
        marker = plotly.marker(series.role, symbol=symbols, size=round(0.8 * look.size), line=outline)
        places = [place + shift for place in range(len(self.classes))]
        values = plotly.all_rounded(series.values)
        return plotly.points(shortened(series.label, 34), series.role, values, places, hover, marker=marker)

    def describe(self, name: str, value: float) -> str:
        """Say what the value of a class is."""
        return f"{plotly.escape(name, 40)}: {plotly.format_value(value, self.axis)}"

    def draw_for_file(self) -> "Drawing":
        """Draw values by class by matplotlib."""
        height = (0.1 * (len(self.series) + 1) + 0.08) * len(self.classes)
        figure = matplotlib.new_figure(matplotlib.PAGE * 0.72, 1.0 + height)
        axes = matplotlib.frameless(figure.subplots())
        places = np.arange(len(self.classes))
        for number, member in enumerate(self.members):
            label = "members" if number == 0 else None
            axes.plot(
                member.values, places + self.lanes[0], "o", color=GREY, alpha=0.5, markersize=3.5, label=label, zorder=1
            )
        for shift, series in zip(self.lanes[1:], self.series, strict=True):
            draw_series(axes, series, self.base_of(series), np.array(places + shift, np.float64))
        if self.open_entry():
            hollow: dict[str, Any] = {
                "markerfacecolor": "white",
                "markeredgecolor": "0.4",
                "markeredgewidth": 1.2,
                "markersize": 5,
            }
            axes.plot([], [], "o", linestyle="none", label=OPEN, **hollow)
        matplotlib.label_names(axes, self.names)
        for place in places[1:]:
            axes.axhline(float(place) - 0.5, color="0.9", linewidth=0.6, zorder=0)
        matplotlib.label_values(axes.xaxis, self.axis)
        matplotlib.add_legend(axes)
        return figure


def draw_series(axes: "Axes", series: Series, base: Sequence[float] | None, places: NDArray[np.float64]) -> None:
    """Draw a series in a file's figure, open marks where it is below the base."""
    style, values = matplotlib.marker_style(series.role), np.asarray(series.values)
    style["markersize"] *= 0.8
    axes.plot(values, places, linestyle="none", label=matplotlib.fitted(series.label), zorder=3, **style)
    if base is not None:
        worse = values < np.asarray(base)
        hollow: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": style["color"], "markeredgewidth": 1.2}
        axes.plot(values[worse], places[worse], linestyle="none", zorder=4, **{**style, **hollow})


def recall(result: Comparison) -> Figure | None:
    """Show recall by class: members, the best one, and leading rules."""
    if not result.rules:
        return None
    classes = result.predictions.classes
    counts = np.bincount(result.scored.true_labels, minlength=len(classes))
    shown = shown_classes(best_member_recall(result), compared_rules(result)[0].recall)
    marked = marked_series(result, shown)
    chart = ByClass(
        Axis("recall", percent=True),
        [classes[label] for label in shown],
        [int(counts[label]) for label in shown],
        [Series(member.name, pick(member.recall, shown), "member") for member in result.members[:MOST_CLOUD]],
        marked,
        marked[0] if result.best_member is not None else None,
    )
    return Figure("recall", "Recall of each class", recall_text(result, len(shown)), [("recall", chart)])


def pick(values: NDArray[np.float64], labels: Sequence[int]) -> list[float]:
    """Return the values of some classes."""
    return [float(values[label]) for label in labels]


def marked_series(result: Comparison, shown: Sequence[int]) -> list[Series]:
    """Return the best member, one compared rule of each role, and the mean."""
    roles = rule_roles(result)
    marked = []
    if result.best_member is not None:
        label = f"best member: {result.best_member_name}"
        marked.append(Series(label, pick(result.best_member.recall, shown), "best member"))
    used: set[Role] = set()
    for entry in compared_rules(result):
        role = roles.get(entry.name, "other")
        if role not in used and role != "other":
            marked.append(Series(entry.name, pick(entry.recall, shown), role))
            used.add(role)
    mean = rule_named(result, "mean")
    if mean is not None and "mean" not in [series.label for series in marked]:
        marked.append(Series("mean", pick(mean.recall, shown), "mean"))
    return marked


def recall_text(result: Comparison, n_shown: int) -> str:
    """Say how to read recalls by class, where the chosen rule loses, and what is not drawn."""
    text = "Share of each class's rows that is found: grey dots are single members, above the marks of each class."
    if result.best_member is not None:
        text += " Open marks are below the best member."
    if result.best_member is not None:
        losing = some_of(losing_classes(result), MOST_LOSING) or "no class"
        text += f" {compared_rules(result)[0].name} is worse than it in {losing}."
    n_classes, n_members = result.predictions.n_classes, len(result.members)
    if n_shown < n_classes:
        text += f" {n_classes - n_shown} classes in between are not drawn."
    if n_members > MOST_CLOUD:
        text += f" Only {MOST_CLOUD} of the {n_members} members are drawn."
    return text
