"""Learning curves and confusion matrices of runs, as figures fit for a paper."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backbones.errors import ConfigurationError
from backbones.runs import Run
from backbones.writing import make_folder, require_writable, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
BLUE, ORANGE = "#0072b2", "#d55e00"


def draw_curves(rows: Sequence[dict[str, float]], title: str) -> "Figure":
    """Draw losses and accuracies over epochs, training against validation, with the best epoch marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    best = max(rows, key=lambda row: (row["val_accuracy"], -row["epoch"]))
    for axes, what in ((left, "loss"), (right, "accuracy")):
        axes.plot(
            epochs, [row[f"train_{what}"] for row in rows], color=BLUE, linestyle="--", label="training (augmented)"
        )
        axes.plot(epochs, [row[f"val_{what}"] for row in rows], color=ORANGE, label="validation")
        axes.axvline(best["epoch"], color="0.6", linewidth=0.8, zorder=0)
        axes.set_xlabel("epoch")
        axes.set_ylabel(what)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    right.annotate(
        f"epoch {best['epoch']:.0f}: {best['val_accuracy']:.3f}",
        (best["epoch"], best["val_accuracy"]),
        xytext=(0, 5),
        textcoords="offset points",
        ha="right",
        fontsize=8,
    )
    left.legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def draw_confusion(counts: Sequence[Sequence[int]], class_names: Sequence[str], title: str) -> "Figure":
    """Draw a confusion matrix normalised by true class, with the percentages in the cells."""
    from matplotlib.figure import Figure

    matrix = np.asarray(counts, dtype=float)
    rows = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, rows, out=np.zeros_like(matrix), where=rows > 0)
    side = max(3.4, 0.5 * len(class_names) + 1.2)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes: Axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = range(len(class_names))
    axes.set_xticks(places, class_names, rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(places, [f"{name} ({int(n)})" for name, n in zip(class_names, rows[:, 0], strict=True)], fontsize=8)
    if len(class_names) <= 20:
        for true in places:
            for predicted in places:
                share = shares[true, predicted]
                color = "white" if share > 0.5 else "black"
                axes.text(predicted, true, f"{100 * share:.0f}", ha="center", va="center", color=color, fontsize=8)
    axes.set_xlabel("predicted (% of the true class)")
    axes.set_ylabel("true (images)")
    axes.set_title(title, fontsize=10)
    return figure


def write_figures(runs: Sequence[Run], out: Path | None, kind: str) -> list[Path]:
    """Write the figures of each run, into ``out`` or into the runs' own folders; return the files."""
    if kind not in FORMATS:
        raise ConfigurationError(f"format is {kind!r}, expected one of {', '.join(FORMATS)}")
    for run in runs:
        require_writable(run.folder if out is None else out)
    written = []
    for run in runs:
        home = run.folder if out is None else out
        curves = draw_curves(run.read_log(), run.name)
        make_folder(home)
        written.append(write_figure(curves, home / f"{run.name}-curves.{kind}"))
        if run.finished:
            result, config = run.result(), run.config()
            for name, words in (("val", "validation"), ("test", "test")):
                if name in result:
                    part: dict[str, Any] = result[name]
                    title = f"{run.name}, {words}: {part['accuracy']:.3f}"
                    figure = draw_confusion(part["confusion"], config.class_names, title)
                    written.append(write_figure(figure, home / f"{run.name}-confusion-{name}.{kind}"))
    return written


def write_figure(figure: "Figure", path: Path) -> Path:
    """Write a figure as a whole."""
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:], dpi=200)
    write(path, content.getvalue())
    return path
