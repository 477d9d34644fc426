"""Bootstrap samples of rows, as one matrix of counts that everything under comparison shares."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.metrics.intervals import Interval, percentile_interval

Counts = NDArray[np.float32] | NDArray[np.float64]
"""How often each row was drawn, exact in float32; times the rows' weights where there are some, in float64."""

RESAMPLES = 2000
FEWEST_RESAMPLES = 40
"""For the ends of a 95 % interval to be among the samples."""
FEWEST_UNITS = 20
BLOCK_BYTES = 1 << 25


def enough_units(n_rows: int, groups: NDArray[Any] | None = None) -> bool:
    """Whether there are so many rows, or groups, that bootstrap intervals are not too narrow to be given."""
    return (n_rows if groups is None else len(np.unique(groups))) >= FEWEST_UNITS


def bootstrap_counts(
    n_rows: int, n_resamples: int = RESAMPLES, seed: int = 0, groups: NDArray[Any] | None = None
) -> Iterator[Counts]:
    """Yield how often each row was drawn, some samples at a time, (b, N) with ``n_resamples`` rows in all.

    Rows are drawn with replacement, as many as there are; with groups, whole groups are.

    >>> [block.sum(axis=1).tolist() for block in bootstrap_counts(5, 3)]
    [[5.0, 5.0, 5.0]]
    """
    rng = np.random.default_rng(seed)
    unit_of_row = None if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = n_rows if unit_of_row is None else int(unit_of_row.max()) + 1
    size = max(1, min(n_resamples, BLOCK_BYTES // (4 * n_rows)))
    for start in range(0, n_resamples, size):
        block = np.empty((min(size, n_resamples - start), n_units), dtype=np.float32)
        for sample in block:
            sample[:] = np.bincount(rng.integers(0, n_units, n_units), minlength=n_units)
        yield block if unit_of_row is None else block[:, unit_of_row]


def mean_interval(
    values: NDArray[np.float64], groups: NDArray[Any] | None = None, n_resamples: int = RESAMPLES, seed: int = 0
) -> Interval | None:
    """Return the 95 % bootstrap interval of the mean of a value per row; None where rows or groups are too few.

    >>> mean_interval(np.repeat([0.0, 1.0], 50))
    (0.4, 0.6)
    """
    if not enough_units(len(values), groups):
        return None
    blocks = bootstrap_counts(len(values), n_resamples, seed, groups)
    return percentile_interval(np.concatenate([block @ values / block.sum(axis=1) for block in blocks]))
