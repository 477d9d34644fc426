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
from ensembler.cli.program import HelpfulCommand, HelpfulGroup

app = typer.Typer(
    name="ensembler",
    cls=HelpfulGroup,
    help="Combine the saved class probabilities of several trained models, and say honestly which combination is best.",
    epilog="Without paths, commands read ./preds, or else the bundled predictions of nine FER2013 networks.",
    no_args_is_help=True,
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


app.command("bench", cls=HelpfulCommand)(bench.bench)
app.command("subsets", cls=HelpfulCommand)(subsets.subsets)
app.command("rank", cls=HelpfulCommand)(rank.rank)
app.command("report", cls=HelpfulCommand)(report.report)
app.command("import", cls=HelpfulCommand)(import_files.import_files)
app.command("check", cls=HelpfulCommand)(check.check)
app.command("compare", cls=HelpfulCommand)(compare.compare)
app.command("diversity", cls=HelpfulCommand)(diversity.diversity)
app.command("explain", cls=HelpfulCommand)(explain.explain)
app.command("predict", cls=HelpfulCommand)(predict.predict)
app.command("cascade", cls=HelpfulCommand)(cascade.cascade)
app.command("abstain", cls=HelpfulCommand)(abstain.abstain)
app.command("conformal", cls=HelpfulCommand)(conformal.conformal)
app.command("export", cls=HelpfulCommand)(export.export)
app.command("members", cls=HelpfulCommand)(members.members)
app.command("list", cls=HelpfulCommand)(list_rules.list_rules)
app.command("sample", cls=HelpfulCommand)(sample.sample)
