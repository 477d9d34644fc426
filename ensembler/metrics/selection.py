"""Selection optimism: by how much the score of a maximum is too good for having been picked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Correct, Values
from ensembler.metrics.bootstrap import MOST_DRAWN, bootstrap_counts

RESAMPLES = 1000
FEWEST_ALIKE = 16
"""Many rows are drawn by their patterns of correctness where a pattern has so many of them on average."""


@dataclass(frozen=True)
class BiasCorrected:
    """The best of many, and what is left of it when the choice is made anew in every bootstrap sample.

    Attributes
    ----------
    raw : float
        The score of the best one on the rows it was picked on.
    corrected : float
        Mean over samples of the out-of-bag score of the one that is best in the bag.
    n_candidates, n_resamples : int
    """

    raw: float
    corrected: float
    n_candidates: int
    n_resamples: int

    @property
    def optimism(self) -> float:
        """By how much the best one's score flatters it."""
        return self.raw - self.corrected


def bias_corrected_best(
    correct: NDArray[np.bool_], n_resamples: int = RESAMPLES, seed: int = 0, groups: NDArray[Any] | None = None
) -> BiasCorrected:
    """Correct the accuracy of the best of K candidates for having been picked (BBC-CV).

    Rows are drawn with replacement; the candidate with most correct rows in the sample (the first among equals) is
    scored on the rows that were not drawn. Of more than 131,072 rows only the numbers are drawn of those about which
    the same candidates are correct, which is all that a sample matters by; of the n rows of such a pattern that is
    drawn c times, the expected number :math:`n (1 - 1/n)^c` is left outside.

    Parameters
    ----------
    correct : (K, N) bool
        Which rows each candidate is correct about; equally good ones in order of preference.
    n_resamples : int
    seed : int
    groups : (N,), optional
        Rows that are drawn together.

    References
    ----------
    Tsamardinos, Greasidou & Borboudakis, Mach. Learn. 107 (2018) 1895–1922, doi 10.1007/s10994-018-5714-4.

    Examples
    --------
    Fifty coins that are all correct half of the time: the best looks better than it is.

    >>> coins = np.random.default_rng(0).random((50, 400)) < 0.5
    >>> found = bias_corrected_best(coins)
    >>> round(found.raw, 3), round(found.corrected, 2)
    (0.57, 0.52)
    """
    n_candidates, n_rows = correct.shape
    if groups is None and n_rows > MOST_DRAWN:
        patterns, sizes = correctness_patterns(correct)
        if len(sizes) * FEWEST_ALIKE <= n_rows:
            outside_scores = drawn_by_pattern(patterns, sizes, n_resamples, seed)
            return BiasCorrected(
                float(correct.mean(axis=1).max()), float(outside_scores.mean()), n_candidates, n_resamples
            )
    turned = correct.T.astype(np.float32)
    scores: list[Values] = []
    for drawn in bootstrap_counts(n_rows, n_resamples, seed, groups):
        # Counts below 2^24 are exact in float32.
        picked = (drawn @ turned).argmax(axis=1)
        outside = drawn == 0
        n_outside = np.count_nonzero(outside, axis=1)
        n_correct = np.count_nonzero(correct[picked] & outside, axis=1)
        some = n_outside > 0
        scores.append(n_correct[some] / n_outside[some])
    raw, outside_scores = float(correct.mean(axis=1).max()), np.concatenate(scores)
    corrected = float(outside_scores.mean()) if len(outside_scores) else raw
    return BiasCorrected(raw, corrected, n_candidates, len(outside_scores))


def correctness_patterns(correct: Correct) -> tuple[Correct, Values]:
    """Return which candidates are correct together, (P, K), and the number of rows of each such pattern, (P,)."""
    packed = np.ascontiguousarray(np.packbits(correct, axis=0).T)
    _, first, sizes = np.unique(
        packed.view(np.dtype((np.void, packed.shape[1]))).ravel(), return_index=True, return_counts=True
    )
    return correct[:, first].T, sizes.astype(np.float64)


def drawn_by_pattern(patterns: Correct, sizes: Values, n_resamples: int, seed: int) -> Values:
    """Return the out-of-bag score of the candidate that is best in the bag, for each sample."""
    n_rows = int(sizes.sum())
    drawn = np.random.default_rng(seed).multinomial(n_rows, sizes / n_rows, n_resamples).astype(np.float64)
    picked = (drawn @ patterns).argmax(axis=1)
    with np.errstate(divide="ignore"):
        outside = sizes * np.exp(drawn * np.log1p(-1.0 / sizes))
    return np.asarray((outside * patterns.T[picked]).sum(axis=1) / outside.sum(axis=1))
