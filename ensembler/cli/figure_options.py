"""Figures as files beside a result."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ensembler.cli import options
from ensembler.cli.program import one_of_these
from ensembler.cli.refusals import check_writable, require_module
from ensembler.errors import UnknownNameError, UsageError


@dataclass(frozen=True)
class Figures:
    """Where every figure is written, and in which format."""

    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Also write every figure into this folder, fit for a paper.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None
    figure_format: Annotated[
        str | None,
        typer.Option(
            metavar="svg|png|pdf",
            autocompletion=one_of_these("svg", "png", "pdf"),
            help="Format of these figures (default: svg).",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None

    @property
    def suffix(self) -> str:
        """The format of the files."""
        return self.figure_format or "svg"

    def check(self) -> None:
        """Refuse, before the work, figures that could not be written after it."""
        from ensembler.report.figures.drawing import FORMATS

        folder = self.figures
        if self.figure_format is not None and folder is None:
            raise UsageError("--figure-format has no effect without --figures DIR; give both or neither")
        if self.figure_format is not None and self.figure_format not in FORMATS:
            raise UnknownNameError("value of --figure-format", self.figure_format, FORMATS)
        if folder is not None:
            require_module("matplotlib", "report")
            if folder.exists() and not folder.is_dir():
                raise UsageError(f"--figures {folder}: is a file, expected a folder")
            check_writable(folder / "figure")
