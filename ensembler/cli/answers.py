"""What ``abstain`` and ``conformal`` share: options of rows that are kept back, and the recipe that both write."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ensembler.cli import options
from ensembler.cli.output import tell
from ensembler.cli.program import complete_rule
from ensembler.cli.refusals import check_writable
from ensembler.errors import UsageError

if TYPE_CHECKING:
    from ensembler.comparison.calibration_rows import CalibratedRule
    from ensembler.deployment.abstention import Abstention
    from ensembler.deployment.prediction_sets import PredictionSets

OneRule = Annotated[
    list[str] | None,
    typer.Option(
        "--rule",
        metavar="RULE[:KEY=VALUE,…]",
        autocompletion=complete_rule,
        help="The rule (default: the recommended one, found as in bench).",
    ),
]
CalibrationShare = Annotated[
    float | None,
    typer.Option(
        metavar="FRACTION",
        help="Share of the fitting rows that is kept back from the weights to calibrate (default: 0.5).",
        rich_help_panel=options.PROTOCOL,
    ),
]
Save = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Also write the rule with this (.json), for `ensembler predict --recipe`.",
        rich_help_panel=options.OUTPUT,
    ),
]


def check_fit_on(protocol: options.Protocol) -> None:
    """Refuse to calibrate on the rows that are scored."""
    if protocol.fit_on == "test":
        raise UsageError("--fit-on test leaves no rows to calibrate on that are not scored; take val, cross or part")


def check_plot(plot: Path | None) -> None:
    """Refuse, before the work, a figure that could not be written after it."""
    if plot is not None:
        from ensembler.cli.refusals import require_module
        from ensembler.report.figures.drawing import check_format

        check_format(plot)
        check_writable(plot)
        require_module("matplotlib", "report")


def save_recipe(
    path: Path,
    rule: "CalibratedRule",
    *,
    abstention: "Abstention | None" = None,
    prediction_sets: "PredictionSets | None" = None,
) -> None:
    """Write the fitted rule with its threshold or its sets."""
    from ensembler.deployment.recipe import Recipe
    from ensembler.report.tables import count

    fit = rule.final
    Recipe.of(fit.rule, fit.weights, abstention, prediction_sets).save(path)
    tell(
        f"{rule.name}: fitted on {count(fit.weights.n_samples, 'row')}, calibrated on {fit.calibration.n_samples:,}, "
        f"saved as {path}"
    )
