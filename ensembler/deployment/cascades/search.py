"""Good committees where there are too many to look at all of them."""

import numpy as np

from ensembler.arrays import Values, most_probable
from ensembler.deployment.cascades.committees import Block, Committees
from ensembler.subsets.contributions import Contributions

WIDTH, LARGEST = 12, 8
"""Committees kept of each size, and the size up to which they are grown."""
MOST_FOLLOWERS = 20_000
MOST_BYTES = 1e9
"""Bytes that the answers of committees may take."""


def good_committees(data: Contributions) -> tuple[Committees, int]:
    """Return committees worth looking at, and how many of them may answer first.

    Those are every member alone and, of each size up to `LARGEST`, the best that a beam of `WIDTH` comes upon by
    accuracy on the rows given. They may be followed by one another, by the union of any two, and by all members.
    """
    beams = grow(data)
    firsts = sorted({members for beam in beams for members in beam}, key=lambda members: (len(members), members))
    followers = {tuple(sorted({*first, *second})) for first in firsts for second in firsts}
    followers |= {tuple(range(data.n_members))}
    room = int(min(MOST_FOLLOWERS, MOST_BYTES / (3 * data.n_rows)))
    later = sorted(followers - set(firsts), key=lambda members: (len(members), members))
    # All members are the largest union, and stay.
    kept = later if len(later) <= room else [*later[: max(room - 1, 0)], later[-1]]
    return Committees((*firsts, *kept), data.n_members), len(firsts)


def grow(data: Contributions) -> list[list[tuple[int, ...]]]:
    """Return the best committees of each size that a beam comes upon, all members alone first."""
    beams: list[list[tuple[int, ...]]] = [[(member,) for member in range(data.n_members)]]
    parents = best_of(data, beams[0], WIDTH)
    for _ in range(2, min(LARGEST, data.n_members - 1) + 1):
        grown = {
            tuple(sorted((*some, member))) for some in parents for member in range(data.n_members) if member not in some
        }
        parents = best_of(data, sorted(grown), WIDTH)
        beams.append(parents)
    return beams


def best_of(data: Contributions, committees: list[tuple[int, ...]], most: int) -> list[tuple[int, ...]]:
    """Return the committees that are correct about most rows, the first among equals."""
    correct: Values = np.zeros(len(committees))
    for rows, rule in data.blocks():
        block, labels = Block.of(data.proba[:, rows], rule), data.labels[rows]
        for place, scores in block.walk(committees):
            correct[place] += np.count_nonzero(most_probable(scores) == labels)
    return [committees[place] for place in np.argsort(-correct, kind="stable")[:most].tolist()]
