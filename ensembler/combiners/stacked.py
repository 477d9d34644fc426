"""A classifier on top of the members' log probabilities."""

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, ClassVar, Self

import numpy as np

from ensembler.arrays import Floats, Labels, Rows, Values, present_classes, sigmoid, softmax
from ensembler.combiners._logistic import LogisticRows, chosen_fit
from ensembler.combiners.base import Combiner, is_number, require
from ensembler.combiners.fitted_state import LARGEST, Kind, Numbers
from ensembler.combiners.stratified import stratified_folds
from ensembler.errors import FitWarning, NotApplicableError, ParameterError, ValueRangeError
from ensembler.parallel.blas import one_blas_thread
from ensembler.serialization import to_plain

FEATURE_CLIP = 1e-6
REGULARISATION = (0.001, 0.01, 0.1)
MOST_FOLDS = 3
SEARCHED_ROWS = 8192
"""Of twice as many rows and more, strengths are compared on a stratified sample that is not smaller."""
MOST_PRODUCTS = 1 << 31
"""Products of a feature with a coefficient in one pass over the rows: with more, a fit takes more than some minutes."""
SMALLEST_SCALE = 1e-30
"""Logarithms of probabilities next to 1 differ by 1e-16; fewer than 1e28 rows cannot make their spread smaller."""
ONE_AT_A_TIME = Lock()
NUMBERS = ("mean_", "scale_", "coef_", "intercept_", "classes_")
"""The attributes that predictions come from."""


