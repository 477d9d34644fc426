"""``ensembler compare``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ensembler.cli import options
from ensembler.cli.groups import Omit, expand
from ensembler.cli.output import command_line
from ensembler.cli.refusals import check_suffix, check_writable
from ensembler.errors import UsageError

if TYPE_CHECKING:
    from ensembler.predictions.prediction_set import Predictions


@expand
def compare(
    *,
    first: Annotated[Path, typer.Argument(help="A prediction file.", show_default=False, readable=False)],
    second: Annotated[Path, typer.Argument(help="Another one, of the same rows.", show_default=False, readable=False)],
    source: Annotated[options.Source, Omit("paths", "val", "only", "without", "weights")],
    seed: Annotated[int, typer.Option(help="Random seed of the bootstrap.")] = 0,
    output: options.Output,
    rows: Annotated[
        Path | None,
        typer.Option(help="Also write the rows on which they differ (.csv).", rich_help_panel=options.OUTPUT),
    ] = None,
) -> None:
    """Compare two prediction files on the same rows, and say whether the difference is noise and which rows changed.

    Without labels: how far they agree.
    """
    from ensembler.combiners.missing_votes import class_prior, fill_unanswered
    from ensembler.comparison.protocol import check_seed
    from ensembler.predictions.diagnosis.agreement import measure_agreement
    from ensembler.predictions.diagnosis.changes import change_frame, compare_two
    from ensembler.predictions.files import write_text
    from ensembler.report.agreement import agreement_document, describe_agreement
    from ensembler.report.compare import changes_document, describe_changes

    check_seed(seed, 2)
    check_suffix(rows, "--rows", (".csv",))
    check_writable(rows)
    if first.resolve() == second.resolve():
        raise UsageError(f"{first} and {second} are the same file, expected two")
    replace(source, paths=[first, second]).refuse_as_target(rows=rows)
    data, (one, other) = load_two(source, first, second)
    if data.labels is None:
        if rows is not None:
            raise UsageError("--rows needs labels, to say which rows changed for the better; pass --labels FILE")
        agreement = measure_agreement(data)
        output.print(
            lambda: describe_agreement(agreement, data, command_line()), lambda: agreement_document(agreement, data)
        )
        return
    names = (data.names[one], data.names[other])
    prior = class_prior(data.true_labels, None, data.n_classes)
    probas = (fill_unanswered(data.proba[one], prior), fill_unanswered(data.proba[other], prior))
    changes = compare_two(data, names, probas, hard=data.any_hard, seed=seed)
    if rows is not None:
        write_text(rows, change_frame(data, names, probas).to_csv(index=False))
    output.print(lambda: describe_changes(changes, data, command_line()), lambda: changes_document(changes, data))


def load_two(source: options.Source, first: Path, second: Path) -> tuple["Predictions", tuple[int, int]]:
    """Load two files as a set of two members, and say which is which; files of one name are named after folders."""
    from ensembler.predictions.diagnosis.changes import side_by_side
    from ensembler.predictions.loading.tables import read_tables

    folders = [path.resolve().parent for path in (first, second)]
    if first.stem == second.stem and folders[0] != folders[1]:
        parts = [
            replace(source, paths=[path]).load(validation=False, ignore=("one-member",), labelled=False)
            for path in (first, second)
        ]
        distinct = folders[0].name != folders[1].name
        data = side_by_side(parts, [folder.name if distinct else str(folder) for folder in folders])
        first_names = list(data.names[:1])
    else:
        data = replace(source, paths=[first, second]).load(validation=False, labelled=False)
        first_names = [table.name for table in read_tables(first)] if first.suffix == ".npz" else [first.stem]
    if data.n_members != 2:
        raise UsageError(f"expected two prediction files, got {data.n_members} members: {', '.join(data.names)}")
    return data, (0, 1) if data.names[0] in first_names else (1, 0)
