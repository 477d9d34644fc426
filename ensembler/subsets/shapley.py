"""What a member is worth: exact Shapley and Banzhaf values from the sums over a complete sweep.

With A(k, s) the sum of the values of the committees of size s that have member k, and T(s) that of all of size s, both
values need nothing else:

    φ_k = Σ_s w(s - 1) · A(k, s) - Σ_s w(s) · (T(s) - A(k, s)),   w(s) = s! (M - s - 1)! / M!

Sources: Shapley (1953), doi 10.1515/9781400881970-018; Banzhaf (1965), Rutgers Law Review 19:317-343. As a measure of
ensemble members: Rozemberczki & Sarkar (2021), doi 10.1145/3459637.3482302.
"""

from fractions import Fraction
from math import factorial

import numpy as np

from ensembler.arrays import Values


def shapley_values(inside: Values, totals: Values, empty: float) -> Values:
    """Return each member's Shapley value, (M,).

    Parameters
    ----------
    inside : (M, M + 1)
        Sum of the values of the committees of each size that have the member.
    totals : (M + 1,)
        Sum of the values of the committees of each size, without the empty one.
    empty : float
        The value of the empty committee.

    Examples
    --------
    Three members, of which any two together are worth 1, so that each is worth a third:

    >>> inside = np.array([[0, 0, 2, 1]] * 3, dtype=float)
    >>> shapley_values(inside, np.array([0.0, 0, 3, 1]), 0.0).round(4).tolist()
    [0.3333, 0.3333, 0.3333]
    """
    n = len(inside)
    weights = [float(Fraction(factorial(s) * factorial(n - s - 1), factorial(n))) for s in range(n)]
    return differences(inside, totals, empty, np.array(weights))


def banzhaf_values(inside: Values, totals: Values, empty: float) -> Values:
    """Return each member's Banzhaf value, (M,): its mean effect on a committee, the empty one included."""
    n = len(inside)
    return differences(inside, totals, empty, np.full(n, 0.5 ** (n - 1)))


def differences(inside: Values, totals: Values, empty: float, weights: Values) -> Values:
    """Return the weighted sum of what adding each member changes; ``weights[s]`` for committees of s without it."""
    without = totals - inside
    without[:, 0] = empty
    return np.asarray((inside[:, 1:] * weights).sum(axis=1) - (without[:, :-1] * weights).sum(axis=1))


def mean_effects(inside: Values, totals: Values) -> Values:
    """Return by how much adding each member changed a committee of at least one member, on average, (M,)."""
    n = len(inside)
    pairs = 2 ** (n - 1) - 1
    if not pairs:
        return np.full(n, np.nan)
    gained = inside[:, 2:].sum(axis=1) - (totals - inside)[:, 1:-1].sum(axis=1)
    return np.asarray(gained / pairs)
