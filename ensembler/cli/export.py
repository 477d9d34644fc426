"""``ensembler export``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ensembler.cli.program import one_of_these
from ensembler.cli.refusals import check_suffix, check_writable
from ensembler.errors import UnknownNameError


def export(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="A rule that `ensembler predict --save` wrote.", show_default=False)
    ],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="python|onnx|sklearn",
            autocompletion=one_of_these("python", "onnx", "sklearn"),
            help="A program of NumPy only (.py), an ONNX graph (.onnx), or a scikit-learn classifier (.joblib).",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write: ensemble.py, .onnx or .joblib.")],
) -> None:
    """Write a saved ensemble in a form that other programs use without ensembler."""
    from ensembler.deployment.export.files import FORMATS
    from ensembler.deployment.recipe import Recipe

    if form not in FORMATS:
        raise UnknownNameError("format", form, FORMATS)
    suffix, write = FORMATS[form]
    check_suffix(out, "--out", (suffix,))
    check_writable(out)
    ensemble = Recipe.load(recipe)
    write(ensemble, out)
    sys.stderr.write(f"{ensemble.rule.name} of {recipe}: {ensemble.n_members} members as {form}, wrote {out}\n")
