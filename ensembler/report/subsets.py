"""Tables and sentences of ``ensembler subsets``: the best committees, sizes, members, shortcuts and costs."""

from ensembler.comparison.outcome import PairedTest
from ensembler.comparison.wording import format_difference, noise_word
from ensembler.metrics import get_metric
from ensembler.report.differences import difference, unit
from ensembler.report.headline import headline, untested
from ensembler.report.tables import CHOSEN, LUCKIEST, Document, Table, count, mark_optimistic, number
from ensembler.subsets.describe import natural
from ensembler.subsets.summaries import CommitteeEntry, CostSummary, RuleSummary, StudySummary

CHEAPEST = "→"
CHOSEN_IS = "the committee chosen is"


def subsets_document(study: StudySummary, *, full: bool = False) -> Document:
    """Arrange a study for reading: what to use first; ``full`` has tables of sizes, shortcuts and costs too."""
    use = headline(study.advice, study.rules, len(study.members))
    use = use or untested(study.advice, len(study.members), study.metric)
    parts: list[Table | str] = [] if use is None else [use]
    for rule in study.rules:
        words = "use" if use is None else CHOSEN_IS
        parts.append(" ".join(conclusion(rule, study, words)))
        parts += rule_tables(rule, study, full=full)
    parts += [f"Left out: {name}: {reason}" for name, reason in study.left_out]
    parts.append(" ".join(introduction(study)))
    return Document(parts if full else [*parts, MORE])


MORE = "How size pays, shortcuts and costs: --full. A page of it all: ensembler report."


def rule_tables(rule: RuleSummary, study: StudySummary, *, full: bool) -> list[Table]:
    """Return the tables of one rule's committees."""
    tables = [best_table(rule, study), size_table(rule, study) if full else None, members_table(rule, study)]
    if full:
        tables += [regret_table(rule, study), None if rule.cost is None else cost_table(rule.rule, rule.cost)]
    return [table for table in tables if table is not None]


def introduction(study: StudySummary) -> list[str]:
    """Return the sentences that say what was swept, what was fitted where, and how a committee is chosen."""
    protocol = study.protocol
    sentences = [f"{count(len(study.members), 'member')}, {study.predictions.n_classes} classes."]
    folds = f"{protocol.folds}-fold cross-fitting (seed {protocol.seed})" if protocol.folds else "no folds"
    match protocol.fit_on:
        case "val":
            rows = (
                f"Committees are chosen on {count(protocol.n_fit, 'validation row')} (weights by {folds} inside "
                f"them) and scored on {protocol.n_scored:,} others."
            )
        case "part":
            rows = f"Committees are chosen on {protocol.n_fit:,} of the rows and scored on {protocol.n_scored:,}."
        case "cross":
            rows = (
                f"Weights by {folds}; committees are chosen and scored on the same {count(protocol.n_scored, 'row')}."
            )
        case _:
            rows = f"OPTIMISTIC: fitted on the {count(protocol.n_scored, 'scored row')}."
    sentences.append(rows)
    if protocol.optimistic and protocol.fit_on != "test":
        sentences.append("OPTIMISTIC: these are the same rows.")
    if study.must:
        sentences.append(f"Every committee has {', '.join(study.must)}.")
    sentences += fitting_sentences(weights_frozen=study.weights_frozen, calibrate=study.calibrate)
    return sentences + [f"Note: {note}." for note in protocol.notes]


def fitting_sentences(*, weights_frozen: bool, calibrate: str) -> list[str]:
    """Return the sentences that say what is fitted otherwise than in each committee anew."""
    sentences = []
    if weights_frozen:
        sentences.append("Weights are fitted once, on all members, and stay as they are in every committee.")
    if calibrate == "members":
        sentences.append("Each member has a temperature, fitted where weights are.")
    return sentences


def format_members(members: tuple[str, ...], names: tuple[str, ...]) -> str:
    """Name the members of a committee, or those that are missing where that is shorter."""
    missing = [name for name in names if name not in members]
    if not missing:
        return "all"
    return "all but " + ", ".join(missing) if len(members) > len(missing) + 1 else ", ".join(members)


def best_table(rule: RuleSummary, study: StudySummary) -> Table:
    """Show the best committees in the order of the rows they are chosen by."""
    metric, listed = study.metric, listed_committees(rule)
    chosen = None if rule.chosen is None else rule.chosen.mask
    # On the scored rows themselves there is no other value to choose by.
    with_choice = any(entry.val_accuracy is not None for entry in listed)
    rows = []
    for entry in listed:
        marks = CHOSEN if entry.mask == chosen else ""
        marks += LUCKIEST if entry.mask == rule.luckiest.mask else ""
        cells = [marks, format_members(entry.members, study.members), str(entry.size)]
        if metric != "accuracy":
            cells += [number(entry.val_value)] * with_choice + [number(entry.value)]
        cells += [number(entry.val_accuracy)] * with_choice + [number(entry.accuracy)]
        rows.append(cells)
    headers = ["", "committee", "size"]
    if metric != "accuracy":
        headers += [f"{metric}\nto choose"] * with_choice + [metric]
    headers += ["acc.\nto choose"] * with_choice + ["accuracy"]
    title = f"Best committees of {rule.n_subsets:,}: {rule.rule}"
    title = mark_optimistic(title, optimistic=rule.optimistic)
    strong = [row for row, entry in enumerate(listed) if entry.mask == chosen]
    legend = f"{CHOSEN} chosen without the scored rows   {LUCKIEST} luckiest: best on the scored rows"
    if study.protocol.optimistic:
        legend = f"{CHOSEN} chosen by cross-fitting on the scored rows themselves   {LUCKIEST} luckiest"
    if not with_choice and rule.nested is not None:
        legend = f"{CHOSEN} best   {LUCKIEST} luckiest; on the same rows, so the best one is also the luckiest"
    return Table(title, headers, rows, [legend, *rule.notes], left=(0, 1), strong=strong)


