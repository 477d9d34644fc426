"""Tables, sentences and JSON of ``ensembler diversity``."""

from typing import Any

import numpy as np

from ensembler.metrics.diversity import MORE_IS_DIVERSE
from ensembler.predictions.diagnosis.diversity import FEWEST_COMMITTEES, Diversity
from ensembler.predictions.diagnosis.redundancy import Redundancy
from ensembler.predictions.prediction_set import Predictions
from ensembler.predictions.provenance import provenance
from ensembler.report.tables import Document, Table, count, number, some_of
from ensembler.serialization import document

SCHEMA = "ensembler.diversity/2"
MOST_COLUMNS, MOST_NAMED = 12, 6
STRONG_CORRELATION = 0.5
"""From such a rank correlation on, either way, a measure tells much about committees' accuracy."""
TITLES = {
    "q": "Yule's Q",
    "rho": "correlation ρ",
    "excess-agreement": "agreement κ beyond what accuracies imply",
    "disagreement": "disagreement",
    "double-fault": "double fault",
    "entropy": "entropy E",
    "kw": "Kohavi–Wolpert variance",
    "kappa": "interrater κ",
    "difficulty": "difficulty θ",
    "generalised": "generalised diversity",
    "coincident-failure": "coincident failure",
}


def describe_diversity(
    diversity: Diversity, data: Predictions, seed: int, command: str | None = None
) -> dict[str, Any]:
    """Return the diversity of a set as the document that ``--json`` prints."""
    body = {
        "members": data.names,
        "n_rows": data.n_samples,
        "missing": data.n_missing,
        "pairs": diversity.pairs,
        "measures": diversity.measures,
        "ambiguity": None if diversity.ambiguity is None else vars(diversity.ambiguity),
        "coverage": diversity.coverage,
        "clusters": diversity.redundancy.groups,
        "redundant": diversity.redundancy.redundant,
        "gain_correlations": [vars(correlation) for correlation in diversity.gain_correlations],
        "n_committees": diversity.n_committees,
        "sampled": diversity.sampled,
    }
    return document(SCHEMA, body, provenance(data, seed, command))


def diversity_document(diversity: Diversity, data: Predictions, measure: str) -> Document:
    """Arrange the diversity of a set for reading; ``measure`` fills the pairwise table."""
    parts: list[Table | str] = [f"{count(data.n_members, 'member')}, {count(data.n_samples, 'row')}."]
    if data.missing is not None:
        n_missing = int(data.n_missing.sum())
        parts.append(
            f"{count(n_missing, 'vote')} {'is' if n_missing == 1 else 'are'} missing: a pair is measured on the rows "
            "that both have answered, other measures on the rows that two or more have; a missing vote is never right."
        )
    if data.n_members > 1:
        parts += [pair_table(diversity, data, measure), measure_table(diversity)]
    parts.append(coverage_table(diversity, data))
    parts.append(" ".join(conclusion(diversity)))
    return Document(parts)


def pair_table(diversity: Diversity, data: Predictions, measure: str) -> Table:
    """Show one pairwise measure as a matrix; with many members, each one's mean and its closest partner."""
    matrix = diversity.pairs[measure]
    title = f"Pairs: {TITLES.get(measure, measure)}"
    if data.n_members <= MOST_COLUMNS:
        headers = ["member", *(str(index + 1) for index in range(data.n_members))]
        rows = [
            [f"{index + 1} {name}", *("·" if other == index else number(value, 3) for other, value in enumerate(row))]
            for index, (name, row) in enumerate(zip(data.names, matrix.tolist(), strict=True))
        ]
        return Table(title, headers, rows)
    alike = np.nan_to_num(diversity.pairs["different"] + np.eye(data.n_members) * 9, nan=np.inf)
    rows = []
    for index, name in enumerate(data.names):
        partner = int(alike[index].argmin())
        others = np.delete(matrix[index], index)
        rows.append(
            [name, number(float(others.mean()), 3), data.names[partner], number(float(alike[index, partner]), 3)]
        )
    return Table(title, ["member", "mean", "most alike", "rows that differ"], rows, left=(0, 2))


