"""Checks for columns or rows that are in another order: of one member's files, or of the labels of all."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ensembler.arrays import MISSING_VOTE, Labels
from ensembler.metrics.confusion import confusion_matrix
from ensembler.predictions.diagnosis.findings import FEWEST_ROWS, Check, Finding
from ensembler.predictions.prediction_set import Predictions

MOST_PAIRS = 8
"""So many classes are named in a message."""


@dataclass(frozen=True)
class Renaming:
    """Classes that fit the labels better by other names.

    Attributes
    ----------
    moved : tuple of (true, predicted)
        Which class a predicted one really is.
    gained, kept : int
        Correct rows with the renaming, and without.
    """

    moved: tuple[tuple[int, int], ...]
    gained: int
    kept: int


class PermutedClasses(Check):
    """Columns in another order than the labels: of one member, or where all members show it in one way, of the labels.

    A member's order is the assignment of columns to classes with the most correct rows. Among many classes noise alone
    finds one that gains; it gains nothing on rows that it was not found on, so half of the gain must be there as well
    when the order of one half of the rows is tried on the other.
    """

    codes = ("permuted-classes", "permuted-labels", "labels-from-1")
    title = "Classes are in another order"
    severity = "error"
    fewest_rows = FEWEST_ROWS

    gain = 0.05
    """Accuracy that renaming classes brings. No real member gains any; two classes of FER2013 swapped bring .1."""
    touched_share = 0.5
    """Or the share of the rows of the renamed classes, where two rare ones are swapped."""
    deviations = 5.0
    """Standard errors of the gain: a rare class that a weak member confuses with a common one has fewer."""

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding a member, or one about the labels."""
        renamings = {}
        for name, predicted in zip(predictions.names, predictions.votes, strict=True):
            renaming = self.renaming(predictions, predicted)
            if renaming is not None:
                renamings[name] = renaming
        if predictions.n_members > 1 and len(renamings) == predictions.n_members:
            shared = shared_moves(list(renamings.values()))
            if shared is not None:
                yield self.of_labels(predictions, list(renamings.values()), shared, which)
                return
        for name, renaming in renamings.items():
            gained, kept = renaming.gained / predictions.n_samples, renaming.kept / predictions.n_samples
            yield self.finding(
                name,
                f"member {name!r} has its {which}classes in another order: with "
                f"{format_moves(renaming.moved, predictions.classes)}, its accuracy is {gained:.3f} instead of "
                f"{kept:.3f}",
                "give its columns the order of the others (class names in members.json or a header make that safe)",
            )

    def of_labels(
        self, predictions: Predictions, renamings: list[Renaming], shared: list[tuple[int, int]], which: str
    ) -> Finding:
        """Return the finding that the labels number the classes in another way than the columns of all members."""
        n_answers = len(renamings) * predictions.n_samples
        better = sum(renaming.gained for renaming in renamings) / n_answers
        worse = sum(renaming.kept for renaming in renamings) / n_answers
        accuracy = f"members are right in {better:.3f} of the rows on average instead of {worse:.3f}"
        subject = f"{which}labels"
        if all(true == predicted + 1 for true, predicted in shared):
            message = f"the {which}labels are counted from 1: with 1 subtracted, {accuracy}"
            return self.finding(subject, message, "subtract 1 from them", code="labels-from-1")
        message = (
            f"the {which}labels name the classes in another order than the columns of all members: with "
            f"{format_moves(shared, predictions.classes)}, {accuracy}"
        )
        advice = "write 'class_names' in members.json in the order of the columns, or number the labels in that order"
        return self.finding(subject, message, advice, code="permuted-labels")

    def renaming(self, predictions: Predictions, predicted: Labels) -> Renaming | None:
        """Return the renaming of classes with which a member is much better, None if there is none."""
        from scipy.optimize import linear_sum_assignment

        there = predicted != MISSING_VOTE
        labels, predicted = predictions.true_labels[there], predicted[there]
        # Of thousands of classes, a table of all would be gigabytes; those that do not occur change nothing.
        occurs = np.zeros(predictions.n_classes, dtype=bool)
        occurs[labels], occurs[predicted] = True, True
        present, places = np.flatnonzero(occurs), np.cumsum(occurs) - 1
        labels, predicted = places[labels], places[predicted]
        halves = [confusion_matrix(labels[half::2], predicted[half::2], len(present)) for half in (0, 1)]
        table = halves[0] + halves[1]
        rows, columns = linear_sum_assignment(table, maximize=True)
        gained, kept = int(table[rows, columns].sum()), int(np.trace(table))
        if gained == kept:
            return None
        gained_elsewhere = sum(
            int(other[linear_sum_assignment(half, maximize=True)].sum()) - int(np.trace(other))
            for half, other in (halves, halves[::-1])
        )
        if gained_elsewhere < (gained - kept) / 2:
            return None
        # Classes that are never predicted, or that no row has, can be renamed at will.
        moved = [
            (int(present[true]), int(present[predicted_class]))
            for true, predicted_class in zip(rows.tolist(), columns.tolist(), strict=True)
            if true != predicted_class and table[true, predicted_class] > 0
        ]
        touched = max(sum(int(table[true, other] + table[true, true]) for true, other in moved), 1)
        large = (gained - kept) / predictions.n_samples >= self.gain or gained - kept >= self.touched_share * touched
        if not large or gained - kept < self.deviations * math.sqrt(touched):
            return None
        return Renaming(tuple(moved), gained, kept)


