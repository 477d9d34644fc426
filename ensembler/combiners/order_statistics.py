"""Rules that sort the members' probabilities of a class: median, maximum, minimum, trimmed mean."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembler.arrays import Floats, Labels, Values, row_blocks
from ensembler.combiners.base import Combiner, is_number, require
from ensembler.combiners.fitted_state import Kind


class OrderStatistic(Combiner):
    """A rule computed per row and class from the members' sorted probabilities, with nothing to learn."""

    source: ClassVar[str] = "Kittler et al. 1998, doi 10.1109/34.667881"
    is_trainable: ClassVar[bool] = False

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        """Nothing is learned."""

    def _scores(self, proba: Floats) -> Values:
        n_members, n_samples, n_classes = proba.shape
        scores = np.empty((n_samples, n_classes))
        for rows in row_blocks(n_samples, n_members * n_classes):
            scores[rows] = self._reduce(proba[:, rows])
        return scores

    def needs_probabilities(self) -> bool:
        """Hard labels have nothing to sort."""
        return True

    @abstractmethod
    def _reduce(self, block: Floats) -> Floats:
        """Reduce an (M, n, C) block to (n, C)."""


@dataclass
class Median(OrderStatistic):
    r"""Median of the members' probabilities of each class, not renormalised before the winner is taken.

    .. math:: s_c = \operatorname{median}_m p_m(c)

    References
    ----------
    Kim et al., J. Multimodal User Interfaces 10 (2016) 173–189, doi 10.1007/s12193-015-0209-0.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1]], [[0.4, 0.6]], [[0.3, 0.7]]])
    >>> Median().fit(proba).scores(proba)
    array([[0.4, 0.6]])
    """

    name: ClassVar[str] = "median"
    family: ClassVar[str] = "fixed"
    complexity: ClassVar[int] = 20
    fitted_state: ClassVar[Mapping[str, Kind]] = {}
    source: ClassVar[str] = "Kim et al. 2016, doi 10.1007/s12193-015-0209-0"

    def _reduce(self, block: Floats) -> Floats:
        # NumPy sorts so few much faster than it finds the middle one.
        half, ordered = len(block) // 2, np.sort(block, axis=0)
        if len(block) % 2:
            return np.asarray(ordered[half])
        return np.asarray(np.add(ordered[half - 1], ordered[half], dtype=np.float64) / 2)


@dataclass
class Maximum(OrderStatistic):
    r"""Largest probability that any member gives to the class.

    .. math:: s_c = \max_m p_m(c)

    References
    ----------
    Kittler et al., On combining classifiers, IEEE TPAMI 20 (1998) 226–239, doi 10.1109/34.667881.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1]], [[0.4, 0.6]]])
    >>> Maximum().fit(proba).scores(proba)
    array([[0.9, 0.6]])
    """

    name: ClassVar[str] = "max"
    family: ClassVar[str] = "fixed"
    complexity: ClassVar[int] = 50
    fitted_state: ClassVar[Mapping[str, Kind]] = {}

    def _reduce(self, block: Floats) -> Floats:
        return np.asarray(block.max(axis=0))


@dataclass
class Minimum(OrderStatistic):
    r"""Smallest probability that any member gives to the class.

    .. math:: s_c = \min_m p_m(c)

    References
    ----------
    Kittler et al., On combining classifiers, IEEE TPAMI 20 (1998) 226–239, doi 10.1109/34.667881.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1]], [[0.4, 0.6]]])
    >>> Minimum().fit(proba).scores(proba)
    array([[0.4, 0.1]])
    """

    name: ClassVar[str] = "min"
    family: ClassVar[str] = "fixed"
    complexity: ClassVar[int] = 60
    fitted_state: ClassVar[Mapping[str, Kind]] = {}

    def _reduce(self, block: Floats) -> Floats:
        return np.asarray(block.min(axis=0))


@dataclass
class TrimmedMean(OrderStatistic):
    r"""Mean of each class's probabilities after the lowest and highest are dropped.

    .. math:: s_c = \frac{1}{M - 2g} \sum_{j=g+1}^{M-g} p_{(j)}(c), \qquad g = \lfloor \alpha M \rfloor

    with :math:`p_{(1)}(c) \le \dots \le p_{(M)}(c)`. For positive α and three members or more, g is at least 1.

    Parameters
    ----------
    proportion : float, at least 0 and below 0.5
        The share α that is dropped on each side.

    References
    ----------
    Kuncheva, Combining Pattern Classifiers, 2nd ed. 2014, chapter 5, doi 10.1002/9781118914564.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1]], [[0.4, 0.6]], [[0.3, 0.7]]])
    >>> TrimmedMean().fit(proba).scores(proba)
    array([[0.4, 0.6]])
    """

    name: ClassVar[str] = "trimmed-mean"
    family: ClassVar[str] = "fixed"
    complexity: ClassVar[int] = 30
    fitted_state: ClassVar[Mapping[str, Kind]] = {}
    source: ClassVar[str] = "Kuncheva 2014, ch. 5, doi 10.1002/9781118914564"

    proportion: float = 0.2

    def check_parameters(self) -> None:
        """Refuse a share that leaves nobody."""
        valid = is_number(self.proportion) and 0 <= self.proportion < 0.5
        require(valid, self, "proportion", "a number of at least 0 and below 0.5")

    def _reduce(self, block: Floats) -> Floats:
        n_members = len(block)
        drop = self.n_dropped(n_members)
        if drop:
            block = np.sort(block, axis=0)[drop : n_members - drop]
        return np.asarray(block.mean(axis=0, dtype=np.float64))

    def n_dropped(self, n_members: int) -> int:
        """Return g, how many of the members are dropped on each side."""
        drop = int(self.proportion * n_members + 1e-9)
        return max(drop, 1) if self.proportion > 0 and n_members >= 3 else drop
