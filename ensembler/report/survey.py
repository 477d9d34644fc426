"""Everything there is to know about one prediction set, gathered: rules, committees, diversity, findings."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import call
from typing import Any, TypeVar

from ensembler.combiners.additive import AdditiveCombiner
from ensembler.combiners.base import Combiner, clone
from ensembler.combiners.calibrated import Calibrated
from ensembler.combiners.simple_average import SimpleAverage
from ensembler.comparison.compare import compare_rules
from ensembler.comparison.protocol import Split
from ensembler.comparison.results import Comparison
from ensembler.deployment.cascades.results import CascadeStudy
from ensembler.deployment.cascades.study import study_cascades
from ensembler.errors import NotApplicableError, UsageError
from ensembler.metrics.bootstrap import RESAMPLES
from ensembler.parallel.blas import one_blas_thread
from ensembler.parallel.progress import Progress
from ensembler.parallel.threads import side_by_side
from ensembler.predictions.diagnosis.checks import examine
from ensembler.predictions.diagnosis.diversity import Diversity, measure_diversity
from ensembler.predictions.diagnosis.findings import Finding
from ensembler.predictions.prediction_set import Predictions
from ensembler.subsets.baselines import with_baselines
from ensembler.subsets.describe import summarize_search, summarize_study
from ensembler.subsets.results import SubsetStudy
from ensembler.subsets.rules import EXACT_METRICS
from ensembler.subsets.search import SearchStudy, search_subsets
from ensembler.subsets.study import study_subsets

T = TypeVar("T")

EXACT_MEMBERS = 20
"""With so many members or fewer, every committee is evaluated: a million takes some tenths of a second."""
OTHER_METRIC_MEMBERS = 12
"""With so many or fewer, by metrics other than accuracy too."""
BEAM_WIDTH, BEAM_SIZE = 16, 30
BEAM_VALUES = 3e9
"""Scores that a search may look at; its beam becomes narrower and its committees smaller to stay below."""
MOST_CASCADING, CASCADE_STEPS = 12, 2e9
"""With so many members or fewer, and so many rows times pairs of committees, cascades are looked at."""
LISTED = 200
"""Committees whose members are known by name."""


@dataclass(frozen=True)
class Survey:
    """What is known about a set.

    Attributes
    ----------
    comparison : Comparison
    study : SubsetStudy or None
        Every committee, where there are not too many.
    search : SearchStudy or None
        Good committees of each size, where there are.
    cascades : CascadeStudy or None
        Which members to run first, where that is not too much work.
    diversity : Diversity or None
    findings : list of Finding or None
        What is suspicious about the set; None where nobody looked.
    left_out : tuple of (what, reason)
    """

    comparison: Comparison
    study: SubsetStudy | None = None
    search: SearchStudy | None = None
    cascades: CascadeStudy | None = None
    diversity: Diversity | None = None
    findings: list[Finding] | None = None
    left_out: tuple[tuple[str, str], ...] = ()


@one_blas_thread
def survey(
    predictions: Predictions,
    rules: Sequence[str | Combiner] | None = None,
    *,
    metric: Any = "accuracy",
    fit_on: str | None = None,
    folds: int | None = None,
    part: float | None = None,
    seed: int | None = None,
    split: Split | None = None,
    n_resamples: int = RESAMPLES,
    calibrate: str = "none",
    progress: Progress | None = None,
) -> Survey:
    """Compare rules, sweep or search committees, measure diversity and look for what is suspicious.

    Parameters
    ----------
    predictions, rules, metric, fit_on, folds, part, seed, split, n_resamples, calibrate
        As in `compare_rules`. Committees are judged by the same metric where a sweep can be, else by accuracy.
    progress : callable, optional
        Called as ``progress(done, total, what)``.
    """
    comparison = compare_rules(
        predictions,
        rules,
        metric=metric,
        fit_on=fit_on,
        folds=folds,
        part=part,
        seed=seed,
        split=split,
        n_resamples=n_resamples,
        calibrate=calibrate,
        progress=progress,
    )
    if predictions.n_members < 2:
        return Survey(comparison, findings=examine(predictions))
    parts: list[Callable[[], Any]] = [
        partial(attempted, partial(cheap_cascades, comparison.split)),
        partial(attempted, partial(committees, comparison, progress)),
        partial(measure_diversity, comparison.scored, comparison.split.seed),
        partial(examine, predictions),
    ]
    with warnings.catch_warnings():
        # Fits silence some warnings for all threads; only out here is it certain that this ends.
        (cascades, no_cascades), (found, no_committees), diversity, findings = side_by_side(call, parts)
    study, search = found or (None, None)
    diversity = replace(diversity, redundancy=diversity.redundancy.without(valued_members(study, search)))
    reasons = (("committees", no_committees), ("cascades", no_cascades))
    left_out = tuple((what, why) for what, why in reasons if why is not None)
    return Survey(comparison, study, search, cascades, diversity, findings, left_out)


def attempted(look: Callable[[], T]) -> tuple[T | None, str | None]:
    """Return what a look at the set finds, or why there is nothing to find."""
    try:
        return look(), None
    except (UsageError, NotApplicableError) as error:
        return None, str(error)


def valued_members(study: SubsetStudy | None, search: SearchStudy | None) -> set[str]:
    """Return the members that committees are better by on average, or that are in a chosen or the best committee."""
    if study is None:
        found = () if search is None else summarize_search(search).rules
        return {name for rule in found if rule.chosen is not None for name in rule.chosen.members}
    valued: set[str] = set()
    for rule in summarize_study(study).rules:
        best = [rule.luckiest, *([] if rule.chosen is None else [rule.chosen])]
        valued.update(name for committee in best for name in committee.members)
        valued.update(member.name for member in rule.members or () if member.mean_effect > 0)
    return valued


def cheap_cascades(split: Split) -> CascadeStudy:
    """Look at all cascades of the mean, where that takes a second or a few."""
    n_members, times = split.scored.n_members, len(split.folds.pairs) + 1 if split.cross_fitted else 1
    if n_members > MOST_CASCADING or 3.0**n_members * split.fitting.n_samples * times > CASCADE_STEPS:
        raise NotApplicableError("too many for a page; `ensembler cascade` looks at them")
    return study_cascades(split.predictions, split=split)


def committees(comparison: Comparison, progress: Progress | None) -> tuple[SubsetStudy | None, SearchStudy | None]:
    """Sweep every committee of the set where they are not too many, else search step by step."""
    data, split = comparison.predictions, comparison.split
    # Committees have no temperature of their own.
    calibrate = comparison.calibrate if comparison.calibrate == "members" else "none"
    rules: list[str | Combiner] = ["mean", *additive_rules(comparison)]
    if data.n_members <= EXACT_MEMBERS:
        few = data.n_members <= OTHER_METRIC_MEMBERS
        metric = comparison.metric if few and comparison.metric in EXACT_METRICS else "accuracy"
        study = study_subsets(
            data,
            rules,
            metric=metric,
            top=LISTED,
            calibrate=calibrate,
            split=split,
            progress=progress,
        )
        return with_baselines(study, comparison.recommendation), None
    size = min(BEAM_SIZE, data.n_members)
    values = size * data.n_members * split.fitting.n_samples * data.n_classes
    values *= (split.protocol.folds or 1) if split.cross_fitted else 1
    width = int(max(1, min(BEAM_WIDTH, BEAM_VALUES / (values * len(rules)))))
    search = search_subsets(
        data,
        rules,
        width=width,
        sizes=(1, size),
        calibrate=calibrate,
        split=split,
        progress=progress,
    )
    return None, with_baselines(search, comparison.recommendation)


def additive_rules(comparison: Comparison) -> list[Combiner]:
    """Return the chosen and the recommended rule where committees are sums of what members add, without the mean."""
    kept: list[Combiner] = []
    for name in dict.fromkeys((comparison.chosen, comparison.recommended)):
        rule = next((rule.rule for rule in comparison.rules if rule.name == name), None)
        if isinstance(rule, Calibrated):
            rule = rule.rule
        if isinstance(rule, AdditiveCombiner) and not isinstance(rule, SimpleAverage):
            kept.append(clone(rule))
    return kept
