"""Comparing two classifiers on the same rows."""

import numpy as np
from numpy.typing import NDArray


def paired_difference(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[float, float]:
    r"""Return the difference of two accuracies on the same rows, and its standard error.

    With b and c the rows that only the first and only the second is right about, the difference is :math:`(b - c)/N`
    and its standard error :math:`\sqrt{b + c - (b - c)^2/N}\,/\,N`.

    Examples
    --------
    >>> paired_difference(np.array([True, True, True, False]), np.array([True, False, False, True]))
    (0.25, 0.414578098794425)
    """
    n_rows = len(first)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    change = only_first - only_second
    variance = (only_first + only_second) - change**2 / n_rows
    return change / n_rows, float(np.sqrt(max(variance, 0.0))) / n_rows
