"""Procedures for choosing a rule, tried on what ``choosing.py measure`` has found; see there."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from scipy.stats import binomtest, norm

from ensembler.combiners.registry import make_rule
from ensembler.comparison.advice import MARGIN, MARGINS
from ensembler.comparison.evidence import SCHEMA, Evidence, read_evidence
from ensembler.metrics.differences import Tally
from ensembler.metrics.paired import ALPHA
from ensembler.metrics.pooling import pool_effects
from ensembler.ranking.pairs import wilcoxon_test

ROOT = Path(__file__).parent.parent
EVIDENCE = ROOT / "ensembler" / "comparison" / "evidence.json"
RESULTS = Path(__file__).parent / "results" / "choosing.json"
METRICS = ("accuracy", "log-loss")
POOL, BLEND, MEAN = "log-pool", "blend", "mean"
DECIMALS = 4


@dataclass(frozen=True)
class Trial:
    """One set, fitted on one of its halves and scored on the other.

    Attributes
    ----------
    set, cluster : str
    turn : int
        1 where the halves are swapped.
    names : list of str
        Of the rules.
    inner, outer : (2, R, N)
        Correctness, and log probability of the true class, of the fitting rows out of fold and of the scored rows.
    """

    set: str
    cluster: str
    turn: int
    names: list[str]
    inner: np.ndarray
    outer: np.ndarray

    def place(self, name: str) -> int:
        """Return the place of a rule."""
        return self.names.index(name)

    def scores(self, name: str) -> tuple[float, float]:
        """Return a rule's accuracy and log loss on the scored rows."""
        accuracy, log_probability = self.outer[:, self.place(name)].mean(axis=1)
        return float(accuracy), float(-log_probability)


Procedure = Callable[[Trial, Sequence[Trial]], str]
"""From a set, and the sets of other clusters, to the name of the rule to use."""


def always(name: str) -> Procedure:
    """Return the procedure that looks at nothing."""
    return lambda _trial, _others: name


def best_cross_fitted(metric: int) -> Procedure:
    """Return the procedure that takes the best cross-fitted score; the simplest of equally good ones."""

    def choose(trial: Trial, _others: Sequence[Trial]) -> str:
        order = sorted(trial.names, key=lambda name: (-trial.inner[metric, trial.place(name)].mean(), *simple(name)))
        return order[0]

    return choose


def simple(name: str) -> tuple[int, str]:
    """Return what sorts simple rules first."""
    return make_rule(name).complexity, name


def simplest_not_worse(trial: Trial, _others: Sequence[Trial]) -> str:
    """Return the simplest rule that the scored rows do not show to be worse than the one chosen by accuracy."""
    chosen = trial.outer[0, trial.place(best_cross_fitted(0)(trial, _others))] > 0
    for name in sorted(trial.names, key=simple):
        correct = trial.outer[0, trial.place(name)] > 0
        better, worse = int((correct & ~chosen).sum()), int((chosen & ~correct).sum())
        if worse <= better or binomtest(better, better + worse).pvalue >= ALPHA:
            return name
    raise AssertionError("the chosen rule is not worse than itself")


def one_standard_error(trial: Trial, _others: Sequence[Trial]) -> str:
    """Return the simplest rule whose cross-fitted log loss is within one standard error of the best one's."""
    best = trial.inner[1, trial.place(best_cross_fitted(1)(trial, _others))]
    for name in sorted(trial.names, key=simple):
        lead = best - trial.inner[1, trial.place(name)]
        if lead.mean() <= lead.std(ddof=1) / np.sqrt(len(lead)):
            return name
    raise AssertionError("the best rule is within one standard error of itself")


