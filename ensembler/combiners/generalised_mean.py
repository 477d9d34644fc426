"""Power means of the members' probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembler.arrays import Floats, Labels, Values, normalise, softmax, with_argmax_of
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.combiners.base import is_number, require
from ensembler.combiners.fitted_state import Kind
from ensembler.combiners.product_rule import PROBABILITY_CLIP

LARGEST_ORDER = 20


@dataclass
class GeneralisedMean(AdditiveCombiner):
    r"""Generalised mean (power mean) of the members' probabilities, from the minimum to the maximum.

    .. math::
        p(c) \propto \Bigl( \frac1M \sum_m p_m(c)^r \Bigr)^{1/r}

    An order r of 1 gives the mean, 0 (as a limit) the geometric mean, -1 the harmonic one; the larger the order, the
    nearer to the maximum, the smaller, the nearer to the minimum, which are the rules ``max`` and ``min``. Up to order
    0, probabilities are clipped at 1e-15. Scores are the sums of the powers (for negative orders their negatives, for
    order 0 the sums of logarithms), which have the same winner.

    Parameters
    ----------
    order : float, from -20 to 20
        r.

    References
    ----------
    Kuncheva, Combining Pattern Classifiers, 2nd ed. 2014, section 5.2.2, doi 10.1002/9781118914564.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1]], [[0.4, 0.6]]])
    >>> GeneralisedMean(order=0.5).predict_proba(proba).round(3)
    array([[0.678, 0.322]])
    >>> GeneralisedMean(order=-1).predict_proba(proba).round(3)
    array([[0.764, 0.236]])
    """

    name: ClassVar[str] = "generalised-mean"
    family: ClassVar[str] = "fixed"
    source: ClassVar[str] = "Kuncheva 2014, sec. 5.2.2, doi 10.1002/9781118914564"
    is_trainable: ClassVar[bool] = False
    complexity: ClassVar[int] = 45
    list_position: ClassVar[int] = 2000
    by_default: ClassVar[bool] = False
    fitted_state: ClassVar[Mapping[str, Kind]] = {}

    order: float = 0.5

    def check_parameters(self) -> None:
        """Refuse orders at which powers would overflow."""
        valid = is_number(self.order) and abs(self.order) <= LARGEST_ORDER
        require(valid, self, "order", f"a number from -{LARGEST_ORDER} to {LARGEST_ORDER}; beyond it use max or min")

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        """Nothing is learned."""

    def contribution(self, member: int, proba: Floats) -> Values:
        """Return the member's probabilities to the power of the order, or what stands for it."""
        wide = proba.astype(np.float64)
        if self.order > 0:
            return np.asarray(wide**self.order)
        wide = np.maximum(wide, PROBABILITY_CLIP)
        return np.asarray(-(wide**self.order)) if self.order < 0 else np.log(wide)

    def to_proba(self, scores: Values) -> Values:
        """Return the means that belong to sums of powers, divided by their sum."""
        if self.order == 0:
            return with_argmax_of(softmax(scores / getattr(self, "n_members_", 1)), scores)
        # Relative to the winner's, powers neither overflow nor all vanish.
        best = scores.max(axis=-1, keepdims=True)
        return with_argmax_of(normalise((scores / best) ** (1.0 / self.order)), scores)

    def needs_probabilities(self) -> bool:
        """Return True: of votes it would be their share, or nothing."""
        return True
