"""Mixture weights with the least log loss."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembler.arrays import Floats, Labels, Rows, Values
from ensembler.combiners._box_newton import Expansion, minimise
from ensembler.combiners.additive import FittedMean
from ensembler.combiners.fitted_state import WEIGHTS, Kind
from ensembler.combiners.product_rule import PROBABILITY_CLIP
from ensembler.errors import FitWarning


@dataclass
class SimplexWeights(FittedMean):
    r"""Linear pool (mixture), its weights fitted to the log loss.

    .. math::
        s_c = \sum_m w_m\, p_m(c), \qquad
        \max_{w \ge 0,\; \sum w = 1}\; \frac1N \sum_i \log \sum_m w_m\, p_m(y_i \mid x_i)

    The problem is convex, and its solution is what the EM algorithm for mixture weights converges to. It is found by
    Newton steps on the equivalent problem of maximising :math:`\frac1N \sum_i \log (T w)_i - \sum_m w_m` over
    :math:`w \ge 0`, whose solution sums to 1. A member of weight 0 can be left out.

    Attributes
    ----------
    weights_ : (M,) float64, summing to 1

    Warns
    -----
    FitWarning
        The fit did not converge.

    References
    ----------
    Dempster, Laird & Rubin, J. R. Stat. Soc. B 39 (1977) 1–38, doi 10.1111/j.2517-6161.1977.tb01600.x.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.6, 0.4]], [[0.6, 0.4], [0.1, 0.9]], [[0.5, 0.5], [0.5, 0.5]]])
    >>> SimplexWeights().fit(proba, [0, 1]).weights_.round(3)
    array([0., 1., 0.])
    """

    name: ClassVar[str] = "simplex"
    family: ClassVar[str] = "pooled"
    source: ClassVar[str] = "Dempster, Laird & Rubin 1977, doi 10.1111/j.2517-6161.1977.tb01600.x"
    complexity: ClassVar[int] = 132
    list_position: ClassVar[int] = 10
    freezable: ClassVar[bool] = True
    fitted_state: ClassVar[Mapping[str, Kind]] = {"weights_": WEIGHTS}

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        rows = np.arange(len(labels))
        true = np.maximum(proba[:, rows, labels].T.astype(np.float64), PROBABILITY_CLIP)
        share = sample_weight / sample_weight.sum()

        def value(weights: Values) -> float:
            mixed = true @ weights
            return float(weights.sum() - share @ np.log(mixed)) if (mixed > 0).all() else np.inf

        def expand(weights: Values) -> Expansion:
            loss = value(weights)
            if not np.isfinite(loss):
                return Expansion(loss, np.zeros(len(weights)), lambda free: np.zeros((len(free), len(free))))
            mixed = true @ weights

            def hessian(free: Rows) -> Values:
                ratios = true[:, free] * (np.sqrt(share) / mixed)[:, None]
                return np.asarray(ratios.T @ ratios)

            return Expansion(loss, 1.0 - (share / mixed) @ true, hessian)

        n_members = self.n_members_
        start = np.full(n_members, 1.0 / n_members)
        result = minimise(expand, value, start, np.zeros(n_members), np.full(n_members, np.inf))
        if not result.converged:
            warnings.warn(f"{self.name}: the fit did not converge", FitWarning, stacklevel=2)
        self.weights_ = result.point / result.point.sum()

    def fits_proper_score(self) -> bool:
        """Return True: the log loss."""
        return True

    def needs_probabilities(self) -> bool:
        """Return True: one wrong hard label has an infinite loss."""
        return True

    def n_fitted(self) -> int:
        """One weight a member, but the last."""
        return self.n_members_ - 1
