"""Figures fit for a paper, drawn by matplotlib without a display: one column or two wide, text as text."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ensembler.errors import UsageError
from ensembler.predictions.files import writing
from ensembler.report.figures import style as marks
from ensembler.report.figures.charts import (
    Axis,
    ByClass,
    Chart,
    Diagrams,
    Front,
    Gains,
    Intervals,
    Matrix,
    Role,
    Sizes,
    Worth,
)
from ensembler.report.figures.style import BLUE, GREY, LOOKS, ORANGE, TICK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
COLUMN, PAGE = 3.5, 7.0
"""Inches: one column of a paper, and two."""
MOST_LABELS, MOST_NUMBERS = 40, 12
"""Matrices of more classes have no tick labels, or no numbers in their cells."""
SMALL = 7
CHARACTERS = 17
"""Of the small font, in an inch."""
STYLES: dict[str, Any] = {"dash": "--", "longdash": (0, (6, 3)), "dot": ":"}
THIN = {"markeredgewidth": 0.4}


def draw(chart: Chart, title: str = "") -> "Figure":
    """Draw a chart."""
    figure = DRAWN[type(chart)](chart)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=9)
    return figure


def shortened(name: str) -> str:
    """Return a name as it fits, without its dollars being taken for mathematics."""
    return marks.shortened(name).replace("$", r"\$")


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plain(axes: "Axes") -> "Axes":
    """Take the frame off, and make the numbers small."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL)
    return axes


def measure(axis: Any, told: Axis) -> None:
    """Label an axis of numbers, in per cent where they are shares."""
    from matplotlib.ticker import PercentFormatter

    axis.set_label_text(told.title, fontsize=8)
    if told.percent:
        axis.set_major_formatter(PercentFormatter(xmax=1, decimals=None))


def look(role: Role) -> dict[str, Any]:
    """Return how a point of a role is drawn."""
    one = LOOKS[role]
    size = one.size * (0.8 if one.marker in "*P" else 0.62)
    return {"color": one.value, "marker": one.marker, "markersize": size, "markeredgecolor": "white"} | THIN


