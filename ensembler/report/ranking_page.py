"""One self-contained HTML page of a ranking over many prediction sets, and its figures as files."""

from collections.abc import Callable, Iterator
from pathlib import Path

from ensembler.ranking.results import RankedRule, Ranking
from ensembler.ranking.wording import expected_on_a_new_set, interval
from ensembler.report import rank
from ensembler.report.blocks import Block, Card, Listing, Section, Text
from ensembler.report.differences import decimals, scale
from ensembler.report.figures.charts import Figure
from ensembler.report.figures.critical_difference import critical_difference
from ensembler.report.figures.forest import forest
from ensembler.report.figures.gain_by_size import gain_by_size
from ensembler.report.figures.learning_curve import learning_curve
from ensembler.report.figures.rules_by_sets import rules_by_sets
from ensembler.report.layout import Page, render_page, require_report, write_section_figures
from ensembler.report.learning_curve import learning_curve_table
from ensembler.report.tables import Table, count, mark_optimistic, number


def render(ranking: Ranking, title: str | None = None, command: str | None = None) -> str:
    """Return the page as text.

    Parameters
    ----------
    ranking : Ranking
    title : str, optional
    command : str, optional
        The command line that makes the page again, for the page to tell.

    Raises
    ------
    UsageError
        The packages of the extra ``report`` are not installed.
    """
    require_report()
    n_sets = count(len(ranking.sets), "prediction set")
    use = answer(ranking)
    page = Page(
        title=title or use,
        answer=use,
        rule=ranking.recommended,
        heading=title,
        facts=f"{n_sets}, {count(len(ranking.rules), 'rule')}, by {ranking.metric.name}",
        verdict=ranking.sentences,
        cards=cards(ranking),
        sections=sections(ranking, command),
    )
    return render_page(page)


def answer(ranking: Ranking) -> str:
    """Say which rule to use, and what it gains on average."""
    best, metric = ranking[ranking.recommended], ranking.metric
    where = count(len(ranking.sets), "set")
    if best.effect is None or best.name == "mean":
        return f"Use {best.name}: no rule is better on average on {where}"
    gain = scale(metric) * best.effect.effect
    side = "better" if gain >= 0 else "worse"
    amount = f"{abs(gain):.{decimals(metric)}f}"
    if metric.share:
        return (
            f"Use {best.name}: {amount} points {'above' if gain >= 0 else 'below'} the mean's {metric.name} on {where}"
        )
    return f"Use {best.name}: its {metric.name} is {amount} {side} than the mean's on {where}"


def write_figures(
    ranking: Ranking, folder: Path, suffix: str = "svg", then: Callable[[], object] | None = None
) -> list[Path]:
    """Write every view of every figure as a file fit for a paper, and return the files.

    Parameters
    ----------
    suffix : "svg", "png" or "pdf"
    then : callable, optional
        Called once all files are there, as `ensembler.predictions.files.writing_files` says.
    """
    return write_section_figures(sections(ranking), folder, suffix, titled=rank.is_optimistic(ranking), then=then)


def cards(ranking: Ranking) -> list[Card]:
    """Return the few figures that matter."""
    best = ranking[ranking.recommended]
    made = [effect_card(ranking, mark_optimistic("Use", optimistic=rank.is_optimistic(ranking)), best)]
    effect = best.effect
    ends = None if effect is None else expected_on_a_new_set(ranking.metric, effect)
    if ends is not None:
        made.append(Card("On a new set", interval(ranking.metric, ends), "95 % prediction interval"))
    first = ranking.rules[0]
    if first.mean_rank is not None and len(ranking.rules) > 1:
        made.append(Card("Best mean rank", number(first.mean_rank, 2), first.name, f"of {len(ranking.rules)} rules"))
    independent = "" if ranking.n_clusters == len(ranking.sets) else f"{ranking.n_clusters} independent"
    made.append(Card("Sets", f"{len(ranking.sets):,}", "prediction sets", independent))
    return made


def effect_card(ranking: Ranking, label: str, rule: RankedRule) -> Card:
    """Return the card of a rule: what it gains over the mean, with its interval."""
    metric, effect = ranking.metric, rule.effect
    if effect is None:
        return Card(label, "0", rule.name, "the mean gains nothing over itself" if rule.name == "mean" else "")
    value = f"{scale(metric) * effect.effect:+.{decimals(metric)}f}"
    what = "points over the mean" if metric.share else f"{metric.name}, over the mean"
    if effect.interval is None:
        return Card(label, value, rule.name, what)
    return Card(label, value, rule.name, f"{what}; 95 %: {interval(metric, effect.interval)}")


