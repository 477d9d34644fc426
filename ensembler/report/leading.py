"""Which rules and classes tables and figures show where there are too many to show all."""

import numpy as np
from numpy.typing import NDArray

from ensembler.comparison.results import Comparison, RuleScore

LEADING = 3
"""Rules that the first one is compared with in detail."""
MOST_CLASSES = 20
"""So many classes or fewer are all shown."""


def rule_named(result: Comparison, name: str | None) -> RuleScore | None:
    """Return the rule of that name, or None where there is none."""
    return next((entry for entry in result.rules if entry.name == name), None)


def recommended_rule(result: Comparison) -> str | None:
    """Return the name of the rule to use."""
    return result.recommended


def leading_rules(result: Comparison) -> list[str]:
    """Return the names of the rule to use, of the chosen one and of the mean, each once."""
    wanted = dict.fromkeys((recommended_rule(result), result.chosen, "mean"))
    return [name for name in wanted if name is not None and rule_named(result, name) is not None]


def compared_rules(result: Comparison) -> list[RuleScore]:
    """Return the rule to use, the chosen one and the best others; a single member is no ensemble to compare."""
    first = dict.fromkeys((result.recommended, result.chosen))
    leading = [entry for name in first for entry in result.rules if entry.name == name]
    others = [entry for entry in result.rules if entry.name not in first and entry.rule.name != "best-member"]
    return [*leading, *others][: 1 + LEADING] or list(result.rules[:1])


def best_member_recall(result: Comparison) -> NDArray[np.float64]:
    """Return the best member's recall of each class, (C,); NaN where there is no best member."""
    if result.best_member is None:
        return np.full(result.predictions.n_classes, np.nan)
    return result.best_member.recall


def losing_classes(result: Comparison) -> list[str]:
    """Return the classes whose recall the first compared rule has lower than the best member."""
    base, recall = best_member_recall(result), compared_rules(result)[0].recall
    return [name for label, name in enumerate(result.predictions.classes) if recall[label] < base[label]]


def shown_classes(base: NDArray[np.float64], recall: NDArray[np.float64]) -> list[int]:
    """Return all classes, or where they are many those in which the rule loses and gains most, in order."""
    if len(base) <= MOST_CLASSES:
        return list(range(len(base)))
    order = np.argsort(np.nan_to_num(recall - base), kind="stable")
    half = MOST_CLASSES // 2
    return sorted([*order[:half].tolist(), *order[-half:].tolist()])
