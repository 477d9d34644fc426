"""The page that tells what was measured, from the results alone."""

import textwrap
from typing import Any

N_STUDY = 9
INTRODUCTION = """# The study, measured again

Bokányi & Mészégető trained nine networks of three architectures on FER2013 and combined their decisions. This page
measures their findings again, on members trained by `backbones recipe` and on nine published networks of other
people. It is written by `make reproduce` from the bundled predictions; every number comes from
`benchmarks/results/reproduction.json`.

A finding is *confirmed* or *contradicted* if the paired 95 % bootstrap interval on PrivateTest says so, else one
*cannot tell*. Weights are fitted, and members and committees chosen, on PublicTest. Intervals are of one comparison
each, except where it says that they hold for all classes at once. Of the additions of finding 4, one in forty is
shown to help and one in forty to hurt where none does either; *almost always* means that at least 90 % are shown to
help, and is contradicted if at least 10 % are shown to hurt.
"""
TEST_TIME = """## Test-time augmentation

All other figures of this page, and the bundled arrays, are of each image as it is. Averaged over an image and its eight
shifts by two pixels, each with its mirror image (`--flip-averaging --shift-averaging 2`: eighteen times the cost),
members reach more, and their mean hardly so: it has averaged already.
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

PyTorch instead of Keras; one cycle of the learning rate over {fewest} to {most} epochs instead of about {epochs} with
early stopping; steps in bfloat16; batch normalisation's statistics taken without dropout; {extras}Agrawal & Mittal's
network as far as it can be inferred. The report's own predictions are not public, so its figures are quoted as it
gives them.
"""
RECALIBRATED = """A dot is the epoch that was kept, as its predictions are. While {names} were trained, validation used
the running averages of training steps; the statistics of the kept epoch were taken anew afterwards, which moves its dot
off the line. `backbones recipe` now takes them before each epoch is judged.
"""


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
        how_near(ours, results, epochs),
        "## Published members\n",
        *set_tables(others),
        "## Exact duplicates\n",
        f"{results['n_exact_duplicates']} PrivateTest images are also in Training, pixel by pixel.\n",
        table(
            ["member", "PrivateTest", "without exact duplicates"],
            [
                [row["name"], share(row["accuracy"]), share(row["without_exact_duplicates"])]
                for row in results["exact_duplicates"]
            ],
        ),
        TEST_TIME,
        test_time(results["test_time"]),
        FIGURES,
        wrapped(RECALIBRATED.format(names=listed(later))) if later else "",
        differences(results),
    ]
    return "\n".join(part for part in parts if part)


def how_near(found: dict[str, Any], results: dict[str, Any], epochs: list[int]) -> str:
    """Say how near small networks come to Kim's 216, and to the report's own nine."""
    mean = next(rule for rule in found["rules"] if rule["rule"] == "mean")
    chosen = next(rule for rule in found["rules"] if rule["rule"] == found["chosen"])
    alone = next(member for member in found["members"] if member["name"] == found["best_member"])
    means = ", ".join(f"{share(accuracy)} ({name})" for name, accuracy in results["architectures"].items())
    told = results["reported"]
    low, high = told["members"]
    return wrapped(
        f"**How near do nine small networks come?** Kim et al. are said to have reached {share(told['kim_accuracy'])} "
        f"with {told['kim_networks']} networks, and the report about {told['ensemble']:.2f} with {told['networks']} of "
        f"{low:.2f} to {high:.2f} (of which it says elsewhere that three have {told['weakest_three_at_most']} at "
        f"most). The mean of ours reaches {share(mean['accuracy'])}, the rule that was chosen ({chosen['rule']}) "
        f"{share(chosen['accuracy'])}, and the best member on PublicTest ({alone['name']}) "
        f"{share(alone['accuracy'])}. The mean of three of one architecture reaches {means}. Ours were trained for "
        f"{min(epochs)} to {max(epochs)} epochs, on a graphics processor."
    )


def test_time(found: dict[str, Any]) -> str:
    """Write what members, and their mean, reach with test-time augmentation."""
    rows = [[name, *both(entry)] for name, entry in found["study"].items()]
    rows.append([f"mean of these {len(rows)}", *both(found["mean_of_study"])])
    text = (
        f"Over {len(found['members'])} networks of the pool the gain of a single one on PrivateTest is "
        f"{found['mean_gain']:+.4f} on average, with a standard deviation of {found['standard_deviation']:.4f} between "
        "networks."
    )
    if found["missing"]:
        text += f" Of {listed(found['missing'])} the weights were not kept, so that there are no such predictions."
    headers = ["member", "PublicTest", "with augmentation", "PrivateTest", "with augmentation"]
    return f"{table(headers, rows)}\n{wrapped(text)}"


def both(entry: dict[str, float]) -> list[str]:
    """Write accuracies without and with test-time augmentation."""
    return [share(entry[f"{kind}_{split}"]) for split in ("val", "test") for kind in ("plain", "augmented")]


def differences(results: dict[str, Any]) -> str:
    """Say what differs from the report."""
    extras = ""
    for option, what in (("erasing", "patches erased from images"), ("label_smoothing", "smoothed labels")):
        names = [member["name"] for member in results["training"] if member[option]]
        if names:
            whose = "all members" if len(names) == len(results["training"]) else listed(names)
            extras += f"{what} ({whose}); "
    epochs = [member["epochs"] for member in results["training"]]
    title, text = DIFFERENCES.split("\n\n", 1)
    filled = text.format(fewest=min(epochs), most=max(epochs), epochs=results["reported"]["epochs"], extras=extras)
    return f"{title}\n\n{wrapped(filled)}"


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
        marks = [mark for mark in ("chosen", "recommended") if rule["rule"] == found[mark]]
        name = rule["rule"] + (f" ({', '.join(marks)})" if marks else "")
        part = rule["fitted_on_part_of_test"]
        instead = f"{part['difference']:+.4f} ({span(part['interval'], sign=True)})"
        reached = [share(rule["accuracy"]), span(rule["interval"]), against, instead]
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
    half = "fitted on half of PrivateTest instead: change on the other half"
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
        told = span(row["interval"], sign=True)
        if "interval_of_all" in row:
            told += f"; of all classes {span(row['interval_of_all'], sign=True)}"
        return [row["what"], f"{row['difference']:+.4f}", told]
    if "members" in row:
        return [f"{row['what']}: {', '.join(row['members'])}", share(row["accuracy"]), "–"]
    return [row["what"], share(row["share"]), "–"]
