"""Sentences, tables and JSON of ``ensembler abstain``: when not to answer, and what that brings."""

import math
from collections.abc import Mapping
from typing import Any

from ensembler.comparison.calibration_rows import CalibratedRule
from ensembler.deployment.abstention import no_threshold
from ensembler.deployment.abstention_study import AbstentionStudy, Signal, curve_steps
from ensembler.metrics.intervals import LEVEL, Interval
from ensembler.metrics.selective import Answered, risk_interval
from ensembler.predictions.provenance import provenance
from ensembler.report.tables import (
    MISSING,
    SIGNIFICANT,
    Document,
    Table,
    count,
    format_interval,
    mark_optimistic,
    number,
)
from ensembler.serialization import document

SCHEMA = "ensembler.abstain/1"
MOST_LISTED = 20
"""Classes or groups that a table lists; of more, those with the most wrong answers."""


def abstain_document(study: AbstentionStudy) -> Document:
    """Arrange a study of abstention for reading: what to do first, then what it rests on."""
    parts: list[Table | str] = [" ".join(conclusion(study)), levels_table(study), signals_table(study)]
    optimistic = study.protocol.optimistic
    if study.abstention is not None:
        parts.append(parts_table("By class", "class", study.by_class, optimistic=optimistic))
        if study.by_group:
            parts.append(parts_table("By group", "group", study.by_group, optimistic=optimistic))
    parts.append(" ".join([*promise(study), *calibration_sentences(study.rule, "sets the threshold")]))
    return Document(parts)


def percent(value: float) -> str:
    """Write a share that was measured in per cent."""
    return MISSING if not math.isfinite(value) else f"{100 * value:.1f} %"


def wanted_percent(value: float) -> str:
    """Write a share that was asked for in per cent, without more digits than it has.

    >>> wanted_percent(1 - 0.05), wanted_percent(0.125)
    ('95 %', '12.5 %')
    """
    return f"{100 * value:.6g} %"


def interval_words(ends: Interval | None) -> str:
    """Write the interval of a share behind it, nothing where there is none."""
    if ends is None:
        return ""
    low, high = ends
    return f" (95 % interval {percent(low).removesuffix(' %')} to {percent(high)})"


def conclusion(study: AbstentionStudy) -> list[str]:
    """Say at which threshold how many rows are answered, and how often the answers are right."""
    if study.abstention is None:
        return [f"{capital(no_threshold(study.signal.final, study.risk))}.", without(study)]
    threshold, reached = study.abstention.threshold, study.reached
    if threshold == 0:
        use = f"Answer every row: {study.rule.name} is right about {percent(1 - reached.risk)} of them"
        return [f"{use}{right_interval(reached)}; a risk of {study.risk:g} needs no threshold."]
    by_fold = " (each fold by a threshold of its own)" if study.split.cross_fitted else ""
    use = f"Answer where {study.rule.name} has {signal_words(study.signal.name)} above {number(threshold)}"
    answers = f"{percent(reached.coverage)} of {count(reached.n_rows, 'scored row')} are answered{by_fold}"
    right = f"{percent(1 - reached.risk)} of the answers are right{right_interval(reached)}"
    return [f"{use}: {answers}, and {right}.", without(study), *worst_class(study)]


def without(study: AbstentionStudy) -> str:
    """Say how often the rule is right where it answers every row."""
    return f"Without a threshold {percent(study.rule.accuracy)} are right."


def worst_class(study: AbstentionStudy) -> list[str]:
    """Name the class whose answers are wrong more often than is wanted of all, if that is no chance among classes."""
    level = 1 - (1 - LEVEL) / len(study.by_class)
    shown = {
        name: part
        for name, part in study.by_class.items()
        if risk_interval(part.n_wrong, part.n_answered, level)[0] > study.risk
    }
    if not shown:
        return []
    name = max(shown, key=lambda name: shown[name].risk)
    wrong = f"{percent(shown[name].risk)} of the answers are wrong"
    return [f"Of class {name}, {wrong}: a risk is one of all answers together."]


def right_interval(reached: Answered) -> str:
    """Write the interval of the share of right answers."""
    return interval_words(None if reached.interval is None else (1 - reached.interval[1], 1 - reached.interval[0]))


def signal_words(name: str) -> str:
    """Return what a signal is called in a sentence.

    >>> signal_words("top-probability"), signal_words("agreement")
    ('a top probability', 'an agreement')
    """
    words = {
        "entropy": "a confidence by entropy",
        "mutual-information": "a confidence by mutual information",
    }
    plain = name.replace("-", " ")
    return words.get(name, f"{'an' if plain[0] in 'aeiou' else 'a'} {plain}")


