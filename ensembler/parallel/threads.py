"""Independent pieces of work side by side on the cores, as threads of this process."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ensembler.parallel.blas import one_blas_thread

S = TypeVar("S")
T = TypeVar("T")

ONE_THREAD = "ENSEMBLER_ONE_THREAD"
"""Environment variable of processes that share the cores with others of their kind."""


def side_by_side(function: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """Return the function of each item, in order; several at a time where there are cores.

    NumPy gives other threads their turn while it calculates. A worker process that shares the cores takes one item
    after another.

    >>> side_by_side(abs, [-2, 1])
    [2, 1]
    """
    return in_threads(function, items) if len(items) > 1 else [function(item) for item in items]


@one_blas_thread
def in_threads(function: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """Return the function of each of several items, each with one BLAS thread."""
    import joblib

    n_threads = 1 if ONE_THREAD in os.environ else min(len(items), joblib.effective_n_jobs(-1))
    if n_threads < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, items))
