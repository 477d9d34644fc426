"""``ensembler compare``."""

from pathlib import Path
from typing import Annotated

import typer

from ensembler.cli import options
from ensembler.cli.output import command_line, one_of, print_document, print_json
from ensembler.errors import UsageError


def compare(
    first: Annotated[Path, typer.Argument(help="A prediction file.", show_default=False, readable=False)],
    second: Annotated[Path, typer.Argument(help="Another one, of the same rows.", show_default=False, readable=False)],
    labels: options.Labels = None,
    members: options.Members = None,
    logits: options.Logits = False,
    normalize: options.Normalize = False,
    groups: options.Groups = None,
    seed: Annotated[int, typer.Option(help="Resamples the rows.")] = 0,
    as_json: options.AsJson = False,
    as_markdown: options.AsMarkdown = False,
    rows: Annotated[
        Path | None,
        typer.Option(help="Also write the rows on which they differ (.csv).", rich_help_panel=options.OUTPUT),
    ] = None,
) -> None:
    """Compare two prediction files on the same rows, and say whether the difference is noise and which rows changed."""
    one_of(json=as_json, markdown=as_markdown)
    from ensembler.comparison.protocol import check_seed
    from ensembler.predictions.diagnosis.changes import change_frame, compare_two, side_by_side
    from ensembler.predictions.files import read_tables, write_text
    from ensembler.predictions.loading.load import load_predictions
    from ensembler.report.changes import changes_document, describe_changes

    check_seed(seed, 2)
    if rows is not None and rows.suffix != ".csv":
        raise UsageError(f"--rows {rows.name or '(nothing)'}: expected a file that ends in .csv")
    if first.resolve() == second.resolve():
        raise UsageError(f"{first} and {second} are the same file, expected two")
    folders = [path.resolve().parent for path in (first, second)]
    if first.stem == second.stem and folders[0] != folders[1]:
        with options.warnings_to_stderr(ignore=("one-member",)):
            parts = [
                load_predictions(
                    path, labels=labels, val=False, members=members, logits=logits, normalize=normalize, groups=groups
                )
                for path in (first, second)
            ]
        distinct = folders[0].name != folders[1].name
        data = side_by_side(parts, [folder.name if distinct else str(folder) for folder in folders])
        order = (0, 1)
    else:
        no_val: Path | bool = False
        data = options.load([first, second], labels, no_val, members, None, None, logits, normalize, None, groups)
        named = [table.name for table in read_tables(first)] if first.suffix == ".npz" else [first.stem]
        order = (0, 1) if data.names[0] in named else (1, 0)
    if data.n_members != 2:
        raise UsageError(f"expected two prediction files, got {data.n_members} members: {', '.join(data.names)}")
    names = (data.names[order[0]], data.names[order[1]])
    probas = (data.proba[order[0]], data.proba[order[1]])
    changes = compare_two(data, names, probas, hard=data.any_hard, seed=seed)
    if rows is not None:
        write_text(rows, change_frame(data, names, probas).to_csv(index=False))
    if as_json:
        print_json(describe_changes(changes, data, command_line()))
    else:
        print_document(changes_document(changes, data), as_markdown=as_markdown)
