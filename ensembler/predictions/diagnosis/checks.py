"""What is suspicious about a prediction set that can be read: what makes results too good, or too bad.

`quick` looks at what costs nothing and runs with every comparison; `examine` looks at everything. Thresholds are named
constants with what they rest on: two real sets without such faults, nine FER2013 networks (bundled) and the thirty
CIFAR-10.1 classifiers of Recht et al. 2018 (arXiv 1806.00451), stay clear of every error.
"""

import hashlib
import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import DataWarning
from ensembler.metrics import METRICS
from ensembler.metrics.confusion import confusion_matrix
from ensembler.predictions.prediction_set import Predictions

Grade = Literal["error", "warning", "info"]
GRADES = get_args(Grade)
"""Worst first."""

FEWEST_ROWS = 20
"""Below this many rows, being no better than the largest class is nothing to wonder at."""
PERMUTED_GAIN = 0.05
"""Accuracy that renaming classes brings a member. No real one gains any; two classes of FER2013 swapped bring .1."""
PERMUTED_SHARE = 0.5
"""Or the share of the rows in question, where two rare classes are swapped."""
PERMUTED_DEVIATIONS = 5.0
"""Standard errors that the gain must have: a rare class that a weak member confuses with a common one has fewer."""
CHANCE_DEVIATIONS = 4.0
"""Standard errors above agreement by chance, under which a member knows nothing of the rows."""
CONFIDENT = 0.15
"""By how much the confidence of a misaligned member exceeds its accuracy, as that of an untrained one does not."""
KNOWS = 0.1
"""By how much the pool must exceed chance, for one member at chance to be odd."""
NEAR_AGREEMENT = 0.97
"""Share of rows with the same class. Two members of the real sets agree in .95 of the rows at most."""
SAME_ROWS, SHARED_ROWS = 0.5, 0.02
"""Share of validation rows that are scored as well. FER2013 has .013, which are twins."""
DROP_WARNING, DROP_ERROR = 0.05, 0.15
"""By how much a member's fall from validation to test exceeds the median fall. Real: .01, under a shift .08."""
FAR_ABOVE_WARNING, FAR_ABOVE_ERROR = 0.12, 0.25
"""Lead over the second best. Real leads are .01."""
DEVIATIONS = 4.0
OVERCONFIDENT = 0.1
"""Mean confidence over accuracy. Real networks have up to .4, and then dominate an average: nothing rare."""
SATURATED = 0.2
"""Share of float16 rows that hold an exact 1."""
SHIFTS = range(-5, 6)
AGREE = 0.2
"""How much more than by chance members must agree for the labels to be what is in another order."""
BLOCKS, FEWEST_BLOCK_ROWS, UNEVEN = 8, 100, 0.4
"""Stretches that are looked at by themselves; those whose classes differ too much from the whole are passed over."""
FEW_VALUES = 0.9
"""Share of distinct rows below which equal predictions say nothing: votes, trees, rounded numbers."""


@dataclass(frozen=True)
class Finding:
    """Something suspicious.

    Attributes
    ----------
    code : str
        What kind, for scripts.
    grade : "error", "warning" or "info"
    subject : str
        Which member, or what else it is about.
    message, advice : str
        What was seen, and what to do.
    """

    code: str
    grade: Grade
    subject: str
    message: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.message}; {self.advice}" if self.advice else self.message


def warn(predictions: Predictions) -> None:
    """Give a `DataWarning` for each quick finding."""
    for finding in quick(predictions):
        warnings.warn(f"{finding} (`ensembler check` looks closer)", DataWarning, stacklevel=3)


