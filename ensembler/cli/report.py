"""``ensembler report``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ensembler.cli import options
from ensembler.cli.groups import expand
from ensembler.cli.output import command_line, progress, warnings_to_stderr
from ensembler.cli.refusals import check_suffix, check_writable, require_module
from ensembler.errors import UnknownNameError, UsageError


@expand
def report(
    *,
    rule: options.Rules = None,
    metric: options.Metrics = None,
    protocol: options.Protocol,
    resamples: options.Resamples = None,
    calibrate: options.Calibrate = "none",
    source: options.Source,
    out: Annotated[Path, typer.Option(help="HTML file to write.", rich_help_panel=options.OUTPUT)] = Path(
        "report.html"
    ),
    title: Annotated[str | None, typer.Option(help="Title of the page.", rich_help_panel=options.OUTPUT)] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Also write every figure into this folder, fit for a paper.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    figure_format: Annotated[
        str | None,
        typer.Option(
            metavar="svg|png|pdf", help="Format of these figures (default: svg).", rich_help_panel=options.OUTPUT
        ),
    ] = None,
) -> None:
    """Write one page that a person would rather look at: verdict, rules, committees, members, classes, rows, findings.

    The page is a single file that needs no network: open it, mail it, print it.
    """
    from ensembler.metrics.bootstrap import RESAMPLES
    from ensembler.report.page import require_report, write_figures, write_page
    from ensembler.report.survey import survey

    if out.suffix != ".htm":
        check_suffix(out, "--out", (".html",))
    check_writable(out)
    check_figures(figures, figure_format)
    require_report()
    data = protocol.load(source)
    with warnings_to_stderr(), progress("report") as show:
        result = survey(
            data,
            rule or None,
            metric=metric or "accuracy",
            **protocol.arguments(),
            n_resamples=RESAMPLES if resamples is None else resamples,
            calibrate=calibrate,
            progress=show,
        )
        if show is not None:
            show(0, 1, "writing")
        write_page(result, out, title, command_line())
        written = [] if figures is None else write_figures(result, figures, figure_format or "svg")
    also = f"; {len(written)} figures in {figures}" if figures is not None else ""
    sys.stderr.write(f"{out}: {out.stat().st_size / 1e6:.1f} MB{also}\n")


def check_figures(folder: Path | None, file_format: str | None) -> None:
    """Refuse, before the work, figures that could not be written after it."""
    from ensembler.report.figures.drawing import FORMATS

    if file_format is not None and folder is None:
        raise UsageError("--figure-format has no effect without --figures DIR; give both or neither")
    if file_format is not None and file_format not in FORMATS:
        raise UnknownNameError("value of --figure-format", file_format, FORMATS)
    if folder is not None:
        require_module("matplotlib", "report")
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"--figures {folder}: is a file, expected a folder")
        check_writable(folder / "figure")
