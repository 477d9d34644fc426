"""What dynamic selection is worth: ranks its rules over many prediction sets, and writes the page that says so.

    python benchmarks/dynamic_rules.py --sets FOLDER [--cache DIR] [--jobs 2]
    python benchmarks/dynamic_rules.py --page

The first command ranks the family by accuracy and by log loss, beside the mean and what is recommended, over the
prediction sets in FOLDER (made by ``corpus.py``) and the bundled ones of FER2013; it writes
``results/dynamic_rules.json``, then the page, which the second command writes from the results alone.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from which_rule import CLUSTER, load_sets
from which_rule_page import interval, points, rule_of, table, wrapped

from ensembler.combiners.registry import family_rules
from ensembler.parallel.workers import process_pool
from ensembler.ranking.rank import rank_rules

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "dynamic_rules.json"
SPEED = HERE / "results" / "dynamic_speed.json"
PAGE = HERE.parent / "docs" / "explanation" / "dynamic-selection.md"
METRICS = ("accuracy", "log-loss")
BESIDE = ("mean", "best-member", "log-pool", "blend")
DEFAULT = "blend"
KEPT = (
    "name", "mean_rank", "effect", "effect_interval", "prediction_interval", "mean_difference", "median_difference",
)  # fmt: skip
"""What is kept of every rule; differences are from the mean."""


def measure(folder: Path, cache: Path | None, jobs: int) -> dict[str, Any]:
    """Rank by both metrics."""
    sets = load_sets(folder)
    rules = [*BESIDE, *family_rules("dynamic")]
    found: dict[str, Any] = {}
    for metric in METRICS:
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task(metric, total=len(sets))
            ranking = rank_rules(
                sets,
                rules,
                metric=metric,
                cluster=CLUSTER,
                cache_folder=cache,
                workers=lambda: process_pool(jobs),
                progress=lambda done, total, _name, bar=bar, task=task: bar.update(task, completed=done, total=total),
            )
        document = ranking.to_dict()
        found[metric] = {
            "rules": [
                {key: rule[key] for key in KEPT}
                | {"against_mean": against(document, metric, rule["name"], "mean")}
                | {"against_default": against(document, metric, rule["name"], DEFAULT)}
                for rule in document["rules"]
            ],
            "sets": [{"name": item["name"], "cluster": item["cluster"]} for item in document["sets"]],
            "n_fit": sorted(item["n_fit"] for item in document["sets"]),
        }
    return found


def against(document: Mapping[str, Any], metric: str, name: str, other: str) -> dict[str, int]:
    """Return on how many clusters a rule is better than another, as good but for rounding, and worse."""
    names = [rule["name"] for rule in document["rules"]]
    ours, default = names.index(name), names.index(other)
    sign = 1.0 if metric == "accuracy" else -1.0
    leads: dict[str, list[float]] = {}
    for item, values in zip(document["sets"], document["values"], strict=True):
        leads.setdefault(item["cluster"], []).append(sign * (values[ours] - values[default]))
    means = np.array([np.mean(values) for values in leads.values()])
    level = np.abs(means) < 1e-12
    return {
        "wins": int((~level & (means > 0)).sum()),
        "ties": int(level.sum()),
        "losses": int((~level & (means < 0)).sum()),
    }


def tally(counts: Mapping[str, int]) -> str:
    """Write on how many sets a rule is better, as good, and worse."""
    return "–".join(str(counts[key]) for key in ("wins", "ties", "losses"))


def write_page(results: Mapping[str, Any], speed: Mapping[str, Any] | None) -> str:
    """Write the page from the results."""
    parts = [answer(results), every_rule(results), WHAT_THEY_DO, NEIGHBOURS, KEPT_ROWS, speed_section(speed), AGAIN]
    return "\n".join(wrapped(part.strip("\n")) + "\n" for part in parts if part)


def answer(results: Mapping[str, Any]) -> str:
    """Say first what the evidence says of each rule."""
    accuracy, loss = results["accuracy"], results["log-loss"]
    n_clusters = len({item["cluster"] for item in accuracy["sets"]})
    tallies = {name: rule_of(accuracy, name)["against_mean"] for name in family_rules("dynamic")}
    names = sorted(tallies, key=lambda name: tallies[name]["losses"])
    worse = ", ".join(f"`{name}` in {tallies[name]['losses']}" for name in names)
    better = ", ".join(f"`{name}` in {tallies[name]['wins']}" for name in names)
    knop = rule_of(accuracy, "knop")
    against = ", ".join(
        f"`{name}` {rule_of(accuracy, name)['against_default']['wins']} to "
        f"{rule_of(accuracy, name)['against_default']['losses']}"
        for name in names
    )
    low = [rule_of(loss, name)["against_default"]["wins"] for name in names]
    return f"""# Dynamic selection

