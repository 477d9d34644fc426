"""How fast the classic rules are, beside programs that go row by row.

    git clone https://github.com/IPVS-AS/pusion && git -C pusion checkout b56ee7ec1559da7c14f32eeaff4d768301583c06
    python benchmarks/rules_speed.py --pusion pusion [--crowd-kit-python PATH] [--rule NAME …]

writes ``results/rules_speed.json``: seconds to fit on 3,589 rows and to predict 3,589 others, seven classes, nine and
twenty members, ours and theirs in one run; and ours for 50,000 rows, ten classes and twenty members. Seconds are those
of the processor, on one core, so that other work on the machine does not count; ours are the best of several runs,
without the checks of arrays, which others do not make, and with them.

Where no program of others is at hand, the other side is the rule's formula as others write it, row by row or draw by
draw, with the functions of NumPy and SciPy that they call: ``formula, in loops`` in the results. Pusion is loaded from
its source by ``tests/oracles/pusion_rules.py``, since it cannot be installed beside current packages. crowd-kit needs
a Python of its own with ``pip install crowd-kit==1.4.2``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
from machine import describe
from scipy.stats import percentileofscore, pmean

from ensembler import load_predictions, make_rule
from ensembler.predictions import bundled

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "rules_speed.json"
REPEATS = 7
RULES = (
    *("decision-templates", "dempster-shafer", "dempster-shafer:squared=false", "naive-bayes", "recall"),
    *("behaviour-knowledge-space", "generalised-mean", "rank-average", "bayesian-combination", "cma-es", "dawid-skene"),
)
PUSION = {
    "decision-templates": "decision-templates",
    "dempster-shafer": "dempster-shafer",
    "dempster-shafer:squared=false": "dempster-shafer:squared=false",
    "naive-bayes": "naive-bayes",
    "behaviour-knowledge-space": "behaviour-knowledge-space",
}
CROWD_KIT = """
import sys, time
import numpy as np, pandas as pd
from crowdkit.aggregation import DawidSkene
votes = np.load(sys.argv[1])
members, rows = np.nonzero(votes >= 0)
table = pd.DataFrame({"task": rows, "worker": members, "label": votes[members, rows]})
start = time.process_time()
DawidSkene().fit(table)
print(time.process_time() - start)
"""

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def data_of(n_members: int) -> Arrays:
    """Return fitting rows with labels, and scored rows with theirs, of networks on FER2013."""
    folder = bundled.published_folder() if n_members == 9 else bundled.pool_folder()
    data = load_predictions(folder).pick(list(range(n_members)))
    assert data.validation is not None
    parts = [np.asarray(part.proba, dtype=np.float64) for part in (data.validation, data)]
    fitting, scored = (part / part.sum(axis=-1, keepdims=True) for part in parts)
    return fitting, data.validation.true_labels, scored, data.true_labels


def drawn(n_rows: int, n_classes: int, n_members: int) -> Arrays:
    """Draw members of unequal skill, for the large case."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, n_classes, n_rows)
    proba = rng.random((n_members, n_rows, n_classes))
    proba[:, np.arange(n_rows), labels] += np.linspace(0.1, 1.0, n_members)[:, None] * rng.random((n_members, n_rows))
    proba /= proba.sum(axis=-1, keepdims=True)
    return proba, labels, proba, labels


def seconds(run: Callable[[], Any], repeats: int = 1) -> float:
    """Return the processor's seconds of the fastest of some runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def ours(rule: str, arrays: Arrays, repeats: int = REPEATS, *, check: bool = False) -> float:
    """Time our rule; the others do not check what they are given, as ``check`` has ours do."""
    fitting, labels, scored, _ = arrays

    def run() -> None:
        make_rule(rule).fit(fitting, labels, check_input=check).predict_proba(scored, check_input=check)

    return seconds(run, repeats)


def of_pusion(rule: str, kinds: dict[str, Any], arrays: Arrays) -> float:
    """Time Pusion's."""
    fitting, labels, scored, _ = arrays
    n_classes = fitting.shape[2]
    crisp = rule == "behaviour-knowledge-space"
    given = [np.eye(n_classes)[part.argmax(axis=-1)] if crisp else part for part in (fitting, scored)]
    assignments = np.eye(n_classes, dtype=int)[labels]

    def run() -> None:
        made = kinds[PUSION[rule]]()
        made.train(given[0], assignments)
        made.combine(given[1])

    return seconds(run)


def of_crowd_kit(python: str, arrays: Arrays) -> float:
    """Time crowd-kit's, which estimates the rows it is given and predicts no others."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.npy"
        np.save(path, arrays[0].argmax(axis=-1))
        done = subprocess.run([python, "-c", CROWD_KIT, str(path)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def recall_in_loops(arrays: Arrays) -> None:
    """Read the recall combiner's formula row by row."""
    fitting, labels, scored, _ = arrays
    n_members, _, n_classes = fitting.shape
    recall = np.empty((n_members, n_classes))
    for m in range(n_members):
        for c in range(n_classes):
            n = np.sum(labels == c)
            hits = np.sum(fitting[m][labels == c].argmax(axis=1) == c)
            recall[m, c] = np.clip(hits / n, 1 / (2 * n + 2), 1 - 1 / (2 * n + 2))
    prior = (np.bincount(labels, minlength=n_classes) + 1) / (len(labels) + n_classes)
    for row in range(scored.shape[1]):
        votes = [np.argmax(scored[m, row]) for m in range(n_members)]
        mu = np.zeros(n_classes)
        for c in range(n_classes):
            mu[c] = np.log(prior[c])
            for m in range(n_members):
                mu[c] += np.log(1 - recall[m, c])
                if votes[m] == c:
                    mu[c] += np.log(recall[m, c] / (1 - recall[m, c])) + np.log(n_classes - 1)
        mu.argmax()


