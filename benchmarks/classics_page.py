"""The page "Classic rules, and whether they are worth it", written from the results alone."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ensembler.combiners.families import FAMILIES
from ensembler.combiners.registry import all_rules

WIDTH = 105
CALIBRATED = " and a temperature"
"""What follows the name of a rule that is calibrated."""
KEPT = ("#", "|", "```", "- ")
"""What blocks begin with that are no paragraphs."""
NOTES = {
    "fixed": """`generalised-mean` goes from the minimum to the maximum by one number, `order`: 1 is the mean, 0 the
geometric mean. `rank-average` replaces each probability by its rank among the fitting rows, of which it needs no
labels. It is made for metrics of ranks (`roc-auc`); its answers forget how frequent classes are.""",
    "weighted": """`cma-es` looks for weights by an evolution strategy, for whatever metric is asked for; it needs
`pip install 'ensembler-bench[cma]'`. `bayesian-combination` averages 2,000 weights that are drawn at random, each as
probable as it is accurate. Both are means with one weight a member; `simplex` and `super-learner` find such weights by
solving a convex problem, in a fraction of the time.""",
    "voting": """`dawid-skene` estimates from the votes alone how often each member calls each class what. It was made
for people who label independently of each other. Trained models err together, and it takes that for agreement on the
right class. It is for rows without labels, and **never recommended** here, whatever it reaches.""",
    "trainable": """All of them keep tables of what members said of the fitting rows of each class. `decision-templates`
and `dempster-shafer` compare probabilities with their class means; `naive-bayes` and `recall` take votes as
independent; `behaviour-knowledge-space` looks for fitting rows on which every member voted as it does now, which are
few once there are several members. Their scores are not probabilities that one can use: decide by them, or run them
with `--calibrate ensemble`, which gives them a temperature.""",
    "dynamic": """They look for the fitting rows that are most like the row at hand, in the members' outputs, and trust
the members that are right there. Formulas and defaults are on the page of [all rules](../reference/rules.md).""",
}


def write_page(results: Mapping[str, Any], speed: Mapping[str, Any] | None) -> str:
    """Write the page from the results."""
    new = [row for row in results["rules"] if not all_rules()[base_name(row)].by_default]
    families = [family for family in FAMILIES if any(row["family"] == family for row in new)]
    parts = [
        answer(results, [row for row in new if is_plain(row)]),
        *(family_section(family, new) for family in families),
        choosing_section(results),
        speed_section(speed),
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


def base_name(row: Mapping[str, Any]) -> str:
    """Return the name of a rule without parameters and temperature."""
    return str(row["name"].removesuffix(CALIBRATED).partition(":")[0])


def is_plain(row: Mapping[str, Any]) -> bool:
    """Whether a rule is as it comes, without parameters and temperature."""
    return bool(row["name"] == base_name(row))


def answer(results: Mapping[str, Any], new: Sequence[Mapping[str, Any]]) -> str:
    """Say what the evidence comes to, first."""
    rows = {row["name"]: row for row in results["rules"]}
    default = rows["blend"]
    best = {metric: max(new, key=lambda row: row[metric]["mean"]) for metric in ("accuracy", "log-loss")}
    losing = [row for row in new if row["log-loss"]["mean"] < 0]
    more = {item["metric"]: item for item in results["more_rules"]}
    beaten = [row for row in new if any(row[metric]["mean"] > default[metric]["mean"] for metric in best)]
    claim = "Nothing here beats what `ensembler bench` recommends."
    if beaten:
        names = ", ".join(f"`{row['name']}`" for row in beaten)
        claim = f"Only {names} did better on average, by one measure or both, than what `ensembler bench` recommends."
    return f"""# Classic rules, and whether they are worth it

**{claim}** On {results["clusters"]} independent real data sets
({results["sets"]} prediction sets), the most accurate of these {len(new)} rules on average is
`{best["accuracy"]["name"]}`, {gain(best["accuracy"], "accuracy")} points from the mean; the recommended `blend` is at
{gain(default, "accuracy")}. By log loss it is `{best["log-loss"]["name"]}`, {gain(best["log-loss"], "log-loss")} from
the mean, and `blend` is at {gain(default, "log-loss")}. {len(losing)} of the {len(new)} have a worse log loss than
the mean.

They are here because people ask for them by name, and because the packages that had them do not install any more or
answer with classes alone. None runs unless it is named: `--rule naive-bayes`, `--rule trainable` for a family,
`--rule all` for every rule. Each gives probabilities, is saved as JSON, and can be swept over committees; formulas,
sources and examples are on the page of [all rules](../reference/rules.md).

