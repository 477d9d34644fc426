"""``ensembler bench``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ensembler.cli import options
from ensembler.cli.groups import expand
from ensembler.cli.output import command_line, progress, warnings_to_stderr
from ensembler.cli.refusals import check_suffix, check_writable
from ensembler.errors import UsageError

if TYPE_CHECKING:
    from ensembler.comparison.results import Comparison
    from ensembler.ranking.learning_curve import LearningCurve
    from ensembler.report.tables import Document


@expand
def bench(
    *,
    rule: options.Rules = None,
    metric: options.Metrics = None,
    protocol: options.Protocol,
    resamples: options.Resamples = None,
    letters: Annotated[
        bool,
        typer.Option(
            "--letters",
            help="Also compare all pairs of rules (compact letter display).",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = False,
    learning_curve: Annotated[
        bool,
        typer.Option(
            "--learning-curve",
            help="Also fit every rule on growing samples of the fitting rows, and set it against the mean.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = False,
    calibrate: options.Calibrate = "none",
    balance: options.Balance = None,
    source: options.Source,
    output: options.Output,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Print all rules and members, tests, calibration and recall per class.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    reliability: Annotated[
        Path | None,
        typer.Option(
            help="Also draw reliability diagrams (.png, .svg, .pdf) of the best member, the mean and leading rules.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Also write rules and members as a table.", rich_help_panel=options.OUTPUT)
    ] = None,
) -> None:
    """Compare every combination rule on one prediction set, and say which one to use.

    Weights are fitted on validation rows or by cross-fitting, never on the rows that are scored unless you ask for it.
    """
    from ensembler.comparison.compare import compare_rules
    from ensembler.metrics.bootstrap import RESAMPLES
    from ensembler.predictions.files import write_text
    from ensembler.report.bench import asked_tables, full_document
    from ensembler.report.brief import brief_document

    check_suffix(csv, "--csv", (".csv",))
    check_writable(csv)
    check_writable(reliability)
    shift = options.parse_balance(balance)
    if learning_curve and (calibrate != "none" or shift is not None):
        other = f"--calibrate {calibrate}" if shift is None else "--balance"
        raise UsageError(f"--learning-curve fits rules without temperatures and shifts; drop it, or {other}")
    if reliability is not None:
        from ensembler.report.figures.drawing import check_format

        check_format(reliability)
    source.refuse_as_target(csv=csv, reliability=reliability)
    data = protocol.load(source, half=True)
    if reliability is not None and data.any_hard:
        raise UsageError("--reliability needs probabilities, and some members are hard labels; drop it")
    with warnings_to_stderr(), progress("fitting") as show:
        result = compare_rules(
            data,
            rule or None,
            metric=metric or "accuracy",
            **protocol.arguments(),
            n_resamples=RESAMPLES if resamples is None else resamples,
            letters=letters,
            calibrate=calibrate,
            balance=shift,
            progress=show,
        )
    if reliability is not None:
        from ensembler.report.figures.diagrams import Diagrams, reliability_panels
        from ensembler.report.figures.drawing import draw_for_file, save_figure

        save_figure(draw_for_file(Diagrams(reliability_panels(result))), reliability)
    if csv is not None:
        write_text(csv, result.to_frame().to_csv(index=False))
    curve = measure_curve(result, rule or None, protocol.seed) if learning_curve else None

    def arranged() -> "Document":
        if full or letters:
            return full_document(result, curve)
        return brief_document(result, asked_tables(result, curve))

    output.print(
        lambda: {**result.to_dict(command_line()), "learning_curve": None if curve is None else curve.to_list()},
        arranged,
    )


def measure_curve(result: "Comparison", rules: list[str] | None, seed: int) -> "LearningCurve":
    """Fit every rule on growing samples of the fitting rows."""
    from ensembler.ranking.learning_curve import learning_curve

    with warnings_to_stderr(), progress("learning curve") as show:
        return learning_curve(result.predictions, rules, result.first_metric, seed=seed, progress=show)
