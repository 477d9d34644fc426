"""The page on what a pool is worth, from the results alone."""

from typing import Any

from reproduction_page import share, table, wrapped

TITLE = "# What a pool of networks is worth\n"
INTRODUCTION = """Kim et al. joined {kim_networks} networks on FER2013 and are said to have reached {kim}. This page
measures on {n_members} of ours, the bundled pool (`ensembler sample DIR --pool`), how far one comes with how many, and
which differences between members pay: three networks with three input normalisations in eight variants each, a complete
design. It is written by `benchmarks/pool_worth.py`; every number comes from `benchmarks/results/pool_worth.json`.
Members are chosen, and weights fitted, on PublicTest; accuracies are on PrivateTest unless it says otherwise. A
difference of one point between two ensembles is about what these 3,589 rows can show.
"""
GROWTH = """## More members

Members are drawn by chance {n_orders} times; ± is the standard deviation over the draws. *Searched for* is the best
committee of that size that a beam of width {width} finds on PublicTest, as `ensembler subsets --search beam` does, and
what it then reaches on PrivateTest.
"""
FIGURE = """```{image} ../_static/pool-growth.svg
:alt: Accuracy of the mean over the number of members: drawn by chance from all, from the deep ones, and searched for.
```
"""
KINDS = """## Which differences pay

By how much the mean of two or three members is better than they are on average, where they differ in one thing and are
otherwise alike; ± is the standard error over groups, which share members, so that it is on the small side. *Disagree*
is the share of rows on which two of them say different classes.
"""
CURVE = """## Fitted weights

How much better than the mean of all {n_members} a rule is, in points, when its weights are fitted on so many rows of
PublicTest (`bench --learning-curve`); in brackets the 95 % interval on PrivateTest.
"""


def write_page(results: dict[str, Any]) -> str:
    """Write the page from the results alone."""
    n_members = len(results["members"])
    kim = results["kim"]
    parts = [
        TITLE,
        wrapped(INTRODUCTION.format(n_members=n_members, kim=share(kim["accuracy"]), kim_networks=kim["networks"])),
        conclusions(results),
        GROWTH.format(n_orders=results["n_orders"], width=results["beam"]["width"]),
        growth_table(results),
        FIGURE,
        chosen(results),
        KINDS,
        kinds_table(results["kinds"]),
        wrapped(
            "Networks differ most from each other, but also in how good they are: a mean with two weaker ones is "
            "better than they are on average, and still hardly better than its best. Among equally good ones the input "
            "normalisation is the cheapest difference to make. Narrow forms of `agrawal` were trained briefly and are "
            "left out of the comparison of widths."
        ),
        CURVE.format(n_members=n_members),
        curve_table(results["learning_curve"]),
    ]
    return "\n".join(parts)


def conclusions(results: dict[str, Any]) -> str:
    """Say how far one comes, and how far that is from Kim's committee."""
    kim = results["kim"]["accuracy"]
    nine, whole, deep = results["nine"]["test"], results["whole"]["test"], results["networks"]["deep"]["test"]
    others = ", ".join(f"{share(found['test'])} ({net})" for net, found in results["networks"].items() if net != "deep")
    n_deep = sum(name.startswith("deep-") for name in results["members"])
    return wrapped(
        f"**{against(nine, kim)} with nine.** The mean of the study's nine members, each the best of its kind on "
        f"PublicTest, reaches {share(nine)}; the mean of the whole pool {share(whole)}, that of its {n_deep} deep "
        f"networks {share(deep)}, of the others {others}. Good members are worth more than many: most of what a pool "
        "gives is there with a dozen."
    )


def against(accuracy: float, kim: float) -> str:
    """Say whether an accuracy is that of Kim et al."""
    points = 100 * (accuracy - kim)
    return f"Kim's figure is {'passed' if points > 0 else 'missed'} by {abs(points):.2f} points"


def growth_table(results: dict[str, Any]) -> str:
    """Write how accuracy grows with members."""
    deep = {row["size"]: row for row in results["growth"]["deep"]}
    steps = {step["size"]: step for step in results["beam"]["steps"]}
    rows = []
    for row in results["growth"]["all"]:
        size = row["size"]
        step = steps.get(size)
        rows.append(
            [
                str(size),
                spread(row),
                spread(deep[size]) if size in deep else "–",
                share(step["selection_accuracy"]) if step else "–",
                share(step["accuracy"]) if step else "–",
            ]
        )
    headers = ["members", "by chance", "deep ones by chance", "searched for, PublicTest", "searched for"]
    return table(headers, rows, left=0)


def spread(row: dict[str, float]) -> str:
    """Write a mean with the deviation over draws."""
    return f"{row['test_mean']:.4f} ± {row['test_deviation']:.4f}"


def chosen(results: dict[str, Any]) -> str:
    """Say which committee the search chooses."""
    found = results["beam"]["chosen"]
    names = ", ".join(found["members"])
    drawn = max((row for row in results["growth"]["deep"] if row["size"] <= found["size"]), key=lambda row: row["size"])
    return wrapped(
        f"The search chooses {found['size']} members, which reach {share(found['selection_accuracy'])} where they were "
        f"searched for and {share(found['accuracy'])} on PrivateTest: {names}. {drawn['size']} deep networks drawn by "
        f"chance reach {share(drawn['val_mean'])} and {share(drawn['test_mean'])}: of what a search gains where it "
        "searches, little is left elsewhere."
    )


def kinds_table(kinds: dict[str, Any]) -> str:
    """Write which differences pay."""
    rows = []
    for name, found in kinds.items():
        for what in ("pairs", "triples"):
            entry = found[what]
            if entry is not None:
                gains = [
                    f"{100 * entry[part]['gain']:+.2f} ± {100 * entry[part]['standard_error']:.2f}"
                    for part in ("val", "test")
                ]
                rows.append([name, f"{entry['groups']} {what}", *gains, f"{100 * entry['disagreement']:.1f} %"])
    return table(["members differ in", "groups", "points, PublicTest", "points, PrivateTest", "disagree"], rows, left=2)


def curve_table(points: list[dict[str, Any]]) -> str:
    """Write what fitted weights gain over the mean, by rows that they are fitted on."""
    sizes = sorted({point["n_fit"] for point in points})
    names = list(dict.fromkeys(point["rule"] for point in points if point["rule"] != "mean"))
    rows = []
    for size in sizes:
        cells = []
        for name in names:
            [point] = [one for one in points if one["rule"] == name and one["n_fit"] == size]
            cells.append(gain(point))
        rows.append([f"{size:,}", *cells])
    return table(["rows", *(f"`{name}`" for name in names)], rows, left=0)


def gain(point: dict[str, Any]) -> str:
    """Write a gain in points, with its interval."""
    text = f"{100 * point['effect']:+.2f}"
    if point["interval"] is not None:
        low, high = point["interval"]
        text += f" ({100 * low:+.2f} … {100 * high:+.2f})"
    return text
