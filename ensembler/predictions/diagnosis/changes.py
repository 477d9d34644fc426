"""Which rows two predictions differ on, and which rows are hard for all members."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Rows
from ensembler.errors import AlignmentError, UsageError
from ensembler.metrics import METRICS, Metric
from ensembler.metrics.bootstrap import RESAMPLES, enough_units
from ensembler.metrics.intervals import Interval, percentile_interval, wilson
from ensembler.metrics.paired import Discordance, is_significant
from ensembler.metrics.resampling import resampled_metrics
from ensembler.predictions.prediction_set import Predictions

if TYPE_CHECKING:
    import pandas as pd

Proba = NDArray[np.floating[Any]]
REPORTED = ("accuracy", "balanced-accuracy", "macro-f1", "log-loss", "brier", "ece")


@dataclass(frozen=True)
class ClassChange:
    """What changed in the rows of one class."""

    name: str
    rows: int
    gained: int
    lost: int


@dataclass(frozen=True)
class MetricChange:
    """A metric of both predictions, and the first one's lead with its 95 % interval; positive where it is better."""

    metric: str
    first: float
    second: float
    difference: float
    interval: Interval | None


@dataclass(frozen=True)
class RowChanges:
    """The rows on which two predictions differ, the first against the second.

    Attributes
    ----------
    first, second : str
    pair : Discordance
    gained, lost : (n,) int
        Rows that only the first, and only the second, is right about.
    relabelled : int
        Rows in which they say different classes, right or wrong.
    by_class : list of ClassChange
    """

    first: str
    second: str
    pair: Discordance
    gained: Rows
    lost: Rows
    relabelled: int
    by_class: list[ClassChange]


@dataclass(frozen=True)
class Changes(RowChanges):
    """Two predictions of the same rows: the rows, and what they come to.

    Attributes
    ----------
    intervals : pair of (low, high) or None
        Of the two accuracies: Wilson's, or with groups bootstrap.
    metrics : list of MetricChange
    shown : bool
        Whether the interval of the accuracies' difference excludes 0, and McNemar's test agrees where it applies.
    n_resamples, seed : int
        Of the bootstrap.
    """

    intervals: tuple[Interval | None, Interval | None]
    metrics: list[MetricChange]
    shown: bool
    n_resamples: int
    seed: int


def changed_rows(data: Predictions, names: tuple[str, str], probas: tuple[Proba, Proba]) -> RowChanges:
    """Return the rows on which two predictions of the rows of a set differ."""
    labels = data.truth
    said = [proba.argmax(axis=1) for proba in probas]
    first, second = (one == labels for one in said)
    gained, lost = np.flatnonzero(first & ~second), np.flatnonzero(second & ~first)
    counts = [np.bincount(labels[rows], minlength=data.n_classes).tolist() for rows in (slice(None), gained, lost)]
    return RowChanges(
        names[0],
        names[1],
        Discordance.of(first, second),
        gained,
        lost,
        int((said[0] != said[1]).sum()),
        [ClassChange(*one) for one in zip(data.classes, *counts, strict=True)],
    )


def side_by_side(parts: Sequence[Predictions], folders: Sequence[str]) -> Predictions:
    """Return the members of several sets of the same rows as one set, each named after its folder as well.

    Raises
    ------
    AlignmentError
        The rows, their labels or the classes are not the same.
    """
    first = parts[0]
    for part in parts[1:]:
        if not np.array_equal(part.truth, first.truth) or part.classes != first.classes:
            raise AlignmentError(
                f"the files in {folders[0]} and {folders[-1]} do not have the same labels ({first.n_samples:,} and "
                f"{part.n_samples:,} rows), expected predictions of the same rows"
            )
        if part.ids is not None and first.ids is not None and not np.array_equal(part.ids, first.ids):
            raise AlignmentError(f"the files in {folders[0]} and {folders[-1]} do not have their rows in one order")
    return Predictions(
        np.concatenate([part.proba for part in parts]),
        first.labels,
        names=[f"{name} ({folder})" for part, folder in zip(parts, folders, strict=True) for name in part.names],
        class_names=first.class_names,
        hard=[hard for part in parts for hard in part.hard],
        groups=first.groups,
        ids=first.ids,
        check_input=False,
    )


