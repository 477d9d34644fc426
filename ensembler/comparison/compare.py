"""Fit every rule without the scored rows, score it on them, and say which one to use."""

from collections.abc import Sequence
from dataclasses import dataclass

from ensembler.arrays import Rows, Values
from ensembler.combiners.base import Combiner
from ensembler.comparison.advice import advise, is_known_default
from ensembler.comparison.candidates import (
    Balance,
    Candidate,
    MetricLike,
    best_member,
    bind_rule,
    check_balance,
    check_calibrate,
    list_candidates,
    list_metrics,
    own_metric,
)
from ensembler.comparison.choice import Choice, score_choices
from ensembler.comparison.fitting import Fit
from ensembler.comparison.outcome import Advice, Recommendation, are_some
from ensembler.comparison.progress import FitCounter
from ensembler.comparison.protocol import DEFAULT_PART, Split, check_predictions, divide, resolve_fit_on, split_of
from ensembler.comparison.results import Comparison
from ensembler.comparison.scores import Scores
from ensembler.comparison.scoring import LeftOut, fit_rules_in_folds, oracle_accuracy
from ensembler.comparison.verdict import Contest, Inference, reach_verdict
from ensembler.errors import NotApplicableError, ParameterError, Problems, UsageError, argument
from ensembler.metrics import METRICS, Metric
from ensembler.metrics.bootstrap import FEWEST_RESAMPLES, RESAMPLES
from ensembler.metrics.predicted import Predicted
from ensembler.parallel.blas import one_blas_thread
from ensembler.parallel.progress import Progress
from ensembler.predictions.diagnosis import checks
from ensembler.predictions.diagnosis.findings import warn_of
from ensembler.predictions.prediction_set import Predictions

MOST_TO_ADVISE, FEWEST_TO_ADVISE = 1 << 16, 1 << 11
"""Fitting rows that are enough to find which rule to use, and that are read however many members and classes."""
VALUES_TO_ADVISE = 1 << 23
"""Probabilities of members that these rows have, where they are not the fewest."""