def quick(predictions: Predictions) -> Iterator[Finding]:
    """Yield what is legal, and probably not what was meant, as far as it costs nothing to see."""
    names = predictions.names
    if predictions.n_members == 1:
        yield Finding("one-member", "warning", names[0], f"there is one member only, {names[0]!r}: nothing to combine")
    for name, member in zip(names, predictions.proba, strict=True):
        if predictions.n_samples > 1 and bool((member == member[0]).all()):
            message = f"member {name!r} gives the same probabilities in every row"
            yield Finding("constant", "warning", name, message, "is it trained?")
    if predictions.labels is not None and predictions.n_samples >= FEWEST_ROWS:
        yield from quick_labels(predictions)
    first_of: dict[str, str] = {}
    for name, checksum in zip(names, predictions.digests, strict=True):
        if checksum in first_of:
            message = f"members {first_of[checksum]!r} and {name!r} are identical"
            yield Finding("identical", "warning", name, message, "is one a copy of the other?")
        first_of.setdefault(checksum, name)
    validation = predictions.validation
    if validation is not None:
        if validation_is_scored(predictions):
            message = "the validation rows are the scored rows: weights are fitted on what is scored"
            yield Finding("validation-is-scored", "error", "validation", message, "every figure is optimistic")
        absent = np.setdiff1d(predictions.truth, validation.truth)
        if len(absent):
            told = ", ".join(predictions.classes[label] for label in absent)
            it = "it" if len(absent) == 1 else "them"
            message = f"no validation row has class {told}: nothing about {it} can be learned there"
            yield Finding("class-not-in-validation", "warning", "validation", message)


def grave(predictions: Predictions) -> Iterator[Finding]:
    """Yield what spoils every figure and takes a moment to see: classes in another order, rows in both splits."""
    if predictions.n_samples >= FEWEST_ROWS:
        yield from permuted_classes(predictions, "")
    yield from (finding for finding in shared_rows(predictions) if finding.grade == "error")


def quick_labels(predictions: Predictions) -> Iterator[Finding]:
    """Yield what is odd about members and labels together."""
    labels = predictions.truth
    accuracy = METRICS["accuracy"](labels, predictions.proba).max()
    counts = np.bincount(labels, minlength=predictions.n_classes)
    largest = predictions.classes[counts.argmax()]
    if accuracy <= counts.max() / predictions.n_samples < 1:
        message = f"no member is right more often ({accuracy:.3f}) than always saying {largest} would be"
        advice = "do labels and predictions have the same row order and the same class order?"
        yield Finding("no-better-than-largest-class", "warning", "labels", message, advice)
    for name, member in zip(predictions.names, predictions.proba, strict=True):
        if np.array_equal(member.argmax(axis=-1), labels):
            grade: Grade = "info" if others_best(predictions, name) > 1 - FAR_ABOVE_ERROR else "error"
            message = f"member {name!r} is right in every row"
            yield Finding("always-right", grade, name, message, "is it a copy of the labels?")
    if counts.max() == predictions.n_samples:
        message = f"every row has the label {largest}; there is nothing to tell apart"
        yield Finding("one-label", "warning", "labels", message)


def others_best(predictions: Predictions, name: str) -> float:
    """Return the best accuracy among the other members; 0 without any."""
    accuracy = METRICS["accuracy"](predictions.truth, predictions.proba)
    others = [float(value) for other, value in zip(predictions.names, accuracy, strict=True) if other != name]
    return max(others, default=0.0)


