"""What every combination rule has in common.

A rule is a dataclass of its parameters in a file of its own. It gives itself a `name`, implements `_fit` and
`_scores` on checked arrays, and is found by the registry; nothing else needs editing.

Shapes, here and in every rule: ``proba`` (M, N, C) for members, rows, classes, float32 or float64, each row summing
to 1, or to 0 where a vote is missing; ``labels`` (N,) int64; ``sample_weight`` (N,) float64 with mean 1. Arithmetic is
float64, done in blocks of rows.
"""

import math
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
    most_probable,
    normalise,
    softmax,
    with_argmax_of,
)
from ensembler.combiners.families import OTHER
from ensembler.combiners.fitted_state import PRIORS, SIZES, Kind, Plain, take_sizes, take_state
from ensembler.combiners.missing_votes import answered, class_prior
from ensembler.combiners.parameters import Parameterized, clone, is_number, is_whole, require
from ensembler.errors import NotApplicableError, NotFittedError, ParameterError, ShapeError, ValueRangeError
from ensembler.metrics import get_metric
from ensembler.serialization import to_plain

__all__ = [
    "NEGLIGIBLE",
    "Combiner",
    "Floats",
    "Labels",
    "Values",
    "check_weights",
    "clone",
    "describe_missing",
    "is_number",
    "is_whole",
    "require",
]


NEGLIGIBLE = 2.0**-900
"""A weight too small to move any sum with a member of some weight in it, and exact: a power of two."""


