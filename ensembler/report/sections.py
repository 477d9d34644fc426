"""What is on the page, section by section; those that there is nothing to say in are left out whole."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ensembler.comparison.results import Comparison
from ensembler.predictions.diagnosis.changes import RowChanges, changed_rows
from ensembler.predictions.diagnosis.findings import Finding
from ensembler.predictions.provenance import provenance
from ensembler.report import balance, bench, cascade, check, compare, diversity, explain, noise, search, subsets
from ensembler.report.answering import coverage_table, rules_answering, signals_answering
from ensembler.report.blocks import Block, Listing, Section, Text
from ensembler.report.figures.by_class import recall
from ensembler.report.figures.cascade_front import cascade_front
from ensembler.report.figures.diagrams import reliability
from ensembler.report.figures.front import front
from ensembler.report.figures.gains import gains
from ensembler.report.figures.intervals import forest
from ensembler.report.figures.matrix import confusions, disagreement
from ensembler.report.figures.risk_coverage import risk_coverage_figure
from ensembler.report.figures.sizes import searched, sweep
from ensembler.report.figures.worth import worth
from ensembler.report.leading import leading_rules
from ensembler.report.survey import Survey
from ensembler.report.tables import Table
from ensembler.subsets.describe import summarize_search, summarize_study
from ensembler.subsets.results import SubsetStudy
from ensembler.subsets.summaries import RuleSummary, SearchSummary, StudySummary

MOST_LISTED = 20
MOST_HARD = 10


def sections(survey: Survey, command: str | None = None) -> list[Section]:
    """Return all sections that there is something to say in."""
    result = survey.comparison
    made = [
        rules(result),
        *committees(survey),
        cascades(survey),
        classes(result),
        calibration(result),
        abstention(result),
        spread(survey),
        rows(result),
        doctor(survey.findings),
        method(survey, command),
    ]
    filled = [section for section in made if section is not None and section.blocks]
    return [section.marked_optimistic() for section in filled] if result.protocol.optimistic else filled


def rules(result: Comparison) -> Section | None:
    """Compare rules."""
    if not result.rules:
        return None
    blocks: list[Block] = []
    if result.verdict is not None:
        blocks.append(forest(result))
    blocks.append(Listing("table-rules", bench.rules_table(result)))
    if result.verdict is not None:
        tables = noise.difference_tables(result, result.verdict)
        blocks += [Listing(f"table-noise-{place}", table, folded=True) for place, table in enumerate(tables)]
    every = len(result.members)
    table = bench.members_table(result, most=every)
    blocks.append(Listing("table-members", table, folded=every > MOST_LISTED))
    return Section("rules", "Rules", "Which rule combines best", blocks)


def committees(survey: Survey) -> Iterator[Section]:
    """Show which members to take, what each is worth, and what accuracy costs."""
    if survey.search is not None:
        yield searched_committees(survey.comparison, summarize_search(survey.search))
    elif survey.study is not None:
        summary = summarize_study(survey.study)
        # Tables on a page list fewer committees than its figure shows.
        listed = [replace(rule, best=rule.best[:MOST_LISTED]) for rule in summary.rules]
        yield every_committee(survey.comparison, survey.study, summary, listed)
        yield from member_values(summary, listed)
        yield from costs(summary, listed)


def committee_notes(result: Comparison, summary: StudySummary | SearchSummary) -> list[Block]:
    """Say in what committees differ from the rules that are compared above."""
    notes = []
    if result.calibrate == "ensemble":
        notes.append("Committees have no temperature: each rule's was fitted to its result on all members.")
    if summary.metric != result.metric:
        notes.append(f"Committees are judged by {summary.metric}: not all of them can be by {result.metric}.")
    return [Text(note) for note in notes]


def searched_committees(result: Comparison, summary: SearchSummary) -> Section:
    """Show the best committees that a search came upon."""
    blocks = committee_notes(result, summary)
    blocks += [Text(sentence) for sentence in search.introduction(summary)]
    blocks += [Text(" ".join(search.conclusion(rule)), strong=True) for rule in summary.rules]
    blocks += [Text(sentence) for sentence in search.left_out(summary)]
    blocks.append(searched(summary))
    blocks += [
        Listing(f"table-search-{place}", search.size_table(rule), folded=True)
        for place, rule in enumerate(summary.rules)
    ]
    return Section("committees", "Committees", "Which members to take", blocks)


def every_committee(
    result: Comparison, study: SubsetStudy, summary: StudySummary, listed: Sequence[RuleSummary]
) -> Section:
    """Show every committee by size, the best ones, and how far shortcuts stay behind."""
    blocks = committee_notes(result, summary)
    blocks.append(Text(" ".join(subsets.introduction(summary))))
    for rule in listed:
        sentences = subsets.conclusion(rule, summary, subsets.CHOSEN_IS)
        blocks.append(Text(" ".join(sentences), strong=True))
    blocks.append(sweep(study, summary))
    for place, rule in enumerate(listed):
        blocks.append(Listing(f"table-best-{place}", subsets.best_table(rule, summary), folded=bool(place)))
        blocks.append(Listing(f"table-sizes-{place}", subsets.size_table(rule, summary), folded=True))
        regrets = subsets.regret_table(rule, summary)
        if regrets is not None:
            blocks.append(Listing(f"table-shortcuts-{place}", regrets, folded=True))
    return Section("committees", "Committees", "Which members to take", blocks)


def member_values(summary: StudySummary, listed: Sequence[RuleSummary]) -> Iterator[Section]:
    """Show what each member is worth."""
    figure = worth(summary)
    if figure is not None:
        tables = [(rule.rule, subsets.members_table(rule, summary)) for rule in listed]
        # The section's heading says what the table is about.
        listings = [
            Listing(f"table-worth-{place}", replace(table, title=f"In figures, by {rule}"), folded=bool(place))
            for place, (rule, table) in enumerate(tables)
            if table is not None
        ]
        yield Section("members", "Members", "What each member is worth", [figure, *listings])


def costs(summary: StudySummary, listed: Sequence[RuleSummary]) -> Iterator[Section]:
    """Show what accuracy costs."""
    figure = front(summary)
    if figure is not None:
        listings = [
            Listing(f"table-cost-{place}", subsets.cost_table(rule.rule, rule.cost), folded=bool(place))
            for place, rule in enumerate(listed)
            if rule.cost is not None
        ]
        yield Section("cost", "Cost", "What accuracy costs", [figure, *listings])


def cascades(survey: Survey) -> Section | None:
    """Show which members to run first, and when to ask more."""
    study = survey.cascades
    figure = None if study is None else cascade_front(study)
    if study is None or figure is None:
        return None
    blocks: list[Block] = [Text(cascade.answer(study), strong=True), figure]
    blocks.append(Listing("table-cascade", cascade.front_table(study), folded=True))
    shares = cascade.class_table(study)
    blocks += [] if shares is None else [Listing("table-passed-on", shares, folded=True)]
    blocks.append(Text(" ".join(cascade.method(study))))
    return Section("cascade", "Cascade", "Which members to run first", blocks)


def classes(result: Comparison) -> Section | None:
    """Show what happens to each class."""
    by_class, confusion = recall(result), confusions(result)
    if by_class is None:
        return None
    blocks: list[Block] = [by_class, Listing("table-recall", bench.recall_table(result), folded=True)]
    if result.balance is not None:
        blocks.append(Listing("table-shift", balance.shift_table(result)))
    blocks += [] if confusion is None else [confusion]
    return Section("classes", "Classes", "What happens to each class", blocks)


def calibration(result: Comparison) -> Section | None:
    """Show whether rules are as right as they are confident."""
    figure = reliability(result)
    if figure is None:
        return None
    blocks: list[Block] = [figure]
    if any(entry.calibration is not None for entry in result.rules):
        blocks.append(Listing("table-calibration", bench.calibration_table(result), folded=True))
    return Section("calibration", "Calibration", "Can its probabilities be believed", blocks)


def abstention(result: Comparison) -> Section | None:
    """Show how often answers are wrong if only the surest rows are answered."""
    curves = rules_answering(result)
    if not curves:
        return None
    figure = risk_coverage_figure(curves, signals_answering(result))
    listing = Listing("table-abstention", coverage_table(result, curves[0]), folded=True)
    return Section("abstention", "Abstention", "When not to answer", [figure, listing])


def spread(survey: Survey) -> Section | None:
    """Show how differently members err."""
    data, measured = survey.comparison.scored, survey.diversity
    if measured is None:
        return None
    conclusion = " ".join(diversity.conclusion(measured))
    blocks: list[Block] = [Text(conclusion, strong=True)] if conclusion else []
    figure = disagreement(measured, data.names)
    blocks += [] if figure is None else [figure]
    if measured.gain_correlations:
        blocks.append(Listing("table-measures", diversity.measure_table(measured), folded=True))
    blocks.append(Listing("table-coverage", diversity.coverage_table(measured, data), folded=True))
    return Section("diversity", "Diversity", "How differently members err", blocks)


def rows(result: Comparison) -> Section | None:
    """Show which rows a rule rescues and breaks, and which are hard for all."""
    data = result.scored
    leading = leading_rules(result) or [entry.name for entry in result.rules[:1]]
    if not leading:
        return None
    blocks = changed(result, leading)
    hard = explain.HardRows.of(data, result[leading[0]], MOST_HARD)
    if data.n_members > 1:
        blocks.append(Listing("table-contested", explain.contested_table(hard, data), folded=True))
    blocks.append(Listing("table-missed", explain.missed_table(hard, data), folded=True))
    return Section("rows", "Rows", "Which rows change hands", blocks)


def changed(result: Comparison, leading: Sequence[str]) -> list[Block]:
    """Show which rows the leading rules rescue and break against the best member."""
    data, best = result.scored, result.best_member
    if best is None:
        return []
    other = f"the best member, {result.best_member_name}"
    all_changes: list[RowChanges] = [
        changed_rows(data, (name, other), (result[name].proba, best.proba)) for name in leading
    ]
    figure = gains(all_changes, data)
    if figure is None:
        return [Text(f"{leading[0]} is right about the rows that the best member is right about, and no others.")]
    return [figure, Listing("table-changes", compare.class_table(all_changes[0]), folded=True)]


def doctor(findings: Sequence[Finding] | None) -> Section | None:
    """Show what is suspicious about the input."""
    if findings is None:
        return None
    blocks: list[Block] = [Text(" ".join(check.conclusion(findings)))]
    if findings:
        blocks.append(Listing("table-findings", check.findings_table(findings)))
    return Section("doctor", "Doctor", "Is the input what you think it is", blocks)


def method(survey: Survey, command: str | None) -> Section:
    """Say how all of it was made, and how to make it again."""
    result = survey.comparison
    seed = result.protocol.seed
    sources = provenance(result.predictions, seed, command)
    sentences = [bench.protocol_sentence(result)]
    if result.verdict is not None:
        notes = noise.interval_notes(result, result.verdict)
        sentences.append(". ".join(check.capital(note) for note in notes) + ".")
    if result.calibrate != "none":
        sentences.append(f"Temperatures were fitted to each {'member' if result.calibrate == 'members' else 'rule'}.")
    if result.balance is not None and result.rules:
        sentences.append(f"{check.capital(balance.shift_sentence(result))}.")
    blocks: list[Block] = [Text(sentence) for sentence in [*sentences, *left_out(survey)]]
    if command is not None:
        blocks += [Text("This command makes this page again, in the folder in which it was made:")]
        blocks += [Text(command, code=True)]
    blocks.append(Text(f"The seed is {seed}. The same input, seed and versions give the same page."))
    versions = [[package, version] for package, version in sources["versions"].items()]
    sums = [[array, digest] for array, digest in sources["sha256"].items()]
    for key, table in (
        ("table-versions", Table("Versions", ["package", "version"], versions, left=(0, 1))),
        ("table-checksums", Table("Checksums of the arrays", ["array", "sha256"], sums, left=(0, 1))),
    ):
        blocks.append(Listing(key, table, folded=True))
    return Section("method", "Method", "How this was made", blocks)


def left_out(survey: Survey) -> list[str]:
    """Return the sentences that say what is not on the page, and why."""
    sentences = [f"Left out: {what}: {reason}." for what, reason in survey.left_out]
    study = survey.study
    if study is not None:
        sentences += [f"Left out of the sweep: {name}: {reason}." for name, reason in study.left_out]
        if study.costs is not None and study.metric != "accuracy":
            sentences.append(f"Left out: costs: they are set against accuracy, and this is a sweep by {study.metric}.")
    return sentences
