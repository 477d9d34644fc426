"""How fast every committee is swept, against two loops that do the same, in one run.

    python benchmarks/subsets_speed.py [--only loop nine start growth large streamed hard]

writes benchmarks/results/subsets_speed.json and draws the growth into docs/_static. Members really differ: they are
spread evenly over the 72 networks of the bundled pool in the order of their names, so over all networks and input
normalisations, on all 3,589 rows. Sides alternate and each has the best of its rounds, in wall time and in CPU time of
all threads; machines differ, so read the ratios. Each result names its processor, and how many programs wanted to run
on its cores before (load).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from numba import njit
from numpy.typing import NDArray
from scipy.special import softmax

from ensembler import SimpleAverage, load_predictions, sweep_subsets
from ensembler.predictions import bundled
from ensembler.subsets.contributions import Contributions
from ensembler.subsets.kernel.counter import Counter
from ensembler.subsets.plan import make_plan

RESULTS = Path(__file__).parent / "results" / "subsets_speed.json"
FIGURE = Path(__file__).parent.parent / "docs" / "_static" / "subsets-growth.svg"
ADDITIVE = (
    "mean",
    "accuracy-weighted",
    "loss-weighted",
    "product",
    "borda",
    "majority-vote",
    "weighted-vote",
)
ROUNDS = 7
SOME_SHARDS, LEAVES = 16, 100
LOOP_MASKS = 300
GRAY_STEPS = 4096
Proba = NDArray[np.float64]


def members(n_members: int) -> tuple[Proba, NDArray[np.int64]]:
    """Return so many members of the bundled pool, spread over all kinds."""
    pool = load_predictions(bundled.pool_folder())
    chosen = np.linspace(0, pool.n_members - 1, n_members).round().astype(int)
    return pool.proba[chosen].astype(np.float64), pool.true_labels


def weak_members(n_members: int) -> tuple[Proba, NDArray[np.int64]]:
    """Return members that are right in 4 of 10 rows and disagree."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 3589)
    logits = rng.normal(size=(n_members, len(labels), 7))
    logits[:, np.arange(len(labels)), labels] += 1.0
    return softmax(logits, axis=2), labels


@dataclass(frozen=True)
class Seconds:
    """What a call took."""

    seconds: float
    cpu_seconds: float


def seconds(call: Any) -> Seconds:
    """Time one call, by the clock and by the CPU time of all threads and of processes that it waits for."""
    wall, cpu = time.perf_counter(), cpu_time()
    call()
    return Seconds(time.perf_counter() - wall, cpu_time() - cpu)