def examine(predictions: Predictions) -> list[Finding]:
    """Return everything that is suspicious about a set with labels, worst first."""
    found = list(quick(predictions))
    for which, part in (("", predictions), ("validation ", predictions.validation)):
        if part is not None and part.n_samples >= FEWEST_ROWS:
            permuted = permuted_classes(part, which)
            found += permuted
            odd = {finding.subject for finding in permuted}
            if odd != set(part.names) and odd != {f"{which}labels"}:
                found += misaligned_rows(part, odd, which)
            found += unpredicted_classes(part, which)
    found += near_duplicates(predictions)
    found += same_recipe(predictions)
    found += shared_rows(predictions)
    found += uneven_drops(predictions)
    found += far_above(predictions)
    found += overconfident(predictions)
    return worst_first(found)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by grade."""
    return sorted(findings, key=lambda finding: GRADES.index(finding.grade))


@dataclass(frozen=True)
class Renaming:
    """Classes that fit the labels better by other names: (true, said) pairs, and the rows right with and without."""

    moved: tuple[tuple[int, int], ...]
    gained: int
    kept: int


def told_pairs(moved: Sequence[tuple[int, int]], classes: Sequence[str], most: int = 8) -> str:
    """Write which class is which."""
    text = ", ".join(f"{classes[said]} is {classes[true]}" for true, said in moved[:most])
    return text + (", …" if len(moved) > most else "")


def permuted_classes(part: Predictions, which: str) -> list[Finding]:
    """Look for members whose columns are in another order; where that is so of all in one way, it is the labels."""
    said = [member.argmax(axis=1) for member in part.proba]
    found = {name: one for name, said_by in zip(part.names, said, strict=True) if (one := renaming(part, said_by))}
    if part.n_members > 1 and len(found) == part.n_members:
        members = Counter(pair for one in found.values() for pair in one.moved)
        shared = {pair for pair, count in members.items() if 2 * count > part.n_members}
        if all(2 * len(shared & set(one.moved)) > len(one.moved) for one in found.values()):
            return [permuted_labels(part, found, sorted(shared), which)]
    return [
        Finding(
            "permuted-classes",
            "error",
            name,
            f"member {name!r} has its {which}classes in another order: with {told_pairs(one.moved, part.classes)}, its "
            f"accuracy is {one.gained / part.n_samples:.3f} instead of {one.kept / part.n_samples:.3f}",
            "give its columns the order of the others (class names in members.json or a header make that safe)",
        )
        for name, one in found.items()
    ]


def permuted_labels(part: Predictions, found: dict[str, Renaming], moved: list[tuple[int, int]], which: str) -> Finding:
    """Say what all members see in one way."""
    better, worse = (
        sum(getattr(one, key) for one in found.values()) / (len(found) * part.n_samples) for key in ("gained", "kept")
    )
    accuracy = f"members are right in {better:.3f} of the rows on average instead of {worse:.3f}"
    if all(true == said + 1 for true, said in moved):
        message = f"the {which}labels are counted from 1: with 1 subtracted, {accuracy}"
        return Finding("labels-from-1", "error", f"{which}labels", message, "subtract 1 from them")
    told = told_pairs(moved, part.classes)
    message = (
        f"the {which}labels name the classes in another order than the columns of all members: with {told}, {accuracy}"
    )
    advice = "write 'class_names' in members.json in the order of the columns, or number the labels in that order"
    return Finding("permuted-labels", "error", f"{which}labels", message, advice)


def renaming(part: Predictions, said: NDArray[np.int64]) -> Renaming | None:
    """Look for a renaming of classes with which a member is much better."""
    from scipy.optimize import linear_sum_assignment

    halves = [confusion_matrix(part.truth[half::2], said[half::2], part.n_classes) for half in (0, 1)]
    table = halves[0] + halves[1]
    rows, columns = linear_sum_assignment(table, maximize=True)
    gained, kept = int(table[rows, columns].sum()), int(np.trace(table))
    if gained == kept:
        return None
    # Among many classes noise alone finds an order that gains; it gains nothing on rows that it was not found on.
    elsewhere = sum(
        int(other[linear_sum_assignment(half, maximize=True)].sum()) - int(np.trace(other))
        for half, other in (halves, halves[::-1])
    )
    if elsewhere < (gained - kept) / 2:
        return None
    moved = [(true, said) for true, said in zip(rows.tolist(), columns.tolist(), strict=True) if true != said]
    # Classes that are never said, or that no row has, can be renamed at will.
    moved = [(true, said) for true, said in moved if table[true, said] > 0]
    touched = sum(int(table[true, said] + table[true, true]) for true, said in moved)
    gain = (gained - kept) / part.n_samples
    large = gain >= PERMUTED_GAIN or gained - kept >= PERMUTED_SHARE * max(touched, 1)
    if not large or gained - kept < PERMUTED_DEVIATIONS * math.sqrt(max(touched, 1)):
        return None
    return Renaming(tuple(moved), gained, kept)


def misaligned_rows(part: Predictions, permuted: set[str], which: str) -> Iterator[Finding]:
    """Look for members that know nothing of their rows, and are sure of it: rows in another order."""
    labels, n_rows = part.truth, part.n_samples
    said = [member.argmax(axis=1) for member in part.proba]
    share = np.bincount(labels, minlength=part.n_classes) / n_rows
    accuracies, chances = [], []
    for one in said:
        accuracies.append(float((one == labels).mean()))
        chances.append(float(share @ (np.bincount(one, minlength=part.n_classes) / n_rows)))
    pool = float(np.median(np.array(accuracies) - np.array(chances)))
    if part.n_members > 1 and pool < KNOWS:
        yield from misaligned_labels(part, said, accuracies, chances, which)
        return
    for index, name in enumerate(part.names):
        error = math.sqrt(max(chances[index] * (1 - chances[index]), 1e-12) / n_rows)
        confidence = float(part.proba[index].max(axis=1).mean(dtype=np.float64))
        lost = accuracies[index] - chances[index] < CHANCE_DEVIATIONS * error
        sure = confidence - accuracies[index] > CONFIDENT
        if name in permuted or not sure:
            continue
        if not lost:
            yield from misaligned_block(part, name, said, index, which)
            continue
        yield Finding(
            "misaligned-rows",
            "error",
            name,
            f"member {name!r} is right in {accuracies[index]:.3f} of the {which}rows, no more than by chance "
            f"({chances[index]:.3f}), and {confidence:.2f} sure: its rows are in another order"
            f"{found_order(labels, said[index])}",
            "save its predictions in the order of the labels, or with an id column",
        )


def misaligned_labels(
    part: Predictions, said: list[NDArray[np.int64]], accuracies: list[float], chances: list[float], which: str
) -> Iterator[Finding]:
    """Look for members that agree with each other and not with the labels: the labels are in another order."""
    agreement = float(np.median([(one == said[0]).mean() for one in said[1:]]))
    shares = [np.bincount(one, minlength=part.n_classes) / part.n_samples for one in said]
    expected = float(np.median([shares[0] @ one for one in shares[1:]]))
    error = math.sqrt(max(max(chances) * (1 - max(chances)), 1e-12) / part.n_samples)
    if max(np.array(accuracies) - np.array(chances)) < CHANCE_DEVIATIONS * error and agreement - expected > AGREE:
        yield Finding(
            "misaligned-labels",
            "error",
            f"{which}labels",
            f"members agree with each other in {agreement:.2f} of the {which}rows and with the labels in "
            f"{float(np.median(accuracies)):.3f}, no more than by chance: the labels are in another order"
            f"{found_order(part.truth, said[0])}",
            "save them in the order of the predictions, or with an id column",
        )


def misaligned_block(
    part: Predictions, name: str, said: list[NDArray[np.int64]], index: int, which: str
) -> Iterator[Finding]:
    """Look for a stretch of rows in which one member knows nothing and the others do."""
    size = part.n_samples // BLOCKS
    if size < FEWEST_BLOCK_ROWS or part.n_members < 2:
        return
    overall = np.bincount(part.truth, minlength=part.n_classes) / part.n_samples
    for block in range(BLOCKS):
        rows = slice(block * size, (block + 1) * size)
        labels = part.truth[rows]
        share = np.bincount(labels, minlength=part.n_classes) / size
        if np.abs(share - overall).sum() > UNEVEN:
            continue
        leads, errors = [], []
        for one in said:
            chance = float(share @ (np.bincount(one[rows], minlength=part.n_classes) / size))
            leads.append(float((one[rows] == labels).mean()) - chance)
            errors.append(math.sqrt(max(chance * (1 - chance), 1e-12) / size))
        if leads[index] < CHANCE_DEVIATIONS * errors[index] and float(np.median(leads)) > 2 * KNOWS:
            yield Finding(
                "misaligned-rows",
                "error",
                name,
                f"member {name!r} knows nothing of the {which}rows {rows.start:,} to {rows.stop - 1:,}, where others "
                "do: they are in another order",
                "save its predictions in the order of the labels, or with an id column",
            )
            return


def found_order(labels: NDArray[np.int64], said: NDArray[np.int64]) -> str:
    """Try the usual ways in which rows get out of order, and name the one that fits."""
    tried = {f"shifted by {shift:+d}": np.roll(said, -shift) for shift in SHIFTS if shift}
    tried["reversed"] = said[::-1]
    by_label = np.argsort(labels, kind="stable")
    sorted_by_label = np.empty_like(said)
    sorted_by_label[by_label] = said
    tried["sorted by class"] = sorted_by_label
    right = {name: float((one == labels).mean()) for name, one in tried.items()}
    best = max(right, key=lambda name: right[name])
    before = float((said == labels).mean())
    return f" ({best}: accuracy {right[best]:.3f})" if right[best] > before + KNOWS else ""


def unpredicted_classes(part: Predictions, which: str) -> Iterator[Finding]:
    """Look for classes that occur and that no member ever says."""
    said: set[int] = set()
    for member in part.proba:
        said |= set(np.unique(member.argmax(axis=1)).tolist())
    counts = np.bincount(part.truth, minlength=part.n_classes)
    for label in np.flatnonzero(counts).tolist():
        if label not in said:
            message = f"no member ever says {part.classes[label]}, which {counts[label]:,} of the {which}rows have"
            advice = "all rules will miss it; are class orders and labels what they should be?"
            yield Finding("class-never-predicted", "warning", part.classes[label], message, advice)


def near_duplicates(predictions: Predictions) -> Iterator[Finding]:
    """Look for pairs that say the same nearly everywhere."""
    said = [member.argmax(axis=1) for member in predictions.proba]
    for first in range(predictions.n_members):
        for second in range(first + 1, predictions.n_members):
            same = float((said[first] == said[second]).mean())
            if same >= NEAR_AGREEMENT and predictions.digests[first] != predictions.digests[second]:
                names = (predictions.names[first], predictions.names[second])
                message = f"members {names[0]!r} and {names[1]!r} say the same class in {same:.1%} of the rows"
                advice = "they add little to each other; checkpoints of one run, or the same model twice?"
                yield Finding("near-duplicates", "info", f"{names[0]}, {names[1]}", message, advice)


def same_recipe(predictions: Predictions) -> Iterator[Finding]:
    """Look for members whose metadata tell the same architecture and the same seed."""
    first_of: dict[tuple[Any, Any], str] = {}
    for name, facts in zip(predictions.names, predictions.metadata, strict=True):
        if facts.get("architecture") is None or facts.get("seed") is None:
            continue
        recipe = (str(facts["architecture"]), str(facts["seed"]))
        if recipe in first_of:
            message = f"members {first_of[recipe]!r} and {name!r} have the same architecture and the same seed"
            advice = "they started alike and may err alike; were other seeds meant?"
            yield Finding("same-seed", "info", f"{first_of[recipe]}, {name}", message, advice)
        first_of.setdefault(recipe, name)


def row_key(part: Predictions, row: int) -> bytes:
    """Return what tells a row: its label and the predictions of all members."""
    facts = part.proba[:, row].tobytes() + int(part.truth[row]).to_bytes(8, "little")
    return hashlib.blake2b(facts, digest_size=16).digest()


def shared_rows(predictions: Predictions) -> Iterator[Finding]:
    """Look for validation rows that are scored rows as well: the same label and the same predictions of all members."""
    validation = predictions.validation
    if validation is None or validation_is_scored(predictions) or all(predictions.hard):
        return
    scored = [row_key(predictions, row) for row in range(predictions.n_samples)]
    known = set(scored)
    if len(known) < FEW_VALUES * len(scored):
        return
    shared = sum(row_key(validation, row) in known for row in range(validation.n_samples))
    if not shared:
        return
    share = shared / validation.n_samples
    grade: Grade = "error" if share >= SAME_ROWS else "warning" if share >= SHARED_ROWS else "info"
    message = f"{shared:,} of {validation.n_samples:,} validation rows have the same predictions as a scored row"
    advice = "weights are fitted on rows that are scored; divide the data anew" if grade != "info" else "twins?"
    yield Finding("shared-rows", grade, "validation", message, advice)


def uneven_drops(predictions: Predictions) -> Iterator[Finding]:
    """Look for members whose accuracy changes from validation to test unlike the pool's: trained on one of them."""
    validation = predictions.validation
    if validation is None or predictions.n_members < 3 or validation_is_scored(predictions):
        return
    inside = METRICS["accuracy"](validation.truth, validation.proba)
    outside = METRICS["accuracy"](predictions.truth, predictions.proba)
    drops = inside - outside
    excess = drops - np.median(drops)
    error = np.sqrt(
        inside * (1 - inside) / validation.n_samples + outside * (1 - outside) / predictions.n_samples + 1e-12
    )
    for index, name in enumerate(predictions.names):
        size = abs(float(excess[index]))
        if size < DROP_WARNING or size < DEVIATIONS * error[index]:
            continue
        grade: Grade = "error" if size >= DROP_ERROR else "warning"
        seen, where = ("validation", "validation") if excess[index] > 0 else ("scored", "the scored rows")
        message = (
            f"member {name!r} is {inside[index]:.3f} right on validation and {outside[index]:.3f} on the scored rows, "
            f"{size:.3f} more of a {'fall' if excess[index] > 0 else 'rise'} than the pool's median"
        )
        advice = f"was it trained on {where}? leave it out (--without {name}), or divide the data anew"
        yield Finding(f"seen-{seen}-rows", grade, name, message, advice)


