"""``ensembler sample``."""

from pathlib import Path
from typing import Annotated

import typer


def sample(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)],
    published: Annotated[
        bool,
        typer.Option("--published", help="Nine published networks in place of the study's own."),
    ] = False,
) -> None:
    """Write the bundled FER2013 predictions into a folder: an example of the layout, ready to bench."""
    from ensembler.predictions.bundled import folder, published_folder, write_sample

    written = write_sample(directory, published_folder() if published else folder())
    typer.echo(f"wrote {len(written)} files into {directory}; try: ensembler bench {directory}/*.npy")
