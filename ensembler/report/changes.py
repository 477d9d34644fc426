"""What ``ensembler compare`` and ``ensembler explain`` say."""

from typing import Any

from ensembler.comparison.results import Comparison
from ensembler.predictions.diagnosis.changes import Changes, RowChanges
from ensembler.predictions.diagnosis.hard_rows import HardRow
from ensembler.predictions.prediction_set import Predictions
from ensembler.predictions.provenance import provenance
from ensembler.report.bench import interval, p_value
from ensembler.report.tables import Document, Table, number
from ensembler.serialization import jsonable

MOST_VOTES = 4


def describe_changes(changes: Changes, data: Predictions, command: str | None = None) -> dict[str, Any]:
    """Return a comparison of two predictions as plain values."""
    pair = changes.pair
    document = {
        "schema": "ensembler.compare/1",
        "first": changes.first,
        "second": changes.second,
        "n_rows": pair.n_rows,
        "accuracy_intervals": changes.intervals,
        "metrics": [vars(one) for one in changes.metrics],
        "only_first_right": pair.b,
        "only_second_right": pair.c,
        "relabelled": changes.relabelled,
        "p_value": pair.p_value if data.groups is None else None,
        "smallest_detectable": pair.smallest_detectable if data.groups is None else None,
        "by_class": [vars(one) for one in changes.by_class],
        "gained": changes.gained,
        "lost": changes.lost,
        "n_resamples": changes.n_resamples,
        "reproducibility": provenance(data, changes.seed, command),
    }
    plain = jsonable(document)
    assert isinstance(plain, dict)
    return plain


def changes_document(changes: Changes, data: Predictions) -> Document:
    """Arrange a comparison of two predictions for reading."""
    metrics = Table(
        f"{changes.first} against {changes.second}, {changes.pair.n_rows:,} rows",
        ["metric", changes.first, changes.second, "lead", "95 % interval"],
        [
            [
                one.metric,
                number(one.first),
                number(one.second),
                number(one.difference, sign=True),
                interval(one.interval, sign=True),
            ]
            for one in changes.metrics
        ],
        [
            f"lead: positive where {changes.first} is better; paired bootstrap of the rows",
            f"accuracies, 95 %: {interval(changes.intervals[0])} and {interval(changes.intervals[1])}",
        ],
    )
    return Document([metrics, class_table(changes), changes_verdict(changes, data)])


def class_table(changes: RowChanges) -> Table:
    """Show what changed in each class."""
    rows = [
        [one.name, f"{one.rows:,}", str(one.gained), str(one.lost), f"{one.gained - one.lost:+d}"]
        for one in changes.by_class
    ]
    pair = changes.pair
    rows.append(["all", f"{pair.n_rows:,}", str(pair.b), str(pair.c), f"{pair.b - pair.c:+d}"])
    headers = ["class", "rows", "gained", "lost", "net"]
    notes = [f"rows that only {changes.first} is right about, and only {changes.second}"]
    return Table("Gained and lost", headers, rows, notes, strong=(len(rows) - 1,), total=True)


def changes_verdict(changes: Changes, data: Predictions) -> str:
    """Say whether the difference is noise."""
    pair = changes.pair
    accuracy = changes.metrics[0]
    if pair.b + pair.c == 0:
        return f"{changes.first} and {changes.second} are right and wrong about the same rows."
    lead = f"{abs(pair.difference) * 100:.2f} points"
    better = changes.first if pair.difference >= 0 else changes.second
    text = f"They say different classes in {changes.relabelled:,} rows; "
    if pair.difference == 0:
        text += "both are right equally often"
    else:
        noise = "not noise" if changes.shown else "untested" if accuracy.interval is None else "within noise"
        text += f"{better} is {lead} better, which is {noise}"
    if data.groups is None:
        text += f" (McNemar's exact p {p_value(pair.p_value)})"
        if pair.smallest_detectable is not None:
            text += (
                f". Rows that disagree so often show a difference of {pair.smallest_detectable * 100:.2f} points in 8 "
                "of 10 cases"
            )
    return text + "."


def told_votes(row: HardRow, classes: tuple[str, ...]) -> str:
    """Write the votes of a row, most first."""
    ranked = sorted((-votes, label) for label, votes in enumerate(row.votes) if votes)
    text = ", ".join(f"{classes[label]} × {-votes}" for votes, label in ranked[:MOST_VOTES])
    return text + (", …" if len(ranked) > MOST_VOTES else "")


def hard_table(title: str, heading: str, rows: list[HardRow], data: Predictions, notes: list[str]) -> Table:
    """Show hard rows."""
    cells = [
        [
            str(row.row) if data.ids is None else f"{row.row} ({data.ids[row.row]})",
            data.classes[row.label],
            data.classes[row.said],
            number(row.value, 3),
            told_votes(row, data.classes),
        ]
        for row in rows
    ]
    return Table(title, ["row", "label", "rule says", heading, "votes"], cells, notes, left=(0, 1, 2, 4))


def explain_document(
    result: Comparison, rule: str, changes: RowChanges, contested: list[HardRow], missed: list[HardRow], all_missed: int
) -> Document:
    """Arrange what a rule changed, and the rows that are hard, for reading."""
    data = result.scored
    pair = changes.pair
    head = (
        f"{rule} against the best member, {result.best_member_name}: of {pair.n_rows:,} rows it rescues {pair.b:,} and "
        f"breaks {pair.c:,}."
    )
    return Document([head, class_table(changes), *hard_tables(contested, missed, all_missed, data)])


def hard_tables(contested: list[HardRow], missed: list[HardRow], all_missed: int, data: Predictions) -> list[Table]:
    """Show the rows that members disagree on most, and those that all miss."""
    notes = [f"{all_missed:,} rows are missed by every member; a label that all contradict surely may be wrong"]
    return [
        hard_table("Most contested rows", "entropy", contested, data, ["entropy of the members' votes, in bits"]),
        hard_table("Missed by all, and sure of a wrong class", "p of it", missed, data, notes),
    ]


def describe_explanation(
    result: Comparison,
    rule: str,
    changes: RowChanges,
    contested: list[HardRow],
    missed: list[HardRow],
    all_missed: int,
    command: str | None = None,
) -> dict[str, Any]:
    """Return an explanation as plain values."""
    document = {
        "schema": "ensembler.explain/1",
        "rule": rule,
        "best_member": result.best_member_name,
        "class_names": list(result.scored.classes),
        "rescued": changes.gained,
        "broken": changes.lost,
        "by_class": [vars(one) for one in changes.by_class],
        "contested": [vars(row) for row in contested],
        "missed_by_all": all_missed,
        "missed": [vars(row) for row in missed],
        "protocol": vars(result.protocol),
        "reproducibility": provenance(result.predictions, result.protocol.seed, command),
    }
    plain = jsonable(document)
    assert isinstance(plain, dict)
    return plain


def votes_table(data: Predictions, row: int, rule: str, said: int) -> Table:
    """Show what every member said about one row."""
    label = int(data.truth[row])
    rows = []
    for name, hard, member in zip(data.names, data.hard, data.proba, strict=True):
        vote = int(member[row].argmax())
        shown = "–" if hard else number(float(member[row, vote]), 3)
        true = "–" if hard else number(float(member[row, label]), 3)
        rows.append([name, data.classes[vote], shown, true, "right" if vote == label else ""])
    title = f"Row {row}: label {data.classes[label]}, {rule} says {data.classes[said]}"
    return Table(title, ["member", "says", "p(says)", "p(label)", ""], rows, left=(0, 1, 4))
