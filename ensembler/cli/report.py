"""``ensembler report``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ensembler.cli import options
from ensembler.cli.output import command_line, progress
from ensembler.errors import UnknownNameError, UsageError


def report(
    paths: options.Paths = None,
    rule: options.Rules = None,
    metric: options.Metrics = None,
    fit_on: options.FitOn = None,
    part: options.Part = None,
    folds: options.Folds = 5,
    seed: options.Seed = 0,
    resamples: options.Resamples = None,
    calibrate: options.Calibrate = "none",
    labels: options.Labels = None,
    val: options.Val = None,
    members: options.Members = None,
    only: options.Only = None,
    without: options.Without = None,
    logits: options.Logits = False,
    normalize: options.Normalize = False,
    weights: options.Weights = None,
    groups: options.Groups = None,
    out: Annotated[Path, typer.Option(help="The page.", rich_help_panel=options.OUTPUT)] = Path("report.html"),
    title: Annotated[
        str | None, typer.Option(help="What stands above the page.", rich_help_panel=options.OUTPUT)
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Also write every figure as a file fit for a paper.", rich_help_panel=options.OUTPUT
        ),
    ] = None,
    figure_format: Annotated[
        str | None,
        typer.Option(metavar="svg|png|pdf", help="Of these files (default: svg).", rich_help_panel=options.OUTPUT),
    ] = None,
) -> None:
    """Write one page that a person would rather look at: verdict, rules, committees, members, classes, rows, findings.

    The page is a single file that needs no network: open it, mail it, print it.
    """
    from ensembler.metrics.bootstrap import RESAMPLES
    from ensembler.report.page import require_report, write_figures, write_page
    from ensembler.report.survey import survey

    if out.suffix not in (".html", ".htm"):
        raise UsageError(f"--out {out.name or '(nothing)'}: expected a file that ends in .html")
    options.check_writable(out)
    if figure_format is not None and figures is None:
        raise UsageError("--figure-format has no effect without --figures DIR; give both or neither")
    check_figures(figures, figure_format)
    require_report()
    fit_on, wanted = options.fitting_rows(fit_on, part, val)
    data = options.load(paths, labels, wanted, members, only, without, logits, normalize, weights, groups)
    with options.warnings_to_stderr(), progress("report") as show:
        found = survey(
            data,
            rule or None,
            metric=metric or "accuracy",
            fit_on=fit_on,
            folds=folds,
            part=part,
            seed=seed,
            n_resamples=RESAMPLES if resamples is None else resamples,
            calibrate=calibrate,
            progress=show,
        )
        if show is not None:
            show(0, 1, "writing")
        write_page(found, out, title, command_line())
        written = [] if figures is None else write_figures(found, figures, figure_format or "svg")
    told = f"; {len(written)} figures in {figures}" if figures is not None else ""
    sys.stderr.write(f"{out}: {out.stat().st_size / 1e6:.1f} MB{told}\n")


def check_figures(folder: Path | None, kind: str | None) -> None:
    """Refuse, before the work, figures that could not be written after it."""
    from ensembler.report.figures.drawing import FORMATS

    if kind is not None and kind not in FORMATS:
        raise UnknownNameError("value of --figure-format", kind, FORMATS)
    if folder is not None:
        options.require_module("matplotlib", "report")
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"--figures {folder}: is a file, expected a folder")
        options.check_writable(folder / "figure")
