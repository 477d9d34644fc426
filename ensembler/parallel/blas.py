"""How many threads products of vectors and matrices take."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that say it, if they are set before NumPy is loaded."""


def one_blas_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Return the function with one BLAS thread while it runs.

    Sums do not depend on the number of cores then; and many products of short vectors are many times faster, since
    threads wait for one another at the end of each.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> T:
        # SciPy brings a BLAS of its own, which can be limited only once it is loaded.
        import scipy.linalg  # noqa: F401
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "blas"):
            return function(*args, **kwargs)

    return limited
