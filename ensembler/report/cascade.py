"""Sentences and tables of ``ensembler cascade``: what to run first, when to ask more, and what that costs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ensembler.comparison.wording import format_difference, noise_word, unconfirmed
from ensembler.deployment.cascades.costs import EQUAL
from ensembler.deployment.cascades.guarantee import BROKEN, LAST_STAGE
from ensembler.deployment.cascades.results import CascadeStudy, FrontPoint, StageSummary
from ensembler.report.subsets import format_cost
from ensembler.report.tables import CHOSEN, Document, Table, count, format_interval, mark_optimistic, number
from ensembler.serialization import jsonable

if TYPE_CHECKING:
    import pandas as pd

MOST_LISTED = 10
SIGNALS = {
    "top-probability": "top probability",
    "margin": "margin between the two most probable classes",
    "entropy": "confidence by entropy",
    "agreement": "share of members that agree",
}


def cascade_document(study: CascadeStudy) -> Document:
    """Arrange a study for reading: the answer first."""
    parts: list[Table | str] = [answer(study), front_table(study)]
    shares = class_table(study)
    parts += [] if shares is None else [shares]
    parts.append(" ".join(method(study)))
    return Document(parts)


def answer(study: CascadeStudy) -> str:
    """Say what to run first, when to ask more, what it costs, and whether the difference is noise."""
    warned = ["OPTIMISTIC, chosen on the rows that are scored:"] if study.protocol.optimistic else []
    return " ".join([*warned, how_to_run(study), reached(study), comparison(study), *cheaper(study), *promise(study)])


def how_to_run(study: CascadeStudy) -> str:
    """Say what to run first, and when to ask more."""
    stages = study.summary.stages
    first, *later = stages
    if not later:
        return f"Run {members_of(first.members, study)}, and nothing else."
    signal = SIGNALS[study.confidence]
    text = f"Run {members_of(first.members, study)} first"
    for before, stage in zip(stages[:-1], later, strict=True):
        added = [name for name in stage.members if name not in before.members]
        others = "all others" if len(stage.members) == study.predictions.n_members else ", ".join(added)
        text += f"; where the {signal} is {number(before.threshold, 3)} or less, add {others}"
        signal = f"{SIGNALS[study.confidence]} of those together"
    if study.summary.escalated == 0:
        text += ", which the scored rows never need"
    return f"{text}."


def members_of(members: Sequence[str], study: CascadeStudy) -> str:
    """Name members, all of them as that."""
    return "all members" if len(members) == study.predictions.n_members > 1 else ", ".join(members)


def reached(study: CascadeStudy) -> str:
    """Say what it reaches and costs."""
    summary = study.summary
    passed = f", {percent(summary.escalated)} of the rows passed on" if len(summary.stages) > 1 else ""
    n_members = study.predictions.n_members
    cost = (
        "" if n_members == 1 else f" at {percent(summary.cost_share)} of the cost of all {count(n_members, 'member')}"
    )
    return f"That reaches accuracy {number(summary.accuracy)}{cost}{passed}."


def comparison(study: CascadeStudy) -> str:
    """Say how it compares with all members, and with the best one."""
    summary = study.summary
    full = format_difference(summary.against_full, f"all members ({number(summary.full_accuracy)})", share=True)
    member = format_difference(
        summary.against_best_member,
        f"the best single model, {summary.best_member}, at {percent(summary.best_member_cost / summary.full_cost)}",
        share=True,
    )
    doubt = unconfirmed(summary.against_full) or f", {noise_word(summary.against_full)}"
    return f"It is {full}{doubt}; {member}."


def cheaper(study: CascadeStudy) -> list[str]:
    """Point to the cheapest cascade that was as accurate as all members where it was found, if that is far cheaper."""
    whole = study.summary.val_full_accuracy
    point = next((point for point in study.front if point.val_accuracy >= whole - 1e-12), None)
    if point is None or study.guarantee is not None or point.cost_share > 0.8 * study.summary.cost_share:
        return []
    cost = percent(point.cost_share)
    return [
        f"As accurate as all members on the fitting rows was one at {cost} (--match full): {number(point.accuracy)}."
    ]


def promise(study: CascadeStudy) -> list[str]:
    """Say what is promised, and what breaks it."""
    made = study.guarantee
    if made is None:
        return []
    summary = study.summary
    observed = summary.disagreement_with_last if made.risk == LAST_STAGE else summary.disagreement
    observed = 1 - summary.accuracy if "wrong" in made.risk else observed
    sentences = [made.promise, f"On the scored rows it {made.risk} in {percent(observed)}."]
    if made.delta is None and (made.n_calibration + 1) * made.alpha < 1:
        sentences.append(
            f"So few calibration rows can promise {percent(1 / (made.n_calibration + 1))} at best: no row stops early; "
            "give a larger --alpha, or more rows."
        )
    if study.split.fitting.groups is not None:
        sentences.append("It is too strong here: rows of a group are counted as independent, and they are alike.")
    return [*sentences, BROKEN]


def percent(share: float) -> str:
    """Write a share of rows or costs in per cent, small ones with a decimal."""
    return f"{share * 100:.{1 if share < 0.1 else 0}f} %"


def listed(study: CascadeStudy, most: int = MOST_LISTED) -> list[FrontPoint]:
    """Return some of the front at even distances of accuracy where they were found, the wanted one among them."""
    points = list(study.front)
    if len(points) <= most:
        return points
    low, high = points[0].val_accuracy, points[-1].val_accuracy
    wanted = [low + (high - low) * step / (most - 1) for step in range(most)]
    places = {
        next(place for place, point in enumerate(points) if point.val_accuracy >= value - 1e-12) for value in wanted
    }
    places |= {place for place, point in enumerate(points) if point.chosen}
    return [points[place] for place in sorted(places)]


def front_table(study: CascadeStudy) -> Table:
    """Show cascades that no cheaper one equals where they were found."""
    points = listed(study)
    rows = [
        [
            CHOSEN if point.chosen else "",
            percent(point.cost_share),
            number(point.accuracy),
            number(point.against_full * 100, 1, sign=True, points=True),
            format_interval(scaled(point.against_full_interval), 1, sign=True, points=True),
            number(point.against_best_member * 100, 1, sign=True, points=True),
            describe(point.stages, study),
        ]
        for point in points
    ]
    headers = ["", "cost", "accuracy", "vs. all", "95 %", "vs. best", "first, then"]
    wanted = f"{CHOSEN} {study.wanted}, on the fitting rows   " if any(point.chosen for point in points) else ""
    notes = [f"{wanted}vs.: percentage points, on the scored rows, ± 1.96 standard errors"]
    if len(points) < len(study.front):
        notes.append(f"{len(points)} of {len(study.front)} on the front; all of them by --csv or --json")
    title = mark_optimistic("No cheaper one was as good", optimistic=study.protocol.optimistic)
    strong = [place for place, point in enumerate(points) if point.chosen]
    return Table(title, headers, rows, notes, left=(0, 6), strong=strong)


def scaled(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return an interval in percentage points."""
    return None if interval is None else (interval[0] * 100, interval[1] * 100)


