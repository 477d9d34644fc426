"""Non-negative least squares of the labels on the members' probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from ensembler.arrays import BLOCK_VALUES, Floats, Labels, Values, normalise, one_hot, row_blocks, row_spans
from ensembler.combiners.additive import FittedMean
from ensembler.combiners.fitted_state import WEIGHTS, Kind, Numbers
from ensembler.parallel.blas import one_blas_thread
from ensembler.parallel.threads import side_by_side

WELL_CONDITIONED = 1e3
"""Condition number of the members, each over its length, up to which their products lose six digits of sixteen."""


@dataclass
class SuperLearner(FittedMean):
    r"""Mean whose weights are a non-negative least-squares fit of the labels (super learner, stacked regression).

    .. math::
        s_c = \sum_m \frac{w_m}{\sum_j w_j}\, p_m(c), \qquad
        \min_{w \ge 0}\; \sum_i \sum_c \Bigl(1[y_i = c] - \sum_m w_m\, p_m(c \mid x_i)\Bigr)^2

    A member of weight 0 can be left out.

    Attributes
    ----------
    weights_ : (M,) float64, summing to 1
    coefficients_ : (M,) float64
        The weights as they were fitted, before they are divided by their sum.

    References
    ----------
    van der Laan, Polley & Hubbard, Super learner, Stat. Appl. Genet. Mol. Biol. 6 (2007), doi 10.2202/1544-6115.1309;
    Breiman, Stacked regressions, Mach. Learn. 24 (1996) 49–64, doi 10.1007/BF00117832.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.3, 0.7]], [[0.2, 0.8], [0.1, 0.9]]])
    >>> SuperLearner().fit(proba, [0, 1]).weights_.round(3)
    array([0.953, 0.047])
    """

    name: ClassVar[str] = "super-learner"
    family: ClassVar[str] = "pooled"
    source: ClassVar[str] = "van der Laan et al. 2007, doi 10.2202/1544-6115.1309"
    complexity: ClassVar[int] = 131
    list_position: ClassVar[int] = 11
    freezable: ClassVar[bool] = True
    reported: ClassVar[tuple[str, ...]] = ("weights_", "coefficients_")
    fitted_state: ClassVar[Mapping[str, Kind]] = {"weights_": WEIGHTS, "coefficients_": Numbers("M", low=0.0)}

    @one_blas_thread
    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        from scipy.optimize import nnls

        self.coefficients_ = np.asarray(nnls(*least_squares(proba, labels, sample_weight))[0])
        self.weights_ = normalise(self.coefficients_)

    def fits_proper_score(self) -> bool:
        """Return True: the Brier score."""
        return True

    def n_fitted(self) -> int:
        """One weight a member."""
        return self.n_members_


def least_squares(proba: Floats, labels: Labels, sample_weight: Values) -> tuple[Values, Values]:
    """Return a triangular matrix, (D, M), and what it is to reach, (D,), with the least squares of all N·C values."""
    spans = row_spans(len(labels), proba.size)
    products = np.sum(side_by_side(partial(products_of, proba, labels, sample_weight), spans), axis=0)
    of_members, with_labels = products[:, :-1], products[:, -1]
    length = np.sqrt(np.diag(of_members))
    if length.all():
        scaled = np.linalg.eigvalsh(of_members / np.outer(length, length))
        if scaled[0] * WELL_CONDITIONED**2 > scaled[-1]:
            lower = np.linalg.cholesky(of_members)
            return lower.T, np.linalg.solve(lower, with_labels)
    factors = side_by_side(partial(triangular_factor, proba, labels, sample_weight), spans)
    factor = factors[0] if len(factors) == 1 else np.asarray(np.linalg.qr(np.vstack(factors), mode="r"))
    return factor[:, :-1], factor[:, -1]


def products_of(proba: Floats, labels: Labels, sample_weight: Values, span: slice) -> Values:
    """Return the products of some rows' members with one another and with the indicators of the true class, (M, M + 1).

    They are sums over n·C values.
    """
    n_members, _, n_classes = proba.shape
    root = np.sqrt(sample_weight)
    products = np.zeros((n_members, n_members + 1))
    for part in row_blocks(span.stop - span.start, n_members * n_classes):
        rows = slice(span.start + part.start, span.start + part.stop)
        block = proba[:, rows].astype(np.float64, order="C")
        block *= root[rows, None]
        members = block.reshape(n_members, -1)
        products[:, :-1] += members.dot(members.T)
        products[:, -1] += block[:, np.arange(len(root[rows])), labels[rows]].dot(root[rows])
    return products


def triangular_factor(proba: Floats, labels: Labels, sample_weight: Values, span: slice) -> Values:
    """Return the triangular factor of some rows' (n·C, M + 1) probabilities and indicators of the true class."""
    n_members, _, n_classes = proba.shape
    factor = np.zeros((0, n_members + 1))
    fewest = -(-4 * n_members // n_classes)  # else most work is on the factor, again and again
    for part in row_blocks(span.stop - span.start, min(n_members * n_classes, BLOCK_VALUES // fewest)):
        rows = slice(span.start + part.start, span.start + part.stop)
        columns = [*(member.astype(np.float64) for member in proba[:, rows]), one_hot(labels[rows], n_classes)]
        block = np.stack(columns, axis=-1) * np.sqrt(sample_weight[rows])[:, None, None]
        factor = np.asarray(np.linalg.qr(np.vstack([factor, block.reshape(-1, n_members + 1)]), mode="r"))
    return factor
