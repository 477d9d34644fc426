"""Which rows weights are fitted on, and which are scored."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from ensembler.arrays import Rows
from ensembler.comparison.folds import Folds, make_folds, split_part
from ensembler.errors import AlignmentError, ParameterError, UnknownNameError, UsageError, argument, setting
from ensembler.predictions.diagnosis.leak_checks import validation_is_scored
from ensembler.predictions.prediction_set import Predictions

FIT_ON = ("val", "cross", "part", "test")
DEFAULT_FOLDS, DEFAULT_PART = 5, 0.5


@dataclass(frozen=True)
class Protocol:
    """Which rows weights were fitted on and which were scored, in figures.

    Attributes
    ----------
    fit_on : "val", "cross", "part" or "test"
    folds : int or None
        As many as there are; None where the fitting rows cannot be divided.
    fraction : float or None
        Share of the rows that were fitted on, with "part".
    seed : int
    optimistic : bool
        Whether rules were fitted on the scored rows.
    n_fit, n_scored : int
    notes : tuple of str
        What had to be changed.
    """

    fit_on: str
    folds: int | None
    fraction: float | None
    seed: int
    optimistic: bool
    n_fit: int
    n_scored: int
    notes: tuple[str, ...] = ()

    @property
    def how_chosen(self) -> str:
        """How a rule was chosen, to be read after its name; without validation rows, all rows take part in it."""
        if self.optimistic:
            return "chosen by cross-fitting on the scored rows themselves"
        return "chosen by nested cross-fitting" if self.fit_on == "cross" else "chosen without the scored rows"


@dataclass(frozen=True, eq=False)
class Split:
    """A prediction set divided into rows to fit on and rows to score.

    Made by `Split.of`; what a comparison, a sweep and a search have in common.

    Attributes
    ----------
    predictions : Predictions
        The whole set.
    fitting, scored : Predictions
        Rows that weights are fitted on, and rows that are scored; the same where the split is `cross_fitted`.
    folds : Folds
        Of the fitting rows.
    n_folds : int
        How many folds were asked for.
    protocol : Protocol
    """

    predictions: Predictions
    fitting: Predictions
    scored: Predictions
    folds: Folds
    n_folds: int
    protocol: Protocol

    @classmethod
    def of(
        cls,
        predictions: Predictions,
        *,
        fit_on: str | None = None,
        folds: int | None = None,
        part: float | None = None,
        seed: int = 0,
    ) -> Self:
        """Divide a prediction set.

        Parameters
        ----------
        predictions : Predictions
            With labels; groups keep rows together in folds.
        fit_on : "val", "cross", "part" or "test"
            Where weights are fitted: on the validation rows (the default where there are some); on all folds but one,
            each row being scored by rules that have not seen it (the default otherwise); on a part of the rows, the
            rest being scored; or on the scored rows themselves, which makes every figure optimistic.
        folds : int
            Number of folds, wherever there are folds; by default 5.
        part : float, optional
            The share of rows fitted on with ``fit_on="part"``, by default 0.5; refused elsewhere, where it has no
            effect.
        seed : int
            Divides the rows.

        Raises
        ------
        UsageError
            Values that cannot be, or have no effect.
        AlignmentError
            There are no labels, or no validation rows where they are asked for.

        Examples
        --------
        >>> from ensembler import load_predictions
        >>> from ensembler.predictions import bundled
        >>> split = Split.of(load_predictions(bundled.published_folder()), fit_on="part", part=0.25)
        >>> split.fitting.n_samples, split.scored.n_samples, len(split.folds.pairs), split.cross_fitted
        (897, 2692, 5, False)
        """
        n_folds = DEFAULT_FOLDS if folds is None else folds
        check_predictions(predictions)
        check_seed(seed, n_folds)
        fit_on = resolve_fit_on(fit_on, part, predictions)
        share = DEFAULT_PART if part is None else part
        fitting, scored = divide(predictions, fit_on, share, seed)
        pairs = make_folds(fitting.true_labels, fitting.groups, n_folds, seed)
        notes = [pairs.note] if pairs.note else []
        if scored.sample_weight is not None and fitting.sample_weight is None:
            notes.append("row weights are given for the scored rows only; fits are unweighted")
        protocol = Protocol(
            fit_on=fit_on,
            folds=len(pairs.pairs) or None,
            fraction=share if fit_on == "part" else None,
            seed=seed,
            optimistic=fit_on == "test" or (fit_on == "val" and validation_is_scored(predictions)),
            n_fit=fitting.n_samples,
            n_scored=scored.n_samples,
            notes=tuple(notes),
        )
        return cls(predictions, fitting, scored, pairs, n_folds, protocol)

    @property
    def seed(self) -> int:
        """What divides and resamples the rows."""
        return self.protocol.seed

    @property
    def cross_fitted(self) -> bool:
        """Whether each row is scored by rules fitted on the other folds."""
        return self.protocol.fit_on == "cross"

    def sample(self, most: int) -> "tuple[Split, Rows | None]":
        """Return the same split of so many fitting rows at most, which are scored as well, and which rows they are.

        None stands for all, of the very same split.
        """
        n_fitting = self.fitting.n_samples
        if n_fitting <= most:
            return self, None
        rows, _ = split_part(self.fitting.true_labels, self.fitting.groups, most / n_fitting, self.seed)
        fitting = self.fitting.take(rows)
        folds = make_folds(fitting.true_labels, fitting.groups, self.n_folds, self.seed)
        return replace(self, fitting=fitting, scored=fitting, folds=folds), rows

    def inside(self, rows: Rows) -> tuple[Predictions, Folds]:
        """Return some of the fitting rows, and folds of their own."""
        return self.fitting.take(rows), self.folds_inside(rows)

    def folds_inside(self, rows: Rows) -> Folds:
        """Return folds of some of the fitting rows, numbered among those."""
        groups = None if self.fitting.groups is None else self.fitting.groups[rows]
        return make_folds(self.fitting.true_labels[rows], groups, self.n_folds, self.seed)


@dataclass(frozen=True, eq=False)
class SplitResult:
    """What was found on a split; the base of comparisons, sweeps and searches."""

    split: Split

    @property
    def predictions(self) -> Predictions:
        """The whole set."""
        return self.split.predictions

    @property
    def scored(self) -> Predictions:
        """The rows that were scored."""
        return self.split.scored

    @property
    def protocol(self) -> Protocol:
        """Which rows weights were fitted on and which were scored, in figures."""
        return self.split.protocol


def split_of(
    predictions: Predictions,
    split: Split | None,
    *,
    fit_on: str | None,
    folds: int | None,
    part: float | None,
    seed: int | None,
) -> Split:
    """Return the split that is given, or the one that is described; refuse both at once."""
    described = {"fit_on": fit_on, "folds": folds, "part": part, "seed": seed}
    if split is None:
        return Split.of(predictions, fit_on=fit_on, folds=folds, part=part, seed=0 if seed is None else seed)
    given = [name for name, value in described.items() if value is not None]
    if given:
        raise UsageError(f"{given[0]} has no effect beside a split, which says it already; drop one of them")
    if not isinstance(split, Split):
        raise UsageError(f"split is {split!r}, expected a Split: Split.of(predictions, fit_on=…, seed=…)")
    if split.predictions is not predictions:
        raise UsageError("the split is of other predictions; make one of these: Split.of(predictions, …)")
    return split


def check_predictions(predictions: Any) -> None:
    """Refuse arrays in the place of predictions."""
    if not isinstance(predictions, Predictions):
        got = type(predictions).__name__
        raise UsageError(
            f"predictions is a {got}, expected Predictions: load_predictions(…) or Predictions(proba, labels)"
        )


def check_seed(seed: int, folds: int = DEFAULT_FOLDS) -> None:
    """Refuse seeds and numbers of folds that cannot be."""
    if not isinstance(seed, (int, float, np.number)) or not 0 <= seed < 2**32 or int(seed) != seed:
        raise ParameterError(f"{argument('seed')} is {seed}, expected a whole number from 0 to {2**32 - 1}")
    if int(folds) != folds:
        raise ParameterError(f"{argument('folds')} is {folds}, expected a whole number")


def check_fit_on(fit_on: str | None, part: float | None) -> str | None:
    """Return where weights are to be fitted, None for the default; refuse unknown values and options without effect."""
    if fit_on is None and part is not None:
        return "part"
    if fit_on is not None and fit_on not in FIT_ON:
        raise UnknownNameError(f"value of {argument('fit_on')}", fit_on, FIT_ON)
    if part is not None and fit_on != "part":
        raise UsageError(
            f"{argument('part')} has no effect with {setting('fit_on', fit_on)}; drop it, or fit on 'part'"
        )
    return fit_on


def resolve_fit_on(fit_on: str | None, part: float | None, predictions: Predictions) -> str:
    """Return where weights are fitted, refusing what is not there."""
    fit_on = check_fit_on(fit_on, part) or ("cross" if predictions.validation is None else "val")
    if fit_on == "val":
        if predictions.validation is None:
            raise AlignmentError(
                "there are no validation rows to fit on; give some (val/ beside the members), or fit on 'cross'"
            )
        if predictions.groups is not None and predictions.validation.groups is None:
            raise UsageError(
                "groups have no effect: folds are made of the validation rows, which have no groups; give those too (a "
                "file of the same name in the validation folder), or fit on 'cross'"
            )
    return fit_on


def divide(predictions: Predictions, fit_on: str, part: float, seed: int) -> tuple[Predictions, Predictions]:
    """Return the rows that are fitted on and the rows that are scored."""
    if fit_on == "val" and predictions.validation is not None:
        return predictions.validation, predictions
    if fit_on == "part":
        fitting, scored = split_part(predictions.true_labels, predictions.groups, part, seed)
        return predictions.take(fitting), predictions.take(scored)
    return predictions, predictions