**Worse than the mean, of {n_clusters} independent data sets:** {worse}. Better: {better}.

Against `{DEFAULT}`, which `bench` recommends, better and worse: {against}. By log loss each of them beats it on
{min(low)} to {max(low)} sets of {n_clusters}.

So dynamic selection is not what to use: `{DEFAULT}` and `log-pool` are more accurate, have far better probabilities,
are smaller and faster. Of the family, `knop` is worse than the mean least often, since it lets all members count, a
little more or less by where the row lies: {points(knop["mean_difference"], sign=True)} points on average. `knora-e`,
which trusts a few members on the strength of seven rows, loses
{points(-rule_of(accuracy, "knora-e")["mean_difference"])}. The rules
are here because people ask for them, and because a comparison that lacks them is not one.
"""


def every_rule(results: Mapping[str, Any]) -> str:
    """Show every rule beside the mean and what is recommended."""
    accuracy, loss = results["accuracy"], results["log-loss"]
    rows = []
    for rule in accuracy["rules"]:
        other = rule_of(loss, rule["name"])
        itself = rule["name"] == "mean"
        rows.append(
            [
                f"`{rule['name']}`",
                f"{rule['mean_rank']:.1f}",
                "–" if itself else tally(rule["against_mean"]),
                "–" if itself else points(rule["mean_difference"], sign=True),
                "–" if itself else interval(rule["effect_interval"]),
                "–" if rule["name"] == DEFAULT else tally(rule["against_default"]),
                "–" if itself else tally(other["against_mean"]),
                "–" if itself else f"{round(other['median_difference'], 3) + 0.0:+.3f}",
            ]
        )
    headers = [
        "rule", "mean rank", "against the mean", "points", "pooled, 95 %", f"against {DEFAULT}",
        "log loss against the mean", "median gain",
    ]  # fmt: skip
    n_fit = results["accuracy"]["n_fit"]
    return f"""## All of them over all sets

{table(headers, rows)}

{len(accuracy["sets"])} prediction sets, {n_fit[0]} to {n_fit[-1]:,} fitting rows, all rules with their defaults.
*Against*: on how many data sets better–as good–worse, by accuracy where nothing else is said. *Points*: percentage
points of accuracy above the mean, averaged over sets; *pooled*: by a random-effects model. *Median gain*: how much
lower than the mean's the log loss is.
"""


def speed_section(speed: Mapping[str, Any] | None) -> str:
    """Show what they cost, beside DESlib."""
    if speed is None:
        return ""
    rows = []
    for n_members, found in speed["members"].items():
        for name, own in found["alone"].items():
            shared, peer = found["shared"][name], found["deslib"][name]
            rows.append(
                [
                    f"`{name}`, {n_members} members",
                    *(f"{seconds['cpu']:.3f}" for seconds in (own, shared, peer)),
                    *(f"{peer['cpu'] / seconds['cpu']:.1f} ×" for seconds in (own, shared)),
                ]
            )
    headers = ["", "alone, s", "shared, s", "DESlib, s", "alone", "shared"]
    n_members, n_rows, n_classes = speed["shape"]["large"]
    large = speed["large"]["seconds"]
    slowest = max(large, key=lambda name: large[name]["fit"]["cpu"] + large[name]["predict"]["cpu"])
    nearest = large["knop"]
    load, n_cores = speed["load"], speed["machine"]["cores"]
    busy = f"The machine had other work (a load of {load:.0f} on {n_cores} cores): more time passed."
    slowest_wall = max(found["fit"]["wall"] + found["predict"]["wall"] for found in large.values())
    waiting = busy if load > n_cores else f"On {n_cores} cores no rule took longer than {slowest_wall:.0f} seconds."
    return f"""## What they cost

{table(headers, rows)}

