"""How a rule is evaluated on committees: by contributions where it is additive, else by fitting it again."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ensembler.arrays import Floats, Labels, Rows, Values
from ensembler.combiners.base import NEGLIGIBLE, AdditiveCombiner, Combiner
from ensembler.comparison.fitting import Candidate, candidate
from ensembler.comparison.folds import Folds
from ensembler.errors import FitWarning, NotApplicableError, ShapeError, UsageError
from ensembler.metrics import get_metric
from ensembler.metrics.temperature import apply_temperature, fit_temperature
from ensembler.predictions.prediction_set import Predictions
from ensembler.subsets.contributions import Contributions
from ensembler.subsets.evaluators import (
    Evaluator,
    NegativeBrier,
    NegativeLogLoss,
    OneByOne,
    Pooled,
    balanced_accuracy,
    counts,
)
from ensembler.subsets.plan import Plan

METRICS = ("accuracy", "balanced-accuracy", "brier", "log-loss")
NO_BRIER = "its Brier score is no quadratic form; sweep mean or a weighted average"
SMALLEST_WEIGHT = 1e-100

TOO_STEEP = "its weights are too far apart for committees without the best members; lower beta"


@dataclass
class Frozen(AdditiveCombiner):
    """A weighted average whose weights were fitted on all members and stay as they are in every committee."""

    fitted_rule: Combiner

    name = "frozen"
    source = "weights fitted once, on all members"

    def __post_init__(self) -> None:
        self.n_members_, self.n_classes_ = self.fitted_rule.n_members_, self.fitted_rule.n_classes_
        # A member of no weight still decides where no other one is there.
        self.weights_ = np.maximum(self.fitted_rule.weights_, NEGLIGIBLE)

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        raise NotImplementedError

    @property
    def is_fixed_weighted_mean(self) -> bool:
        """Whether there is one weight a member, and not one a class."""
        return self.weights_.ndim == 1

    def contribution(self, member: int, proba: Floats) -> Values:
        """Return the member's probabilities times its weight, or its weights by class."""
        return np.asarray(self.weights_[member] * proba.astype(np.float64))


