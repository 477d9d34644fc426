"""``ensembler report``."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ensembler.cli import options
from ensembler.cli.figure_options import Figures
from ensembler.cli.groups import expand
from ensembler.cli.output import pasteable_command, progress, tell, warnings_to_stderr
from ensembler.cli.refusals import check_suffix, check_writable


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
    drawings: Figures,
) -> None:
    """Write one page that a person would rather look at: verdict, rules, committees, members, classes, rows, findings.

    The page is a single file that needs no network: open it, mail it, print it.
    """
    from ensembler.metrics.bootstrap import RESAMPLES
    from ensembler.report.layout import require_report
    from ensembler.report.page import write_figures, write_page
    from ensembler.report.survey import survey

    if out.suffix != ".htm":
        check_suffix(out, "--out", (".html",))
    check_writable(out)
    drawings.check()
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
        folder = drawings.figures
        finish = partial(write_page, result, out, title, pasteable_command())
        if folder is None:
            finish()
            written = []
        else:
            written = write_figures(result, folder, drawings.suffix, finish)
    also = f"; {len(written)} figures in {folder}" if folder is not None else ""
    tell(f"{out}: {out.stat().st_size / 1e6:.1f} MB{also}")
