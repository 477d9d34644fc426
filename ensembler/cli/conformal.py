"""``ensembler conformal``."""

from pathlib import Path
from typing import Annotated

import typer

from ensembler.cli import options
from ensembler.cli.answers import CalibrationShare, OneRule, Save, check_fit_on, save_recipe
from ensembler.cli.groups import expand
from ensembler.cli.output import command_line, progress, warnings_to_stderr
from ensembler.cli.predict import check_save
from ensembler.cli.program import one_of_these
from ensembler.cli.refusals import check_suffix, check_writable, only_one


@expand
def conformal(
    *,
    rules: OneRule = None,
    alpha: Annotated[float, typer.Option(help="How often the true class may be missing from a set.")] = 0.1,
    score: Annotated[
        str,
        typer.Option(
            metavar="lac|aps|raps",
            autocompletion=one_of_these("lac", "aps", "raps"),
            help="What sets are made by; raps:penalty=0.01,free=5 penalises large ones.",
        ),
    ] = "lac",
    randomised: Annotated[
        bool, typer.Option("--randomised", help="Randomise aps or raps, so that sets are no larger than they need be.")
    ] = False,
    by_class: Annotated[
        bool, typer.Option("--by-class", help="Calibrate each class by itself (Mondrian), so that each is covered.")
    ] = False,
    calibration_share: CalibrationShare = None,
    protocol: options.Protocol,
    calibrate: options.Calibrate = "none",
    source: options.Source,
    output: options.Output,
    csv: Annotated[
        Path | None,
        typer.Option(help="Also write the set of every scored row.", rich_help_panel=options.OUTPUT),
    ] = None,
    save: Save = None,
) -> None:
    """Make sets of classes that hold the true one as often as wanted, and say whom they cover.

    Sets are calibrated on rows that chose nothing else, and coverage is measured on the scored rows.
    """
    from ensembler.deployment.output import Prediction, prediction_frame
    from ensembler.deployment.sets_study import study_prediction_sets
    from ensembler.predictions.files import write_text
    from ensembler.report.conformal import conformal_document, describe_conformal

    check_suffix(csv, "--csv", (".csv",))
    check_writable(csv)
    rule = only_one(rules, "--rule")
    check_fit_on(protocol)
    if save is not None:
        check_save(save)
    source.refuse_as_target(csv=csv, save=save)
    data = protocol.load(source)
    with warnings_to_stderr(), progress("fitting") as show:
        study = study_prediction_sets(
            data,
            rule,
            alpha=alpha,
            score=score,
            randomised=randomised,
            by_class=by_class,
            calibration_share=calibration_share,
            **protocol.arguments(),
            calibrate=calibrate,
            progress=show,
        )
    if csv is not None:
        found = Prediction(study.rule.proba, sets=study.contained)
        write_text(csv, prediction_frame(found, study.scored, with_proba=False).to_csv(index=False))
    if save is not None:
        save_recipe(save, study.rule, prediction_sets=study.sets)
    output.print(lambda: describe_conformal(study, command_line()), lambda: conformal_document(study))
