"""Fit every rule without the scored rows, score it on them, and say which one to use."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ensembler.combiners.base import Combiner
from ensembler.combiners.best import BestMember
from ensembler.combiners.calibrated import Calibrated
from ensembler.combiners.registry import default_rules
from ensembler.comparison.choice import choose_inside, choose_nested, pick, ranking_value
from ensembler.comparison.fitting import Candidate, candidate
from ensembler.comparison.folds import Folds, make_folds, split_part
from ensembler.comparison.results import REFERENCE, Comparison, Protocol
from ensembler.comparison.scoring import (
    Counter,
    Progress,
    Setting,
    oracle_accuracy,
    score_crossed,
    score_fitted,
    score_members,
)
from ensembler.comparison.verdict import judge
from ensembler.errors import (
    AlignmentError,
    DataWarning,
    NotApplicableError,
    ParameterError,
    UnknownNameError,
    UsageError,
)
from ensembler.metrics import METRICS, Metric, get_metric
from ensembler.metrics.bootstrap import FEWEST_RESAMPLES, RESAMPLES
from ensembler.predictions.diagnosis import checks as doctor
from ensembler.predictions.prediction_set import Predictions

FIT_ON = ("val", "cross", "part", "test")
ALWAYS = ("accuracy", "balanced-accuracy", "macro-f1", "log-loss", "brier", "ece")
DEFAULT_PART = 0.5
CALIBRATE = ("none", "members", "ensemble")

MetricLike = str | Metric | Callable[..., Any]


def compare_rules(
    predictions: Predictions,
    rules: Sequence[str | Combiner] | None = None,
    *,
    metric: MetricLike | Sequence[MetricLike] = "accuracy",
    fit_on: str | None = None,
    folds: int = 5,
    part: float | None = None,
    seed: int = 0,
    n_resamples: int = RESAMPLES,
    letters: bool = False,
    calibrate: str = "none",
    progress: Progress | None = None,
) -> Comparison:
    """Compare combination rules on one prediction set.

    Parameters
    ----------
    predictions : Predictions
        With labels. Row weights are used in fits and metrics, groups keep rows together in folds.
    rules : sequence of str or Combiner, optional
        ``"median"``, ``"exponential-weighted:q_min=0"``, ``Stacking()``; by default all registered rules.
    metric : str, Metric, callable, or a sequence of these
        The first one ranks and chooses; all are reported, beside accuracy, balanced accuracy, macro-F1, log loss,
        Brier score and ECE. A callable gets ``(labels, proba)``, more is better.
    fit_on : "val", "cross", "part" or "test"
        Where weights are fitted: on the validation rows (the default where there are some); on four of five folds,
        each row being scored by rules that have not seen it (the default otherwise); on a part of the rows, the rest
        being scored; or on the scored rows themselves, which makes every figure optimistic.
    folds : int
        Number of folds, wherever there are folds.
    part : float, optional
        The share of rows fitted on with ``fit_on="part"``, by default 0.5; refused elsewhere, where it has no effect.
    seed : int
        Divides and resamples the rows.
    n_resamples : int
        Bootstrap samples behind intervals and the verdict, at least 40; 0 leaves them out.
    letters : bool
        Compare all pairs of rules as well.
    calibrate : "none", "members" or "ensemble"
        Fit a temperature to each member before, or to each rule's result after, on the rows that the rule is fitted on.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each fit.

    Returns
    -------
    Comparison

    Raises
    ------
    UsageError
        Unknown rules, metrics or options.
    DataError
        There are no labels, or no validation rows where they are asked for.

    Examples
    --------
    >>> from ensembler import load_predictions
    >>> from ensembler.predictions import bundled
    >>> result = compare_rules(load_predictions(bundled.published_folder()), ["mean", "median", "accuracy-weighted"])
    >>> [(entry.name, round(entry.metrics["accuracy"], 4)) for entry in result.rules]
    [('accuracy-weighted', 0.6918), ('median', 0.6885), ('mean', 0.686)]
    >>> result.chosen, result.luckiest
    ('median', 'accuracy-weighted')
    """
    check_seed(seed, folds)
    if int(n_resamples) != n_resamples or not (n_resamples == 0 or n_resamples >= FEWEST_RESAMPLES):
        raise ParameterError(f"resamples is {n_resamples}, expected 0 (no intervals) or at least {FEWEST_RESAMPLES}")
    if letters and not n_resamples:
        raise ParameterError("letters need resamples, and resamples is 0")
    if not hasattr(predictions, "truth"):
        got = type(predictions).__name__
        raise UsageError(
            f"predictions is a {got}, expected Predictions: load_predictions(…) or Predictions(proba, labels)"
        )
    metrics = list_metrics(metric, predictions)
    fit_on = resolve_fit_on(fit_on, part, predictions)
    candidates = calibrated(list_candidates(rules, predictions, metrics[0]), calibrate, predictions)
    fitting, scored = divide(predictions, fit_on, DEFAULT_PART if part is None else part, seed)
    parts = make_folds(fitting.truth, fitting.groups, folds, seed)
    grave = list(doctor.grave(predictions))
    for finding in grave:
        warnings.warn(f"{finding} (`ensembler check` looks closer)", DataWarning, stacklevel=2)
    notes = []
    if scored.sample_weight is not None and fitting.sample_weight is None:
        notes.append("row weights are given for the scored rows only; fits are unweighted")
    setting = Setting(
        fitting,
        scored,
        candidates,
        metrics,
        parts,
        folds,
        seed,
        Counter(progress, candidates, folds, fit_on == "cross"),
    )
    nested = None
    if fit_on == "cross":
        entries = score_crossed(setting)
        nested = choose_nested(setting, entries)
    else:
        entries = score_fitted(setting)
        choose_inside(setting, entries)
    reference = next((entry for entry in entries if entry.name == REFERENCE), None)
    entries = [entry for entry in entries if entry.name != REFERENCE]
    first = metrics[0]
    if reference is not None:
        for entry in entries:
            entry.gain = float(first.signed(entry.metrics[first.name] - reference.metrics[first.name]))
    members = score_members(setting)
    chosen = pick(entries, {entry.name: entry.choice_score for entry in entries}, first)
    ranked = sorted(entries, key=lambda one: (-ranking_value(first, one.metrics[first.name]), one.name != chosen))
    protocol = protocol_of(predictions, fit_on, part, parts, seed, fitting, scored, notes)
    verdict = judge(
        scored,
        metrics,
        ranked,
        members,
        reference,
        chosen,
        protocol,
        n_resamples=n_resamples,
        seed=seed,
        with_letters=letters,
    )
    return Comparison(
        predictions=predictions,
        scored=scored,
        protocol=protocol,
        metric_names=[one.name for one in metrics],
        members=members,
        rules=ranked,
        best_member=reference,
        left_out=[(one.name, one.left_out) for one in candidates if one.left_out is not None and one.name != REFERENCE],
        oracle=oracle_accuracy(scored),
        chosen=chosen,
        luckiest=ranked[0].name if ranked and math.isfinite(ranked[0].metrics[first.name]) else None,
        nested=nested,
        verdict=verdict,
        calibrate=calibrate,
        warnings=[str(finding) for finding in (*doctor.quick(predictions), *grave)],
    )


def fit_rule(
    predictions: Predictions,
    rule: str | Combiner,
    fit_on: str | None = None,
    *,
    metric: MetricLike = "accuracy",
    calibrate: str = "none",
) -> Combiner:
    """Fit one rule as the comparison does, on the validation rows or on all rows (``"test"``), ready for other rows.

    Rules written as text that have a metric of their own use ``metric``, as in the comparison.

    Raises
    ------
    NotApplicableError
        The rule cannot run on these predictions; the message is the reason.
    """
    fit_on = ("test" if predictions.validation is None else "val") if fit_on is None else fit_on
    if fit_on not in ("val", "test"):
        raise UsageError(f"fit_on is {fit_on!r}, expected 'val' or 'test': rules for other rows are fitted once")
    given = candidate(rule, predictions, own_metric(list_metrics(metric, predictions)[0]))
    [one] = calibrated([given], calibrate, predictions)
    if one.left_out is not None:
        raise NotApplicableError(f"{one.name}: {one.left_out}")
    return one.fit(divide(predictions, resolve_fit_on(fit_on, None, predictions), DEFAULT_PART, 0)[0])


def list_metrics(metric: MetricLike | Sequence[MetricLike], predictions: Predictions) -> list[Metric]:
    """Return the metrics asked for, then those that are always reported, each once."""
    asked = [metric] if isinstance(metric, str) or callable(metric) else list(metric)
    metrics = [get_metric(one) for one in asked]
    for index, one in enumerate(metrics):
        if one.name in [other.name for other in metrics[:index]] or METRICS.get(one.name, one) != one:
            raise UsageError(f"two metrics are called {one.name!r}; rename the function, or give it once")
    metrics += [METRICS[name] for name in ALWAYS if name not in [one.name for one in metrics]]
    if predictions.any_hard and metrics[0].needs_probabilities:
        raise UsageError(
            f"metric {metrics[0].name} needs probabilities, and some members are hard labels; "
            "choose by accuracy, balanced-accuracy, macro-f1 or mcc"
        )
    return metrics


def protocol_of(
    predictions: Predictions,
    fit_on: str,
    part: float | None,
    folds: Folds,
    seed: int,
    fitting: Predictions,
    scored: Predictions,
    notes: Sequence[str] = (),
) -> Protocol:
    """Write down which rows are fitted on and which are scored."""
    return Protocol(
        fit_on=fit_on,
        folds=len(folds.pairs) or None,
        fraction=(DEFAULT_PART if part is None else part) if fit_on == "part" else None,
        seed=seed,
        optimistic=fit_on == "test" or (fit_on == "val" and doctor.validation_is_scored(predictions)),
        n_fit=fitting.n_samples,
        n_scored=scored.n_samples,
        notes=[*([folds.note] if folds.note else []), *notes],
    )


def check_seed(seed: int, folds: int) -> None:
    """Refuse seeds and numbers of folds that cannot be."""
    if not 0 <= seed < 2**32 or int(seed) != seed:
        raise ParameterError(f"seed is {seed}, expected a whole number from 0 to {2**32 - 1}")
    if int(folds) != folds:
        raise ParameterError(f"folds is {folds}, expected a whole number")


def check_fit_on(fit_on: str | None, part: float | None) -> str | None:
    """Return where weights are to be fitted, None for the default; refuse unknown values and options without effect."""
    if fit_on is None and part is not None:
        return "part"
    if fit_on is not None and fit_on not in FIT_ON:
        raise UnknownNameError("value of fit_on", fit_on, FIT_ON)
    if part is not None and fit_on != "part":
        raise UsageError(f"part has no effect with fit_on {fit_on!r}; drop it, or fit on 'part'")
    return fit_on


def resolve_fit_on(fit_on: str | None, part: float | None, predictions: Predictions) -> str:
    """Return where weights are fitted, refusing what is not there."""
    fit_on = check_fit_on(fit_on, part) or ("cross" if predictions.validation is None else "val")
    if fit_on == "val":
        if predictions.validation is None:
            raise AlignmentError(
                "there are no validation rows to fit on; give some (val/ beside the members), or fit on 'cross'"
            )
        if predictions.groups is not None and predictions.validation.groups is None:
            raise UsageError(
                "groups have no effect: folds are made of the validation rows, which have no groups; give those too"
            )
    return fit_on


def own_metric(metric: Metric) -> str | Metric:
    """Return a metric as the parameter of a rule: the name of a registered one."""
    return metric.name if metric == METRICS.get(metric.name) else metric


def list_candidates(
    rules: Sequence[str | Combiner] | None, predictions: Predictions, metric: Metric
) -> list[Candidate]:
    """Bind the rules to the members, and add the best member that all are measured against."""
    asked = default_rules() if rules is None else [rules] if isinstance(rules, str) else list(rules)
    candidates = [candidate(rule, predictions, own_metric(metric)) for rule in asked]
    names = [one.name for one in candidates]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise UsageError(f"rule {name!r} is given twice; drop one")
    if not candidates:
        raise UsageError("no rules given, expected at least one")
    reference = BestMember(metric=own_metric(metric))
    return [*candidates, Candidate(REFERENCE, reference, reference)]


def check_calibrate(step: str, predictions: Predictions) -> None:
    """Refuse unknown steps, and members without probabilities."""
    if step not in CALIBRATE:
        raise UnknownNameError("value of calibrate", step, CALIBRATE)
    if step != "none" and predictions.any_hard:
        raise UsageError("calibration needs probabilities, and some members are hard labels; leave them or it out")


def check_members_calibrate(step: str, predictions: Predictions) -> None:
    """Refuse what committees do not have."""
    check_calibrate(step, predictions)
    if step == "ensemble":
        raise UsageError(
            "calibrate is 'ensemble', and committees have no temperature of their own; expected 'members' or 'none'"
        )


def calibrated(candidates: list[Candidate], step: str, predictions: Predictions) -> list[Candidate]:
    """Return the rules with temperature scaling before or after them."""
    check_calibrate(step, predictions)
    if step == "none":
        return candidates
    kind: Any = step
    return [
        Candidate(one.name, Calibrated(one.given, kind), Calibrated(one.rule, kind), one.left_out) for one in candidates
    ]


def divide(predictions: Predictions, fit_on: str, part: float, seed: int) -> tuple[Predictions, Predictions]:
    """Return the rows that are fitted on and the rows that are scored."""
    if fit_on == "val" and predictions.validation is not None:
        return predictions.validation, predictions
    if fit_on == "part":
        fitting, scored = split_part(predictions.truth, predictions.groups, part, seed)
        return predictions.take(fitting), predictions.take(scored)
    return predictions, predictions
