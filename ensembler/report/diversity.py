"""What ``ensembler diversity`` says."""

from typing import Any

import numpy as np

from ensembler.metrics.diversity import MORE_IS_DIVERSE
from ensembler.predictions.diagnosis.diversity import Diversity
from ensembler.predictions.prediction_set import Predictions
from ensembler.predictions.provenance import provenance
from ensembler.report.tables import Document, Table, number
from ensembler.serialization import jsonable

MOST_COLUMNS = 12
TITLES = {
    "q": "Yule's Q",
    "rho": "correlation ρ",
    "disagreement": "disagreement",
    "double-fault": "double fault",
    "entropy": "entropy E",
    "kw": "Kohavi–Wolpert variance",
    "kappa": "interrater κ",
    "difficulty": "difficulty θ",
    "generalised": "generalised diversity",
    "coincident-failure": "coincident failure",
}


def describe_diversity(found: Diversity, data: Predictions, seed: int, command: str | None = None) -> dict[str, Any]:
    """Return the diversity of a set as plain values."""
    document = {
        "schema": "ensembler.diversity/2",
        "members": list(data.names),
        "n_rows": data.n_samples,
        "pairs": found.pairs,
        "measures": found.measures,
        "ambiguity": None if found.ambiguity is None else vars(found.ambiguity),
        "coverage": found.coverage,
        "clusters": found.clusters,
        "gain_correlations": [vars(one) for one in found.gain_correlations],
        "n_committees": found.n_committees,
        "sampled": found.sampled,
        "reproducibility": provenance(data, seed, command),
    }
    plain = jsonable(document)
    assert isinstance(plain, dict)
    return plain


def diversity_document(found: Diversity, data: Predictions, measure: str) -> Document:
    """Arrange the diversity of a set for reading; ``measure`` fills the pairwise table."""
    parts: list[Table | str] = [f"{data.n_members} members, {data.n_samples:,} rows."]
    if data.n_members > 1:
        parts += [pair_table(found, data, measure), measure_table(found)]
    parts.append(coverage_table(found, data))
    parts.append(conclusion(found))
    return Document(parts)


def pair_table(found: Diversity, data: Predictions, measure: str) -> Table:
    """Show one pairwise measure as a matrix; with many members, each one's mean and its closest partner."""
    matrix = found.pairs[measure]
    title = f"Pairs: {TITLES.get(measure, measure)}"
    if data.n_members <= MOST_COLUMNS:
        headers = ["member", *(str(index + 1) for index in range(data.n_members))]
        rows = [
            [f"{index + 1} {name}", *("·" if other == index else number(value, 3) for other, value in enumerate(row))]
            for index, (name, row) in enumerate(zip(data.names, matrix.tolist(), strict=True))
        ]
        return Table(title, headers, rows)
    alike = found.pairs["different"] + np.eye(data.n_members) * 9
    rows = []
    for index, name in enumerate(data.names):
        partner = int(alike[index].argmin())
        others = np.delete(matrix[index], index)
        rows.append(
            [name, number(float(others.mean()), 3), data.names[partner], number(float(alike[index, partner]), 3)]
        )
    return Table(title, ["member", "mean", "most alike", "rows that differ"], rows, left=(0, 2))


def measure_table(found: Diversity) -> Table:
    """Show the ten measures, and whether they predict anything here."""
    rows = []
    for one in found.gain_correlations:
        direction = "more" if one.measure in MORE_IS_DIVERSE else "less"
        rows.append(
            [
                TITLES[one.measure],
                number(found.measures[one.measure], 3),
                direction,
                number(one.overall, 2, sign=True),
                number(one.with_accuracy, 2, sign=True),
            ]
        )
    which = "drawn" if found.sampled else "all"
    notes = [
        f"rank correlations over {which} {found.n_committees:,} committees of two or more, among those of one size",
        "positive: the more diverse, the better",
        "gain: accuracy of the mean over that of the committee's mean member",
    ]
    headers = ["measure", "value", "diverse if", "with the\ngain", "with the\naccuracy"]
    return Table("Measures of all members, and what they predict", headers, rows, notes, left=(0, 2))


def coverage_table(found: Diversity, data: Predictions) -> Table:
    """Show in how many rows at least k members are right."""
    shown = sorted({*range(1, min(data.n_members, 10) + 1), data.n_members})
    rows = [[str(k), number(float(found.coverage[k]))] for k in shown]
    notes = [
        "share of rows in which at least k members are right",
        "k = 1 is the oracle: no rule that picks among members' answers can do better",
    ]
    return Table("Coverage", ["k", "share"], rows, notes, left=())


def conclusion(found: Diversity) -> str:
    """Say what the spread of members is worth, who is redundant, and which measure tells most."""
    if not found.gain_correlations or found.n_committees == 0:
        return "There is one member only, so there is no diversity."
    text = ""
    if found.ambiguity is not None:
        apart = found.ambiguity
        text += (
            f"The mean's Brier score is {number(apart.ensemble)}: members have {number(apart.mean_member)} on average, "
            f"and their spread takes off {number(apart.spread)}. "
        )
    if found.clusters:
        groups = "; ".join(", ".join(group) for group in found.clusters)
        text += f"Nearly redundant: {groups}. "
    known = [one for one in found.gain_correlations if np.isfinite(one.with_accuracy)]
    if known:
        best = max(known, key=lambda one: abs(one.with_accuracy))
        verdict = "tells" if abs(best.with_accuracy) >= 0.5 else "tells little about"
        much = " much about" if verdict == "tells" else ""
        way = "the more diverse, the better" if best.with_accuracy > 0 else "the more diverse, the worse"
        text += (
            f"Of the ten measures, {TITLES[best.measure]} {verdict}{much} a committee's accuracy here "
            f"(rank correlation {number(best.with_accuracy, 2, sign=True)}, the largest of ten: {way})."
        )
    return text.strip()
