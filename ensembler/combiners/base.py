"""What every combination rule has in common.

A rule is a dataclass of its parameters in a file of its own. It gives itself a `name`, implements `_fit` and
`_scores` on checked arrays, and is found by the registry; nothing else needs editing.

Shapes, here and in every rule: ``proba`` (M, N, C) for members, rows, classes, float32 or float64, each row summing
to 1; ``labels`` (N,) int64; ``sample_weight`` (N,) float64 with mean 1. Arithmetic is float64, done in blocks of rows.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from ensembler.arrays import (
    Floats,
    Labels,
    Values,
    check_labels,
    check_proba,
    check_sample_weight,
    normalise,
    row_blocks,
    softmax,
    with_argmax_of,
)
from ensembler.errors import NotApplicableError, NotFittedError, ParameterError, ShapeError, UnknownNameError
from ensembler.serialization import from_plain, to_plain

__all__ = [
    "AdditiveCombiner",
    "Combiner",
    "Floats",
    "Labels",
    "Values",
    "clone",
    "is_number",
    "is_whole",
    "require",
    "sum_contributions",
    "weighted_sum",
]


class Combiner(ABC):
    """A rule that turns the class probabilities of M members into one score per row and class.

    Attributes
    ----------
    name : str
        The rule's name on the command line.
    source : str
        Where the rule comes from, in one line.
    learns : bool
        False for a rule that takes nothing from the labels.
    log_scale : bool
        True where scores are logarithms, so that probabilities are their softmax instead of a division by the sum.
    counts_votes : bool
        True where only the members' most probable classes count (and their probability in a tie).
    reported : tuple of str
        The learned attributes that `fitted` returns, where the rule has them.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    learns: ClassVar[bool] = True
    log_scale: ClassVar[bool] = False
    counts_votes: ClassVar[bool] = False
    reported: ClassVar[tuple[str, ...]] = ("weights_",)

    n_members_: int
    n_classes_: int
    weights_: Values
    """Weights of the members, (M,) or (M, C), summing to 1 over members; only on rules that have weights."""

    def fit(
        self,
        proba: ArrayLike,
        labels: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        check_input: bool = True,
    ) -> Self:
        """Learn what the rule takes from labelled rows.

        Parameters
        ----------
        proba : (M, N, C)
            Class probabilities of each member on the fitting rows.
        labels : (N,), optional
            Class index of each row. Rules that learn nothing do without.
        sample_weight : (N,), optional
            Row weights; only their ratios matter.
        check_input : bool
            Pass False only for arrays that `ensembler.arrays` has already seen.

        Returns
        -------
        self

        Raises
        ------
        ShapeError, ValueRangeError
            The arrays do not fit or hold values that cannot be probabilities, labels or weights.
        ParameterError
            A parameter has a value it cannot have.
        NotApplicableError
            The rule cannot run on such predictions.
        """
        if check_input:
            proba = check_proba(proba)
        array: Floats = np.asarray(proba)
        n_members, n_samples, n_classes = array.shape
        self.check_parameters()
        if labels is None and self.learns:
            raise ParameterError(f"{self.name} learns from labels, got none; pass fit(proba, labels)")
        truth = np.zeros(n_samples, dtype=np.int64) if labels is None else np.asarray(labels)
        if check_input and labels is not None:
            truth = check_labels(labels, n_samples, n_classes)
        weight = check_sample_weight(sample_weight, n_samples)
        if not weight.all():
            # A row of weight zero is a row that is not there.
            kept = weight > 0
            array, truth = array[:, kept], truth[kept]
            weight = check_sample_weight(weight[kept], len(truth))
        self.n_members_, self.n_classes_ = n_members, n_classes
        self._fit(array, truth, weight)
        return self

    def scores(self, proba: ArrayLike, *, check_input: bool = True) -> Values:
        """Return the (N, C) float64 scores whose first maximum is the predicted class."""
        if not hasattr(self, "n_members_"):
            raise NotFittedError(f"{self.name} is not fitted yet; call fit(proba, labels) first")
        array = check_proba(proba) if check_input else np.asarray(proba)
        if (array.shape[0], array.shape[2]) != (self.n_members_, self.n_classes_):
            raise ShapeError(
                f"proba has {array.shape[0]} members and {array.shape[2]} classes, expected "
                f"{self.n_members_} and {self.n_classes_} as in fit"
            )
        return self._scores(array)

    def predict_proba(self, proba: ArrayLike, *, check_input: bool = True) -> Values:
        """Return the scores as (N, C) probabilities: rows sum to 1, the winner is that of `scores`."""
        return self.to_proba(self.scores(proba, check_input=check_input))

    def predict(self, proba: ArrayLike, *, check_input: bool = True) -> Labels:
        """Return the predicted class of each row, (N,) int64; the lowest index among equal scores."""
        return np.asarray(self.scores(proba, check_input=check_input).argmax(axis=-1), dtype=np.int64)

    def to_proba(self, scores: Values) -> Values:
        """Turn what `scores` returned into probabilities."""
        return with_argmax_of(softmax(scores) if self.log_scale else normalise(scores), scores)

    def level_scores(self, proba: Floats) -> Values:
        """Return the (N, C) vector that this rule hands to the next level of a committee; checked arrays only."""
        return self.to_proba(self._scores(proba))

    def needs_probabilities(self) -> bool:
        """Whether the rule means nothing for members that exist as hard labels only."""
        return False

    def n_fitted(self) -> int:
        """Return how many numbers were fitted to the labels: the measure of simplicity that breaks ties."""
        return 0

    def fitted(self) -> dict[str, Any]:
        """Return what was learned, as plain numbers and lists by name, ready for JSON."""
        values = {name.rstrip("_"): getattr(self, name) for name in self.reported if hasattr(self, name)}
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}

    def state(self) -> dict[str, Any]:
        """Return all that was fitted as values that JSON holds, to be given to `restore`.

        Raises
        ------
        NotApplicableError
            Something fitted is neither number, text, list nor array; such a rule brings its own `state` and `restore`.
        """
        if not hasattr(self, "n_members_"):
            raise NotFittedError(f"{self.name} is not fitted yet; call fit(proba, labels) first")
        given = self.get_params(deep=False)
        return {name: self._plain(name, value) for name, value in vars(self).items() if name not in given}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take what `state` returned for a rule of the same parameters, instead of fitting, and return self."""
        for name, value in state.items():
            setattr(self, name, from_plain(value))
        return self

    def _plain(self, name: str, value: Any) -> Any:
        try:
            return to_plain(value)
        except TypeError as error:
            raise NotApplicableError(f"{self.name} cannot be saved: {name} is {error}") from error

    def bind(self, names: Sequence[str], metadata: Sequence[Mapping[str, Any]]) -> Self:
        """Return the rule with references to member names or metadata resolved; itself where it has none."""
        return self

    def check_parameters(self) -> None:  # noqa: B027 - most rules have nothing to check
        """Raise `ParameterError` for a parameter with an impossible value."""

    @abstractmethod
    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        """Learn from checked arrays."""

    @abstractmethod
    def _scores(self, proba: Floats) -> Values:
        """Score checked arrays."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; with ``deep`` also those of parameters that have some, as ``outer__inner``."""
        parameters = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        if deep:
            for name, value in list(parameters.items()):
                if hasattr(value, "get_params") and not isinstance(value, type):
                    parameters.update({f"{name}__{key}": inner for key, inner in value.get_params().items()})
        return parameters

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name, ``outer__inner`` for a parameter of a parameter."""
        known = self.get_params(deep=True)
        for name, value in parameters.items():
            if name not in known:
                raise UnknownNameError(f"parameter of {self.name}", name, self.get_params(deep=False))
            outer, nested, inner = name.partition("__")
            if nested:
                getattr(self, outer).set_params(**{inner: value})
            else:
                setattr(self, name, value)
        return self


def clone(rule: Combiner) -> Combiner:
    """Return an unfitted rule of the same class and parameters."""
    return type(rule)(**rule.get_params(deep=False))


class AdditiveCombiner(Combiner):
    """A rule whose scores are a sum of one contribution per member, plus an offset that no member changes.

    Fitted on all members and fitted on some of them, a member's contribution leads to the same winner; a sweep over
    subsets needs nothing else.
    """

    @abstractmethod
    def contribution(self, member: int, proba: Floats) -> Values:
        """Return the (n, C) float64 contribution of a member with probabilities ``proba`` (n, C)."""

    def offset(self) -> Values:
        """Return the (C,) scores of an empty committee."""
        return np.zeros(self.n_classes_)

    def _scores(self, proba: Floats) -> Values:
        return sum_contributions(proba, self.contribution, self.offset())


def sum_contributions(
    proba: Floats, contribution: Callable[[int, Floats], Values], offset: Values | float = 0.0
) -> Values:
    """Add contributions to the offset in ascending member order, in float64: the one definition of the sum."""
    n_members, n_samples, n_classes = proba.shape
    scores = np.empty((n_samples, n_classes))
    scores[:] = offset
    for rows in row_blocks(n_samples, n_classes):
        block = scores[rows]
        for member in range(n_members):
            block += contribution(member, proba[member, rows])
    return scores


def weighted_sum(proba: Floats, weights: Values) -> Values:
    """Sum of weight times probabilities, with ``weights`` (M,) or (M, C); members of weight 0 are not read."""
    used = np.flatnonzero(weights.reshape(len(weights), -1).any(axis=1))
    n_samples, n_classes = proba.shape[1:]
    scores = np.zeros((n_samples, n_classes))
    for rows in row_blocks(n_samples, n_classes):
        block = scores[rows]
        for member in used:
            block += weights[member] * proba[member, rows].astype(np.float64)
    return scores


def require(condition: bool, combiner: Combiner, parameter: str, expected: str) -> None:
    """Raise `ParameterError` naming the rule, the parameter, its value and what was expected."""
    if not condition:
        value = getattr(combiner, parameter)
        raise ParameterError(f"{combiner.name}: {parameter} is {value!r}, expected {expected}")


def is_number(value: Any) -> bool:
    """Whether a parameter is a finite real number (and not a truth value)."""
    return (
        isinstance(value, (int, float, np.integer, np.floating))
        and not isinstance(value, bool)
        and bool(np.isfinite(value))
    )


def is_whole(value: Any) -> bool:
    """Whether a parameter is an integer (and not a truth value)."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