def far_above(predictions: Predictions) -> Iterator[Finding]:
    """Look for a member that is so much better than all others that it may have seen the scored rows."""
    if predictions.n_members < 2:
        return
    accuracy = METRICS["accuracy"](predictions.truth, predictions.proba)
    order = np.argsort(-accuracy, kind="stable")
    best, second = (float(accuracy[order[place]]) for place in (0, 1))
    error = math.sqrt((best * (1 - best) + second * (1 - second)) / predictions.n_samples + 1e-12)
    if best - second < FAR_ABOVE_WARNING or best - second < DEVIATIONS * error:
        return
    name = predictions.names[order[0]]
    grade: Grade = "error" if best - second >= FAR_ABOVE_ERROR else "warning"
    message = f"member {name!r} is right in {best:.3f} of the rows, the next best in {second:.3f}"
    yield Finding("far-above", grade, name, message, "has it seen the scored rows?")


def overconfident(predictions: Predictions) -> Iterator[Finding]:
    """Look for members that are much surer than they are right; one that is surer than others dominates averages."""
    if predictions.n_samples < FEWEST_ROWS:
        return
    accuracy = METRICS["accuracy"](predictions.truth, predictions.proba)
    sure = {
        index: float(member.max(axis=1).mean(dtype=np.float64))
        for index, member in enumerate(predictions.proba)
        if not predictions.hard[index]
    }
    for index, confidence in sure.items():
        if confidence - accuracy[index] > OVERCONFIDENT:
            name = predictions.names[index]
            message = (
                f"member {name!r} is {confidence:.2f} sure on average and right in {accuracy[index]:.2f} of the rows"
            )
            others = [value for other, value in sure.items() if other != index]
            dominates = bool(others) and confidence - float(np.median(others)) > OVERCONFIDENT
            advice = "calibrate members (--calibrate members), or vote"
            if dominates:
                advice = f"it dominates averages; {advice}"
            yield Finding("overconfident", "info", name, message, advice)


def validation_is_scored(predictions: Predictions) -> bool:
    """Whether the validation rows are the scored rows once more."""
    validation = predictions.validation
    return (
        validation is not None
        and validation.digests == predictions.digests
        and np.array_equal(validation.truth, predictions.truth)
    )
