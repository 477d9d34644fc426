"""How long ``bench`` takes by each metric, beside accuracy: writes ``results/metric_speed.json``.

369 rows, 6 members, cross-fitting, all default rules: each metric in a process of its own, by the processor's time,
taking turns with accuracy.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

RESULTS = Path(__file__).parent / "results" / "metric_speed.json"
SHAPE = (6, 369, 7)
METRICS = ("roc-auc", "average-precision", "f1:class=1", "quadratic-kappa", "mcc")
WANTED = 2.0


def write_set(folder: Path) -> None:
    """Write members of unequal skill whose errors are correlated."""
    n_members, n_rows, n_classes = SHAPE
    rng = np.random.default_rng(0)
    labels = rng.integers(0, n_classes, n_rows)
    shared = 0.7 * rng.normal(size=(n_rows, n_classes))
    folder.mkdir()
    np.save(folder / "labels.npy", labels)
    for member in range(n_members):
        logits = (1 + member / n_members) * np.eye(n_classes)[labels] + shared + rng.normal(size=shared.shape)
        proba = np.exp(logits)
        np.save(folder / f"m{member}.npy", proba / proba.sum(axis=1, keepdims=True))


def cpu_seconds(folder: Path, metric: str) -> float:
    """Return the processor's time of one ``bench``."""
    command = [sys.executable, "-m", "ensembler", "bench", str(folder), "--metric", metric, "--json"]
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def measure(turns: int) -> dict[str, Any]:
    """Measure accuracy and each metric in turns; the ratio is the median over turns."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "preds"
        write_set(folder)
        cpu_seconds(folder, "accuracy")
        found = {metric: [] for metric in ("accuracy", *METRICS)}
        for _ in range(turns):
            for metric, seconds in found.items():
                seconds.append(cpu_seconds(folder, metric))
    ratios = {
        metric: statistics.median(own / base for own, base in zip(found[metric], found["accuracy"], strict=True))
        for metric in METRICS
    }
    return {
        "shape": SHAPE,
        "cpu_seconds": {metric: statistics.median(seconds) for metric, seconds in found.items()},
        "ratio_to_accuracy": ratios,
        "wanted_ratio_at_most": WANTED,
    }


def main() -> None:
    """Measure and write it down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    results = {"machine": describe(), **measure(options.turns)}
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