def listed_committees(rule: RuleSummary) -> list[CommitteeEntry]:
    """Return the best committees, with the luckiest and the whole at the end where they are not among them."""
    listed = list(rule.best)
    for entry in (rule.luckiest, rule.whole):
        if entry is not None and entry.mask not in [known.mask for known in listed]:
            listed.append(entry)
    return listed


def size_table(rule: RuleSummary, study: StudySummary) -> Table:
    """Show how size pays on the scored rows."""
    rows = [
        [
            str(size.size),
            f"{size.n_subsets:,}",
            number(size.worst),
            number(size.median),
            number(size.best),
            format_members(size.members, study.members),
        ]
        for size in rule.by_size
    ]
    headers = ["size", "committees", "worst", "median", "best", "the best of that size, on the scored rows"]
    return Table(f"How size pays: {rule.rule}, {study.metric} on the scored rows", headers, rows, left=(5,))


def members_table(rule: RuleSummary, study: StudySummary) -> Table | None:
    """Show what each member is worth, most first; None where not every committee was evaluated."""
    if rule.members is None or rule.effects is None:
        return None
    metric = get_metric(study.metric)
    rows = [
        [
            member.name,
            number(member.alone),
            difference(metric, member.shapley),
            difference(metric, member.banzhaf),
            number(member.helped, 3),
            number(member.hurt, 3),
            difference(metric, member.mean_effect),
        ]
        for member in sorted(rule.members, key=lambda member: -member.shapley)
    ]
    effects = rule.effects
    signed = "" if metric.greater_is_better else " (sign turned: more is better)"
    total = f"Shapley values add up to {study.metric} of all members minus {number(effects.no_member)} of none{signed}"
    notes = [
        f"{unit(metric)}; {total}",
        f"adding a member to a committee helped in {number(effects.helped_at_all, 3)} of all cases",
    ]
    if effects.sampled:
        error = max(member.standard_error or 0.0 for member in rule.members)
        notes.append(f"helped and hurt are from {effects.n_pairs:,} sampled pairs, standard error up to {error:.4f}")
    headers = ["member", "alone", "Shapley", "Banzhaf", "helped", "hurt", "mean\neffect"]
    return Table(f"What each member is worth: {rule.rule}", headers, rows, notes)


def regret_table(rule: RuleSummary, study: StudySummary) -> Table | None:
    """Show how far shortcuts stay behind the optimum of each size; None where sizes are too few or not complete."""
    if rule.regret is None or len(rule.regret) < 2:
        return None
    metric = get_metric(study.metric)
    rows = [
        [
            str(regret.size),
            number(natural(regret.optimum, study.metric)),
            difference(metric, regret.forward).lstrip("+"),
            difference(metric, regret.backward).lstrip("+"),
            difference(metric, regret.top_k).lstrip("+"),
        ]
        for regret in rule.regret
    ]
    title = f"Shortcuts: {rule.rule}"
    notes = [f"{unit(metric)} behind the best committee of the size, on the rows to choose by"]
    return Table(title, ["size", "optimum", "greedy\nforward", "greedy\nbackward", "top k"], rows, notes, left=())


def cost_table(rule: str, cost: CostSummary) -> Table:
    """Show the committees that no cheaper one equals."""
    rows = [
        [
            CHEAPEST if entry.mask == cost.cheapest.mask else "",
            format_cost(entry.cost),
            number(entry.val_accuracy),
            number(entry.accuracy),
            ", ".join(entry.members),
        ]
        for entry in cost.front
    ]
    best = "the best, on the rows to choose by"
    notes = [f"{CHEAPEST} the cheapest within one standard error (of the paired difference) of {best}"]
    headers = ["", cost.unit, "acc.\nto choose", "accuracy", "committee"]
    return Table(f"Cost against accuracy: {rule}", headers, rows, notes, left=(0, 4))


def format_cost(cost: float | None) -> str:
    """Write a cost: large ones as whole numbers."""
    if cost is None:
        return number(None)
    return f"{cost:,.0f}" if cost >= 100 else f"{cost:.4g}"


def conclusion(rule: RuleSummary, study: StudySummary, advice: str = "use") -> list[str]:
    """Return the sentences that say which committee to use and how lucky the best one was."""
    sentences = []
    if rule.chosen is None:
        sentences.append(f"{rule.rule}: no committee could be chosen without the scored rows.")
    else:
        names = format_members(rule.chosen.members, study.members)
        size, score = count(rule.chosen.size, "member"), number(rule.chosen.score)
        sentences.append(f"{rule.rule}: {advice} {names} ({size}): {study.metric} {score}.")
        if rule.whole is not None:
            lead = "" if rule.against_whole is None else f", {whole_against_chosen(rule.against_whole)}"
            sentences.append(f"All members together reach {number(rule.whole.score)}{lead}.")
    if rule.nested is not None:
        sentences.append(f"Choosing a committee anew in each fold reached {number(rule.nested)}: the honest figure.")
    luck = rule.optimism
    if luck is not None and luck.optimism > 0:
        bound = "at least " if luck.lower_bound else ""
        sentences.append(
            f"The luckiest has {number(rule.luckiest.score)}, of which {bound}{100 * luck.optimism:.2f} points are "
            f"selection optimism (bootstrap bias correction leaves {number(luck.corrected)})."
        )
    return sentences


def whole_against_chosen(test: PairedTest) -> str:
    """Say how all members together compare with the chosen committee, of which the test is."""
    return f"{format_difference(test, '', share=True, swapped=True)}, {noise_word(test)}"
