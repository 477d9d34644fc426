"""What is on the page: sections of sentences, figures and tables; those without data are left out whole."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ensembler.comparison.results import Comparison, RuleScore
from ensembler.metrics import SHARES
from ensembler.predictions.diagnosis.changes import RowChanges, changed_rows
from ensembler.predictions.diagnosis.checks import Finding
from ensembler.predictions.diagnosis.hard_rows import contested_rows, count_votes, missed_rows
from ensembler.predictions.provenance import provenance
from ensembler.report import bench, changes, checkup, diversity, search, subsets
from ensembler.report.figures import collect
from ensembler.report.figures.kinds import Figure
from ensembler.report.survey import Survey
from ensembler.report.tables import Table, number
from ensembler.subsets.describe import describe_study

MOST_LISTED = 20
MOST_HARD = 10


@dataclass(frozen=True)
class Text:
    """A sentence or more; ``strong`` where it says what a section comes to, ``code`` where it is to be typed."""

    text: str
    strong: bool = False
    code: bool = False


@dataclass(frozen=True)
class Listing:
    """A table on the page, open or folded away."""

    key: str
    table: Table
    folded: bool = False


Block = Text | Listing | Figure


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own; ``short`` is for the list of sections."""

    key: str
    short: str
    title: str
    blocks: Sequence[Block]


def sections(found: Survey, command: str | None = None) -> list[Section]:
    """Return all sections that there is something to say in."""
    result = found.comparison
    described = None if found.study is None else describe_study(found.study)
    if found.search is not None:
        described = search.describe_search(found.search)
    made = [
        rules(result),
        *(committees(found, described) if described is not None else ()),
        classes(result),
        calibration(result),
        *members_apart(found),
        rows(result),
        doctor(found.findings),
        method(found, command),
    ]
    shown = [section for section in made if section is not None and section.blocks]
    return [marked(section) for section in shown] if result.protocol.optimistic else shown


def marked(section: Section) -> Section:
    """Return a section whose figures say that they are optimistic."""
    blocks = [
        replace(block, title=f"{block.title} (optimistic)") if isinstance(block, Figure) else block
        for block in section.blocks
    ]
    return replace(section, blocks=blocks)


def rules(result: Comparison) -> Section | None:
    """Compare rules."""
    if not result.rules:
        return None
    blocks: list[Block] = []
    if result.verdict is not None:
        blocks.append(collect.forest(result))
    blocks.append(Listing("table-rules", bench.rules_table(result)))
    if result.verdict is not None:
        tables = bench.difference_tables(result, result.verdict)
        blocks += [Listing(f"table-noise-{place}", table, folded=True) for place, table in enumerate(tables)]
    every = len(result.members)
    table = bench.members_table(result, most=every)
    blocks.append(Listing("table-members", table, folded=every > MOST_LISTED))
    return Section("rules", "Rules", "Which rule combines best", blocks)


