"""The table of a learning curve: each rule's difference from the mean by number of fitting rows."""

from collections.abc import Sequence

from ensembler.ranking.learning_curve import LearningCurve, LearningPoint
from ensembler.report.differences import difference, unit
from ensembler.report.tables import MISSING, SIGNIFICANT, Table

MOST_SIZES = 7


def learning_curve_table(curve: LearningCurve, recommended: str | None = None, most: int = MOST_SIZES) -> Table:
    """Show each rule against the mean by number of fitting rows, and from how many on it pays."""
    sizes = spread(curve.sizes, most)
    rules = pays_first(curve)
    rows = []
    for rule in rules:
        by_size = {point.n_fit: point for point in curve.of(rule)}
        pays = curve.pays_from(rule)
        cells = [cell(curve, by_size.get(size)) for size in sizes]
        rows.append([rule, *cells, MISSING if pays is None else f"{pays:,}"])
    n_sets = {point.n_fit: point.n_sets for point in curve.points}
    several = max(n_sets.values(), default=1) > 1
    if several:
        rows.append(["sets", *(f"{n_sets[size]:,} " for size in sizes), ""])
    notes = [
        f"{unit(curve.metric)} better than the mean   {SIGNIFICANT} the 95 % interval excludes 0",
        "pays from: the fewest fitting rows from which on the rule is shown to be better, at every size tried",
        "fitting rows: stratified samples of the validation rows, or of half of the rows where there are none",
    ]
    if len(sizes) < len(curve.sizes):
        notes.append(f"{len(curve.sizes) - len(sizes)} sizes in between are not shown (--json has all)")
    strong = [rules.index(recommended)] if recommended in rules else []
    headers = ["rule", *(f"{size:,} " for size in sizes), "pays\nfrom"]
    return Table("Against the mean, by fitting rows", headers, rows, notes, strong=strong, total=several)


def spread(sizes: Sequence[int], most: int) -> list[int]:
    """Return some sizes, evenly among all, the largest always.

    >>> spread([10, 20, 40, 80, 100], 3)
    [10, 40, 100]
    """
    step = -(-len(sizes) // most)
    return list(sizes[::-1][::step][::-1])


def pays_first(curve: LearningCurve) -> list[str]:
    """Return the rules, those that pay from the fewest rows first, then by the difference at most rows."""

    def place(rule: str) -> tuple[float, float]:
        pays = curve.pays_from(rule)
        return float("inf") if pays is None else pays, -curve.of(rule)[-1].effect

    return sorted(curve.rules, key=place)


def cell(curve: LearningCurve, point: LearningPoint | None) -> str:
    """Write a difference, with a mark where its interval excludes 0."""
    if point is None:
        return f"{MISSING} "
    shown = point.interval is not None and (point.interval[0] > 0 or point.interval[1] < 0)
    return difference(curve.metric, point.effect) + (SIGNIFICANT if shown else " ")
