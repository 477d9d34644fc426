"""Store what AutoGluon's greedy ensemble selection (Caruana et al., ICML 2004) answers, as an oracle for ours.

``autogluon_greedy.json`` was made by

    pip install autogluon.core==1.6.3
    python tests/oracles/autogluon_greedy.py

Inputs are not stored: `draw` makes them again from the seed, and needs only NumPy.

A case is kept only if its answer is the algorithm's and not a matter of AutoGluon's taste. AutoGluon rounds errors to
six decimals after the first step, prefers members already selected among equals, and then draws one at random; so in
each kept case the best candidate leads by more than 1e-6 at every step. Cases are judged by `replay`, before AutoGluon
sees them. One convention remains: among equally good prefixes the shortest is kept.
"""

import json
import platform
import warnings
from collections.abc import Callable
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

MARGIN = 1e-6
"""Errors closer than this may be equal for AutoGluon, which rounds them to six decimals."""

# (n_members, n_samples, n_classes), then n_steps. A tie in accuracy is rare only in short runs over many rows.
LOG_LOSS_GRID = [(6, 501, 2), (5, 400, 3), (9, 700, 7), (20, 1000, 10)], [25, 50]
ACCURACY_GRID = [(6, 20001, 2), (5, 20001, 3), (9, 20001, 7), (20, 10001, 10)], [8, 25, 50]
SEEDS = range(12)


def draw(seed: int, n_members: int, n_samples: int, n_classes: int) -> tuple[Floats, Labels]:
    """Draw members that differ in skill, sharpness and favourite classes, and find the same rows hard.

    Returns
    -------
    proba : (M, N, C) float64, rows sum to 1
    labels : (N,) int64
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n_samples)
    skill = rng.uniform(0.75, 1.1, size=(n_members, 1, 1)) * np.sqrt(2 * np.log(n_classes))
    sharpness = rng.uniform(0.8, 1.6, size=(n_members, 1, 1))
    bias = rng.normal(scale=0.3, size=(n_members, 1, n_classes))
    shared_noise = rng.normal(scale=0.6, size=(n_samples, n_classes))
    own_noise = rng.normal(scale=0.8, size=(n_members, n_samples, n_classes))
    logits = sharpness * (skill * np.eye(n_classes)[labels] + bias + shared_noise + own_noise)
    proba = np.exp(logits)
    return proba / proba.sum(axis=-1, keepdims=True), labels


def error_rate(proba: Floats, labels: Labels) -> float:
    """One minus accuracy."""
    return float((proba.argmax(axis=-1) != labels).mean())


def log_loss(proba: Floats, labels: Labels) -> float:
    """Mean negative log probability of the true class."""
    return float(-np.log(proba[np.arange(len(labels)), labels]).mean())


ERRORS: dict[str, Callable[[Floats, Labels], float]] = {"accuracy": error_rate, "log-loss": log_loss}


def replay(proba: Floats, labels: Labels, metric: str, n_steps: int) -> Floats | None:
    """Run the greedy loop as one would write it on a blackboard; return the weights, or None after a close call.

    A close call is a runner-up, or another prefix of different error, within `MARGIN` of the best.
    """
    total = np.zeros(proba.shape[1:])
    order: list[int] = []
    path: list[float] = []
    for step in range(1, n_steps + 1):
        errors = [ERRORS[metric]((total + member) / step, labels) for member in proba]
        best = int(np.argmin(errors))
        lead = np.partition(errors, 1)[1] - errors[best]
        if lead <= MARGIN:
            return None
        total += proba[best]
        order.append(best)
        path.append(errors[best])
    excess = np.array(path) - min(path)
    if ((excess > 0) & (excess <= MARGIN)).any():
        return None
    length = path.index(min(path)) + 1
    return np.bincount(order[:length], minlength=len(proba)) / length


def autogluon_weights(proba: Floats, labels: Labels, metric: str, n_steps: int, random_state: int) -> Floats:
    """Return the weights AutoGluon selects. It always cuts back to the best prefix; no argument turns that off."""
    from autogluon.core import metrics
    from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection

    binary = proba.shape[-1] == 2
    selection = EnsembleSelection(
        ensemble_size=n_steps,
        problem_type="binary" if binary else "multiclass",
        metric=metrics.get_metric(metric.replace("-", "_")),
        random_state=np.random.RandomState(random_state),
    )
    assert selection.use_best
    predictions = proba[..., 1] if binary else proba  # one column, that of class 1, when there are two classes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it names an argument of scikit-learn's log_loss the old way
        selection.fit(list(predictions), labels)
    weights: Floats = selection.weights_
    return weights


def main() -> None:
    """Write the JSON file next to this script."""
    cases: list[dict[str, object]] = []
    close_calls = {"log-loss": 0, "accuracy": 0}
    for metric, (shapes, steps) in {"log-loss": LOG_LOSS_GRID, "accuracy": ACCURACY_GRID}.items():
        for shape, n_steps, seed in product(shapes, steps, SEEDS):
            proba, labels = draw(seed, *shape)
            expected = replay(proba, labels, metric, n_steps)
            if expected is None:
                close_calls[metric] += 1
                continue
            for random_state in range(3):
                weights = autogluon_weights(proba, labels, metric, n_steps, random_state)
                np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-12)
            n_members, n_samples, n_classes = shape
            cases.append(
                {
                    "seed": seed,
                    "n_members": n_members,
                    "n_samples": n_samples,
                    "n_classes": n_classes,
                    "metric": metric,
                    "n_steps": n_steps,
                    "weights": weights.tolist(),
                }
            )
    head = {
        "autogluon_core": version("autogluon.core"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "use_best": True,
        "left_out_as_close_calls": close_calls,
    }
    lines = ",\n".join(f"    {json.dumps(case)}" for case in cases)
    text = json.dumps(head, indent=2).removesuffix("\n}") + f',\n  "cases": [\n{lines}\n  ]\n}}\n'
    Path(__file__).with_suffix(".json").write_text(text)


if __name__ == "__main__":
    main()
