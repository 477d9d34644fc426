"""Confidence intervals of single scores."""

import math

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
Interval = tuple[float, float]


def wilson(correct: int, total: int, level: float = LEVEL) -> Interval:
    r"""Return Wilson's score interval of a share k/n.

    :math:`\bigl(k + z^2/2 \pm z \sqrt{k (n - k)/n + z^2/4}\bigr) / (n + z^2)` with the normal
    quantile z. Wilson 1927, doi 10.1080/01621459.1927.10502953.

    >>> tuple(round(end, 4) for end in wilson(69, 100))
    (0.5937, 0.7722)
    """
    from scipy.special import ndtri

    z = float(ndtri((1 + level) / 2))
    centre = (correct + z**2 / 2) / (total + z**2)
    reach = z * math.sqrt(correct * (total - correct) / total + z**2 / 4) / (total + z**2)
    # At the ends both parts are the same number, but for rounding.
    return centre - reach if correct else 0.0, centre + reach if correct < total else 1.0


def percentile_interval(values: NDArray[np.float64], level: float = LEVEL) -> Interval | None:
    """Return the middle part of bootstrap values; None where too few samples have one.

    Efron & Tibshirani 1993, ch. 13. Samples in which the metric means nothing are left out.

    >>> percentile_interval(np.arange(101.0), 0.5)
    (25.0, 75.0)
    """
    kept = values[np.isfinite(values)]
    if len(kept) < len(values) / 2 or not len(kept):
        return None
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
