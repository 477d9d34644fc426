"""Whether 95 % intervals hold the truth 95 times in 100, and whether the corrected best of many is unbiased.

    python benchmarks/interval_coverage.py [--samples 1000]

draws samples of rows from a large population of simulated predictions whose scores are known, and writes
benchmarks/results/coverage.json and a figure into docs/_static. Nothing is timed.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import norm

from ensembler.metrics import METRICS
from ensembler.metrics.intervals import percentile_interval, wilson
from ensembler.metrics.resampling import resampled_metrics
from ensembler.metrics.selection import bias_corrected_best

RESULTS = Path(__file__).parent / "results" / "coverage.json"
FIGURE = Path(__file__).parent.parent / "docs" / "_static" / "coverage.svg"
METRIC_NAMES = ("accuracy", "balanced-accuracy", "macro-f1", "log-loss", "brier", "ece")
POPULATION, N_CLASSES, N_MEMBERS = 100_000, 5, 6
SIZES = (200, 1000)
RESAMPLES = 600
CANDIDATES = (2, 10, 50)
Proba = NDArray[np.float64]


def population(rng: np.random.Generator) -> tuple[list[Proba], NDArray[np.int64]]:
    """Return a mean and its best member on many rows: members share what makes a row hard."""
    labels = rng.choice(N_CLASSES, POPULATION, p=[0.4, 0.25, 0.2, 0.1, 0.05])
    shared = rng.normal(size=(POPULATION, N_CLASSES))
    members = []
    for skill in np.linspace(0.8, 1.4, N_MEMBERS):
        logits = skill * np.eye(N_CLASSES)[labels] * 2 + 0.8 * shared + rng.normal(size=(POPULATION, N_CLASSES))
        members.append(softmax(logits, axis=1))
    return [np.mean(members, axis=0), members[-1]], labels


def measure_coverage(n_samples: int, n_rows: int, seed: int) -> dict[str, Any]:
    """Count how often intervals of single scores and of differences hold the population's."""
    rng = np.random.default_rng(seed)
    probas, labels = population(rng)
    metrics = [METRICS[name] for name in METRIC_NAMES]
    truth = {metric.name: [float(metric(labels, proba)) for proba in probas] for metric in metrics}
    held = dict.fromkeys((*METRIC_NAMES, "wilson"), 0)
    differences = dict.fromkeys(METRIC_NAMES, 0)
    for sample in range(n_samples):
        rows = rng.integers(0, POPULATION, n_rows)
        drawn, part = labels[rows], [proba[rows] for proba in probas]
        found = resampled_metrics(metrics, drawn, part, n_resamples=RESAMPLES, seed=sample)
        low, high = wilson(int((part[0].argmax(axis=1) == drawn).sum()), n_rows)
        held["wilson"] += low <= truth["accuracy"][0] <= high
        for name, values in found.items():
            held[name] += inside(percentile_interval(values[:, 0]), truth[name][0])
            lead = percentile_interval(values[:, 0] - values[:, 1])
            differences[name] += inside(lead, truth[name][0] - truth[name][1])
    return {
        "rows": n_rows,
        "samples": n_samples,
        "single_scores": {name: count / n_samples for name, count in held.items()},
        "paired_differences": {name: count / n_samples for name, count in differences.items()},
    }


def inside(interval: tuple[float, float] | None, value: float) -> bool:
    """Whether an interval holds a value."""
    return interval is not None and interval[0] <= value <= interval[1]


def measure_selection(n_samples: int, n_candidates: int, seed: int) -> dict[str, Any]:
    """Compare the best of many, plain and corrected, with how good the picked one really is."""
    rng = np.random.default_rng(seed)
    n_rows, common = 500, 0.7
    skills = rng.normal(0.0, 0.03, n_candidates)
    plain, corrected, real = [], [], []
    threshold = 0.5
    reached = norm.cdf(threshold + skills)
    for sample in range(n_samples):
        shared = rng.normal(size=n_rows)
        own = rng.normal(size=(n_candidates, n_rows))
        right = np.sqrt(common) * shared + np.sqrt(1 - common) * own < threshold + skills[:, None]
        found = bias_corrected_best(right, RESAMPLES, seed=sample)
        plain.append(found.raw)
        corrected.append(found.corrected)
        real.append(reached[int(right.mean(axis=1).argmax())])
    errors = {name: np.array(values) - np.array(real) for name, values in (("plain", plain), ("corrected", corrected))}
    return {
        "candidates": n_candidates,
        "rows": n_rows,
        "samples": n_samples,
        **{
            f"{name}_bias": {"mean": float(error.mean()), "standard_error": float(error.std() / np.sqrt(n_samples))}
            for name, error in errors.items()
        },
    }


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw coverage and bias from the numbers in the results."""
    from matplotlib.figure import Figure

    from ensembler.report.figures.drawing import save_figure
    from ensembler.report.figures.style import BLUE, GREY, ORANGE

    figure = Figure(figsize=(7.0, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    last = results["coverage"][-1]
    names = list(last["paired_differences"])
    places = np.arange(len(names))
    for offset, (key, color, label) in enumerate(
        (("single_scores", BLUE, "single score"), ("paired_differences", ORANGE, "difference"))
    ):
        values = [last[key][name] for name in names]
        left.plot(values, places + 0.2 * offset - 0.1, "o^"[offset], color=color, label=label)
    left.axvspan(0.93, 0.97, color=GREY, alpha=0.3, linewidth=0)
    left.axvline(0.95, color="0.4", linewidth=0.8)
    left.set_yticks(places, names, fontsize=8)
    left.set_xlim(0.85, 1.0)
    left.set_xlabel(f"share of intervals that hold the truth, {last['rows']:,} rows", fontsize=8)
    left.legend(frameon=False, fontsize=7)
    for key, color, shape, label in (
        ("plain_bias", ORANGE, "^", "best score as it is"),
        ("corrected_bias", BLUE, "o", "bias corrected"),
    ):
        points = results["selection"]
        right.errorbar(
            [one["candidates"] for one in points],
            [100 * one[key]["mean"] for one in points],
            [196 * one[key]["standard_error"] for one in points],
            color=color,
            marker=shape,
            capsize=2,
            label=label,
        )
    right.axhline(0, color="0.4", linewidth=0.8)
    right.set_xscale("log")
    right.set_xticks(CANDIDATES, [str(one) for one in CANDIDATES])
    right.minorticks_off()
    right.set_xlabel("candidates", fontsize=8)
    right.set_ylabel("points too good", fontsize=8)
    right.legend(frameon=False, fontsize=7)
    for axes in (left, right):
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(exist_ok=True)
    save_figure(figure, path)


def main() -> None:
    """Simulate, and write down what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    results = {
        "machine": describe(),
        "coverage": [measure_coverage(options.samples, n_rows, seed) for seed, n_rows in enumerate(SIZES)],
        "selection": [
            measure_selection(options.samples, n_candidates, seed) for seed, n_candidates in enumerate(CANDIDATES)
        ],
    }
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    draw(results, FIGURE)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
