"""Evidence for each class from each member, combined by Dempster's rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembler.arrays import Floats, Labels, Values
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.combiners.base import require
from ensembler.combiners.decision_templates import TEMPLATES, class_templates, has_template, squared_distances
from ensembler.combiners.fitted_state import Kind
from ensembler.combiners.product_rule import PROBABILITY_CLIP


@dataclass
class DempsterShafer(AdditiveCombiner):
    r"""Product of the members' beliefs in each class, by how near they are to their mean outputs for it.

    With :math:`T_c[m]` the mean probabilities of member m in the fitting rows of class c,

    .. math::
        \phi_{mc} \propto \frac{1}{1 + \lVert T_c[m] - p_m \rVert^2}, \qquad
        b_{mc} = \frac{\phi_{mc} \prod_{k \ne c} (1 - \phi_{mk})}
                      {1 - \phi_{mc} \bigl(1 - \prod_{k \ne c} (1 - \phi_{mk})\bigr)}, \qquad
        s_c = \sum_m \log b_{mc}

    with :math:`\phi_m` summing to 1 over the classes. A member's belief depends on no other member, so that committees
    are swept exactly. A class without fitting rows gets the belief 1e-15 of each member. Probabilities are the softmax
    of the scores.

    Parameters
    ----------
    squared : bool
        False for the distance itself in place of its square, as in some implementations.

    Attributes
    ----------
    templates_ : (C, M, C) float64
        By true class, member and class; NaN for a class without fitting rows.

    References
    ----------
    Rogova, Combining the results of several neural network classifiers, Neural Networks 7 (1994) 777–781,
    doi 10.1016/0893-6080(94)90099-X.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.3, 0.7]]])
    >>> DempsterShafer().fit(proba, [0, 1]).predict_proba(proba).round(2)
    array([[0.85, 0.15],
           [0.15, 0.85]])
    """

    name: ClassVar[str] = "dempster-shafer"
    family: ClassVar[str] = "trainable"
    source: ClassVar[str] = "Rogova 1994, doi 10.1016/0893-6080(94)90099-X"
    complexity: ClassVar[int] = 124
    list_position: ClassVar[int] = 2000
    by_default: ClassVar[bool] = False
    log_scale: ClassVar[bool] = True
    reported: ClassVar[tuple[str, ...]] = ()
    fitted_state: ClassVar[Mapping[str, Kind]] = {"templates_": TEMPLATES}

    squared: bool = True

    def check_parameters(self) -> None:
        """Refuse what is no truth value."""
        require(isinstance(self.squared, bool), self, "squared", "true or false")

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        self.templates_ = class_templates(proba, labels, sample_weight)

    def contribution(self, member: int, proba: Floats) -> Values:
        """Return the logarithms of the member's beliefs."""
        present = has_template(self.templates_)
        centres = self.templates_[:, member] if present.all() else self.templates_[present, member]
        distances = squared_distances(proba.astype(np.float64, copy=False), centres)
        if not self.squared:
            np.sqrt(distances, out=distances)
        if present.all():
            return log_beliefs(1.0 / (1.0 + distances))
        beliefs = np.full(proba.shape, np.log(PROBABILITY_CLIP))
        beliefs[:, present] = log_beliefs(1.0 / (1.0 + distances))
        return beliefs

    def needs_probabilities(self) -> bool:
        """Return True: distances are between probabilities."""
        return True

    def n_fitted(self) -> int:
        """One probability a true class, member and class, that of the last class being what the others leave."""
        return int(has_template(self.templates_).sum()) * self.n_members_ * (self.n_classes_ - 1)


def log_beliefs(proximity: Values) -> Values:
    """Return the logarithms of the beliefs (n, K) in K classes at some proximity to each."""
    if proximity.shape[1] == 1:
        return np.zeros(proximity.shape)
    proximity = proximity / proximity.sum(axis=1, keepdims=True)
    against = np.log1p(-proximity)
    against = against.sum(axis=1, keepdims=True) - against
    others = np.exp(against)
    result = np.log(proximity)
    result += against
    result -= np.log1p(proximity * (others - 1.0))
    return np.asarray(result)
