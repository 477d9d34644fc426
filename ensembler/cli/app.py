"""The program: its commands by name."""

from typing import Annotated

import typer

from ensembler.cli import (
    abstain,
    bench,
    cascade,
    check,
    compare,
    conformal,
    diversity,
    explain,
    export,
    import_files,
    list_rules,
    members,
    predict,
    rank,
    report,
    sample,
    subsets,
)

app = typer.Typer(
    name="ensembler",
    help="Combine the saved class probabilities of several trained models, and say honestly which combination is best.",
    epilog="Without paths, commands read ./preds, or else the bundled predictions of nine FER2013 networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(value: bool) -> None:
    """Print the version and stop."""
    if value:
        from ensembler import serialization

        typer.echo(f"ensembler {serialization.__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take options that belong to no command."""


app.command("bench")(bench.bench)
app.command("subsets")(subsets.subsets)
app.command("rank")(rank.rank)
app.command("report")(report.report)
app.command("import")(import_files.import_files)
app.command("check")(check.check)
app.command("compare")(compare.compare)
app.command("diversity")(diversity.diversity)
app.command("explain")(explain.explain)
app.command("predict")(predict.predict)
app.command("cascade")(cascade.cascade)
app.command("abstain")(abstain.abstain)
app.command("conformal")(conformal.conformal)
app.command("export")(export.export)
app.command("members")(members.members)
app.command("list")(list_rules.list_rules)
app.command("sample")(sample.sample)
