"""Fit every rule without the scored rows, score it on them, and say which one to use."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ensembler.combiners.base import Combiner
from ensembler.comparison.candidates import (
    Candidate,
    MetricLike,
    best_member,
    bind_rule,
    check_calibrate,
    list_candidates,
    list_metrics,
    own_metric,
)
from ensembler.comparison.choice import Choice, pick, ranking_value, score_choices
from ensembler.comparison.fitting import Fit
from ensembler.comparison.progress import FitCounter
from ensembler.comparison.protocol import DEFAULT_PART, Split, divide, resolve_fit_on, split_of
from ensembler.comparison.results import Comparison, MemberScore, PairedTest, RuleScore, Verdict
from ensembler.comparison.scoring import Measured, fit_rules, measure_all, measure_members, oracle_accuracy
from ensembler.comparison.verdict import Contest, Intervals, reach_verdict
from ensembler.errors import NotApplicableError, ParameterError, UsageError
from ensembler.metrics import Metric
from ensembler.metrics.bootstrap import FEWEST_RESAMPLES, RESAMPLES
from ensembler.metrics.intervals import wilson
from ensembler.parallel.progress import Progress
from ensembler.predictions.diagnosis import checks
from ensembler.predictions.diagnosis.findings import warn_of
from ensembler.predictions.prediction_set import Predictions


def compare_rules(
    predictions: Predictions,
    rules: Sequence[str | Combiner] | None = None,
    *,
    metric: MetricLike | Sequence[MetricLike] = "accuracy",
    fit_on: str | None = None,
    folds: int | None = None,
    part: float | None = None,
    seed: int | None = None,
    split: Split | None = None,
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
        ``"median"``, ``"exponential-weighted:q_min=0"``, ``Stacking()``; by default all registered rules that need no
        parameters.
    metric : str, Metric, callable, or a sequence of these
        The first one ranks and chooses; all are reported, beside accuracy, balanced accuracy, macro-F1, log loss,
        Brier score and ECE. A callable gets ``(labels, proba)``, more is better.
    fit_on, folds, part, seed
        Where weights are fitted, as in `Split.of`: on validation rows, by cross-fitting (5 folds), on a part of the
        rows, or on the scored rows. The seed also resamples the rows.
    split : Split, optional
        In place of these four.
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
    check_resamples(n_resamples, letters=letters)
    split = split_of(predictions, split, fit_on=fit_on, folds=folds, part=part, seed=seed)
    metrics = list_metrics(metric, predictions)
    candidates = list_candidates(rules, predictions, metrics[0], calibrate)
    findings = warn_of_findings(predictions)
    reference = best_member(metrics[0], calibrate)
    counter = FitCounter(progress, count_fits(candidates, split))
    best = next(iter(fit_rules([reference], split, counter)[0]), None)
    fits, left_out = fit_rules(candidates, split, counter)
    choice = score_choices(candidates, fits, split, metrics[0], counter)
    scores = score_all(split, metrics, fits, best, choice, n_resamples=n_resamples, with_letters=letters)
    first = metrics[0]
    luckiest = scores.rules[0] if scores.rules else None
    return Comparison(
        split=split,
        metrics=metrics,
        members=scores.members,
        rules=scores.rules,
        best_member=scores.best_member,
        left_out=tuple(left_out),
        oracle=oracle_accuracy(split.scored),
        chosen=scores.chosen,
        luckiest=luckiest.name if luckiest is not None and math.isfinite(luckiest.metrics[first.name]) else None,
        nested=choice.nested,
        verdict=scores.verdict,
        calibrate=calibrate,
        warnings=tuple(findings),
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
    check_calibrate(calibrate, predictions)
    candidate = bind_rule(rule, predictions, own_metric(list_metrics(metric, predictions)[0])).calibrated(calibrate)
    if candidate.left_out is not None:
        raise NotApplicableError(f"{candidate.name}: {candidate.left_out}")
    return candidate.fit(divide(predictions, resolve_fit_on(fit_on, None, predictions), DEFAULT_PART, 0)[0])


def check_resamples(n_resamples: int, *, letters: bool) -> None:
    """Refuse numbers of bootstrap samples that cannot be."""
    if int(n_resamples) != n_resamples or not (n_resamples == 0 or n_resamples >= FEWEST_RESAMPLES):
        raise ParameterError(f"resamples is {n_resamples}, expected 0 (no intervals) or at least {FEWEST_RESAMPLES}")
    if letters and not n_resamples:
        raise ParameterError("letters need resamples, and resamples is 0")


def warn_of_findings(predictions: Predictions) -> list[str]:
    """Warn of what spoils every figure; return that and all that costs nothing to see, for the result."""
    critical = list(checks.critical(predictions))
    warn_of(critical, stacklevel=3)
    return [str(finding) for finding in (*checks.quick(predictions), *critical)]


def count_fits(candidates: Sequence[Candidate], split: Split) -> int:
    """Return how many fits a comparison takes, with that of the best member."""
    trained = sum(candidate.rule.is_trainable for candidate in candidates)
    folded = trained * split.n_folds + len(candidates) - trained
    if split.cross_fitted:
        return len(candidates) + folded * (1 + split.n_folds) + 1 + split.n_folds
    return len(candidates) + folded + 1


@dataclass(frozen=True)
class Scores:
    """All rules and members with their figures, and what they come to."""

    rules: tuple[RuleScore, ...]
    members: tuple[MemberScore, ...]
    best_member: RuleScore | None
    chosen: str | None
    verdict: Verdict | None


def score_all(
    split: Split,
    metrics: tuple[Metric, ...],
    fits: Sequence[Fit],
    best: Fit | None,
    choice: Choice,
    *,
    n_resamples: int,
    with_letters: bool,
) -> Scores:
    """Measure rules and members, rank them, and reach a verdict."""
    first, scored = metrics[0], split.scored
    measured = {fit.name: measure_all(metrics, scored, fit.proba, split.seed) for fit in fits}
    base = None if best is None else measure_all(metrics, scored, best.proba, split.seed)
    members = measure_members(metrics, split)
    chosen = pick(fits, choice.scores, first)
    ranked = sorted(
        fits, key=lambda fit: (-ranking_value(first, measured[fit.name].metrics[first.name]), fit.name != chosen)
    )
    evidence = Evidence([{}] * len(ranked), [None] * len(ranked), [None] * len(ranked))
    verdict, best_intervals = None, Intervals()
    if ranked and n_resamples:
        contest = Contest.of(split, metrics, ranked, best, n_resamples)
        evidence = Evidence.of(contest)
        best_intervals = {} if contest.best_member is None else contest.intervals(contest.best_member)
        if contest.independent:
            members = [with_interval(member, scored.n_samples) for member in members]
        verdict = reach_verdict(
            contest,
            split,
            chosen,
            None if best is None else rule_score(best, base, None).heaviest_member(scored.names),
            evidence.against_best,
            evidence.against_mean,
            n_resamples=n_resamples,
            with_letters=with_letters,
        )
    rules = [
        replace(
            rule_score(fit, measured[fit.name], gain_over(base, measured[fit.name], first)),
            choice_score=choice.scores.get(fit.name),
            intervals=intervals,
            against_best=against_best,
            against_mean=against_mean,
        )
        for fit, intervals, against_best, against_mean in zip(
            ranked, evidence.intervals, evidence.against_best, evidence.against_mean, strict=True
        )
    ]
    reference = None if best is None else replace(rule_score(best, base, None), intervals=best_intervals)
    return Scores(tuple(rules), tuple(members), reference, chosen, verdict)


@dataclass(frozen=True)
class Evidence:
    """Intervals of every rule, and its tests against the best member and against the simple mean."""

    intervals: list[Intervals] = field(default_factory=list)
    against_best: list[PairedTest | None] = field(default_factory=list)
    against_mean: list[PairedTest | None] = field(default_factory=list)

    @classmethod
    def of(cls, contest: Contest) -> "Evidence":
        """Take them from what was resampled."""
        return cls(
            [contest.intervals(place) for place in range(len(contest.fits))],
            contest.test_against(contest.best_member, "best member", "best-member"),
            contest.test_against(contest.mean, "mean", "mean"),
        )


def rule_score(fit: Fit, measured: Measured | None, gain: float | None) -> RuleScore:
    """Put together what a rule is and what it measures."""
    assert measured is not None
    return RuleScore(
        fit.name,
        fit.rule,
        measured.metrics,
        measured.recall,
        fit.proba,
        gain=math.nan if gain is None else gain,
        fold_rules=fit.fold_rules,
        notes=fit.notes,
        calibration=measured.calibration,
        reliability=measured.reliability,
    )


def gain_over(base: Measured | None, measured: Measured, metric: Metric) -> float | None:
    """Return by how much a rule beats the best member; positive is better."""
    if base is None:
        return None
    return float(metric.signed(measured.metrics[metric.name] - base.metrics[metric.name]))


def with_interval(member: MemberScore, n_samples: int) -> MemberScore:
    """Return a member with Wilson's interval of its accuracy."""
    return replace(member, interval=wilson(round(member.metrics["accuracy"] * n_samples), n_samples))