def promise(study: AbstentionStudy) -> list[str]:
    """Say what holds of new rows, on what it rests, and what breaks it."""
    if study.abstention is None:
        return []
    kept, delta = study.abstention, study.delta
    assert kept.n_rows is not None
    promised = f"with {wanted_percent(1 - delta)} confidence, at most {wanted_percent(study.risk)} of the answers"
    rows = f"for the threshold was set on {count(kept.n_rows, 'row')}"
    how = "exact binomial bounds at 100 coverages that hold at once"
    return [f"Promised: {promised} to new rows are wrong, {rows} ({how}).", *breaking(study.rule, "threshold")]


def breaking(rule: CalibratedRule, what: str) -> list[str]:
    """Say what a promise needs, and what in this set speaks against it."""
    chosen = "it does not hold if members' epochs or settings were chosen on them"
    sentences = [
        f"It needs new rows that are drawn like these, and calibration rows that chose nothing else: {chosen}."
    ]
    if rule.protocol.optimistic:
        sentences.append("The scored rows are the validation rows here, so that what is measured flatters it.")
    data = rule.final.calibration
    if data.groups is not None:
        sentences.append(
            f"It is too strong here: the {what} counts rows of a group as independent, and they are alike."
        )
    if data.sample_weight is not None:
        sentences.append("The promise counts every row once; shares in the tables are weighted.")
    return sentences


def calibration_sentences(rule: CalibratedRule, does: str) -> list[str]:
    """Say which rows calibrated, what keeping them back costs, and what was doubtful."""
    n_back, n_fit = rule.final.calibration.n_samples, rule.final.weights.n_samples
    where = "validation rows" if rule.protocol.fit_on == "val" else "fitting rows"
    # Folds are nobody's business where there are none.
    of_split = rule.protocol.notes if rule.recommended or rule.split.cross_fitted else ()
    sentences = [f"Note: {note}." for note in (*of_split, *rule.notes)]
    if rule.share is None:
        return [f"{rule.name} learns nothing from labels, so that each of {n_back:,} {where} {does}.", *sentences]
    why = "recommended and fitted" if rule.recommended else "fitted"
    kept = f"{rule.name} is {why} on {n_fit:,} {where}, and each of the {n_back:,} others {does}"
    cost = f"scored {percent(rule.accuracy)}; fitted on all of them, {percent(rule.full_accuracy)}"
    return [f"{kept}: that is its cost ({cost}).", *sentences]


def capital(text: str) -> str:
    """Begin a sentence with a capital letter."""
    return text[:1].upper() + text[1:]


def levels_table(study: AbstentionStudy) -> Table:
    """Show thresholds that were set on calibration rows, what is promised of them, and what they do."""
    rows: list[list[str]] = []
    strong: list[int] = []
    for level in study.levels:
        if study.abstention is not None and level.threshold == study.abstention.threshold:
            strong = [len(rows)]
        scored = level.scored
        cells = [number(level.threshold), number(level.bound), number(scored.coverage), number(scored.risk)]
        rows.append([f"{100 * level.aimed:.0f} %", *cells, format_interval(scored.interval)])
    bound = f"risk at most: on new rows, at all coverages at once, with {wanted_percent(1 - study.delta)} confidence"
    notes = [
        "answered are rows above the threshold; risk: the share of the answers that is wrong, on the scored rows",
        bound,
    ]
    headers = ["aimed\nat", "threshold", "risk\nat most", "coverage", "risk", "95 % interval"]
    title = f"What a threshold of {study.signal.name.replace('-', ' ')} does"
    return Table(mark_optimistic(title, optimistic=study.protocol.optimistic), headers, rows, notes, strong=strong)


def signals_table(study: AbstentionStudy) -> Table:
    """Compare the signals of confidence."""
    first = study.signal
    rows = [signal_cells(signal, first) for signal in study.signals]
    beyond = "excess: beyond that of the best order of these rows"
    notes = [
        f"AURC: area under the risk–coverage curve, the mean of the risk over coverage; {beyond}",
        f"more: how much larger the area is than {first.name}'s, with its interval; {SIGNIFICANT} excludes 0",
        "AUROC: how probably a right row has more confidence than a wrong one",
    ]
    headers = ["confidence", "AURC", "excess", "more ", "95 % interval", "AUROC", "thresh-\nold", "cover-\nage", "risk"]
    title = f"Signals of confidence, at a risk of {study.risk:g}"
    return Table(mark_optimistic(title, optimistic=study.protocol.optimistic), headers, rows, notes, strong=(0,))


