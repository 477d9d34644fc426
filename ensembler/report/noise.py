"""Tables and notes of what is noise: intervals, and paired tests against the best member and the mean."""

from ensembler.comparison.outcome import PairedTest, Verdict
from ensembler.comparison.results import Comparison
from ensembler.comparison.wording import format_amount
from ensembler.metrics import Metric
from ensembler.report.differences import difference, difference_interval
from ensembler.report.tables import MISSING, Table, format_interval, format_p_value, mark_optimistic

ADJUSTED = (
    "adjusted by Holm for all rules against the same one; intervals are of one pair each, so that one may exclude 0 "
    "where p is above .05"
)


def difference_tables(result: Comparison, verdict: Verdict) -> list[Table]:
    """Show each rule's interval, and its paired comparisons with the best member and with the simple mean."""
    against_best = [entry.against_best for entry in result.rules]
    against_mean = [entry.against_mean for entry in result.rules]
    tables = [difference_table(result, verdict, "best member", against_best, with_intervals=True)]
    if any(test is not None for test in against_mean):
        tables.append(difference_table(result, verdict, "mean", against_mean))
    return tables


def difference_table(
    result: Comparison,
    verdict: Verdict,
    other: str,
    tests: list[PairedTest | None],
    *,
    with_intervals: bool = False,
) -> Table:
    """Show paired comparisons of all rules with another one; with each rule's own interval and letters on demand."""
    metric = result.metric
    letters = verdict.letters if with_intervals else None
    rows = []
    for entry, test in zip(result.rules, tests, strict=True):
        cells = [entry.name]
        if with_intervals:
            cells.append(format_interval(entry.intervals.get(metric)))
        cells += difference_cells(test, result.first_metric)
        if letters is not None:
            cells.append(letters[entry.name])
        rows.append(cells)
    headers = ["rule", *([metric] if with_intervals else []), "difference", "95 % interval", "p, Holm"]
    left: tuple[int, ...] = (0,)
    if letters is not None:
        left = (0, len(headers))
        headers.append("letters")
    title = f"Noise or not: {metric} against the {other}"
    title = mark_optimistic(title, optimistic=result.protocol.optimistic)
    notes = test_notes(result, verdict) if with_intervals else power_notes(result)
    strong = [row for row, entry in enumerate(result.rules) if entry.name == result.recommended]
    return Table(title, headers, rows, notes, left=left, strong=strong)


def difference_cells(test: PairedTest | None, metric: Metric) -> list[str]:
    """Write a difference, its interval and its p-value."""
    if test is None:
        return [MISSING, MISSING, MISSING]
    return [
        difference(metric, test.difference),
        difference_interval(metric, test.interval),
        format_p_value(test.p_holm),
    ]


def interval_notes(result: Comparison, verdict: Verdict) -> list[str]:
    """Say where intervals and p-values come from."""
    samples = f"{verdict.n_resamples:,} bootstrap samples of the scored rows, fitted weights as they are"
    if result.metric != "accuracy":
        if not any(result.metric in entry.intervals for entry in result.rules):
            return [f"{result.metric} cannot be resampled, so that it has no intervals and no p-values"]
        how = f"by its standard error in these samples, {ADJUSTED}"
        return [f"95 % intervals: {samples}", f"p: of the difference in {result.metric}, {how}"]
    if result.scored.sample_weight is None and result.scored.groups is None:
        return [
            f"95 % intervals: Wilson's for accuracy, else {samples}",
            f"p: McNemar's exact test of the accuracies, {ADJUSTED}",
        ]
    return [
        f"95 % intervals: {samples}",
        "rows with weights or groups are no independent trials, so that there are no p-values and no letters",
    ]


def test_notes(result: Comparison, verdict: Verdict) -> list[str]:
    """Say where intervals and p-values come from, whether any rules differ, and what letters mean."""
    notes = interval_notes(result, verdict)
    of_accuracy = result.metric == "accuracy"
    if verdict.cochran is not None and len(result.rules) > 1:
        where = "" if of_accuracy else " in accuracy"
        p_value = format_p_value(verdict.cochran.p_value)
        notes.append(f"Cochran's Q that no rule differs from any other{where}: p {p_value}")
    if verdict.letters is not None:
        test = "McNemar" if of_accuracy else "the same p"
        notes.append(
            f"rules that share a letter are not shown to differ ({test}, Holm over all pairs), which is not 'equal'"
        )
    return notes


def power_notes(result: Comparison) -> list[str]:
    """Say how small a difference these rows could have shown, and what is excluded, for the chosen rule."""
    if result.chosen is None:
        return []
    test = result[result.chosen].against_mean or result[result.chosen].against_best
    if test is None:
        return []
    notes = []
    if test.smallest_detectable is not None:
        notes.append(
            f"{result.chosen} and {test.against} disagree so often that these rows show an accuracy difference of "
            f"{100 * test.smallest_detectable:.2f} points in 8 of 10 cases, and smaller ones less often"
        )
    if test.excluded_beyond is not None:
        beyond = format_amount(test.excluded_beyond, result.first_metric)
        notes.append(f"{result.chosen} and {test.against}: differences beyond ±{beyond} are excluded")
    return notes
