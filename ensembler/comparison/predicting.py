"""What fitted rules predict of labelled rows, each of them by the rule that has not seen it."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ensembler.arrays import Floats, Rows, Values, as_slice, widened
from ensembler.combiners.base import Combiner
from ensembler.metrics.predicted import Predicted, are_kept
from ensembler.parallel.threads import side_by_side
from ensembler.predictions.prediction_set import Predictions

BLOCK_VALUES = 1 << 23
"""Probabilities of members that are combined at a time."""

Parts = Sequence[tuple[Rows, Combiner]]
"""Rows, and the rule that predicts them."""


def predicted_by(rule: Combiner, data: Predictions, rows: Rows | None = None) -> Predicted:
    """Return what a fitted rule predicts of some rows, by default all."""
    n_rows = data.n_samples if rows is None else len(rows)
    return predicted_in_folds([(np.arange(n_rows), rule)], data, rows)


def predicted_in_folds(parts: Parts, data: Predictions, rows: Rows | None = None) -> Predicted:
    """Return what fitted rules predict of the rows that belong to each, which together are all.

    ``rows`` are those of the data that are meant, by default all; parts are numbered among them.
    """
    labels = data.true_labels if rows is None else data.true_labels[rows]

    def make() -> Values:
        proba = np.empty((len(labels), data.n_classes))

        def predict(task: tuple[Rows, Combiner]) -> None:
            some, rule = task
            proba[as_slice(some)] = rule.predict_proba(members_of(data, rows, some), check_input=False)

        work = [(some, rule) for places, rule in parts for some in blocks(places, data)]
        if are_kept(len(labels), data.n_classes):
            for task in work:
                predict(task)
        else:
            side_by_side(predict, work)
        return proba

    return Predicted(labels, make, data.n_classes)


def predicted_of_each(
    rules: Mapping[str, Parts], data: Predictions, rows: Rows | None = None, *, together: bool
) -> dict[str, Predicted]:
    """Return the same of several rules; where probabilities are kept, a block of rows is taken once for all rules.

    Blocks are predicted side by side if ``together``.
    """
    labels = data.true_labels if rows is None else data.true_labels[rows]
    if not are_kept(len(labels), data.n_classes):
        return {name: predicted_in_folds(parts, data, rows) for name, parts in rules.items()}
    proba = {name: np.empty((len(labels), data.n_classes)) for name in rules}
    of_places: dict[int, tuple[Rows, list[tuple[str, Combiner]]]] = {}
    for name, parts in rules.items():
        for places, rule in parts:
            # Rules of one fold are given one and the same array of its rows, which is kept beside them.
            of_places.setdefault(id(places), (places, []))[1].append((name, rule))
    work = [(some, on_them) for places, on_them in of_places.values() for some in blocks(places, data)]

    def predict(task: tuple[Rows, list[tuple[str, Combiner]]]) -> None:
        some, on_them = task
        members = members_of(data, rows, some)
        for name, rule in on_them:
            proba[name][as_slice(some)] = rule.predict_proba(members, check_input=False)

    if together:
        side_by_side(predict, work)
    else:
        for task in work:
            predict(task)
    return {name: Predicted.of(labels, proba[name]) for name in rules}


def blocks(places: Rows, data: Predictions) -> Iterator[Rows]:
    """Yield rows so many at a time that little more than the result is kept."""
    size = max(1, BLOCK_VALUES // (data.n_members * data.n_classes))
    for start in range(0, len(places), size):
        yield places[start : start + size]


def members_of(data: Predictions, rows: Rows | None, some: Rows) -> Floats:
    """Return the members' probabilities of some of the rows."""
    return widened(data.proba[:, as_slice(some if rows is None else rows[some])])
