"""``ensembler cascade``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ensembler.cli import options
from ensembler.cli.groups import Omit, expand
from ensembler.cli.output import command_line, progress, tell, warnings_to_stderr
from ensembler.cli.program import complete_rule, one_of_these
from ensembler.cli.refusals import check_suffix, check_writable, only_one, require_module
from ensembler.errors import ParameterError, UsageError

if TYPE_CHECKING:
    from ensembler.deployment.cascades.costs import Costs
    from ensembler.deployment.cascades.fitting import CascadeOptions
    from ensembler.deployment.cascades.results import CascadeStudy
    from ensembler.predictions.prediction_set import Predictions

CASCADE, PROMISE = "Cascade", "Promise"


@dataclass(frozen=True)
class Wanted:
    """Which cascade is wanted."""

    confidence: Annotated[
        str,
        typer.Option(
            metavar="top-probability|margin|entropy|agreement",
            autocompletion=one_of_these("top-probability", "margin", "entropy", "agreement"),
            help="What says whether a stage is confident of a row.",
            rich_help_panel=CASCADE,
        ),
    ] = "top-probability"
    stages: Annotated[
        int,
        typer.Option(help="At most so many stages; only two are searched exhaustively.", rich_help_panel=CASCADE),
    ] = 2
    target: Annotated[
        str | None,
        typer.Option(
            metavar="accuracy=X", help="The cheapest cascade of this accuracy or more.", rich_help_panel=CASCADE
        ),
    ] = None
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="The best cascade at this share of the cost of all members, as in 0.05 or 5%.",
            rich_help_panel=CASCADE,
        ),
    ] = None
    match: Annotated[
        str | None,
        typer.Option(
            metavar="full", help="The cheapest cascade that is as accurate as all members.", rich_help_panel=CASCADE
        ),
    ] = None
    cost: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD",
            help="Field of members.json that says what a member costs (default: the first of multiply_adds and others "
            "that all have; else members count the same).",
            rich_help_panel=CASCADE,
        ),
    ] = None
    costs: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            metavar="FILE",
            help='Costs by member (.json), also of work that members share: {"members": {…}, "shared": [{"members": '
            '[…], "cost": …}]}.',
            rich_help_panel=CASCADE,
        ),
    ] = None
    alpha: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Promise that at most this share of new rows gets another answer than from the last stage (all "
            "members, unless a goal is given).",
            rich_help_panel=PROMISE,
        ),
    ] = None
    delta: Annotated[
        float | None,
        typer.Option(
            metavar="PROBABILITY",
            help="Promise it but for this probability, and against all members; with --target, promise that accuracy.",
            rich_help_panel=PROMISE,
        ),
    ] = None
    calibration_share: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Share of the fitting rows that sets thresholds and chooses nothing else (default: 0.3).",
            rich_help_panel=PROMISE,
        ),
    ] = None

    def check(self) -> "CascadeOptions":
        """Return the options without costs, refusing what cannot be before any work."""
        from ensembler.deployment.cascades.fitting import CascadeOptions

        if self.cost is not None and self.costs is not None:
            raise UsageError("--cost and --costs exclude one another; give one of them")
        return CascadeOptions.of(
            confidence=self.confidence,
            stages=self.stages,
            target=parse_target(self.target),
            budget=parse_share(self.budget, "--budget"),
            match=self.match,
            alpha=self.alpha,
            delta=self.delta,
            calibration_share=self.calibration_share,
        )

    def costs_of(self, data: "Predictions") -> "Costs":
        """Return what members cost."""
        from ensembler.deployment.cascades.costs import Costs

        if self.costs is not None:
            return Costs.of_file(self.costs, data.names)
        return Costs.of_set(data, self.cost)


def parse_share(text: str | None, option: str) -> float | None:
    """Read a share, also in per cent.

    >>> parse_share("0.05", "--budget"), parse_share("5%", "--budget")
    (0.05, 0.05)
    """
    if text is None:
        return None
    number = text.strip().removesuffix("%")
    try:
        return float(number) / (100 if number != text.strip() else 1)
    except ValueError as error:
        raise ParameterError(f"{option} is {text!r}, expected a share, as in 0.05 or 5%") from error


def parse_target(text: str | None) -> float | None:
    """Read ``accuracy=0.69``, or the number alone."""
    if text is None:
        return None
    name, _, number = text.rpartition("=")
    if name not in ("", "accuracy"):
        raise ParameterError(f"--target is {text!r}, expected accuracy=X; only the accuracy can be a target")
    try:
        return float(number)
    except ValueError as error:
        raise ParameterError(f"--target is {text!r}, expected accuracy=X, as in accuracy=0.69") from error


@dataclass(frozen=True)
class Targets:
    """Files that are written beside what is printed."""

    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write the cascade (.json), for `ensembler predict --recipe`.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the front as a table (.csv).", rich_help_panel=options.OUTPUT),
    ] = None
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also draw cost against accuracy (.png, .svg, .pdf).", rich_help_panel=options.OUTPUT
        ),
    ] = None

    def check(self) -> None:
        """Refuse, before the work, files that could not be written after it."""
        from ensembler.cli.predict import check_save
        from ensembler.deployment.cascades.document import is_cascade

        if self.save is not None:
            check_save(self.save, is_cascade, "cascade")
        check_suffix(self.csv, "--csv", (".csv",))
        if self.plot is not None:
            from ensembler.report.figures.drawing import check_format

            check_format(self.plot)
            require_module("matplotlib", "report")
        for path in (self.csv, self.plot):
            check_writable(path)

    def write(self, study: "CascadeStudy") -> None:
        """Write them."""
        if self.save is not None:
            from ensembler.deployment.cascades.cascade import Cascade

            Cascade(**vars(study.definition)).save(self.save)
            tell(f"saved {self.save}; to use it: ensembler predict --recipe {self.save} --to FOLDER --out FILE")
        if self.csv is not None:
            from ensembler.predictions.files import write_text
            from ensembler.report.cascade import front_frame

            write_text(self.csv, front_frame(study).to_csv(index=False))
        if self.plot is not None:
            from ensembler.report.figures.cascade_front import front_of
            from ensembler.report.figures.drawing import draw_for_file, save_figure

            save_figure(draw_for_file(front_of(study), ""), self.plot)


@expand
def cascade(
    *,
    rules: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            metavar="RULE[:KEY=VALUE,…]",
            autocompletion=complete_rule,
            help="How members combine (default: mean): an average, log-pool or a vote, weights fitted once on all.",
            rich_help_panel=CASCADE,
        ),
    ] = None,
    wanted: Wanted,
    protocol: options.Protocol,
    source: Annotated[options.Source, Omit()],
    output: options.Output,
    targets: Targets,
) -> None:
    """Find which members to run first, and when to ask more: cascades that cost a part of all members.

    Every pair of committees, one within the other, and every threshold of confidence between them is looked at.
    """
    from dataclasses import replace

    from ensembler.deployment.cascades.study import study_cascades
    from ensembler.report.cascade import cascade_document

    rule = only_one(rules, "--rule") or "mean"
    chosen = wanted.check()
    targets.check()
    source.refuse_as_target(save=targets.save, csv=targets.csv, plot=targets.plot)
    data = protocol.load(source)
    with warnings_to_stderr():
        chosen = replace(chosen, costs=wanted.costs_of(data))
    with warnings_to_stderr(), progress("cascades") as show:
        study = study_cascades(data, rule, chosen, **protocol.arguments(), progress=show)
    targets.write(study)
    output.print(lambda: study.to_dict(command_line()), lambda: cascade_document(study))
