"""The page "Which rule, in general?", written from the results alone."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ensembler.comparison.evidence import Evidence, shipped_evidence

SIZES = (10, 20, 40, 80, 160, 320)
CURVES = ("blend", "log-pool", "stacking", "super-learner", "exponential-weighted", "greedy", "accuracy-weighted")
HARD = ("super-learner", "exponential-weighted", "greedy", "best-member", "weighted-vote", "accuracy-weighted")
WIDTH = 120
KEPT = ("#", "|", "```", "- ")
"""What blocks begin with that are no paragraphs."""


def write_page(results: Mapping[str, Any]) -> str:
    """Write the page from the results."""
    accuracy, loss, choosing = results["rank"], results["rank-log-loss"], results["choosing"]
    evidence = shipped_evidence()
    parts = [
        answer(accuracy, loss, choosing),
        ranks_section(accuracy, loss),
        choosing_section(choosing),
        unseen_section(choosing),
        rows_section(evidence, choosing),
        hard_section(evidence, choosing),
        peers_section(results["peers"], accuracy, loss),
        LIMITS,
        AGAIN,
    ]
    return "\n".join(wrapped(part.strip("\n")) + "\n" for part in parts if part)


def wrapped(text: str) -> str:
    """Wrap the paragraphs of a text; headings, tables, lists and directives stay."""
    blocks = [
        block if block.startswith(KEPT) else textwrap.fill(block, WIDTH, break_on_hyphens=False)
        for block in text.split("\n\n")
    ]
    return "\n\n".join(blocks)


def answer(accuracy: Mapping[str, Any], loss: Mapping[str, Any], choosing: Mapping[str, Any]) -> str:
    """Say which rule to use, first."""
    recommended = choosing["recommendation"]
    default = choosing["default"]
    gain, log_gain = rule_of(accuracy, default), rule_of(loss, default)
    means = {row["name"]: row for row in choosing["procedures"]}
    ours, mean = means[f"{default}, always"], means["the mean, always"]
    old = recommended["against_simplest_not_worse"]
    return f"""# Which rule, in general?

**Use `{default}`**: the mean of the log-linear pool's and stacking's probabilities, always, unless your own fitting
rows show another rule to be better. On average over {len(choosing["clusters"])} independent real data sets it is
{points(ours["accuracy"] - mean["accuracy"])} points more accurate than the mean, and its log loss is
{share(mean["log_loss"] - ours["log_loss"], 3)} lower. Pooled, with more weight on large sets, on which rules differ
least: {points(gain["effect"])} points (95 % interval {interval(gain["effect_interval"])}), log loss
{share(log_gain["effect"], 3)} lower ({share(log_gain["effect_interval"][0], 3)} to
{share(log_gain["effect_interval"][1], 3)}). With fewer than {choosing["pays_from"]} fitting rows, keep to the mean.

This is what `ensembler bench` recommends; [how it comes to its answer](advice.md) tells it step by step. It used to
recommend the simplest rule that was not shown to be worse than the best one; that is {points(old["accuracy"])} points
less accurate (p {p_value(old["accuracy_p"])}), since "not shown to be worse" is not "as good": the fewer rows, the
simpler and the worse the advice.

```{{image}} ../_static/which-rule.svg
:alt: Difference of each rule from the mean in accuracy, pooled over sets, with its interval and that for a new set.
```
"""


def ranks_section(accuracy: Mapping[str, Any], loss: Mapping[str, Any]) -> str:
    """Show all rules over all sets."""
    rows = []
    for rule in accuracy["rules"]:
        other = rule_of(loss, rule["name"])
        effect = rule["effect"]
        rows.append(
            [
                f"`{rule['name']}`",
                f"{rule['mean_rank']:.1f}" if rule["mean_rank"] is not None else "–",
                "–" if effect is None else f"{rule['wins']}–{rule['ties']}–{rule['losses']}",
                "–" if effect is None else points(effect, sign=True),
                "–" if effect is None else interval(rule["effect_interval"]),
                "–" if effect is None else interval(rule["prediction_interval"]),
                "–" if other["effect"] is None else f"{other['effect']:+.3f}",
            ]
        )
    iman = accuracy["friedman"]
    headers = ["rule", "mean rank", "against the mean", "points", "95 %", "on a new set", "log loss"]
    return f"""## All rules over all sets

{table(headers, rows)}

