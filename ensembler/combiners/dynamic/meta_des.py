"""A classifier that says which members can be trusted in a row, by what they did around it."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ensembler.arrays import Floats, Labels, Values, row_blocks, sigmoid
from ensembler.combiners.base import is_number, require
from ensembler.combiners.dynamic.selection import FITTING_ROWS, NearestRowsSelection, Region
from ensembler.combiners.fitted_state import Kind, Number, Numbers
from ensembler.errors import NotApplicableError, ParameterError, ValueRangeError

STRENGTH = 1.0
"""scikit-learn's default C."""
TOLERANCE = 1e-8
"""Newton steps get there at once; the default stops at coefficients wrong in the fourth digit."""


@dataclass
class MetaDes(NearestRowsSelection):
    r"""META-DES: a classifier learns from the neighbourhood whether a member is right; those it trusts are averaged.

    .. math:: s_c = \sum_{m \in S} p_m(c), \qquad S = \{m : \lambda(f_m(x)) > t\}

    with :math:`\lambda` the probability that member m is correct about the row, by logistic regression on the features
    of the row and the member: for each of the k nearest fitting rows, whether the member is correct about it, and the
    probability that it gives to its class; the share it is correct about; and the member's highest probability in the
    row itself. Where no member is trusted, all are selected.

    The classifier is fitted on all pairs of fitting row and member, with the row itself never among its own neighbours,
    so that it sees of a fitting row what it will see of a new one. Neighbours are the fitting rows nearest in output
    space by Euclidean distance, of equally near ones those with the lowest numbers. Row weights weigh the pairs in the
    fit; they are no part of the features.

    Cruz et al. look for k neighbours among the features and have the nearest output profiles as a fifth kind of
    features, which in output space would repeat the first. DESlib's ``METADES`` fits a naive Bayes classifier by
    default.

    Parameters
    ----------
    k : int
        Neighbours; all other rows where there are fewer.
    votes : bool
        Count the selected members' most probable classes instead of averaging their probabilities.
    threshold : float
        t, from 0 to below 1.
    meta_classifier : scikit-learn classifier, optional
        Used in place of the logistic regression, from Python only; it must have ``predict_proba``, and cannot be saved.
        It is copied, never changed.

    Attributes
    ----------
    coef_ : (2k + 2,) float64
        Coefficients of the features in the order above, nearest neighbours first; zeros where members are correct about
        all fitting rows or none, so that nothing can be learned and all are selected.
    intercept_ : float
    profiles_ : (N, M·C) float64
        The fitting rows, which the rule keeps, with ``labels_`` and ``row_weights_``, (N,).

    References
    ----------
    Cruz, Sabourin, Cavalcanti & Ren, META-DES: a dynamic ensemble selection framework using meta-learning, Pattern
    Recognition 48 (2015) 1925–1935, doi 10.1016/j.patcog.2014.12.003.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, 200)
    >>> good = np.clip(0.3 + 0.4 * labels + rng.normal(0, 0.2, 200), 0.01, 0.99)
    >>> noise = rng.uniform(0.01, 0.99, 200)
    >>> proba = np.stack([np.stack([1 - p, p], axis=-1) for p in (good, noise)])
    >>> rule = MetaDes().fit(proba[:, :100], labels[:100])
    >>> float((rule.predict(proba[:, 100:]) == labels[100:]).mean())
    0.85
    """

    name: ClassVar[str] = "meta-des"
    source: ClassVar[str] = "Cruz et al. 2015, doi 10.1016/j.patcog.2014.12.003"
    complexity: ClassVar[int] = 190
    reported: ClassVar[tuple[str, ...]] = ("coef_", "intercept_")
    fitted_state: ClassVar[Mapping[str, Kind]] = {**FITTING_ROWS, "coef_": Numbers("D"), "intercept_": Number()}

    threshold: float = 0.5
    meta_classifier: Any = None

    def check_parameters(self) -> None:
        """Refuse what is no probability, and what is no classifier with probabilities."""
        super().check_parameters()
        require(is_number(self.threshold) and 0 <= self.threshold < 1, self, "threshold", "a number from 0 to below 1")
        valid = self.meta_classifier is None or (
            hasattr(self.meta_classifier, "fit") and hasattr(self.meta_classifier, "predict_proba")
        )
        expected = "a scikit-learn classifier with predict_proba (an object, so from Python only)"
        require(valid, self, "meta_classifier", expected)

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        super()._fit(proba, labels, sample_weight)
        correct = self._fitting.correct
        self.coef_, self.intercept_ = np.zeros(2 * self._n_neighbours + 2), 0.0
        self._model: Any = None
        if len(labels) == 1 or correct.all() or not correct.any():
            return
        nearest = self._fitting.search.nearest_others(self._n_neighbours)
        features = np.concatenate(
            [
                self.features(Region(nearest[rows], proba[:, rows], self._fitting)).reshape(-1, len(self.coef_))
                for rows in row_blocks(len(labels), len(proba) * len(self.coef_))
            ]
        )
        self._fit_meta(features, correct.ravel().astype(np.int64), np.repeat(sample_weight, len(proba)))

    @property
    def _n_neighbours(self) -> int:
        """As many neighbours as a fitting row has too."""
        return max(1, min(self.k, len(self.labels_) - 1))

    def _fit_meta(self, features: Values, correct: Labels, weight: Values) -> None:
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        own = self.meta_classifier is None
        model = (
            LogisticRegression(C=STRENGTH, solver="newton-cholesky", tol=TOLERANCE)
            if own
            else copy.deepcopy(self.meta_classifier)
        )
        weighted = {"sample_weight": weight} if (weight != 1).any() else {}
        # Such small matrix products are faster on one thread, and repeat to the last bit.
        with threadpool_limits(1):
            try:
                model.fit(features, correct, **weighted)
            except TypeError as error:
                if own or not weighted:
                    raise
                kind = type(model).__name__
                raise ParameterError(f"{self.name}: {kind} takes no row weights ({error})") from error
        if own:
            self.coef_, self.intercept_ = model.coef_[0].astype(np.float64), float(model.intercept_[0])
        else:
            self._model = model

    def features(self, region: Region) -> Values:
        """Return the features of each row and member, (n, M, 2k + 2)."""
        correct, fitting = region.correct, self._fitting
        n_rows, n_neighbours, n_members = correct.shape
        features = np.empty((n_rows, n_members, 2 * n_neighbours + 2))
        features[:, :, :n_neighbours] = np.moveaxis(correct, 1, 2)
        features[:, :, n_neighbours:-2] = np.moveaxis(fitting.true_proba[region.rows], 1, 2)
        features[:, :, -2] = correct.mean(axis=1)
        features[:, :, -1] = region.proba.max(axis=2).T
        return features

    def competence(self, region: Region) -> Values:
        """Return 1 for the members that are trusted, (n, M)."""
        features = self.features(Region(region.rows[:, : self._n_neighbours], region.proba, region.fitting))
        if self.meta_classifier is None:
            trust = sigmoid(features @ self.coef_ + self.intercept_)
        elif self._model is None:
            trust = np.full(features.shape[:2], 0.5)
        else:
            of_class = list(self._model.classes_).index(1)
            flat = features.reshape(-1, features.shape[2])
            trust = self._model.predict_proba(flat)[:, of_class].reshape(features.shape[:2])
        return np.where(trust > self.threshold, 1.0, 0.0)

    def n_fitted(self) -> int:
        """Count, for each fitting row, which members are correct, and the coefficients."""
        return super().n_fitted() + len(self.coef_) + 1

    def state(self) -> dict[str, Any]:
        """Return the fitting rows and the coefficients; a classifier of the user's own is not saved."""
        self._require_fitted("save it")
        if self.meta_classifier is not None:
            kind = type(self.meta_classifier).__name__
            raise NotApplicableError(f"{self.name} with a {kind} cannot be saved: only its own logistic regression can")
        return super().state()

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take the fitting rows, and coefficients for as many neighbours as they give."""
        super().restore(state)
        expected = 2 * self._n_neighbours + 2
        if len(self.coef_) != expected:
            raise ValueRangeError(f"{self.name}: coef_ has shape ({len(self.coef_)},), expected ({expected},)")
        return self