@dataclass
class Subject:
    """A rule on its way through the committees of a set.

    ``fitting`` are the rows that weights come from, ``frozen`` says that they are fitted once on all members, ``ready``
    is a rule that came fitted, and ``calibrate`` gives each member a temperature first, fitted where the weights are.
    """

    candidate: Candidate
    fitting: Predictions
    frozen: bool = False
    ready: Combiner | None = None
    calibrate: bool = False
    known: dict[bytes, tuple[Values, Predictions]] = field(default_factory=dict, repr=False)
    """Temperatures of parts of the fitting rows, and those rows at these temperatures."""

    @property
    def is_trainable(self) -> bool:
        """Whether anything is fitted."""
        return self.candidate.rule.is_trainable or self.calibrate

    def without(self, rows: Rows) -> "Subject":
        """Return the same rule with only some of the fitting rows."""
        return Subject(self.candidate, self.fitting.take(rows), self.frozen, self.ready, self.calibrate)

    def fitting_rows(self, rows: Rows | None) -> Predictions:
        """Return some of the fitting rows (all, for None), at their own temperatures where members are calibrated."""
        if self.calibrate:
            return self._temperatures(rows)[1]
        return self.fitting if rows is None else self.fitting.take(rows)

    def heated(self, scored: Predictions, parts: Sequence[tuple[Rows | None, Rows]]) -> Predictions:
        """Return the scored rows, each at the temperatures of its part where members are calibrated."""
        if not self.calibrate:
            return scored
        proba = np.empty(scored.proba.shape)
        for rows, held in parts:
            for member, temperature in enumerate(self._temperatures(rows)[0]):
                proba[member, held] = apply_temperature(scored.proba[member, held], temperature)
        return with_proba(scored, proba)

    def _temperatures(self, rows: Rows | None) -> tuple[Values, Predictions]:
        key = b"" if rows is None else rows.tobytes()
        if key not in self.known:
            data = self.fitting if rows is None else self.fitting.take(rows)
            found = np.array([fit_temperature(member, data.truth) for member in data.proba])
            heated = [apply_temperature(member, one) for member, one in zip(data.proba, found, strict=True)]
            self.known[key] = found, with_proba(data, np.stack(heated))
        return self.known[key]

    @property
    def additive(self) -> bool:
        """Whether committees are sums of contributions."""
        return isinstance(self.candidate.rule, AdditiveCombiner) or self.frozen or self.ready is not None

    def fitted(self, rows: Rows | None) -> AdditiveCombiner:
        """Return the rule fitted on some of the fitting rows (all, for None), as contributions."""
        rule = self.ready
        if rule is None:
            rule = quietly_fitted(self.candidate, self.fitting_rows(rows))
        return rule if isinstance(rule, AdditiveCombiner) else Frozen(rule)

    def evaluator(
        self, scored: Predictions, parts: Sequence[tuple[Rows | None, Rows]], metric: str, plan: Plan
    ) -> Evaluator:
        """Return what evaluates committees on the scored rows; each part is (rows fitted on, rows spoken for)."""
        if metric not in METRICS:
            raise UsageError(f"metric is {metric!r}, expected one of {', '.join(METRICS)}")
        majority = float(np.bincount(scored.truth).max())
        scored = self.heated(scored, parts)
        if not self.additive:
            if metric == "brier":
                raise NotApplicableError(NO_BRIER)
            return self._refitted(scored, parts, metric, plan, majority)
        spoken = [(held, self.fitted(rows)) for rows, held in parts]
        if any(rule.weights_underflow() for _, rule in spoken):
            if self.ready is not None:
                raise NotApplicableError(TOO_STEEP)
            # Weights that underflow beside those of better members do not do so among themselves.
            return self._refitted(scored, parts, metric, plan, majority)
        if metric in ("accuracy", "balanced-accuracy"):
            data = Contributions(scored.proba, scored.truth, spoken)
            return counts(data, plan, majority) if metric == "accuracy" else balanced_accuracy(data, plan)
        weights = [average_weights(rule) for _, rule in spoken]
        if any(one is None for one in weights):
            if metric == "brier":
                raise NotApplicableError(NO_BRIER)
            if self.frozen or self.ready is not None:
                return one_by_one(committee_proba(spoken, scored), scored, metric, plan, majority)
            return self._refitted(scored, parts, metric, plan, majority)
        kind = NegativeBrier if metric == "brier" else NegativeLogLoss
        pieces = [
            kind.of(scored.proba[:, held], scored.truth[held], one, plan)
            for (held, _), one in zip(spoken, weights, strict=True)
            if one is not None
        ]
        return Pooled(plan, [len(held) / scored.n_samples for held, _ in spoken], pieces, pieces[0].empty)

    def is_slow(self, metric: str) -> bool:
        """Whether every committee is evaluated by itself, which takes long."""
        return not self.additive or (metric == "log-loss" and not self.candidate.rule.is_fixed_weighted_mean)

    def _refitted(
        self, scored: Predictions, parts: Sequence[tuple[Rows | None, Rows]], metric: str, plan: Plan, majority: float
    ) -> OneByOne:
        def predict(members: list[int]) -> Values | None:
            proba = np.empty((scored.n_samples, scored.n_classes))
            for rows, held in parts:
                fitting = pick_members(self.fitting_rows(rows), members)
                one = candidate(self.candidate.given, fitting)
                if one.left_out is not None:
                    return None
                try:
                    rule = quietly_fitted(one, fitting)
                except NotApplicableError:
                    return None
                proba[held] = rule.predict_proba(scored.proba[members][:, held], check_input=False)
            return proba

        return one_by_one(predict, scored, metric, plan, majority)


def one_by_one(
    predict: Callable[[list[int]], Values | None], scored: Predictions, metric: str, plan: Plan, majority: float
) -> OneByOne:
    """Return what judges each committee by its probabilities."""
    measure = get_metric(metric)

    def judge(proba: Values) -> float:
        return float(measure.signed(measure(scored.truth, proba, None)))

    empty = {"accuracy": majority, "log-loss": -float(np.log(scored.n_classes))}
    chance = 1.0 / len(np.unique(scored.truth))
    return OneByOne(plan, predict, None if metric == "accuracy" else judge, scored.truth, empty.get(metric, chance))