Accuracy, {len(accuracy["sets"])} prediction sets of {n_clusters(accuracy)} independent data sets. *Against the mean*:
better–as good–worse. *Points*: percentage points better than the mean, pooled by a random-effects model; *on a new
set*: where the difference on one more set is expected. *Log loss*: how much lower than the mean's, pooled likewise.
Rules differ (Iman–Davenport p {p_value(iman["p_iman_davenport"])}); two mean ranks that are closer than
{accuracy["critical_difference"]:.1f} are not shown to (Nemenyi, 5 %).
"""


def choosing_section(choosing: Mapping[str, Any]) -> str:
    """Show what choosing a rule for each set reaches."""
    recommended, nested = choosing["recommendation"], choosing["nested"]
    rows = [procedure_row(row["name"], row) for row in choosing["procedures"]]
    rows.append(procedure_row("**what is recommended**, by the evidence of the other sets", recommended))
    rows.append(procedure_row("the best of all these procedures, chosen on the other sets", nested))
    three = choosing["three_rules_against_two"]
    tally = choosing["choosing"]["accuracy"]
    best = max(row["accuracy"] for row in choosing["procedures"] if row["name"].endswith(", always"))
    return f"""## Does it pay to choose a rule for each set?

No. {choosing["n_sets"]} prediction sets of {len(choosing["clusters"])} data sets, each half once fitted on and once
scored; everything a procedure looks at is cross-fitted on the fitting half, three times.

{table(["procedure", "accuracy", "log loss", "log loss against log-pool", "p"], rows)}

Taking the rule with the best cross-fitted accuracy was better than `blend` on {tally["wins"]} sets and worse on
{tally["losses"]}. What is recommended has a lower log loss than the log-pool (p
{p_value(recommended["against_log_pool"]["log_loss_p"])}), and its accuracy is
{(best - recommended["accuracy"]) * 100:.2f} points below that of the best fixed rule, a blend of three rules. The third
rule adds {three["accuracy"] * 100:.2f} points (p {p_value(three["accuracy_p"])}) and takes {-three["log_loss"]:.4f} off
the log loss (p {p_value(three["log_loss_p"])}); `blend` keeps to two.

The default yields only to a rule that is shown to be better on the fitting rows: by more than half a point (or .02 of
log loss), over five cross-fittings, adjusted for all rules that were tried. On small tables this hardly ever happens,
and then changes nothing; without the margin, log loss shows differences that are none on other rows. Where members have
to be subtracted from each other, as with language models' likelihoods, it is what finds `log-pool:signed=true`.
"""


def procedure_row(name: str, row: Mapping[str, Any]) -> list[str]:
    """Return a row of the table of procedures."""
    lead = row["against_log_pool"]
    is_pool = lead["log_loss"] == 0
    return [
        name,
        share(row["accuracy"]),
        share(row["log_loss"], 3),
        "–" if is_pool else f"{lead['log_loss']:+.3f}",
        "–" if is_pool else p_value(lead["log_loss_p"]),
    ]


def unseen_section(choosing: Mapping[str, Any]) -> str:
    """Show what the evidence does on sets that have no part in it."""
    unseen = choosing["unseen"]
    if unseen is None:
        return ""
    recommended = unseen["recommendation"]
    old, pool = recommended["against_simplest_not_worse"], recommended["against_log_pool"]
    names = {
        "the simplest rule not shown worse than the chosen",
        "the mean, always",
        "log-pool, always",
        "blend, always",
        "best cross-fitted accuracy",
        "best cross-fitted log loss",
    }
    rows = [procedure_row(row["name"], row) for row in unseen["procedures"] if row["name"] in names]
    rows.append(procedure_row("**what is recommended**", recommended))
    return f"""## On sets that nobody had looked at

{len(unseen["clusters"])} further data sets ({", ".join(unseen["clusters"])}) were kept aside until all of this was
settled.

{table(["procedure", "accuracy", "log loss", "log loss against log-pool", "p"], rows)}

What is recommended is {points(old["accuracy"])} points more accurate than what used to be (p
{p_value(old["accuracy_p"])}), {(recommended["best_fixed_accuracy"] - recommended["accuracy"]) * 100:.2f} points below
the best fixed rule; its log loss is {-pool["log_loss"]:.3f} below the log-pool's (p {p_value(pool["log_loss_p"])}: so
few sets cannot show more).
"""


def rows_section(evidence: Evidence, choosing: Mapping[str, Any]) -> str:
    """Show how many fitting rows rules need."""
    rows = []
    for rule in CURVES:
        cells = [gain_at(evidence, rule, size) for size in SIZES]
        start = evidence.pays_from(rule, "probabilities")
        rows.append([f"`{rule}`", *cells, "–" if start is None else str(start)])
    headers = ["log loss below the mean's", *(f"{size} rows" for size in SIZES), "pays from"]
    return f"""## How many fitting rows does a rule need?

{table(headers, rows)}

Fitted on samples of the fitting rows, averaged over data sets (the larger the sample, the fewer sets have so many
rows). Below {choosing["pays_from"]} rows the recommendation is the mean. Your own curve:
`ensembler bench --learning-curve`.
"""


def gain_at(evidence: Evidence, rule: str, size: int) -> str:
    """Return a rule's average gain in log loss over the mean on samples of one size."""
    from ensembler.comparison.evidence import average

    entries = [item for item in evidence.entries if item.sample and item.n_fit == size and item.kind == "probabilities"]
    gain = average(entries, rule, "log-loss")
    return "–" if gain is None else f"{gain:+.3f}"


