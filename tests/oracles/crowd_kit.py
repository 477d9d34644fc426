"""Store what crowd-kit makes of long tables of votes, as an oracle for majority votes with missing votes.

``crowd_kit.json`` was made by

    pip install crowd-kit==1.4.2
    python tests/oracles/crowd_kit.py

It is not in the test group, since it is large. Inputs are not stored: `draw_votes` makes them again from the seed, and
needs only NumPy. crowd-kit has no answer to a row without a vote: such rows are null.
"""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# seed, n_members, n_rows, n_classes, and the share of votes that are missing
CASES = [(0, 5, 60, 3, 0.4), (1, 8, 60, 4, 0.2), (2, 3, 60, 2, 0.6), (3, 12, 60, 5, 0.7)]


def draw_votes(seed: int, n_members: int, n_rows: int, n_classes: int, share: float) -> NDArray[np.int64]:
    """Draw (M, N) votes, -1 where they are missing; members differ in skill."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_rows)
    right = rng.random((n_members, n_rows)) < np.linspace(0.3, 0.8, n_members)[:, None]
    votes = np.where(right, labels, rng.integers(0, n_classes, (n_members, n_rows)))
    votes[rng.random(votes.shape) < share] = -1
    return votes


def weights_of(n_members: int) -> list[float]:
    """Return weights of which no two sums are equal."""
    return [1.0 + 2.0 ** -(member + 1) for member in range(n_members)]


def aggregate(votes: NDArray[np.int64]) -> dict[str, list[list[float] | None]]:
    """Return the shares of votes of each class, and the shares of weighted votes; None for a row without any."""
    import pandas as pd
    from crowdkit.aggregation import MajorityVote

    members, rows = np.nonzero(votes >= 0)
    table = pd.DataFrame({"task": rows, "worker": members, "label": votes[members, rows]})
    skills = pd.Series(weights_of(len(votes)), name="skill")
    found: dict[str, list[list[float] | None]] = {}
    for name, skill in (("plain", None), ("weighted", skills)):
        shares = (
            MajorityVote().fit_predict_proba(table, skill).reindex(columns=range(int(votes.max()) + 1), fill_value=0.0)
        )
        found[name] = [
            [round(float(share), 12) for share in shares.loc[row]] if row in shares.index else None
            for row in range(votes.shape[1])
        ]
    return found


def main() -> None:
    """Write the answers beside this file."""
    stored = {
        "crowd-kit": version("crowd-kit"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "cases": [{"case": list(case), **aggregate(draw_votes(*case))} for case in CASES],
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(stored) + "\n")


if __name__ == "__main__":
    main()
