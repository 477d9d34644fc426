"""From results to what figures show."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.comparison.results import Comparison, Protocol, RuleScore
from ensembler.metrics import METRICS, SHARES
from ensembler.metrics.confusion import confusion_matrix
from ensembler.predictions.diagnosis.changes import RowChanges
from ensembler.predictions.diagnosis.diversity import Diversity
from ensembler.predictions.prediction_set import Predictions
from ensembler.report.bench import compared_rules, reliability_panels, shown_classes
from ensembler.report.figures.charts import (
    Axis,
    ByClass,
    Chart,
    Diagrams,
    Estimate,
    Figure,
    Front,
    Gains,
    Intervals,
    Line,
    Mark,
    Matrix,
    Role,
    Series,
    SizeDensity,
    Sizes,
    Worth,
)
from ensembler.subsets.describe import natural
from ensembler.subsets.search import SearchStudy
from ensembler.subsets.study import RuleStudy, SubsetStudy

FAR_OFF = 4.0
"""How many times the span of medians and best committees the worst may take of a figure."""
DENSITY_BINS = 60
MOST_LINES = 30
"""So many committees of a size or fewer are drawn as lines, more as density."""
MOST_WORTH, MOST_MATRIX, MOST_CLASSES, MOST_CLOUD = 40, 60, 20, 60
"""How many members, rows of a matrix, classes, and members beside them a figure has at most."""


def axis_of(metric: str) -> Axis:
    """Return the axis of a metric: in per cent where it is a share of rows, and told where less is better."""
    less = metric in METRICS and not METRICS[metric].greater_is_better
    return Axis(f"{metric} (less is better)" if less else metric, percent=metric in SHARES)


def roles(result: Comparison) -> dict[str, Role]:
    """Say how each rule of a comparison is marked."""
    found: dict[str, Role] = {}
    recommended = None if result.verdict is None else result.verdict.recommended
    for name, role in ((result.luckiest, "luckiest"), (recommended, "recommended"), (result.chosen, "chosen")):
        if name is not None:
            found[name] = role  # type: ignore[assignment]
    found.setdefault("mean", "mean")
    return found


def forest(result: Comparison) -> Figure:
    """Show every rule with its interval, by itself and against the best member and the mean."""
    metric, marked = result.metric, roles(result)
    lines = []
    if result.best_member is not None:
        label = f"best member: {result.best_member_name}"
        lines.append(Line(label, result.best_member.metrics[metric], "best member"))
    mean = next((entry for entry in result.rules if entry.name == "mean"), None)
    if mean is not None:
        lines.append(Line("simple mean", mean.metrics[metric], "mean"))
    rows = [
        Estimate(
            entry.name,
            entry.metrics[metric],
            entry.intervals.get(metric),
            marked.get(entry.name, "other"),
        )
        for entry in result.rules
        if np.isfinite(entry.metrics[metric])
    ]
    views: list[tuple[str, Chart]] = [(metric, Intervals(axis_of(metric), rows, lines))]
    share = metric in SHARES
    scale, unit = (100.0, "points") if share else (1.0, "")
    for other, attribute in (("the best member", "against_best"), ("the simple mean", "against_mean")):
        pairs = [(entry, getattr(entry, attribute)) for entry in result.rules]
        shown = [(entry, test) for entry, test in pairs if test is not None]
        if not shown:
            continue
        differences = [
            Estimate(
                entry.name,
                scale * test.difference,
                None if test.interval is None else (scale * test.interval[0], scale * test.interval[1]),
                marked.get(entry.name, "other"),
            )
            for entry, test in shown
        ]
        title = f"{unit} of {metric} better than {other}" if share else f"{metric}: improvement on {other}"
        views.append((f"against {other}", Intervals(Axis(title), differences, [Line("", 0.0)])))
    text = (
        f"Each combination rule's {metric} on the scored rows with its 95 % interval, best first; the lines across are "
        "the best single model (long dashes) and the simple mean (dots). Where intervals overlap, a rule can still be "
        "better row by row: the other views show the paired differences, and there an interval that crosses 0 means "
        "that the difference may be noise."
    )
    return Figure("rules", "Every rule, with its uncertainty", text, views)


def size_densities(one: RuleStudy) -> list[SizeDensity]:
    """Return how the values of the committees of each size are spread, in the metric's own direction."""
    sweep = one.scored
    found = []
    for size in sweep.by_size():
        if sweep.tally.histogram is not None:
            row = sweep.tally.histogram[size.size]
            places = np.flatnonzero(row)
            values, counted = places / sweep.unit, row[places]
        else:
            values, counted = np.unique(sweep.values_of_size(size.size), return_counts=True)
        binned = bool(counted.sum() > MOST_LINES and len(values) > 1)
        if binned:
            n_bins = int(min(DENSITY_BINS, max(8, counted.sum() ** 0.5)))
            # An empty bin at each end closes the shape.
            step = (values.max() - values.min()) / n_bins
            edges = np.linspace(values.min() - step, values.max() + step, n_bins + 3)
            counted, edges = np.histogram(values, bins=edges, weights=counted)
            values = (edges[1:] + edges[:-1]) / 2
        values = np.array([natural(value, sweep.metric) for value in values])
        found.append(SizeDensity(size.size, values, np.asarray(counted), binned))
    return found


