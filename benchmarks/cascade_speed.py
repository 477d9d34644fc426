"""How long all two-stage cascades take, beside the plain loop over them: writes ``results/cascade_speed.json``.

Both sides in one process, on the validation rows of the bundled set: the exact search over every pair of committees and
every threshold, and the same by NumPy, one pair at a time (sort, cumulative sums, and the front of all of it at the
end). The loop is run on the pairs of a part of the members where all of them would take too long; both sides are then.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

from ensembler import Predictions, load_predictions
from ensembler.deployment.cascades.committees import Answers, Committees
from ensembler.deployment.cascades.costs import Costs
from ensembler.deployment.cascades.front import CascadeData, two_stages
from ensembler.predictions import bundled
from ensembler.subsets.rules import SweptRule

RESULTS = Path(__file__).parent / "results" / "cascade_speed.json"


def answered(data: Predictions) -> CascadeData:
    """Let every committee answer."""
    swept = SweptRule.of("mean", data, "accuracy", freeze=True)
    added = swept.contributions(data, swept.whole(data.n_samples))
    assert added is not None
    committees = Committees.every(data.n_members)
    answers = Answers.of(added, committees, "top-probability", len(committees))
    return CascadeData.of(committees, answers, Costs.of_set(data), None, len(committees))


def exact_search(data: Predictions) -> list[tuple[float, float]]:
    """Return cost and correct rows of the front."""
    return [(entry.cost, entry.value) for entry in two_stages(answered(data)).routes]


def plain_loop(data: Predictions) -> list[tuple[float, float]]:
    """Return the same by one pair of committees at a time."""
    n_rows, n_members = data.n_samples, data.n_members
    costs, labels = Costs.of_set(data), data.true_labels
    correct, sure, price = {}, {}, {}
    for mask in range(1, 1 << n_members):
        inside = np.array([bool(mask >> member & 1) for member in range(n_members)])
        mean = data.proba[inside].mean(axis=0, dtype=np.float64)
        correct[mask], sure[mask] = mean.argmax(axis=1) == labels, mean.max(axis=1)
        price[mask] = float(costs.of(inside[None])[0])
    found = [(price[mask], float(correct[mask].sum())) for mask in correct]
    for first in correct:
        order = np.argsort(-sure[first], kind="stable")
        ends = np.flatnonzero(np.diff(sure[first][order]) < 0) + 1
        for second, other in correct.items():
            if first & second != first or first == second:
                continue
            gain = np.cumsum(correct[first][order].astype(int) - other[order])
            value = other.sum() + gain[ends - 1]
            cost = price[first] + (price[second] - price[first]) * (n_rows - ends) / n_rows
            found += zip(cost.tolist(), value.tolist(), strict=True)
    kept: list[tuple[float, float]] = []
    for cost, value in sorted(found, key=lambda pair: (pair[0], -pair[1])):
        if not kept or value > kept[-1][1]:
            kept.append((cost, value))
    return kept


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor's seconds of some work, and what it returns."""
    before = time.process_time()
    result = work()
    return time.process_time() - before, result


def measure(n_members: int, n_loop: int) -> dict[str, Any]:
    """Measure the search on a number of members, and both sides on another."""
    data = load_predictions(bundled.folder()).validation
    pool = load_predictions(bundled.pool_folder()).validation
    assert data is not None
    assert pool is not None
    nine_seconds, nine = timed(lambda: two_stages(answered(data)))
    many_seconds, many = timed(lambda: two_stages(answered(pool.pick(range(n_members)))))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    small = data.pick(range(n_loop))
    loop_seconds, expected = timed(lambda: plain_loop(small))
    fast_seconds, found = timed(lambda: exact_search(small))
    assert np.allclose(found, expected)
    return {
        "rows": data.n_samples,
        "side_by_side": {
            "members": n_loop,
            "loop_seconds": loop_seconds,
            "search_seconds": fast_seconds,
            "ratio": loop_seconds / fast_seconds,
            "same_front": True,
        },
        "nine": {"cascades": nine.n_cascades, "seconds": nine_seconds, "wanted_seconds": 1.5},
        "many": {
            "members": n_members,
            "cascades": many.n_cascades,
            "seconds": many_seconds,
            "wanted_seconds": 120,
            "peak_gigabytes": peak,
        },
    }


def main() -> None:
    """Measure and write it down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--members", type=int, default=13)
    parser.add_argument("--loop-members", type=int, default=8)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    results = {"machine": describe(), **measure(options.members, options.loop_members)}
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
