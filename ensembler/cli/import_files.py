"""``ensembler import``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ensembler.cli import options
from ensembler.cli.output import command_line, print_document, progress, tell, warnings_to_stderr
from ensembler.cli.program import one_of_these
from ensembler.cli.refusals import check_writable
from ensembler.errors import UsageError

if TYPE_CHECKING:
    from ensembler.predictions.loading.intake.plan import Plan


def import_files(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES…",
            help="Files, folders or patterns: tables, arrays, tensors, logs.",
            show_default=False,
            readable=False,
        ),
    ],
    *,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The prediction set: a new or empty folder.")] = None,
    labels: options.Labels = None,
    id_column: options.IdColumn = None,
    proba_columns: Annotated[
        list[str] | None,
        typer.Option(
            "--proba-column",
            "--proba-field",
            metavar="NAME",
            help="Column or field of probabilities; repeatable.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(
            "--label-column",
            "--label-field",
            metavar="NAME",
            help="Column or field of true classes.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    drop_columns: options.DropColumns = None,
    pair: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="LABELLED NEW",
            help="Names of the files of labelled and of new rows, {} for the member: 'oof_{}.csv' 'test_{}.csv'.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(
            metavar="MNC|NMC|NCM",
            autocompletion=one_of_these("MNC", "NMC", "NCM"),
            help="Order of members, rows and classes in stacked arrays.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME,…",
            help="Names of the classes in the order of the columns.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    normalize: options.Normalize = False,
    max_bytes: options.MaxBytes = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be taken for what.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Take guesses that could be wrong without asking.")] = False,
) -> None:
    """Turn other people's files into a prediction set: tables, arrays, tensors, votes, logs of evaluations.

    Shows what each file and column is taken for, and why. Nothing in a file is ever run.
    """
    from ensembler.predictions.loading.intake.plan import ImportRequest
    from ensembler.predictions.loading.intake.read import plan_import
    from ensembler.predictions.loading.intake.save import make_sets, write_import
    from ensembler.predictions.loading.intake.stacks import AXES
    from ensembler.predictions.loading.options import Columns
    from ensembler.report.intake import import_document, import_summary

    if axes is not None and axes not in AXES:
        raise UsageError(f"--axes {axes}: expected one of {', '.join(AXES)}")
    if pair is not None and any("{}" not in form for form in pair):
        raise UsageError(f"--pair {' '.join(pair)}: expected {{}} in both for the member, as in 'oof_{{}}.csv'")
    if out is None and not dry_run:
        raise UsageError("where to? give --out DIR, or --dry-run to look at the plan")
    if out is not None:
        check_writable(out / "members.json")
    columns = Columns(id_column, tuple(proba_columns or ()), label_column, tuple(drop_columns or ()))
    names = None if classes is None else tuple(name.strip() for name in classes.split(","))
    request = ImportRequest(labels, columns, axes, names, pair, max_bytes, normalize)
    with warnings_to_stderr(), progress("reading") as show:
        plan = plan_import(paths, request, show)
    if plan.guesses and not dry_run:
        accept(plan, yes=yes)
    made = make_sets(plan) if dry_run or out is None else write_import(plan, out, command_line())
    print_document(import_document(plan, import_summary(*made, None if dry_run else out)))


def accept(plan: "Plan", *, yes: bool) -> None:
    """Ask whether the guesses are right; without a terminal to ask, stop."""
    guesses = "; ".join(f"{guess.source} as {guess.taken_as}" for guess in plan.guesses)
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        fixes = " ".join(dict.fromkeys(guess.fix for guess in plan.guesses if guess.fix))
        raise UsageError(
            f"guessed: {guesses}; pass --yes if that is right{f', or {fixes}' if fixes else ''}", remedy=("--yes",)
        )
    tell(f"guessed: {guesses}.")
    if not typer.confirm("Is that right?", err=True):
        raise UsageError("nothing was written")
