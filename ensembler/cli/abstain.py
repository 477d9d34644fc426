"""``ensembler abstain``."""

from pathlib import Path
from typing import Annotated

import typer

from ensembler.cli import options
from ensembler.cli.answers import CalibrationShare, OneRule, Save, check_fit_on, check_plot, save_recipe
from ensembler.cli.groups import expand
from ensembler.cli.output import command_line, progress, warnings_to_stderr
from ensembler.cli.predict import check_save
from ensembler.cli.refusals import check_suffix, check_writable, only_one
from ensembler.errors import NotApplicableError


@expand
def abstain(
    *,
    rules: OneRule = None,
    confidence: Annotated[
        str,
        typer.Option(
            metavar="SIGNAL",
            help="What the threshold is of: top-probability, margin, entropy, agreement or mutual-information.",
        ),
    ] = "top-probability",
    risk: Annotated[float, typer.Option(help="What share of the answers may be wrong.")] = 0.2,
    delta: Annotated[
        float, typer.Option(help="How probably the calibration rows may mislead, so that more are wrong.")
    ] = 0.05,
    calibration_share: CalibrationShare = None,
    protocol: options.Protocol,
    calibrate: options.Calibrate = "none",
    source: options.Source,
    output: options.Output,
    plot: Annotated[
        Path | None,
        typer.Option(help="Also draw the risk–coverage curve (.png, .svg, .pdf).", rich_help_panel=options.OUTPUT),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Also write the curve of every signal.", rich_help_panel=options.OUTPUT)
    ] = None,
    save: Save = None,
) -> None:
    """Say when not to answer: a threshold of confidence that keeps wrong answers as rare as wanted.

    The threshold is set on rows that chose nothing else, and what it does is measured on the scored rows.
    """
    from ensembler.deployment.abstention import no_threshold
    from ensembler.deployment.abstention_study import study_abstention
    from ensembler.predictions.files import write_text
    from ensembler.report.abstain import abstain_document, curve_rows, describe_abstention

    check_suffix(csv, "--csv", (".csv",))
    check_writable(csv)
    check_plot(plot)
    rule = only_one(rules, "--rule")
    check_fit_on(protocol)
    if save is not None:
        check_save(save)
    source.refuse_as_target(plot=plot, csv=csv, save=save)
    data = protocol.load(source)
    with warnings_to_stderr(), progress("fitting") as show:
        study = study_abstention(
            data,
            rule,
            confidence=confidence,
            risk=risk,
            delta=delta,
            calibration_share=calibration_share,
            **protocol.arguments(),
            calibrate=calibrate,
            progress=show,
        )
    if csv is not None:
        import pandas as pd

        write_text(csv, pd.DataFrame(curve_rows(study)).to_csv(index=False))
    if plot is not None:
        from ensembler.report.figures.drawing import draw_for_file, save_figure
        from ensembler.report.figures.risk_coverage import risk_coverage_of

        save_figure(draw_for_file(risk_coverage_of(study)), plot)
    if save is not None and study.abstention is not None:
        save_recipe(save, study.rule, abstention=study.abstention)
    output.print(lambda: describe_abstention(study, command_line()), lambda: abstain_document(study))
    if save is not None and study.abstention is None:
        raise NotApplicableError(f"nothing is saved: {no_threshold(study.signal.final, risk)}")