@dataclass
class Stacking(Combiner):
    r"""Multinomial logistic regression on the log probabilities of all members.

    The M·C features :math:`\log \max(p_m(c), 10^{-6})` are standardised on the fitting rows; the regularisation C is
    the one of ``strengths`` with the lowest log loss over 3 stratified folds of the fitting rows, in which the only row
    of a class is never left out (2 folds if no class has three rows; the smallest strength, unchosen, if none has two);
    of 16,384 rows and more, over those of a stratified sample of at least 8,192, whose weights have the same sum.
    Objective, folds and optimum are those of scikit-learn's ``LogisticRegressionCV`` behind a ``StandardScaler``,
    reached to within 1e-6 of a probability.

    Parameters
    ----------
    final_estimator : scikit-learn classifier, optional
        Used in place of the logistic regression, on the same standardised features. It is copied, never changed.
    strengths : sequence of float
        Values of C to choose from; must be left alone with a ``final_estimator``, which does not use them.

    Attributes
    ----------
    mean_, scale_ : (M·C,) float64
        Of the features, on the fitting rows.
    coef_ : (K, M·C) float64
    intercept_ : (K,) float64
        Of the K classes in the fitting rows; a single row, the log odds of the second, where there are two.
    classes_ : (K or 2,) int64
        The classes in the fitting rows.
    model_ : scikit-learn Pipeline
        In place of all these with a ``final_estimator``: the scaler and the fitted classifier.

    Warns
    -----
    FitWarning
        The optimiser did not converge.

    References
    ----------
    Wolpert, Stacked generalization, Neural Networks 5 (1992) 241–259, doi 10.1016/S0893-6080(05)80023-1.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, 60)
    >>> confidence = np.where(labels == 1, 0.7, 0.3) + rng.normal(0, 0.1, (2, 60))
    >>> proba = np.stack([1 - confidence, confidence], axis=-1)
    >>> float((Stacking().fit(proba, labels).predict(proba) == labels).mean())
    1.0
    """

    name: ClassVar[str] = "stacking"
    family: ClassVar[str] = "stacked"
    source: ClassVar[str] = "Wolpert 1992, doi 10.1016/S0893-6080(05)80023-1"
    complexity: ClassVar[int] = 160
    list_position: ClassVar[int] = 8
    fitted_state: ClassVar[Mapping[str, Kind]] = {
        "mean_": Numbers("F", low=-20.0, high=1.0),
        "scale_": Numbers("F", low=SMALLEST_SCALE, high=20.0),
        "coef_": Numbers("KF", low=-LARGEST, high=LARGEST),
        "intercept_": Numbers("K"),
        "classes_": Numbers("S", low=0, dtype="int64"),
    }

    final_estimator: Any = None
    strengths: Sequence[float] = REGULARISATION

    def check_parameters(self) -> None:
        """Refuse what is not a classifier, and strengths without effect."""
        valid = self.final_estimator is None or (
            hasattr(self.final_estimator, "fit") and hasattr(self.final_estimator, "predict")
        )
        require(valid, self, "final_estimator", "a scikit-learn classifier (an object, so from Python only)")
        valid = isinstance(self.strengths, (list, tuple)) and len(self.strengths) > 0
        valid = valid and all(is_number(value) and value > 0 for value in self.strengths)
        require(valid, self, "strengths", "a list of positive numbers")
        unused = self.final_estimator is not None and tuple(self.strengths) != REGULARISATION
        require(not unused, self, "strengths", "the default with a final_estimator, which does not use them")

    @one_blas_thread
    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        if len(present_classes(labels)) < 2:
            raise NotApplicableError(f"{self.name} needs at least two classes in the fitting rows, got one")
        if self.final_estimator is None:
            self._fit_logistic(proba, labels, sample_weight)
        else:
            self._fit_estimator(self._features(proba), labels, sample_weight)

    def _fit_logistic(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        """Standardise the features, and fit the logistic regression."""
        share = sample_weight / sample_weight.sum()
        columns = np.ones((proba.shape[0] * proba.shape[2] + 1, len(labels)))
        features = columns[:-1]
        for of_member, member in zip(np.split(features, len(proba)), proba, strict=True):
            np.log(np.maximum(member.T, FEATURE_CLIP, dtype=np.float64), out=of_member)
        self.mean_ = features @ share
        features -= self.mean_[:, None]
        scale = np.sqrt(np.einsum("fn,fn,n->f", features, features, share))
        # Of a column of equal values, what is left is rounding.
        constant = scale <= len(labels) * np.finfo(np.float64).eps * np.abs(self.mean_)
        self.scale_ = np.where(constant | (scale < SMALLEST_SCALE), 1.0, scale)
        features /= self.scale_[:, None]
        self.classes_, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
        rows = LogisticRows(columns, numbers, sample_weight, len(self.classes_))
        fewest, strengths = int(counts.min()), list(self.strengths)
        searched: Rows | None = None
        folds: list[tuple[Rows, Rows]] = []
        if counts.max() > 1 and len(strengths) > 1:
            searched = searched_rows(labels, fewest)
            folds = folds_within(labels if searched is None else labels[searched])
        fitted = chosen_fit(rows, strengths, folds, searched)
        if not fitted.converged:
            self._warn_of_convergence()
        self.coef_, self.intercept_ = fitted.coefficients[:, :-1].copy(), fitted.coefficients[:, -1].copy()

    def _fit_estimator(self, features: Values, labels: Labels, sample_weight: Values) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        classifier = copy.deepcopy(self.final_estimator)
        self.model_ = make_pipeline(StandardScaler(), classifier)
        weighted = bool((sample_weight != 1).any())
        keywords = {f"{name}__sample_weight": sample_weight for name, _ in self.model_.steps} if weighted else {}
        # What is recorded of warnings is recorded of all threads.
        with ONE_AT_A_TIME, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                self.model_.fit(features, labels, **keywords)
            except ValueError as error:
                raise NotApplicableError(f"{self.name}: {error}") from error
            except TypeError as error:
                if not weighted:
                    raise
                raise ParameterError(
                    f"{self.name}: {type(classifier).__name__} takes no row weights ({error})"
                ) from error
        self._pass_on(caught, ConvergenceWarning)

    def _pass_on(self, caught: list[warnings.WarningMessage], convergence: type[Warning]) -> None:
        """Turn convergence warnings into one of ours; pass on the others."""
        if any(issubclass(item.category, convergence) for item in caught):
            self._warn_of_convergence()
        for item in caught:
            # With many classes in few rows scikit-learn takes the labels for a regression target's.
            many_classes = str(item.message).startswith("The number of unique classes")
            if not issubclass(item.category, convergence) and not many_classes:
                warnings.warn_explicit(item.message, item.category, item.filename, item.lineno)

    def _warn_of_convergence(self) -> None:
        message = f"{self.name}: the logistic regression did not converge; give more rows or fewer members"
        warnings.warn(message, FitWarning, stacklevel=4)

    @staticmethod
    def _features(proba: Floats) -> Values:
        """Return the (N, M·C) logarithms, member by member."""
        n_members, n_samples, n_classes = proba.shape
        features = np.empty((n_samples, n_members * n_classes))
        for member in range(n_members):
            columns = slice(member * n_classes, (member + 1) * n_classes)
            features[:, columns] = np.log(np.maximum(proba[member].astype(np.float64), FEATURE_CLIP))
        return features

    def _scores(self, proba: Floats) -> Values:
        features = self._features(proba)
        scores = np.zeros((proba.shape[1], self.n_classes_))
        if self.final_estimator is None:
            features -= self.mean_
            features /= self.scale_
            scores[:, self.classes_] = _probabilities(features @ self.coef_.T + self.intercept_)
        else:
            scores[:, self.model_.classes_] = self._of_the_estimator(features)
        return scores

    def _of_the_estimator(self, features: Values) -> Values:
        """Return its probabilities of the classes it has seen, made of whatever it gives."""
        if hasattr(self.model_, "predict_proba"):
            return np.asarray(self.model_.predict_proba(features), dtype=np.float64)
        if hasattr(self.model_, "decision_function"):
            decision = np.asarray(self.model_.decision_function(features))
            return _probabilities(decision if decision.ndim == 2 else decision[:, None])
        predicted = self.model_.predict(features)
        return np.asarray(predicted[:, None] == self.model_.classes_, dtype=np.float64)

    def fits_proper_score(self) -> bool:
        """Return True for the logistic regression; a classifier of the user's own is not known."""
        return self.final_estimator is None

    def takes_long(self, n_members: int, n_samples: int, n_classes: int) -> str | None:
        """Count the products of features with coefficients, since a fit is some thousand passes of them."""
        if n_samples * n_members * n_classes**2 <= MOST_PRODUCTS:
            return None
        n_coefficients = n_members * n_classes * (1 if n_classes == 2 else n_classes)
        return f"{n_coefficients:,} coefficients on {n_samples:,} rows take long; it runs where it is named"

    def needs_probabilities(self) -> bool:
        """Return True: the features are log probabilities."""
        return True

    def state(self) -> dict[str, Any]:
        """Return the scaler's and the classifier's numbers; a classifier of the user's own is not saved."""
        self._require_fitted("save it")
        if self.final_estimator is not None:
            kind = type(self.final_estimator).__name__
            raise NotApplicableError(f"{self.name} with a {kind} cannot be saved: only its own logistic regression can")
        return {
            "n_members_": self.n_members_,
            "n_classes_": self.n_classes_,
            **{name: to_plain(getattr(self, name)) for name in NUMBERS},
        }

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take the numbers of the scaler and the classifier."""
        values = self.take_state(state)
        seen, n_rows = values["classes_"], len(values["coef_"])
        if len(seen) < 2 or n_rows != (1 if len(seen) == 2 else len(seen)) or (np.diff(seen) <= 0).any():
            raise ValueRangeError(f"{self.name}: classes_ is {seen.tolist()[:10]} for {n_rows} rows of coef_")
        if seen[-1] >= values["n_classes_"]:
            raise ValueRangeError(f"{self.name}: classes_ holds {seen[-1]}, expected 0 to {values['n_classes_'] - 1}")
        self.n_members_, self.n_classes_ = values["n_members_"], values["n_classes_"]
        for name in NUMBERS:
            setattr(self, name, values[name])
        return self

    def _state_sizes(self, M: int, C: int) -> dict[str, int]:
        return {"F": M * C}

    def n_fitted(self) -> int:
        """Coefficients and intercepts of a linear model; one a feature and class for any other."""
        classifier = self if self.final_estimator is None else self.model_[-1]
        if hasattr(classifier, "coef_"):
            return int(np.size(classifier.coef_) + np.size(classifier.intercept_))
        return self.n_members_ * self.n_classes_**2


def folds_within(labels: Labels) -> list[tuple[Rows, Rows]]:
    """Return stratified folds; the only row of a class is in none, since nothing is learnt of it without it."""
    counts = np.bincount(labels)
    held_out = np.flatnonzero(counts[labels] > 1)
    folds = stratified_folds(labels[held_out], min(MOST_FOLDS, int(counts.max())), seed=0)
    everything = np.ones(len(labels), dtype=bool)
    found = []
    for _, rest in folds:
        kept = everything.copy()
        kept[held_out[rest]] = False
        found.append((np.flatnonzero(kept), held_out[rest]))
    return found


def searched_rows(labels: Labels, fewest: int) -> Rows | None:
    """Return a stratified sample of many rows, with some of every class; None where all rows are to be taken."""
    n_parts = len(labels) // SEARCHED_ROWS
    return stratified_folds(labels, n_parts, seed=0)[0][1] if 1 < n_parts <= fewest // MOST_FOLDS else None


def _probabilities(scores: Values) -> Values:
    """Turn log scores into probabilities; a single column is the log odds of the second class."""
    return softmax(scores) if scores.shape[1] > 1 else sigmoid(scores * np.array([-1.0, 1.0]))
