"""What a pool of networks is worth: how accuracy grows with members, and which differences between them pay.

    python benchmarks/pool_worth.py             measures on the bundled pool, then writes the page
    python benchmarks/pool_worth.py --page      writes the page from the results alone

writes ``results/pool_worth.json``, ``docs/_static/pool-growth.svg`` and ``docs/explanation/pool.md``.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from numpy.typing import NDArray
from pool_worth_page import write_page

from ensembler import Predictions, load_predictions
from ensembler.predictions import bundled
from ensembler.ranking.learning_curve import learning_curve
from ensembler.serialization import jsonable
from ensembler.subsets.search import search_subsets

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "pool_worth.json"
FIGURE = ROOT / "docs" / "_static" / "pool-growth.svg"
PAGE = ROOT / "docs" / "explanation" / "pool.md"
KIM = {"networks": 216, "accuracy": 0.7272}
"""Kim et al. 2016, doi 10.1007/s12193-015-0209-0, as surveys give it."""
SIZES = (1, 2, 3, 4, 6, 9, 12, 18, 24, 36, 48, 72)
N_ORDERS, SEED, BEAM_WIDTH = 200, 0, 4
RULES = ("mean", "exponential-weighted", "simplex", "log-pool", "greedy")
NETWORKS, INPUTS = ("deep", "shallow", "agrawal"), ("raw", "equalised", "contrast")
VARIANTS = ("a", "b", "c", "d", "e", "f", "g")
ALIKE = {"deep": ("b", "d", "f"), "shallow": ("b", "f"), "agrawal": ("d", "g")}
"""Variants that differ in seed and number of epochs alone."""
BRIEF = "agrawal"
"""The network whose narrow form was trained too briefly to compare."""
Groups = list[tuple[str, ...]]


class Pool:
    """The pool's predictions in 64 bits, and what means of them reach."""

    def __init__(self, data: Predictions) -> None:
        assert data.validation is not None
        self.data = data
        self.parts = {
            name: ({member: proba.astype(np.float64) for member, proba in zip(part.names, part.proba, strict=True)},
                   part.true_labels)
            for name, part in (("val", data.validation), ("test", data))
        }  # fmt: skip

    def accuracy(self, members: Iterable[str], part: str) -> float:
        """Return the accuracy of the mean of members."""
        proba, labels = self.parts[part]
        return share(sum(proba[member] for member in members), labels)

    def gains(self, groups: Groups) -> dict[str, Any]:
        """Return by how much the mean of a group is better than its members are on average, over groups."""
        found: dict[str, Any] = {"groups": len(groups)}
        for part in ("val", "test"):
            gains = [
                self.accuracy(group, part) - np.mean([self.accuracy([one], part) for one in group]) for group in groups
            ]
            found[part] = {
                "gain": float(np.mean(gains)),
                "standard_error": float(np.std(gains, ddof=1) / len(gains) ** 0.5),
            }
        proba, _ = self.parts["test"]
        pairs = [pair for group in groups for pair in itertools.combinations(group, 2)]
        found["disagreement"] = float(np.mean([(proba[a].argmax(1) != proba[b].argmax(1)).mean() for a, b in pairs]))
        return found

    def growth(self, members: Sequence[str]) -> list[dict[str, float]]:
        """Return what means of so many members reach that are drawn by chance."""
        rng = np.random.default_rng(SEED)
        sizes = [size for size in SIZES if size <= len(members)]
        reached: dict[int, dict[str, list[float]]] = {size: {"val": [], "test": []} for size in sizes}
        for _ in range(N_ORDERS):
            order = rng.permutation(members)
            for part, (proba, labels) in self.parts.items():
                total = np.zeros_like(proba[order[0]])
                for number, member in enumerate(order[: sizes[-1]], start=1):
                    total += proba[member]
                    if number in reached:
                        reached[number][part].append(share(total, labels))
        return [
            {"size": size, **{f"{part}_{what}": float(function(values)) for part, values in parts.items()
                              for what, function in (("mean", np.mean), ("deviation", np.std))}}
            for size, parts in reached.items()
        ]  # fmt: skip


def share(proba: NDArray[np.float64] | Any, labels: NDArray[np.int64]) -> float:
    """Return the share of right rows."""
    return float((np.asarray(proba).argmax(axis=1) == labels).mean())