def ranks_in_loops(arrays: Arrays) -> None:
    """Rank each row, member and class among the fitting rows."""
    fitting, _, scored, _ = arrays
    n_members, n_rows, n_classes = scored.shape
    for row in range(n_rows):
        for c in range(n_classes):
            np.mean([percentileofscore(fitting[m, :, c], scored[m, row, c], kind="mean") for m in range(n_members)])


def means_in_loops(arrays: Arrays) -> None:
    """Take the generalised mean of each row."""
    for row in range(arrays[2].shape[1]):
        mean = pmean(arrays[2][:, row], 0.5, axis=0)
        mean /= mean.sum()


def draws_in_loops(arrays: Arrays) -> None:
    """Try one weight vector after the other."""
    fitting, labels, scored, _ = arrays
    rng, logs, draws = np.random.default_rng(0), [], []
    for _ in range(2000):
        weights = rng.dirichlet(np.ones(len(fitting)))
        accuracy = np.mean(np.average(fitting, axis=0, weights=weights).argmax(axis=1) == labels)
        logs.append(len(labels) * (accuracy * np.log(accuracy) + (1 - accuracy) * np.log(1 - accuracy)))
        draws.append(weights)
    posterior = np.exp(np.array(logs) - max(logs))
    np.average(scored, axis=0, weights=posterior @ np.array(draws))


def search_in_loops(arrays: Arrays) -> None:
    """Run the same evolution strategy, with scikit-learn's log loss of one weight vector after the other."""
    from cmaes import CMA
    from sklearn.metrics import log_loss

    fitting, labels, scored, _ = arrays
    n_members = len(fitting)
    search = CMA(mean=np.eye(n_members)[0], sigma=0.2, population_size=4 + int(3 * np.log(n_members)), seed=0)
    best, reached = np.ones(n_members), np.inf
    for _ in range(-(-50 * n_members // search.population_size)):
        told = []
        for _ in range(search.population_size):
            point = search.ask()
            counts = np.round(50 * np.exp(point) / np.exp(point).sum())
            loss = log_loss(labels, np.average(fitting, axis=0, weights=counts), labels=range(fitting.shape[2]))
            told.append((point, loss))
            if loss < reached:
                best, reached = counts, loss
        search.tell(told)
    np.average(scored, axis=0, weights=best)


LOOPS: dict[str, Callable[[Arrays], None]] = {
    "recall": recall_in_loops,
    "rank-average": ranks_in_loops,
    "generalised-mean": means_in_loops,
    "bayesian-combination": draws_in_loops,
    "cma-es": search_in_loops,
}


def measure(rule: str, arrays: Arrays, kinds: dict[str, Any], crowd_kit_python: str | None) -> dict[str, Any]:
    """Time both sides of one rule."""
    given = "cma-es:metric=log-loss" if rule == "cma-es" else rule
    entry: dict[str, Any] = {"rule": rule, "n_members": len(arrays[0]), "seconds": ours(given, arrays)}
    entry["seconds_with_checks"] = ours(given, arrays, check=True)
    if rule in PUSION:
        entry |= {"peer": "Pusion 0.2.0", "peer_seconds": of_pusion(rule, kinds, arrays)}
    elif rule in LOOPS:
        entry |= {"peer": "formula, in loops", "peer_seconds": seconds(lambda: LOOPS[rule](arrays))}
    elif crowd_kit_python is not None:
        entry |= {"peer": "crowd-kit 1.4.2", "peer_seconds": of_crowd_kit(crowd_kit_python, arrays)}
    if "peer_seconds" in entry:
        entry["ratio"] = entry["peer_seconds"] / entry["seconds"]
    print(json.dumps(entry), file=sys.stderr)
    return entry


def main(arguments: Sequence[str] | None = None) -> None:
    """Time both sides, and write the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pusion", type=Path, required=True, help="folder of Pusion's source")
    parser.add_argument("--crowd-kit-python", help="a Python that has crowd-kit")
    parser.add_argument("--rule", nargs="+", choices=RULES, default=RULES)
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT))
    from tests.oracles.pusion_rules import load

    kinds = load(options.pusion)
    found = []
    for n_members in (9, 20):
        arrays = data_of(n_members)
        ours(RULES[0], arrays, 1)
        found += [measure(rule, arrays, kinds, options.crowd_kit_python) for rule in options.rule]
    large = drawn(50_000, 10, 20)
    sizes = {rule: ours(rule, large, 1) for rule in options.rule}
    results = {
        "machine": describe(),
        "rows": {"fitting": 3589, "predicted": 3589, "classes": 7},
        "wanted_ratio_at_least": 100,
        "rules": found,
        "large": {"rows": 50_000, "classes": 10, "members": 20, "wanted_seconds_at_most": 20, "seconds": sizes},
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
