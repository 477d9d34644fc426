"""How many fitting rows a rule needs: each rule fitted on growing samples of them, against the mean."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensembler.combiners.base import Combiner
from ensembler.comparison.candidates import MetricLike
from ensembler.comparison.folds import split_part
from ensembler.comparison.protocol import DEFAULT_PART, Split, divide
from ensembler.errors import UsageError
from ensembler.metrics import Metric, get_metric
from ensembler.metrics.differences import Difference, pool_by_cluster
from ensembler.metrics.intervals import Interval
from ensembler.parallel.blas import one_blas_thread
from ensembler.parallel.progress import Progress
from ensembler.predictions.prediction_set import Predictions
from ensembler.ranking.measurement import compare_with_mean

FEWEST_ROWS = 10
GROWTH = 2
REPEATS = 3
"""Samples of each size."""
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class LearningPoint:
    """A rule fitted on so many rows, against the mean.

    Attributes
    ----------
    rule : str
    n_fit : int
        Fitting rows.
    effect : float
        The difference from the mean, positive is better; pooled over sets where there are several.
    interval : (low, high) or None
        95 %.
    n_sets : int
    """

    rule: str
    n_fit: int
    effect: float
    interval: Interval | None
    n_sets: int


@dataclass(frozen=True)
class LearningCurve:
    """The points of all rules, and from how many rows on each pays."""

    metric: Metric
    points: tuple[LearningPoint, ...]

    @property
    def sizes(self) -> list[int]:
        """The numbers of fitting rows."""
        return sorted({point.n_fit for point in self.points})

    @property
    def rules(self) -> list[str]:
        """The names of the rules."""
        return list(dict.fromkeys(point.rule for point in self.points))

    def of(self, rule: str) -> list[LearningPoint]:
        """Return the points of a rule, fewest rows first."""
        return sorted((point for point in self.points if point.rule == rule), key=lambda point: point.n_fit)

    def pays_from(self, rule: str) -> int | None:
        """Return the number of rows from which on a rule is better than the mean, at every size tried; None if at none.

        Better means that the interval excludes 0.
        """
        smallest = None
        for point in reversed(self.of(rule)):
            if point.interval is None or point.interval[0] <= 0:
                break
            smallest = point.n_fit
        return smallest

    def to_list(self) -> list[dict[str, Any]]:
        """Return plain values for JSON."""
        return [{**vars(point), "pays_from": self.pays_from(point.rule)} for point in self.points]


@one_blas_thread
def learning_curve(
    predictions: Predictions,
    rules: Sequence[str | Combiner] | None = None,
    metric: MetricLike = "accuracy",
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> LearningCurve:
    """Return the learning curve of rules on one prediction set; see `measure_sizes`."""
    measure = get_metric(metric)
    return pooled_curve([measure_sizes(predictions, rules, measure, seed=seed, progress=progress)], ["set"], measure)


BySize = Mapping[int, Mapping[str, Difference]]
"""Of one set: the differences from the mean by number of fitting rows and rule."""


def sample_sizes(n_rows: int) -> list[int]:
    """Return growing numbers of fitting rows: 10, 20, 40, … and all.

    >>> sample_sizes(100)
    [10, 20, 40, 80, 100]
    """
    sizes = []
    size = FEWEST_ROWS
    while size * 1.2 < n_rows:
        sizes.append(size)
        size *= GROWTH
    return [*sizes, n_rows]


def measure_sizes(
    predictions: Predictions,
    rules: Sequence[str | Combiner] | None,
    metric: Metric,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[int, dict[str, Difference]]:
    """Fit every rule on samples of the fitting rows, and measure its difference from the mean on the scored rows.

    The fitting rows are the validation rows; without any, half of the rows. Samples are stratified; several of one
    size are averaged, and keep the standard error of one, since the scored rows are the same.

    Raises
    ------
    UsageError
        There are fewer than 20 fitting rows.
    """
    fit_on = "part" if predictions.validation is None else "val"
    fitting, scored = divide(predictions, fit_on, DEFAULT_PART, seed)
    if fitting.n_samples < GROWTH * FEWEST_ROWS:
        raise UsageError(
            f"a learning curve needs at least {GROWTH * FEWEST_ROWS} fitting rows, got {fitting.n_samples}"
        )
    with warnings.catch_warnings():
        # Fits on ten rows are doubtful by design.
        warnings.simplefilter("ignore")
        sizes = sample_sizes(fitting.n_samples)
        drawn = [(size, seed + r) for size in sizes for r in range(REPEATS if size < fitting.n_samples else 1)]
        samples: dict[int, list[dict[str, Difference]]] = {size: [] for size in sizes}
        for done, (size, sample_seed) in enumerate(drawn):
            if progress is not None:
                progress(done, len(drawn), f"{size} fitting rows")
            samples[size].append(measure_sample(fitting, scored, size, rules, metric, sample_seed))
    return {size: averaged(of_size) for size, of_size in samples.items()}


def measure_sample(
    fitting: Predictions,
    scored: Predictions,
    size: int,
    rules: Sequence[str | Combiner] | None,
    metric: Metric,
    seed: int,
) -> dict[str, Difference]:
    """Fit every rule on one sample of the fitting rows; return the differences from the mean."""
    split = Split.of(scored.replace(validation=sampled(fitting, size, seed)), fit_on="val", seed=seed)
    return compare_with_mean(split, rules, metric)


def sampled(data: Predictions, size: int, seed: int) -> Predictions:
    """Return a stratified sample of some rows; all of them where there are no more."""
    if size >= data.n_samples:
        return data
    return data.take(split_part(data.true_labels, None, size / data.n_samples, seed)[0])


def averaged(samples: Sequence[Mapping[str, Difference]]) -> dict[str, Difference]:
    """Return the mean difference of each rule that ran on all samples."""
    names = [name for name in samples[0] if all(name in sample for sample in samples)]
    return {
        name: Difference(
            float(np.mean([sample[name].value for sample in samples])),
            float(np.mean([sample[name].standard_error for sample in samples])),
        )
        for name in names
    }


def pooled_curve(sets: Sequence[BySize], clusters: Sequence[str], metric: Metric) -> LearningCurve:
    """Pool the curves of several sets, at the sizes 10, 20, 40, …; a single set keeps the point of all its rows."""
    points = []
    sizes = sorted({size for by_size in sets for size in by_size if len(sets) == 1 or is_doubled(size)})
    for size in sizes:
        there = [(by_size[size], cluster) for by_size, cluster in zip(sets, clusters, strict=True) if size in by_size]
        for rule in dict.fromkeys(name for differences, _ in there for name in differences if name != "mean"):
            of_rule = [(differences[rule], cluster) for differences, cluster in there if rule in differences]
            pooled = pool_by_cluster(*zip(*of_rule, strict=True))
            if pooled is not None:
                interval = pooled.interval if pooled.n_sets > 1 else normal_interval(of_rule[0][0])
                points.append(LearningPoint(rule, size, pooled.effect, interval, pooled.n_sets))
    return LearningCurve(metric, tuple(points))


def normal_interval(difference: Difference) -> Interval:
    """Return the 95 % interval of one set's difference."""
    half = NORMAL_95 * difference.standard_error
    return difference.value - half, difference.value + half


def is_doubled(size: int) -> bool:
    """Whether a size is one of 10, 20, 40, and so on, which every set can have."""
    while size > FEWEST_ROWS and size % GROWTH == 0:
        size //= GROWTH
    return size == FEWEST_ROWS


def sizes_to_plain(by_size: BySize) -> dict[str, dict[str, list[float]]]:
    """Return plain values of what `measure_sizes` found."""
    return {
        str(size): {name: [item.value, item.standard_error] for name, item in differences.items()}
        for size, differences in by_size.items()
    }


def sizes_from_plain(plain: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[int, dict[str, Difference]]:
    """Return what `sizes_to_plain` was given."""
    return {
        int(size): {name: Difference(*pair) for name, pair in differences.items()}
        for size, differences in plain.items()
    }
