"""The rows that are hard: those that members disagree on, and those that all of them miss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Floats, Rows, Values
from ensembler.predictions.diagnosis.error_signals import UNCERTAIN, uncertainty_of
from ensembler.predictions.prediction_set import Predictions

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class HardRow:
    """A row that members disagree on, or that all of them miss.

    Attributes
    ----------
    row : int
    label, said : int
        The true class, and the class that the rule predicts.
    votes : (C,)
        How many members predict each class.
    value : float
        What the list is sorted by: the entropy of the votes in bits, or the members' mean probability of a wrong class.
    """

    row: int
    label: int
    said: int
    votes: tuple[int, ...]
    value: float


def count_votes(data: Predictions) -> NDArray[np.int64]:
    """Return how many members predict each class in each row, (N, C); a missing vote is none."""
    votes = np.zeros((data.n_samples, data.n_classes), dtype=np.int64)
    rows = np.arange(data.n_samples)
    for member, there in zip(data.votes, data.answered, strict=True):
        votes[rows[there], member[there]] += 1
    return votes


def mean_of_answers(data: Predictions, rows: Rows) -> Values:
    """Return the mean probabilities in some rows, (n, C), of the members that have answered; zeros where none has."""
    if data.missing is None:
        return np.asarray(data.proba[:, rows].mean(axis=0, dtype=np.float64))
    answers = np.maximum(data.answered[:, rows].sum(axis=0), 1)
    return np.asarray(data.proba[:, rows].sum(axis=0, dtype=np.float64) / answers[:, None])


def contested_rows(data: Predictions, proba: Floats, most: int) -> list[HardRow]:
    """Return the rows whose votes are spread most evenly, most contested first."""
    votes = count_votes(data)
    share = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(votes > 0, share * np.log2(share), 0.0).sum(axis=1)
    ordered = np.sort(proba, axis=1)
    order = np.lexsort((np.arange(len(votes)), ordered[:, -1] - ordered[:, -2], -np.round(entropy, 9)))
    return describe_rows(data, proba, votes, order[:most], np.abs(entropy))


def missed_by_all(data: Predictions) -> Rows:
    """Return the rows that some member has answered, and none correctly."""
    votes, labels = count_votes(data), data.true_labels
    return np.flatnonzero(votes.any(axis=1) & (votes[np.arange(len(labels)), labels] == 0))


def missed_rows(data: Predictions, proba: Floats, most: int) -> list[HardRow]:
    """Return rows that no member is correct about, those first in which all are most confident of one wrong class.

    Such rows are where a label may be wrong.
    """
    votes, labels = count_votes(data), data.true_labels
    missed = missed_by_all(data)
    mean = mean_of_answers(data, missed)
    mean[np.arange(len(missed)), labels[missed]] = 0.0
    confidence = np.zeros(len(labels))
    confidence[missed] = mean.max(axis=1, initial=0.0)
    order = missed[np.lexsort((missed, -confidence[missed]))]
    return describe_rows(data, proba, votes, order[:most], confidence)


def describe_rows(
    data: Predictions, proba: Floats, votes: NDArray[np.int64], rows: Sequence[int] | Rows, values: Values
) -> list[HardRow]:
    """Return what there is to know about some rows; ``values`` (N,) is what they are sorted by."""
    predicted = proba.argmax(axis=1)
    return [
        HardRow(
            int(row), int(data.true_labels[row]), int(predicted[row]), tuple(votes[row].tolist()), float(values[row])
        )
        for row in rows
    ]


def row_frame(data: Predictions, rule: str, proba: Floats, best: Floats) -> "pd.DataFrame":
    """Return a table of all rows: what a rule and the best member predict, how members vote, and what came of it."""
    import pandas as pd

    labels, classes = data.true_labels, np.array(data.classes, dtype=object)
    votes = count_votes(data)
    rows = np.arange(data.n_samples)
    predicted, before = proba.argmax(axis=1), best.argmax(axis=1)
    correct, was_correct = predicted == labels, before == labels
    mean = mean_of_answers(data, rows)
    mean[rows, labels] = 0.0
    columns: dict[str, Any] = {"row": rows}
    if data.ids is not None:
        columns["id"] = data.ids
    columns |= {
        "label": classes[labels],
        rule: classes[predicted],
        "best member": classes[before],
        "p(said)": proba[rows, predicted],
        "p(label)": proba[rows, labels],
        "members right": votes[rows, labels],
        "classes named": (votes > 0).sum(axis=1),
        **uncertainty_columns(data),
        "surest wrong class": classes[mean.argmax(axis=1)],
        "its mean p": mean.max(axis=1),
        "change": np.select(
            [correct & ~was_correct, was_correct & ~correct, correct], ["rescued", "broken", "both right"], "both wrong"
        ),
    }
    return pd.DataFrame(columns)


def uncertainty_columns(data: Predictions) -> dict[str, Values]:
    """Return the members' uncertainty about each row, taken apart, as columns of a table."""
    return {f"{UNCERTAIN[part]} (nats)": values for part, values in uncertainty_of(data)._asdict().items()}
