"""``ensembler sample``."""

from pathlib import Path
from typing import Annotated

import typer

from ensembler.errors import UsageError


def sample(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)],
    published: Annotated[
        bool,
        typer.Option("--published", help="Nine published networks in place of the study's own."),
    ] = False,
    pool: Annotated[
        bool,
        typer.Option("--pool", help="72 networks that differ in architecture, input, width and seed."),
    ] = False,
) -> None:
    """Write the bundled FER2013 predictions into a folder: an example of the layout, ready to bench."""
    from ensembler.predictions.bundled import folder, pool_folder, published_folder, write_sample

    if published and pool:
        raise UsageError("--published and --pool are two sets; give one of them")
    home = published_folder() if published else pool_folder() if pool else folder()
    written = write_sample(directory, home)
    typer.echo(f"wrote {len(written)} files into {directory}; try: ensembler bench {directory}/*.npy")
