"""A combination rule as an ensembler of TabArena's simulation.

TabArena's evaluation takes a class with the methods of its ``AbstractEnsembler``; this one has them, and does not
import it::

    rule = {"ensembler_cls": RuleEnsembler, "ensembler_kwargs": {"rule": "log-pool"}, "use_fast_metrics": False}
    repo.evaluate_ensembles(configs=configs, ensemble_kwargs=rule)
"""

import dataclasses
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ensembler.arrays import check_labels
from ensembler.combiners.base import Combiner, clone
from ensembler.combiners.registry import make_rule
from ensembler.errors import NotFittedError, ShapeError, UsageError

PROBLEM_TYPES = ("binary", "multiclass")
METRIC_NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced-accuracy",
    "f1_macro": "macro-f1",
    "log_loss": "log-loss",
    "mcc": "mcc",
}
"""Scorers of AutoGluon that are metrics here; others are called as they are."""


class RuleEnsembler:
    """Combine the predictions of fitted models with one rule, as TabArena's ``AbstractEnsembler`` does.

    Predictions are arrays (models, rows) of P(class 1) for ``"binary"``, and (models, rows, classes) for
    ``"multiclass"``; labels are class numbers. Results are in the same space.

    Parameters
    ----------
    problem_type : "binary" or "multiclass"
    metric : Scorer
        What the rule is fitted for if it has a parameter ``metric`` that is left at its default, as ``greedy`` and
        ``best-member`` have; in AutoGluon's form, with a ``name``, ``error(labels, predictions)`` and ``needs_pred``.
    rule : str or Combiner
        ``"mean"``, ``"log-pool:bias=true"``, ``GreedySelection()``, …

    Attributes
    ----------
    linear : bool
        Whether predictions are a fixed linear combination of the models': only such rules are let near TabArena's
        fast log loss, which shows an ensembler the probability of the true class alone. Pass
        ``use_fast_metrics=False`` for other rules, and for weights that are fitted to accuracy.
    rule_ : Combiner
        The fitted rule.
    n_models_ : int or None

    Raises
    ------
    UsageError
        The problem is a regression, or of another kind.

    Examples
    --------
    >>> models = np.array([[0.9, 0.2, 0.6, 0.3], [0.6, 0.7, 0.4, 0.6]])
    >>> ensemble = RuleEnsembler(problem_type="binary", metric=None, rule="accuracy-weighted")
    >>> ensemble.fit(predictions=models, labels=[1, 0, 1, 0]).model_weights()
    array([0.8, 0.2])
    >>> ensemble.predict_proba(models).round(2), ensemble.predict(models)
    (array([0.84, 0.3 , 0.56, 0.36]), array([1, 0, 1, 0]))
    """

    linear: bool = True

    def __init__(self, *, problem_type: str, metric: Any, rule: str | Combiner = "greedy") -> None:
        if problem_type not in PROBLEM_TYPES:
            raise UsageError(f"problem_type is {problem_type!r}, expected {' or '.join(map(repr, PROBLEM_TYPES))}")
        self.problem_type, self.metric, self.rule = problem_type, metric, rule
        self.linear = self._unfitted().is_fixed_weighted_mean
        self.n_models_: int | None = None

    def fit(self, *, predictions: ArrayLike, labels: ArrayLike, time_limit: float | None = None) -> Self:
        """Fit the rule on labelled rows, and return self; it takes seconds, whatever the time limit."""
        proba = self._to_proba(predictions)
        true = check_labels(np.asarray(labels), *proba.shape[1:])
        self.rule_ = self._unfitted().fit(proba, true)
        self.n_models_ = len(proba)
        return self

    def predict_proba(self, predictions: ArrayLike) -> NDArray[np.float64]:
        """Return the combined predictions, (rows,) of P(class 1) or (rows, classes), as the models' are.

        A linear rule combines what it is given, also if it was fitted to another view of the same rows.
        """
        weights = self.model_weights()
        if weights is not None:
            return np.asarray(np.tensordot(weights, np.asarray(predictions, dtype=np.float64), axes=1))
        proba = self._fitted().predict_proba(self._to_proba(predictions))
        return proba[:, 1] if np.ndim(predictions[0]) == 1 else proba  # type: ignore[index]

    def predict(self, predictions: ArrayLike, *, problem_type: str | None = None) -> NDArray[np.int64]:
        """Return the predicted class of each row, of the problem that the rule was fitted on or of another one."""
        return self._to_labels(self.predict_proba(predictions), problem_type or self.problem_type)

    def model_weights(self) -> NDArray[np.float64] | None:
        """Return the weight of each model, (models,), summing to 1; None for a rule that is no mean with weights."""
        weights = self._fitted().weights_ if self.linear else None
        return None if weights is None or weights.ndim != 1 else weights / weights.sum()

    def models_used(self) -> NDArray[np.bool_]:
        """Return which models have to be there to predict."""
        rule = self._fitted()
        used = np.zeros(rule.n_members_, dtype=bool)
        used[list(rule.members_used())] = True
        return used

    def info(self) -> dict[str, Any]:
        """Return the rule as text, and what it has fitted."""
        return {"rule": self._fitted().to_text(), **self._fitted().fitted()}

    def _fitted(self) -> Combiner:
        if self.n_models_ is None:
            raise NotFittedError("the ensemble is not fitted yet; call fit(predictions=…, labels=…) first")
        return self.rule_

    def _unfitted(self) -> Combiner:
        rule = clone(make_rule(self.rule))
        fields = [field.name for field in dataclasses.fields(rule)]  # type: ignore[arg-type]
        if self.metric is not None and "metric" in fields and "metric" not in rule.changed_parameters():
            rule.set_params(metric=METRIC_NAMES.get(getattr(self.metric, "name", ""), self._quality))
        return rule

    def _quality(self, labels: NDArray[np.int64], proba: NDArray[np.float64]) -> float:
        """Return minus the scorer's error, of (rows, classes)."""
        predicted: NDArray[Any] = proba[:, 1] if self.problem_type == "binary" else proba
        if getattr(self.metric, "needs_pred", False):
            predicted = self._to_labels(predicted, self.problem_type)
        return -float(self.metric.error(labels, predicted))

    @staticmethod
    def _to_labels(predicted: NDArray[np.float64], problem_type: str) -> NDArray[np.int64]:
        """Return classes; those of lower number among equal ones."""
        if predicted.ndim == 1:
            if problem_type != "binary":
                raise UsageError(f"predictions have one value a row, which predicts no problem {problem_type!r}")
            return (predicted > 0.5).astype(np.int64)
        return np.asarray(predicted.argmax(axis=1), dtype=np.int64)

    def _to_proba(self, predictions: ArrayLike) -> NDArray[np.floating]:
        """Return predictions as (models, rows, classes)."""
        array = np.asarray(predictions)
        if self.problem_type == "multiclass" and array.ndim != 3:
            raise ShapeError(f"predictions have shape {array.shape}, expected (models, rows, classes)")
        if array.ndim == 2:
            positive = array.astype(np.float64)
            return np.stack([1.0 - positive, positive], axis=-1)
        return array
