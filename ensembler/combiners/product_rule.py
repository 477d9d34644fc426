"""The product of the members' probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembler.arrays import Floats, Labels, Values, softmax, with_argmax_of
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.combiners.fitted_state import Kind

PROBABILITY_CLIP = 1e-15


@dataclass
class Product(AdditiveCombiner):
    r"""Product of the members' probabilities, as a sum of logarithms.

    .. math:: s_c = \sum_m \log \max(p_m(c), 10^{-15})

    The winner is that of the product. The probabilities are the normalised geometric mean, softmax(s / M), since the
    plain product counts correlated members as independent witnesses and is far too confident.

    References
    ----------
    Kittler et al., On combining classifiers, IEEE TPAMI 20 (1998) 226–239, doi 10.1109/34.667881.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.8, 0.2]], [[0.5, 0.5]]])
    >>> Product().fit(proba).predict_proba(proba).round(3)
    array([[0.667, 0.333]])
    """

    name: ClassVar[str] = "product"
    family: ClassVar[str] = "fixed"
    source: ClassVar[str] = "Kittler et al. 1998, doi 10.1109/34.667881"
    complexity: ClassVar[int] = 70
    is_trainable: ClassVar[bool] = False
    log_scale: ClassVar[bool] = True
    fitted_state: ClassVar[Mapping[str, Kind]] = {}

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        """Nothing is learned."""

    def contribution(self, member: int, proba: Floats) -> Values:
        """Return the logarithm of the member's clipped probabilities."""
        return np.log(np.maximum(proba.astype(np.float64), PROBABILITY_CLIP))

    def to_proba(self, scores: Values) -> Values:
        """Return the normalised geometric mean."""
        return with_argmax_of(softmax(scores / self.n_members_), scores)

    def needs_probabilities(self) -> bool:
        """One hard vote against a class would veto it."""
        return True
