"""What many sets say, in two sentences."""

from collections.abc import Sequence

from ensembler.comparison.wording import format_signed_interval, fraction
from ensembler.metrics import Metric
from ensembler.metrics.intervals import Interval
from ensembler.metrics.pooling import PooledEffect
from ensembler.ranking.results import RankedRule, RulePair, pairs_against

MOST_NAMED = 4
SHOWN = 0.95
"""A rule is shown to be worse with this probability by the Bayesian signed-rank test.

Wilcoxon's test can hardly show it of few sets: after Holm's adjustment for all pairs, 8 sets never do.
"""


def ranking_sentences(
    metric: Metric,
    rules: Sequence[RankedRule],
    best: RankedRule,
    pairs: Sequence[RulePair],
    n_clusters: int,
    n_sets: int,
    *,
    optimistic: bool = False,
) -> tuple[str, ...]:
    """Say which rule to use and how sure that is, and what it costs to be simple."""
    where = f"{n_sets} set{'s' * (n_sets > 1)}"
    if n_clusters < n_sets:
        where += f" ({n_clusters} independent: sets of the same rows count once)"
    everywhere = [rule.name for rule in rules if rule.mean_rank is not None]
    missed = [rule.name for rule in rules if rule.mean_rank is None]
    all_of_them = " that ran on all of them" if missed else ""
    text = f"Use {best.name}: on {where}, no rule{all_of_them} has a better {metric.name} on average"
    if missed and everywhere:
        text += f"; {', '.join(missed)} did not: rank sets with and without hard labels, or with few rows, apart"
    sentences = [f"{text}."]
    if best.effect is not None:
        sentences = [use_sentence(metric, best, where)]
        sentences += [cost_sentence(metric, rules, best, pairs)] if len(rules) > 1 else []
    if optimistic:
        sentences.append("Nothing follows for other rows: weights were fitted on the rows that are scored.")
    return tuple(sentences)


def use_sentence(metric: Metric, best: RankedRule, where: str) -> str:
    """Say what to use, what it gains over the mean, and what to expect of a new set."""
    effect = best.effect
    assert effect is not None
    tally = best.against_mean
    text = f"Use {best.name}: on {where} its {metric.name} is {points(metric, effect.effect)} than the mean's"
    if effect.interval is not None:
        text += f" (95 % interval {interval(metric, effect.interval)})"
    text += f", better on {tally.wins}, worse on {tally.losses}"
    ends = expected_on_a_new_set(metric, effect)
    if ends is not None:
        text += f"; expect {interval(metric, ends)} on a new set"
    elif effect.prediction_interval is not None:
        text += "; so few sets do not say what to expect of a new one"
    return f"{text}."


def expected_on_a_new_set(metric: Metric, effect: PooledEffect) -> Interval | None:
    """Return the prediction interval where it says something: shares differ by one at most, in either direction."""
    ends = effect.prediction_interval
    return None if ends is None or (metric.share and max(-ends[0], ends[1]) > 1) else ends


def cost_sentence(metric: Metric, rules: Sequence[RankedRule], best: RankedRule, pairs: Sequence[RulePair]) -> str:
    """Say which rules cannot be told apart from the best one, and what the mean would cost."""
    tests = pairs_against(pairs, best.name)
    alike = [rule.name for rule in rules if rule.name in tests and tests[rule.name].p_worse < SHOWN]
    sentence = f"Every other rule is worse on most sets with probability {SHOWN} or more"
    if alike:
        named = ", ".join(alike[:MOST_NAMED]) + (f" and {len(alike) - MOST_NAMED} more" * (len(alike) > MOST_NAMED))
        sentence = f"It cannot be told apart from {named}"
    mean = tests.get("mean")
    effect = best.effect
    if mean is None or effect is None:
        return f"{sentence}."
    cost = effect.effect * (100 if metric.share else 1)
    unit = " points" if metric.share else ""
    return (
        f"{sentence}; keeping to the mean costs {cost:.{2 if metric.share else 4}f}{unit}, and is worse on most sets "
        f"with probability {mean.p_worse:.2f}."
    )


def points(metric: Metric, effect: float) -> str:
    """Write a difference with its direction."""
    side = "better" if effect > 0 else "worse"
    return f"{abs(effect) * 100:.2f} points {side}" if metric.share else f"{fraction(abs(effect), 4)} {side}"


def interval(metric: Metric, ends: tuple[float, float]) -> str:
    """Write an interval of a difference."""
    return format_signed_interval(ends, share=metric.share)