def signal_cells(signal: Signal, first: Signal) -> list[str]:
    """Write a row of the table of signals."""
    more, ends = MISSING + " ", None
    if signal is not first:
        ends = signal.area_difference
        excludes = ends is not None and (ends[0] > 0 or ends[1] < 0)
        more = number(signal.curve.aurc - first.curve.aurc, sign=True) + (SIGNIFICANT if excludes else " ")
    interval = format_interval(ends, sign=True)
    cells = [number(signal.curve.aurc), number(signal.curve.excess), more, interval, number(signal.auroc, 3)]
    if signal.threshold is None or signal.reached is None:
        return [signal.name, *cells, MISSING, number(0.0), MISSING]
    reached = signal.reached
    return [signal.name, *cells, number(signal.threshold), number(reached.coverage), number(reached.risk)]


def parts_table(title: str, what: str, found: Mapping[str, Answered], *, optimistic: bool) -> Table:
    """Show what comes of the rows of each class or group."""
    ranked = list(found.items())
    notes = [f"risk: the share of the {what}'s answered rows that is answered wrongly"]
    if len(ranked) > MOST_LISTED:
        worst = sorted(ranked, key=lambda item: -item[1].n_wrong)[:MOST_LISTED]
        ranked = [item for item in ranked if item in worst]
        notes.append(f"{len(found) - MOST_LISTED} with fewer wrong answers are not shown (--json has all)")
    rows = [
        [
            name,
            f"{part.n_rows:,}",
            f"{part.n_answered:,}",
            number(part.coverage),
            number(part.risk),
            format_interval(part.interval),
        ]
        for name, part in ranked
    ]
    headers = [what, "rows", "answered", "coverage", "risk", "95 % interval"]
    return Table(mark_optimistic(title, optimistic=optimistic), headers, rows, notes)


def describe_abstention(study: AbstentionStudy, command: str | None = None) -> dict[str, Any]:
    """Return a study as the document that ``--json`` prints."""
    body = {
        "rule": study.rule.name,
        "confidence": study.signal.name,
        "risk": study.risk,
        "delta": study.delta,
        "abstention": None if study.abstention is None else study.abstention.to_dict(),
        "reached": plain(study.reached),
        "accuracy": study.rule.accuracy,
        **calibration_facts(study.rule),
        "levels": [
            {
                "aimed": level.aimed,
                "threshold": level.threshold,
                "bound": level.bound,
                **plain(level.scored),
            }
            for level in study.levels
        ],
        "signals": [describe_signal(signal) for signal in study.signals],
        "curve": curve_points(study),
        "by_class": [{"name": name, **plain(part)} for name, part in study.by_class.items()],
        "by_group": [{"name": name, **plain(part)} for name, part in study.by_group.items()],
        "sentences": [*conclusion(study), *promise(study), *calibration_sentences(study.rule, "sets the threshold")],
        "protocol": vars(study.protocol),
    }
    return document(SCHEMA, body, provenance(study.predictions, study.protocol.seed, command))


def calibration_facts(rule: CalibratedRule) -> dict[str, Any]:
    """Return which rows calibrated, and what that costs."""
    return {
        "calibration": {
            "share": rule.share,
            "n_calibration": rule.final.calibration.n_samples,
            "n_fit": rule.final.weights.n_samples,
            "recommended": rule.recommended,
            "full_accuracy": rule.full_accuracy,
        }
    }


def plain(answered: Answered) -> dict[str, Any]:
    """Return plain values for JSON."""
    return dict(vars(answered))


def describe_signal(signal: Signal) -> dict[str, Any]:
    """Return plain values for JSON."""
    return {
        "name": signal.name,
        "aurc": signal.curve.aurc,
        "excess_aurc": signal.curve.excess,
        "aurc_difference": signal.area_difference,
        "auroc": signal.auroc,
        "threshold": signal.threshold,
        "reached": None if signal.reached is None else plain(signal.reached),
    }


def curve_points(study: AbstentionStudy) -> list[dict[str, Any]]:
    """Return the steps of the first signal's curve that have an interval."""
    steps = curve_steps(study.signal.curve)
    thresholds = study.signal.curve.thresholds[steps]
    return [
        {"threshold": float(threshold), **plain(part)} for threshold, part in zip(thresholds, study.band, strict=True)
    ]


def curve_rows(study: AbstentionStudy) -> list[dict[str, Any]]:
    """Return every signal's curve as rows of a table, intervals where there are some."""
    rows = []
    for signal in study.signals:
        curve = signal.curve
        for place, step in enumerate(curve_steps(curve).tolist()):
            ends = study.band[place].interval if signal is study.signal else None
            rows.append(
                {
                    "confidence": signal.name,
                    "threshold": curve.thresholds[step],
                    "coverage": curve.coverage[step],
                    "risk": curve.risk[step],
                    "low": None if ends is None else ends[0],
                    "high": None if ends is None else ends[1],
                }
            )
    return rows