@one_blas_thread
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
    balance: Balance = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare combination rules on one prediction set.

    Parameters
    ----------
    predictions : Predictions
        With labels. Row weights are used in fits and metrics, groups keep rows together in folds.
    rules : sequence of str or Combiner, optional
        ``"median"``, ``"exponential-weighted:q_min=0"``, ``Stacking()``; a family's name (``"pooled"``) for its rules,
        ``"all"`` for every one. By default all, those of plug-ins too, but the classic and dynamic ones.
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
    balance : float or "auto", optional
        Shift each rule's log probabilities, and the best member's, against the class prior: by τ times its logarithm,
        τ given or fitted on the rows that the rule is fitted on (`ensembler.combiners.balanced.Balanced`), for the
        first metric if it is balanced accuracy or macro-F1, else for balanced accuracy.
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
    >>> result.recommended, result.chosen, result.luckiest
    ('accuracy-weighted', 'median', 'accuracy-weighted')
    """
    check_predictions(predictions)
    problems = Problems()
    metrics: tuple[Metric, ...] = (METRICS["accuracy"],)
    with problems.collected():
        check_resamples(n_resamples, letters=letters)
    with problems.collected():
        split = split_of(predictions, split, fit_on=fit_on, folds=folds, part=part, seed=seed)
    with problems.collected():
        metrics = list_metrics(metric, predictions)
    with problems.collected():
        candidates = list_candidates(rules, predictions, metrics[0], calibrate, balance)
    problems.raise_all()
    findings = warn_of_findings(predictions)
    fitted = fit_and_advise(candidates, best_member(metrics[0], calibrate, balance), split, metrics[0], progress)
    best, choice, advice = fitted.best_member, fitted.choice, fitted.advice
    scores = Scores.of(split, metrics, fitted.fits, best, choice)
    verdict = None
    if advice is not None and n_resamples:
        contest = Contest.of(split, metrics, scores.ranked, best, n_resamples)
        inference = Inference.of(contest)
        verdict = reach_verdict(
            contest,
            inference,
            split,
            advice,
            scores.chosen,
            scores.best_member_name,
            n_resamples=n_resamples,
            letters=letters,
            of_some=are_some([candidate.name for candidate in candidates]),
        )
        scores = scores.with_inference(contest, inference)
    return Comparison(
        split=split,
        metrics=metrics,
        members=scores.members,
        rules=scores.rules,
        best_member=scores.best_member,
        left_out=fitted.left_out,
        oracle=oracle_accuracy(split.scored),
        chosen=scores.chosen,
        luckiest=scores.luckiest,
        nested=choice.nested,
        advice=advice,
        verdict=verdict,
        calibrate=calibrate,
        balance=balance,
        warnings=tuple(findings),
    )


@dataclass(frozen=True)
class Fitted:
    """All rules fitted on a split, and which to use.

    Attributes
    ----------
    fits : tuple of Fit
    best_member : Fit or None
        The best single member.
    left_out : tuple of (name, reason)
    choice : Choice
    advice : Advice or None
        None where no rule ran.
    """

    fits: tuple[Fit, ...]
    best_member: Fit | None
    left_out: tuple[tuple[str, str], ...]
    choice: Choice
    advice: Advice | None


def fit_and_advise(
    candidates: Sequence[Candidate], reference: Candidate, split: Split, metric: Metric, progress: Progress | None
) -> Fitted:
    """Fit all rules, and find the one to use."""
    counter = FitCounter(progress, count_fits(candidates, split))
    best, fits, left_out, predicted = fit_with_reference(candidates, reference, split, counter)
    choice = score_choices(candidates, fits, predicted, split, metric, counter)
    advice = advise(candidates, fits, choice, split, metric, counter)
    return Fitted(tuple(fits), best, tuple(left_out), choice, advice)


def fit_with_reference(
    candidates: Sequence[Candidate], reference: Candidate, split: Split, counter: FitCounter
) -> tuple[Fit | None, list[Fit], LeftOut, dict[str, Predicted]]:
    """Fit the best single member, and all rules; return what they predict of the fitting rows out of fold as well."""
    fits, left_out, predicted = fit_rules_in_folds([reference, *candidates], split, counter)
    best = next((fit for fit in fits if fit.name == reference.name), None)
    rules = [fit for fit in fits if fit is not best]
    return best, rules, [(name, why) for name, why in left_out if name != reference.name], predicted


@one_blas_thread
def recommend_rule(
    split: Split, metric: MetricLike = "accuracy", calibrate: str = "none", progress: Progress | None = None
) -> Recommendation | None:
    """Return the rule that `compare_rules` recommends of all rules, fitted; None where no rule ran.

    Which rule that is does not hang on the choice of one in nested folds, which is left out. Of more than 65,536
    fitting rows, or rows with more than 8,388,608 probabilities of members (but 2,048 at least), so many are drawn,
    without replacement, to find and to fit it.
    """
    first = list_metrics(metric, split.predictions)[0]
    candidates = list_candidates(None, split.predictions, first, calibrate)
    reference = best_member(first, calibrate)
    a_row = split.fitting.n_members * split.fitting.n_classes
    some, rows = split.sample(min(MOST_TO_ADVISE, max(FEWEST_TO_ADVISE, VALUES_TO_ADVISE // a_row)))
    counter = FitCounter(progress, count_fits(candidates, some))
    best, fits, _, predicted = fit_with_reference(candidates, reference, some, counter)
    if split.cross_fitted and is_known_default(fits, some):
        choice = Choice(predicted=predicted)
    else:
        choice = score_choices(candidates, fits, predicted, some, first, counter)
    advice = advise(candidates, fits, choice, some, first, counter)
    if advice is None:
        return None
    rule = next(fit for fit in fits if fit.name == advice.rule)
    return Recommendation(
        advice, predict_scored(rule, split, rows), predict_scored(best, split, rows) if best else None
    )


def predict_scored(fit: Fit, split: Split, rows: Rows | None) -> Values:
    """Return the probabilities of all scored rows, by a rule fitted on some of the fitting rows only.

    In cross-fitting those rows keep what rules said that have not seen them.
    """
    if rows is None:
        return fit.proba
    proba = fit.rule.predict_proba(split.scored.proba, check_input=False)
    if split.cross_fitted:
        proba[rows] = fit.proba
    return proba


@one_blas_thread
def fit_rule(
    predictions: Predictions,
    rule: str | Combiner,
    fit_on: str | None = None,
    *,
    metric: MetricLike = "accuracy",
    calibrate: str = "none",
    balance: Balance = None,
) -> Combiner:
    """Fit one rule as the comparison does, on the validation rows or on all rows (``"test"``), ready for other rows.

    Rules written as text that have a metric of their own use ``metric``, and τ of ``balance="auto"`` is fitted for it,
    as in the comparison.

    Raises
    ------
    NotApplicableError
        The rule cannot run on these predictions; the message is the reason.
    """
    fit_on = ("test" if predictions.validation is None else "val") if fit_on is None else fit_on
    if fit_on not in ("val", "test"):
        raise UsageError(f"fit_on is {fit_on!r}, expected 'val' or 'test': rules for other rows are fitted once")
    check_calibrate(calibrate, predictions)
    check_balance(balance)
    first = list_metrics(metric, predictions)[0]
    candidate = bind_rule(rule, predictions, own_metric(first)).calibrated(calibrate).balanced(balance, first)
    if candidate.left_out is not None:
        raise NotApplicableError(f"{candidate.name}: {candidate.left_out}")
    return candidate.fit(divide(predictions, resolve_fit_on(fit_on, None, predictions), DEFAULT_PART, 0)[0])


def check_resamples(n_resamples: int, *, letters: bool) -> None:
    """Refuse numbers of bootstrap samples that cannot be."""
    if int(n_resamples) != n_resamples or not (n_resamples == 0 or n_resamples >= FEWEST_RESAMPLES):
        raise ParameterError(
            f"{argument('n_resamples')} is {n_resamples}, expected 0 (no intervals) or at least {FEWEST_RESAMPLES}"
        )
    if letters and not n_resamples:
        raise ParameterError(f"{argument('letters')} needs resamples, and {argument('n_resamples')} is 0")


def warn_of_findings(predictions: Predictions) -> list[str]:
    """Warn of what spoils every figure; return that and all that costs nothing to see, for the result."""
    critical = list(checks.critical(predictions))
    warn_of(critical, stacklevel=3)
    return [str(finding) for finding in (*checks.quick(predictions), *critical)]


def count_fits(candidates: Sequence[Candidate], split: Split) -> int:
    """Return how many fits a comparison takes, with that of the best member."""
    learning = sum(candidate.learns_from(split.fitting) for candidate in candidates)
    n_folds, others = split.n_folds, len(candidates) - learning
    nested = n_folds * (learning * n_folds + others) if split.cross_fitted else 0
    return (learning + 1) * (1 + n_folds) + others + nested
