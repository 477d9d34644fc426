"""What test-time augmentation is worth: predictions with it beside the bundled ones, which are without.

    backbones predict runs/* --data fer2013.csv --flip-averaging --shift-averaging 2 --out augmented
    python benchmarks/test_time.py augmented

Members of the folder are those of the bundled pool by name; the study's nine are found among them. Writes
``results/test_time_augmentation.json``, which the page of the study tells of.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ensembler import Predictions, load_predictions
from ensembler.predictions import bundled

RESULTS = Path(__file__).parent / "results" / "test_time_augmentation.json"
HALF_PRECISION = 1e-3


def accuracy(data: Predictions, proba: np.ndarray) -> float:
    """Return the share of right rows."""
    return float((proba.argmax(axis=1) == data.true_labels).mean())


Members = tuple[Predictions, Sequence[str]]
"""A prediction set, and some of its members."""


def pair(plain: Members, augmented: Members) -> dict[str, float]:
    """Return the accuracies of a mean of members, on PublicTest and PrivateTest, without and with augmentation."""
    found = {}
    for kind, (data, names) in (("plain", plain), ("augmented", augmented)):
        places = [data.names.index(name) for name in names]
        assert data.validation is not None
        for split, part in (("val", data.validation), ("test", data)):
            found[f"{kind}_{split}"] = accuracy(part, part.proba[places].mean(axis=0, dtype=np.float64))
    return found


def names_in_pool(study: Predictions, pool: Predictions) -> dict[str, str]:
    """Return which member of the pool each member of the study is."""
    found = {}
    for name, proba in zip(study.names, study.proba, strict=True):
        same = [other for other, of_other in zip(pool.names, pool.proba, strict=True)
                if np.allclose(proba, of_other, atol=HALF_PRECISION)]  # fmt: skip
        found[name] = same[0]
    return found


def measure(folder: Path) -> dict[str, Any]:
    """Return what each member, and means of them, reach without and with augmentation."""
    augmented, pool = load_predictions(folder), load_predictions(bundled.pool_folder())
    facts = augmented.metadata[0]
    there = set(augmented.names) & set(pool.names)
    study = load_predictions(bundled.study_folder())
    nine = names_in_pool(study, pool)
    of_study = {name: other for name, other in nine.items() if other in there}
    members = {name: pair((pool, [name]), (augmented, [name])) for name in sorted(there)}
    gains = np.array([entry["augmented_test"] - entry["plain_test"] for entry in members.values()])
    return {
        "flip": facts["flip_averaging"],
        "shift": facts["shift_averaging"],
        "members": members,
        "mean_gain": float(gains.mean()),
        "standard_deviation": float(gains.std(ddof=1)),
        "study": {name: pair((study, [name]), (augmented, [other])) for name, other in of_study.items()},
        "missing": sorted(set(nine) - set(of_study)),
        "mean_of_study": pair((study, list(of_study)), (augmented, list(of_study.values()))),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="predictions with test-time augmentation")
    options = parser.parse_args(arguments)
    RESULTS.write_text(json.dumps(measure(options.folder), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
