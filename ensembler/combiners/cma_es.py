"""Weights found by an evolution strategy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ensembler.arrays import Floats, Labels, Values, softmax
from ensembler.combiners._drawn_weights import Leads, best_first
from ensembler.combiners.additive import FittedMean, weighted_sum
from ensembler.combiners.base import is_number, is_whole, require
from ensembler.combiners.fitted_state import WEIGHTS, Kind
from ensembler.combiners.product_rule import PROBABILITY_CLIP
from ensembler.errors import NotApplicableError
from ensembler.metrics import get_metric
from ensembler.parallel.blas import one_blas_thread

COUNTS = 50
"""Weights are multiples of 1/50, as greedy selection of 50 steps has them."""
Evaluate = Callable[[Values], Values]


@dataclass
class CMAESWeights(FittedMean):
    r"""Mean whose weights an evolution strategy finds for any metric (CMA-ES).

    Weights are the softmax of a point in :math:`\mathbb{R}^M`, rounded to counts of 50, so that small ones are 0
    ("explicit GES"):

    .. math::
        s_c = \sum_m w_m\, p_m(c), \qquad w_m = \frac{1}{50} \operatorname{round} \frac{50\, e^{x_m}}{\sum_j e^{x_j}}

    where the largest remainders are rounded up until the counts sum to 50. The search starts at the best member,
    :math:`x = e_{\text{best}}`, with step size σ and :math:`4 + \lfloor 3 \ln M \rfloor` points in each generation. The
    best point that was tried is taken, and the first of equally good ones.

    Parameters
    ----------
    metric : str, Metric or callable
        What is improved on the fitting rows.
    n_steps : int
        So many times M points are tried, as many as greedy selection tries in so many steps.
    sigma : float
        The first step size.
    random_state : int

    Attributes
    ----------
    weights_ : (M,) float64, summing to 1

    Raises
    ------
    NotApplicableError
        The package cmaes is not installed.

    References
    ----------
    Purucker & Beel, CMA-ES for post hoc ensembling in AutoML: a great success and salvageable failure, AutoML 2023,
    arXiv 2307.00286; Nomura & Shibata, cmaes, arXiv 2402.01373.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, 400)
    >>> good = np.clip(0.3 + 0.4 * labels + rng.normal(0, 0.2, 400), 0.01, 0.99)
    >>> noise = rng.uniform(0.01, 0.99, 400)
    >>> proba = np.stack([np.stack([1 - p, p], axis=-1) for p in (good, noise)])
    >>> CMAESWeights().fit(proba, labels).weights_
    array([1., 0.])
    """

    name: ClassVar[str] = "cma-es"
    family: ClassVar[str] = "weighted"
    source: ClassVar[str] = "Purucker & Beel 2023, arXiv 2307.00286"
    complexity: ClassVar[int] = 142
    list_position: ClassVar[int] = 2000
    by_default: ClassVar[bool] = False
    freezable: ClassVar[bool] = True
    fitted_state: ClassVar[Mapping[str, Kind]] = {"weights_": WEIGHTS}

    metric: str | Callable[..., Any] = "log-loss"
    n_steps: int = 50
    sigma: float = 0.2
    random_state: int = 0

    def check_parameters(self) -> None:
        """Refuse unknown metrics and impossible numbers."""
        get_metric(self.metric)
        require(is_whole(self.n_steps) and self.n_steps >= 1, self, "n_steps", "a whole number of at least 1")
        require(is_number(self.sigma) and self.sigma > 0, self, "sigma", "a number above 0")
        valid = is_whole(self.random_state) and 0 <= self.random_state < 2**32
        require(valid, self, "random_state", "a whole number of at least 0")

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        if self.n_members_ == 1:
            self.weights_ = np.ones(1)
            return
        order = best_first(proba, labels, sample_weight)
        weights = np.empty(self.n_members_)
        weights[order] = self._search(self._evaluator(proba[order], labels, sample_weight))
        self.weights_ = weights

    @one_blas_thread
    def _search(self, evaluate: Evaluate) -> Values:
        """Return the best weights of all that are tried, for members that come best first."""
        try:
            from cmaes import CMA
        except ImportError as error:
            raise NotApplicableError(f"{self.name} needs cmaes; pip install 'ensembler-bench[cma]'") from error
        n_members = self.n_members_
        population = 4 + int(3 * np.log(n_members))
        alone = np.eye(n_members)
        # The softmax of a point near the start is far from the best member alone, which is tried first.
        values = evaluate(alone)
        best, reached = np.asarray(alone[int(values.argmax())]), float(values.max())
        start = best
        search = CMA(mean=start.copy(), sigma=self.sigma, population_size=population, seed=self.random_state)
        for _ in range(max(1, -(-self.n_steps * n_members // population))):
            points = np.array([search.ask() for _ in range(population)])
            weights = rounded(softmax(points))
            values = evaluate(weights)
            search.tell([(point, -float(value)) for point, value in zip(points, values, strict=True)])
            first = int(values.argmax())
            if values[first] > reached:
                best, reached = np.asarray(weights[first]), float(values[first])
            if search.should_stop():
                break
        return best

    def _evaluator(self, proba: Floats, labels: Labels, sample_weight: Values) -> Evaluate:
        """Return what gives the metric (D,), more being better, of the means with some weights (D, M)."""
        metric = get_metric(self.metric)
        if metric == get_metric("accuracy"):
            return Leads.of(proba, labels, sample_weight).accuracy
        if metric == get_metric("log-loss"):
            true = proba[:, np.arange(len(labels)), labels].astype(np.float64)
            share = sample_weight / sample_weight.sum()
            return lambda weights: np.asarray(np.log(np.maximum(weights @ true, PROBABILITY_CLIP)) @ share)

        def evaluate(weights: Values) -> Values:
            found = [metric(labels, weighted_sum(proba, some), sample_weight) for some in weights]
            signed = np.array([metric.signed(value) for value in found], dtype=np.float64)
            return np.asarray(np.nan_to_num(signed, nan=-np.inf))

        return evaluate

    def needs_probabilities(self) -> bool:
        """Return True: the search needs values that change with small steps."""
        return True

    def n_fitted(self) -> int:
        """One weight a member, but the last."""
        return self.n_members_ - 1


def rounded(weights: Values) -> Values:
    """Return weights (D, M) as multiples of 1/50 that sum to 1, by largest remainders, the first of equal ones.

    >>> (50 * rounded(np.array([[0.491, 0.492, 0.017]]))).round()
    array([[24., 25.,  1.]])
    """
    counts = np.floor(weights * COUNTS)
    left = COUNTS - counts.sum(axis=1).astype(np.int64)
    order = np.argsort(counts - weights * COUNTS, axis=1, kind="stable")
    raised = np.arange(weights.shape[1]) < left[:, None]
    np.put_along_axis(counts, order, np.take_along_axis(counts, order, axis=1) + raised, axis=1)
    return np.asarray(counts / COUNTS)