def sizes_of(one: RuleStudy, described: dict[str, Any], metric: str) -> Sizes:
    """Show every committee of a rule by size, with the best, the chosen and the whole marked."""
    key = "accuracy" if metric == "accuracy" else "value"

    def mark(entry: dict[str, Any], role: Role = "other") -> Mark:
        return Mark(entry["size"], entry[key], "\n".join(entry["members"]), role)

    best = [Mark(size["size"], size["best"], "\n".join(size["members"])) for size in described["by_size"]]
    named: list[tuple[Role, Any]] = [
        ("all members", described["whole"]),
        ("luckiest", described["luckiest"]),
        ("chosen", described["chosen"]),
    ]
    marks = [mark(entry, role) for role, entry in named if entry is not None]
    top = [mark(entry) for entry in described["best"]]
    return Sizes(axis_of(metric), size_densities(one), best, marks, top, span_of(described["by_size"]))


def span_of(by_size: Sequence[dict[str, Any]]) -> tuple[float, float] | None:
    """Return where most committees of all sizes are, if the worst are very far from there."""
    middle = [size[key] for size in by_size for key in ("best", "median")]
    everything = [*middle, *(size["worst"] for size in by_size)]
    low, high = min(middle), max(middle)
    if max(everything) - min(everything) <= FAR_OFF * (high - low):
        return None
    return low - 0.1 * (high - low), high + 0.1 * (high - low)


def sweep(study: SubsetStudy, described: dict[str, Any]) -> Figure:
    """Show all committees of each rule that was swept."""
    views = [
        (rule["rule"], sizes_of(one, rule, study.metric))
        for one, rule in zip(study.rules, described["rules"], strict=True)
    ]
    total = described["rules"][0]["n_subsets"]
    text = (
        f"All {total:,} committees on the scored rows. Grey shapes are wide where many committees are, each size by "
        f"itself; {MOST_LINES} committees or fewer are single lines. The star is the committee "
        f"{how_chosen(study.protocol)}, the triangle the best on the scored rows, which luck has helped. Small points "
        "are those that come first on the rows to choose by; hover names the members."
    )
    if any(chart.span is not None for _, chart in views):
        text += " The worst committees are too far off to be drawn."
    return Figure("committees", "Every committee", text, views)


def how_chosen(protocol: Protocol) -> str:
    """Say on which rows a committee was chosen."""
    if protocol.optimistic:
        return "chosen on these very rows, on which weights were fitted too"
    if protocol.fit_on == "cross":
        return "chosen on these same rows, with cross-fitted weights"
    return "chosen without these rows"