def compare_two(
    data: Predictions,
    names: tuple[str, str],
    probas: tuple[Proba, Proba],
    *,
    hard: bool = False,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Changes:
    """Compare two predictions of the rows of a set.

    Parameters
    ----------
    data : Predictions
        Labels, class names, groups.
    names, probas
        Of the two; the first is measured against the second.
    hard : bool
        Whether either exists as class labels only, so that probabilities mean nothing.
    n_resamples, seed
        Of the bootstrap.
    """
    if data.sample_weight is not None:
        raise UsageError("rows are counted here, and row weights have no effect; drop them")
    rows = changed_rows(data, names, probas)
    metrics: list[Metric] = [METRICS[name] for name in REPORTED if not (hard and METRICS[name].needs_probabilities)]
    samples = resampled_metrics(metrics, data.truth, probas, groups=data.groups, n_resamples=n_resamples, seed=seed)
    enough = enough_units(data.n_samples, data.groups)
    found = []
    for metric in metrics:
        ours, theirs = (float(metric(data.truth, proba, None)) for proba in probas)
        lead = metric.signed(samples[metric.name][:, 0] - samples[metric.name][:, 1])
        difference = float(metric.signed(ours - theirs))
        found.append(MetricChange(metric.name, ours, theirs, difference, percentile_interval(lead) if enough else None))
    accuracies = found[0].first, found[0].second
    if data.groups is None:
        ends: list[Interval | None] = [wilson(round(one * data.n_samples), data.n_samples) for one in accuracies]
    else:
        ends = [percentile_interval(samples["accuracy"][:, index]) if enough else None for index in (0, 1)]
    return Changes(
        **vars(rows),
        intervals=(ends[0], ends[1]),
        metrics=found,
        shown=is_significant(found[0].interval, rows.pair.p_value if data.groups is None else None),
        n_resamples=n_resamples,
        seed=seed,
    )


def change_frame(data: Predictions, names: tuple[str, str], probas: tuple[Proba, Proba]) -> "pd.DataFrame":
    """Return the rows that changed: number, id, label, what both said and how sure they were, what came of it."""
    import pandas as pd

    labels, classes = data.truth, np.array(data.classes, dtype=object)
    said = [proba.argmax(axis=1) for proba in probas]
    rows = np.flatnonzero(said[0] != said[1])
    right = [one[rows] == labels[rows] for one in said]
    columns: dict[str, Any] = {"row": rows}
    if data.ids is not None:
        columns["id"] = data.ids[rows]
    columns["label"] = classes[labels[rows]]
    for name, one, proba in zip(names, said, probas, strict=True):
        columns[name] = classes[one[rows]]
        columns[f"p({name})"] = proba[rows, one[rows]]
        columns[f"p(label) {name}"] = proba[rows, labels[rows]]
    columns["change"] = np.select([right[0], right[1]], ["gained", "lost"], "other")
    return pd.DataFrame(columns)


@dataclass(frozen=True)
class HardRow:
    """A row that members disagree on, or that all of them miss.

    Attributes
    ----------
    row : int
    label, said : int
        The true class, and the class that the rule says.
    votes : (C,)
        How many members say each class.
    value : float
        What the list is sorted by: the entropy of the votes in bits, or the members' mean probability of a wrong class.
    """

    row: int
    label: int
    said: int
    votes: tuple[int, ...]
    value: float


def count_votes(data: Predictions) -> NDArray[np.int64]:
    """Return how many members say each class in each row, (N, C)."""
    votes = np.zeros((data.n_samples, data.n_classes), dtype=np.int64)
    rows = np.arange(data.n_samples)
    for member in data.proba:
        votes[rows, member.argmax(axis=1)] += 1
    return votes


def contested_rows(data: Predictions, proba: Proba, most: int) -> list[HardRow]:
    """Return the rows whose votes are spread most evenly, most contested first."""
    votes = count_votes(data)
    share = votes / data.n_members
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(votes > 0, share * np.log2(share), 0.0).sum(axis=1)
    ordered = np.sort(proba, axis=1)
    order = np.lexsort((np.arange(len(votes)), ordered[:, -1] - ordered[:, -2], -np.round(entropy, 9)))
    return hard_rows(data, proba, votes, order[:most], np.abs(entropy))


def missed_rows(data: Predictions, proba: Proba, most: int) -> list[HardRow]:
    """Return rows that no member is right about, those first in which all are surest of one wrong class.

    Such rows are where a label may be wrong.
    """
    votes = count_votes(data)
    labels = data.truth
    missed = np.flatnonzero(votes[np.arange(len(labels)), labels] == 0)
    mean = data.proba[:, missed].mean(axis=0, dtype=np.float64)
    mean[np.arange(len(missed)), labels[missed]] = 0.0
    sure = np.zeros(len(labels))
    sure[missed] = mean.max(axis=1, initial=0.0)
    order = missed[np.lexsort((missed, -sure[missed]))]
    return hard_rows(data, proba, votes, order[:most], sure)


def hard_rows(
    data: Predictions, proba: Proba, votes: NDArray[np.int64], rows: Sequence[int] | Rows, values: NDArray[np.float64]
) -> list[HardRow]:
    """Describe some rows."""
    said = proba.argmax(axis=1)
    return [
        HardRow(int(row), int(data.truth[row]), int(said[row]), tuple(votes[row].tolist()), float(values[row]))
        for row in rows
    ]


def row_frame(data: Predictions, rule: str, proba: Proba, best: Proba) -> "pd.DataFrame":
    """Return every row: label, what the rule and the best member say, how members voted, and what came of it."""
    import pandas as pd

    labels, classes = data.truth, np.array(data.classes, dtype=object)
    votes = count_votes(data)
    rows = np.arange(data.n_samples)
    said, before = proba.argmax(axis=1), best.argmax(axis=1)
    right, was_right = said == labels, before == labels
    mean = data.proba.mean(axis=0, dtype=np.float64)
    mean[rows, labels] = 0.0
    columns: dict[str, Any] = {"row": rows}
    if data.ids is not None:
        columns["id"] = data.ids
    columns |= {
        "label": classes[labels],
        rule: classes[said],
        "best member": classes[before],
        "p(said)": proba[rows, said],
        "p(label)": proba[rows, labels],
        "members right": votes[rows, labels],
        "classes named": (votes > 0).sum(axis=1),
        "surest wrong class": classes[mean.argmax(axis=1)],
        "its mean p": mean.max(axis=1),
        "change": np.select(
            [right & ~was_right, was_right & ~right, right], ["rescued", "broken", "both right"], "both wrong"
        ),
    }
    return pd.DataFrame(columns)
