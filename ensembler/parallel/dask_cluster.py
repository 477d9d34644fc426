"""The workers of a Dask cluster, through Dask's own executor."""

from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ensembler.errors import EnsemblerError, UsageError, argument, spelled
from ensembler.parallel.workers import WorkerPool

if TYPE_CHECKING:
    from distributed import Client

SECONDS_TO_CONNECT = 15
TASKS_A_THREAD = 4


class ClusterError(EnsemblerError):
    """A cluster cannot be reached, or has no workers."""


@contextmanager
def dask_pool(address: str) -> Iterator[WorkerPool]:
    """Give the workers of a running scheduler, ``HOST:PORT``. A worker that dies is replaced by the others.

    The workers need the same versions of ensembler and numba as this process.

    Raises
    ------
    ClusterError
        There is no scheduler at that address, or it has no workers.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{spelled('--backend dask', 'a Dask cluster')} needs dask; pip install 'ensembler-bench[distributed]'"
        ) from error
    try:
        client = Client(address, timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address} ({error}); start one, or drop {argument('scheduler')}"
        ) from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise ClusterError(f"the Dask scheduler at {address} has no workers; start some")
        try:
            yield WorkerPool(
                client.get_executor(pure=False),
                TASKS_A_THREAD * threads,
                lambda value: client.scatter(value, broadcast=True, hash=False),
            )
        except (CancelledError, OSError) as error:
            what = "the workers that computed this are" if answers(client) else "the scheduler is"
            raise ClusterError(
                f"the Dask cluster at {address}: {what} lost ({type(error).__name__}); "
                "with a checkpoint (rank: a cache) the same work would go on where it was"
            ) from error


def answers(client: "Client") -> bool:
    """Whether the scheduler of a client is still there."""
    try:
        client.nthreads()
    except (CancelledError, OSError, RuntimeError, TimeoutError):
        return False
    return True