def average_weights(rule: AdditiveCombiner) -> Values | None:
    """Return the one weight a member that an average has; None for other rules."""
    # Squares of the smallest weights must not underflow.
    return np.maximum(rule.weights_, SMALLEST_WEIGHT) if rule.is_fixed_weighted_mean else None


def committee_proba(
    spoken: Sequence[tuple[Rows, AdditiveCombiner]], scored: Predictions
) -> Callable[[list[int]], Values]:
    """Return what gives a committee's probabilities from the contributions of rules that were fitted once."""

    def predict(members: list[int]) -> Values:
        proba = np.empty((scored.n_samples, scored.n_classes))
        for held, rule in spoken:
            scores = np.zeros((len(held), scored.n_classes)) + rule.offset()
            for member in members:
                scores += rule.contribution(member, scored.proba[member, held])
            proba[held] = rule.to_proba(scores)
        return proba

    return predict


def quietly_fitted(one: Candidate, data: Predictions) -> Combiner:
    """Fit without the warnings of doubtful fits, of which a sweep would give thousands."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        return one.fit(data)


def pick_members(data: Predictions, members: list[int]) -> Predictions:
    """Return the set of some members, by number."""
    return Predictions(
        data.proba[members],
        data.labels,
        names=[data.names[member] for member in members],
        class_names=data.class_names,
        metadata=[data.metadata[member] for member in members],
        hard=[data.hard[member] for member in members],
        check_input=False,
    )


def with_proba(data: Predictions, proba: Values) -> Predictions:
    """Return the set with other probabilities."""
    return Predictions(
        proba,
        data.labels,
        names=data.names,
        class_names=data.class_names,
        metadata=data.metadata,
        groups=data.groups,
        check_input=False,
    )


def subject(
    rule: str | Combiner, fitting: Predictions, metric: str, *, freeze: bool, calibrate: bool = False
) -> Subject:
    """Bind a rule to the fitting rows.

    Raises
    ------
    NotApplicableError
        The rule cannot run on these predictions, or its weights cannot be frozen.
    """
    one = candidate(rule, fitting, metric)
    if one.left_out is not None:
        raise NotApplicableError(one.left_out)
    if isinstance(rule, Combiner) and can_be_additive(rule) and hasattr(rule, "n_members_"):
        if (rule.n_members_, rule.n_classes_) != (fitting.n_members, fitting.n_classes):
            raise ShapeError(
                f"{rule.name} is fitted on {rule.n_members_} members and {rule.n_classes_} classes, expected "
                f"{fitting.n_members} and {fitting.n_classes} as in the predictions"
            )
        return Subject(one, fitting, ready=rule, calibrate=calibrate)
    if one.given.names_members_by_number():
        raise NotApplicableError("groups by number mean other members in each committee; give names or patterns")
    if freeze and not can_be_additive(one.rule):
        raise NotApplicableError("its weights cannot be frozen; those of class- and exponential-weighted can")
    return Subject(one, fitting, frozen=freeze and one.rule.freezable, calibrate=calibrate)


def can_be_additive(rule: Combiner) -> bool:
    """Whether a rule's committees are sums of contributions, if need be with weights fitted once on all members."""
    return rule.freezable or isinstance(rule, AdditiveCombiner)


def whole(n_rows: int) -> list[tuple[None, Rows]]:
    """Return the one part that fits on all fitting rows and speaks for all scored rows."""
    return [(None, np.arange(n_rows))]


def crossed(one: Subject, folds: Folds, n_rows: int) -> list[tuple[Rows | None, Rows]]:
    """Return the parts of cross-fitting; one part for a rule that learns nothing.

    Raises
    ------
    NotApplicableError
        The rows cannot be divided.
    """
    if not one.is_trainable:
        return list(whole(n_rows))
    if not folds.pairs:
        raise NotApplicableError(f"cannot be cross-fitted: {folds.note}")
    return list(folds.pairs)