def searched(study: SearchStudy, described: dict[str, Any]) -> Figure:
    """Show the best committees that a search found."""
    views: list[tuple[str, Chart]] = []
    for rule in described["rules"]:
        best = [Mark(one["size"], one["accuracy"], "\n".join(one["members"])) for one in rule["by_size"]]
        chosen = rule["chosen"]
        marks = [Mark(chosen["size"], chosen["accuracy"], "\n".join(chosen["members"]), "chosen")]
        views.append((rule["rule"], Sizes(axis_of("accuracy"), [], best, marks)))
    text = (
        f"{study.predictions.n_members} members have too many committees to look at all. A beam search, {study.width} "
        f"wide, grew these member by member up to {study.sizes[1]}; there may be better ones. The star is the one "
        f"{how_chosen(study.protocol)}. Values are on the scored rows."
    )
    return Figure("committees", "Good committees of each size", text, views)


def worth(described: dict[str, Any]) -> Figure | None:
    """Show what members are worth."""
    metric = described["metric"]
    points = metric in SHARES
    unit = "points" if points else ""
    title = f"Shapley value, {'points of ' if points else ''}{metric}"
    title += "" if METRICS[metric].greater_is_better else ", sign turned"
    views: list[tuple[str, Chart]] = []
    cut = 0
    for rule in described["rules"]:
        if rule["members"] is None or len(rule["members"]) < 2:
            continue
        ranked = sorted(rule["members"], key=lambda member: -member["shapley"])
        cut = max(0, len(ranked) - MOST_WORTH)
        ranked = ranked[: MOST_WORTH // 2] + ranked[-MOST_WORTH // 2 :] if cut else ranked
        columns = {key: [member[key] for member in ranked] for key in ("name", "shapley", "helped", "hurt")}
        values = [100 * value if points else value for value in columns["shapley"]]
        views.append(
            (rule["rule"], Worth(Axis(title), unit, columns["name"], values, columns["helped"], columns["hurt"]))
        )
    if not views:
        return None
    text = (
        "Left, what each member adds on average over all orders in which a committee could have been put together "
        "(Shapley value): together they make up what all members reach beyond none. Right, in what share of the "
        "committees a member joined it made them better or worse."
    )
    text += "" if METRICS[metric].greater_is_better else f" The sign is turned: positive values lower the {metric}."
    text += f" {cut} members in the middle are not drawn." if cut else ""
    return Figure("members", "What each member is worth", text, views)


def front(described: dict[str, Any]) -> Figure | None:
    """Show what accuracy costs."""
    views: list[tuple[str, Chart]] = []
    for rule in described["rules"]:
        cost = rule["cost"]
        if cost is None or len(cost["front"]) < 2:
            continue
        entries = cost["front"]
        thrifty = cost["thrifty"]
        mark = Mark(thrifty["size"], thrifty["accuracy"], "\n".join(thrifty["members"]), "cheapest")
        costs = described["costs"]
        alone: list[tuple[float, Mark]] = [
            (price, Mark(1, member["alone"], member["name"], "member"))
            for price, member in zip(costs, rule["members"] or [], strict=False)
        ]
        views.append(
            (
                rule["rule"],
                Front(
                    axis_of("accuracy"),
                    cost["unit"],
                    [entry["cost"] for entry in entries],
                    [entry["accuracy"] for entry in entries],
                    ["\n".join(entry["members"]) for entry in entries],
                    [*alone, (thrifty["cost"], mark)],
                ),
            )
        )
    if not views:
        return None
    text = (
        "Accuracy on the scored rows against what a committee costs. The line joins committees that no cheaper one "
        "equals on the rows to choose by; on the scored rows it need not rise. The marked one is the cheapest within "
        "one standard error of the best."
    )
    return Figure("cost", "What accuracy costs", text, views)


def recall(result: Comparison) -> Figure | None:
    """Show recall by class: members, the best one, and leading rules."""
    if not result.rules:
        return None
    compared = compared_rules(result)
    n_classes = result.predictions.n_classes
    counts = np.bincount(result.scored.truth, minlength=n_classes)
    base = result.best_member.recall if result.best_member is not None else np.full(n_classes, np.nan)
    shown = shown_classes(base, compared[0].recall)
    marked = roles(result)

    def of(values: NDArray[np.float64]) -> list[float]:
        return [float(values[label]) for label in shown]

    best = None
    if result.best_member is not None:
        best = Series(f"best member: {result.best_member_name}", of(base), "best member")
    kept: list[Series] = [] if best is None else [best]
    used: set[Role] = set()
    for entry in compared:
        role = marked.get(entry.name, "other")
        if role not in used and role != "other":
            kept.append(Series(entry.name, of(entry.recall), role))
            used.add(role)
    if "mean" not in [one.label for one in kept]:
        kept += [Series("mean", of(entry.recall), "mean") for entry in result.rules if entry.name == "mean"]
    members = [Series(member.name, of(member.recall), "member") for member in result.members[:MOST_CLOUD]]
    lost = [result.predictions.classes[label] for label in range(n_classes) if compared[0].recall[label] < base[label]]
    text = "Share of each class's rows that is found: grey points are single members. "
    text += "Open marks are below the best member."
    if best is not None:
        few = ", ".join(lost[:6]) + (f" and {len(lost) - 6} more" if len(lost) > 6 else "")
        text += f" {compared[0].name} is worse than it in {few or 'no class'}."
    if len(shown) < n_classes:
        text += f" {n_classes - len(shown)} classes in between are not drawn."
    if len(result.members) > MOST_CLOUD:
        text += f" Only {MOST_CLOUD} of the {len(result.members)} members are drawn."
    chart = ByClass(
        Axis("recall", percent=True),
        [result.predictions.classes[label] for label in shown],
        [int(counts[label]) for label in shown],
        members,
        kept,
        best,
    )
    return Figure("recall", "Recall of each class", text, [("recall", chart)])


def confusions(result: Comparison) -> Figure | None:
    """Show what is taken for what by what to use, the best member and others, and how the first two differ."""
    if not result.rules:
        return None
    entries: list[tuple[str, RuleScore]] = []
    names = leading_rules(result)
    if names:
        entries.append((names[0], result[names[0]]))
    if result.best_member is not None:
        entries.append(("best member", result.best_member))
    entries += [(name, result[name]) for name in names[1:]]
    entries = entries or [(result.rules[0].name, result.rules[0])]
    truth, classes, weight = result.scored.truth, result.predictions.classes, result.scored.sample_weight
    n_classes = len(classes)
    said = [entry.proba.argmax(axis=1) for _, entry in entries]
    tables = [confusion_matrix(truth, one, n_classes) for one in said]
    shown = list(range(n_classes))
    cut = ""
    if n_classes > MOST_MATRIX:
        wrong = tables[0].sum(axis=0) + tables[0].sum(axis=1) - 2 * np.diag(tables[0])
        shown = sorted(np.argsort(-wrong, kind="stable")[:MOST_MATRIX].tolist())
        cut = f" Only the {MOST_MATRIX} classes with most errors are drawn."
    labels = [classes[label] for label in shown]
    weighed = tables if weight is None else [confusion_matrix(truth, one, n_classes, weight) for one in said]
    with np.errstate(invalid="ignore"):
        shares = [table / table.sum(axis=1, keepdims=True) for table in weighed]
    cells = np.ix_(shown, shown)

    def matrix(values: NDArray[Any], counts: NDArray[Any], *, diverging: bool = False) -> Matrix:
        return Matrix(
            labels,
            labels,
            100 * values[cells] if diverging else values[cells],
            "label",
            "said",
            Axis("points", percent=False) if diverging else Axis("share of the label's rows", percent=True),
            diverging,
            counts=counts[cells],
        )

    views: list[tuple[str, Chart]] = [
        (name, matrix(share, table)) for (name, _), share, table in zip(entries, shares, tables, strict=True)
    ]
    if len(entries) > 1 and entries[1][0] == "best member" and (said[0] != said[1]).any():
        difference = matrix(shares[0] - shares[1], tables[0] - tables[1], diverging=True)
        views.append((f"{entries[0][0]} minus best member", difference))
    text = (
        "What rows of each class are taken for, in shares of the class: each row of the square adds up to 100 %. The "
        "difference view is in points, and its rows add up to 0: blue, with a plus, is more often, orange less often; "
        "a plus on the diagonal is gained, one beside it a new confusion." + cut
    )
    return Figure("confusion", "What is taken for what", text, views)


def leading_rules(result: Comparison) -> list[str]:
    """Return the rule to use, the chosen one and the mean, each once."""
    recommended = None if result.verdict is None else result.verdict.recommended
    known = [entry.name for entry in result.rules]
    return [name for name in dict.fromkeys((recommended, result.chosen, "mean")) if name in known]


def reliability(result: Comparison) -> Figure | None:
    """Show how far predictions are as right as they are sure."""
    panels = reliability_panels(result)
    if not panels:
        return None
    text = (
        "Of the predictions with some confidence, how many are right: bars on the dashed line are honest, below it too "
        "sure, above it not sure enough. The bars underneath are how many rows have that confidence; ECE is the mean "
        "distance from the line."
    )
    return Figure("reliability", "Is it as right as it is sure?", text, [("reliability", Diagrams(panels))])


def disagreement(found: Diversity, names: Sequence[str]) -> Figure | None:
    """Show how often members say different classes, those that are alike beside one another."""
    if len(names) < 2:
        return None
    order = alike_first(found.pairs["different"])
    told = [names[member] for member in order]
    cells = np.ix_(order, order)
    views: list[tuple[str, Chart]] = []
    for label, key in (("different class", "different"), ("both wrong", "double-fault")):
        values = np.array(found.pairs[key][cells], dtype=np.float64)
        np.fill_diagonal(values, np.nan)
        share = Axis("share of rows", percent=True)
        views.append((label, Matrix(told, told, values, axis=share, low=float(np.nanmin(values)))))
    text = (
        "In what share of the rows two members say different classes; in the other view, in what share both are wrong. "
        "Members that are alike stand together."
    )
    if found.clusters:
        groups = "; ".join(", ".join(group[:4]) + (" …" if len(group) > 4 else "") for group in found.clusters[:4])
        text += f" Nearly redundant: {groups}."
    return Figure("diversity", "Who errs alike", text, views)


def alike_first(different: NDArray[np.float64]) -> list[int]:
    """Return members in the order of a clustering, so that those that are alike are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    if len(different) < 3:
        return list(range(len(different)))
    distances = squareform(different, checks=False)
    tree = linkage(distances, method="average")
    ordered: list[int] = leaves_list(optimal_leaf_ordering(tree, distances)).tolist()
    return ordered


def gains(changes: Sequence[RowChanges], data: Predictions) -> Figure | None:
    """Show in which classes rows were rescued and broken against the best member."""
    views: list[tuple[str, Chart]] = []
    cut = 0
    changes = [one for one in changes if one.pair.b + one.pair.c]
    if not changes:
        return None
    for one in changes:
        ranked = list(range(data.n_classes))
        if len(ranked) > MOST_CLASSES:
            by_size = sorted(ranked, key=lambda label: -one.by_class[label].gained - one.by_class[label].lost)
            ranked, cut = sorted(by_size[:MOST_CLASSES]), len(ranked) - MOST_CLASSES
        shown = [one.by_class[label] for label in ranked]
        chart = Gains(
            Axis("rows lost and gained"),
            [change.name for change in shown],
            [change.gained for change in shown],
            [change.lost for change in shown],
        )
        views.append((one.first, chart))
    first = changes[0]
    text = (
        f"Against the best member, {first.first} is right about {first.pair.b:,} rows that were wrong and wrong about "
        f"{first.pair.c:,} that were right, of {first.pair.n_rows:,}."
    )
    text += " Rows are counted; their weights play no part here." if data.sample_weight is not None else ""
    text += f" {cut} classes that changed least are not drawn." if cut else ""
    return Figure("changes", "Rows rescued and broken", text, views)
