"""Store what crowd-kit's Dawid–Skene makes of votes, some of them missing, as an oracle for ours.

``crowd_kit_dawid_skene.json`` was made by

    pip install crowd-kit==1.4.2
    python -m tests.oracles.crowd_kit_dawid_skene

Inputs are not stored: `draw_votes` makes them again from the seed, and needs only NumPy.
"""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.oracles.crowd_kit import draw_votes

# seed, n_members, n_rows, n_classes, and the share of votes that are missing; then steps and tolerance
CASES = [
    (10, 5, 200, 3, 0.0, 100, 1e-5),
    (11, 7, 300, 4, 0.2, 100, 1e-5),
    (12, 4, 150, 2, 0.5, 100, 1e-7),
    (13, 9, 250, 5, 0.3, 3, 1e-5),
]


def estimate(votes: NDArray[np.int64], n_classes: int, max_iter: int, tol: float) -> dict[str, Any]:
    """Return the class shares, the members' confusion by member, vote and class, and how many steps were made."""
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    members, rows = np.nonzero(votes >= 0)
    table = pd.DataFrame({"task": rows, "worker": members, "label": votes[members, rows]})
    found = DawidSkene(n_iter=max_iter, tol=tol).fit(table)
    classes = range(n_classes)
    confusion = np.zeros((len(votes), n_classes, n_classes))
    for (member, vote), shares in found.errors_.iterrows():
        confusion[member, vote] = shares.reindex(classes, fill_value=0.0)
    return {
        "priors": found.priors_.reindex(classes, fill_value=0.0).tolist(),
        "confusion": confusion.tolist(),
        "n_steps": len(found.loss_history_),
    }


def main() -> None:
    """Write the answers beside this file."""
    stored = {
        "crowd-kit": version("crowd-kit"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "cases": [{"case": list(case), **estimate(draw_votes(*case[:5]), case[3], case[5], case[6])} for case in CASES],
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(stored) + "\n")


if __name__ == "__main__":
    main()
