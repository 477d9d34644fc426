"""Tables and sentences of ``ensembler rank``: which rule to use, all rules, and what is shown of their differences."""

import math
from collections.abc import Sequence

from ensembler.metrics.differences import Tally
from ensembler.ranking.results import RankedRule, Ranking, pairs_against
from ensembler.report.differences import decimals, difference, difference_interval, scale, unit
from ensembler.report.learning_curve import learning_curve_table
from ensembler.report.tables import (
    MISSING,
    RECOMMENDED,
    Document,
    Table,
    count,
    format_p_value,
    mark_optimistic,
    number,
    some_of,
)

MOST_CLUSTERS = 4


def rank_document(ranking: Ranking) -> Document:
    """Arrange a ranking for reading: the answer first."""
    parts: list[Table | str] = [*ranking.sentences, rules_table(ranking), " ".join(findings(ranking))]
    pairs = pairs_table(ranking)
    parts += [] if pairs is None else [pairs]
    if ranking.learning_curve is not None:
        parts.append(learning_curve_table(ranking.learning_curve, ranking.recommended))
    return Document([part for part in parts if part])


def rules_table(ranking: Ranking) -> Table:
    """Show each rule over all sets, best mean rank first, with the recommended one marked."""
    rows = [rule_row(ranking, rule) for rule in ranking.rules]
    strong = [place for place, rule in enumerate(ranking.rules) if rule.name == ranking.recommended]
    headers = ["", "rule", "mean\nrank", "against\nmean", "against\nbest", "effect", "95 %"]
    headers += ["on a\nnew set", "τ", "rating"]
    title = f"Rules on {count(len(ranking.sets), 'set')}, by {ranking.metric.name}"
    title = mark_optimistic(title, optimistic=is_optimistic(ranking))
    return Table(title, headers, rows, rules_notes(ranking), left=(0, 1), strong=strong)


def is_optimistic(ranking: Ranking) -> bool:
    """Whether rules were fitted on the rows that are scored."""
    return bool(ranking.protocol["fit_on"] == "test")


def rule_row(ranking: Ranking, rule: RankedRule) -> list[str]:
    """Write one rule."""
    metric, effect = ranking.metric, rule.effect
    is_mean = rule.name == "mean"
    return [
        RECOMMENDED if rule.name == ranking.recommended else "",
        rule.name,
        number(rule.mean_rank, 1),
        MISSING if is_mean else wins_ties_losses(rule.against_mean),
        MISSING if rule.name == "best-member" else wins_ties_losses(rule.against_best_member),
        difference(metric, None if effect is None else effect.effect),
        difference_interval(metric, None if effect is None else effect.interval),
        difference_interval(metric, None if effect is None else effect.prediction_interval),
        MISSING if effect is None else number(scale(metric) * effect.tau, decimals(metric), points=metric.share),
        MISSING if rule.rating is None or not math.isfinite(rule.rating) else f"{rule.rating:.0f}",
    ]


def wins_ties_losses(tally: Tally) -> str:
    """Write on how many sets a rule is better, as good, and worse."""
    return f"{tally.wins}–{tally.ties}–{tally.losses}"


def rules_notes(ranking: Ranking) -> list[str]:
    """Say what the columns are, and which rules did not run everywhere."""
    against = "against mean, against best: on how many sets it is better–as good–worse than the mean, the best member"
    effect = f"effect: {unit(ranking.metric)} better than the mean, pooled over sets (random effects), and its interval"
    notes = [
        f"{RECOMMENDED} recommended: the best on average   mean rank: 1 is best",
        against,
        effect,
        "on a new set: 95 % prediction interval of the effect   τ: its standard deviation between sets",
        "rating: Bradley–Terry on the scale of Elo's, of mean 1000: 100 more win on 64 % of the sets",
    ]
    by_number: dict[int, list[str]] = {}
    for rule in ranking.rules:
        if rule.mean_rank is None:
            by_number.setdefault(rule.n_sets, []).append(rule.name)
    return notes + [
        f"without a rank, as they ran on {n_sets} of {count(ranking.n_clusters, 'set')} only: {', '.join(names)}"
        for n_sets, names in by_number.items()
    ]


def findings(ranking: Ranking) -> list[str]:
    """Return a sentence each on whether rules differ at all, by how much ranks must differ, and what was counted."""
    lines = []
    test = ranking.friedman
    if test is not None:
        text = f"Friedman's test that all rules rank alike: χ² = {test.statistic:.1f}, {p_value(test.p_value)}"
        if test.iman_davenport is not None:
            text += f"; Iman and Davenport's F = {test.iman_davenport:.2f}, {p_value(test.p_iman_davenport)}"
        lines.append(f"{text}.")
    if ranking.critical_difference is not None:
        lines.append(
            f"Critical difference (Nemenyi, 5 %): {ranking.critical_difference:.2f}; mean ranks closer than that are "
            "not shown to differ."
        )
    return [*lines, counted(ranking)]


def p_value(value: float | None) -> str:
    """Write a p-value with its letter."""
    text = format_p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def counted(ranking: Ranking) -> str:
    """Say how many sets there are, and which count once."""
    n_sets, n_clusters = len(ranking.sets), ranking.n_clusters
    rows = sum(values.n_rows for values in ranking.sets)
    text = f"{count(n_sets, 'set')}, {count(rows, 'scored row')}"
    if n_clusters == n_sets:
        return f"{text}; none share labels." if n_sets > 1 else f"{text}."
    together = [" = ".join(names) for names in shared(ranking)]
    named = some_of(together, MOST_CLUSTERS).replace(" and ", ", and ")
    return f"{text}; {n_clusters} are independent: sets that share labels or a name's pattern count once: {named}."


def shared(ranking: Ranking) -> list[list[str]]:
    """Return the sets of each cluster that has several."""
    by_cluster: dict[str, list[str]] = {}
    for values, cluster in zip(ranking.sets, ranking.clusters, strict=True):
        by_cluster.setdefault(cluster, []).append(values.name)
    return [names for names in by_cluster.values() if len(names) > 1]


def pairs_table(ranking: Ranking) -> Table | None:
    """Show each rule against the recommended one, and how probably it is worse, equivalent or better."""
    pairs = pairs_against(ranking.pairs, ranking.recommended)
    named = [pairs[rule.name] for rule in ranking.rules if rule.name in pairs]
    if not named:
        return None
    rows = [
        [
            pair.rule,
            format_p_value(pair.p_value),
            format_p_value(pair.p_holm),
            *(number(value, 2) for value in (pair.p_worse, pair.p_equivalent, pair.p_better)),
        ]
        for pair in named
    ]
    headers = ["rule", "Wilcoxon\np", "Holm's\np", "P(worse)", "P(equiv.)", "P(better)"]
    title = mark_optimistic(f"Each rule against {ranking.recommended}", optimistic=is_optimistic(ranking))
    return Table(title, headers, rows, pairs_notes(ranking))


def pairs_notes(ranking: Ranking) -> Sequence[str]:
    """Say which tests these are."""
    metric = ranking.metric
    rope = f"{scale(metric) * ranking.rope:g} {'points' if metric.share else metric.name}"
    notes = [
        f"P: Bayesian signed-rank test that the rule is worse, equivalent within ±{rope}, or better on most sets",
    ]
    if any(pair.p_value is not None for pair in ranking.pairs):
        notes.insert(0, f"p: Wilcoxon's signed-rank test; Holm's adjusts for all {len(ranking.pairs)} pairs tested")
    else:
        notes.insert(0, "p: Wilcoxon's signed-rank test needs 6 sets that share no labels")
    return notes
