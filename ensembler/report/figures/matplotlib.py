"""What drawings for a paper share: figures made without a display, one column or two wide, text as text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ensembler.report.figures.charts import Axis, Role
from ensembler.report.figures.style import LOOKS, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.5, 7.0
"""Inches: one column of a paper, and two."""
SMALL, MEDIUM = 7, 8
"""Sizes of the font: of numbers and names, and of labels."""
CHARACTERS = 17
"""Of the small font, in an inch."""
STYLES: dict[str, Any] = {"dash": "--", "longdash": (0, (6, 3)), "dot": ":"}
THIN = {"markeredgewidth": 0.4}


def fitted(name: str) -> str:
    """Return a name as it fits, without its dollars being taken for mathematics."""
    return shortened(name).replace("$", r"\$")


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def frameless(axes: "Axes") -> "Axes":
    """Take the frame off, and make the numbers small."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL)
    return axes


def label_values(drawn: Any, axis: Axis) -> None:
    """Label an axis of numbers, in per cent where they are shares."""
    from matplotlib.ticker import PercentFormatter

    drawn.set_label_text(axis.title, fontsize=MEDIUM)
    if axis.percent:
        drawn.set_major_formatter(PercentFormatter(xmax=1, decimals=None))


def label_names(axes: "Axes", names: Sequence[str]) -> None:
    """Put names beside a vertical axis, the first on top."""
    axes.set_yticks(range(len(names)), [fitted(name) for name in names], fontsize=SMALL)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def marker_style(role: Role) -> dict[str, Any]:
    """Return how a point of a role is drawn."""
    look = LOOKS[role]
    size = look.size * (0.8 if look.marker in "*P" else 0.62)
    return {"color": look.value, "marker": look.marker, "markersize": size, "markeredgecolor": "white"} | THIN


def add_legend(*parts: "Axes") -> None:
    """Say below what marks of one part of a figure or several mean, where nothing is hidden."""
    entries = [axes.get_legend_handles_labels() for axes in parts]
    handles = [handle for some, _ in entries for handle in some]
    labels = [str(label) for _, some in entries for label in some]
    if handles:
        figure = parts[0].get_figure(root=True)
        assert figure is not None
        width = max(map(len, labels)) + 8
        columns = max(1, min(len(labels), int(figure.get_figwidth() * CHARACTERS / width)))
        figure.legend(handles, labels, frameon=False, fontsize=SMALL, loc="outside lower center", ncols=columns)
