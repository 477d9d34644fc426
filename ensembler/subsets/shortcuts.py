"""What the full sweep says about shortcuts: greedy paths against the true optimum of each size."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ensembler.subsets.committees import SubsetSweep

ValueOf = Callable[[Sequence[int]], list[float]]


@dataclass(frozen=True)
class Regret:
    """How far shortcuts stay behind the best committee of a size, in the metric's units; 0 is as good as it gets."""

    size: int
    optimum: float
    forward: float
    backward: float
    top_k: float


def forward_path(value_of: ValueOf, n_members: int) -> list[int]:
    """Return the committee of each size that adds the best member to the one before; lowest member among equals."""
    path, mask = [], 0
    for _ in range(n_members):
        larger = [mask | 1 << member for member in range(n_members) if not mask >> member & 1]
        values = value_of(larger)
        mask = larger[values.index(max(values))]
        path.append(mask)
    return path


def backward_path(value_of: ValueOf, n_members: int) -> list[int]:
    """Return the committee of each size that drops the least needed member from the one after."""
    mask = (1 << n_members) - 1
    path = [mask]
    while mask.bit_count() > 1:
        smaller = [mask & ~(1 << member) for member in range(n_members) if mask >> member & 1]
        values = value_of(smaller)
        mask = smaller[values.index(max(values))]
        path.append(mask)
    return path[::-1]


def top_k_path(value_of: ValueOf, n_members: int) -> list[int]:
    """Return the committees of the best member, the two best, and so on, each judged by itself."""
    alone = value_of([1 << member for member in range(n_members)])
    order = sorted(range(n_members), key=lambda member: (-alone[member], member))
    return [sum(1 << member for member in order[:size]) for size in range(1, n_members + 1)]


def regrets(sweep: SubsetSweep) -> list[Regret]:
    """Compare three shortcuts with the true optimum of each size, on the rows of the sweep.

    Raises
    ------
    NotApplicableError
        The sweep is not complete.
    """
    sweep.require_complete("regrets of shortcuts")
    n_members = sweep.plan.n_members
    paths = [path(sweep.value_of, n_members) for path in (forward_path, backward_path, top_k_path)]
    values = [sweep.value_of(path) for path in paths]
    found = []
    for size in range(1, n_members + 1):
        optimum = sweep.best(size).value
        found.append(Regret(size, optimum, *(optimum - line[size - 1] for line in values)))
    return found