def names_below(axes: "Axes", names: Sequence[str]) -> None:
    """Put names beside a vertical axis, the first on top."""
    axes.set_yticks(range(len(names)), [shortened(name) for name in names], fontsize=SMALL)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def legend(axes: "Axes") -> None:
    """Say below what marks mean, where nothing is hidden."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure = axes.get_figure(root=True)
        assert figure is not None
        width = max(map(len, labels)) + 8
        columns = max(1, min(len(labels), int(figure.get_figwidth() * CHARACTERS / width)))
        figure.legend(handles, labels, frameon=False, fontsize=SMALL, loc="outside lower center", ncols=columns)


def draw_intervals(chart: Intervals) -> "Figure":
    """Draw a forest plot."""
    figure = new_figure(PAGE * 0.72, 0.75 + 0.21 * len(chart.rows))
    axes = plain(figure.subplots())
    for line in chart.lines:
        color = LOOKS[line.role].value if line.role != "other" else "0.5"
        style = STYLES[LOOKS[line.role].dash]
        axes.axvline(line.value, color=color, linestyle=style, linewidth=1.0, label=shortened(line.label), zorder=1)
    told: set[Role] = set()
    for place, row in enumerate(chart.rows):
        mark = look(row.role)
        if row.interval is not None:
            axes.plot(row.interval, [place, place], color=mark["color"], linewidth=1.2, zorder=2)
        label = row.role if row.role not in (*told, "other") else None
        told.add(row.role)
        axes.plot([row.value], [place], linestyle="none", label=label, zorder=3, **mark)
    names_below(axes, [row.label for row in chart.rows])
    measure(axes.xaxis, chart.axis)
    legend(axes)
    return figure


def draw_sizes(chart: Sizes) -> "Figure":
    """Draw values against committee size."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(PAGE, 3.6)
    axes = plain(figure.subplots())
    for place, density in enumerate(chart.densities):
        half = 0.42 * density.numbers / density.numbers.max()
        size, label = density.size, "_" if place else "all committees"
        if density.binned:
            sides = (size - half, size + half)
            axes.fill_betweenx(density.values, *sides, color=GREY, alpha=0.55, linewidth=0.4, zorder=1, label=label)
        else:
            axes.hlines(density.values, size - TICK, size + TICK, color=GREY, linewidth=1.0, zorder=1, label=label)
    sizes, values = [mark.size for mark in chart.best], [mark.value for mark in chart.best]
    axes.plot(sizes, values, ".-", color="0.25", linewidth=0.9, markersize=4, zorder=2, label="best of each size")
    for mark in chart.marks:
        written = f"{mark.value:.2%}" if chart.axis.percent else f"{mark.value:.4f}"
        axes.plot(
            [mark.size], [mark.value], linestyle="none", zorder=3, label=f"{mark.role}: {written}", **look(mark.role)
        )
    axes.set_ylim(chart.span)
    axes.set_xlabel("members of the committee", fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    measure(axes.yaxis, chart.axis)
    legend(axes)
    return figure


def draw_worth(chart: Worth) -> "Figure":
    """Draw what members are worth, beside how often they helped and hurt."""
    figure = new_figure(PAGE, 0.8 + 0.22 * len(chart.names))
    left, right = map(plain, figure.subplots(1, 2, sharey=True))
    places = np.arange(len(chart.names))
    left.barh(places, chart.values, 0.7, color=BLUE)
    left.axvline(0, color="0.3", linewidth=0.8)
    measure(left.xaxis, chart.axis)
    right.barh(places, chart.helped, 0.7, color=BLUE, label="helped")
    right.barh(places, -np.asarray(chart.hurt), 0.7, color=ORANGE, hatch="///", edgecolor="white", label="hurt")
    right.axvline(0, color="0.3", linewidth=0.8)
    right.set_xlim(-1, 1)
    right.set_xticks([-1, -0.5, 0, 0.5, 1], ["100 %", "50 %", "0", "50 %", "100 %"])
    right.set_xlabel("share of committees it was added to", fontsize=8)
    legend(right)
    names_below(left, chart.names)
    return figure


def draw_front(chart: Front) -> "Figure":
    """Draw what accuracy costs."""
    from matplotlib.ticker import EngFormatter

    figure = new_figure(PAGE * 0.72, 2.8)
    axes = plain(figure.subplots())
    axes.step(chart.costs, chart.values, where="post", color="0.25", linewidth=0.9, zorder=1)
    axes.plot(chart.costs, chart.values, ".", color="0.25", markersize=5, zorder=2, label="no cheaper one is as good")
    for cost, mark in chart.marks:
        label = mark.role if mark.role != "member" else "single members"
        known = label in axes.get_legend_handles_labels()[1]
        axes.plot([cost], [mark.value], linestyle="none", zorder=3, label=None if known else label, **look(mark.role))
    axes.set_xlabel(chart.unit, fontsize=8)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    measure(axes.yaxis, chart.axis)
    legend(axes)
    return figure


def draw_by_class(chart: ByClass) -> "Figure":
    """Draw values by class."""
    figure = new_figure(PAGE * 0.72, 0.8 + 0.3 * len(chart.classes))
    axes = plain(figure.subplots())
    places = np.arange(len(chart.classes))
    for number, member in enumerate(chart.members):
        label = "members" if number == 0 else None
        axes.plot(member.values, places, "o", color=GREY, alpha=0.5, markersize=3.5, label=label, zorder=1)
    shift = np.linspace(-0.22, 0.22, max(len(chart.series), 1))
    for offset, one in zip(shift, chart.series, strict=False):
        drawn = look(one.role)
        values = np.asarray(one.values)
        axes.plot(values, places + offset, linestyle="none", label=shortened(one.label), zorder=3, **drawn)
        if chart.base is not None and one is not chart.base:
            worse = values < np.asarray(chart.base.values)
            axes.plot(
                values[worse],
                places[worse] + offset,
                linestyle="none",
                zorder=4,
                **{**drawn, "markerfacecolor": "white", "markeredgecolor": drawn["color"], "markeredgewidth": 1.2},
            )
    names_below(axes, [f"{name} ({rows:,})" for name, rows in zip(chart.classes, chart.rows, strict=True)])
    for place in places:
        axes.axhline(float(place), color="0.9", linewidth=0.6, zorder=0)
    measure(axes.xaxis, chart.axis)
    legend(axes)
    return figure


def draw_matrix(chart: Matrix) -> "Figure":
    """Draw a square of values."""
    from matplotlib.colors import LinearSegmentedColormap

    n_rows = len(chart.rows)
    side = COLUMN + 0.8 if n_rows <= MOST_LABELS else PAGE * 0.8
    figure = new_figure(side, side * 0.86)
    axes = figure.subplots()
    values = chart.values
    most = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    span = (-most, most) if chart.diverging else (chart.low, most)
    colors = LinearSegmentedColormap.from_list("signed", [ORANGE, "white", BLUE]) if chart.diverging else "Blues"
    image = axes.imshow(values, cmap=colors, vmin=span[0], vmax=span[1])
    if n_rows <= MOST_LABELS:
        axes.set_xticks(range(len(chart.columns)), map(shortened, chart.columns), rotation=90, fontsize=SMALL)
        axes.set_yticks(range(n_rows), map(shortened, chart.rows), fontsize=SMALL)
    if n_rows <= MOST_NUMBERS:
        for row, column in np.ndindex(values.shape):
            value = float(values[row, column])
            if np.isfinite(value):
                color = "white" if abs(value) - chart.low > 0.6 * (most - chart.low) else "black"
                text = f"{value:+.1f}" if chart.diverging else f"{value * 100:.0f}"
                axes.text(column, row, text, ha="center", va="center", fontsize=6, color=color)
    axes.set_xlabel(chart.column_title, fontsize=8)
    axes.set_ylabel(chart.row_title, fontsize=8)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.ax.tick_params(labelsize=SMALL)
    measure(bar.ax.yaxis, chart.axis)
    return figure


def draw_gains(chart: Gains) -> "Figure":
    """Draw what was gained and lost in each class."""
    figure = new_figure(PAGE * 0.72, 0.8 + 0.24 * len(chart.classes))
    axes = plain(figure.subplots())
    places = np.arange(len(chart.classes))
    axes.barh(places, chart.gained, 0.7, color=BLUE, label="gained")
    axes.barh(places, -np.asarray(chart.lost), 0.7, color=ORANGE, hatch="///", edgecolor="white", label="lost")
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    names_below(axes, chart.classes)
    measure(axes.xaxis, chart.axis)
    legend(axes)
    return figure


def draw_diagrams(chart: Diagrams) -> "Figure":
    """Draw how often predictions of some sureness are right, a panel each, with the number of rows below."""
    figure = new_figure(2.3 * max(len(chart.panels), 2), 3.0)
    axes = figure.subplots(2, len(chart.panels), height_ratios=(3, 1), sharex=True, squeeze=False)
    for column, (title, diagram) in enumerate(chart.panels):
        upper, lower = plain(axes[0][column]), plain(axes[1][column])
        edges = np.array(diagram.edges)
        centres, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
        upper.plot([0, 1], [0, 1], "--", color="0.6", linewidth=0.8, zorder=1)
        upper.bar(centres, np.nan_to_num(np.array(diagram.accuracy)), width * 0.9, color=BLUE, alpha=0.8, zorder=2)
        upper.plot(diagram.confidence, diagram.accuracy, ".", color=ORANGE, markersize=5, zorder=3)
        upper.set_title(shortened(title), fontsize=8)
        upper.text(0.04, 0.9, f"ECE {diagram.error:.3f}", transform=upper.transAxes, fontsize=8)
        lower.bar(centres, diagram.rows, width * 0.9, color=GREY)
        lower.set_xlabel("confidence", fontsize=8)
        upper.set_ylim(0, 1)
        upper.set_xlim(0, 1)
    axes[0][0].set_ylabel("accuracy", fontsize=8)
    axes[1][0].set_ylabel("rows", fontsize=8)
    return figure


DRAWN: dict[type, Callable[[Any], "Figure"]] = {
    Intervals: draw_intervals,
    Sizes: draw_sizes,
    Worth: draw_worth,
    Front: draw_front,
    ByClass: draw_by_class,
    Matrix: draw_matrix,
    Gains: draw_gains,
    Diagrams: draw_diagrams,
}


def check_format(path: Path) -> None:
    """Refuse file names that do not end in a known format."""
    if path.suffix.removeprefix(".") not in FORMATS:
        raise UsageError(f"{path.name or '(nothing)'}: expected a figure that ends in .png, .svg or .pdf")


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as a whole; SVG keeps its text as text. The same figure gives the same bytes."""
    import matplotlib as mpl

    check_format(path)
    kind = path.suffix.removeprefix(".")
    facts = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ensembler"}), writing(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=200, metadata=facts)