def hard_section(evidence: Evidence, choosing: Mapping[str, Any]) -> str:
    """Show what is known of hard labels."""
    rows = []
    for rule in HARD:
        gain = evidence.average(rule, "accuracy", "hard labels")
        assert gain is not None
        start = evidence.pays_from(rule, "hard labels")
        rows.append([f"`{rule}`", points(gain, sign=True), "–" if start is None else str(start)])
    return f"""## Hard labels

The same sets with every member's probabilities replaced by its most probable class, and the thirty published
classifiers of CIFAR-10.1: `{choosing["default_hard_labels"]}` is the most accurate on average, closely followed.

{table(["rule", "points above the vote share", "pays from"], rows)}
"""


def peers_section(peers: Mapping[str, Any] | None, accuracy: Mapping[str, Any], loss: Mapping[str, Any]) -> str:
    """Show other people's combiners on the same sets."""
    if peers is None:
        return ""
    columns = {"accuracy": accuracy, "log_loss": loss}
    names = [item["name"] for item in accuracy["sets"]]
    rows = []
    for name, by_set in peers["peers"].items():
        there = [place for place, item in enumerate(names) if item in by_set]
        cells = [name, str(len(there))]
        for key, document in columns.items():
            rules = [rule["name"] for rule in document["rules"]]
            theirs = clustered(document, there, [by_set[names[place]][key] for place in there])
            ours = [
                clustered(document, there, [document["values"][place][rules.index(rule)] for place in there])
                for rule in ("blend", "mean")
            ]
            decimals = 4 if key == "accuracy" else 3
            cells += [share(theirs, decimals), *(share(value, decimals) for value in ours)]
        rows.append(cells)
    left_out = "".join(f"\n- {name}: {reason}" for name, reason in peers["left_out"].items())
    headers = ["", "sets", "accuracy", "`blend`", "mean", "log loss", "`blend`", "mean"]
    seen = {f"{package} {version}" for packages in peers["versions"].values() for package, version in packages.items()}
    versions = ", ".join(sorted(seen, key=str.lower))
    note = f"\n\nLeft out:\n{left_out}" if left_out else ""
    return f"""## Other people's combiners

On the sets of the corpus, fitted and scored on the same rows; means over data sets. There are no features in a
prediction set, so DESlib looks for neighbours among the members' probabilities; it votes softly.

{table(headers, rows)}

{versions}.{note}
"""


def clustered(document: Mapping[str, Any], places: Sequence[int], values: Sequence[float]) -> float:
    """Return the mean over clusters of the mean over their sets."""
    groups: dict[str, list[float]] = {}
    for place, value in zip(places, values, strict=True):
        groups.setdefault(document["sets"][place]["cluster"], []).append(value)
    means = [sum(group) / len(group) for group in groups.values()]
    return sum(means) / len(means)


LIMITS = """## What this does not say

The sets are small to middling tables (a few dozen to a few hundred fitting rows, two to eleven classes) with sixteen
scikit-learn members each, and one data set of faces with networks. Members of other kinds, thousands of classes, or
members that were trained on the fitting rows may rank otherwise; your own sets can tell: `ensembler rank`. All figures
are of one protocol, weights fitted on validation rows. Data sets that share rows count once. A set that is bundled, or
whose labels are among these, has no part in the advice on itself.
"""
AGAIN = """## Again

`make evidence` trains the members anew, measures and writes everything on this page
(`benchmarks/corpus.py`, `choosing.py`, `which_rule.py`; about an hour on two cores). The predictions of CIFAR-10.1 are
other people's and not bundled: `make evidence CIFAR=FOLDER` takes them in. The results are in
`benchmarks/results/`: `rank.json`, `rank-log-loss.json`, `choosing.json` and `peers.json`; the evidence that ships with
the package is `ensembler/comparison/evidence.json`.
"""


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table, numbers right-aligned."""
    lines = [headers, ["---", *["--:"] * (len(headers) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def rule_of(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a rule of a ranking."""
    return next(rule for rule in document["rules"] if rule["name"] == name)


def n_clusters(document: Mapping[str, Any]) -> int:
    """Return how many sets are independent."""
    return len({item["cluster"] for item in document["sets"]})


def points(value: float, *, sign: bool = False) -> str:
    """Write a share in percentage points."""
    return f"{value * 100:{'+' if sign else ''}.2f}"


def interval(ends: Sequence[float] | None) -> str:
    """Write an interval in percentage points."""
    return "–" if ends is None else f"{points(ends[0], sign=True)} to {points(ends[1], sign=True)}"


def share(value: float, decimals: int = 4) -> str:
    """Write a number without its leading zero."""
    return f"{value:.{decimals}f}".replace("0.", ".", 1) if 0 <= value < 1 else f"{value:.{decimals}f}"


def p_value(value: float | None) -> str:
    """Write a p-value."""
    if value is None:
        return "–"
    return "<.001" if value < 0.001 else share(value, 3)