def sections(ranking: Ranking, command: str | None = None) -> list[Section]:
    """Return all sections that there is something to say in."""
    made = [section for section in every_section(ranking, command) if section.blocks]
    return [section.marked_optimistic() for section in made] if rank.is_optimistic(ranking) else made


def every_section(ranking: Ranking, command: str | None) -> Iterator[Section]:
    """Yield the sections in their order."""
    rules = Listing("table-rules", rank.rules_table(ranking))
    yield Section("rules", "Rules", "What each rule gains", [*filled(forest(ranking)), rules])
    yield Section("ranks", "Ranks", "Which differences are shown", ranks(ranking))
    values = values_table(ranking)
    sets = [Listing("table-sets", sets_table(ranking), folded=True), Listing("table-values", values, folded=True)]
    yield Section("sets", "Sets", "Set by set", [*filled(rules_by_sets(ranking)), *sets])
    yield Section("size", "Size", "When a rule pays", conditions(ranking))
    yield method(ranking, command)


def filled(*figures: Figure | None) -> list[Block]:
    """Return the figures that there are."""
    return [figure for figure in figures if figure is not None]


def ranks(ranking: Ranking) -> list[Block]:
    """Show mean ranks, and the tests of all pairs with the recommended rule."""
    blocks = filled(critical_difference(ranking))
    pairs = rank.pairs_table(ranking)
    blocks += [Text(line) for line in rank.findings(ranking)[:-1]]
    return blocks + ([] if pairs is None else [Listing("table-pairs", pairs)])


def conditions(ranking: Ranking) -> list[Block]:
    """Show on which sets, and from how many fitting rows, a rule pays."""
    curve = ranking.learning_curve
    blocks = filled(gain_by_size(ranking), learning_curve(curve, ranking.recommended))
    if curve is not None:
        blocks.append(
            Listing("table-learning-curve", learning_curve_table(curve, ranking.recommended, most=len(curve.sizes)))
        )
    return blocks


def sets_table(ranking: Ranking) -> Table:
    """Show how large each set is, and with which others it counts once."""
    shared = len(ranking.sets) != ranking.n_clusters
    rows = [
        [values.name]
        + [f"{size:,}" for size in (values.n_rows, values.n_fit, values.n_classes, values.n_members)]
        + ([cluster if cluster != values.name else ""] if shared else [])
        for values, cluster in zip(ranking.sets, ranking.clusters, strict=True)
    ]
    headers = ["set", "scored rows", "fitting rows", "classes", "members", *(["counts with"] if shared else [])]
    return Table("Sets", headers, rows, left=(0, 5) if shared else (0,))


def values_table(ranking: Ranking) -> Table:
    """Show what each rule reaches on each set."""
    names = [rule.name for rule in ranking.rules]
    rows = [
        [values.name, *(number(float(value)) for value in line)]
        for values, line in zip(ranking.sets, ranking.values, strict=True)
    ]
    return Table(f"{ranking.metric.name} of every rule on every set", ["set", *names], rows)


def method(ranking: Ranking, command: str | None) -> Section:
    """Say how all of it was made, and how to make it again."""
    protocol = ranking.protocol
    where = {
        None: "on validation rows where a set has some, else by cross-fitting",
        "val": "on validation rows",
        "cross": "by cross-fitting",
        "part": "on a part of the rows, which is not scored",
        "test": "on the scored rows themselves: every figure flatters the rules that learn",
    }[protocol["fit_on"]]
    blocks: list[Block] = [
        Text(f"Weights are fitted {where}. The seed is {protocol['seed']}."),
        Text(rank.counted(ranking)),
        Text(
            "Effects are paired differences from the mean on the scored rows of each set, pooled by a random-effects "
            "model (DerSimonian and Laird) with Hartung and Knapp's standard errors. Pairs of rules are tested "
            "over sets by Wilcoxon's signed-rank test, and by the Bayesian signed-rank test of Benavoli and others."
        ),
    ]
    if command is not None:
        blocks += [Text("This command makes this page again, in the folder in which it was made:")]
        blocks += [Text(command, code=True)]
    return Section("method", "Method", "How this was made", blocks)
