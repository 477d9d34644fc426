"""A pool of workers: threads of this process, or those of a cluster."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from ensembler.parallel.threads import ONE_THREAD


@dataclass(frozen=True)
class WorkerPool:
    """Who does pieces of work.

    Attributes
    ----------
    executor : Executor
    n_waiting : int
        How many pieces may wait for a worker.
    share : callable
        Gives all workers a value once; returns what stands for it in a piece of work.
    """

    executor: Executor
    n_waiting: int
    share: Callable[[Any], Any] = lambda value: value


Workers = Callable[[], AbstractContextManager[WorkerPool]]
"""Starts a pool."""


@contextmanager
def thread_pool(n_jobs: int | None = None) -> Iterator[WorkerPool]:
    """Give threads of this process, by default one a core, each with one BLAS thread so that bytes repeat."""
    import joblib
    from threadpoolctl import threadpool_limits

    number = joblib.effective_n_jobs(-1 if n_jobs is None else n_jobs)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(number) as pool:
        yield WorkerPool(pool, 2 * number)


@contextmanager
def process_pool(n_jobs: int | None = None) -> Iterator[WorkerPool]:
    """Give processes of this machine, by default one a core; a single one is this process."""
    import joblib
    from joblib.externals.loky import get_reusable_executor

    number = joblib.effective_n_jobs(-1 if n_jobs is None else n_jobs)
    if number == 1:
        with ThreadPoolExecutor(1) as pool:
            yield WorkerPool(pool, 2)
        return
    yield WorkerPool(get_reusable_executor(max_workers=number, env={ONE_THREAD: "1"}), 2 * number)
