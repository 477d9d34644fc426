"""What ``ensembler subsets`` writes: the result, tables of committees and figures of their sizes."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ensembler.cli import options
from ensembler.cli.confirmation import confirm
from ensembler.cli.output import command_line
from ensembler.cli.refusals import check_suffix, check_writable, require_module
from ensembler.errors import UsageError

if TYPE_CHECKING:
    from ensembler.predictions.prediction_set import Predictions
    from ensembler.subsets.results import SubsetStudy

MOST_TABLE_ROWS = 2**24


@dataclass(frozen=True)
class Targets:
    """Files that are written beside what is printed."""

    out: Annotated[
        Path | None,
        typer.Option(help="Also write one row a committee (.csv, .parquet).", rich_help_panel=options.OUTPUT),
    ] = None
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Also draw the metric against committee size (.png, .svg, .pdf); one file a rule.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None

    def check(self) -> None:
        """Refuse, before a long sweep, files that could not be written after it."""
        check_suffix(self.out, "--out", (".csv", ".parquet"))
        if self.plot is not None:
            from ensembler.report.figures.drawing import check_format

            check_format(self.plot)
            require_module("matplotlib", "report")
        if self.out is not None and self.out.suffix == ".parquet":
            require_module("pyarrow", "parquet")
        for path in (self.out, self.plot):
            if path is not None:
                check_writable(path)


def refuse_long_table(
    data: "Predictions", sizes: tuple[int, int] | None, must: list[str], n_rules: int, *, yes: bool
) -> None:
    """Ask before a file of very many rows is written."""
    from ensembler.subsets.plan import make_plan
    from ensembler.subsets.workers import what_to_keep

    low, high = sizes or (1, data.n_members)
    plan = make_plan(data.n_members, low, high, tuple(data.names.index(name) for name in set(must)))
    rows = n_rules * plan.n_committees
    if what_to_keep(plan) == "nothing":
        raise UsageError(f"--out would have {rows:,} rows, more than are kept; narrow --k, or give --must")
    if rows > MOST_TABLE_ROWS:
        confirm(f"--out would have {rows:,} rows, about {rows * 40 / 1e9:.1f} GB as text", yes=yes)


def write_results(study: "SubsetStudy", targets: Targets, output: options.Output, *, full: bool) -> None:
    """Print the result, and write tables and figures to their files."""
    from ensembler.report.subsets import subsets_document
    from ensembler.subsets.describe import summarize_study

    summary = summarize_study(study)
    output.print(lambda: summary.to_dict(command_line()), lambda: subsets_document(summary, full=full))
    if targets.out is not None:
        write_table(study, targets.out)
    if targets.plot is None:
        return
    from ensembler.report.figures.drawing import draw_for_file, save_figure
    from ensembler.report.figures.sizes import sizes_of

    plot = targets.plot
    for swept, rule in zip(study.rules, summary.rules, strict=True):
        title = f"{rule.n_subsets:,} committees by {rule.rule}, on {study.protocol.n_scored:,} scored rows"
        path = plot if len(study.rules) == 1 else plot.with_stem(f"{plot.stem}-{file_name(rule.rule)}")
        save_figure(draw_for_file(sizes_of(swept, rule, summary), title), path)


def write_table(study: "SubsetStudy", path: Path) -> None:
    """Write one row a committee, as .csv or .parquet."""
    from ensembler.predictions.files import writing
    from ensembler.subsets.describe import study_frame

    frame = study_frame(study)
    with writing(path) as temporary:
        if path.suffix == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)


def file_name(rule: str) -> str:
    """Return a rule's name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", rule).strip("-")
