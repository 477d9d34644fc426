"""Made prediction sets on which some rules are better than others."""

import numpy as np

from ensembler import Predictions


def draw_set(seed, n_rows=240, n_classes=3):
    """Members that are right about independent rows, two of them confident of what they do not know."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_rows)
    noise = np.array([1, 1, 2, 4])[:, None, None]
    logits = 2 * np.eye(n_classes)[labels] + rng.normal(size=(4, n_rows, n_classes)) * noise
    proba = np.exp(logits)
    return Predictions(proba / proba.sum(axis=-1, keepdims=True), labels)
