"""The mean of many weighted means, each as probable as it is accurate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembler.arrays import Floats, Labels, Values, clip_accuracy, softmax
from ensembler.combiners._drawn_weights import Leads, best_first
from ensembler.combiners.additive import FittedMean
from ensembler.combiners.base import is_whole, require
from ensembler.combiners.fitted_state import WEIGHTS, Kind


@dataclass
class BayesianCombination(FittedMean):
    r"""Mean with the posterior mean of many weights that are drawn at random (Bayesian model combination).

    .. math::
        w^{(d)} \sim \operatorname{Dir}(1, \dots, 1), \qquad
        P(w^{(d)} \mid \text{rows}) \propto
        \exp\bigl( N\, [a_d \log a_d + (1 - a_d) \log(1 - a_d)] \bigr), \qquad w = \sum_d P(w^{(d)})\, w^{(d)}

    with :math:`a_d` the accuracy on the N fitting rows of the mean with weights :math:`w^{(d)}`, clipped to
    :math:`[1/(2N), 1 - 1/(2N)]`. The likelihood has the same value at a and 1 − a; an accuracy below one half counts as
    one half, so that weights are never the more probable for being worse.

    Parameters
    ----------
    n_draws : int
    random_state : int
        Seed of the draws. Members get them from the most accurate to the least, however they are numbered.

    Attributes
    ----------
    weights_ : (M,) float64, summing to 1

    References
    ----------
    Monteith, Carroll, Seppi & Martinez, Turning Bayesian model averaging into Bayesian model combination, IJCNN 2011,
    2657–2663, doi 10.1109/IJCNN.2011.6033566.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, 400)
    >>> good = np.clip(0.3 + 0.4 * labels + rng.normal(0, 0.2, 400), 0.01, 0.99)
    >>> noise = rng.uniform(0.01, 0.99, 400)
    >>> proba = np.stack([np.stack([1 - p, p], axis=-1) for p in (good, noise)])
    >>> BayesianCombination().fit(proba, labels).weights_.round(2)
    array([0.88, 0.12])
    """

    name: ClassVar[str] = "bayesian-combination"
    family: ClassVar[str] = "weighted"
    source: ClassVar[str] = "Monteith et al. 2011, doi 10.1109/IJCNN.2011.6033566"
    complexity: ClassVar[int] = 138
    list_position: ClassVar[int] = 2000
    by_default: ClassVar[bool] = False
    freezable: ClassVar[bool] = True
    fitted_state: ClassVar[Mapping[str, Kind]] = {"weights_": WEIGHTS}

    n_draws: int = 2000
    random_state: int = 0

    def check_parameters(self) -> None:
        """Refuse impossible numbers."""
        require(is_whole(self.n_draws) and self.n_draws >= 1, self, "n_draws", "a whole number of at least 1")
        valid = is_whole(self.random_state) and self.random_state >= 0
        require(valid, self, "random_state", "a whole number of at least 0")

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        n_rows = len(labels)
        order = best_first(proba, labels, sample_weight)
        draws = np.random.default_rng(self.random_state).dirichlet(np.ones(self.n_members_), self.n_draws)
        accuracy = Leads.of(proba[order], labels, sample_weight).accuracy(draws)
        accuracy = clip_accuracy(np.maximum(accuracy, 0.5), n_rows)
        posterior = softmax(n_rows * (accuracy * np.log(accuracy) + (1 - accuracy) * np.log1p(-accuracy)))
        weights = np.empty(self.n_members_)
        weights[order] = posterior @ draws
        self.weights_ = weights / weights.sum()

    def needs_probabilities(self) -> bool:
        """Return True: most weights of votes have the same winners."""
        return True

    def n_fitted(self) -> int:
        """One weight a member, but the last."""
        return self.n_members_ - 1