def shared_moves(renamings: Sequence[Renaming]) -> list[tuple[int, int]] | None:
    """Return the moves that most members show, if they are most of each member's moves, else None."""
    counts = Counter(move for renaming in renamings for move in renaming.moved)
    shared = {move for move, count in counts.items() if 2 * count > len(renamings)}
    if all(2 * len(shared & set(renaming.moved)) > len(renaming.moved) for renaming in renamings):
        return sorted(shared)
    return None


def format_moves(moved: Sequence[tuple[int, int]], classes: Sequence[str]) -> str:
    """Write which class is which."""
    text = ", ".join(f"{classes[predicted]} is {classes[true]}" for true, predicted in moved[:MOST_PAIRS])
    return text + (", …" if len(moved) > MOST_PAIRS else "")


@dataclass(frozen=True)
class Agreement:
    """How often one member agrees with the labels, in all rows or in a stretch of them.

    Attributes
    ----------
    accuracy : float
    chance : float
        Agreement by chance, of independent labels and predictions with these class frequencies.
    error : float
        Standard error of the agreement by chance.
    """

    accuracy: float
    chance: float
    error: float

    @classmethod
    def of(cls, labels: Labels, predicted: Labels, n_classes: int) -> "Agreement":
        """Measure the agreement of predicted classes with labels; a missing vote agrees with none."""
        n_rows = len(labels)
        answers = predicted[predicted != MISSING_VOTE]
        share = np.bincount(labels, minlength=n_classes) / n_rows
        chance = float(share @ (np.bincount(answers, minlength=n_classes) / n_rows))
        return cls(float((predicted == labels).mean()), chance, math.sqrt(max(chance * (1 - chance), 1e-12) / n_rows))

    @property
    def lead(self) -> float:
        """Accuracy above chance."""
        return self.accuracy - self.chance


class AlignmentCheck(Check):
    """A check for rows in another order: members that know nothing of the labels.

    It says nothing of members whose classes are in another order, which `PermutedClasses` finds.
    """

    severity = "error"
    fewest_rows = FEWEST_ROWS

    chance_deviations = 4.0
    """Standard errors above agreement by chance under which a member knows nothing of the rows."""
    knows = 0.1
    """Median lead over chance from which members know the labels, so that it is odd for one to be at chance."""
    permuted = PermutedClasses()

    def agreements(self, predictions: Predictions) -> tuple[Sequence[Labels], list[Agreement]]:
        """Return the classes that members predict, and how those agree with the labels."""
        predicted = list(predictions.votes)
        return predicted, [Agreement.of(predictions.true_labels, member, predictions.n_classes) for member in predicted]

    def labels_are_odd(self, agreements: Sequence[Agreement]) -> bool:
        """Whether most of several members know little of the labels."""
        return len(agreements) > 1 and float(np.median([agreement.lead for agreement in agreements])) < self.knows

    def fitting_order(self, labels: Labels, predicted: Labels) -> str:
        """Return which of the usual ways in which rows get out of order fits, as part of a message."""
        by_label = np.argsort(labels, kind="stable")
        sorted_by_label = np.empty_like(predicted)
        sorted_by_label[by_label] = predicted
        orders = {f"shifted by {shift:+d}": np.roll(predicted, -shift) for shift in range(-5, 6) if shift}
        orders |= {"reversed": predicted[::-1], "sorted by class": sorted_by_label}
        accuracies = {order: float((moved == labels).mean()) for order, moved in orders.items()}
        best = max(accuracies, key=lambda order: accuracies[order])
        before = float((predicted == labels).mean())
        return f" ({best}: accuracy {accuracies[best]:.3f})" if accuracies[best] > before + self.knows else ""


