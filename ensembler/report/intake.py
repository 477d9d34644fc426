"""What ``ensembler import`` shows: what each file is taken for, and what came of it."""

from collections.abc import Sequence
from pathlib import Path

from ensembler.predictions.loading.intake.plan import Plan
from ensembler.predictions.prediction_set import Predictions
from ensembler.report.tables import Document, Table, count

MOST_DECISIONS = 40


def import_document(plan: Plan, summary: Sequence[str]) -> Document:
    """Arrange what came of a plan, and its decisions, for reading; guesses are marked."""
    shown = sorted(plan.decisions, key=lambda decision: (decision.taken_as == "nothing", not decision.is_guess))
    rows = [
        [Path(decision.source).name, decision.taken_as + (" (a guess)" if decision.is_guess else ""), decision.why]
        for decision in shown[:MOST_DECISIONS]
    ]
    more = len(shown) - len(rows)
    notes = [f"and {more} more"] if more > 0 else []
    return Document(
        [*summary, Table(f"Read as {plan.layout}", ["file", "taken as", "why"], rows, notes, left=(0, 1, 2))]
    )


def import_summary(scored: Predictions, new: Predictions | None, out: Path | None) -> list[str]:
    """Say what prediction set the files make, and what to type next."""
    what = f"{count(scored.n_members, 'member')}, {count(scored.n_samples, 'row')}, {scored.n_classes} classes"
    if scored.labels is None:
        what += ", no labels"
    if scored.validation is not None:
        what += f", {count(scored.validation.n_samples, 'validation row')}"
    if new is not None:
        what += f", {count(new.n_samples, 'new row')} without labels"
    if out is None:
        return [f"{what}. Nothing was written."]
    command = "bench" if scored.labels is not None else "diversity"
    after = f"; then ensembler predict {out} --rule RULE --to {out}/new --out FILE" if new is not None else ""
    return [f"wrote {out}: {what}.", f"try: ensembler {command} {out}{after}"]
