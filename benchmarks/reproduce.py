"""The study's findings, measured again: from the bundled predictions to docs/reproduction.md.

    python benchmarks/reproduce.py        (or: make reproduce)

writes benchmarks/results/reproduction.json, figures into docs/_static, and the page, of which every number comes from
that JSON. Weights are fitted on PublicTest and scores are on PrivateTest; verdicts go by paired 95 % intervals.
"""

import argparse
import csv
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
from findings import Evidence
from machine import describe
from reproduction_page import write_page

from ensembler import Predictions, load_predictions
from ensembler.metrics.confusion import confusion_matrix
from ensembler.predictions import bundled
from ensembler.serialization import jsonable

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "reproduction.json"
TEST_TIME = RESULTS.parent / "test_time_augmentation.json"
"""What ``test_time.py`` measured."""
STATIC = ROOT / "docs" / "_static"
PAGE = ROOT / "docs" / "reproduction.md"
ROUNDING = 1e-4
REPORTED = {
    "networks": 9,
    "members": [0.61, 0.67],
    "weakest_three_at_most": 0.602,
    "ensemble": 0.69,
    "epochs": 80,
    "kim_networks": 216,
    "kim_accuracy": 0.7272,
}
"""Bokányi & Mészégető's figures as they give them, and Kim et al.'s (doi 10.1007/s12193-015-0209-0) as surveys do."""


def without_exact_duplicates(data: Predictions, folder: Path) -> list[dict[str, Any]]:
    """Return accuracies with and without the test rows whose image is in the training split."""
    duplicates = json.loads((folder / "exact-duplicates.json").read_text(encoding="utf-8"))["test"]
    apart = np.ones(data.n_samples, dtype=bool)
    apart[duplicates] = False
    probas = [*zip(data.names, data.proba, strict=True), ("mean of all", data.proba.mean(axis=0, dtype=np.float64))]
    found = []
    for name, proba in probas:
        right = proba.argmax(axis=1) == data.true_labels
        found.append(
            {"name": name, "accuracy": float(right.mean()), "without_exact_duplicates": float(right[apart].mean())}
        )
    return found


def by_architecture(data: Predictions) -> dict[str, float]:
    """Return the accuracy of the mean of each architecture's members."""
    names = sorted({name.partition("-")[0] for name in data.names})
    chosen = {name: [member.startswith(f"{name}-") for member in data.names] for name in names}
    return {
        name: float((data.proba[mask].mean(axis=0, dtype=np.float64).argmax(axis=1) == data.true_labels).mean())
        for name, mask in chosen.items()
    }


def training_of(folder: Path) -> list[dict[str, Any]]:
    """Return how each member was trained, and whether its kept epoch is as good as its curve says."""
    members = json.loads((folder / "members.json").read_text(encoding="utf-8"))["members"]
    found = []
    for name, facts in members.items():
        curve = read_curve(folder, name)
        judged = curve[facts["best_epoch"] - 1]["val_accuracy"]
        found.append(
            {
                "name": name,
                "epochs": facts["epochs"],
                "best_epoch": facts["best_epoch"],
                "val_accuracy": facts["val_accuracy"],
                "recalibrated_afterwards": abs(judged - facts["val_accuracy"]) > ROUNDING,
                "erasing": facts["hyperparameters"]["erasing"],
                "label_smoothing": facts["hyperparameters"]["label_smoothing"],
            }
        )
    return found


def read_curve(folder: Path, name: str) -> list[dict[str, float]]:
    """Read a member's figures of each epoch."""
    with (folder / "curves" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]


def draw_curves(data: Predictions, folder: Path, training: list[dict[str, Any]]) -> None:
    """Draw learning curves of the members."""
    from matplotlib.figure import Figure

    from ensembler.report.figures.drawing import save_figure
    from ensembler.report.figures.style import BLUE, ORANGE

    columns = 3
    lines = -(-data.n_members // columns)
    figure = Figure(figsize=(7.0, 1.7 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for name, axes in itertools.zip_longest(data.names, panels):
        axes.spines[["top", "right"]].set_visible(False)
        if name is None:
            axes.set_visible(False)
            continue
        rows = read_curve(folder, name)
        epochs = [row["epoch"] for row in rows]
        axes.plot(
            epochs, [row["train_accuracy"] for row in rows], "--", color=BLUE, linewidth=1, label="training, augmented"
        )
        axes.plot(epochs, [row["val_accuracy"] for row in rows], color=ORANGE, linewidth=1, label="PublicTest")
        kept = next(member for member in training if member["name"] == name)
        axes.plot(kept["best_epoch"], kept["val_accuracy"], "o", color=ORANGE, markersize=3, label="kept")
        axes.set_title(name, fontsize=8)
        axes.tick_params(labelsize=7)
    panels[0].legend(frameon=False, fontsize=6)
    save_figure(figure, STATIC / "study-curves.svg")


def draw_confusions(data: Predictions, best_member: str) -> None:
    """Draw confusion matrices of the best member on validation and of the mean."""
    from matplotlib.figure import Figure

    from ensembler.report.figures.drawing import save_figure

    best = data.names.index(best_member)
    pairs = [(best_member, data.proba[best]), ("mean of all", data.proba.mean(axis=0, dtype=np.float64))]
    figure = Figure(figsize=(7.0, 3.4), layout="constrained")
    for axes, (name, proba) in zip(figure.subplots(1, 2), pairs, strict=True):
        counts = confusion_matrix(data.true_labels, proba.argmax(axis=1), data.n_classes)
        table = counts / counts.sum(axis=1, keepdims=True)
        axes.imshow(table, cmap="Blues", vmin=0, vmax=1)
        for row, column in itertools.product(range(data.n_classes), repeat=2):
            dark = table[row, column] > 0.5
            axes.text(
                column,
                row,
                f"{table[row, column]:.2f}",
                ha="center",
                va="center",
                fontsize=6,
                color="w" if dark else "k",
            )
        axes.set_xticks(range(data.n_classes), data.classes, rotation=45, fontsize=7)
        axes.set_yticks(range(data.n_classes), data.classes, fontsize=7)
        axes.set_title(name, fontsize=8)
    save_figure(figure, STATIC / "study-confusion.svg")


def main() -> None:
    """Measure, and write the JSON, the figures and the page."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    folder = bundled.study_folder()
    study = load_predictions(folder)
    results = jsonable(
        {
            "ours": Evidence(study).document(),
            "others": Evidence(load_predictions(bundled.published_folder())).document(),
            "reported": REPORTED,
            "n_exact_duplicates": len(
                json.loads((folder / "exact-duplicates.json").read_text(encoding="utf-8"))["test"]
            ),
            "exact_duplicates": without_exact_duplicates(study, folder),
            "training": training_of(folder),
            "architectures": by_architecture(study),
            "test_time": json.loads(TEST_TIME.read_text(encoding="utf-8")),
            "machine": describe(),
        }
    )
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    draw_curves(study, folder, results["training"])
    draw_confusions(study, results["ours"]["best_member"])
    PAGE.write_text(write_page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
    for finding in results["ours"]["findings"]:
        print(f"{finding['verdict']:40} {finding['finding']}")


if __name__ == "__main__":
    main()
