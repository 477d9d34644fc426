"""Whether one of two rules is better over prediction sets, by one paired difference a set."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ensembler.arrays import Values, row_blocks
from ensembler.errors import ParameterError, ShapeError, ValueRangeError
from ensembler.metrics import TIED_DECIMALS

FEWEST_SETS = 6
"""With fewer, the smallest p-value that Wilcoxon's test can have is above 0.05."""
PRIOR_STRENGTH = 0.5
DRAWS = 50_000


def wilcoxon_test(differences: ArrayLike) -> float | None:
    """Return the two-sided p-value of Wilcoxon's signed-rank test that differences are symmetric about 0.

    Ranks of zeros go half to each side. The p-value is exact unless differences are 0 or tied in size (to 12
    decimals), and by the normal approximation then.

    Parameters
    ----------
    differences : (S,)
        One a set; NaN where one of the two rules could not run, which leaves the set out.

    Returns
    -------
    float or None
        None for fewer than six sets.

    References
    ----------
    Wilcoxon 1945, doi 10.2307/3001968; Demšar 2006, https://jmlr.org/papers/v7/demsar06a.html, section 3.1.3.

    Examples
    --------
    >>> wilcoxon_test([0.02, 0.01, 0.03, 0.04, -0.005, 0.05])
    0.0625
    >>> wilcoxon_test([0.02, 0.01, 0.03, 0.04, 0.05]) is None
    True
    """
    from scipy.stats import wilcoxon

    known = _known(differences)
    if len(known) < FEWEST_SETS:
        return None
    sizes = np.abs(known)
    tied = len(np.unique(sizes)) < len(sizes) or not sizes.all()
    return float(wilcoxon(known, zero_method="zsplit", method="approx" if tied else "exact").pvalue)


@dataclass(frozen=True)
class SignedRankProbabilities:
    """Posterior probabilities that the first rule is worse, practically equivalent, or better; their sum is 1."""

    p_worse: float
    p_equivalent: float
    p_better: float


def signed_rank_probabilities(
    differences: ArrayLike, rope: float, seed: int = 0, n_draws: int = DRAWS
) -> SignedRankProbabilities:
    r"""Return how probably one rule is worse, equivalent or better, by the Bayesian signed-rank test.

    The n differences and a pseudo-observation :math:`d_0 = 0` get weights
    :math:`w \sim \mathrm{Dir}(\tfrac12, 1, \dots, 1)`. In each draw of them

    .. math::

        \theta_\mathrm{worse} = \sum_{ij} w_i w_j\,[d_i + d_j < -2 \rho], \qquad
        \theta_\mathrm{better} = \sum_{ij} w_i w_j\,[d_i + d_j > 2 \rho], \qquad
        \theta_\mathrm{equivalent} = 1 - \theta_\mathrm{worse} - \theta_\mathrm{better},

    and a probability is the share of draws in which that :math:`\theta` is the largest.

    Parameters
    ----------
    differences : (S,)
        First rule minus second, one a set, more is better; NaN leaves the set out.
    rope : float
        :math:`\rho`: differences from −ρ to ρ make no practical difference.
    seed, n_draws : int
        The standard error of a probability p is :math:`\sqrt{p (1 - p) / n_\mathrm{draws}}`, at most 0.0023.

    Raises
    ------
    ShapeError, ValueRangeError
        If there is no difference that is a number.
    ParameterError
        If ``rope`` is negative or ``n_draws`` less than 1.

    References
    ----------
    Benavoli, Corani, Demšar & Zaffalon 2017, https://jmlr.org/papers/v18/16-305.html.

    Examples
    --------
    >>> found = signed_rank_probabilities([0.03, 0.02, 0.05, 0.04, -0.01, 0.03, 0.02], rope=0.01)
    >>> round(found.p_worse, 2), round(found.p_equivalent, 2), round(found.p_better, 2)
    (0.0, 0.06, 0.94)
    """
    if not (np.isfinite(rope) and rope >= 0):
        raise ParameterError(f"rope is {rope:g}, expected a finite number >= 0")
    if n_draws < 1:
        raise ParameterError(f"n_draws is {n_draws}, expected at least 1")
    known = _known(differences)
    if not len(known):
        raise ValueRangeError("differences hold no number, expected at least one set on which both rules ran")
    # Sorted, the order of the sets changes nothing, and those d_j that make d_i + d_j small are the first few.
    observed = np.sort(np.append(0.0, known))
    prior = np.ones(len(observed))
    prior[np.searchsorted(observed, 0.0)] = PRIOR_STRENGTH
    sums = np.round(np.add.outer(observed, observed), TIED_DECIMALS)
    limit = round(2 * rope, TIED_DECIMALS)
    first_few, all_but_last_few = (sums < -limit).sum(axis=1), (sums <= limit).sum(axis=1)
    rng = np.random.default_rng(seed)
    n_worse = n_better = 0
    for rows in row_blocks(n_draws, len(observed)):
        weights = rng.dirichlet(prior, rows.stop - rows.start)
        up_to = np.cumsum(np.column_stack([np.zeros(len(weights)), weights]), axis=1)
        worse = (weights * up_to[:, first_few]).sum(axis=1)
        better = (weights * (up_to[:, -1:] - up_to[:, all_but_last_few])).sum(axis=1)
        equivalent = 1 - worse - better
        n_worse += int(((worse > equivalent) & (worse > better)).sum())
        n_better += int(((better > equivalent) & (better > worse)).sum())
    return SignedRankProbabilities(n_worse / n_draws, (n_draws - n_worse - n_better) / n_draws, n_better / n_draws)


def _known(differences: ArrayLike) -> Values:
    """Return the differences that are numbers, rounded so that tied ones are equal."""
    array = np.asarray(differences, dtype=np.float64)
    if array.ndim != 1:
        raise ShapeError(f"differences has shape {array.shape}, expected one number a set")
    if np.isinf(array).any():
        place = int(np.flatnonzero(np.isinf(array))[0])
        raise ValueRangeError(f"differences: set {place} is {array[place]}, expected finite numbers, or nan")
    return np.asarray(np.round(array[~np.isnan(array)], TIED_DECIMALS))