def posterior(trial: Trial, others: Sequence[Trial]) -> str:
    """Return the rule with the largest posterior gain in log loss over the mean, its prior being the other sets."""
    base = trial.inner[1, trial.place(MEAN)]
    gains = {MEAN: 0.0}
    for name in trial.names:
        if name == MEAN:
            continue
        effects, errors = prior_effects(name, others)
        prior = pool_effects(effects, errors)
        variance = prior.tau**2 + prior.standard_error**2
        gain = trial.inner[1, trial.place(name)] - base
        own = max(float(gain.var(ddof=1)) / len(gain), 1e-12)
        gains[name] = (prior.effect / variance + float(gain.mean()) / own) / (1 / variance + 1 / own)
    return max(gains, key=lambda name: gains[name])


def prior_effects(name: str, others: Sequence[Trial]) -> tuple[list[float], list[float]]:
    """Return a rule's gains in log loss over the mean, by cluster, with their standard errors."""
    effects: dict[str, list[float]] = {}
    errors: dict[str, list[float]] = {}
    for other in others:
        gain = other.outer[1, other.place(name)] - other.outer[1, other.place(MEAN)]
        effects.setdefault(other.cluster, []).append(float(gain.mean()))
        errors.setdefault(other.cluster, []).append(float(gain.std(ddof=1) / np.sqrt(len(gain))))
    return [float(np.mean(v)) for v in effects.values()], [max(float(np.mean(v)), 1e-6) for v in errors.values()]


def yielding(default: str, metric: int, level: float = ALPHA, margin: float | None = None) -> Procedure:
    """Return the procedure that keeps to a default unless another rule is shown to be better, adjusted for all."""
    smallest = MARGINS.get(METRICS[metric], MARGIN) if margin is None else margin

    def choose(trial: Trial, _others: Sequence[Trial]) -> str:
        base = trial.inner[metric, trial.place(default)]
        shown = {}
        tried = [name for name in trial.names if name != default]
        for name in tried:
            gain = trial.inner[metric, trial.place(name)] - base
            error = max(float(gain.std(ddof=1)), np.sqrt(2 / len(gain)) if metric == 0 else 0.0) / np.sqrt(len(gain))
            if error > 0 and norm.sf((gain.mean() - smallest) / error) * len(tried) < level:
                shown[name] = float(gain.mean())
        return max(shown, key=lambda name: shown[name]) if shown else default

    return choose


def procedures() -> dict[str, Procedure]:
    """Return what is tried, by name."""
    tried: dict[str, Procedure] = {
        "the mean, always": always(MEAN),
        "the simplest rule not shown worse than the chosen": simplest_not_worse,
        "best cross-fitted accuracy": best_cross_fitted(0),
        "one standard error towards simpler, by log loss": one_standard_error,
        "best cross-fitted log loss": best_cross_fitted(1),
        "posterior gain, with a prior from the other sets": posterior,
    }
    for name in (POOL, "simplex", "super-learner", "stacking", "greedy", BLEND, THREE):
        tried[f"{name}, always"] = always(name)
    for level in (0.05, 0.001):
        tried[f"blend, unless accuracy shows another (α {level:g}, margin .005)"] = yielding(BLEND, 0, level)
        tried[f"blend, unless log loss shows another (α {level:g}, margin .02)"] = yielding(BLEND, 1, level)
    tried["blend, unless accuracy shows another (α 0.05, no margin)"] = yielding(BLEND, 0, margin=0.0)
    tried["blend, unless log loss shows another (α 0.05, no margin)"] = yielding(BLEND, 1, margin=0.0)
    return tried


THREE = 'blend:rules=["log-pool","stacking","simplex"]'


def read_work(work: Path) -> tuple[list[Trial], list[dict[str, Any]]]:
    """Return the trials, and the entries of the evidence."""
    trials, entries = [], []
    for path in sorted(work.glob("*.npz")):
        with np.load(path) as found:
            own = json.loads(str(found["entries"]))
            entries += own
            for turn in (0, 1):
                if f"{turn}-names" in found:
                    inner, outer = found[f"{turn}-inner"].astype(float), found[f"{turn}-outer"].astype(float)
                    inner[1], outer[1] = -inner[1], -outer[1]
                    names = found[f"{turn}-names"].tolist()
                    trials.append(Trial(path.stem, own[0]["cluster"], turn, names, inner, outer))
    return trials, entries


