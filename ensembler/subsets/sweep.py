"""Sweeping every committee on one set of rows, without choosing any."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ensembler.combiners.base import Combiner
from ensembler.parallel.progress import Progress
from ensembler.parallel.workers import thread_pool
from ensembler.predictions.prediction_set import Predictions
from ensembler.subsets.committees import SubsetSweep
from ensembler.subsets.request import SweepRequest
from ensembler.subsets.rules import SweptRule


def sweep_subsets(
    proba: ArrayLike,
    labels: ArrayLike,
    rule: str | Combiner = "mean",
    *,
    metric: str = "accuracy",
    sizes: tuple[int, int] | None = None,
    must: Sequence[int | str] = (),
    names: Sequence[str] | None = None,
    missing: ArrayLike | None = None,
    top: int = 10,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> SubsetSweep:
    """Evaluate a rule on every committee of the members, on one set of rows.

    Parameters
    ----------
    proba : (M, N, C)
        Class probabilities of each member.
    labels : (N,)
        Class index of each row.
    rule : str or Combiner
        A rule that has been fitted is taken as it is. One that has not is fitted on these very rows, and the result is
        marked ``optimistic``; use the command ``ensembler subsets`` or `study_subsets` to fit and choose elsewhere.
    metric : "accuracy", "balanced-accuracy", "brier" or "log-loss"
    sizes : (smallest, largest), optional
        Only committees of such sizes.
    must : sequence of int or str, optional
        Members, by number or name, that every committee has.
    names : sequence of str, optional
        Of the members.
    missing : (M, N) bool, optional
        Votes that are missing, where members are hard labels: rows of zeros of ``proba``.
    top : int
        How many of the best committees `SubsetSweep.top` returns.
    n_jobs : int, optional
        Number of threads; by default one a core. The result does not depend on it.
    progress : callable, optional
        Called as ``progress(done, total, what)``.

    Returns
    -------
    SubsetSweep

    Raises
    ------
    UsageError
        More than 62 members, sizes or members that do not exist, a metric that the rule does not have.
    ShapeError, ValueRangeError
        The arrays do not fit or hold values that cannot be probabilities or labels.

    Examples
    --------
    >>> import numpy as np
    >>> from ensembler import SimpleAverage, sweep_subsets
    >>> proba = np.array([[[0.9, 0.1], [0.6, 0.4]], [[0.6, 0.4], [0.1, 0.9]], [[0.3, 0.7], [0.4, 0.6]]])
    >>> sweep = sweep_subsets(proba, [0, 1], rule=SimpleAverage())
    >>> sweep.correct.tolist()
    [1, 1, 2, 2, 1, 1, 1, 2]
    >>> sweep.best(2).members, sweep.shapley().round(3).tolist()
    (('member-0', 'member-1'), [0.167, 0.417, -0.083])
    """
    hard = None if missing is None or np.ndim(missing) != 2 else np.any(missing, axis=1)
    data = Predictions(proba, labels, names=names, hard=hard, missing=missing)
    return sweep_predictions(
        data, rule, metric=metric, sizes=sizes, must=must, top=top, n_jobs=n_jobs, progress=progress
    )


def sweep_predictions(
    data: Predictions,
    rule: str | Combiner = "mean",
    *,
    metric: str = "accuracy",
    sizes: tuple[int, int] | None = None,
    must: Sequence[int | str] = (),
    top: int = 10,
    n_jobs: int | None = None,
    shard_bits: int = 0,
    progress: Progress | None = None,
) -> SubsetSweep:
    """Sweep one split of a prediction set, fitting the rule on the same rows unless it comes fitted."""
    request = SweepRequest.of(
        data,
        metric=metric,
        sizes=sizes,
        must=must,
        top=top,
        shard_bits=shard_bits,
        workers=lambda: thread_pool(n_jobs),
        progress=progress,
    )
    swept = SweptRule.of(rule, data, metric, freeze=False)
    optimistic = swept.is_trainable and swept.ready is None
    return request.sweep(swept, data, swept.whole(data.n_samples), swept.name, optimistic=optimistic)
