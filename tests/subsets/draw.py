"""Predictions to sweep: random, and of the kinds that break things."""

import numpy as np

KINDS = ("random", "float32", "decimal", "dyadic", "duplicates", "hard", "constant", "certain", "useless")


def draw(kind, n_members, n_rows, n_classes, seed):
    """Return probabilities (M, N, C) and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_rows)
    logits = rng.normal(size=(n_members, n_rows, n_classes))
    logits[:, np.arange(n_rows), labels] += 0.7
    proba = np.exp(logits)
    proba /= proba.sum(axis=-1, keepdims=True)
    if kind == "float32":
        proba = proba.astype(np.float32)
    elif kind == "decimal":
        # Tenths, of which many sums tie in exact arithmetic and few in floating point.
        proba = rng.multinomial(10, np.full(n_classes, 1 / n_classes), size=(n_members, n_rows)) / 10
    elif kind == "dyadic":
        proba = rng.multinomial(8, np.full(n_classes, 1 / n_classes), size=(n_members, n_rows)) / 8
    elif kind == "duplicates":
        proba = proba[rng.integers(0, max(1, n_members // 2), n_members)]
    elif kind == "hard":
        proba = np.eye(n_classes)[proba.argmax(axis=-1)]
    elif kind == "constant":
        proba = np.full_like(proba, 1 / n_classes)
    elif kind == "certain":
        proba = np.eye(n_classes)[np.broadcast_to(labels, (n_members, n_rows))]
    elif kind == "useless":
        # Some members are never right, and all zeros count.
        proba[: n_members // 2] = np.eye(n_classes)[(labels + 1) % n_classes]
    return proba, labels


def stretched(proba, n_members):
    """Return more members than there are, by noise on the logarithms."""
    from scipy.special import softmax

    rng = np.random.default_rng(0)
    logs = np.log(np.clip(np.asarray(proba, dtype=np.float64), 1e-12, 1.0))
    return np.stack(
        [
            softmax(logs[member % len(logs)] + 0.5 * rng.standard_normal(logs[0].shape), axis=1)
            for member in range(n_members)
        ]
    )