def make_evidence(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the entries of one cluster, kind and size as one, by their means: sets of the same rows count once."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for entry in entries:
        sample = bool(entry.get("sample"))
        groups.setdefault((entry["cluster"], entry["kind"], sample, entry["n_fit"] if sample else 0), []).append(entry)
    merged = []
    for (cluster, kind, sample, size), group in groups.items():
        rules = [name for name in group[0]["rules"] if all(name in entry["rules"] for entry in group)]
        merged.append(
            {
                "set": cluster,
                "cluster": cluster,
                "kind": kind,
                "n_fit": size or round(float(np.mean([entry["n_fit"] for entry in group]))),
                "n_rows": round(float(np.mean([entry["n_rows"] for entry in group]))),
                "n_classes": group[0]["n_classes"],
                "n_members": group[0]["n_members"],
                "sample": sample,
                "labels": sorted({label for entry in group for label in entry["labels"]}) if not sample else [],
                "rules": {
                    name: {
                        metric: mean_pair([entry["rules"][name][metric] for entry in group])
                        for metric in group[0]["rules"][name]
                    }
                    for name in rules
                    if name != MEAN
                },
            }
        )
    return {"schema": SCHEMA, "made_by": "benchmarks/choosing.py", "entries": merged, "choosing": {}, "always": BLEND}


def mean_pair(pairs: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean difference and the mean standard error."""
    return [round(float(value), DECIMALS) for value in np.mean(np.asarray(pairs, dtype=float), axis=0)]


def outcomes(trials: Sequence[Trial], choose: Procedure) -> dict[str, list[tuple[float, float]]]:
    """Return the accuracies and log losses of a procedure's rules, by cluster."""
    found: dict[str, list[tuple[float, float]]] = {}
    others: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.cluster not in others:
            others[trial.cluster] = [other for other in trials if other.cluster != trial.cluster]
        found.setdefault(trial.cluster, []).append(trial.scores(choose(trial, others[trial.cluster])))
    return found


def by_cluster(found: Mapping[str, Sequence[tuple[float, float]]]) -> np.ndarray:
    """Return the mean accuracy and log loss of each cluster, (K, 2)."""
    return np.array([np.mean(values, axis=0) for values in found.values()])


def against(scores: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """Compare two procedures over clusters."""
    lead = scores - other
    return {
        "accuracy": float(lead[:, 0].mean()),
        "accuracy_p": wilcoxon_test(lead[:, 0]),
        "log_loss": float(lead[:, 1].mean()),
        "log_loss_p": wilcoxon_test(lead[:, 1]),
    }


def loso_recommendation(evidence: Evidence, trials: Sequence[Trial]) -> Procedure:
    """Return what is recommended with the evidence of the other clusters only."""
    labels = {
        cluster: [label for entry in evidence.entries if entry.cluster == cluster for label in entry.labels]
        for cluster in {trial.cluster for trial in trials}
    }
    defaults = {
        cluster: evidence.without(own).default_rule(shipped_rules(trials), "probabilities")
        for cluster, own in labels.items()
    }
    return lambda trial, others: yielding(str(defaults[trial.cluster]), 0)(trial, others)


def shipped_rules(trials: Sequence[Trial]) -> list[str]:
    """Return the rules that a comparison runs of itself."""
    return [name for name in trials[0].names if name != THREE]


def nested(tried: Mapping[str, np.ndarray], clusters: Sequence[str]) -> tuple[np.ndarray, dict[str, int]]:
    """Choose a procedure for each cluster by the mean log loss of the others; return what it reached, and which."""
    chosen, scores = {}, np.empty((len(clusters), 2))
    names = list(tried)
    for place in range(len(clusters)):
        rest = np.arange(len(clusters)) != place
        best = min(names, key=lambda name: tried[name][rest, 1].mean())
        chosen[best] = chosen.get(best, 0) + 1
        scores[place] = tried[best][place]
    return scores, chosen


def leads_by_cluster(leads: np.ndarray, clusters: Sequence[str], column: int) -> dict[str, float]:
    """Return by how much one procedure is better than another on each cluster."""
    return {name: round(float(lead), 6) for name, lead in zip(clusters, leads[:, column], strict=True)}


def study(work: Path, unseen: Path | None) -> None:
    """Try all procedures, write the results and the evidence, and show what that does on sets that it has not seen."""
    trials, entries = read_work(work)
    document = make_evidence(entries)
    evidence = read_evidence(document)
    results = try_procedures(trials, evidence)
    default = str(evidence.default_rule(shipped_rules(trials), "probabilities"))
    document["choosing"] = results.pop("leads")
    results = {
        "machine": describe(),
        "default": default,
        "default_hard_labels": evidence.default_rule(hard_rules(evidence), "hard labels"),
        "pays_from": evidence.pays_from(default, "probabilities"),
        **results,
        "unseen": None,
    }
    if unseen is not None:
        others = [trial for trial in read_work(unseen)[0] if not trial.set.startswith("fer2013")]
        unseen_results = try_procedures(others, evidence)
        del unseen_results["leads"]
        results["unseen"] = unseen_results
    EVIDENCE.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for part in (results, results["unseen"]):
        if part is not None:
            summarise(part)


def try_procedures(trials: Sequence[Trial], evidence: Evidence) -> dict[str, Any]:
    """Return what every procedure reaches, and what is recommended by the evidence of other clusters."""
    clusters = list(dict.fromkeys(trial.cluster for trial in trials))
    tried = {name: by_cluster(outcomes(trials, choose)) for name, choose in procedures().items()}
    recommended = by_cluster(outcomes(trials, loso_recommendation(evidence, trials)))
    pool, old = tried[f"{POOL}, always"], tried["the simplest rule not shown worse than the chosen"]
    nested_scores, chosen = nested(tried, clusters)
    base = tried[f"{BLEND}, always"]
    leads = {
        "accuracy": leads_by_cluster(tried["best cross-fitted accuracy"] - base, clusters, 0),
        "log-loss": leads_by_cluster(base - tried["best cross-fitted log loss"], clusters, 1),
    }
    fixed = {name: scores for name, scores in tried.items() if name.endswith(", always")}
    return {
        "n_sets": len({trial.set for trial in trials}),
        "n_trials": len(trials),
        "clusters": clusters,
        "procedures": [
            {"name": name, **means(scores), "against_log_pool": against(scores, pool)} for name, scores in tried.items()
        ],
        "recommendation": {
            **means(recommended),
            "against_log_pool": against(recommended, pool),
            "against_simplest_not_worse": against(recommended, old),
            "best_fixed_accuracy": max(float(scores[:, 0].mean()) for scores in fixed.values()),
        },
        "three_rules_against_two": against(tried[f"{THREE}, always"], base),
        "nested": {**means(nested_scores), "chosen": chosen, "against_log_pool": against(nested_scores, pool)},
        "choosing": {metric: vars(Tally.of(np.array(list(lead.values())))) for metric, lead in leads.items()},
        "leads": leads,
    }


def summarise(results: Mapping[str, Any]) -> None:
    """Print what every procedure reaches."""
    print(f"{results['n_trials']} trials of {len(results['clusters'])} independent sets")
    rows = [*results["procedures"], {"name": "recommended", **results["recommendation"]}]
    for row in rows:
        lead = row["against_log_pool"]
        print(f"  {row['name']:66} {row['accuracy']:.4f} {row['log_loss']:.4f} {lead['log_loss']:+.4f}")


def means(scores: np.ndarray) -> dict[str, float]:
    """Return the mean accuracy and log loss over clusters, and the median log loss."""
    return {
        "accuracy": float(scores[:, 0].mean()),
        "log_loss": float(scores[:, 1].mean()),
        "median_log_loss": float(np.median(scores[:, 1])),
    }


def hard_rules(evidence: Evidence) -> list[str]:
    """Return the rules that hard labels have evidence of."""
    return list(evidence.of_kind("hard labels")[0].rules)
