"""How often promises of thresholds and prediction sets hold on real rows.

    python benchmarks/promises.py

All labelled rows of a bundled set are divided at random again and again: one part sets a threshold for a risk, or
calibrates prediction sets, by the mean of the members, and the others are the new rows. Writes
``benchmarks/results/promises.json``: in which share of the divisions the risk of the new rows was above what was
promised, with what the threshold answered, and how often sets held the true class.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ensembler import Abstention, PredictionSets, load_predictions
from ensembler.deployment.abstention import Thresholds
from ensembler.predictions import bundled

RESULTS = Path(__file__).parent / "results" / "promises.json"
RUNS, N_CALIBRATION = 1000, 2000
RISKS, DELTA = (0.1, 0.15, 0.2), 0.05
ALPHA = 0.1
FORMS = {
    "lac": {"score": "lac"},
    "lac by class": {"score": "lac", "by_class": True},
    "aps": {"score": "aps"},
    "aps randomised": {"score": "aps", "randomised": True},
    "raps:free=1,penalty=0.1": {"score": "raps:free=1,penalty=0.1"},
}


def all_rows() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the mean's probabilities of the validation and the scored rows of the study, and their labels."""
    data = load_predictions(bundled.study_folder())
    assert data.validation is not None
    parts = [data.validation, data]
    proba = np.concatenate([part.proba.mean(axis=0, dtype=np.float64) for part in parts])
    return proba, np.concatenate([part.true_labels for part in parts])


def thresholds(proba: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, dict[str, float]]:
    """Return by risk how often the threshold broke its promise, and what it answered."""
    rng = np.random.default_rng(0)
    sure, correct = np.round(proba.max(axis=1), 12), proba.argmax(axis=1) == labels
    found: dict[float, list[tuple[bool, float, float]]] = {risk: [] for risk in RISKS}
    for _ in range(RUNS):
        order = rng.permutation(len(labels))
        calibration, new = order[:N_CALIBRATION], order[N_CALIBRATION:]
        tried = Thresholds.of(correct[calibration], sure[calibration], DELTA)
        for risk in RISKS:
            step = tried.step_for(risk)
            if step is None:
                found[risk].append((False, 0.0, 0.0))
                continue
            kept = Abstention("top-probability", float(tried.thresholds[step]))
            answered = sure[new] >= kept.threshold
            wrong = float((~correct[new][answered]).mean())
            found[risk].append((wrong > risk, float(answered.mean()), wrong))
    return {
        f"{risk:g}": dict(zip(("broken", "coverage", "risk"), np.mean(runs, axis=0).round(4).tolist(), strict=True))
        for risk, runs in found.items()
    }


def sets(proba: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, dict[str, float]]:
    """Return by form how often sets held the true class, of the class that is covered least too, and their size."""
    found = {}
    for name, options in FORMS.items():
        rng = np.random.default_rng(0)
        runs = []
        for _ in range(RUNS):
            order = rng.permutation(len(labels))
            calibration, new = order[:N_CALIBRATION], order[N_CALIBRATION:]
            made = PredictionSets.fit(proba[calibration], labels[calibration], alpha=ALPHA, **options)  # type: ignore[arg-type]
            contained = made.predict(proba[new])
            holds = contained[np.arange(len(new)), labels[new]]
            by_class = [holds[labels[new] == label].mean() for label in range(proba.shape[1])]
            runs.append((holds.mean(), contained.sum(axis=1).mean(), (contained.sum(axis=1) == 0).mean(), *by_class))
        mean = np.mean(runs, axis=0)
        found[name] = {
            "coverage": round(float(mean[0]), 4),
            "size": round(float(mean[1]), 3),
            "empty": round(float(mean[2]), 4),
            "least covered class": round(float(mean[3:].min()), 4),
        }
    return found


def main() -> None:
    """Measure, and write."""
    rows = all_rows()
    document = {
        "runs": RUNS,
        "n_calibration": N_CALIBRATION,
        "n_new": len(rows[1]) - N_CALIBRATION,
        "delta": DELTA,
        "alpha": ALPHA,
        "thresholds": thresholds(*rows),
        "sets": sets(*rows),
    }
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
