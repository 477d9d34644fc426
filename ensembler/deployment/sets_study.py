"""Prediction sets calibrated on rows that chose nothing else, and how often they hold the true class on others."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Correct, Values
from ensembler.combiners.base import Combiner
from ensembler.comparison.calibration_rows import CalibratedFit, CalibratedRule, calibrated_rule
from ensembler.comparison.protocol import Split, SplitResult, split_of
from ensembler.deployment.abstention import check_share
from ensembler.deployment.prediction_sets import ALPHA, PredictionSets, parse_score
from ensembler.errors import NotApplicableError, UsageError, argument
from ensembler.metrics.intervals import Interval
from ensembler.metrics.selective import answered_steps
from ensembler.parallel.progress import Progress
from ensembler.predictions.prediction_set import Predictions


@dataclass(frozen=True)
class Coverage:
    """How often the sets of some rows hold the true class, and how large they are; rows are weighted.

    Attributes
    ----------
    n_rows, n_covered : int
    coverage : float
        NaN of no rows.
    interval : (low, high) or None
        95 % interval of the coverage: exact, or by the bootstrap where rows have weights or groups.
    mean_size : float
        How many classes a set has on average.
    empty, single : float
        The shares of sets with no class and with one.
    """

    n_rows: int
    n_covered: int
    coverage: float
    interval: Interval | None
    mean_size: float
    empty: float
    single: float


@dataclass(frozen=True, eq=False)
class SetsStudy(SplitResult):
    """What prediction sets are like on rows that did not calibrate them.

    Attributes
    ----------
    rule : CalibratedRule
    sets : PredictionSets
        What to use on new rows.
    contained : (N, C) bool
        Which classes are in the set of each scored row.
    overall : Coverage
    by_class, by_group : dict
        From the name of a class or a group to the coverage of its rows; no groups without groups.
    by_size : dict
        From the size of a set to the coverage of such rows.
    few : dict
        From the names of classes that are in every set, since too few rows calibrated them, to the number of these.
    """

    rule: CalibratedRule
    sets: PredictionSets
    contained: NDArray[np.bool_]
    overall: Coverage
    by_class: Mapping[str, Coverage]
    by_group: Mapping[str, Coverage]
    by_size: Mapping[int, Coverage]
    few: Mapping[str, int]


def study_prediction_sets(
    predictions: Predictions,
    rule: str | Combiner | None = None,
    *,
    alpha: float = ALPHA,
    score: str = "lac",
    randomised: bool = False,
    by_class: bool = False,
    calibration_share: float | None = None,
    fit_on: str | None = None,
    folds: int | None = None,
    part: float | None = None,
    seed: int | None = None,
    split: Split | None = None,
    calibrate: str = "none",
    progress: Progress | None = None,
) -> SetsStudy:
    r"""Make prediction sets of a rule's probabilities, and measure on other rows how often they hold the true class.

    Parameters
    ----------
    predictions : Predictions
        With labels. Row weights count in fits and in what is measured; the promise counts each calibration row once.
    rule : str or Combiner, optional
        By default the recommended one.
    alpha : float
        How often the true class may be missing from a set.
    score, randomised, by_class
        As in `PredictionSets.fit`.
    calibration_share : float, optional
        The share of the fitting rows that calibrates, by default 0.5; a rule that learns nothing leaves all of them.
    fit_on, folds, part, seed, split
        As in `compare_rules`, but for ``"test"``, which leaves no rows.
    calibrate : "none", "members" or "ensemble"
        A temperature, as in `compare_rules`.
    progress : callable, optional

    Returns
    -------
    SetsStudy

    Raises
    ------
    UsageError, NotApplicableError

    Examples
    --------
    >>> from ensembler import load_predictions
    >>> from ensembler.predictions import bundled
    >>> study = study_prediction_sets(load_predictions(bundled.published_folder()), "mean", alpha=0.1)
    >>> round(study.overall.coverage, 3), round(study.overall.mean_size, 2)
    (0.91, 2.18)
    """
    check_share(argument("alpha"), alpha)
    name, _ = parse_score(score, predictions.n_classes)
    if randomised and name == "lac":
        raise UsageError("lac has no randomised form; drop randomised, or take aps or raps")
    split = split_of(predictions, split, fit_on=fit_on, folds=folds, part=part, seed=seed)
    fitted = calibrated_rule(split, rule, share=calibration_share, calibrate=calibrate, progress=progress)
    options = {"alpha": alpha, "score": score, "by_class": by_class, "randomised": randomised}
    made = [fit_sets(fit, options, split.seed) for fit in fitted.fits]
    final = made[0] if fitted.fits[0] is fitted.final else fit_sets(fitted.final, options, split.seed)
    sets_of = dict(zip(map(id, fitted.fits), made, strict=True))
    contained = fitted.gather(lambda fit: sets_of[id(fit)].predict(fit.proba))
    return measure_sets(fitted, final, contained)


def fit_sets(fit: CalibratedFit, options: Mapping[str, object], seed: int) -> PredictionSets:
    """Take the quantiles of the calibration rows of a fit; rows of weight 0 are not there."""
    rows = fit.calibration
    there = np.ones(rows.n_samples, dtype=bool) if rows.sample_weight is None else rows.sample_weight > 0
    if not there.any():
        raise NotApplicableError("no calibration row has a weight above 0")
    return PredictionSets.fit(fit.calibration_proba[there], rows.true_labels[there], seed=seed, **options)  # type: ignore[arg-type]


def measure_sets(fitted: CalibratedRule, sets: PredictionSets, contained: NDArray[np.bool_]) -> SetsStudy:
    """Measure coverage on the whole, by class, by group and by size of set."""
    data = fitted.scored
    labels, sizes = data.true_labels, contained.sum(axis=1)
    covered = contained[np.arange(len(labels)), labels]

    def of(rows: NDArray[np.bool_], *, one_group: bool = False) -> Coverage:
        return coverage_of(covered[rows], sizes[rows], rows_of(data, rows), fitted.split.seed, one_group=one_group)

    by_class = {name: of(labels == label) for label, name in enumerate(data.classes)}
    by_group = {}
    if data.groups is not None:
        by_group = {str(group): of(data.groups == group, one_group=True) for group in np.unique(data.groups).tolist()}
    by_size = {int(size): of(sizes == size) for size in np.unique(sizes)}
    counts = np.bincount(fitted.final.calibration.true_labels, minlength=data.n_classes)
    few = {data.classes[label]: int(counts[label]) for label in sets.unbounded}
    everything = np.ones(len(labels), dtype=bool)
    return SetsStudy(fitted.split, fitted, sets, contained, of(everything), by_class, by_group, by_size, few)


def rows_of(data: Predictions, rows: NDArray[np.bool_]) -> tuple[Values | None, NDArray[np.generic] | None]:
    """Return the weights and the groups of some rows."""
    return (
        None if data.sample_weight is None else data.sample_weight[rows],
        None if data.groups is None else data.groups[rows],
    )


def coverage_of(
    covered: Correct,
    sizes: NDArray[np.int64],
    weights_and_groups: tuple[Values | None, NDArray[np.generic] | None],
    seed: int,
    *,
    one_group: bool = False,
) -> Coverage:
    """Measure the sets of some rows."""
    weight, groups = weights_and_groups
    if not len(covered) or (weight is not None and not weight.any()):
        return Coverage(len(covered), 0, np.nan, None, np.nan, np.nan, np.nan)
    shares = np.ones(len(covered)) / len(covered) if weight is None else weight / weight.sum()
    every = np.ones((1, len(covered)), dtype=bool)
    missed = answered_steps(covered, every, weight, None if one_group else groups, seed=seed)[0]
    interval = None if missed.interval is None else (1 - missed.interval[1], 1 - missed.interval[0])
    return Coverage(
        len(covered),
        int(covered.sum()),
        1 - missed.risk,
        interval,
        float(shares @ sizes),
        float(shares @ (sizes == 0)),
        float(shares @ (sizes == 1)),
    )
