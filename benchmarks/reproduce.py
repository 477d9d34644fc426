"""The study's findings, measured again: from the bundled predictions to docs/reproduction.md.

    python benchmarks/reproduce.py        (or: make reproduce)

writes benchmarks/results/reproduction.json, figures into docs/_static, and the page, of which every number comes from
that JSON. Weights are fitted on PublicTest and scores are on PrivateTest; verdicts go by paired 95 % intervals.
"""

import argparse
import csv
import itertools
import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler import Predictions, compare_rules, datasets, load_predictions
from ensembler.metrics.confusion import recall_per_class
from ensembler.results import jsonable
from ensembler.statistics.intervals import percentile_interval
from ensembler.statistics.resampling import bootstrap_counts
from ensembler.subsets.study import RuleStudy, study_subsets

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "reproduction.json"
STATIC = ROOT / "docs" / "_static"
PAGE = ROOT / "docs" / "reproduction.md"
WEIGHTED = ("accuracy-weighted", "loss-weighted", "class-weighted", "exponential-weighted")
RULES = ("mean", *WEIGHTED, "majority-vote", "median", "hierarchical-committee", "best-member")
RESAMPLES = 2000
CLOSE, GAIN, ALMOST_ALWAYS = 0.01, 0.025, 0.9
ROUNDING = 1e-4
CONFIRMED, CONTRADICTED, UNKNOWN = "confirmed", "contradicted", "cannot tell"
N_STUDY = 9
INTRODUCTION = """# The study, measured again

Bokányi & Mészégető trained nine networks of three architectures on FER2013 and combined their decisions. This page
measures their findings again, on members trained by `backbones recipe` and on nine published networks of other
people. It is written by `make reproduce` from the bundled predictions; every number comes from
`benchmarks/results/reproduction.json`.

A finding is *confirmed* or *contradicted* if the paired 95 % bootstrap interval on PrivateTest says so, else one
*cannot tell*. Weights are fitted on PublicTest. Intervals are of one comparison each; among the seven classes of
finding 6, one outside by luck is nothing rare.
"""
FIGURES = """## Curves and confusions

```{image} _static/study-curves.svg
:alt: Accuracy over epochs of each member, on augmented training images and on PublicTest.
```

```{image} _static/study-confusion.svg
:alt: Confusion matrices of the best member and of the mean, as shares of each true class.
```
"""
DIFFERENCES = """## What differs from the report

PyTorch instead of Keras; one cycle of the learning rate over {fewest} to {most} epochs instead of about 80 with early
stopping; steps in bfloat16; batch normalisation's statistics taken without dropout; Agrawal & Mittal's network as far
as it can be inferred. The report's own predictions are not public, so its figures are quoted as it gives them.
"""
RECALIBRATED = """A dot is the epoch that was kept, as its predictions are. While {names} were trained, validation used
the running averages of training steps; the statistics of the kept epoch were taken anew afterwards, which moves its dot
off the line. `backbones recipe` now takes them before each epoch is judged.
"""
Right = NDArray[np.bool_]


def decide(interval: list[float] | tuple[float, float] | None, *, above: float) -> str:
    """Say whether an interval lies above a bound, below it, or on both sides."""
    if interval is None:
        return UNKNOWN
    low, high = interval
    return CONFIRMED if low > above else CONTRADICTED if high < above else UNKNOWN


