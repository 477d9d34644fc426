"""Store the prediction sets of MAPIE and crepes, as oracles for ours.

``conformal.json`` was made by

    pip install mapie==1.6.0 crepes==0.9.1
    python tests/oracles/conformal.py

Both are kept out of the test group, since nothing else needs them. Inputs are not stored: `draw_rows` makes them again
from the seed, and needs only NumPy. A set is stored as a text of 0 and 1, one a class.

MAPIE's calibration scores by APS are randomised whatever its sets are: by default these hold the whole last class and
cover more rows than they promise, without it they cover fewer. Only its coverage on many rows is stored. crepes keeps a
class of a p-value of exactly alpha, which others leave out; no case has such a one.
"""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# seed, calibration rows, new rows, classes, alpha; (n + 1) alpha is never whole
CASES = [(0, 150, 40, 3, 0.1), (1, 333, 40, 7, 0.2), (2, 75, 40, 2, 0.05), (3, 500, 40, 12, 0.01)]
OF_APS = (4, 1000, 20000, 7, 0.1)

Rows = tuple[NDArray[np.float64], NDArray[np.int64]]


def draw_rows(seed: int, n_calibration: int, n_new: int, n_classes: int) -> tuple[Rows, Rows]:
    """Draw probabilities and labels: calibration rows, then new ones; the probabilities are too sure of themselves."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n_calibration + n_new, n_classes)) * 1.5
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    sharp = np.exp(1.4 * (logits - logits.max(axis=1, keepdims=True)))
    proba = sharp / sharp.sum(axis=1, keepdims=True)
    return (proba[:n_calibration], labels[:n_calibration]), (proba[n_calibration:], labels[n_calibration:])


def mapie_sets(score: str, calibration: Rows, new: Rows, alpha: float, **options: object) -> NDArray[np.bool_]:
    """Return MAPIE's sets (N, C) of rows whose features are their probabilities."""
    from mapie.classification import SplitConformalClassifier
    from sklearn.base import BaseEstimator, ClassifierMixin

    class AsGiven(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """A fitted classifier whose probabilities are its features."""

        def fit(self, features: NDArray[np.float64], labels: NDArray[np.int64]) -> "AsGiven":
            self.classes_ = np.arange(features.shape[1])
            self.n_features_in_ = features.shape[1]
            return self

        def predict_proba(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
            return features

        def predict(self, features: NDArray[np.float64]) -> NDArray[np.int64]:
            return np.asarray(features.argmax(axis=1))

    model = AsGiven().fit(*calibration)
    level = 1 - alpha
    sets = SplitConformalClassifier(model, confidence_level=level, conformity_score=score, random_state=0)
    sets.conformalize(*calibration)
    return np.asarray(sets.predict_set(new[0], conformity_score_params=options)[1][:, :, 0].astype(bool))


def crepes_sets(calibration: Rows, new: Rows, alpha: float, *, by_class: bool) -> NDArray[np.bool_]:
    """Return crepes' sets (N, C) by 1 − p, of all classes together or each by itself."""
    from crepes import ConformalClassifier

    (proba, labels), (rows, _) = calibration, new
    scores = 1 - proba[np.arange(len(labels)), labels]
    made = ConformalClassifier().fit(scores, bins=labels if by_class else None)
    columns = []
    for label in range(proba.shape[1]):
        bins = np.full(len(rows), label) if by_class else None
        found = made.predict_set(1 - rows[:, [label]], bins=bins, confidence=1 - alpha, smoothing=False)
        columns.append(np.asarray(found)[:, 0])
    return np.stack(columns, axis=1).astype(bool)


def as_text(sets: NDArray[np.bool_]) -> list[str]:
    """Return sets as texts of 0 and 1."""
    return ["".join("01"[int(there)] for there in row) for row in sets]


def of_aps() -> dict[str, dict[str, float]]:
    """Return the coverage and the mean size of MAPIE's sets by APS on many rows."""
    *sizes, alpha = OF_APS
    calibration, new = draw_rows(*sizes)  # type: ignore[arg-type]
    found = {}
    for name, last in (("default", True), ("without the last", False), ("randomized", "randomized")):
        sets = mapie_sets("aps", calibration, new, alpha, include_last_label=last)
        covered = sets[np.arange(len(sets)), new[1]]
        found[name] = {"coverage": float(covered.mean()), "size": float(sets.sum(axis=1).mean())}
    return found


def main() -> None:
    """Write the answers beside this file."""
    cases = []
    for *sizes, alpha in CASES:
        calibration, new = draw_rows(*sizes)  # type: ignore[arg-type]
        sets = {
            "mapie lac": mapie_sets("lac", calibration, new, alpha),
            "crepes": crepes_sets(calibration, new, alpha, by_class=False),
            "crepes by class": crepes_sets(calibration, new, alpha, by_class=True),
        }
        cases.append({"case": [*sizes, alpha], **{name: as_text(found) for name, found in sets.items()}})
    head = {name: version(name) for name in ("mapie", "crepes", "numpy", "scikit-learn")}
    stored = {**head, "python": platform.python_version(), "of_aps": of_aps(), "cases": cases}
    Path(__file__).with_suffix(".json").write_text(json.dumps(stored) + "\n")


if __name__ == "__main__":
    main()
