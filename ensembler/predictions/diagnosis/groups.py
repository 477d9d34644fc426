"""Groups of members that are near one another."""

from ensembler.arrays import Values


def near_groups(distances: Values, most: float) -> list[list[int]]:
    """Return groups of two members or more of which all pairs are within a distance (complete linkage).

    >>> import numpy as np
    >>> near_groups(np.array([[0.0, 0.1, 0.9], [0.1, 0.0, 0.8], [0.9, 0.8, 0.0]]), 0.2)
    [[0, 1]]
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(distances) < 2:
        return []
    labels = fcluster(linkage(squareform(distances, checks=False), method="complete"), most, criterion="distance")
    members_of: dict[int, list[int]] = {}
    for member, group in enumerate(labels.tolist()):
        members_of.setdefault(group, []).append(member)
    return [members for members in members_of.values() if len(members) > 1]