def committees(found: Survey, described: dict[str, Any]) -> Iterator[Section]:
    """Show which members to take, what each is worth, and what accuracy costs."""
    blocks: list[Block] = []
    result = found.comparison
    if result.calibrate == "members":
        blocks.append(Text("Committees are of the members as they are, without the temperatures."))
    if described["metric"] != result.metric:
        blocks.append(
            Text(f"Committees are judged by {described['metric']}: not all of them can be by {result.metric}.")
        )
    if found.search is not None:
        parts = search.search_document(described).parts
        blocks += [Text(part) for part in parts if isinstance(part, str)]
        blocks.append(collect.searched(found.search, described))
        tables = [part for part in parts if isinstance(part, Table)]
        blocks += [Listing(f"table-search-{place}", part, folded=True) for place, part in enumerate(tables)]
        yield Section("committees", "Committees", "Which members to take", blocks)
        return
    assert found.study is not None
    listed = [{**rule, "best": rule["best"][:MOST_LISTED]} for rule in described["rules"]]
    blocks.append(Text(subsets.introduction(described)))
    blocks += [Text(subsets.conclusion(rule, described, "the committee chosen is"), strong=True) for rule in listed]
    blocks.append(collect.sweep(found.study, described))
    for place, rule in enumerate(listed):
        blocks.append(Listing(f"table-best-{place}", subsets.best_table(rule, described), folded=bool(place)))
        blocks.append(Listing(f"table-sizes-{place}", subsets.size_table(rule, described), folded=True))
        if rule["regret"] is not None and len(rule["regret"]) > 1:
            blocks.append(Listing(f"table-shortcuts-{place}", subsets.regret_table(rule, described), folded=True))
    yield Section("committees", "Committees", "Which members to take", blocks)
    worth = collect.worth(described)
    if worth is not None:
        listings = [
            Listing(f"table-worth-{place}", subsets.members_table(rule, described), folded=bool(place))
            for place, rule in enumerate(listed)
            if rule["members"] is not None
        ]
        yield Section("members", "Members", "What each member is worth", [worth, *listings])
    front = collect.front(described)
    if front is not None:
        costs = [
            Listing(f"table-cost-{place}", subsets.cost_table(rule), folded=bool(place))
            for place, rule in enumerate(listed)
            if rule["cost"] is not None
        ]
        yield Section("cost", "Cost", "What accuracy costs", [front, *costs])


def classes(result: Comparison) -> Section | None:
    """Show what happens to each class."""
    recall, confusion = collect.recall(result), collect.confusions(result)
    if recall is None:
        return None
    table = Listing("table-recall", bench.recall_table(result), folded=True)
    return Section(
        "classes", "Classes", "What happens to each class", [recall, table, *([confusion] if confusion else [])]
    )


def calibration(result: Comparison) -> Section | None:
    """Show whether rules are as right as they are sure."""
    figure = collect.reliability(result)
    if figure is None:
        return None
    blocks: list[Block] = [figure]
    if any(entry.calibration is not None for entry in result.rules):
        blocks.append(Listing("table-calibration", bench.calibration_table(result), folded=True))
    return Section("calibration", "Calibration", "Can its probabilities be believed", blocks)


def members_apart(found: Survey) -> Iterator[Section]:
    """Show how differently members err."""
    data, spread = found.comparison.scored, found.diversity
    if spread is None:
        return
    figure = collect.disagreement(spread, data.names)
    blocks: list[Block] = [Text(one, strong=True) for one in (diversity.conclusion(spread),) if one]
    if figure is not None:
        blocks.append(figure)
    if spread.gain_correlations:
        blocks.append(Listing("table-measures", diversity.measure_table(spread), folded=True))
    blocks.append(Listing("table-coverage", diversity.coverage_table(spread, data), folded=True))
    yield Section("diversity", "Diversity", "How differently members err", blocks)


def rows(result: Comparison) -> Section | None:
    """Show which rows a rule rescues and breaks, and which are hard for all."""
    data, best = result.scored, result.best_member
    leading = collect.leading_rules(result) or [entry.name for entry in result.rules[:1]]
    if not leading:
        return None
    subject = leading[0]
    blocks: list[Block] = []
    proba = result[subject].proba
    if best is not None:
        told: list[RowChanges] = [
            changed_rows(data, (name, f"the best member, {result.best_member_name}"), (result[name].proba, best.proba))
            for name in leading
        ]
        figure = collect.gains(told, data)
        if figure is None:
            blocks.append(
                Text(f"{subject} is right about the rows that the best member is right about, and no others.")
            )
        else:
            blocks += [figure, Listing("table-changes", changes.class_table(told[0]), folded=True)]
    contested, missed = contested_rows(data, proba, MOST_HARD), missed_rows(data, proba, MOST_HARD)
    votes = count_votes(data)
    all_missed = int((votes[range(data.n_samples), data.truth] == 0).sum())
    contested_table, missed_table = changes.hard_tables(contested, missed, all_missed, data)
    if data.n_members > 1:
        blocks.append(Listing("table-contested", contested_table, folded=True))
    blocks.append(Listing("table-missed", missed_table, folded=True))
    return Section("rows", "Rows", "Which rows change hands", blocks)


