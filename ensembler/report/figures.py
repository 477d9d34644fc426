"""Figures fit for a paper, drawn by matplotlib without a display."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ensembler.calibration import Reliability
from ensembler.errors import UsageError
from ensembler.files import writing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
# Okabe & Ito's colours, told apart by people who see few of them; marks differ in shape too.
GREY, BLUE, ORANGE, GREEN = "#9aa5b1", "#0072b2", "#d55e00", "#009e73"


@dataclass(frozen=True)
class SizeDensity:
    """The committees of one size: how many are at each value, or in each bin around it where ``binned``."""

    size: int
    values: NDArray[np.float64]
    numbers: NDArray[np.int64]
    binned: bool


@dataclass(frozen=True)
class Mark:
    """A committee that is pointed out."""

    label: str
    size: int
    value: float


def draw_sizes(
    densities: Sequence[SizeDensity], best: Sequence[Mark], marks: Sequence[Mark], metric: str, title: str
) -> "Figure":
    """Draw a metric against committee size: every committee as density, the best of each size, and some marks."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for density in densities:
        half = 0.42 * density.numbers / density.numbers.max()
        left, right = density.size - half, density.size + half
        if density.binned:
            axes.fill_betweenx(density.values, left, right, color=GREY, alpha=0.55, linewidth=0.4, zorder=1)
        else:
            axes.hlines(density.values, left, right, color=GREY, linewidth=1.0, zorder=1)
    axes.plot(
        [mark.size for mark in best],
        [mark.value for mark in best],
        color="0.25",
        linewidth=0.9,
        marker=".",
        markersize=4,
        zorder=2,
        label="best of each size",
    )
    for mark, (color, shape) in zip(marks, ((ORANGE, "*"), (BLUE, "^"), (GREEN, "s")), strict=False):
        axes.plot(
            [mark.size],
            [mark.value],
            linestyle="none",
            marker=shape,
            markersize=11 if shape == "*" else 7,
            markeredgecolor="white",
            color=color,
            zorder=3,
            label=f"{mark.label}: {mark.value:.4f}",
        )
    axes.set_xlabel("members of the committee")
    axes.set_ylabel(metric)
    axes.set_title(title, loc="left", fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="best")
    return figure


def draw_reliability(panels: Sequence[tuple[str, Reliability]]) -> "Figure":
    """Draw how often predictions of some sureness are right, a panel each, with the number of rows below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.3 * max(len(panels), 2), 3.0), layout="constrained")
    axes = figure.subplots(2, len(panels), height_ratios=(3, 1), sharex=True, squeeze=False)
    for column, (title, diagram) in enumerate(panels):
        upper, lower = axes[0][column], axes[1][column]
        edges = np.array(diagram.edges)
        centres, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
        upper.plot([0, 1], [0, 1], "--", color="0.6", linewidth=0.8, zorder=1)
        accuracy, confidence = np.array(diagram.accuracy), np.array(diagram.confidence)
        upper.bar(centres, np.nan_to_num(accuracy), width * 0.9, color=BLUE, alpha=0.8, zorder=2)
        upper.plot(confidence, accuracy, ".", color=ORANGE, markersize=5, zorder=3)
        rows = np.array(diagram.rows)
        kept = rows > 0
        error = float((rows[kept] * np.abs(accuracy[kept] - confidence[kept])).sum() / rows.sum())
        upper.set_title(shortened(title), fontsize=8)
        upper.text(0.04, 0.9, f"ECE {error:.3f}", transform=upper.transAxes, fontsize=8)
        lower.bar(centres, rows, width * 0.9, color=GREY)
        lower.set_xlabel("confidence", fontsize=8)
        for one in (upper, lower):
            one.tick_params(labelsize=7)
            one.spines[["top", "right"]].set_visible(False)
        upper.set_ylim(0, 1)
        upper.set_xlim(0, 1)
    axes[0][0].set_ylabel("accuracy", fontsize=8)
    axes[1][0].set_ylabel("rows", fontsize=8)
    return figure


def shortened(text: str, most: int = 34) -> str:
    """Return a text that fits a panel."""
    return text if len(text) <= most else text[: most - 1] + "…"


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
