"""How a rule is evaluated on committees: by contributions where it is additive, else by fitting it again."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np

from ensembler.arrays import Floats, Labels, Rows, Values, present_classes
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.combiners.base import Combiner
from ensembler.combiners.registry import all_rules
from ensembler.comparison.candidates import Candidate, bind_rule, own_metric
from ensembler.comparison.folds import Folds
from ensembler.errors import FitWarning, NotApplicableError, ShapeError
from ensembler.metrics import get_metric
from ensembler.metrics.temperature import apply_temperature, fit_temperature
from ensembler.predictions.prediction_set import Predictions
from ensembler.subsets.contributions import Contributions
from ensembler.subsets.evaluators import Evaluator, IndividualValues, counts
from ensembler.subsets.plan import Plan
from ensembler.subsets.scores import NegativeBrier, NegativeLogLoss, Pooled, balanced_accuracy

EXACT_METRICS = ("accuracy", "balanced-accuracy", "brier", "log-loss")
"""What committees of additive rules are evaluated by without their probabilities, many at a time."""
NO_BRIER = "its Brier score is no quadratic form; sweep mean or a weighted average"
SMALLEST_WEIGHT = 1e-100

TOO_STEEP = "its weights are too far apart for committees without the best members; lower beta"


@dataclass
class Frozen(AdditiveCombiner):
    """A rule whose weights were fitted on all members and stay as they are in every committee."""

    fitted_rule: Combiner

    name = "frozen"
    source = "weights fitted once, on all members"

    def __post_init__(self) -> None:
        self.n_members_, self.n_classes_ = self.fitted_rule.n_members_, self.fitted_rule.n_classes_
        prior = getattr(self.fitted_rule, "class_prior_", None)
        if prior is not None:
            self.class_prior_ = prior
        if self.is_fixed_weighted_mean:
            self.weights_ = np.array([self.fitted_rule.frozen_weight(member) for member in range(self.n_members_)])

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        raise NotImplementedError

    @property
    def is_fixed_weighted_mean(self) -> bool:
        """Whether the frozen rule is one."""
        return self.fitted_rule.is_fixed_weighted_mean

    def contribution(self, member: int, proba: Floats) -> Values:
        """Return what the frozen rule says."""
        return self.fitted_rule.frozen_contribution(member, proba)

    def offset(self) -> Values:
        """Return what the frozen rule says."""
        return self.fitted_rule.frozen_offset()

    def to_proba(self, scores: Values) -> Values:
        """Return what the frozen rule makes of scores."""
        return self.fitted_rule.to_proba(scores)


class Part(NamedTuple):
    """Rows that a rule is fitted on (all fitting rows, for None), and the scored rows that it predicts."""

    fitted_on: Rows | None
    predicted: Rows


@dataclass
class SweptRule:
    """A rule on its way through the committees of a set.

    Attributes
    ----------
    candidate : Candidate
    fitting : Predictions
        The rows that weights come from.
    frozen : bool
        Whether weights are fitted once, on all members.
    ready : Combiner or None
        A rule that came fitted.
    calibrate : bool
        Give each member a temperature first, fitted where the weights are.
    temperatures : dict
        Of parts of the fitting rows, with those rows at these temperatures.
    """

    candidate: Candidate
    fitting: Predictions
    frozen: bool = False
    ready: Combiner | None = None
    calibrate: bool = False
    temperatures: dict[bytes, tuple[Values, Predictions]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, rule: str | Combiner, fitting: Predictions, metric: str, *, freeze: bool, calibrate: bool = False
    ) -> Self:
        """Bind a rule to the fitting rows.

        Raises
        ------
        NotApplicableError
            The rule cannot run on these predictions, or its weights cannot be frozen.
        """
        candidate = bind_rule(rule, fitting, own_metric(get_metric(metric).bind(fitting.classes)))
        if candidate.left_out is not None:
            raise NotApplicableError(candidate.left_out)
        if isinstance(rule, Combiner) and can_be_additive(rule) and hasattr(rule, "n_members_"):
            if (rule.n_members_, rule.n_classes_) != (fitting.n_members, fitting.n_classes):
                raise ShapeError(
                    f"{rule.name} is fitted on {rule.n_members_} members and {rule.n_classes_} classes, expected "
                    f"{fitting.n_members} and {fitting.n_classes} as in the predictions"
                )
            return cls(candidate, fitting, ready=rule, calibrate=calibrate)
        if candidate.given.names_members_by_number():
            raise NotApplicableError("groups by number mean other members in each committee; give names or patterns")
        if freeze and not can_be_additive(candidate.rule):
            raise NotApplicableError(f"its weights cannot be frozen; those of {freezable_names()} can")
        return cls(candidate, fitting, frozen=freeze and candidate.rule.freezable, calibrate=calibrate)

    @property
    def name(self) -> str:
        """The rule as on the command line."""
        return self.candidate.name

    @property
    def is_trainable(self) -> bool:
        """Whether anything is fitted."""
        return self.candidate.learns_from(self.fitting) or self.calibrate

    @property
    def additive(self) -> bool:
        """Whether committees are sums of contributions."""
        return isinstance(self.candidate.rule, AdditiveCombiner) or self.frozen or self.ready is not None

    def is_slow(self, metric: str) -> bool:
        """Whether every committee is evaluated by itself, which takes long."""
        if not self.additive or metric not in EXACT_METRICS:
            return True
        return metric == "log-loss" and not self.candidate.rule.is_fixed_weighted_mean

    def fitted_on(self, rows: Rows) -> "SweptRule":
        """Return the same rule with only some of the fitting rows."""
        return SweptRule(self.candidate, self.fitting.take(rows), self.frozen, self.ready, self.calibrate)

    def whole(self, n_rows: int) -> list[Part]:
        """Return the one part that fits on all fitting rows and predicts all scored rows."""
        return [Part(None, np.arange(n_rows))]

    def cross_fitted(self, folds: Folds, n_rows: int) -> list[Part]:
        """Return the parts of cross-fitting; one part for a rule that learns nothing.

        Raises
        ------
        NotApplicableError
            The rows cannot be divided.
        """
        if not self.is_trainable:
            return self.whole(n_rows)
        if not folds.pairs:
            raise NotApplicableError(f"cannot be cross-fitted: {folds.note}")
        return [Part(train, rest) for train, rest in folds.pairs]

    def fitting_rows(self, rows: Rows | None) -> Predictions:
        """Return some of the fitting rows (all, for None), at their own temperatures where members are calibrated."""
        if self.calibrate:
            return self._calibrated_rows(rows)[1]
        return self.fitting if rows is None else self.fitting.take(rows)

    def calibrated(self, scored: Predictions, parts: Sequence[Part]) -> Predictions:
        """Return the scored rows, each at the temperatures of its part where members are calibrated."""
        if not self.calibrate:
            return scored
        proba = np.empty(scored.proba.shape)
        for part in parts:
            for member, temperature in enumerate(self._calibrated_rows(part.fitted_on)[0]):
                proba[member, part.predicted] = apply_temperature(scored.proba[member, part.predicted], temperature)
        return scored.replace(proba=proba)

    def _calibrated_rows(self, rows: Rows | None) -> tuple[Values, Predictions]:
        key = b"" if rows is None else rows.tobytes()
        if key not in self.temperatures:
            data = self.fitting if rows is None else self.fitting.take(rows)
            found = np.array([fit_temperature(member, data.true_labels) for member in data.proba])
            proba = [apply_temperature(member, value) for member, value in zip(data.proba, found, strict=True)]
            self.temperatures[key] = found, data.replace(proba=np.stack(proba))
        return self.temperatures[key]

    def fitted(self, rows: Rows | None) -> AdditiveCombiner:
        """Return the rule fitted on some of the fitting rows (all, for None), as contributions."""
        rule = self.ready
        if rule is None:
            rule = quietly_fitted(self.candidate, self.fitting_rows(rows))
        return rule if isinstance(rule, AdditiveCombiner) else Frozen(rule)

    def contributions(self, scored: Predictions, parts: Sequence[Part]) -> Contributions | None:
        """Return what members add to the scores of the scored rows; None where weights underflow in a committee."""
        fitted = [(part.predicted, self.fitted(part.fitted_on)) for part in parts]
        if any(rule.weights_underflow() for _, rule in fitted):
            return None
        return Contributions(self.calibrated(scored, parts).proba, scored.true_labels, fitted)

    def evaluator(self, scored: Predictions, parts: Sequence[Part], metric: str, plan: Plan) -> Evaluator:
        """Return what evaluates committees on the scored rows."""
        data = self.contributions(scored, parts) if self.additive else None
        scored = self.calibrated(scored, parts)
        if data is None:
            if not self.additive and metric == "brier":
                raise NotApplicableError(NO_BRIER)
            if self.ready is not None:
                raise NotApplicableError(TOO_STEEP)
            # Weights that underflow beside those of better members do not do so among themselves.
            return self._refitted(scored, parts, metric, plan)
        if metric == "accuracy":
            return counts(data, plan, value_of_none(scored, metric))
        if metric == "balanced-accuracy":
            return balanced_accuracy(data, plan)
        if not get_metric(metric).needs_probabilities:
            return individual_values(data.committee_proba, scored, metric, plan)
        weights = [average_weights(rule) for _, rule in data.parts]
        if any(values is None for values in weights):
            if metric == "brier":
                raise NotApplicableError(NO_BRIER)
            if self.frozen or self.ready is not None:
                return individual_values(data.committee_proba, scored, metric, plan)
            return self._refitted(scored, parts, metric, plan)
        if metric not in EXACT_METRICS:
            return individual_values(data.committee_proba, scored, metric, plan)
        kind = NegativeBrier if metric == "brier" else NegativeLogLoss
        pieces = [
            kind.of(scored.proba[:, part.predicted], scored.true_labels[part.predicted], values, plan)
            for part, values in zip(parts, weights, strict=True)
            if values is not None
        ]
        return Pooled(plan, [len(part.predicted) / scored.n_samples for part in parts], pieces, pieces[0].empty)

    def _refitted(self, scored: Predictions, parts: Sequence[Part], metric: str, plan: Plan) -> IndividualValues:
        def predict(members: list[int]) -> Values | None:
            proba = np.empty((scored.n_samples, scored.n_classes))
            for part in parts:
                fitting = self.fitting_rows(part.fitted_on).pick(members)
                candidate = bind_rule(self.candidate.given, fitting)
                if candidate.left_out is not None:
                    return None
                try:
                    rule = quietly_fitted(candidate, fitting)
                except NotApplicableError:
                    return None
                rows = scored.proba[members][:, part.predicted]
                proba[part.predicted] = rule.predict_proba(rows, check_input=False)
            return proba

        return individual_values(predict, scored, metric, plan)


def individual_values(
    predict: Callable[[list[int]], Values | None], scored: Predictions, metric: str, plan: Plan
) -> IndividualValues:
    """Return what evaluates each committee by its probabilities."""
    function = get_metric(metric).bind(scored.classes)

    def measure(proba: Values) -> float:
        return float(function.signed(function(scored.true_labels, proba, None)))

    empty = value_of_none(scored, metric)
    return IndividualValues(plan, predict, None if metric == "accuracy" else measure, scored.true_labels, empty)


def value_of_none(scored: Predictions, metric: str) -> float:
    """Return the value of the empty committee: the rows of the largest class, or what equal probabilities reach.

    By a metric of the answers alone it is what always answering the largest class reaches.
    """
    counts = np.bincount(scored.true_labels, minlength=scored.n_classes)
    if metric == "accuracy":
        return float(counts.max())
    if metric == "log-loss":
        return -float(np.log(scored.n_classes))
    if metric in EXACT_METRICS:
        return 1.0 / len(present_classes(scored.true_labels))
    function, proba = get_metric(metric).bind(scored.classes), np.full((len(scored.true_labels), scored.n_classes), 1.0)
    if not function.needs_probabilities:
        proba[:, counts.argmax()] = 2.0
    return float(function.signed(function(scored.true_labels, proba / proba.sum(axis=1, keepdims=True))))


def average_weights(rule: AdditiveCombiner) -> Values | None:
    """Return the one weight a member that an average has; None for other rules."""
    # Squares of the smallest weights must not underflow.
    return np.maximum(rule.weights_, SMALLEST_WEIGHT) if rule.is_fixed_weighted_mean else None


def quietly_fitted(candidate: Candidate, data: Predictions) -> Combiner:
    """Fit without the warnings of doubtful fits, of which a sweep would give thousands."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        return candidate.fit(data)


def freezable_names() -> str:
    """Return the names of the rules whose weights can be frozen."""
    return ", ".join(name for name, rule in all_rules().items() if rule.freezable)


def can_be_additive(rule: Combiner) -> bool:
    """Whether a rule's committees are sums of contributions, if need be with weights fitted once on all members."""
    return rule.freezable or isinstance(rule, AdditiveCombiner)
