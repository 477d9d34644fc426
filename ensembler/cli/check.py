"""``ensembler check``."""

import typer

from ensembler.cli import options
from ensembler.cli.output import command_line, one_of, print_document, print_json


def check(
    paths: options.Paths = None,
    labels: options.Labels = None,
    val: options.Val = None,
    members: options.Members = None,
    only: options.Only = None,
    without: options.Without = None,
    as_json: options.AsJson = False,
    as_markdown: options.AsMarkdown = False,
) -> None:
    """Look for what makes results too good or too bad: permuted classes, rows out of order, leaks, copies, logits.

    Files that other commands refuse are looked at as far as possible. Exit code 1 if a finding is an error.
    """
    one_of(json=as_json, markdown=as_markdown)
    import sys

    from ensembler.predictions.loading.folder import default_source
    from ensembler.predictions.loading.inspection import check_predictions
    from ensembler.report.checkup import checkup_document, describe_checkup

    if not paths:
        folder, message = default_source()
        sys.stderr.write(f"{message}\n")
        paths = [folder]
    with options.warnings_to_stderr():
        checkup = check_predictions(
            *paths, labels=labels, val=val, members=members, only=only or (), without=without or ()
        )
    if as_json:
        print_json(describe_checkup(checkup, command_line()))
    else:
        print_document(checkup_document(checkup), as_markdown=as_markdown)
    if not checkup.ok:
        raise typer.Exit(1)