def cpu_time() -> float:
    """Return the CPU time so far, of ended children too."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def best(times: list[Seconds]) -> Seconds:
    """Return the least of each, which other programs disturbed least."""
    return Seconds(min(one.seconds for one in times), min(one.cpu_seconds for one in times))


def numpy_loop(proba: Proba, labels: NDArray[np.int64], masks: list[int]) -> list[int]:
    """Count the obvious way."""
    found = []
    for mask in masks:
        chosen = [member for member in range(len(proba)) if mask >> member & 1]
        found.append(int((proba[chosen].mean(0).argmax(1) == labels).sum()))
    return found


@njit
def gray_loop(proba: Any, labels: Any, n_steps: int) -> Any:
    """Count by adding or taking away one member a step, on one thread."""
    n_rows, n_classes = proba.shape[1:]
    sums = np.zeros((n_rows, n_classes))
    found = np.zeros(n_steps, dtype=np.int64)
    gray = 0
    for step in range(1, n_steps):
        changed = 0
        while not (step >> changed) & 1:
            changed += 1
        gray ^= 1 << changed
        sign = 1.0 if (gray >> changed) & 1 else -1.0
        right = 0
        for row in range(n_rows):
            best, winner = -1e300, 0
            for label in range(n_classes):
                value = sums[row, label] + sign * proba[changed, row, label]
                sums[row, label] = value
                if value > best:
                    best, winner = value, label
            right += winner == labels[row]
        found[gray % n_steps] = right
    return found


def measure_loop() -> dict[str, Any]:
    """Compare 2^20 committees with a NumPy loop and with a Gray-code loop, both timed on a part."""
    proba, labels = members(20)
    masks = np.random.default_rng(0).integers(1, 1 << 20, LOOP_MASKS).tolist()
    sweep = sweep_subsets(proba, labels)
    assert sweep.correct[masks].tolist() == numpy_loop(proba, labels, masks)
    gray_loop(proba, labels, 4)
    ours, loop, gray = [], [], []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: sweep_subsets(proba, labels)))
        loop.append(seconds(lambda: numpy_loop(proba, labels, masks)))
        gray.append(seconds(lambda: gray_loop(proba, labels, GRAY_STEPS)))
    swept, looped, grayed = best(ours), best(loop), best(gray)
    loop_seconds, gray_seconds = looped.seconds * 2**20 / LOOP_MASKS, grayed.seconds * 2**20 / GRAY_STEPS
    return {
        "committees": 2**20,
        "seconds": swept.seconds,
        "cpu_seconds": swept.cpu_seconds,
        "numpy_loop_seconds": loop_seconds,
        "numpy_loop_cpu_seconds": looped.cpu_seconds * 2**20 / LOOP_MASKS,
        "gray_code_loop_seconds": gray_seconds,
        "ratio_to_numpy_loop": loop_seconds / swept.seconds,
        "wanted_ratio_to_numpy_loop": 3000,
        "ratio_to_gray_code_loop": gray_seconds / swept.seconds,
        "wanted_ratio_to_gray_code_loop": 20,
        "comparisons": measure_comparisons(proba, labels),
    }


def measure_comparisons(proba: Proba, labels: NDArray[np.int64]) -> dict[str, Any]:
    """Time the walk alone on one thread, and count what it cannot do without: 64 lanes of each open pair of a leaf."""
    data = Contributions(proba, labels, [(np.arange(len(labels)), SimpleAverage().fit(proba, labels))])
    plan = make_plan(len(proba))
    counter = Counter.of(data, plan)
    shards = list(plan.shards())
    some = shards[:: max(1, len(shards) // SOME_SHARDS)]
    walked = best([seconds(lambda: [counter.count(shard) for shard in some]) for _ in range(ROUNDS)])
    share = len(shards) / len(some)
    open_pairs = float(np.mean([pairs_of_a_leaf(counter, rng) for rng in np.random.default_rng(0).spawn(LEAVES)]))
    return {
        "walk_cpu_seconds": walked.cpu_seconds * share,
        "open_pairs_of_a_leaf": open_pairs,
        "comparisons_of_64": open_pairs * 2.0 ** len(proba) / 64,
        "nanoseconds_a_comparison": walked.cpu_seconds * share * 1e9 / (open_pairs * 2.0 ** len(proba) / 64),
    }


def pairs_of_a_leaf(counter: Counter, rng: np.random.Generator) -> int:
    """Count the pairs that stay open when all but the last eight members are decided by chance."""
    pairs, leaf = counter.pairs, counter.leaf
    n_members = len(pairs.steps)
    last = [member for member in range(n_members) if leaf.masks[-1] >> member & 1]
    decided = [member for member in range(n_members) if member not in last and rng.random() < 0.5]
    sums = pairs.start + pairs.steps[decided].sum(axis=0)
    low, high = (np.add.reduce(bound(pairs.steps[last], 0), axis=0) + sums for bound in (np.minimum, np.maximum))
    lost = np.logical_or.reduceat(high <= pairs.lose, pairs.row_starts[:-1])
    return int(((low < pairs.win) & ~lost[pairs.row_of_pair]).sum())


def measure_nine() -> dict[str, Any]:
    """Sweep the nine bundled members with all additive rules, after start-up."""
    data = load_predictions(bundled.folder())
    proba, labels = data.proba, data.true_labels

    def all_rules() -> None:
        for rule in ADDITIVE:
            sweep_subsets(proba, labels, rule)

    all_rules()
    swept = best([seconds(all_rules) for _ in range(ROUNDS)])
    return {
        "committees": 511,
        "rules": list(ADDITIVE),
        "seconds": swept.seconds,
        "cpu_seconds": swept.cpu_seconds,
        "wanted_seconds_at_most": 0.5,
    }


def measure_start() -> dict[str, Any]:
    """Time whole processes that sweep twenty members, with and without compiled code on the disk."""
    command = [sys.executable, str(Path(__file__)), "--child", "20"]
    result = {}
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, "NUMBA_CACHE_DIR": empty}
        for name in ("twenty_members_compiling", "twenty_members_compiled"):
            took = seconds(lambda: subprocess.run(command, check=True, capture_output=True, env=environment))
            result[f"{name}_seconds"], result[f"{name}_cpu_seconds"] = took.seconds, took.cpu_seconds
    return result


def measure_growth() -> dict[str, Any]:
    """Time more and more members, and more and more rows."""
    proba, labels = members(24)
    sweep_subsets(proba[:13], labels)
    by_members = [
        {"members": n, **asdict(best([seconds(lambda n=n: sweep_subsets(proba[:n], labels)) for _ in range(3)]))}
        for n in range(10, 25, 2)
    ]
    by_rows = [
        {
            "rows": n,
            **asdict(best([seconds(lambda n=n: sweep_subsets(proba[:20, :n], labels[:n])) for _ in range(ROUNDS)])),
        }
        for n in (225, 449, 898, 1795, 3589)
    ]
    return {"by_members": by_members, "by_rows_of_twenty_members": by_rows}


def measure_large(n_members: int, wanted_seconds: float) -> dict[str, Any]:
    """Sweep in a process of its own, for its peak of memory."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), "--child", str(n_members)], check=True, capture_output=True, text=True
    )
    return {"committees": 2**n_members, **json.loads(done.stdout), "wanted_seconds_at_most": wanted_seconds}


