"""Which rule to use: the default that many prediction sets name, unless this set shows another to be better.

The scored rows have no part in it, so that they are an untouched test of what is recommended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ensembler.arrays import present_classes
from ensembler.combiners.registry import default_rules
from ensembler.combiners.wrapped import WrappedRule
from ensembler.comparison.candidates import REFERENCE, Candidate
from ensembler.comparison.choice import Choice
from ensembler.comparison.evidence import DECIDING, Evidence, Kind, shipped_evidence
from ensembler.comparison.fitting import Fit, cross_fit
from ensembler.comparison.folds import make_folds
from ensembler.comparison.outcome import Advice, SetsGain, ShownBetter
from ensembler.comparison.progress import FitCounter
from ensembler.comparison.protocol import Split
from ensembler.comparison.scoring import measure
from ensembler.metrics import METRICS, TIED_DECIMALS, Metric
from ensembler.metrics.differences import Difference, paired_difference
from ensembler.metrics.paired import ALPHA
from ensembler.metrics.predicted import Predicted
from ensembler.predictions.prediction_set import Predictions
from ensembler.predictions.provenance import label_checksums

REPEATS = 5
"""Cross-fittings that a rule has to be shown better in, averaged, before the default yields to it."""
MARGINS = {"log-loss": 0.02}
MARGIN = 0.005
"""A gain has to exceed this margin; over many sets, smaller shown gains were none on other rows."""


def advise(
    candidates: Sequence[Candidate],
    fits: Sequence[Fit],
    choice: Choice,
    split: Split,
    metric: Metric,
    counter: FitCounter,
    evidence: Evidence | None = None,
) -> Advice | None:
    """Return which rule to use; None where none could run.

    Parameters
    ----------
    candidates, fits : sequences of Candidate and of Fit
        The rules, and those that could be fitted.
    choice : Choice
        With the probabilities of the fitting rows, out of fold.
    split : Split
    metric : Metric
        What another rule has to be shown better in.
    counter : FitCounter
    evidence : Evidence, optional
        By default what the package ships.
    """
    if not fits:
        return None
    evidence = (shipped_evidence() if evidence is None else evidence).without(label_checksums(split.predictions))
    eligible = [fit.name for fit in fits if not fit.rule.never_recommended] or [fit.name for fit in fits]
    advice = default_advice(eligible, split, evidence)
    if advice is None:
        # Nothing is known of any of them: what is chosen here is all there is.
        name = choice.best if choice.best in eligible else eligible[0]
        advice = Advice(name, name, None, 0, {}, split.protocol.n_fit, None)
    if any(isinstance(fit.rule, WrappedRule) for fit in fits):
        # What was measured of rules as they are says less of calibrated or shifted ones.
        advice = replace(advice, gains={})
    # Rows that lack a class cannot show which rule is better for all of them.
    some_missing = len(present_classes(split.fitting.true_labels)) < split.fitting.n_classes
    better = None
    if not some_missing and split.scored.n_members > 1:
        better = find_better(candidates, advice.default, choice, split, metric, counter)
    rule = advice.default if better is None else better.rule
    fit = next(fit for fit in fits if fit.name == rule)
    any_hard = split.scored.any_hard
    return replace(
        advice,
        rule=rule,
        shown_better=better,
        below_best_member=below_best_member(rule, choice, split.fitting, metric),
        choosing=evidence.choosing_tally(metric.name) if rule == evidence.always and not any_hard else None,
        unused=unused_members(fit, split.predictions.names),
        only_decisions=not (fit.rule.fits_proper_score() or any_hard),
    )


def is_known_default(fits: Sequence[Fit], split: Split) -> bool:
    """Whether many sets name a default among these rules."""
    evidence = shipped_evidence().without(label_checksums(split.predictions))
    return default_advice([fit.name for fit in fits], split, evidence) is not None


def unused_members(fit: Fit, names: Sequence[str]) -> tuple[str, ...]:
    """Return the members that a rule reads in no fold; none for the best single member, whose name says it."""
    if fit.name == "best-member":
        return ()
    used = {member for rule in (fit.rule, *fit.fold_rules) for member in rule.members_used()}
    return tuple(name for member, name in enumerate(names) if member not in used)


def default_advice(names: Sequence[str], split: Split, evidence: Evidence) -> Advice | None:
    """Return what many sets say; None if they know none of the rules."""
    kind: Kind = "hard labels" if split.scored.any_hard else "probabilities"
    best = evidence.default_rule(names, kind)
    if best is None:
        return None
    pays_from, n_fit = evidence.pays_from(best, kind), split.protocol.n_fit
    fallback = reason_for_mean(split, pays_from) if "mean" in names and best != "mean" else None
    default = best if fallback is None else "mean"
    found = {
        metric: (evidence.average(best, metric, kind), evidence.effect(best, metric, kind))
        for metric in dict.fromkeys((DECIDING[kind], "accuracy"))
        if best != "mean"
    }
    gains = {
        metric: SetsGain(average, effect)
        for metric, (average, effect) in found.items()
        if average is not None and effect is not None
    }
    further = [name for name in names if name not in default_rules()]
    unknown = tuple(name for name in further if evidence.average(name, DECIDING[kind], kind) is None)
    return Advice(default, default, best, evidence.n_sets(kind), gains, n_fit, pays_from, fallback, unknown)


def reason_for_mean(split: Split, pays_from: int | None) -> str | None:
    """Return why the mean is the answer whatever many sets say; None where it is not."""
    if split.predictions.n_members == 1:
        return "there is only one member, so that there is nothing to combine"
    if len(present_classes(split.fitting.true_labels)) < 2:
        return "the fitting rows are all of one class"
    n_fit = split.protocol.n_fit
    if pays_from is None or n_fit < pays_from:
        needed = "" if pays_from is None else f", and it pays from {pays_from} on"
        return f"there are {n_fit} fitting rows{needed}"
    return None


def find_better(
    candidates: Sequence[Candidate], default: str, choice: Choice, split: Split, metric: Metric, counter: FitCounter
) -> ShownBetter | None:
    """Return the best of the rules that are shown to be better than the default on the fitting rows.

    One cross-fitting tells which rules may be; those are cross-fitted again with other folds, and have to be shown
    better by what they gain on average. At both steps p-values are adjusted for all rules by Bonferroni's method.
    """
    barred = {REFERENCE, *(candidate.name for candidate in candidates if candidate.rule.never_recommended)}
    others = [name for name in choice.predicted if name != default and name not in barred]
    if default not in choice.predicted or not others:
        return None
    gains = compare_rows(metric, split, choice.predicted, default, others)
    likely = [name for name in others if p_value(gains[name], metric) * len(others) < ALPHA]
    if not likely:
        return None
    repeated = [candidate for candidate in candidates if candidate.name in (default, *likely)]
    found = {name: [gains[name]] for name in likely}
    counter.total += (REPEATS - 1) * len(split.folds.pairs) * len(repeated)
    for repeat in range(1, REPEATS):
        folds = make_folds(split.fitting.true_labels, split.fitting.groups, split.n_folds, split.seed + repeat)
        predicted = cross_fit(repeated, split.fitting, folds, counter.tick).predicted
        for name, gain in compare_rows(metric, split, predicted, default, likely).items():
            found[name].append(gain)
    better = []
    for name, repeats in found.items():
        gain = Difference(
            float(np.mean([one.value for one in repeats])), float(np.mean([one.standard_error for one in repeats]))
        )
        adjusted = min(1.0, p_value(gain, metric) * len(others))
        if adjusted < ALPHA:
            better.append(ShownBetter(name, gain, adjusted, len(others), REPEATS, split.cross_fitted))
    return max(better, key=lambda item: item.gain.value, default=None)


def compare_rows(
    metric: Metric, split: Split, predicted: Mapping[str, Predicted], default: str, names: Sequence[str]
) -> dict[str, Difference]:
    """Return by how much some rules are better than the default on the fitting rows."""
    data = split.fitting
    reached = measure(metric, data, predicted[default])
    gains = {}
    for name in names:
        gain = float(metric.signed(measure(metric, data, predicted[name]) - reached))
        gains[name] = Difference(gain, np.nan)
        if gain > margin(metric):
            # The standard error of a metric of the user's own is slow, and needed only where there is a gain.
            gains[name] = paired_difference(
                metric,
                data.true_labels,
                predicted[name],
                predicted[default],
                sample_weight=data.sample_weight,
                groups=data.groups,
                seed=split.seed,
            )
    return gains


def p_value(gain: Difference, metric: Metric) -> float:
    """Return the one-sided p-value that a gain is no larger than the margin; 1 where nothing can be said."""
    from scipy.special import ndtr

    if not gain.standard_error > 0:
        return 1.0
    return float(ndtr((margin(metric) - gain.value) / gain.standard_error))


def margin(metric: Metric) -> float:
    """Return the margin that a gain of a metric has to exceed; 0 for a metric of the user's own."""
    return MARGINS.get(metric.name, MARGIN if metric.name.partition(":")[0] in METRICS else 0.0)


def below_best_member(rule: str, choice: Choice, fitting: Predictions, metric: Metric) -> float | None:
    """Return by how much a rule's cross-fitted metric is below the best single model's; None where it is not."""
    if rule not in choice.predicted or REFERENCE not in choice.predicted:
        return None
    values = [measure(metric, fitting, choice.predicted[name]) for name in (rule, REFERENCE)]
    lead = round(float(metric.signed(values[0] - values[1])), TIED_DECIMALS)
    return -lead if lead < 0 else None