def kinds() -> dict[str, tuple[Groups, Groups]]:
    """Return pairs and triples of members that differ in one thing, by that thing."""
    letters = (*VARIANTS, "narrow")
    by_input = [[f"{net}-{way}-{letter}" for way in INPUTS] for net in NETWORKS for letter in letters]
    by_network = [[f"{net}-{way}-{letter}" for net in NETWORKS] for way in INPUTS for letter in letters]
    seeds = [[f"{net}-{way}-{letter}" for letter in ALIKE[net]] for net in NETWORKS for way in INPUTS]
    variants = [[f"{net}-{way}-{letter}" for letter in VARIANTS] for net in NETWORKS for way in INPUTS]
    widths = [[f"{net}-{way}-a", f"{net}-{way}-narrow"] for net in NETWORKS if net != BRIEF for way in INPUTS]
    found = {
        "network": by_network,
        "input normalisation": by_input,
        "augmentation, regularisation and seed": variants,
        "width and seed": widths,
        "seed": seeds,
    }
    return {name: (combinations(groups, 2), combinations(groups, 3)) for name, groups in found.items()}


def combinations(groups: list[list[str]], size: int) -> Groups:
    """Return all groups of a size within groups."""
    return [part for group in groups for part in itertools.combinations(group, size)]


def measure() -> dict[str, Any]:
    """Measure everything on the bundled pool."""
    data = load_predictions(bundled.pool_folder())
    pool = Pool(data)
    by_network = {net: [name for name in data.names if name.startswith(f"{net}-")] for net in NETWORKS}
    [search] = search_subsets(data, ["mean"], width=BEAM_WIDTH).rules
    steps = {step.size: vars(step) for step in search.steps}
    chosen = [name for place, name in enumerate(data.names) if search.chosen.mask >> place & 1]
    curve = learning_curve(data, RULES)
    study = Pool(load_predictions(bundled.study_folder()))
    return {
        "members": {name: {part: pool.accuracy([name], part) for part in pool.parts} for name in data.names},
        "kim": KIM,
        "nine": {part: study.accuracy(study.data.names, part) for part in study.parts},
        "whole": {part: pool.accuracy(data.names, part) for part in pool.parts},
        "networks": {
            net: {part: pool.accuracy(members, part) for part in pool.parts} for net, members in by_network.items()
        },
        "growth": {"all": pool.growth(data.names), "deep": pool.growth(by_network["deep"])},
        "n_orders": N_ORDERS,
        "beam": {
            "width": BEAM_WIDTH,
            "steps": [steps[size] for size in SIZES if size in steps],
            "chosen": {**vars(search.chosen), "members": chosen},
        },
        "learning_curve": curve.to_list(),
        "kinds": {
            name: {"pairs": pool.gains(pairs), "triples": pool.gains(triples) if triples else None}
            for name, (pairs, triples) in kinds().items()
        },
        "machine": describe(),
    }


def draw(results: dict[str, Any]) -> None:
    """Draw how accuracy grows with members."""
    from matplotlib.figure import Figure

    from ensembler.report.figures.drawing import save_figure
    from ensembler.report.figures.style import BLUE, ORANGE

    figure = Figure(figsize=(7.0, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    for kind, colour, label in (("all", BLUE, "drawn from all"), ("deep", ORANGE, "drawn from the deep ones")):
        rows = results["growth"][kind]
        sizes = [row["size"] for row in rows]
        means, spread = (np.array([row[f"test_{what}"] for row in rows]) for what in ("mean", "deviation"))
        axes.plot(sizes, means, "-", color=colour, label=label)
        axes.fill_between(sizes, means - spread, means + spread, color=colour, alpha=0.15, linewidth=0)
    steps = results["beam"]["steps"]
    axes.plot([s["size"] for s in steps], [s["accuracy"] for s in steps], "--", color="0.3", label="searched for")
    axes.axhline(results["kim"]["accuracy"], color="0.6", linewidth=0.8)
    axes.annotate("Kim et al., 216 networks", (1, results["kim"]["accuracy"]), fontsize=7, va="bottom", color="0.4")
    axes.set_xscale("log")
    axes.set_xticks(list(SIZES), [str(size) for size in SIZES], fontsize=7)
    axes.minorticks_off()
    axes.set_xlabel("members", fontsize=8)
    axes.set_ylabel("accuracy of the mean, PrivateTest", fontsize=8)
    axes.tick_params(axis="y", labelsize=7)
    axes.legend(frameon=False, fontsize=7, loc="lower right")
    save_figure(figure, FIGURE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, draw and write, or only write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--page", action="store_true", help="write the page only")
    if not parser.parse_args(arguments).page:
        results = jsonable(measure())
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        draw(results)
    PAGE.write_text(write_page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