class MisalignedRows(AlignmentCheck):
    """One member's rows, all or a stretch of them, are in another order: confident and no better than by chance."""

    codes = ("misaligned-rows",)
    title = "A member's rows are in another order"

    confident = 0.15
    """By how much the confidence of a misaligned member exceeds its accuracy, as that of an untrained one does not."""
    hard_deviations = 2.0
    """As `chance_deviations`, for members that exist as hard labels only."""
    n_blocks = 8
    """Stretches of the rows that are looked at by themselves."""
    fewest_block_rows = 100
    """Fewer rows tell nothing in one stretch."""
    uneven = 0.4
    """Sum of differences in class shares above which a stretch is passed over: rows sorted by class."""

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding a member, unless the labels are odd to most."""
        predicted, agreements = self.agreements(predictions)
        if self.labels_are_odd(agreements):
            return
        for index, agreement in enumerate(agreements):
            confidence = float(predictions.proba[index].max(axis=1).mean(dtype=np.float64))
            if confidence - agreement.accuracy <= self.confident:
                continue
            # Hard labels are always sure of themselves, so that only their agreement speaks.
            deviations = self.hard_deviations if predictions.hard[index] else self.chance_deviations
            if agreement.lead < deviations * agreement.error:
                message = (
                    f"is right in {agreement.accuracy:.3f} of the {which}rows, no more than by chance "
                    f"({agreement.chance:.3f}), and {confidence:.2f} confident: its rows are in another order"
                    f"{self.fitting_order(predictions.true_labels, predicted[index])}"
                )
            else:
                rows = self.misaligned_block(predictions, predicted, index)
                if rows is None:
                    continue
                message = (
                    f"knows nothing of the {which}rows {rows.start:,} to {rows.stop - 1:,}, where others do: they are "
                    "in another order"
                )
            if self.permuted.renaming(predictions, predicted[index]) is None:
                name = predictions.names[index]
                advice = "save its predictions in the order of the labels, or with an id column"
                yield self.finding(name, f"member {name!r} {message}", advice)

    def misaligned_block(self, predictions: Predictions, predicted: Sequence[Labels], index: int) -> slice | None:
        """Return the first stretch of rows in which one member knows nothing and the others do."""
        size = predictions.n_samples // self.n_blocks
        if size < self.fewest_block_rows or predictions.n_members < 2:
            return None
        n_classes = predictions.n_classes
        overall = np.bincount(predictions.true_labels, minlength=n_classes) / predictions.n_samples
        for block in range(self.n_blocks):
            rows = slice(block * size, (block + 1) * size)
            labels = predictions.true_labels[rows]
            share = np.bincount(labels, minlength=n_classes) / size
            if np.abs(share - overall).sum() > self.uneven:
                continue
            agreements = [Agreement.of(labels, member[rows], n_classes) for member in predicted]
            own = agreements[index]
            others_know = float(np.median([agreement.lead for agreement in agreements])) > 2 * self.knows
            if own.lead < self.chance_deviations * own.error and others_know:
                return rows
        return None


class MisalignedLabels(AlignmentCheck):
    """Labels in another order than the rows of all members, who agree with each other and not with the labels."""

    codes = ("misaligned-labels",)
    title = "The labels are in another order"

    agree = 0.2
    """How much more than by chance members must agree with each other."""

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding about the labels."""
        predicted, agreements = self.agreements(predictions)
        if not self.labels_are_odd(agreements):
            return
        first = predicted[0]
        same = float(np.median([((member == first) & (first != MISSING_VOTE)).mean() for member in predicted[1:]]))
        shares = [
            np.bincount(member[member != MISSING_VOTE], minlength=predictions.n_classes) / len(member)
            for member in predicted
        ]
        expected = float(np.median([shares[0] @ share for share in shares[1:]]))
        error = max(agreements, key=lambda agreement: agreement.chance).error
        any_knows = max(agreement.lead for agreement in agreements) >= self.chance_deviations * error
        if any_knows or same - expected <= self.agree:
            return
        if all(self.permuted.renaming(predictions, member) is not None for member in predicted):
            return
        accuracy = float(np.median([agreement.accuracy for agreement in agreements]))
        yield self.finding(
            f"{which}labels",
            f"members agree with each other in {same:.2f} of the {which}rows and with the labels in {accuracy:.3f}, no "
            f"more than by chance: the labels are in another order{self.fitting_order(predictions.true_labels, first)}",
            "save them in the order of the predictions, or with an id column",
        )
