"""``ensembler explain``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ensembler.cli import options
from ensembler.cli.groups import Omit, expand
from ensembler.cli.output import command_line, print_document, progress, tell, warnings_to_stderr
from ensembler.cli.program import complete_rule, one_of_these
from ensembler.cli.refusals import check_suffix, check_writable, only_one
from ensembler.errors import NotApplicableError, ParameterError, UsageError

if TYPE_CHECKING:
    from ensembler.predictions.prediction_set import Predictions


@expand
def explain(
    *,
    rules: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            metavar="RULE[:KEY=VALUE,…]",
            autocompletion=complete_rule,
            help="The rule to explain (default: the recommended one, found as in bench).",
        ),
    ] = None,
    row: Annotated[
        list[int] | None, typer.Option(help="Show what every member predicts for this row (from 0); repeatable.")
    ] = None,
    top: Annotated[int, typer.Option(help="How many hard rows are listed.", rich_help_panel=options.OUTPUT)] = 10,
    fit_on: Annotated[
        str | None,
        typer.Option(
            metavar="val|cross|test",
            autocompletion=one_of_these("val", "cross", "test"),
            help="Where weights are fitted, as in bench.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(help="Number of folds of cross-fitting (default: 5).", rich_help_panel=options.PROTOCOL),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the folds.", rich_help_panel=options.PROTOCOL)] = 0,
    calibrate: options.Calibrate = "none",
    source: Annotated[options.Source, Omit("weights")],
    output: options.Output,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write every row, and what came of it (.csv).", rich_help_panel=options.OUTPUT),
    ] = None,
) -> None:
    """Show which rows a rule rescues and breaks against the best member, and which rows are hard for all."""
    from ensembler.comparison.compare import compare_rules
    from ensembler.comparison.protocol import resolve_fit_on
    from ensembler.predictions.diagnosis.hard_rows import row_frame
    from ensembler.predictions.files import write_text
    from ensembler.report.explain import Explanation, describe_explanation, explain_document, votes_table
    from ensembler.report.tables import Document, count

    check_suffix(out, "--out", (".csv",))
    check_writable(out)
    rule = only_one(rules, "--rule")
    check_rows(row, top, output)
    if fit_on == "part":
        raise UsageError("--fit-on part leaves only some rows to explain; fit on val, cross or test")
    protocol = options.Protocol(fit_on, folds=5 if folds is None else folds, seed=seed)
    source.refuse_as_target(out=out)
    data = protocol.load(source)
    fit_on = resolve_fit_on(fit_on, None, data)
    if folds is not None and fit_on != "cross":
        raise UsageError(f"--folds has no effect with --fit-on {fit_on}: all its rows are fitted on at once; drop it")
    for number in row or []:
        if not 0 <= number < data.n_samples:
            raise ParameterError(f"--row is {number}, expected 0 to {data.n_samples - 1}")
    rule, recommended = recommended_rule(data, protocol, calibrate) if rule is None else (rule, False)
    with warnings_to_stderr(), progress("fitting") as show:
        result = compare_rules(data, [rule], **protocol.arguments(), n_resamples=0, calibrate=calibrate, progress=show)
    if not result.rules or result.best_member is None:
        left_out = "; ".join(f"{name}: {reason}" for name, reason in result.left_out)
        few = f"{count(data.n_samples, 'row')} cannot be divided into folds to find the best member on others"
        raise NotApplicableError(left_out or f"{few}; pass --fit-on test to take it on the same rows")
    scored, entry = result.scored, result.rules[0]
    if out is not None:
        frame = row_frame(scored, entry.name, entry.proba, result.best_member.proba)
        write_text(out, frame.to_csv(index=False))
    if row:
        tables = [votes_table(scored, number, entry.name, int(entry.proba[number].argmax())) for number in row]
        print_document(Document(tables), as_markdown=output.as_markdown)
        return
    explanation = Explanation.of(result, entry, top, recommended=recommended)
    output.print(lambda: describe_explanation(explanation, command_line()), lambda: explain_document(explanation))


def recommended_rule(data: "Predictions", protocol: options.Protocol, calibrate: str) -> tuple[str, bool]:
    """Return the rule that bench recommends, or the mean where that is one member alone; and whether it is the rule."""
    from ensembler.comparison.compare import recommend_rule
    from ensembler.comparison.protocol import Split

    with warnings_to_stderr(), progress("recommending") as show:
        found = recommend_rule(Split.of(data, **protocol.arguments()), calibrate=calibrate, progress=show)
    if found is not None and found.advice.rule != "best-member":
        return found.advice.rule, True
    if found is not None:
        tell("the best single model alone is recommended: what the mean changes is shown instead")
    return "mean", False


def check_rows(row: list[int] | None, top: int, output: options.Output) -> None:
    """Refuse what cannot be listed."""
    if top < 1:
        raise ParameterError(f"--top is {top}, expected at least 1")
    if row and output.as_json:
        raise UsageError("--row and --json exclude one another: --out has every row")