Processor seconds to fit on {speed["shape"]["rows"]:,} rows and predict as many in {speed["shape"]["classes"]} classes,
by `benchmarks/dynamic_speed.py`, which takes turns with DESlib 0.3.7 in an environment of its own; *shared*: after
another rule of the same comparison has found the neighbours. DESlib finds neighbours by matrix products too, and these
products alone take a third of our time: a single rule is faster by a small factor only, and what is not done again
makes the difference.

Fitting on {n_rows:,} rows of {n_members} members and {n_classes} classes and predicting as many takes
{nearest["fit"]["cpu"] + nearest["predict"]["cpu"]:.0f} processor seconds by `knop`, and
{large[slowest]["fit"]["cpu"] + large[slowest]["predict"]["cpu"]:.0f} by `{slowest}`, the slowest. {waiting} The seven
rules one after another needed {speed["large"]["peak_beyond_them_mib"]:.0f} MiB beyond the two arrays of together
{speed["large"]["both_arrays_mib"]:.0f} MiB.
"""


WHAT_THEY_DO = """## What they do

All of them keep the fitting rows, and look in a new row for those that are like it: the *region of competence*. The
members that did well there are averaged, or their votes counted (`votes=true`), which makes worse probabilities.

| rule | members that count in a row |
|---|---|
| `knop` | all, weighted by how many of the k = 7 nearest fitting rows they get right |
| `knora-u` | the same: in output space both are one rule, under the name of another paper |
| `knora-e` | those that get all k right; if there is none, all of as many of the nearest as some member gets right |
| `ola` | the most accurate about the k nearest; all that are equally accurate |
| `lca` | the most accurate about those of the k nearest to which they give the class that they give the row |
| `mcb` | the most accurate where at least 70 % of the members vote as in the row, if it leads by 10 points; else all |
| `meta-des` | those that a logistic regression, fitted on all fitting rows, trusts by what they did nearby |

Formulas, sources, and how DESlib differs stand with each class in [All rules](../reference/rules.md). Run them with
`ensembler bench --rule dynamic`, or one by one, as `--rule knop:k=15`; no rule of the family runs unless it is named.

Most of the literature looks for neighbours among the features that the models saw. Saved predictions have none, so the
place of a row is what the members say of it: their M·C probabilities side by side. Two rows are near if all members say
nearly the same of both.
"""

NEIGHBOURS = """## Neighbours

Distances are Euclidean, and exact: k nearest means these k, and of rows equally far the ones with the lowest numbers.
Products in single precision, with a bound on their rounding errors, say which rows are too far; the few that are left
are compared in double precision. So a result depends neither on the processor nor on the number of threads, and rows
with the same predictions are at the same distance to the last bit. Rules that are fitted on the same rows share them,
and what they have found; memory is bounded, since rows are taken in blocks.

`k` counts rows. Row weights change what a neighbour counts, not who is one; a row of weight 0 is not there. With hard
labels the distance counts the members that vote otherwise, and ties are many. Missing votes have no distance, so the
family is left out where there are some. A fitting row is never its own neighbour where META-DES learns from it.
"""

KEPT_ROWS = """## What is saved

A saved rule of this family holds its fitting rows: 3,589 rows of nine members and seven classes make a JSON file of
about 6 MB, and `predict --save` says how large it is. Beyond 128 MiB it is refused. `export` refuses the family, since
no formula of the row alone does what it does. META-DES with a classifier of your own (`meta_classifier=`, from Python)
cannot be saved.
"""

AGAIN = """## Once more

`benchmarks/dynamic_rules.py` measures this page over the sets of `benchmarks/corpus.py` (see
[which rule, in general?](which-rule.md)) and the bundled ones of FER2013, and writes it from
`benchmarks/results/dynamic_rules.json`.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write, or only write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sets", type=Path, help="folder of prediction sets")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--page", action="store_true", help="write the page only")
    options = parser.parse_args(arguments)
    if not options.page:
        if options.sets is None:
            parser.error("give --sets FOLDER, made by corpus.py, or --page")
        results = measure(options.sets, options.cache, options.jobs)
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(write_page(*read_results()), encoding="utf-8")


def read_results() -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Read what was measured of the rules, and of their speed."""
    speed = json.loads(SPEED.read_text(encoding="utf-8")) if SPEED.exists() else None
    return json.loads(RESULTS.read_text(encoding="utf-8")), speed


if __name__ == "__main__":
    sys.exit(main())
