"""Store what baycomp and bencheval answer, as oracles for the comparison of rules over prediction sets.

``ranking.json`` was made by

    pip install baycomp==1.0.3 bencheval==0.1.0
    python tests/oracles/ranking.py

Both are not in the test group: baycomp installs a package called ``tests``, and bencheval is one release old. Inputs
are not stored: `draw_values` makes them again from the seed, and needs only NumPy.
"""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

N_DRAWS = 50_000

# seed, n_sets, and the region of practical equivalence
SIGNED_RANK_CASES = [(0, 8, 0.01), (1, 14, 0.005), (2, 14, 0.02), (3, 40, 0.01), (4, 40, 0.002), (5, 1, 0.01)]
# seed, n_sets, n_rules, decimals, and the share of values that are missing
RATING_CASES = [(0, 12, 4, 3, 0.0), (1, 40, 8, 3, 0.0), (2, 40, 25, 2, 0.0), (3, 40, 8, 2, 0.1), (4, 25, 12, 3, 0.2)]


def draw_values(seed: int, n_sets: int, n_rules: int, decimals: int = 9, missing: float = 0.0) -> Floats:
    """Draw (S, R) scores: sets differ in difficulty, rules by less; NaN where a rule could not run."""
    rng = np.random.default_rng(seed)
    difficulty = rng.uniform(0.6, 0.9, size=(n_sets, 1))
    skill = rng.normal(scale=0.01, size=n_rules)
    values = np.round(difficulty + skill + rng.normal(scale=0.02, size=(n_sets, n_rules)), decimals)
    values[rng.random(values.shape) < missing] = np.nan
    return values


def baycomp_probabilities(seed: int, n_sets: int, rope: float) -> list[float]:
    """Return how probably the second rule is worse than, equivalent to, or better than the first."""
    from baycomp import SignedRankTest

    first, second = draw_values(seed, n_sets, 2).T
    answer = SignedRankTest(first, second, rope, nsamples=N_DRAWS, random_state=seed).probs()
    second_worse, equivalent, second_better = answer  # "left" is where the first has the higher scores
    return [float(second_worse), float(equivalent), float(second_better)]


def bencheval_ratings(seed: int, n_sets: int, n_rules: int, decimals: int, missing: float) -> list[float]:
    """Return Elo ratings of mean 1000. Ties are half a win each; what is missing is not compared."""
    import pandas as pd
    from bencheval.elo_utils import EloHelper

    values = draw_values(seed, n_sets, n_rules, decimals, missing)
    rows = [
        {"method": f"rule{rule:02}", "task": f"set{place:02}", "metric_error": -values[place, rule]}
        for place, rule in np.argwhere(~np.isnan(values))
    ]
    helper = EloHelper()
    found = helper.compute_mle_elo(helper.convert_results_to_battles(pd.DataFrame(rows)))
    answer: Floats = found.sort_index().to_numpy()
    return (answer - answer.mean() + 1000).tolist()


def main() -> None:
    """Write the JSON file next to this script."""
    head = {
        "baycomp": version("baycomp"),
        "bencheval": version("bencheval"),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    cases = {
        "signed_rank": [{"case": case, "probabilities": baycomp_probabilities(*case)} for case in SIGNED_RANK_CASES],
        "ratings": [{"case": case, "ratings": bencheval_ratings(*case)} for case in RATING_CASES],
    }
    text = json.dumps(head, indent=2).removesuffix("\n}")
    for name, stored in cases.items():
        lines = ",\n".join(f"    {json.dumps(case)}" for case in stored)
        text += f',\n  "{name}": [\n{lines}\n  ]'
    Path(__file__).with_suffix(".json").write_text(text + "\n}\n")


if __name__ == "__main__":
    main()