def child(n_members: int) -> None:
    """Sweep once, after the compiled code is there, and print seconds and the peak of memory."""
    proba, labels = members(n_members)
    sweep_subsets(proba[:13], labels)
    wall, cpu = time.perf_counter(), time.process_time()
    sweep = sweep_subsets(proba, labels)
    swept = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    sweep.by_size()
    sweep.shapley()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({**swept, "best": sweep.best().value, "peak_bytes": peak}))


def measure_hard() -> dict[str, Any]:
    """Sweep twenty weak members that disagree."""
    proba, labels = weak_members(20)
    sweep_subsets(proba[:13], labels)
    swept = best([seconds(lambda: sweep_subsets(proba, labels)) for _ in range(ROUNDS)])
    return {
        "committees": 2**20,
        "seconds": swept.seconds,
        "cpu_seconds": swept.cpu_seconds,
        "wanted_seconds_at_most": 0.25,
        "comparisons": measure_comparisons(proba, labels),
    }


def draw(growth: dict[str, Any], path: Path) -> None:
    """Draw how the time grows, from the numbers in the results."""
    from matplotlib.figure import Figure

    from ensembler.report.figures.drawing import save_figure

    figure = Figure(figsize=(7.0, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    points = growth["by_members"]
    left.plot([one["members"] for one in points], [one["cpu_seconds"] for one in points], "o-", color="#0072b2")
    last = points[-1]
    left.plot(
        [one["members"] for one in points],
        [last["cpu_seconds"] * 2.0 ** (one["members"] - last["members"]) for one in points],
        "--",
        color="0.6",
        label="doubling with each member",
    )
    left.set_yscale("log")
    left.set_xlabel("members")
    left.set_ylabel("CPU seconds")
    left.legend(frameon=False, fontsize=8)
    rows = growth["by_rows_of_twenty_members"]
    right.plot([one["rows"] for one in rows], [one["cpu_seconds"] for one in rows], "o-", color="#0072b2")
    last = rows[-1]
    right.plot([0, last["rows"]], [0, last["cpu_seconds"]], "--", color="0.6", label="in proportion")
    right.set_xlabel("rows, twenty members")
    right.set_ylim(bottom=0)
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(exist_ok=True)
    save_figure(figure, path)


def main() -> None:
    """Measure what was asked for and write it down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    every = ("loop", "nine", "start", "growth", "large", "streamed", "hard")
    parser.add_argument("--only", nargs="+", choices=every, default=every)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.child is not None:
        child(options.child)
        return
    results = json.loads(options.out.read_text()) if options.out.exists() else {}
    results["machine"] = describe()
    measures = {
        "loop": measure_loop,
        "nine": measure_nine,
        "start": measure_start,
        "growth": measure_growth,
        "large": lambda: measure_large(26, 20),
        "streamed": lambda: {
            **measure_large(30, 25),
            "wanted_bytes_at_most": 10**9,
            "comparisons": measure_comparisons(*members(30)),
        },
        "hard": measure_hard,
    }
    for name in options.only:
        load = os.getloadavg()[0]
        results[name] = {"processor": results["machine"]["processor"], "load": load, **measures[name]()}
        print(name, json.dumps(results[name]), flush=True)
        options.out.write_text(json.dumps(results, indent=2) + "\n")
    if "growth" in options.only:
        draw(results["growth"], FIGURE)


if __name__ == "__main__":
    main()
