"""A rule fitted on some of the fitting rows, while others are kept back to set a threshold or a quantile.

What is promised of a threshold or a prediction set holds for rows like those that set it, as long as these had no part
in anything else: neither in the weights nor in the choice of the rule.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Correct, Rows, Values
from ensembler.combiners.base import Combiner
from ensembler.comparison.candidates import Candidate, list_candidates
from ensembler.comparison.compare import recommend_rule
from ensembler.comparison.fitting import fit_and_apply
from ensembler.comparison.folds import make_folds
from ensembler.comparison.protocol import Split, SplitResult
from ensembler.errors import NotApplicableError, ParameterError, UsageError, argument, setting
from ensembler.metrics import METRICS
from ensembler.metrics.sums import weighted_mean
from ensembler.parallel.progress import Progress
from ensembler.predictions.prediction_set import Predictions

DEFAULT_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class CalibratedFit:
    """A fitted rule, and its probabilities of rows that it has not seen.

    Attributes
    ----------
    rule : Combiner
    weights, calibration : Predictions
        The rows that the rule was fitted on, and those kept back.
    calibration_proba : (n, C)
        The rule's probabilities of the rows kept back.
    scored : Predictions
    rows : (k,)
        Numbers of the scored rows that it predicts: all of them, or a fold.
    proba : (k, C)
        Its probabilities of them.
    """

    rule: Combiner
    weights: Predictions
    calibration: Predictions
    calibration_proba: Values
    scored: Predictions
    rows: Rows
    proba: Values


@dataclass(frozen=True, eq=False)
class CalibratedRule(SplitResult):
    """A rule on a split, with rows kept back that chose nothing.

    Attributes
    ----------
    name : str
    fits : tuple of CalibratedFit
        What the scored rows are predicted by: one, or in cross-fitting one a fold.
    final : CalibratedFit
        What is saved: fitted on all rows but those kept back.
    share : float or None
        The share of the fitting rows that is kept back; None where the rule learns nothing, so that all are.
    recommended : bool
        Whether the rule is the recommended one, found on the rows that are not kept back.
    accuracy, full_accuracy : float
        On the scored rows: of the rule as it is, and fitted on all fitting rows.
    notes : tuple of str
        What was doubtful in the fit.
    """

    name: str
    fits: tuple[CalibratedFit, ...]
    final: CalibratedFit
    share: float | None
    recommended: bool
    accuracy: float
    full_accuracy: float
    notes: tuple[str, ...] = ()

    def gather(self, of_fit: Callable[[CalibratedFit], NDArray[Any]]) -> NDArray[Any]:
        """Return a value a scored row, (N, …), from what each fit makes of its rows."""
        parts = [of_fit(fit) for fit in self.fits]
        values = np.empty((self.scored.n_samples, *parts[0].shape[1:]), dtype=parts[0].dtype)
        for fit, part in zip(self.fits, parts, strict=True):
            values[fit.rows] = part
        return values

    @property
    def proba(self) -> Values:
        """The rule's probabilities of the scored rows, (N, C)."""
        return self.gather(lambda fit: fit.proba)

    @property
    def correct(self) -> Correct:
        """Which of the scored rows the rule is correct about, (N,)."""
        return np.asarray(self.proba.argmax(axis=-1) == self.scored.true_labels)


def calibrated_rule(
    split: Split,
    rule: str | Combiner | None = None,
    *,
    share: float | None = None,
    calibrate: str = "none",
    progress: Progress | None = None,
) -> CalibratedRule:
    """Fit a rule on some of the fitting rows, and keep the others back.

    Parameters
    ----------
    split : Split
    rule : str or Combiner, optional
        By default the recommended one, found without the rows that are kept back.
    share : float, optional
        The share of the fitting rows that is kept back, by default 0.5; a rule that learns nothing leaves all of them.
    calibrate : "none", "members" or "ensemble"
        As in `compare_rules`.
    progress : callable, optional

    Raises
    ------
    UsageError, NotApplicableError
    """
    if split.protocol.fit_on == "test":
        raise UsageError(
            f"{setting('fit_on', 'test')} leaves no rows to calibrate on that are not scored; fit on val, cross or part"
        )
    if share is not None and not 0 < share < 1:
        raise ParameterError(f"{argument('calibration_share')} is {share:g}, expected a fraction between 0 and 1")
    name = rule
    if name is None:
        others, _ = keep_back(split.fitting, DEFAULT_SHARE if share is None else share, split.seed)
        name = recommended_without(split, others, calibrate, progress)
    candidate = list_candidates([name], split.predictions, METRICS["accuracy"], calibrate)[0]
    if candidate.left_out is not None:
        raise NotApplicableError(f"{candidate.name}: {candidate.left_out}")
    used = None
    if rule is None or candidate.learns_from(split.fitting):
        used = DEFAULT_SHARE if share is None else share
    elif share is not None:
        raise UsageError(
            f"{argument('calibration_share')} has no effect with {candidate.name}, which learns nothing, so that all "
            "rows calibrate; drop it"
        )
    final, notes = fit_part(candidate, split.fitting, split.scored, np.arange(split.scored.n_samples), used, split.seed)
    fits = [final]
    if split.cross_fitted:
        if not split.folds.pairs:
            raise NotApplicableError(f"no row can be scored by rules that have not seen it: {split.folds.note}")
        where = f" that a fold leaves of {split.fitting.n_samples:,}"
        fits = [
            fit_part(candidate, split.fitting.take(train), split.scored, test, used, split.seed, where)[0]
            for train, test in split.folds.pairs
        ]
    made = CalibratedRule(split, candidate.name, tuple(fits), final, used, rule is None, np.nan, np.nan, notes)
    accuracy = accuracy_of(made.correct, split.scored)
    full = accuracy if used is None else full_accuracy(candidate, split)
    return replace(made, accuracy=accuracy, full_accuracy=full)


