"""The special words of a page: what each means, in one or two plain sentences, and where they stand in a text."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ensembler.combiners.registry import all_rules


@dataclass(frozen=True)
class Term:
    """A special word, the other forms in which it stands in a text, and what it means."""

    name: str
    meaning: str
    forms: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its name in links."""
        return "term-" + re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


TERMS = (
    Term("accuracy", "Share of the rows whose class is named right.", ("acc.",)),
    Term(
        "balanced accuracy",
        "Mean of the recalls of all classes, so that rare classes count as much as common ones.",
        ("balanced-accuracy", "bal. acc."),
    ),
    Term(
        "Banzhaf value",
        "What a member adds on average to a committee of the others, every committee equally likely (the "
        "empty one too).",
        ("Banzhaf",),
    ),
    Term(
        "beam search",
        "Grows committees member by member and keeps the best few of each size; it may miss better ones.",
    ),
    Term(
        "best member",
        "The single model that is best on the fitting rows.",
        ("best single model", "your best model"),
    ),
    Term("bootstrap", "Rows are drawn anew with replacement thousands of times, to see how far a figure varies."),
    Term(
        "Brier score",
        "Mean squared distance of the probabilities from what came true, summed over classes; 0 is "
        "perfect, less is better.",
        ("Brier",),
    ),
    Term(
        "calibration",
        "Whether predictions of some confidence are right as often as that confidence says.",
        ("calibrated",),
    ),
    Term(
        "cascade",
        "Runs a few members first, and more of them only on rows where those are not confident.",
        ("cascades",),
    ),
    Term(
        "ceiling",
        "Share of the rows in which at least one member is right; no rule that picks among the members' "
        "answers can do better. Also called the oracle.",
        ("oracle",),
    ),
    Term(
        "chosen",
        "Best by its cross-fitted score on the fitting rows; the scored rows had no part in choosing it.",
        ("chosen without the scored rows",),
    ),
    Term("Cochran's Q", "Tests whether several rules that are judged on the same rows differ in accuracy at all."),
    Term(
        "coincident failure",
        "Diversity by how many members fail together: 1 if never two do, 0 if all do or none.",
    ),
    Term("committee", "Some of the members, combined by a rule.", ("committees",)),
    Term("confidence", "Here, the probability that is given to the class that is named.", ("confident",)),
    Term("correlation ρ", "Correlation of two members being right, over rows; less is more diverse."),
    Term("coverage", "Share of the rows that are answered, where the least confident ones are not."),
    Term(
        "cross-fitting",
        "Rows are divided into folds; each fold is scored by what was fitted without it.",
        ("cross-fitted", "cross-fittings"),
    ),
    Term("difficulty θ", "How far rows differ in how many members are right about them; less is more diverse."),
    Term("disagreement", "Share of the rows about which just one of two members is right."),
    Term("double fault", "Share of the rows in which two members are both wrong.", ("both wrong",)),
    Term(
        "ECE",
        "Expected calibration error: mean distance between confidence and share of right answers, over "
        "bins of confidence; 0 is calibrated.",
    ),
    Term("entropy E", "How evenly members are divided into right and wrong, over rows; more is more diverse."),
    Term(
        "err alike",
        "Members that agree far more often than their accuracies imply: the chance-corrected agreement κ "
        "of their classes, given the true class, is .8 or more.",
        ("alike",),
    ),
    Term("fitting rows", "The rows on which weights are fitted and rules are chosen; other rows than those scored."),
    Term("gain", "What a rule reaches beyond the best member."),
    Term("generalised diversity", "How seldom a second member fails where one does; 1 is most diverse."),
    Term("greedy", "Adds the member that helps most, again and again.", ("greedy forward", "greedy backward")),
    Term(
        "helped",
        "Share of the committees that became better when the member was added; hurt: that became worse.",
        ("hurt",),
    ),
    Term(
        "Holm's adjustment",
        "Makes p-values larger where many rules are tested, so that few are called significant by luck.",
        ("adjusted by Holm", "Holm"),
    ),
    Term("interrater κ", "Agreement of all members on which rows are right, beyond chance; less is more diverse."),
    Term("Kohavi–Wolpert variance", "How much members vary in being right, over rows; more is more diverse."),
    Term(
        "log loss",
        "Minus the mean logarithm of the probability given to the true class: wrong and confident costs "
        "most; less is better.",
        ("log-loss",),
    ),
    Term(
        "luckiest",
        "Best on the scored rows themselves; part of its lead is luck, and it could not be known without them.",
        ("best on the scored rows",),
    ),
    Term("macro F1", "Mean over classes of the harmonic mean of precision and recall.", ("macro-f1", "macro-F1")),
    Term("McNemar's test", "Compares two rules by the rows that only one of them is right about.", ("McNemar",)),
    Term(
        "mean effect",
        "What adding the member to a committee changes on average, over all committees that it could join.",
    ),
    Term("multiply-adds", "Multiplications with additions that a model takes for one row: what running it costs."),
    Term(
        "noise",
        "A difference whose interval includes 0 may be due to which rows happened to be scored.",
        ("within noise", "cannot be told apart from"),
    ),
    Term("p-value", "How often so large a difference would come about if there were none.", ("p",)),
    Term("points", "Percentage points: from 70 % to 72 % are two."),
    Term("recall", "Share of the rows of a class that are found.", ("recalls",)),
    Term(
        "recommended",
        "The rule to use: best on average over many other data sets, unless the fitting rows show another "
        "to be better.",
    ),
    Term("redundant", "Errs alike with another member, and committees do not get better by it."),
    Term("risk", "Share of the answers that are wrong."),
    Term(
        "scored rows",
        "The rows by which everything is judged; nothing was fitted or chosen on them, unless the page says so.",
    ),
    Term("selection optimism", "How much of the best one's lead is due to picking it among many on the same rows."),
    Term(
        "Shapley value",
        "A member's fair share of what all members reach beyond none: what it adds, averaged over all "
        "orders in which a committee can be put together.",
        ("Shapley values", "Shapley"),
    ),
    Term("standard error", "How far a figure typically is from its value over endlessly many rows."),
    Term(
        "temperature",
        "Divides the logarithms of probabilities: above 1 they become less confident, below 1 more.",
        ("temperatures", "best T"),
    ),
    Term(
        "Wilson's interval",
        "An interval of a share that holds for few rows and for shares near 0 and 1, too.",
        ("Wilson's",),
    ),
    Term(
        "Yule's Q",
        "Association of two members being right: 1 if on the same rows, 0 if independent, negative if on others.",
    ),
    Term(
        "95 % interval",
        "Would hold the figure that endlessly many such rows give in 95 of 100 cases.",
        ("95 % intervals", "95 %", "interval"),
    ),
)
"""In the order of the alphabet."""
HEADINGS_ONLY = {"p", "disagreement", "gain", "greedy", "helped", "hurt"}
"""What is a special word as the heading of a column, and an ordinary one in a sentence."""
MARKED = re.compile(
    r"(?<![\w-])(?:"
    + "|".join(
        re.escape(form)
        for form in sorted((form for term in TERMS for form in (term.name, *term.forms)), key=len, reverse=True)
        if form not in HEADINGS_ONLY
    )
    + r")(?![\w-])",
    flags=re.IGNORECASE,
)
BY_FORM = {form.lower(): term for term in TERMS for form in (term.name, *term.forms)}


@dataclass(frozen=True)
class Piece:
    """A part of a text; with a term where it is one's first mention."""

    text: str
    term: Term | None = None


def pieces(text: str, known: set[str]) -> Iterator[Piece]:
    """Yield the parts of a text, each special word by itself at its first mention; ``known`` ones have had theirs."""
    done = 0
    for match in MARKED.finditer(text):
        term = BY_FORM[match[0].lower()]
        if term.name in known:
            continue
        known.add(term.name)
        yield Piece(text[done : match.start()])
        yield Piece(match[0], term)
        done = match.end()
    yield Piece(text[done:])


def term_of(heading: str) -> Term | None:
    """Return the special word that a heading is, if it is one."""
    return BY_FORM.get(heading.lower())


@functools.cache
def rule_summary(name: str) -> str | None:
    """Return a rule's description in one line; None where no rule has that name."""
    rule = all_rules().get(name.partition(":")[0])
    return None if rule is None else (rule.__doc__ or "").strip().partition("\n")[0]
