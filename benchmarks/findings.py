"""What the study found, measured on a prediction set."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler import Predictions, compare_rules
from ensembler.comparison.folds import split_part
from ensembler.metrics.bootstrap import bootstrap_counts
from ensembler.metrics.confusion import recall_per_class
from ensembler.metrics.intervals import LEVEL, percentile_interval
from ensembler.subsets.results import RuleStudy
from ensembler.subsets.study import study_subsets

WEIGHTED = ("accuracy-weighted", "loss-weighted", "class-weighted", "exponential-weighted")
AVERAGES = ("mean", *WEIGHTED)
RULES = (*AVERAGES, "majority-vote", "median", "hierarchical-committee", "best-member")
RESAMPLES = 2000
CLOSE, GAIN, ALMOST_ALWAYS = 0.01, 0.025, 0.9
PART, SEED = 0.5, 0
CONFIRMED, CONTRADICTED, UNKNOWN = "confirmed", "contradicted", "cannot tell"
Right = NDArray[np.bool_]


def decide(interval: list[float] | tuple[float, float] | None, *, above: float) -> str:
    """Say whether an interval lies above a bound, below it, or on both sides."""
    if interval is None:
        return UNKNOWN
    low, high = interval
    return CONFIRMED if low > above else CONTRADICTED if high < above else UNKNOWN


def unanimous(verdicts: list[str]) -> str:
    """Return what all say; a claim about all is contradicted by one."""
    return CONTRADICTED if CONTRADICTED in verdicts else CONFIRMED if set(verdicts) == {CONFIRMED} else UNKNOWN


def almost_always(helping: float, hurting: float) -> str:
    """Judge by the shares of additions that are shown to help and shown to hurt."""
    return CONFIRMED if helping > ALMOST_ALWAYS else CONTRADICTED if hurting > 1 - ALMOST_ALWAYS else UNKNOWN


class Evidence:
    """Everything that is measured on one prediction set."""

    def __init__(self, data: Predictions) -> None:
        self.data = data
        self.compared = compare_rules(data, list(RULES))
        [self.sweep] = study_subsets(data, ["mean"]).rules
        self.counts = np.concatenate(list(bootstrap_counts(data.n_samples, RESAMPLES)))
        self.right = {rule.name: rule.proba.argmax(axis=1) == data.true_labels for rule in self.compared.rules}

    def lead(self, first: Right, second: Right, rows: Right | None = None) -> dict[str, Any]:
        """Return the difference of two shares of right rows, with its interval."""
        kept = np.ones(self.data.n_samples, dtype=bool) if rows is None else rows
        difference = (first.astype(float) - second)[kept]
        return {"difference": float(difference.mean()), "interval": percentile_interval(self.samples(difference, kept))}

    def samples(self, difference: NDArray[np.float64], kept: Right) -> NDArray[np.float64]:
        """Return the mean of a difference in every bootstrap sample of the rows."""
        drawn = self.counts[:, kept].astype(float)
        return np.asarray(drawn @ difference / drawn.sum(axis=1))

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
        best = self.compared["best-member"].proba.argmax(axis=1) == self.data.true_labels
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
        """Measure the other averages against weighting by class."""
        leads = [
            {"what": f"{other} against class-weighted", **self.lead(self.right[other], self.right["class-weighted"])}
            for other in AVERAGES
            if other != "class-weighted"
        ]
        verdicts = [decide(lead["interval"], above=0.0) for lead in leads]
        return {
            "finding": "weighting by class consistently does worse than the others",
            "report": "consistently worse",
            "ours": leads,
            "verdict": unanimous(verdicts),
        }

    def adding_helps(self) -> dict[str, Any]:
        """Look at all pairs of a committee and a member to add.

        Noise turns the sign of small gains, so a share of signs is told and not judged. Judged is the share of
        additions whose gain has an interval above 0, or below.
        """
        n_members = self.data.n_members
        masks = list(range(1, 1 << n_members))
        right = self.sweep.scored.evaluator.outcomes(masks).astype(np.float32)
        samples = self.counts @ right.T / self.data.n_samples
        observed = right.mean(axis=1, dtype=np.float64)
        alone = [observed[(1 << member) - 1] for member in range(n_members)]
        without, with_it, weak = [], [], []
        for mask in masks:
            members = [member for member in range(n_members) if mask >> member & 1]
            for member in set(range(n_members)) - set(members):
                without.append(mask - 1)
                with_it.append((mask | 1 << member) - 1)
                weak.append(alone[member] < np.mean([alone[one] for one in members]))
        gains = observed[with_it] - observed[without]
        drawn = samples[:, with_it] - samples[:, without]
        low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        rows = []
        for what, kept in (("all", np.ones(len(weak), dtype=bool)), ("of a weaker member", np.array(weak))):
            rows += [
                {
                    "what": f"mean gain of an addition: {what}",
                    "difference": float(gains[kept].mean()),
                    "interval": percentile_interval(drawn[:, kept].mean(axis=1, dtype=np.float64)),
                },
                {"what": f"share of additions that help: {what}", "share": float((gains[kept] > 0).mean())},
                {"what": f"share that is shown to help: {what}", "share": float((low[kept] > 0).mean())},
                {"what": f"share that is shown to hurt: {what}", "share": float((high[kept] < 0).mean())},
            ]
        verdicts = [almost_always(rows[start + 2]["share"], rows[start + 3]["share"]) for start in (0, 4)]
        return {
            "finding": "an added model almost always helps (in 9 of 10 cases), even one below the current average",
            "report": "almost always",
            "ours": rows,
            "verdict": " / ".join(verdicts),
        }

    def eight_are_best(self) -> dict[str, Any]:
        """Compare the best committee of all members but one with the best of other sizes, both found on validation."""
        n_members = self.data.n_members
        masks = np.arange(1, 1 << n_members)
        inside = np.asarray(self.sweep.val_accuracy(masks.tolist()))
        sizes = np.array([int(mask).bit_count() for mask in masks])
        found = []
        for what, kept in (
            (f"best of {n_members - 1} members on validation", sizes == n_members - 1),
            ("best of another size on validation", sizes != n_members - 1),
        ):
            # The first maximum: fewer members, then the smaller mask.
            order = np.lexsort((masks, sizes, -inside, ~kept))
            mask = int(masks[order[0]])
            [right] = self.sweep.scored.evaluator.outcomes([mask])
            members = [name for position, name in enumerate(self.data.names) if mask >> position & 1]
            found.append({"what": what, "members": members, "accuracy": float(right.mean()), "right": right})
        lead = self.lead(found[0].pop("right"), found[1].pop("right"))
        luckiest = self.sweep.luckiest
        return {
            "finding": "the best ensemble has all members but one",
            "report": "8 of 9, three of them at 60.2 % at most",
            "ours": [
                *found,
                {"what": "the former against the latter", **lead},
                {"what": "luckiest on test", "members": list(luckiest.members), "accuracy": luckiest.value},
            ],
            "verdict": decide(lead["interval"], above=0.0),
        }

    def a_single_network_wins_a_class(self) -> dict[str, Any]:
        """Measure the member with the best recall on validation against the mean, in each class.

        Neutral was named beforehand; whether some class is won is judged by intervals for as many as there are.
        """
        data = self.data
        inside = data.validation
        assert inside is not None
        recalls = recall_per_class(inside.true_labels, inside.proba)
        rows, shown = [], []
        for label, name in enumerate(data.classes):
            member = int(np.nanargmax(recalls[:, label]))
            right = data.proba[member].argmax(axis=1) == data.true_labels
            of_class = data.true_labels == label
            lead = self.lead(right, self.right["mean"], of_class)
            difference = (right.astype(float) - self.right["mean"])[of_class]
            wide = percentile_interval(self.samples(difference, of_class), 1 - (1 - LEVEL) / data.n_classes)
            if decide(wide, above=0.0) == CONFIRMED:
                shown.append(name)
            rows.append({"what": f"{name}: {data.names[member]} against mean", **lead, "interval_of_all": wide})
        neutral = decide(rows[data.classes.index("Neutral")]["interval"], above=0.0)
        return {
            "finding": "in some classes (neutral) a single network beats the ensemble",
            "report": "neutral",
            "ours": rows,
            "verdict": f"neutral: {neutral}; some class: {CONFIRMED if shown else UNKNOWN}"
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
        part = compare_rules(data, list(RULES), fit_on="part", part=PART, seed=SEED)
        _, rest = split_part(data.true_labels, None, PART, SEED)
        scored = np.isin(np.arange(data.n_samples), rest)
        rules = []
        for rule in compared.rules:
            elsewhere = np.zeros(data.n_samples, dtype=bool)
            elsewhere[rest] = part[rule.name].proba.argmax(axis=1) == data.true_labels[rest]
            rules.append(
                {
                    "rule": rule.name,
                    "accuracy": rule.metrics["accuracy"],
                    "interval": rule.intervals["accuracy"],
                    "against_mean": None if rule.against_mean is None else vars(rule.against_mean),
                    "fitted_on_part_of_test": self.lead(elsewhere, self.right[rule.name], scored),
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
            "recommended": compared.recommended,
            "by_size": by_size(self.sweep, costs),
            "n_committees": self.sweep.scored.plan.n_committees,
            "findings": self.findings(),
            "reproducibility": compared.to_dict()["reproducibility"],
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
