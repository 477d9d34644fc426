"""One member, one vote."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ensembler.arrays import Floats, Labels, Values, most_probable, normalise
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.combiners.base import require
from ensembler.combiners.fitted_state import Kind
from ensembler.combiners.missing_votes import answered


@dataclass
class MajorityVote(AdditiveCombiner):
    r"""The class that most members find most probable.

    A tie between classes goes to the one whose voters are most confident of it, the highest mean of :math:`p_m(c)`
    over the members that voted c; still tied, to the lowest index. With M members that is exactly

    .. math:: s_c = \sum_{m\,:\,m \text{ votes } c} \bigl( M + 1 + p_m(c) \bigr)

    since tied classes have equally many voters. To a higher level of a committee the vote passes on the simple mean.

    Parameters
    ----------
    ties : "confidence" or "lowest"
        The rule above, or the lowest class index among those with most votes.

    References
    ----------
    Kim et al., J. Multimodal User Interfaces 10 (2016) 173–189, doi 10.1007/s12193-015-0209-0.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.6, 0.4]], [[0.1, 0.9]]])
    >>> MajorityVote().fit(proba).predict(proba), MajorityVote(ties="lowest").fit(proba).predict(proba)
    (array([1]), array([0]))
    """

    name: ClassVar[str] = "majority-vote"
    family: ClassVar[str] = "voting"
    source: ClassVar[str] = "Kim et al. 2016, doi 10.1007/s12193-015-0209-0"
    complexity: ClassVar[int] = 10
    list_position: ClassVar[int] = 6
    is_trainable: ClassVar[bool] = False
    counts_votes: ClassVar[bool] = True
    fitted_state: ClassVar[Mapping[str, Kind]] = {}
    takes_missing_votes: ClassVar[bool] = True

    ties: Literal["confidence", "lowest"] = "confidence"

    def check_parameters(self) -> None:
        """Refuse unknown tie rules."""
        require(self.ties in ("confidence", "lowest"), self, "ties", "'confidence' or 'lowest'")

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        """Nothing is learned."""

    def contribution(self, member: int, proba: Floats) -> Values:
        """Return the member's vote in the column of its class, zero elsewhere."""
        rows, votes = np.arange(len(proba)), most_probable(proba)
        ballot = np.zeros(proba.shape)
        confidence = proba[rows, votes].astype(np.float64)
        value = np.ones(len(proba)) if self.ties == "lowest" else self.n_members_ + 1.0 + confidence
        ballot[rows, votes] = np.where(answered(proba), value, 0.0)
        return ballot

    def level_scores(self, proba: Floats) -> Values:
        """Return the simple mean of the members' probabilities."""
        return normalise(proba.sum(axis=0, dtype=np.float64))
