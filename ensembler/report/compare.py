"""Tables, sentences and JSON of ``ensembler compare``."""

from typing import Any

import numpy as np

from ensembler.comparison.outcome import PairedTest
from ensembler.comparison.wording import noise_word
from ensembler.metrics import METRICS
from ensembler.predictions.diagnosis.changes import Changes, RowChanges
from ensembler.predictions.prediction_set import Predictions
from ensembler.predictions.provenance import provenance
from ensembler.report.differences import difference, difference_interval
from ensembler.report.tables import Document, Table, count, format_interval, format_p_value, number, one_line
from ensembler.serialization import document

SCHEMA = "ensembler.compare/1"


def describe_changes(changes: Changes, data: Predictions, command: str | None = None) -> dict[str, Any]:
    """Return a comparison of two predictions as the document that ``--json`` prints."""
    pair = changes.pair
    body = {
        "first": changes.first,
        "second": changes.second,
        "n_rows": pair.n_rows,
        "missing": dict(zip(data.names, data.n_missing.tolist(), strict=True)),
        "accuracy_intervals": changes.intervals,
        "metrics": [vars(metric) for metric in changes.metrics],
        "only_first_right": pair.b,
        "only_second_right": pair.c,
        "relabelled": changes.relabelled,
        "p_value": pair.p_value if data.groups is None else None,
        "smallest_detectable": pair.smallest_detectable if data.groups is None else None,
        "by_class": [vars(change) for change in changes.by_class],
        "gained": changes.gained,
        "lost": changes.lost,
        "n_resamples": changes.n_resamples,
    }
    return document(SCHEMA, body, provenance(data, changes.seed, command))


def changes_document(changes: Changes, data: Predictions) -> Document:
    """Arrange a comparison of two predictions for reading."""
    metrics = Table(
        f"{changes.first} against {changes.second}, {count(changes.pair.n_rows, 'row')}",
        ["metric", one_line(changes.first), one_line(changes.second), "lead", "95 % interval"],
        [
            [
                metric.metric,
                number(metric.first),
                number(metric.second),
                difference(METRICS[metric.metric], metric.difference),
                difference_interval(METRICS[metric.metric], metric.interval),
            ]
            for metric in changes.metrics
        ],
        [
            f"lead: positive where {changes.first} is better, of shares in points; paired bootstrap of the rows",
            f"accuracies, 95 %: {format_interval(changes.intervals[0])} and {format_interval(changes.intervals[1])}",
        ],
    )
    return Document([metrics, class_table(changes), " ".join([*unanswered(data), *conclusion(changes, data)])])


def unanswered(data: Predictions) -> list[str]:
    """Return the sentence that says what rows are taken for that a prediction leaves unanswered."""
    if data.missing is None:
        return []
    counts = ", ".join(f"{n:,} of {name}" for name, n in zip(data.names, data.n_missing.tolist(), strict=True) if n)
    largest = data.classes[int(np.bincount(data.true_labels).argmax())]
    return [f"Unanswered rows ({counts}) are taken for the most frequent class, {largest}."]


def class_table(changes: RowChanges) -> Table:
    """Show what changed in each class."""
    rows = [
        [change.name, f"{change.rows:,}", str(change.gained), str(change.lost), f"{change.gained - change.lost:+d}"]
        for change in changes.by_class
    ]
    pair = changes.pair
    rows.append(["all", f"{pair.n_rows:,}", str(pair.b), str(pair.c), f"{pair.b - pair.c:+d}"])
    headers = ["class", "rows", "gained", "lost", "net"]
    notes = [f"rows that only {changes.first} is right about, and only {changes.second}"]
    return Table("Gained and lost", headers, rows, notes, strong=(len(rows) - 1,), total=True)


def conclusion(changes: Changes, data: Predictions) -> list[str]:
    """Return the sentences that say whether the difference is noise, and what these rows could have shown."""
    pair = changes.pair
    if pair.b + pair.c == 0:
        return [f"{changes.first} and {changes.second} are right and wrong about the same rows."]
    first = f"They say different classes in {count(changes.relabelled, 'row')}; "
    if pair.difference == 0:
        first += "both are right equally often"
    else:
        better = changes.first if pair.difference > 0 else changes.second
        noise = noise_word(accuracy_test(changes, data))
        first += f"{better} is {abs(pair.difference) * 100:.2f} points better, which is {noise}"
    if data.groups is not None:
        return [first + "."]
    sentences = [f"{first} (McNemar's exact p {format_p_value(pair.p_value)})."]
    if pair.smallest_detectable is not None:
        sentences.append(
            f"Rows that disagree so often show a difference of {pair.smallest_detectable * 100:.2f} points in 8 of 10 "
            "cases."
        )
    return sentences


def accuracy_test(changes: Changes, data: Predictions) -> PairedTest:
    """Return the paired test of the two accuracies."""
    accuracy = changes.metrics[0]
    independent = data.groups is None
    return PairedTest.of(changes.second, changes.pair, accuracy.difference, accuracy.interval, independent=independent)
