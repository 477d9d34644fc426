"""``ensembler check``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ensembler.cli.groups import Omit, expand
from ensembler.cli.options import INPUT, Output, Source
from ensembler.cli.output import command_line, tell, warnings_to_stderr
from ensembler.cli.program import one_of_these
from ensembler.cli.refusals import refuse_given
from ensembler.cli.remedies import mended_command

FitOn = Annotated[
    str | None,
    typer.Option(
        metavar="val|cross|part|test",
        autocompletion=one_of_these("val", "cross", "part", "test"),
        help="Where bench is to fit weights; validation rows are only looked at where that is on them.",
        rich_help_panel=INPUT,
    ),
]


@expand
def check(
    *,
    fit_on: FitOn = None,
    source: Annotated[Source, Omit("weights", "groups")],
    output: Output,
) -> None:
    """Look for what makes results too good or too bad: permuted classes, rows out of order, leaks, copies, logits.

    Files that other commands refuse are looked at as far as possible. Exit code 1 if a finding is an error.
    """
    from ensembler.comparison.protocol import check_fit_on
    from ensembler.predictions.loading.inspection import check_predictions
    from ensembler.report.check import describe_inspection, inspection_document

    val: Path | bool | None = source.val
    if check_fit_on(fit_on, None) not in (None, "val"):
        refuse_given({"--val": val}, f"with --fit-on {fit_on}")
        val = False
    files = source.files()
    with warnings_to_stderr():
        inspection = check_predictions(
            *files,
            labels=source.labels,
            val=val,
            members=source.members,
            only=source.only or (),
            without=source.without or (),
            logits=source.logits,
            normalize=source.normalize,
            columns=source.columns,
            max_bytes=source.max_bytes,
        )
    output.print(lambda: describe_inspection(inspection, command_line()), lambda: inspection_document(inspection))
    remedy = mended_command(sys.argv[1:], inspection.remedy) if inspection.remedy else ""
    if remedy and not output.as_json:
        tell(f"try: {remedy}")
    if not inspection.ok:
        raise typer.Exit(1)