What choosing the best cross-fitted rule among more rules gains is told [below](#what-choosing-among-more-rules-costs)
({100 * more["accuracy"]["gain"]:+.2f} points of accuracy, standard error
{100 * more["accuracy"]["gain_standard_error"]:.2f}).
"""


def family_section(family: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Say what the evidence says of the rules of a family, then what they are."""
    own = [row for row in rows if row["family"] == family]
    plain = sorted((row for row in own if is_plain(row)), key=lambda row: -row["accuracy"]["mean"])
    sentences = " ".join(verdict(row) for row in plain)
    table = [
        "| rule | better, equal, worse than the mean | points of accuracy | p | log loss | with a temperature |",
        "|---|---|---|---|---|---|",
    ]
    by_name = {row["name"]: row for row in own}
    for row in sorted((row for row in own if CALIBRATED not in row["name"]), key=lambda row: -row["accuracy"]["mean"]):
        found, heated = row["accuracy"], by_name.get(row["name"] + CALIBRATED)
        cells = [
            f"`{row['name']}`",
            f"{found['better']}, {found['equal']}, {found['worse']}",
            gain(row, "accuracy"),
            p_value(found["p_value"]),
            gain(row, "log-loss"),
            "–" if heated is None else gain(heated, "log-loss"),
        ]
        table.append("| " + " | ".join(cells) + " |")
    return f"""## {family.capitalize()}

{sentences}

{NOTES[family]}

{chr(10).join(table)}
"""


def verdict(row: Mapping[str, Any]) -> str:
    """Say in how many data sets a rule was worse than the mean."""
    found = row["accuracy"]
    return (
        f"`{row['name']}` was less accurate than the mean in {found['worse']} of {found['n_clusters']} data sets, and "
        f"more accurate in {found['better']} (log loss: worse in {row['log-loss']['worse']})."
    )


def choosing_section(results: Mapping[str, Any]) -> str:
    """Say what choosing among more rules costs."""
    lines = [
        "| chosen by | among | its cross-fitted score is too good by | reaches, against the mean |",
        "|---|---|---|---|",
    ]
    for item in results["choosing"]:
        accuracy = item["metric"] == "accuracy"
        cells = [
            "accuracy" if accuracy else "log loss",
            f"{item['n_rules']} rules",
            f"{size(item['optimism'], accuracy)} ± {size(item['optimism_standard_error'], accuracy, sign=False)}",
            size(item["gain"], accuracy),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    changes = " ".join(change_of(item) for item in results["more_rules"])
    return f"""## What choosing among more rules costs

The more rules are compared, the better the best of them looks by luck. On each set, the rule with the best cross-fitted
score on the fitting rows was chosen, once among the rules that run where none is named, and once among all:

{chr(10).join(lines)}

A score is too good by as much as it falls on rows that had no part in the choice, less the same for all rules on
average, since some rows are easier than others; ± is a standard error over independent data sets. Accuracies are in
percentage points, log losses in nats, positive being better. {changes} So `bench` does not run them by default, and its
recommendation rests on what is known of rules from many sets.
"""


def change_of(item: Mapping[str, Any]) -> str:
    """Say what more rules change."""
    accuracy = item["metric"] == "accuracy"
    gained, optimism = (
        f"{size(item[key], accuracy)} ± {size(item[f'{key}_standard_error'], accuracy, sign=False)}"
        for key in ("gain", "optimism")
    )
    chosen = "accuracy" if accuracy else "log loss"
    return f"By {chosen}, more rules change what the chosen one reaches by {gained}, and the optimism by {optimism}."


def speed_section(speed: Mapping[str, Any] | None) -> str:
    """Show both sides' seconds."""
    if speed is None:
        return ""
    lines = [
        "| rule | members | others | seconds, theirs | ours | times |",
        "|---|---|---|---|---|---|",
    ]
    for item in speed["rules"]:
        cells = [
            f"`{item['rule']}`",
            str(item["n_members"]),
            item["peer"],
            f"{item['peer_seconds']:.2f}",
            f"{item['seconds']:.4f}",
            f"{item['ratio']:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    large, below = speed["large"], [item for item in speed["rules"] if item["ratio"] < speed["wanted_ratio_at_least"]]
    slowest = max(large["seconds"], key=lambda rule: large["seconds"][rule])
    short = ", ".join(dict.fromkeys(f"`{item['rule']}`" for item in below))
    return f"""## How fast they are

To fit on {speed["rows"]["fitting"]:,} rows and predict {speed["rows"]["predicted"]:,} others of
{speed["rows"]["classes"]} classes, in seconds of one core, both sides in one run:

{chr(10).join(lines)}

Where no program of others is at hand, the other side is the rule's formula in loops over rows (or draws) with NumPy's
and SciPy's functions. The aim was {speed["wanted_ratio_at_least"]} times; below it are {short}: there the other side
is vectorised itself, or what is left is the reading of the arrays. {large["rows"]:,} rows of {large["classes"]} classes
and {large["members"]} members take {large["seconds"][slowest]:.1f} seconds at most (`{slowest}`).
"""


def gain(row: Mapping[str, Any], metric: str) -> str:
    """Write a rule's average gain over the mean."""
    return size(row[metric]["mean"], metric == "accuracy")


def size(value: float, accuracy: bool, *, sign: bool = True) -> str:
    """Write a difference: points of accuracy, or nats without a leading zero."""
    if accuracy:
        return f"{100 * value:+.2f}" if sign else f"{100 * value:.2f}"
    text = f"{value:+.3f}" if sign else f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def p_value(value: float) -> str:
    """Write a p-value."""
    return "< .001" if value < 0.001 else f"{value:.3f}".replace("0.", ".", 1)


AGAIN = """## Measure it again

`benchmarks/corpus.py` makes the prediction sets, `benchmarks/classics.py` measures every rule on them and writes this
page, `benchmarks/rules_speed.py` the speed. Members are small models of scikit-learn and fitting rows some hundreds:
your own sets can tell more, `ensembler rank sets/*/ --rule all`.
"""
