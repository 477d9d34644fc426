"""Which prediction sets are not independent of each other."""

import re
from collections.abc import Sequence

from ensembler.errors import UsageError, argument


def find_clusters(names: Sequence[str], labels: Sequence[Sequence[str]], pattern: str | None = None) -> list[str]:
    r"""Return a cluster's name for each set: the name of its first set.

    Sets are of one cluster if they share the checksum of some labels, which are then predictions of the same rows, or
    if a pattern says so.

    Parameters
    ----------
    names : sequence of str
        Of the sets.
    labels : sequence of sequences of str
        Checksums of the labels of each.
    pattern : str, optional
        A regular expression, searched for in each name: what its first group finds (the whole match, without a group)
        is equal for sets of one cluster.

    Examples
    --------
    >>> find_clusters(["iris-0", "iris-1", "wine-0"], [["a"], ["b"], ["c"]], r"(.+)-\d")
    ['iris-0', 'iris-0', 'wine-0']
    >>> find_clusters(["x", "y", "z"], [["a", "b"], ["c"], ["b"]])
    ['x', 'y', 'x']
    """
    keys = [list(checksums) for checksums in labels]
    if pattern is not None:
        keys = [[*own, *matched(pattern, name)] for name, own in zip(names, keys, strict=True)]
    clusters = list(names)
    for place, own in enumerate(keys):
        joined = {clusters[other] for other in range(place) if set(own) & set(keys[other])}
        if joined:
            first = next(cluster for cluster in clusters if cluster in joined)
            clusters = [first if cluster in {*joined, names[place]} else cluster for cluster in clusters]
    return clusters


def matched(pattern: str, name: str) -> list[str]:
    """Return what a pattern finds in a name, marked so that it is no checksum."""
    found = compile_pattern(pattern).search(name)
    if found is None:
        return []
    return [f"name:{found.group(1) if found.re.groups else found.group()}"]


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return a regular expression, or raise what is wrong with it."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UsageError(f"{argument('cluster')} {pattern!r} is no regular expression: {error}") from error