class Evidence:
    """Everything that is measured on one prediction set."""

    def __init__(self, data: Predictions) -> None:
        self.data = data
        self.compared = compare_rules(data, list(RULES))
        [self.sweep] = study_subsets(data, ["mean"]).rules
        self.counts = np.concatenate(list(bootstrap_counts(data.n_samples, RESAMPLES)))
        self.right = {rule.name: rule.proba.argmax(axis=1) == data.truth for rule in self.compared.rules}

    def lead(self, first: Right, second: Right, rows: Right | None = None) -> dict[str, Any]:
        """Return the difference of two shares of right rows, with its interval."""
        kept = np.ones(self.data.n_samples, dtype=bool) if rows is None else rows
        difference = (first.astype(float) - second)[kept]
        drawn = self.counts[:, kept]
        samples = drawn @ difference / drawn.sum(axis=1)
        return {"difference": float(difference.mean()), "interval": percentile_interval(samples.astype(float))}

    def findings(self) -> list[dict[str, Any]]:
        """Measure the six findings, and what the report contradicts itself in."""
        return [
            self.averaging_gains(),
            self.weights_are_close(),
            self.class_weights_lose(),
            self.adding_helps(),
            self.eight_are_best(),
            self.a_single_network_wins_a_class(),
            self.simple_or_weighted(),
        ]

    def averaging_gains(self) -> dict[str, Any]:
        """Measure by how much averaging gains."""
        best = self.compared["best-member"].proba.argmax(axis=1) == self.data.truth
        lead = self.lead(self.right["mean"], best)
        return {
            "finding": "averaging gains more than 2.5 points over the best single model",
            "report": "> 2.5 points",
            "ours": [{"what": f"mean against {self.compared.best_member_name}", **lead}],
            "verdict": decide(lead["interval"], above=GAIN),
        }

    def weights_are_close(self) -> dict[str, Any]:
        """Measure how weighted averages differ from the simple one."""
        leads = [
            {"what": f"{name} against mean", **self.lead(self.right[name], self.right["mean"])} for name in WEIGHTED
        ]
        ends = [lead["interval"] for lead in leads]
        close = (
            CONFIRMED
            if all(low > -CLOSE and high < CLOSE for low, high in ends)
            else CONTRADICTED
            if any(low > CLOSE or high < -CLOSE for low, high in ends)
            else UNKNOWN
        )
        worse = sum(high < 0 for _, high in ends)
        better = sum(low > 0 for low, _ in ends)
        usually = CONFIRMED if worse > len(ends) / 2 else CONTRADICTED if better > worse else UNKNOWN
        return {
            "finding": "weighted averages are close to the simple one (within a point), and usually a little worse",
            "report": "close, a little worse",
            "ours": leads,
            "verdict": f"close: {close}; worse: {usually}",
        }

    def class_weights_lose(self) -> dict[str, Any]:
        """Measure weighting by class against two other averages."""
        leads = [
            {"what": f"{other} against class-weighted", **self.lead(self.right[other], self.right["class-weighted"])}
            for other in ("mean", "accuracy-weighted")
        ]
        verdicts = {decide(lead["interval"], above=0.0) for lead in leads}
        return {
            "finding": "weighting by class consistently does worse than the others",
            "report": "consistently worse",
            "ours": leads,
            "verdict": verdicts.pop() if len(verdicts) == 1 else UNKNOWN,
        }

    def adding_helps(self) -> dict[str, Any]:
        """Look at all pairs of a committee and a member to add."""
        n_members = self.data.n_members
        masks = list(range(1, 1 << n_members))
        right = self.sweep.scored.evaluator.outcomes(masks).astype(np.float32)
        samples = self.counts @ right.T
        observed = right.sum(axis=1)
        alone = [observed[(1 << member) - 1] for member in range(n_members)]
        without, with_it, weak = [], [], []
        for mask in masks:
            members = [member for member in range(n_members) if mask >> member & 1]
            for member in set(range(n_members)) - set(members):
                without.append(mask - 1)
                with_it.append((mask | 1 << member) - 1)
                weak.append(alone[member] < np.mean([alone[one] for one in members]))
        rows = []
        for what, kept in (("all additions", np.ones(len(weak), dtype=bool)), ("of a weaker member", np.array(weak))):
            first, second = np.array(without)[kept], np.array(with_it)[kept]
            shares = np.array([(sample[second] > sample[first]).mean() for sample in samples])
            rows.append(
                {
                    "what": f"share of additions that help: {what}",
                    "share": float((observed[second] > observed[first]).mean()),
                    "interval": percentile_interval(shares),
                    "pairs": len(first),
                }
            )
        return {
            "finding": "an added model almost always helps (in 9 of 10 cases), even one below the current average",
            "report": "almost always",
            "ours": rows,
            "verdict": " / ".join(decide(row["interval"], above=ALMOST_ALWAYS) for row in rows),
        }

    def eight_are_best(self) -> dict[str, Any]:
        """Measure how often the best committee leaves out one member, over samples of the rows."""
        n_members = self.data.n_members
        masks = np.arange(1, 1 << n_members)
        right = self.sweep.scored.evaluator.outcomes(masks.tolist()).astype(np.float32)
        sizes = np.array([int(mask).bit_count() for mask in masks])
        order = np.argsort(sizes, kind="stable")
        best = sizes[order][(self.counts @ right[order].T).argmax(axis=1)]
        share = float((best == n_members - 1).mean())
        verdict = CONFIRMED if share > 0.95 else CONTRADICTED if share < 0.05 else UNKNOWN
        luckiest = self.sweep.luckiest
        chosen = self.sweep.chosen
        assert chosen is not None
        [reached] = self.sweep.scored.value_of([chosen.mask])
        return {
            "finding": "the best ensemble has all members but one",
            "report": "8 of 9, three of them at 60.2 % at most",
            "ours": [
                {"what": "luckiest on test", "members": list(luckiest.members), "accuracy": luckiest.value},
                {"what": "chosen on validation", "members": list(chosen.members), "accuracy": reached},
                {"what": f"samples of the rows in which the best has {n_members - 1} members", "share": share},
            ],
            "verdict": verdict,
        }

    def a_single_network_wins_a_class(self) -> dict[str, Any]:
        """Measure the member with the best recall on validation against the mean, in each class."""
        data = self.data
        inside = data.validation
        assert inside is not None
        recalls = recall_per_class(inside.truth, inside.proba)
        rows = []
        for label, name in enumerate(data.classes):
            member = int(np.nanargmax(recalls[:, label]))
            right = data.proba[member].argmax(axis=1) == data.truth
            of_class = data.truth == label
            lead = self.lead(right, self.right["mean"], of_class)
            rows.append(
                {
                    "what": f"{name}: {data.names[member]} against mean",
                    "verdict": decide(lead["interval"], above=0.0),
                    **lead,
                }
            )
        neutral = rows[data.classes.index("Neutral")]
        shown = [row["what"].split(":")[0] for row in rows if row["verdict"] == CONFIRMED]
        return {
            "finding": "in some classes (neutral) a single network beats the ensemble",
            "report": "neutral",
            "ours": rows,
            "verdict": f"neutral: {neutral['verdict']}; some class: {CONFIRMED if shown else UNKNOWN}"
            + (f" ({', '.join(shown)})" if shown else ""),
        }

    def simple_or_weighted(self) -> dict[str, Any]:
        """Measure where the report contradicts itself."""
        lead = self.lead(self.right["accuracy-weighted"], self.right["mean"])
        low, high = lead["interval"]
        verdict = "weighted by accuracy" if low > 0 else "simple" if high < 0 else UNKNOWN
        return {
            "finding": "which is better, the simple average (body) or the one weighted by accuracy (abstract)?",
            "report": "both",
            "ours": [{"what": "accuracy-weighted against mean", **lead}],
            "verdict": verdict,
        }

    def document(self) -> dict[str, Any]:
        """Return everything as plain values."""
        compared, data = self.compared, self.data
        part = compare_rules(data, list(RULES), fit_on="part")
        rules = []
        for rule in compared.rules:
            rules.append(
                {
                    "rule": rule.name,
                    "accuracy": rule.metrics["accuracy"],
                    "interval": rule.intervals["accuracy"],
                    "against_mean": None if rule.against_mean is None else vars(rule.against_mean),
                    "fitted_on_part_of_test": part[rule.name].metrics["accuracy"],
                    "recall": rule.recall,
                }
            )
        costs = [facts.get("multiply_adds") for facts in data.metadata]
        return {
            "members": [
                {"name": member.name, "accuracy": member.metrics["accuracy"], "interval": member.interval,
                 "val_accuracy": member.fit_accuracy, "recall": member.recall, "multiply_adds": cost}
                for member, cost in zip(compared.members, costs, strict=True)
            ],
            "classes": list(data.classes),
            "best_member": compared.best_member_name,
            "best_member_recall": compared.best_member.recall if compared.best_member is not None else None,
            "rules": rules,
            "chosen": compared.chosen,
            "recommended": compared.verdict.recommended if compared.verdict else None,
            "by_size": by_size(self.sweep, costs),
            "n_committees": self.sweep.scored.plan.n_committees,
            "findings": self.findings(),
        }  # fmt: skip


