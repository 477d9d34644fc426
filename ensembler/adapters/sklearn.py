"""A combination rule as a scikit-learn classifier.

Its features are the members' class probabilities side by side, so it fits wherever scikit-learn puts a final
estimator: `sklearn.ensemble.StackingClassifier`, a `Pipeline`, `cross_val_score`, `GridSearchCV`.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ensembler.arrays import ROW_SUM_TOLERANCE, check_sample_weight, sigmoid, softmax
from ensembler.combiners.base import Combiner, clone
from ensembler.combiners.registry import make_rule


class EnsembleClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Combine the members' outputs, given as columns, with one rule.

    Parameters
    ----------
    rule : str or Combiner
        ``"mean"``, ``"exponential-weighted:q_min=0"``, ``GreedySelection()``, …

    Attributes
    ----------
    classes_ : (C,) array
    rule_ : Combiner
        The fitted rule.
    n_members_ : int
    per_class_ : bool
        Whether each member has C columns; False for one column of P(class 1) each.
    is_proba_ : (M,) bool
        Which members' columns were probabilities in ``fit``; others are decision values, turned into probabilities
        by a softmax (a sigmoid for one column).
    class_order_ : (C,) int64
        For each class of ``classes_``, its number among a member's columns: in order after ``fit``.
    columns_ : list of str
        What the columns of ``X`` hold, of a classifier that `fitted` made.

    Notes
    -----
    ``X`` is (N, M·C), member by member, the columns of each in the order of ``classes_``. With two classes it may also
    be (N, M), one P(class 1) a member; an even number of columns is read as pairs where all pairs sum to 1. Another
    number of columns raises ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.9, 0.1, 0.6, 0.4], [0.2, 0.8, 0.7, 0.3], [0.8, 0.2, 0.4, 0.6]])
    >>> EnsembleClassifier("accuracy-weighted").fit(X, ["no", "yes", "no"]).predict(X)
    array(['no', 'yes', 'no'], dtype='<U3')
    """

    def __init__(self, rule: str | Combiner = "mean") -> None:
        self.rule = rule

    @classmethod
    def fitted(cls, rule: Combiner, names: Sequence[str], class_names: Sequence[str] | None = None) -> Self:
        """Return the classifier of a rule that is fitted already.

        Parameters
        ----------
        rule : Combiner
            Fitted.
        names : sequence of str
            Of its members.
        class_names : sequence of str, optional
            In the order of a member's columns; numbers without. ``classes_``, and the columns of ``predict_proba``
            with it, are sorted, as scikit-learn's metrics take for granted.

        Examples
        --------
        >>> import numpy as np
        >>> from ensembler import SimpleAverage
        >>> rule = SimpleAverage().fit([[[0.9, 0.1]], [[0.6, 0.4]]])
        >>> model = EnsembleClassifier.fitted(rule, ["vgg", "resnet"], ["yes", "no"])
        >>> model.columns_
        ['vgg: yes', 'vgg: no', 'resnet: yes', 'resnet: no']
        >>> model.classes_.tolist(), model.predict_proba(np.array([[0.9, 0.1, 0.6, 0.4]]))
        (['no', 'yes'], array([[0.25, 0.75]]))
        """
        made = cls(rule)
        columns = np.arange(rule.n_classes_) if class_names is None else np.array(class_names)
        made.class_order_ = np.argsort(columns)
        made.classes_ = columns[made.class_order_]
        made.rule_, made.n_members_, made.per_class_ = rule, rule.n_members_, True
        made.is_proba_ = np.ones(rule.n_members_, dtype=bool)
        made.n_features_in_ = rule.n_members_ * rule.n_classes_
        made.columns_ = [f"{name}: {label}" for name in names for label in columns]
        return made

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the rule on columns of member outputs and their labels.

        Raises
        ------
        ValueError
            The number of columns is no multiple of the number of classes, or members have probabilities of more
            classes than ``y``.
        """
        features: NDArray[np.float64]
        features, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        weight = check_sample_weight(sample_weight, len(features))
        if not weight.all():
            # Rows of weight zero are not there, so that a class which only they have is not there either.
            features, y, weight = features[weight > 0], np.asarray(y)[weight > 0], weight[weight > 0]
        self.classes_, labels = np.unique(y, return_inverse=True)
        n_classes, width = len(self.classes_), features.shape[1]
        if n_classes < 2:
            raise ValueError(f"Classifier can't train when only one class is present: got {self.classes_[0]!r} only")
        of_member = columns_of_a_member(features)
        if of_member not in (None, n_classes):
            raise ValueError(
                f"X has {width} columns, of which every {of_member} are probabilities that sum to 1, and y has "
                f"{n_classes} classes: {', '.join(map(repr, self.classes_.tolist()[:10]))}; give rows of every class, "
                "and a column of each for every member"
            )
        self.per_class_ = width % n_classes == 0 and (n_classes > 2 or pairs_sum_to_one(features))
        if not self.per_class_ and n_classes > 2:
            raise ValueError(
                f"X has {width} columns, expected a multiple of {n_classes}: one column a member and class"
            )
        if n_classes > 2 and are_votes(features, self.classes_):
            raise ValueError(
                f"X has {width} columns of predicted classes, expected probabilities or decision values, one column a "
                f"member and class; give votes as {n_classes} columns of 0 and 1 each"
            )
        self.n_members_ = width // n_classes if self.per_class_ else width
        self.class_order_ = np.arange(n_classes)
        columns = self._split(features)
        self.is_proba_ = np.array([is_proba(member) for member in columns])
        self.rule_ = clone(make_rule(self.rule)).fit(self._to_proba(columns), labels, weight, check_input=False)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return (N, C) probabilities in the order of ``classes_``."""
        check_is_fitted(self)
        features: NDArray[np.float64] = validate_data(self, X, dtype=np.float64, reset=False)
        proba = self.rule_.predict_proba(self._to_proba(self._split(features)), check_input=False)
        return proba[:, self.class_order_]

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the predicted label of each row."""
        winners = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[winners])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Columns that are not outputs of classifiers hold nothing that a rule such as the mean could use.
        tags.classifier_tags.poor_score = True
        return tags

    def _split(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the columns of each member, (M, N, C) or (M, N, 1)."""
        return np.moveaxis(X.reshape(len(X), self.n_members_, -1), 1, 0)

    def _to_proba(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn each member's columns into rows of probabilities, decision values by softmax or sigmoid."""
        proba = np.empty((*columns.shape[:2], len(self.classes_)))
        for member, values, already in zip(proba, columns, self.is_proba_, strict=True):
            if values.shape[1] == 1:
                positive = np.clip(values[:, 0], 0.0, 1.0) if already else sigmoid(values[:, 0])
                member[:, 0], member[:, 1] = 1.0 - positive, positive
            elif already:
                clipped = np.maximum(values, 0.0)
                totals = np.maximum(clipped.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
                # Rounding stays, as in files, so that equal values stay equal.
                totals[np.abs(totals - 1.0) <= ROW_SUM_TOLERANCE] = 1.0
                member[:] = clipped / totals
            else:
                member[:] = softmax(values)
        return proba


def pairs_sum_to_one(X: NDArray[np.float64]) -> bool:
    """Whether columns come in pairs of P(class 0) and P(class 1)."""
    return X.shape[1] % 2 == 0 and bool((np.abs(X[:, ::2] + X[:, 1::2] - 1.0) <= ROW_SUM_TOLERANCE).all())


def is_proba(columns: NDArray[np.float64]) -> bool:
    """Whether a member's columns are probabilities: in [0, 1], rows summing to 1 if there are several."""
    inside = bool((columns >= 0).all() and (columns <= 1).all())
    return inside and (columns.shape[1] == 1 or bool((np.abs(columns.sum(axis=1) - 1.0) <= ROW_SUM_TOLERANCE).all()))


def are_votes(X: NDArray[np.float64], classes: NDArray[Any]) -> bool:
    """Whether all columns hold classes by their numbers, of which no rows of 0 and 1 are probabilities."""
    if classes.dtype.kind not in "iuf" or columns_of_a_member(X) is not None:
        return False
    return bool(np.isin(X, classes).all()) and len(np.unique(X)) > 2


def columns_of_a_member(X: NDArray[np.float64]) -> int | None:
    """Return how many columns after one another are a member's probabilities in every row; None where none are.

    >>> columns_of_a_member(np.array([[0.5, 0.25, 0.25, 0.0, 0.0, 1.0]]))
    3
    """
    if not ((X >= 0) & (X <= 1)).all():
        return None
    for number in range(2, X.shape[1] + 1):
        if X.shape[1] % number == 0:
            totals = X.reshape(len(X), -1, number).sum(axis=2)
            if (np.abs(totals - 1.0) <= ROW_SUM_TOLERANCE).all():
                return number
    return None