def measure_table(diversity: Diversity) -> Table:
    """Show the ten measures, and whether they predict anything here."""
    rows = [
        [
            TITLES[correlation.measure],
            number(diversity.measures[correlation.measure], 3),
            "more" if correlation.measure in MORE_IS_DIVERSE else "less",
            number(correlation.overall, 2, sign=True),
            number(correlation.with_accuracy, 2, sign=True),
        ]
        for correlation in diversity.gain_correlations
    ]
    which = "drawn" if diversity.sampled else "all"
    notes = [
        f"rank correlations over {which} {diversity.n_committees:,} committees of two or more, among those of one size",
        f"sizes with fewer than {FEWEST_COMMITTEES} committees count for nothing",
        "positive: the more diverse, the better",
        "gain: accuracy of the mean over that of the committee's mean member",
    ]
    headers = ["measure", "value", "diverse if", "with the\ngain", "with the\naccuracy"]
    return Table("Measures of all members, and what they predict", headers, rows, notes, left=(0, 2))


def coverage_table(diversity: Diversity, data: Predictions) -> Table:
    """Show in how many rows at least k members are right."""
    shown = sorted({*range(1, min(data.n_members, 10) + 1), data.n_members})
    rows = [[str(k), number(float(diversity.coverage[k]))] for k in shown]
    notes = [
        "share of rows in which at least k members are right",
        "k = 1 is the oracle: no rule that picks among members' answers can do better",
    ]
    return Table("Coverage", ["k", "share"], rows, notes, left=())


def redundancy_sentences(found: Redundancy) -> list[str]:
    """Say which members err alike, and which of them add nothing; nothing where none do."""
    if not found.groups:
        return []
    groups = "; ".join(
        f"{some_of(group, MOST_NAMED)} (κ {'' if len(group) == 2 else 'at least '}{number(kappa, 2)})"
        for group, kappa in zip(found.groups, found.closest, strict=True)
    )
    sentences = [f"Err alike, beyond what their accuracies imply: {groups}."]
    if not found.redundant:
        return [*sentences, "Committees are better by each of them all the same, so that none is redundant."]
    names = some_of(found.redundant, MOST_NAMED)
    verb = "are" if len(found.redundant) > 1 else "is"
    return [
        *sentences,
        f"Of these, {names} {verb} redundant: committees are no better by {'them' if verb == 'are' else 'it'}.",
    ]


def conclusion(diversity: Diversity) -> list[str]:
    """Return the sentences that say what spread is worth, who errs alike, and which measure tells most."""
    if not diversity.gain_correlations or diversity.n_committees == 0:
        return ["There is one member only, so there is no diversity."]
    sentences = []
    if diversity.ambiguity is not None:
        parts = diversity.ambiguity
        sentences.append(
            f"The mean's Brier score is {number(parts.ensemble)}: members have {number(parts.mean_member)} on average, "
            f"and their spread takes off {number(parts.spread)}."
        )
    sentences += redundancy_sentences(diversity.redundancy)
    known = [correlation for correlation in diversity.gain_correlations if np.isfinite(correlation.with_accuracy)]
    if known:
        best = max(known, key=lambda correlation: abs(correlation.with_accuracy))
        tells = "tells much about" if abs(best.with_accuracy) >= STRONG_CORRELATION else "tells little about"
        way = "the more diverse, the better" if best.with_accuracy > 0 else "the more diverse, the worse"
        sentences.append(
            f"Of the ten measures, {TITLES[best.measure]} {tells} a committee's accuracy here "
            f"(rank correlation {number(best.with_accuracy, 2, sign=True)}, the largest of ten: {way})."
        )
    return sentences