def describe(stages: Sequence[StageSummary], study: CascadeStudy) -> str:
    """Write stages in short: members, and what is added below which confidence."""
    text, before = members_of(stages[0].members, study), stages[0]
    for stage in stages[1:]:
        added = ", ".join(name for name in stage.members if name not in before.members)
        rest = "all" if len(stage.members) == study.predictions.n_members else added
        text += f" ≤ {number(before.threshold, 3)} → {rest}"
        before = stage
    return text


def class_table(study: CascadeStudy) -> Table | None:
    """Show which classes are passed on, and what that brings; None for a single stage."""
    if len(study.summary.reached) < 2:
        return None
    shares = sorted(study.summary.by_class, key=lambda share: -share.escalated)
    rows = [
        [
            share.name,
            f"{share.n_rows:,}",
            percent(share.escalated),
            number(share.accuracy_stopped, 3),
            number(share.accuracy_escalated, 3),
            number(share.accuracy_full, 3),
        ]
        for share in shares[:MOST_LISTED]
    ]
    notes = [] if len(shares) <= MOST_LISTED else [f"{MOST_LISTED} of {len(shares)} classes, most passed on first"]
    headers = ["class", "rows", "passed\non", "acc. of\nstopped", "acc. of\npassed on", "all members\non those"]
    return Table("Who is passed on", headers, rows, notes)


def method(study: CascadeStudy) -> list[str]:
    """Say what was looked at, and where it was chosen and scored."""
    protocol, costs = study.protocol, study.costs
    looked = (
        f"{count(study.n_cascades, 'cascade')} of {study.rule} {'was' if study.n_cascades == 1 else 'were'} looked at"
    )
    if study.n_stages > 2 or not study.exact:
        looked += ", the best that a search found" if not study.exact else ""
        looked += (
            f": all of two stages, and more where they improve the best (up to {study.n_stages})" if study.exact else ""
        )
    sentences = [f"{looked}."]
    if protocol.optimistic:
        sentences.append(f"OPTIMISTIC: chosen on the {count(protocol.n_scored, 'row')} that are scored.")
    elif protocol.fit_on == "cross":
        sentences.append(
            f"Each of {protocol.folds} folds (seed {protocol.seed}) is answered by cascades that were found without "
            f"it; the one named is found on all {count(protocol.n_fit, 'row')}."
        )
    else:
        sentences.append(f"Chosen on {count(protocol.n_fit, 'row')}, scored on {protocol.n_scored:,} others.")
    sentences.append(
        "Members count 1 each, since nothing says what they cost (--cost, --costs)."
        if costs.unit == EQUAL
        else f"All members together cost {format_cost(costs.full)} a row{in_unit(costs.unit)}."
    )
    if costs.shared:
        sentences.append(f"{count(len(costs.shared), 'piece')} of shared work counted once.")
    return sentences + [f"Note: {note}." for note in protocol.notes]


def in_unit(unit: str) -> str:
    """Say what costs are in, where that has a name."""
    return "" if unit == "cost" else f" ({unit.replace('-', ' ')})"


def front_frame(study: CascadeStudy) -> "pd.DataFrame":
    """Return the front as a table: one row a cascade, its stages as text."""
    import pandas as pd

    rows = []
    for point in study.front:
        plain = jsonable({**vars(point), "stages": describe(point.stages, study)})
        for name in ("against_full_interval", "against_best_member_interval"):
            low, high = plain.pop(name) or (None, None)
            plain |= {f"{name.removesuffix('_interval')}_low": low, f"{name.removesuffix('_interval')}_high": high}
        rows.append(plain)
    return pd.DataFrame(rows)