def keep_back(data: Predictions, share: float, seed: int, where: str = "") -> tuple[Rows, Rows]:
    """Draw rows, or whole groups of them, that are kept back; return the others and these.

    They are not stratified: a random part is as exchangeable with new rows as the whole. ``where`` says in an error
    which rows they are.
    """
    units = np.arange(data.n_samples) if data.groups is None else np.unique(data.groups, return_inverse=True)[1]
    n_units = int(units.max()) + 1
    n_back = round(share * n_units)
    if not 0 < n_back < n_units:
        what = f"{n_units} {'row' if data.groups is None else 'group'}{'s' * (n_units != 1)}{where}"
        raise ParameterError(
            f"{argument('calibration_share')} {share:g} of {what} leaves nothing to fit on or to calibrate; give more "
            "rows, or a rule that learns nothing, as mean"
        )
    drawn = np.random.default_rng([seed, 1]).permutation(n_units)[:n_back]
    back = np.isin(units, drawn)
    return np.flatnonzero(~back), np.flatnonzero(back)


def recommended_without(split: Split, kept: Rows, calibrate: str, progress: Progress | None) -> str:
    """Return the name of the rule that is recommended if there are no other fitting rows than these."""
    fitting = split.fitting.take(kept)
    some = replace(
        split,
        fitting=fitting,
        scored=fitting if split.cross_fitted else split.scored,
        folds=make_folds(fitting.true_labels, fitting.groups, split.n_folds, split.seed),
        protocol=replace(split.protocol, n_fit=fitting.n_samples),
    )
    found = recommend_rule(some, calibrate=calibrate, progress=progress)
    if found is None:
        raise NotApplicableError("no rule could run; name one")
    return found.advice.rule


def fit_part(
    candidate: Candidate,
    fitting: Predictions,
    scored: Predictions,
    rows: Rows,
    share: float | None,
    seed: int,
    where: str = "",
) -> tuple[CalibratedFit, tuple[str, ...]]:
    """Fit a rule on what is not kept back of some rows, and predict what is, and some of the scored rows."""
    if share is None:
        weights = calibration = fitting
    else:
        weights, calibration = (fitting.take(part) for part in keep_back(fitting, share, seed, where))
    fit = fit_and_apply(candidate, weights, calibration)
    predicted = scored if len(rows) == scored.n_samples else scored.take(rows)
    proba = fit.rule.predict_proba(predicted.proba, missing=predicted.missing, check_input=False)
    return CalibratedFit(fit.rule, weights, calibration, fit.proba, predicted, rows, proba), fit.notes


def full_accuracy(candidate: Candidate, split: Split) -> float:
    """Return the accuracy on the scored rows of a rule that is fitted on all fitting rows."""
    correct = np.zeros(split.scored.n_samples, dtype=bool)
    for fitting, rows in whole_parts(split):
        scored = split.scored.take(rows)
        correct[rows] = fit_and_apply(candidate, fitting, scored).proba.argmax(axis=-1) == scored.true_labels
    return accuracy_of(correct, split.scored)


def whole_parts(split: Split) -> Iterator[tuple[Predictions, Rows]]:
    """Yield all fitting rows with the scored ones, in cross-fitting fold by fold."""
    if not split.cross_fitted:
        yield split.fitting, np.arange(split.scored.n_samples)
        return
    for train, test in split.folds.pairs:
        yield split.fitting.take(train), test


def accuracy_of(correct: Correct, data: Predictions) -> float:
    """Return the weighted share of correct rows."""
    return float(weighted_mean(correct, data.sample_weight))
