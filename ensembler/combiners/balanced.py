"""Any rule with its probabilities shifted against the class prior, for the sake of rare classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ensembler.arrays import Floats, Labels, Values, softmax, with_argmax_of
from ensembler.combiners.base import Combiner, clone, is_number, require
from ensembler.combiners.fitted_state import PRIORS, Kind, Number
from ensembler.combiners.missing_votes import answered, class_prior
from ensembler.combiners.wrapped import WrappedRule
from ensembler.metrics import TIED_DECIMALS
from ensembler.metrics.confusion import class_counts
from ensembler.metrics.scores import mean_f1, mean_recall

TAU_METRICS = {"balanced-accuracy": mean_recall, "macro-f1": mean_f1}
"""What τ can be fitted for: means over classes, in which a rare class counts as much as a common one."""
TAUS = tuple(step / 20 for step in range(41))
"""0, 0.05, …, 2, from which τ is fitted."""
LARGEST_TAU = 100.0
TAU_EXPECTED = f"'auto' or a number from 0 to {LARGEST_TAU:g}"


@dataclass
class Balanced(WrappedRule):
    r"""A rule whose log probabilities are shifted against the class prior (logit adjustment).

    .. math:: s_c = \log p_c - \tau \log P(c), \qquad P(c) = (N_c + 1) / (N + C)

    with :math:`p_c` the rule's probability of class c, :math:`N_c` the number of fitting rows of that class, N of all,
    and C the number of classes; rows are weighted. Probabilities are the softmax of the scores. With :math:`\tau = 0`
    the rule is as it was; with :math:`\tau = 1` it predicts as if all classes were equally frequent, if its
    probabilities are right. What rare classes gain in recall, frequent ones lose, and mostly accuracy with it.

    Hard labels may be combined, too: the shares of votes are shifted, so that a vote for class c counts
    :math:`P(c)^{-\tau}`. A class of probability 0, or without a vote, stays at 0 whatever its prior; a row that no
    member answers has the prior as it is.

    Parameters
    ----------
    rule : Combiner
    tau : float or "auto"
        From 0 to 100; or fitted, to 0, 0.05, …, or 2, whichever is best on the fitting rows and the smallest of equally
        good ones.
    metric : "balanced-accuracy" or "macro-f1"
        What it is fitted for; without effect on a number.

    Attributes
    ----------
    rule_ : Combiner
        The fitted rule inside.
    tau_ : float
    prior_ : (C,) float64
        P(c), summing to 1.

    References
    ----------
    Menon et al., Long-tail learning via logit adjustment, ICLR 2021, arXiv 2007.07314.

    Examples
    --------
    >>> from ensembler import SimpleAverage
    >>> proba = np.array([[[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.7, 0.3]]])
    >>> rule = Balanced(SimpleAverage(), tau="auto").fit(proba, [0, 0, 1, 0])
    >>> rule.prior_.round(3), rule.tau_
    (array([0.667, 0.333]), 0.6)
    >>> rule.predict(proba)
    array([0, 0, 1, 0])
    """

    tau: float | Literal["auto"] = "auto"
    metric: str = "balanced-accuracy"

    source: ClassVar[str] = "Menon et al. 2021, arXiv 2007.07314"
    reported: ClassVar[tuple[str, ...]] = ("tau_", "prior_")
    fitted_state: ClassVar[Mapping[str, Kind]] = {
        "tau_": Number(0.0, LARGEST_TAU),
        "prior_": PRIORS,
        **WrappedRule.fitted_state,
    }

    def check_parameters(self) -> None:
        """Refuse values of τ that cannot be, and metrics that it is not fitted for."""
        require(is_tau(self.tau), self, "tau", TAU_EXPECTED)
        require(self.metric in TAU_METRICS, self, "metric", " or ".join(map(repr, TAU_METRICS)))
        super().check_parameters()

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        self.rule_ = clone(self.rule).fit(proba, labels, sample_weight, check_input=False)
        self.prior_ = class_prior(labels, sample_weight, self.n_classes_)
        self.tau_ = self._fit_tau(proba, labels, sample_weight) if self.tau == "auto" else float(self.tau)

    def _fit_tau(self, proba: Floats, labels: Labels, sample_weight: Values) -> float:
        kept = answered(proba).any(axis=0)
        if not kept.all():
            proba, labels, sample_weight = proba[:, kept], labels[kept], sample_weight[kept]
        combined = self.rule_.predict_proba(proba, check_input=False)
        predicted = np.array([predict_shifted(combined, self.prior_, tau) for tau in TAUS])
        correct, true, given = class_counts(labels, predicted, self.n_classes_, sample_weight)
        values = TAU_METRICS[self.metric](correct, given, true)
        return TAUS[int(values.round(TIED_DECIMALS).argmax())]

    def _scores(self, proba: Floats) -> Values:
        if self.tau_ == 0:
            return self.rule_.scores(proba, check_input=False)
        scores = shift_logs(self.rule_.predict_proba(proba, check_input=False), self.prior_, self.tau_)
        if getattr(self, "class_prior_", None) is not None:
            # Nobody has said anything that could be shifted.
            scores[~answered(proba).any(axis=0)] = np.log(self.prior_)
        return scores

    def to_proba(self, scores: Values) -> Values:
        """Turn what `scores` returned into probabilities."""
        return with_argmax_of(softmax(scores), scores) if self.tau_ else self.rule_.to_proba(scores)

    def n_fitted(self) -> int:
        """Count the rule's own numbers, one prior a class, and τ where it is fitted."""
        return self.rule_.n_fitted() + self.n_classes_ + (self.tau == "auto")


def is_tau(tau: object) -> bool:
    """Whether τ can have a value."""
    return tau == "auto" if isinstance(tau, str) else is_number(tau) and 0 <= tau <= LARGEST_TAU  # type: ignore[operator]


def shift_logs(proba: Values, prior: Values, tau: float) -> Values:
    """Return log p − τ log P(c), (N, C); minus infinity where p is 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(proba) - tau * np.log(prior))


def predict_shifted(proba: Values, prior: Values, tau: float) -> Labels:
    """Return the winners after the shift, (N,); those of the probabilities where it is none."""
    return np.asarray((shift_logs(proba, prior, tau) if tau else proba).argmax(axis=-1))


def unshifted(rule: Combiner) -> Combiner:
    """Return the fitted rule before the shift; itself where there is none."""
    return rule.rule_ if isinstance(rule, Balanced) else rule
