"""The mean weighted by each member's log loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ensembler.arrays import Floats, Labels, Values
from ensembler.combiners.additive import WeightedMean
from ensembler.combiners.base import is_number, require
from ensembler.combiners.fitted_state import Kind, Numbers
from ensembler.metrics.scores import log_loss

UNDERFLOW = 1e-250
"""Weights below this, beside one of about 1, are lost in sums."""


@dataclass
class LossWeightedAverage(WeightedMean):
    r"""Mean weighted by log loss on the fitting rows.

    .. math::
        s_c = \sum_m u_m\, p_m(c), \qquad
        u_m = 1 / \mathrm{NLL}_m \quad\text{or}\quad u_m = e^{-\beta\,\mathrm{NLL}_m}

    The study of FER2013 ensembles only names a weighting by loss; both forms are inferred from common use.

    Parameters
    ----------
    form : "inverse" or "exp"
    beta : float
        Steepness of the exponential form; must be left at 1 with the inverse form, where it has no meaning.

    Attributes
    ----------
    nll_ : (M,) float64
        Mean negative log likelihood of each member, in nats.
    weights_ : (M,) float64, summing to 1

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.3, 0.7]]])
    >>> LossWeightedAverage().fit(proba, [0, 1]).weights_.round(3)
    array([0.795, 0.205])
    """

    name: ClassVar[str] = "loss-weighted"
    family: ClassVar[str] = "weighted"
    source: ClassVar[str] = "common use; inferred"
    complexity: ClassVar[int] = 100
    list_position: ClassVar[int] = 4
    fitted_state: ClassVar[Mapping[str, Kind]] = {**WeightedMean.fitted_state, "nll_": Numbers("M", low=0.0)}

    form: Literal["inverse", "exp"] = "inverse"
    beta: float = 1.0

    def check_parameters(self) -> None:
        """Refuse unknown forms and a beta without effect."""
        require(self.form in ("inverse", "exp"), self, "form", "'inverse' or 'exp'")
        require(is_number(self.beta), self, "beta", "a number")
        require(self.form == "exp" or self.beta == 1.0, self, "beta", "1 with form 'inverse', which does not use it")

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        self.nll_ = log_loss(labels, proba, sample_weight)
        if self.form == "inverse":
            self._take(1.0 / self.nll_)
        else:
            exponents: Values = -self.beta * self.nll_
            self._take(np.exp(exponents - exponents.max()))

    def weights_underflow(self) -> bool:
        """Whether the exponential form has left a member next to nothing."""
        return bool(self._multipliers.min() < UNDERFLOW)

    def needs_probabilities(self) -> bool:
        """Return True: a hard label has no log loss."""
        return True

    def n_fitted(self) -> int:
        """One loss a member."""
        return self.n_members_
