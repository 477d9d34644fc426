"""Tables and sentences of ``ensembler subsets --search``: the best committees that a search came upon."""

from ensembler.report.headline import headline
from ensembler.report.subsets import CHOSEN_IS, fitting_sentences
from ensembler.report.tables import CHOSEN, Document, Table, count, number, some_of
from ensembler.subsets.summaries import SearchRuleSummary, SearchSummary

MOST_CHANGES = 6


def search_document(search: SearchSummary) -> Document:
    """Arrange a search for reading."""
    use = headline(search.advice, search.rules, len(search.members))
    parts: list[Table | str] = [] if use is None else [use]
    for rule in search.rules:
        parts += [" ".join(conclusion(rule)), size_table(rule)]
    return Document([*parts, *left_out(search), " ".join(introduction(search))])


def introduction(search: SearchSummary) -> list[str]:
    """Return the sentences that say how and on which rows was searched."""
    kind = "greedy forward search" if search.width == 1 else f"beam search, {search.width} wide"
    protocol = search.protocol
    where = (
        "on the scored rows themselves"
        if protocol.fit_on in ("cross", "test")
        else f"on {count(protocol.n_fit, 'other row')} than the {protocol.n_scored:,} scored ones"
    )
    sentences = [f"{count(len(search.members), 'member')}: {kind} {where}. What it finds need not be the best."]
    if protocol.optimistic:
        sentences.append("OPTIMISTIC: fitted and chosen on the scored rows.")
    return sentences + fitting_sentences(weights_frozen=search.weights_frozen, calibrate=search.calibrate)


def size_table(rule: SearchRuleSummary) -> Table:
    """Show the best committee of each size, and how it differs from the one before."""
    with_choice = rule.chosen.val_accuracy is not None
    rows = []
    before: tuple[str, ...] = ()
    for entry in rule.by_size:
        mark = CHOSEN if entry.mask == rule.chosen.mask else ""
        values = [number(entry.val_accuracy)] * with_choice + [number(entry.accuracy)]
        rows.append([mark, str(entry.size), *values, some_of(member_changes(before, entry.members), MOST_CHANGES)])
        before = entry.members
    headers = ["", "size", *["acc.\nto choose"] * with_choice, "accuracy", "change"]
    strong = [row for row, cells in enumerate(rows) if cells[0]]
    title = f"Best found of each size: {rule.rule}, {count(rule.n_subsets, 'committee')} looked at"
    return Table(title, headers, rows, left=(0, len(headers) - 1), strong=strong)


def member_changes(before: tuple[str, ...], after: tuple[str, ...]) -> list[str]:
    """Return which members joined and which left."""
    joined = [f"+{name}" for name in after if name not in before]
    return joined + [f"−{name}" for name in sorted(set(before) - set(after))]


def conclusion(rule: SearchRuleSummary) -> list[str]:
    """Return the sentences that say which committee to use."""
    chosen = rule.chosen
    words = "use" if rule.baselines is None else CHOSEN_IS
    sentences = [f"{rule.rule}: {words} {', '.join(chosen.members)}: accuracy {number(chosen.accuracy)}."]
    if rule.nested is not None:
        sentences.append(f"Searching anew in each fold reached {number(rule.nested)}: the honest figure.")
    return sentences


def left_out(search: SearchSummary) -> list[str]:
    """Return the sentences that say which rules were left out, and why."""
    return [f"Left out: {name}: {reason}" for name, reason in search.left_out]