def by_size(sweep: RuleStudy, costs: list[Any]) -> list[dict[str, Any]]:
    """Return how the committees of each size did, and what the best of them costs."""
    found = []
    for size in sweep.scored.by_size():
        members = [member for member in range(len(costs)) if size.committee.mask >> member & 1]
        known = all(costs[member] is not None for member in members)
        found.append(
            {
                "size": size.size,
                "worst": size.worst,
                "median": size.median,
                "best": size.best,
                "members": list(size.committee.members),
                "multiply_adds": sum(costs[member] for member in members) if known else None,
            }
        )
    return found


def without_twins(data: Predictions, folder: Path) -> list[dict[str, Any]]:
    """Return accuracies with and without the test rows whose image is in the training split."""
    twins = json.loads((folder / "twins.json").read_text(encoding="utf-8"))["test"]
    apart = np.ones(data.n_samples, dtype=bool)
    apart[twins] = False
    probas = [*zip(data.names, data.proba, strict=True), ("mean of all", data.proba.mean(axis=0, dtype=np.float64))]
    found = []
    for name, proba in probas:
        right = proba.argmax(axis=1) == data.truth
        found.append({"name": name, "accuracy": float(right.mean()), "without_twins": float(right[apart].mean())})
    return found


def by_architecture(data: Predictions) -> dict[str, float]:
    """Return the accuracy of the mean of each architecture's members."""
    names = sorted({name.partition("-")[0] for name in data.names})
    chosen = {name: [member.startswith(f"{name}-") for member in data.names] for name in names}
    return {
        name: float((data.proba[mask].mean(axis=0, dtype=np.float64).argmax(axis=1) == data.truth).mean())
        for name, mask in chosen.items()
    }


