"""The rules under comparison, bound to the members of a set."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ensembler.arrays import Floats, widened
from ensembler.combiners.balanced import TAU_EXPECTED, TAU_METRICS, Balanced, is_tau
from ensembler.combiners.base import Combiner, clone, describe_missing
from ensembler.combiners.best import BestMember
from ensembler.combiners.calibrated import Calibrated
from ensembler.combiners.registry import default_rules, make_rule, named_rules
from ensembler.errors import NotApplicableError, ParameterError, Problems, UnknownNameError, UsageError, argument
from ensembler.metrics import METRICS, Metric, get_metric
from ensembler.predictions.prediction_set import Predictions

ALWAYS_REPORTED = ("accuracy", "balanced-accuracy", "macro-f1", "log-loss", "brier", "ece")
REFERENCE = "best member"
"""The best single member, which rules are measured against."""
CALIBRATE = ("none", "members", "ensemble")

MetricLike = str | Metric | Callable[..., Any]
Balance = float | Literal["auto"] | None
"""How far probabilities are shifted against the class prior; None for not at all."""


@dataclass(frozen=True)
class Candidate:
    """A rule under comparison.

    Attributes
    ----------
    name : str
        As on the command line, with the parameters that were given.
    given, rule : Combiner
        As it was given, and bound to the members.
    left_out : str or None
        Why it cannot run on the set.
    """

    name: str
    given: Combiner
    rule: Combiner
    left_out: str | None = None

    def fit(self, data: Predictions, fitted: Mapping[str, Combiner] | None = None) -> Combiner:
        """Return an own copy of the rule, fitted on labelled rows; ``fitted`` are rules by text fitted on the same."""
        rule = clone(self.rule).reuse(fitted or {})
        if not data.any_hard:
            return rule.fit(self._to_fit(data), data.true_labels, data.sample_weight, check_input=False)
        # Votes may be missing in the rows that it will predict, if none are here.
        return rule.fit(data.proba, data.true_labels, data.sample_weight, missing=~data.answered, check_input=False)

    def _to_fit(self, data: Predictions) -> Floats:
        """Return the probabilities as the rule reads them: few rules read half precision."""
        return data.proba if self.rule.reads_half or not self.rule.is_trainable else widened(data.proba)

    def learns_from(self, data: Predictions) -> bool:
        """Whether anything is taken from the labels of a set: by the rule, or the prior of rows that nobody answers."""
        return self.rule.is_trainable or data.missing is not None

    def unless_it_takes_long(self, predictions: Predictions) -> "Candidate":
        """Return the rule left out where fitting it on such a set takes long."""
        fitting = predictions if predictions.validation is None else predictions.validation
        reason = self.given.takes_long(fitting.n_members, fitting.n_samples, fitting.n_classes)
        return self if self.left_out is not None or reason is None else replace(self, left_out=reason)

    def calibrated(self, step: Any) -> "Candidate":
        """Return the rule with temperature scaling of members before it, or of the ensemble after it."""
        if step == "none":
            return self
        return replace(self, given=Calibrated(self.given, step), rule=Calibrated(self.rule, step))

    def balanced(self, balance: Balance, metric: Metric) -> "Candidate":
        """Return the rule with its probabilities shifted against the class prior; τ is fitted for the metric if it can.

        Where it cannot be, it is fitted for balanced accuracy.
        """
        if balance is None:
            return self
        target = metric.name if metric.name in TAU_METRICS else "balanced-accuracy"
        given, rule = (Balanced(rule, balance, target) for rule in (self.given, self.rule))
        return replace(self, given=given, rule=rule)


def bind_rule(rule: str | Combiner, data: Predictions, metric: str | Callable[..., Any] | None = None) -> Candidate:
    """Bind a rule, given as text or as an object, to a prediction set.

    Rules written as text that have a metric of their own use ``metric`` unless the text says otherwise.
    """
    given = make_rule(rule)
    name = rule if isinstance(rule, str) else rule.to_text()
    takes_metric = "metric" in given.get_params(deep=False) and "metric=" not in name
    if isinstance(rule, str) and metric is not None and takes_metric:
        given.set_params(metric=metric)
    if data.any_hard and given.needs_probabilities():
        return Candidate(name, given, given, "needs probabilities, and some members are hard labels")
    n_missing = sum(int(part.n_missing.sum()) for part in (data, data.validation) if part is not None)
    if n_missing and given.needs_every_vote():
        return Candidate(name, given, given, describe_missing(n_missing))
    try:
        return Candidate(name, given, given.bind(data.names, data.metadata))
    except NotApplicableError as error:
        return Candidate(name, given, given, str(error))


def list_candidates(
    rules: Sequence[str | Combiner] | None,
    predictions: Predictions,
    metric: Metric,
    calibrate: str,
    balance: Balance = None,
) -> list[Candidate]:
    """Bind all rules to the members; those that take long on such a set run where they are named themselves."""
    named = default_rules() if rules is None else listed(rules)
    asked = named_rules(named)
    problems, candidates = Problems(), []
    for rule in asked:
        with problems.collected():
            candidates.append(bind_rule(rule, predictions, own_metric(metric)))
    with problems.collected():
        check_calibrate(calibrate, predictions)
    with problems.collected():
        check_balance(balance)
    problems.raise_all()
    # Objects are not looked for among others: a field of theirs may be an array, which has no one answer to ==.
    texts = set() if rules is None else {rule for rule in named if isinstance(rule, str)}
    candidates = [
        candidate if isinstance(rule, Combiner) or rule in texts else candidate.unless_it_takes_long(predictions)
        for candidate, rule in zip(candidates, asked, strict=True)
    ]
    names = [candidate.name for candidate in candidates]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise UsageError(f"rule {name!r} is given twice; drop one")
    if not candidates:
        raise UsageError("no rules given, expected at least one")
    return [candidate.calibrated(calibrate).balanced(balance, metric) for candidate in candidates]


def best_member(metric: Metric, calibrate: str, balance: Balance = None) -> Candidate:
    """Return the best single member, which all rules are measured against."""
    rule = BestMember(metric=own_metric(metric))
    return Candidate(REFERENCE, rule, rule).calibrated(calibrate).balanced(balance, metric)


def own_metric(metric: Metric) -> str | Metric:
    """Return a metric as the parameter of a rule: the name of a registered one."""
    return metric.name if metric == METRICS.get(metric.name) else metric


def list_metrics(metric: MetricLike | Sequence[MetricLike], predictions: Predictions) -> tuple[Metric, ...]:
    """Return the metrics asked for, then those that are always reported, each once."""
    problems, metrics = Problems(), []
    for item in listed(metric):
        with problems.collected():
            metrics.append(get_metric(item))
    problems.raise_all()
    for index, item in enumerate(metrics):
        if item.name in [other.name for other in metrics[:index]] or METRICS.get(item.name, item) != item:
            raise UsageError(f"two metrics are called {item.name!r}; rename the function, or give it once")
    metrics = [item.bind(predictions.classes) for item in metrics]
    metrics += [METRICS[name] for name in ALWAYS_REPORTED if name not in [item.name for item in metrics]]
    if predictions.any_hard and metrics[0].needs_probabilities:
        *some, last = (name for name, item in METRICS.items() if not item.needs_probabilities)
        raise UsageError(
            f"metric {metrics[0].name} needs probabilities, and some members are hard labels; "
            f"choose by {', '.join(some)} or {last}"
        )
    return tuple(metrics)


def listed(given: Any) -> list[Any]:
    """Return one rule or metric, or several of them, as a list."""
    return list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]


def check_calibrate(step: str, predictions: Predictions) -> None:
    """Refuse unknown steps, and members without probabilities."""
    if step not in CALIBRATE:
        raise UnknownNameError(f"value of {argument('calibrate')}", step, CALIBRATE)
    if step != "none" and predictions.any_hard:
        raise UsageError("calibration needs probabilities, and some members are hard labels; leave them or it out")


def check_balance(balance: Any) -> None:
    """Refuse what no shift can be."""
    if balance is not None and not is_tau(balance):
        raise ParameterError(f"{argument('balance')} is {balance!r}, expected {TAU_EXPECTED}")


def check_members_calibrate(step: str, predictions: Predictions) -> None:
    """Refuse what committees do not have."""
    check_calibrate(step, predictions)
    if step == "ensemble":
        raise UsageError(
            f"{argument('calibrate')} is 'ensemble', and committees have no temperature of their own; "
            "expected 'members' or 'none'"
        )
