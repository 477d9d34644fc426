"""``ensembler check``."""

from typing import Annotated

import typer

from ensembler.cli.groups import Omit, expand
from ensembler.cli.options import Output, Source
from ensembler.cli.output import command_line, warnings_to_stderr


@expand
def check(source: Annotated[Source, Omit("weights", "groups")], output: Output) -> None:
    """Look for what makes results too good or too bad: permuted classes, rows out of order, leaks, copies, logits.

    Files that other commands refuse are looked at as far as possible. Exit code 1 if a finding is an error.
    """
    from ensembler.predictions.loading.inspection import check_predictions
    from ensembler.report.check import describe_inspection, inspection_document

    files = source.files()
    with warnings_to_stderr():
        inspection = check_predictions(
            *files,
            labels=source.labels,
            val=source.val,
            members=source.members,
            only=source.only or (),
            without=source.without or (),
            logits=source.logits,
            normalize=source.normalize,
            columns=source.columns,
            max_bytes=source.max_bytes,
        )
    output.print(lambda: describe_inspection(inspection, command_line()), lambda: inspection_document(inspection))
    if not inspection.ok:
        raise typer.Exit(1)