def training_of(folder: Path) -> list[dict[str, Any]]:
    """Return how each member was trained, and whether its kept epoch is as good as its curve says."""
    members = json.loads((folder / "members.json").read_text(encoding="utf-8"))["members"]
    found = []
    for name, facts in members.items():
        curve = read_curve(folder, name)
        judged = curve[facts["best_epoch"] - 1]["val_accuracy"]
        found.append(
            {
                "name": name,
                "epochs": facts["epochs"],
                "best_epoch": facts["best_epoch"],
                "val_accuracy": facts["val_accuracy"],
                "recalibrated_afterwards": abs(judged - facts["val_accuracy"]) > ROUNDING,
            }
        )
    return found


def read_curve(folder: Path, name: str) -> list[dict[str, float]]:
    """Read a member's figures of each epoch."""
    with (folder / "curves" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]


def draw_study(data: Predictions, folder: Path, training: list[dict[str, Any]]) -> None:
    """Draw learning curves of the members, and confusion matrices of the best member and of the mean."""
    from matplotlib.figure import Figure

    from ensembler.report.figures.marks import BLUE, ORANGE
    from ensembler.report.figures.paper import save_figure

    columns = 3
    lines = -(-data.n_members // columns)
    figure = Figure(figsize=(7.0, 1.7 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for name, axes in itertools.zip_longest(data.names, panels):
        axes.spines[["top", "right"]].set_visible(False)
        if name is None:
            axes.set_visible(False)
            continue
        rows = read_curve(folder, name)
        epochs = [row["epoch"] for row in rows]
        axes.plot(
            epochs, [row["train_accuracy"] for row in rows], "--", color=BLUE, linewidth=1, label="training, augmented"
        )
        axes.plot(epochs, [row["val_accuracy"] for row in rows], color=ORANGE, linewidth=1, label="PublicTest")
        kept = next(member for member in training if member["name"] == name)
        axes.plot(kept["best_epoch"], kept["val_accuracy"], "o", color=ORANGE, markersize=3, label="kept")
        axes.set_title(name, fontsize=8)
        axes.tick_params(labelsize=7)
    panels[0].legend(frameon=False, fontsize=6)
    save_figure(figure, STATIC / "study-curves.svg")
    accuracy = [(member.argmax(axis=1) == data.truth).mean() for member in data.proba]
    best = int(np.argmax(accuracy))
    pairs = [(data.names[best], data.proba[best]), ("mean of all", data.proba.mean(axis=0))]
    figure = Figure(figsize=(7.0, 3.4), layout="constrained")
    for axes, (name, proba) in zip(figure.subplots(1, 2), pairs, strict=True):
        table = np.zeros((data.n_classes, data.n_classes))
        np.add.at(table, (data.truth, proba.argmax(axis=1)), 1.0)
        table /= table.sum(axis=1, keepdims=True)
        axes.imshow(table, cmap="Blues", vmin=0, vmax=1)
        for row, column in itertools.product(range(data.n_classes), repeat=2):
            dark = table[row, column] > 0.5
            axes.text(
                column,
                row,
                f"{table[row, column]:.2f}",
                ha="center",
                va="center",
                fontsize=6,
                color="w" if dark else "k",
            )
        axes.set_xticks(range(data.n_classes), data.classes, rotation=45, fontsize=7)
        axes.set_yticks(range(data.n_classes), data.classes, fontsize=7)
        axes.set_title(name, fontsize=8)
    save_figure(figure, STATIC / "study-confusion.svg")


def write_page(results: dict[str, Any]) -> str:
    """Write the page from the results alone."""
    ours, others = results["ours"], results["others"]
    n_members = len(ours["members"])
    unfinished = f"**{n_members} of the nine members are trained so far.** Verdicts on ours are of that set.\n"
    verdicts = [
        [mine["finding"], mine["report"], f"**{mine['verdict']}**", f"**{theirs['verdict']}**"]
        for mine, theirs in zip(ours["findings"], others["findings"], strict=True)
    ]
    epochs = [member["epochs"] for member in results["training"]]
    later = [member["name"] for member in results["training"] if member["recalibrated_afterwards"]]
    parts = [
        INTRODUCTION,
        unfinished if n_members < N_STUDY else "",
        table(["finding", "report", "our members", "published members"], verdicts, left=4),
        "## Our members\n",
        *set_tables(ours),
        how_near(ours, results["architectures"], epochs),
        "## Published members\n",
        *set_tables(others),
        "## Twins\n\n288 PrivateTest images have a pixel-identical twin in Training.\n",
        table(
            ["member", "PrivateTest", "without twins"],
            [[row["name"], share(row["accuracy"]), share(row["without_twins"])] for row in results["twins"]],
        ),
        FIGURES,
        wrapped(RECALIBRATED.format(names=listed(later))) if later else "",
        DIFFERENCES.format(fewest=min(epochs), most=max(epochs)),
    ]
    return "\n".join(part for part in parts if part)


def how_near(found: dict[str, Any], architectures: dict[str, float], epochs: list[int]) -> str:
    """Say how near small networks come to Kim's 216, and to the report's own nine."""
    mean = next(rule for rule in found["rules"] if rule["rule"] == "mean")
    chosen = next(rule for rule in found["rules"] if rule["rule"] == found["chosen"])
    alone = max(found["members"], key=lambda member: member["accuracy"])
    means = ", ".join(f"{share(accuracy)} ({name})" for name, accuracy in architectures.items())
    return wrapped(
        "**How near do nine small networks come?** Kim et al. reached 0.7272 with 216 networks and the report about "
        f"0.69 with nine of 0.61 to 0.67. The mean of ours reaches {share(mean['accuracy'])}, the rule that was chosen "
        f"({chosen['rule']}) {share(chosen['accuracy'])}, and the best alone ({alone['name']}) "
        f"{share(alone['accuracy'])}. The mean of three of one architecture reaches {means}. Ours were trained for "
        f"{min(epochs)} to {max(epochs)} epochs, on two processor cores."
    )


def listed(names: list[str]) -> str:
    """Write names as a list in a sentence."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def wrapped(text: str) -> str:
    """Wrap a paragraph anew."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"


def set_tables(found: dict[str, Any]) -> list[str]:
    """Write the tables of one prediction set."""
    members = [
        [
            member["name"],
            share(member["val_accuracy"]),
            share(member["accuracy"]),
            span(member["interval"]),
            millions(member["multiply_adds"]),
        ]
        for member in found["members"]
    ]
    rules = []
    for rule in found["rules"]:
        test = rule["against_mean"]
        against = "–" if test is None else f"{test['difference']:+.4f} ({span(test['interval'], sign=True)})"
        name = rule["rule"] + (" (chosen)" if rule["rule"] == found["chosen"] else "")
        reached = [share(rule["accuracy"]), span(rule["interval"]), against, share(rule["fitted_on_part_of_test"])]
        rules.append([name, *reached])
    measurements = [
        [str(number), *measured(row)]
        for number, finding in enumerate(found["findings"], start=1)
        for row in finding["ours"]
    ]
    sizes = [
        [
            str(size["size"]),
            share(size["worst"]),
            share(size["median"]),
            share(size["best"]),
            millions(size["multiply_adds"]),
            ", ".join(size["members"]),
        ]
        for size in found["by_size"]
    ]
    leading = [rule for rule in found["rules"] if rule["rule"] != "best-member"][:3]
    recalls = [
        [name, share(found["best_member_recall"][label]), *(share(rule["recall"][label]) for rule in leading)]
        for label, name in enumerate(found["classes"])
    ]
    half = "fitted on half of PrivateTest, scored on the rest"
    best = f"best member, {found['best_member']}"
    return [
        table(["member", "PublicTest", "PrivateTest", "95 % interval", "multiply-adds"], members),
        table(["rule", "accuracy", "95 % interval", "against the mean", half], rules),
        table(["finding", "what was measured", "result", "95 % interval"], measurements, left=2),
        f"All {found['n_committees']:,} committees, by the mean:\n",
        table(["size", "worst", "median", "best", "multiply-adds", "the best"], sizes, left=0),
        "Recall per class:\n",
        table(["class", best, *(rule["rule"] for rule in leading)], recalls),
    ]


def table(headers: list[str], rows: list[list[str]], left: int = 1) -> str:
    """Write a Markdown table whose first columns are left-aligned."""
    marks = ["---" if column < left else "---:" for column in range(len(headers))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (headers, marks, *rows)) + "\n"


def millions(value: float | None) -> str:
    """Write a number of multiply-adds."""
    return "–" if value is None else f"{value / 1e6:.1f} M"


def share(value: float | None) -> str:
    """Write a share."""
    return "–" if value is None else f"{value:.4f}"


def span(interval: list[float] | None, *, sign: bool = False) -> str:
    """Write an interval."""
    if interval is None:
        return "–"
    return " … ".join(f"{end:+.4f}" if sign else f"{end:.4f}" for end in interval)


def measured(row: dict[str, Any]) -> list[str]:
    """Write one measured line of a finding."""
    if "difference" in row:
        return [row["what"], f"{row['difference']:+.4f}", span(row["interval"], sign=True)]
    if "members" in row:
        return [f"{row['what']}: {', '.join(row['members'])}", share(row["accuracy"]), "–"]
    return [row["what"], share(row["share"]), span(row.get("interval"))]


def main() -> None:
    """Measure, and write the JSON, the figures and the page."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    folder = datasets.study_folder()
    study = load_predictions(folder)
    results = jsonable(
        {
            "ours": Evidence(study).document(),
            "others": Evidence(load_predictions(datasets.published_folder())).document(),
            "twins": without_twins(study, folder),
            "training": training_of(folder),
            "architectures": by_architecture(study),
        }
    )
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    draw_study(study, folder, results["training"])
    PAGE.write_text(write_page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
    for finding in results["ours"]["findings"]:
        print(f"{finding['verdict']:40} {finding['finding']}")


if __name__ == "__main__":
    main()
