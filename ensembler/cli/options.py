"""Arguments and options that several commands share, and the prediction set they lead to."""

import importlib.util
import os
import sys
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from ensembler.errors import EnsemblerWarning, UsageError

if TYPE_CHECKING:
    from ensembler.predictions.prediction_set import Predictions

INPUT = "Input"
PROTOCOL = "Protocol"
OUTPUT = "Output"

Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Prediction files (.npy, .npz, .csv, .parquet), folders or patterns; one member a file.",
        show_default=False,
        readable=False,
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(readable=False, help="Labels; by default labels.npy beside the members.", rich_help_panel=INPUT),
]
Val = Annotated[
    Path | None,
    typer.Option(
        readable=False,
        help="Folder with the same members on validation rows; by default val/ beside them.",
        rich_help_panel=INPUT,
    ),
]
Members = Annotated[
    Path | None,
    typer.Option(
        readable=False,
        help="Class names and member metadata; by default members.json beside the members.",
        rich_help_panel=INPUT,
    ),
]
Only = Annotated[
    list[str] | None, typer.Option(metavar="PATTERN", help="Use only members of such names.", rich_help_panel=INPUT)
]
Without = Annotated[
    list[str] | None, typer.Option(metavar="PATTERN", help="Leave out members of such names.", rich_help_panel=INPUT)
]
Logits = Annotated[
    bool, typer.Option("--logits", help="The files hold logits: apply a softmax.", rich_help_panel=INPUT)
]
Normalize = Annotated[bool, typer.Option("--normalize", help="Divide each row by its sum.", rich_help_panel=INPUT)]
Weights = Annotated[
    Path | None,
    typer.Option(
        readable=False,
        help="Row weights; a file of the same name in the validation folder weighs its rows.",
        rich_help_panel=INPUT,
    ),
]
Groups = Annotated[
    Path | None,
    typer.Option(readable=False, help="A group for each row; folds never divide a group.", rich_help_panel=INPUT),
]
Rules = Annotated[
    list[str] | None,
    typer.Option(
        metavar="RULE[:KEY=VALUE,…]",
        help="Compare only this rule; repeatable. `ensembler list` shows all.",
        rich_help_panel=PROTOCOL,
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        metavar="METRIC",
        help="Rank and choose by this metric (default: accuracy); further ones are shown.",
        rich_help_panel=PROTOCOL,
    ),
]
FitOn = Annotated[
    str | None,
    typer.Option(
        metavar="val|cross|part|test",
        help="Where weights are fitted: validation rows (default where there are some), cross-fitting "
        "(default otherwise), a part of the rows, or the scored rows themselves (optimistic).",
        rich_help_panel=PROTOCOL,
    ),
]
Part = Annotated[
    float | None,
    typer.Option(
        metavar="FRACTION",
        help="Share of the rows to fit on, with --fit-on part (default: 0.5).",
        rich_help_panel=PROTOCOL,
    ),
]
Folds = Annotated[int, typer.Option(help="Number of folds wherever there are folds.", rich_help_panel=PROTOCOL)]
Seed = Annotated[int, typer.Option(help="Divides and resamples the rows.", rich_help_panel=PROTOCOL)]
Resamples = Annotated[
    int | None,
    typer.Option(
        help="Bootstrap samples behind intervals (default: 2000); 0 leaves them out.", rich_help_panel=PROTOCOL
    ),
]
Calibrate = Annotated[
    str,
    typer.Option(
        metavar="none|members|ensemble",
        help="Fit a temperature to each member, or to the result, on the rows that rules are fitted on.",
        rich_help_panel=PROTOCOL,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document and nothing else.", rich_help_panel=OUTPUT)
]
AsMarkdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown.", rich_help_panel=OUTPUT)]


def fitting_rows(fit_on: str | None, part: float | None, val: Path | None) -> tuple[str | None, Path | bool | None]:
    """Return where weights are fitted and which validation rows to load; refuse rows that nothing is fitted on."""
    from ensembler.comparison.protocol import check_fit_on

    fit_on = check_fit_on(fit_on, part)
    if fit_on in (None, "val"):
        return fit_on, val if val is not None else (True if fit_on == "val" else None)
    if val is not None:
        raise UsageError(f"--val has no effect with --fit-on {fit_on}; drop one of them")
    return fit_on, False


def only_one(values: list[str] | None, option: str) -> str | None:
    """Return the value of an option that can be given once; of two, the first would be lost without a word."""
    if values is not None and len(values) > 1:
        raise UsageError(f"{option} is given {len(values)} times ({', '.join(values)}), expected once")
    return values[0] if values else None


def check_writable(path: Path) -> None:
    """Refuse, before long work, a file that could not be written after it."""
    home = next(parent for parent in (path.parent, *path.parent.parents) if parent.exists())
    if path.is_dir() or not home.is_dir() or not os.access(home, os.W_OK):
        raise UsageError(f"{path}: cannot be written; give another file")


def require_module(name: str, extra: str) -> None:
    """Refuse what a package is missing for."""
    if importlib.util.find_spec(name) is None:
        raise UsageError(f"{name} is not installed; pip install 'ensembler-bench[{extra}]'")


@contextmanager
def warnings_to_stderr(ignore: Collection[str] = ()) -> Iterator[None]:
    """Print our own warnings as one line each, but for findings of these codes; leave all others to Python."""
    original = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if getattr(message, "code", None) in ignore:
            return
        if issubclass(category, EnsemblerWarning):
            sys.stderr.write(f"warning: {message}\n")
        else:
            original(message, category, filename, lineno, file, line)

    with warnings.catch_warnings():
        warnings.simplefilter("always", EnsemblerWarning)
        warnings.showwarning = show
        yield


def load(
    paths: list[Path] | None,
    labels: Path | None,
    val: Path | bool | None,
    members: Path | None,
    only: list[str] | None,
    without: list[str] | None,
    logits: bool,
    normalize: bool,
    weights: Path | None = None,
    groups: Path | None = None,
) -> "Predictions":
    """Load the prediction set that the shared options describe, telling on stderr where it comes from by default."""
    from ensembler.predictions.loading.folder import default_source
    from ensembler.predictions.loading.load import load_predictions

    if not paths:
        folder, message = default_source()
        sys.stderr.write(f"{message}\n")
        paths = [folder]
    with warnings_to_stderr():
        return load_predictions(
            *paths,
            labels=labels,
            val=val,
            members=members,
            only=only or (),
            without=without or (),
            logits=logits,
            normalize=normalize,
            weights=weights,
            groups=groups,
        )
