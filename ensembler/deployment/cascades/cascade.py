"""A cascade that is ready for use: its stages, thresholds and weights, and how rows are sent through it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ensembler.arrays import Floats, Labels, Rows, Values, check_proba
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.combiners.base import Combiner
from ensembler.deployment.cascades.committees import Block
from ensembler.deployment.cascades.definition import CascadeDefinition
from ensembler.deployment.cascades.document import load_cascade, save_cascade
from ensembler.deployment.cascades.fitting import CascadeOptions, fit_cascade
from ensembler.errors import ShapeError, UsageError
from ensembler.predictions.prediction_set import Predictions
from ensembler.subsets.rules import Frozen


@dataclass(frozen=True, eq=False)
class Cascade(CascadeDefinition):
    """A few members answer first; rows that they are unsure of are passed on to more.

    Made by `Cascade.fit`, or read from a file by `Cascade.load`. A row costs what all members that it was shown to
    cost; what it gets is the answer of the last committee that it reached.

    Examples
    --------
    >>> from ensembler import load_predictions
    >>> from ensembler.predictions import bundled
    >>> data = load_predictions(bundled.published_folder())
    >>> cascade = Cascade.fit(data.validation, budget=0.3)
    >>> [len(stage.members) for stage in cascade.steps]
    [2, 5]
    >>> run = cascade.run(data.proba)
    >>> round(float((run.predicted == data.labels).mean()), 3), round(run.cost_share, 2)
    (0.696, 0.12)
    """

    @staticmethod
    def fit(predictions: Predictions, rule: str | Combiner = "mean", **options: Any) -> "Cascade":
        """Find a cascade on labelled rows, which are all used up by that.

        Parameters
        ----------
        predictions : Predictions
            With labels. Where weights are fitted, cascades are looked at with cross-fitted ones.
        rule : str or Combiner
            How committees combine: an average, log-pool or a vote; weights are fitted once, on all members.
        **options
            What `ensembler.deployment.cascades.fitting.CascadeOptions.of` takes: ``confidence``, ``stages``,
            ``target``, ``budget``, ``match``, ``alpha``, ``delta``, ``calibration_share``, ``costs``, ``seed``.

        Raises
        ------
        UsageError, ParameterError
            Options that exclude one another or cannot be.
        NotApplicableError
            The rule has no frozen weights, or nothing reaches the goal.
        """
        return Cascade(**vars(fit_cascade(predictions, rule, CascadeOptions.of(**options)).definition))

    def stages(self, n_rows: int) -> "CascadeRun":
        """Begin with new rows: iterate, and answer what each stage asks.

        Examples
        --------
        >>> from ensembler import load_predictions
        >>> from ensembler.predictions import bundled
        >>> data = load_predictions(bundled.published_folder())
        >>> cascade = Cascade.fit(data.validation, budget=0.3)
        >>> run = cascade.stages(data.n_samples)
        >>> for request in run:
        ...     print(request.names, len(request.rows))
        ...     request.answer([data.proba[data.names.index(name)][request.rows] for name in request.names])
        ('oarriaga_big_xception_54', 'oarriaga_mini_xception_102') 3589
        ('oarriaga_mini_xception_43', 'whattheface_cnn3', 'wiktorglita_cnn3') 593
        >>> run.proba.shape
        (3589, 7)
        """
        return CascadeRun(self, n_rows)

    def run(self, proba: ArrayLike) -> "CascadeRun":
        """Send rows through, for which the probabilities (M, N, C) of all members are there."""
        array = check_proba(proba)
        if (array.shape[0], array.shape[2]) != (self.n_members, self.n_classes):
            raise ShapeError(
                f"proba has {array.shape[0]} members and {array.shape[2]} classes, expected {self.n_members} "
                f"({', '.join(self.names)}) and {self.n_classes}"
            )
        run = self.stages(array.shape[1])
        for request in run:
            request.take(array[list(request.members)][:, request.rows])
        return run

    def predict_proba(self, proba: ArrayLike) -> Values:
        """Return the (N, C) probabilities of rows given as (M, N, C): of the committee that each row stopped at."""
        return self.run(proba).proba

    def predict(self, proba: ArrayLike) -> Labels:
        """Return the predicted classes, (N,)."""
        return self.run(proba).predicted

    def save(self, path: str | Path) -> None:
        """Write the cascade as JSON, for ``ensembler predict --recipe``; an older file stays until it is whole.

        Raises
        ------
        NotApplicableError
            The rule has a parameter or a fitted attribute that JSON has no form for.
        """
        save_cascade(self, path)

    @staticmethod
    def load(path: str | Path) -> "Cascade":
        """Read a cascade.

        Raises
        ------
        FileError
            The file is missing, no cascade, damaged, changed, or of a rule that is not installed.
        """
        return Cascade(**vars(load_cascade(Path(path))))

    @property
    def additive(self) -> AdditiveCombiner:
        """The rule as contributions of members, with its weights as they are."""
        rule = self.recipe.rule
        return rule if isinstance(rule, AdditiveCombiner) else Frozen(rule)


class CascadeRun:
    """Some rows on their way through a cascade: an iterator over what each stage asks.

    Attributes
    ----------
    stage : (N,) intp
        The stage that each row has reached; where it stopped, once all are answered.
    proba : (N, C)
        The probabilities that each row stopped with.
    """

    def __init__(self, cascade: Cascade, n_rows: int) -> None:
        self.cascade = cascade
        self.proba: Values = np.zeros((n_rows, cascade.n_classes))
        self.stage: Rows = np.zeros(n_rows, dtype=np.intp)
        self.confidence: Values = np.zeros(n_rows)
        self.waiting: Rows = np.arange(n_rows)
        self._rule = cascade.additive
        self._known: Block | None = None

    def __iter__(self) -> "Iterator[StageRequest]":
        """Yield what each stage asks, as long as rows are left."""
        for number in range(len(self.cascade.steps)):
            if not len(self.waiting):
                return
            request = StageRequest(self, number, self.cascade.added(number), self.waiting)
            yield request
            if not request.answered:
                raise UsageError(
                    f"stage {number + 1} was not answered: call answer(…) with the probabilities of "
                    f"{', '.join(request.names)} before the next stage is asked for"
                )

    def pass_on(self, number: int, members: Sequence[int], proba: Floats) -> None:
        """Take in what further members say of the rows that wait, and let those stop that are confident enough."""
        stage, rows = self.cascade.steps[number], self.waiting
        block = Block.of(proba, self._rule, members)
        if self._known is not None:
            block = block.joined(self._known)
        scores = block.scores(stage.members)
        answer = self._rule.to_proba(scores)
        winner = answer.argmax(axis=1)
        confidence = block.confidence(self.cascade.confidence, answer, stage.members, winner)
        self.proba[rows], self.stage[rows], self.confidence[rows] = answer, number, confidence
        left = np.zeros(len(rows), dtype=bool) if stage.threshold is None else ~(confidence > stage.threshold)
        self.waiting, self._known = rows[left], block.take(np.flatnonzero(left))

    @property
    def predicted(self) -> Labels:
        """The predicted classes, (N,)."""
        return np.asarray(self.proba.argmax(axis=1), dtype=np.int64)

    @property
    def reached(self) -> tuple[int, ...]:
        """How many rows reached each stage."""
        return tuple(int((self.stage >= number).sum()) for number in range(len(self.cascade.steps)))

    @property
    def cost(self) -> float:
        """What all rows cost together."""
        counts = np.bincount(self.stage, minlength=len(self.cascade.steps))
        return float(sum(count * self.cascade.stage_cost(number) for number, count in enumerate(counts)))

    @property
    def cost_share(self) -> float:
        """The same as a share of what all members would have cost."""
        return self.cost / (len(self.stage) * self.cascade.costs.full)


@dataclass
class StageRequest:
    """What a stage asks: the probabilities of some members for some rows.

    Attributes
    ----------
    members : tuple of int
        By number, of the set that the cascade was fitted on.
    rows : (n,) intp
        Which of the N rows.
    """

    run: CascadeRun
    number: int
    members: tuple[int, ...]
    rows: Rows
    answered: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The members by name."""
        return tuple(self.run.cascade.names[member] for member in self.members)

    def answer(self, proba: ArrayLike) -> None:
        """Give the probabilities, (members, rows, classes), in the order of ``names`` and ``rows``.

        Raises
        ------
        ShapeError, ValueRangeError
            They do not fit, or are no probabilities.
        """
        array = check_proba(proba, names=self.names)
        expected = (len(self.members), len(self.rows), self.run.cascade.n_classes)
        if array.shape != expected:
            raise ShapeError(
                f"answers of stage {self.number + 1} have shape {array.shape}, expected {expected}: "
                f"{', '.join(self.names)} for the rows asked for"
            )
        self.take(array)

    def take(self, proba: Floats) -> None:
        """Take in probabilities that are checked."""
        if self.answered:
            raise UsageError(f"stage {self.number + 1} is answered already")
        self.answered = True
        self.run.pass_on(self.number, self.members, proba)
