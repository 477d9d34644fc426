"""Folds in which each class has its share of the rows."""

import numpy as np

from ensembler.arrays import Labels, Rows


def stratified_folds(labels: Labels, n_folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Divide rows into shuffled folds whose classes are as frequent as in all rows, as (other rows, rows of the fold).

    Each fold gets a class's rows within one of :math:`n_c / k`, and of all rows within one a class. The folds are those
    of ``StratifiedKFold(n_folds, shuffle=True, random_state=seed)`` in scikit-learn, whose import alone takes longer
    than a comparison of small sets.

    Kohavi, A study of cross-validation and bootstrap for accuracy estimation and model selection, IJCAI 1995,
    1137–1143.

    Parameters
    ----------
    labels : (N,) int64
    n_folds : int
        At least 2, and no more than the rows of the most frequent class.
    seed : int

    Examples
    --------
    >>> [rest.tolist() for _, rest in stratified_folds(np.array([0, 0, 1, 1, 0, 0]), 2, seed=0)]
    [[2, 4, 5], [0, 1, 3]]
    """
    n_rows = len(labels)
    # Of several values for one place, the last one stays: that of the class's first row.
    first = np.full(int(labels.max()) + 1, n_rows)
    first[labels[::-1]] = np.arange(n_rows)[::-1]
    # Classes are numbered as they appear, and dealt to the folds in that order, one row after another.
    appearing = np.argsort(first, kind="stable")[: np.count_nonzero(first < n_rows)]
    ends = np.cumsum(np.bincount(labels)[appearing])
    starts = np.concatenate([[0], ends[:-1]])
    folds_of = np.arange(n_folds)[:, None]
    sizes = (ends - 1 - folds_of) // n_folds - (starts - 1 - folds_of) // n_folds
    rng = np.random.RandomState(seed)
    fold_of = np.empty(n_rows, dtype=np.intp if n_folds > np.iinfo(np.int8).max else np.int8)
    for number, label in enumerate(appearing.tolist()):
        folds = np.repeat(np.arange(n_folds), sizes[:, number])
        rng.shuffle(folds)
        fold_of[labels == label] = folds
    return [(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(n_folds)]
