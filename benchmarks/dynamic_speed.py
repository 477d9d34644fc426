"""How fast dynamic selection is, beside DESlib: writes ``results/dynamic_speed.json``.

    python benchmarks/dynamic_speed.py [--peer PYTHON] [--turns 3]

PYTHON is that of an environment with ``deslib==0.3.7 scikit-learn==1.5.2 "numpy<2"``, which fails beside newer
versions. Both sides get the same fitting rows and as many new ones, as features of DESlib's and as predictions of ours,
and take turns. *Alone* is a rule that fits and predicts by itself; *shared* is one whose neighbours another rule of the
same comparison has found. The large set is for our side only.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

from ensembler.combiners.registry import family_rules, make_rule

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "dynamic_speed.json"
N_ROWS, N_CLASSES, POOLS = 3589, 7, (9, 20)
LARGE = (20, 50_000, 10)
PEER = """
import json, sys, time, warnings
import numpy as np
sys.path.insert(0, sys.argv[2])
from dynamic_selection import Member
from deslib.dcs.lca import LCA
from deslib.dcs.mcb import MCB
from deslib.dcs.ola import OLA
from deslib.des.knop import KNOP
from deslib.des.knora_e import KNORAE
from deslib.des.knora_u import KNORAU
from deslib.des.meta_des import METADES
warnings.simplefilter("ignore")
data = np.load(sys.argv[1])
fitting, labels, new = (data[name] for name in ("fitting", "labels", "new"))
n_members, n_rows, n_classes = fitting.shape
fitting, new = (np.moveaxis(part, 0, 1).reshape(n_rows, -1) for part in (fitting, new))
pool = [Member(member, n_classes) for member in range(n_members)]
rules = {
    "knop": KNOP, "knora-u": KNORAU, "knora-e": KNORAE, "ola": OLA, "lca": LCA, "mcb": MCB, "meta-des": METADES,
}
found = {}
for name, rule in rules.items():
    for suffix in ("", " (classes)"):
        wall, cpu = time.perf_counter(), time.process_time()
        fitted = rule(pool).fit(fitting, labels)
        fitted.predict(new) if suffix else fitted.predict_proba(new)
        found[name + suffix] = [time.perf_counter() - wall, time.process_time() - cpu]
print(json.dumps(found))
"""

Times = dict[str, tuple[float, float]]
"""By rule, the seconds on the wall and those of all processors together."""


def draw(seed: int, n_members: int, n_rows: int, n_classes: int) -> tuple[Any, Any]:
    """Draw members of unequal skill whose errors are correlated."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_rows)
    shared = 0.7 * rng.normal(size=(n_rows, n_classes))
    proba = np.empty((n_members, n_rows, n_classes))
    for member in range(n_members):
        logits = (1 + member / n_members) * np.eye(n_classes)[labels] + shared + rng.normal(size=shared.shape)
        proba[member] = np.exp(logits)
    return proba / proba.sum(axis=2, keepdims=True), labels


def seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """Return how long some work takes on the wall, and by the processors."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def ours(fitting: Any, labels: Any, new: Any) -> tuple[Times, Times]:
    """Return the seconds of each rule alone, and with neighbours that another rule has found."""
    alone, shared = {}, {}
    first = make_rule("knop:k=8").fit(fitting, labels)
    first.predict_proba(new)
    first._fitting.search.nearest_others(8)
    for name in family_rules("dynamic"):
        alone[name] = seconds(lambda name=name: make_rule(name).fit(fitting, labels).predict_proba(new))
        known = make_rule(name).reuse({"knop:k=8": first})
        shared[name] = seconds(lambda known=known: known.fit(fitting, labels).predict_proba(new))
    return alone, shared


def theirs(peer: Path, fitting: Any, labels: Any, new: Any) -> Times:
    """Return the seconds of each of DESlib's rules."""
    with tempfile.TemporaryDirectory() as home:
        np.savez(f"{home}/data.npz", fitting=fitting, labels=labels, new=new)
        oracles = HERE.parent / "tests" / "oracles"
        command = [str(peer), "-c", PEER, f"{home}/data.npz", str(oracles)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: Times = json.loads(printed)
    return found


def median(runs: list[Times]) -> dict[str, dict[str, float]]:
    """Return the median over turns of each rule's seconds."""
    kinds = ("wall", "cpu")
    return {
        name: {kind: statistics.median(run[name][place] for run in runs) for place, kind in enumerate(kinds)}
        for name in runs[0]
    }


def ratios(peer: dict[str, dict[str, float]], own: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return how many times as long the peer takes, by rule."""
    return {name: {kind: peer[name][kind] / value for kind, value in times.items()} for name, times in own.items()}


def compare(n_members: int, turns: int, peer: Path | None) -> dict[str, Any]:
    """Take turns with DESlib on one pool."""
    fitting, labels = draw(0, n_members, N_ROWS, N_CLASSES)
    new = draw(1, n_members, N_ROWS, N_CLASSES)[0]
    ours(fitting[:, :300], labels[:300], new[:, :300])
    alone, shared, peers = [], [], []
    for _ in range(turns):
        one, other = ours(fitting, labels, new)
        alone.append(one)
        shared.append(other)
        if peer is not None:
            peers.append(theirs(peer, fitting, labels, new))
    found: dict[str, Any] = {"alone": median(alone), "shared": median(shared)}
    if peers:
        deslib = median(peers)
        found |= {
            "deslib": deslib,
            "times_faster_alone": ratios(deslib, found["alone"]),
            "times_faster_shared": ratios(deslib, found["shared"]),
        }
    return found


def large() -> dict[str, Any]:
    """Fit on 50,000 rows and predict as many, by each rule alone."""
    fitting, labels = draw(0, *LARGE)
    new = draw(1, *LARGE)[0]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {}
    for name in family_rules("dynamic"):
        rule = make_rule(name)
        steps = {
            "fit": seconds(lambda rule=rule: rule.fit(fitting, labels)),
            "predict": seconds(lambda rule=rule: rule.predict_proba(new)),
        }
        found[name] = {step: dict(zip(("wall", "cpu"), times, strict=True)) for step, times in steps.items()}
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    arrays = (fitting.nbytes + new.nbytes) / 2**20
    return {"seconds": found, "both_arrays_mib": arrays, "peak_beyond_them_mib": (after - before) / 2**10}


def main() -> None:
    """Measure and write it down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peer", type=Path, help="the Python of an environment with DESlib")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    results = {
        "machine": describe(),
        "load": os.getloadavg()[0],
        "shape": {"rows": N_ROWS, "classes": N_CLASSES, "large": LARGE},
        "members": {str(n_members): compare(n_members, options.turns, options.peer) for n_members in POOLS},
        "large": large(),
    }
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
