"""Sentences, tables and JSON of ``ensembler conformal``: how large prediction sets are, and whom they cover."""

from collections.abc import Mapping
from typing import Any

from ensembler.deployment.sets_study import Coverage, SetsStudy
from ensembler.metrics.intervals import LEVEL
from ensembler.metrics.selective import risk_interval
from ensembler.predictions.provenance import provenance
from ensembler.report.abstain import (
    MOST_LISTED,
    breaking,
    calibration_facts,
    calibration_sentences,
    interval_words,
    percent,
    wanted_percent,
)
from ensembler.report.tables import WORSE, Document, Table, count, format_interval, mark_optimistic, number, some_of
from ensembler.serialization import document

SCHEMA = "ensembler.conformal/1"
MOST_NAMED = 10


def conformal_document(study: SetsStudy) -> Document:
    """Arrange a study of prediction sets for reading: what they are like first, then whom they cover."""
    parts: list[Table | str] = [" ".join(conclusion(study)), class_table(study), size_table(study)]
    if study.by_group:
        parts.insert(2, group_table(study))
    parts.append(" ".join([*promise(study), *calibration_sentences(study.rule, "calibrates the sets")]))
    return Document(parts)


def conclusion(study: SetsStudy) -> list[str]:
    """Say how often sets hold the true class, how large they are, and which classes they cover less."""
    overall = study.overall
    sets, size = f"Sets by {score_name(study)} of {study.rule.name}", f"{overall.mean_size:.2f}"
    found = f"{percent(overall.coverage)} of {count(overall.n_rows, 'scored row')}{interval_words(overall.interval)}"
    few = f"one in {percent(overall.single)} of the rows, none in {percent(overall.empty)}"
    sentences = [
        f"{sets} hold the true class in {found}; wanted were {wanted_percent(1 - study.sets.alpha)}.",
        f"They have {size} of {len(study.by_class)} classes on average: {few}.",
    ]
    sentences += worst_class(study)
    if study.few:
        names = some_of([f"{name} ({n})" for name, n in study.few.items()], MOST_NAMED)
        least = study.sets.fewest_rows
        if study.sets.by_class:
            sentences.append(
                f"In every set, since a class needs {count(least, 'calibration row')} and has fewer: {names}; "
                "allow a larger alpha, or drop --by-class."
            )
        else:
            n_rows = count(study.sets.n_rows, "calibration row")
            sentences.append(
                f"Every set has all classes: there are {n_rows}, and alpha {study.sets.alpha:g} needs {least:,}."
            )
    return sentences


def worst_class(study: SetsStudy) -> list[str]:
    """Name the class that is covered less than is wanted of all, if that is no chance among classes."""
    wanted = 1 - study.sets.alpha
    level = 1 - (1 - LEVEL) / len(study.by_class)
    shown = {
        name: part.coverage
        for name, part in study.by_class.items()
        if part.n_rows and risk_interval(part.n_covered, part.n_rows, level)[1] < wanted
    }
    if not shown:
        return []
    name = min(shown, key=lambda name: shown[name])
    advice = "" if study.sets.by_class else "; --by-class calibrates each class by itself"
    return [f"Of class {name}, only {percent(shown[name])} are covered{advice}."]


def score_name(study: SetsStudy) -> str:
    """Write the score with its parameters.

    ``raps:penalty=0.01,free=5, randomised, by class``
    """
    sets = study.sets
    name = f"raps:penalty={sets.penalty:g},free={sets.free}" if sets.score == "raps" else sets.score
    return name + (", randomised," if sets.randomised else "") + (" by class" if sets.by_class else "")


def below(part: Coverage, wanted: float) -> bool:
    """Whether a coverage is shown to be below what was wanted."""
    return part.interval is not None and part.interval[1] < wanted


def promise(study: SetsStudy) -> list[str]:
    """Say what holds of new rows, on what it rests, and what breaks it."""
    sets = study.sets
    share = f"{wanted_percent(1 - sets.alpha)} of the rows or more on average"
    whom = "of each class by itself" if sets.by_class else "over all classes together"
    from_rows = f"for they are calibrated on {count(sets.n_rows, 'row')}"
    return [
        f"Promised: sets of new rows hold the true class in {share}, {whom}, {from_rows}.",
        *breaking(study.rule, "quantile"),
    ]


def class_table(study: SetsStudy) -> Table:
    """Show how often the true class is covered, by class."""
    return coverage_table("By class", "class", study.by_class, study, quantiles=study.sets.by_class)


def group_table(study: SetsStudy) -> Table:
    """Show how often the true class is covered, by group."""
    return coverage_table("By group", "group", study.by_group, study)


def size_table(study: SetsStudy) -> Table:
    """Show how often the true class is covered, by the size of the set."""
    found = {str(size): part for size, part in study.by_size.items()}
    return coverage_table("By size of the set", "classes", found, study, sized=False)


def coverage_table(
    title: str,
    what: str,
    found: Mapping[str, Coverage],
    study: SetsStudy,
    *,
    quantiles: bool = False,
    sized: bool = True,
) -> Table:
    """Show the coverage of parts of the rows."""
    listed = list(found)
    wanted = 1 - study.sets.alpha
    notes = [f"{WORSE} the 95 % interval is below {number(wanted)}"]
    if len(listed) > MOST_LISTED:
        known = [name for name in listed if found[name].n_rows]
        worst = sorted(known, key=lambda name: found[name].coverage)[:MOST_LISTED]
        listed = [name for name in listed if name in worst]
        notes.append(f"{len(found) - len(listed)} that are covered better are not shown (--json has all)")
    places = {name: place for place, name in enumerate(study.by_class)}
    rows = []
    for name in listed:
        part = found[name]
        cells = [name, f"{part.n_rows:,}", f"{number(part.coverage)} {WORSE if below(part, wanted) else ' '}"]
        cells.append(format_interval(part.interval))
        cells += [number(part.mean_size, 2), number(part.single)] if sized else []
        rows.append(cells + ([number(study.sets.quantiles[places[name]])] if quantiles else []))
    headers = [what, "rows", "coverage  ", "95 % interval", *(["classes\na set", "of one\nclass"] if sized else [])]
    title = mark_optimistic(title, optimistic=study.protocol.optimistic)
    return Table(title, [*headers, *(["quantile"] if quantiles else [])], rows, notes)


def describe_conformal(study: SetsStudy, command: str | None = None) -> dict[str, Any]:
    """Return a study as the document that ``--json`` prints."""
    body = {
        "rule": study.rule.name,
        "prediction_sets": study.sets.to_dict(),
        "overall": vars(study.overall),
        "by_class": [{"name": name, **vars(part)} for name, part in study.by_class.items()],
        "by_group": [{"name": name, **vars(part)} for name, part in study.by_group.items()],
        "by_size": [{"size": size, **vars(part)} for size, part in study.by_size.items()],
        "unbounded": study.few,
        "accuracy": study.rule.accuracy,
        **calibration_facts(study.rule),
        "sentences": [*conclusion(study), *promise(study), *calibration_sentences(study.rule, "calibrates the sets")],
        "protocol": vars(study.protocol),
    }
    return document(SCHEMA, body, provenance(study.predictions, study.protocol.seed, command))
