"""Everything there is to know about one prediction set, gathered: rules, committees, diversity, findings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ensembler.combiners.base import AdditiveCombiner, Combiner, clone
from ensembler.combiners.calibrated import Calibrated
from ensembler.combiners.simple_average import SimpleAverage
from ensembler.comparison.compare import compare_rules
from ensembler.comparison.protocol import DEFAULT_PART, divide
from ensembler.comparison.results import Comparison
from ensembler.errors import UsageError
from ensembler.metrics.bootstrap import RESAMPLES
from ensembler.predictions.diagnosis import checks as doctor
from ensembler.predictions.diagnosis.checks import Finding
from ensembler.predictions.diagnosis.diversity import Diversity, measure_diversity
from ensembler.predictions.prediction_set import Predictions
from ensembler.subsets.results import SubsetStudy
from ensembler.subsets.rules import METRICS
from ensembler.subsets.search import SearchStudy, search_subsets
from ensembler.subsets.study import study_subsets

EXACT_MEMBERS = 20
"""With so many members or fewer, every committee is evaluated: a million takes some tenths of a second."""
OTHER_METRIC_MEMBERS = 12
"""With so many or fewer, by metrics other than accuracy too."""
BEAM_WIDTH, BEAM_SIZE = 16, 30
BEAM_VALUES = 3e9
"""Scores that a search may look at; its beam becomes narrower and its committees smaller to stay below."""
LISTED = 200
"""Committees whose members are known by name."""

Progress = Callable[[int, int, str], None]


@dataclass
class Survey:
    """What is known about a set.

    Attributes
    ----------
    comparison : Comparison
    study : SubsetStudy or None
        Every committee, where there are not too many.
    search : SearchStudy or None
        Good committees of each size, where there are.
    diversity : Diversity or None
    findings : list of Finding or None
        What the doctor says; None where nobody looked.
    left_out : list of (what, reason)
    """

    comparison: Comparison
    study: SubsetStudy | None = None
    search: SearchStudy | None = None
    diversity: Diversity | None = None
    findings: list[Finding] | None = None
    left_out: list[tuple[str, str]] = field(default_factory=list)


def survey(
    predictions: Predictions,
    rules: Sequence[str | Combiner] | None = None,
    *,
    metric: Any = "accuracy",
    fit_on: str | None = None,
    folds: int = 5,
    part: float | None = None,
    seed: int = 0,
    n_resamples: int = RESAMPLES,
    calibrate: str = "none",
    progress: Progress | None = None,
) -> Survey:
    """Compare rules, sweep or search committees, measure diversity and look for what is suspicious.

    Parameters
    ----------
    predictions, rules, metric, fit_on, folds, part, seed, n_resamples, calibrate
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
        n_resamples=n_resamples,
        calibrate=calibrate,
        progress=progress,
    )
    found = Survey(comparison)
    shared: dict[str, Any] = {"fit_on": comparison.protocol.fit_on, "folds": folds, "part": part, "seed": seed}
    # Committees have no temperature of their own.
    shared["calibrate"] = calibrate if calibrate == "members" else "none"
    shared["progress"] = progress
    if predictions.n_members > 1:
        try:
            found.study, found.search = committees(comparison, shared)
        except UsageError as error:
            found.left_out.append(("committees", str(error)))
        if progress is not None:
            progress(0, 1, "diversity")
        found.diversity = measure_diversity(comparison.scored, seed)
    if progress is not None:
        progress(0, 1, "looking for faults")
    found.findings = doctor.examine(predictions)
    return found


def committees(comparison: Comparison, shared: dict[str, Any]) -> tuple[SubsetStudy | None, SearchStudy | None]:
    """Sweep every committee of the set where they are not too many, else search step by step."""
    data = comparison.predictions
    names: list[str | Combiner] = ["mean", *additive_rules(comparison)]
    if data.n_members <= EXACT_MEMBERS:
        few = data.n_members <= OTHER_METRIC_MEMBERS
        metric = comparison.metric if few and comparison.metric in METRICS else "accuracy"
        return study_subsets(data, names, metric=metric, top=LISTED, **shared), None
    fitting, _ = divide(data, comparison.protocol.fit_on, shared["part"] or DEFAULT_PART, shared["seed"])
    size = min(BEAM_SIZE, data.n_members)
    one_wide = size * data.n_members * fitting.n_samples * data.n_classes
    one_wide *= (comparison.protocol.folds or 1) if comparison.protocol.fit_on == "cross" else 1
    width = int(max(1, min(BEAM_WIDTH, BEAM_VALUES / (one_wide * len(names)))))
    return None, search_subsets(data, names, width=width, sizes=(1, size), **shared)


def additive_rules(comparison: Comparison) -> list[Combiner]:
    """Return the chosen and the recommended rule where committees are sums of what members add, without the mean."""
    verdict = comparison.verdict
    wanted = [comparison.chosen, None if verdict is None else verdict.recommended]
    kept: list[Combiner] = []
    for name in dict.fromkeys(name for name in wanted if name is not None):
        rule = next((entry.rule for entry in comparison.rules if entry.name == name), None)
        if isinstance(rule, Calibrated):
            rule = rule.rule
        if isinstance(rule, AdditiveCombiner) and not isinstance(rule, SimpleAverage):
            kept.append(clone(rule))
    return kept