def doctor(findings: Sequence[Finding] | None) -> Section | None:
    """Show what is suspicious about the input."""
    if findings is None:
        return None
    blocks: list[Block] = [Text(checkup.summary(findings))]
    if findings:
        blocks.append(Listing("table-findings", checkup.findings_table(findings)))
    return Section("doctor", "Doctor", "Is the input what you think it is", blocks)


def method(found: Survey, command: str | None) -> Section:
    """Say how all of it was made, and how to make it again."""
    result = found.comparison
    data = result.predictions
    facts = provenance(data, result.protocol.seed, command)
    blocks: list[Block] = [Text(bench.protocol_sentence(result))]
    if result.verdict is not None:
        blocks.append(
            Text(". ".join(checkup.capital(note) for note in bench.interval_notes(result, result.verdict)) + ".")
        )
    if result.calibrate != "none":
        blocks.append(Text(f"Temperatures were fitted to each {'member' * (result.calibrate == 'members') or 'rule'}."))
    blocks += [Text(f"Left out: {what}: {reason}.") for what, reason in found.left_out]
    if found.study is not None:
        blocks += [Text(f"Left out of the sweep: {name}: {reason}.") for name, reason in found.study.left_out]
        if found.study.costs is not None and found.study.metric != "accuracy":
            blocks.append(
                Text(f"Left out: costs: they are set against accuracy, and this is a sweep by {found.study.metric}.")
            )
    if command is not None:
        blocks += [Text("This command makes this page again, where these files are:"), Text(command, code=True)]
    versions = Table("Versions", ["package", "version"], [[*one] for one in facts["versions"].items()], left=(0, 1))
    sums = [[name, value] for name, value in facts["sha256"].items()]
    checksums = Table("Checksums of the arrays", ["array", "sha256"], sums, left=(0, 1))
    seeds = f"The seed is {result.protocol.seed}. The same input, seed and versions give the same page."
    blocks += [
        Text(seeds),
        Listing("table-versions", versions, folded=True),
        Listing("table-checksums", checksums, folded=True),
    ]
    return Section("method", "Method", "How this was made", blocks)


@dataclass(frozen=True)
class Card:
    """A figure to remember."""

    label: str
    value: str
    name: str
    note: str = ""


def cards(result: Comparison) -> list[Card]:
    """Return the few figures that matter: what to use, what it is held against, and what could be reached."""
    metric = result.metric
    made: list[Card] = []
    flattered = " (optimistic)" if result.protocol.optimistic else ""

    def told(value: float, *, share: bool = metric in SHARES) -> str:
        return f"{100 * value:.2f} %" if share else number(value)

    def add(label: str, name: str, entry: RuleScore) -> None:
        ends = entry.intervals.get(metric)
        note = "" if ends is None else f"95 %: {told(ends[0])} to {told(ends[1])}"
        made.append(Card(label + flattered, told(entry.metrics[metric]), name, note))

    use = result.chosen
    if result.verdict is not None and result.verdict.recommended is not None:
        use = result.verdict.recommended
    if use == "best-member" and result.best_member is not None:
        add("Use one model alone", result.best_member_name or "", result.best_member)
    elif use is not None:
        add("Use", use, result[use])
        if result.chosen is not None and result.chosen != use:
            add(
                "Chosen" if flattered else result.protocol.how_chosen.capitalize(), result.chosen, result[result.chosen]
            )
    if result.best_member is not None and use != "best-member":
        add("Best single model", result.best_member_name or "", result.best_member)
    mean = next((entry for entry in result.rules if entry.name == "mean"), None)
    if mean is not None and use != "mean":
        add("Simple mean", "of all members", mean)
    if result.predictions.n_members > 1:
        made.append(Card("Some member is right", told(result.oracle, share=True), "of all rows: the ceiling"))
    return made
