"""The best single member."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ensembler.arrays import Floats, Labels, Values
from ensembler.combiners.additive import FittedMean
from ensembler.combiners.fitted_state import WEIGHTS, Kind, Number
from ensembler.combiners.missing_votes import class_prior, fill_unanswered
from ensembler.metrics import get_metric


@dataclass
class BestMember(FittedMean):
    r"""The member that is best on the fitting rows, alone; what an ensemble has to beat.

    .. math:: s = p_{m^*}, \qquad m^* = \arg\max_m \text{metric}_m

    Equally good members: the first. A row that a member has not answered counts as it is predicted: by the class prior.

    Parameters
    ----------
    metric : str or callable
        A name from the registry of metrics, or ``function(labels, proba)`` of which more is better.

    Attributes
    ----------
    member_ : int
        Index of the chosen member.
    weights_ : (M,) float64, one 1 and else 0

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.4, 0.6], [0.3, 0.7]], [[0.9, 0.1], [0.2, 0.8]]])
    >>> BestMember().fit(proba, [0, 1]).member_
    1
    """

    name: ClassVar[str] = "best-member"
    family: ClassVar[str] = "weighted"
    source: ClassVar[str] = "the baseline of every ensemble"
    complexity: ClassVar[int] = 80
    takes_missing_votes: ClassVar[bool] = True
    reads_half: ClassVar[bool] = True
    reported: ClassVar[tuple[str, ...]] = ("weights_", "member_")
    fitted_state: ClassVar[Mapping[str, Kind]] = {"weights_": WEIGHTS, "member_": Number(0, whole=True, below="M")}

    metric: str | Callable[..., Any] = "accuracy"

    def check_parameters(self) -> None:
        """Refuse unknown metrics."""
        get_metric(self.metric)

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        metric = get_metric(self.metric)
        alone = fill_unanswered(proba, class_prior(labels, sample_weight, self.n_classes_))
        quality = metric.signed(metric(labels, alone, sample_weight))
        self.member_ = int(np.argmax(np.where(np.isnan(quality), -np.inf, quality)))
        self.weights_ = np.eye(self.n_members_)[self.member_]

    def needs_probabilities(self) -> bool:
        """Only if its metric does."""
        return get_metric(self.metric).needs_probabilities

    def n_fitted(self) -> int:
        """One choice."""
        return 1
