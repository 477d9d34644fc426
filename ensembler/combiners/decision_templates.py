"""The typical outputs of all members for each class, and how near to them a row is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import FEW_CLASSES, Floats, Labels, Values, row_blocks
from ensembler.combiners.base import Combiner
from ensembler.combiners.fitted_state import TINY, Kind, Numbers

TEMPLATES = Numbers("CMC", low=0.0, high=1.0 + 1e-9, nan=True)
"""For each true class the mean probabilities of each member; missing for a class without fitting rows."""


@dataclass
class DecisionTemplates(Combiner):
    r"""How near a row's outputs are to the mean outputs of each class (decision templates).

    .. math::
        T_c = \frac1{N_c} \sum_{i\,:\,y_i = c} P_i, \qquad
        s_c = 1 - \frac1{M C} \sum_m \sum_k \bigl( T_c[m, k] - p_m(k) \bigr)^2

    with the decision profile :math:`P_i`, (M, C), all members' probabilities of row i. A class without fitting rows
    has no template, and score 0. The scores lie close together, so that probabilities (the scores divided by their sum)
    are far from confident: calibrate them before they are used as such.

    Attributes
    ----------
    templates_ : (C, M, C) float64
        By true class, member and class; NaN for a class without fitting rows.

    References
    ----------
    Kuncheva, Bezdek & Duin, Decision templates for multiple classifier fusion, Pattern Recognition 34 (2001) 299–314,
    doi 10.1016/S0031-3203(99)00223-X.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.3, 0.7]]])
    >>> rule = DecisionTemplates().fit(proba, [0, 1])
    >>> rule.scores(proba).round(2)
    array([[1.  , 0.71],
           [0.71, 1.  ]])
    """

    name: ClassVar[str] = "decision-templates"
    family: ClassVar[str] = "trainable"
    source: ClassVar[str] = "Kuncheva, Bezdek & Duin 2001, doi 10.1016/S0031-3203(99)00223-X"
    complexity: ClassVar[int] = 122
    list_position: ClassVar[int] = 2000
    by_default: ClassVar[bool] = False
    reported: ClassVar[tuple[str, ...]] = ()
    fitted_state: ClassVar[Mapping[str, Kind]] = {"templates_": TEMPLATES}

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        self.templates_ = class_templates(proba, labels, sample_weight)

    def _scores(self, proba: Floats) -> Values:
        n_members, n_samples, n_classes = proba.shape
        present = has_template(self.templates_)
        centres = self.templates_[present].reshape(-1, n_members * n_classes)
        near = np.empty((n_samples, len(centres)))
        for rows in row_blocks(n_samples, n_members * n_classes):
            profiles = np.ascontiguousarray(proba[:, rows].transpose(1, 0, 2), dtype=np.float64)
            near[rows] = squared_distances(profiles.reshape(len(profiles), -1), centres)
        near /= -n_members * n_classes
        near += 1.0
        np.maximum(near, TINY, out=near)
        if present.all():
            return near
        scores = np.zeros((n_samples, n_classes))
        scores[:, present] = near
        return scores

    def needs_probabilities(self) -> bool:
        """Return True: distances are between probabilities."""
        return True

    def n_fitted(self) -> int:
        """One probability a true class, member and class, that of the last class being what the others leave."""
        return int(has_template(self.templates_).sum()) * self.n_members_ * (self.n_classes_ - 1)


def class_templates(proba: Floats, labels: Labels, sample_weight: Values) -> Values:
    """Return the mean probabilities of each member in the rows of each true class, (C, M, C); NaN without rows."""
    n_members, n_samples, n_classes = proba.shape
    cells = labels, np.arange(n_samples)
    if n_classes <= FEW_CLASSES:
        of_class = np.zeros((n_classes, n_samples))
        of_class[cells] = sample_weight
        sums = np.matmul(of_class, proba.astype(np.float64, copy=False)).transpose(1, 0, 2)
        with np.errstate(invalid="ignore"):
            return np.asarray(sums / of_class.sum(axis=1)[:, None, None])

    from scipy.sparse import csr_array

    indicator = csr_array((sample_weight, cells), shape=(n_classes, n_samples))
    templates = np.empty((n_classes, n_members, n_classes))
    for member in range(n_members):
        templates[:, member] = indicator @ proba[member].astype(np.float64, copy=False)
    with np.errstate(invalid="ignore"):
        templates /= indicator.sum(axis=1)[:, None, None]
    return templates


def has_template(templates: Values) -> NDArray[np.bool_]:
    """Say which classes have a template, (C,)."""
    return ~np.isnan(templates[:, 0, 0])


def squared_distances(points: Values, centres: Values) -> Values:
    """Return the squared Euclidean distances of points (n, D) from centres (K, D), (n, K)."""
    distances = points @ centres.T
    distances *= -2.0
    distances += np.einsum("nd,nd->n", points, points)[:, None]
    distances += np.einsum("kd,kd->k", centres, centres)
    return np.maximum(distances, 0.0, out=distances)
