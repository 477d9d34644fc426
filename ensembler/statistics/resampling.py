"""Bootstrap samples of rows, as one matrix of counts that everything under comparison shares."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=2)
def bootstrap_counts(n_rows: int, n_resamples: int, seed: int) -> NDArray[np.float32]:
    """Return how often each row was drawn in each sample of N rows with replacement, (B, N); do not change it.

    >>> bootstrap_counts(5, 3, 0).sum(axis=1).tolist()
    [5.0, 5.0, 5.0]
    """
    rng = np.random.default_rng(seed)
    counts = np.empty((n_resamples, n_rows), dtype=np.float32)
    for sample in range(n_resamples):
        counts[sample] = np.bincount(rng.integers(0, n_rows, n_rows), minlength=n_rows)
    counts.setflags(write=False)
    return counts