class Combiner(Parameterized, ABC):
    """A rule that turns the class probabilities of M members into one score per row and class.

    Attributes
    ----------
    name : str
        The rule's name on the command line.
    family : str
        One of `ensembler.combiners.families.FAMILIES`, under which the rule is listed and may be run.
    source : str
        Where the rule comes from, in one line.
    is_trainable : bool
        False for a rule that takes nothing from the labels.
    complexity : int
        Place among rules from the one that is easiest to explain and to repeat (0) to the hardest; ties in accuracy go
        to the simpler rule.
    list_position : int
        Rules with small numbers are listed first, equal ones by name.
    needs_parameters : bool
        True for a rule that means nothing without parameters, which is left out where all rules are run.
    by_default : bool
        Whether the rule is run where no rule is named.
    never_recommended : bool
        Whether the rule is no answer to which one to use, whatever it reaches.
    variants : tuple of str
        Parameters, as text, with which the rule is run once more where all rules are run.
    freezable : bool
        Whether weights that were fitted on all members may be kept for every committee of them.
    log_scale : bool
        True where scores are logarithms, so that probabilities are their softmax instead of a division by the sum.
    counts_votes : bool
        True where only the members' most probable classes count (and their probability in a tie).
    takes_missing_votes : bool
        Whether the rule is defined where members leave rows unanswered: such rows of ``proba`` hold zeros.
    reads_half : bool
        Whether `fit` reads float16 probabilities as they are; for other rules they are copied to float32.
    reported : tuple of str
        The learned attributes that `fitted` returns, where the rule has them.
    fitted_state : mapping from str to Kind
        All that the rule fits, and what it may be (`ensembler.combiners.fitted_state`): what `restore` takes from a
        saved rule, and nothing else. A rule that declares nothing of its own is restored from plain values.
    """

    name: ClassVar[str]
    family: ClassVar[str] = OTHER
    source: ClassVar[str]
    is_trainable: ClassVar[bool] = True
    complexity: ClassVar[int] = 1000
    list_position: ClassVar[int] = 1000
    needs_parameters: ClassVar[bool] = False
    by_default: ClassVar[bool] = True
    never_recommended: ClassVar[bool] = False
    variants: ClassVar[tuple[str, ...]] = ()
    freezable: ClassVar[bool] = False
    log_scale: ClassVar[bool] = False
    counts_votes: ClassVar[bool] = False
    takes_missing_votes: ClassVar[bool] = False
    reads_half: ClassVar[bool] = False
    reported: ClassVar[tuple[str, ...]] = ("weights_",)
    fitted_state: ClassVar[Mapping[str, Kind]] = {}

    n_members_: int
    n_classes_: int
    weights_: Values
    """Weights of the members, (M,) or (M, C), summing to 1 over members; only on rules that have weights."""
    class_prior_: Values
    """What a row gets that nobody answers, (C,); only on rules that were fitted where votes may be missing."""

    def fit(
        self,
        proba: ArrayLike,
        labels: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        missing: ArrayLike | None = None,
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
        missing : (M, N) bool, optional
            Votes that are missing: rows of zeros, of members that are one-hot elsewhere. Where it is given, be it
            without one that is missing, the class prior of the fitting rows is kept for rows that no member answers.
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
        array = self._checked(proba, missing, check_input=check_input)
        n_members, n_samples, n_classes = array.shape
        self.check_parameters()
        if labels is None and self.is_trainable:
            raise ParameterError(f"{self.name} learns from labels, got none; pass fit(proba, labels)")
        true = np.zeros(n_samples, dtype=np.int64) if labels is None else np.asarray(labels)
        if check_input and labels is not None:
            true = check_labels(labels, n_samples, n_classes)
        weight = check_sample_weight(sample_weight, n_samples)
        if not weight.all():
            # A row of weight zero is a row that is not there.
            kept = weight > 0
            array, true = array[:, kept], true[kept]
            weight = check_sample_weight(weight[kept], len(true))
        self.n_members_, self.n_classes_ = n_members, n_classes
        vars(self).pop("class_prior_", None)
        unanswered = self._some_unanswered(array, missing)
        self._fit(array, true, weight)
        if labels is not None and (unanswered or missing is not None):
            self.class_prior_ = class_prior(true, weight, n_classes)
        return self

    def _checked(self, proba: ArrayLike, missing: ArrayLike | None, *, check_input: bool) -> Floats:
        array: Floats = check_proba(proba, missing=missing) if check_input else np.asarray(proba)
        n_missing = 0 if missing is None else np.count_nonzero(missing)
        if n_missing and self.needs_every_vote():
            raise NotApplicableError(f"{self.name} {describe_missing(int(n_missing))}")
        return array

    def _some_unanswered(self, proba: Floats, missing: ArrayLike | None) -> bool:
        """Say whether a vote is missing; a rule that learns from votes must have some."""
        if self.needs_every_vote() or (missing is not None and not np.any(missing)):
            return False
        there = answered(proba)
        if self.is_trainable and not there.any():
            raise NotApplicableError(
                f"{self.name} learns from votes, and no member has answered any of the fitting rows"
            )
        return not there.all()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "weights_" and not isinstance(getattr(type(self), name, None), property):
            value = self._checked_weights(value)
        super().__setattr__(name, value)

    def _checked_weights(self, weights: ArrayLike) -> Values:
        self._require_fitted("set weights_")
        shapes = {1: (self.n_members_,), 2: (self.n_members_, self.n_classes_)}
        return check_weights(weights, shapes.get(np.ndim(weights), shapes[1]), f"{self.name}: weights_")

    def _require_fitted(self, what: str) -> None:
        if not hasattr(self, "n_members_"):
            raise NotFittedError(f"{self.name} is not fitted yet; call fit(proba, labels) before you {what}")

    def scores(self, proba: ArrayLike, *, missing: ArrayLike | None = None, check_input: bool = True) -> Values:
        """Return the (N, C) float64 scores whose first maximum is the predicted class; ``missing`` as in `fit`.

        A rule that takes nothing from labels needs no ``fit`` before.
        """
        array = self._checked(proba, missing, check_input=check_input)
        return self._ready(array)._scores(array)

    def _ready(self, array: Floats) -> "Combiner":
        """Return the rule as fitted for these members and classes."""
        if not hasattr(self, "n_members_"):
            if self.is_trainable:
                raise NotFittedError(f"{self.name} is not fitted yet; call fit(proba, labels) first")
            return clone(self).fit(array, check_input=False)
        if (array.shape[0], array.shape[2]) != (self.n_members_, self.n_classes_):
            raise ShapeError(
                f"proba has {array.shape[0]} members and {array.shape[2]} classes, expected "
                f"{self.n_members_} and {self.n_classes_} as in fit"
            )
        return self

    def predict_proba(self, proba: ArrayLike, *, missing: ArrayLike | None = None, check_input: bool = True) -> Values:
        """Return the scores as (N, C) probabilities: rows sum to 1, the winner is that of `scores`."""
        array = self._checked(proba, missing, check_input=check_input)
        rule = self._ready(array)
        return rule.to_proba(rule._scores(array))

    def predict(self, proba: ArrayLike, *, missing: ArrayLike | None = None, check_input: bool = True) -> Labels:
        """Return the predicted class of each row, (N,) int64; the lowest index among equal scores."""
        scores = self.scores(proba, missing=missing, check_input=check_input)
        return most_probable(scores)

    def score(
        self,
        proba: ArrayLike,
        labels: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        metric: str | Callable[..., Any] = "accuracy",
        missing: ArrayLike | None = None,
    ) -> float:
        """Return the accuracy, or another metric, of the rule's probabilities on labelled rows."""
        array = self._checked(proba, missing, check_input=True)
        true = check_labels(labels, *array.shape[1:])
        weight = None if sample_weight is None else check_sample_weight(sample_weight, array.shape[1])
        return float(get_metric(metric)(true, self.predict_proba(array, check_input=False), weight))

    def to_proba(self, scores: Values) -> Values:
        """Turn what `scores` returned into probabilities."""
        return with_argmax_of(softmax(scores) if self.log_scale else normalise(scores), scores)

    def _filled(self, scores: Values) -> Values:
        """Return sums of votes with the class prior, where it is known, in rows without a vote."""
        prior = getattr(self, "class_prior_", None)
        if prior is not None:
            scores[~scores.any(axis=1)] = prior
        return scores

    def level_scores(self, proba: Floats) -> Values:
        """Return the (N, C) vector that this rule passes to the next level of a committee; checked arrays only."""
        return self.to_proba(self._scores(proba))

    @property
    def is_fixed_weighted_mean(self) -> bool:
        """Whether scores are, once fitted, a mean of the members' probabilities with one weight a member."""
        return False

    def members_used(self) -> tuple[int, ...]:
        """Return the numbers of the members that a fitted rule reads: those with a weight, or all."""
        self._require_fitted("ask for its members")
        weights = getattr(self, "weights_", None)
        if weights is None:
            return tuple(range(self.n_members_))
        return tuple(np.flatnonzero(weights.reshape(self.n_members_, -1).any(axis=1)).tolist())

    def reuse(self, fitted: Mapping[str, "Combiner"]) -> Self:
        """Return the rule, knowing rules by their texts that are fitted on the very rows it will be fitted on.

        A rule that is made of others need not fit them again.
        """
        return self

    def frozen_weight(self, member: int) -> Values:
        """Return the weight of a member, or its weights by class, that is kept for every committee.

        A member of no weight still decides where no other one is there.
        """
        weight = self.weights_[member]
        return np.where(np.abs(weight) < NEGLIGIBLE, NEGLIGIBLE, weight)

    def frozen_contribution(self, member: int, proba: Floats) -> Values:
        """Return what a member with probabilities (n, C) adds to the scores while weights stay as they are.

        Only for rules that are `freezable`.
        """
        return np.asarray(self.frozen_weight(member) * proba.astype(np.float64))

    def frozen_offset(self) -> Values:
        """Return the (C,) scores of an empty committee while weights stay as they are."""
        return np.zeros(self.n_classes_)

    def needs_every_vote(self) -> bool:
        """Whether the rule means nothing where the vote of a member is missing."""
        return not self.takes_missing_votes

    def takes_long(self, n_members: int, n_samples: int, n_classes: int) -> str | None:
        """Return why the rule runs on sets of such a size only where it is named; None where it always does."""
        return None

    def fits_proper_score(self) -> bool:
        """Whether the rule's probabilities are fitted to the log loss or the Brier score, so that they can be used."""
        return False

    def names_members_by_number(self) -> bool:
        """Whether parameters refer to members by number, so that they mean other members in a part of a set."""
        return False

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
            Something fitted is neither number, text, list nor array, or not what the rule declares.
        """
        self._require_fitted("save it")
        given = self.get_params(deep=False)
        names = self.fitted_state if self._declares_all() else [name for name in vars(self) if name not in given]
        values = {name: getattr(self, name) for name in SIZES}
        values |= {name: getattr(self, name) for name in names if name not in SIZES}
        state = {name: self._plain(name, value) for name, value in values.items()} | self._prior_state()
        try:
            self.take_state(state)
        except ValueRangeError as error:
            raise NotApplicableError(f"{error}; {self.name} cannot be saved so") from error
        return state

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take what `state` returned for a rule of the same parameters, instead of fitting, and return self.

        Raises
        ------
        ValueRangeError
            The state is not what such a rule fits: a name is missing or unknown, or a value is of another kind, shape
            or range than `fitted_state` says.
        """
        for name, value in self.take_state(state).items():
            setattr(self, name, value)
        return self

    def take_state(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a saved state, the numbers of members and classes first, each checked."""
        sizes = take_sizes(self.name, state)
        rest = {name: value for name, value in state.items() if name not in SIZES}
        declared = dict(self.fitted_state)
        if not self._declares_all():
            declared |= {name: Plain() for name in rest if name not in declared and self._is_free(name)}
        if "class_prior_" in rest:
            # Only rules that were fitted where votes are missing have it.
            declared["class_prior_"] = PRIORS
        values = take_state(self.name, declared, rest, {**sizes, **self._state_sizes(**sizes)})
        return dict(zip(SIZES, sizes.values(), strict=True)) | values

    def _prior_state(self) -> dict[str, Any]:
        """Return the class prior as JSON holds it, where the rule was fitted to hard labels."""
        return {"class_prior_": to_plain(self.class_prior_)} if hasattr(self, "class_prior_") else {}

    def _declares_all(self) -> bool:
        """Whether the class itself says what it fits; what a class above it says need not be all."""
        return "fitted_state" in vars(type(self))

    def _is_free(self, name: str) -> bool:
        """Whether a name may be one of a fitted value: that of no parameter, method or attribute of the class."""
        taken = hasattr(type(self), name) or name in self.get_params(deep=False)
        return name.isidentifier() and not name.startswith("__") and not taken

    def _state_sizes(self, M: int, C: int) -> dict[str, int]:
        """Return the sizes of arrays, by their letters in `fitted_state`, that follow from parameters."""
        return {}

    def _plain(self, name: str, value: Any) -> Any:
        try:
            return to_plain(value)
        except TypeError as error:
            raise NotApplicableError(f"{self.name} cannot be saved: {name} is {error}") from error

    def bind(self, names: Sequence[str], metadata: Sequence[Mapping[str, Any]]) -> Self:
        """Return the rule with references to member names or metadata resolved; itself where it has none."""
        return self

    @abstractmethod
    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        """Learn from checked arrays."""

    @abstractmethod
    def _scores(self, proba: Floats) -> Values:
        """Score checked arrays."""


def restore_inside(rule: Combiner, state: Mapping[str, Any], n_members: int, n_classes: int) -> Combiner:
    """Return a rule inside of another one with what it had fitted, to as many members and classes as it gets."""
    rule.restore(state)
    if (rule.n_members_, rule.n_classes_) != (n_members, n_classes):
        raise ValueRangeError(
            f"{rule.name}: fitted to {rule.n_members_} members and {rule.n_classes_} classes, "
            f"expected {n_members} and {n_classes} inside of its rule"
        )
    return rule


def describe_missing(n_missing: int) -> str:
    """Say that a rule cannot do without the votes that are missing."""
    return f"needs every vote, and {n_missing:,} {'is' if n_missing == 1 else 'are'} missing"


def check_weights(weights: ArrayLike, shape: tuple[int, ...], subject: str, *, signed: bool = False) -> Values:
    """Return weights, (M,) or (M, C) float64, or raise what is wrong with them."""
    array = np.asarray(weights)
    if array.shape != shape or array.dtype.kind not in "biuf":
        one_a_class = " and class" if len(shape) == 2 else ""
        raise ParameterError(
            f"{subject} is {weights!r}, expected {math.prod(shape)} numbers: one weight a member{one_a_class}"
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all() or ((array < 0).any() and not signed):
        raise ParameterError(f"{subject} is {array.tolist()}, expected finite numbers{'' if signed else ' >= 0'}")
    return array
