"""Options that several commands share, in three groups: where predictions come from, the protocol, and the output."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ensembler.cli.output import print_document, print_json, tell, warnings_to_stderr
from ensembler.cli.program import complete_metric, complete_rule, one_of_these
from ensembler.cli.refusals import one_of
from ensembler.errors import UsageError

if TYPE_CHECKING:
    from ensembler.predictions.loading.options import Columns
    from ensembler.predictions.prediction_set import Predictions
    from ensembler.report.tables import Document

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
    typer.Option(
        readable=False,
        help="Labels (also file.npz#key); by default labels.npy beside the members.",
        rich_help_panel=INPUT,
    ),
]
Val = Annotated[
    Path | None,
    typer.Option(
        readable=False,
        help="Folder or pattern of the same members on validation rows; by default val/ beside them.",
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
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Use only members whose names match; repeatable.", rich_help_panel=INPUT),
]
Without = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Leave out members whose names match; repeatable.", rich_help_panel=INPUT),
]
Logits = Annotated[
    bool, typer.Option("--logits", help="The files hold logits: apply a softmax.", rich_help_panel=INPUT)
]
Normalize = Annotated[bool, typer.Option("--normalize", help="Divide each row by its sum.", rich_help_panel=INPUT)]
IdColumn = Annotated[
    str | None,
    typer.Option(
        "--id", metavar="COLUMN", help="Column of tables that names the rows (default: id).", rich_help_panel=INPUT
    ),
]
ProbaColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--proba-column",
        metavar="NAME",
        help="Column of probabilities in tables; repeatable, where other columns are something else.",
        rich_help_panel=INPUT,
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        "--label-column",
        metavar="NAME",
        help="Column of true classes, in the members' tables or in the file of labels.",
        rich_help_panel=INPUT,
    ),
]
DropColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--drop-column", metavar="NAME", help="Column of tables that is not read; repeatable.", rich_help_panel=INPUT
    ),
]
MaxBytes = Annotated[
    int | None,
    typer.Option(
        help="What an .npz archive may unpack to (default: 1 GiB, or four times its size).", rich_help_panel=INPUT
    ),
]
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
    typer.Option(
        readable=False,
        help="A group for each row; folds never divide a group. A file of the same name in the validation folder "
        "groups its rows.",
        rich_help_panel=INPUT,
    ),
]
Rules = Annotated[
    list[str] | None,
    typer.Option(
        metavar="RULE[:KEY=VALUE,…]",
        autocompletion=complete_rule,
        help="Compare only this rule, or those of a family (fixed, weighted, voting, pooled, trainable, dynamic, "
        "stacked), or all; repeatable. `ensembler list` shows them.",
        rich_help_panel=PROTOCOL,
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        metavar="METRIC",
        autocompletion=complete_metric,
        help="Rank and choose by this metric (default: accuracy); further ones are shown.",
        rich_help_panel=PROTOCOL,
    ),
]
FitOn = Annotated[
    str | None,
    typer.Option(
        metavar="val|cross|part|test",
        autocompletion=one_of_these("val", "cross", "part", "test"),
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
Seed = Annotated[int, typer.Option(help="Random seed of folds and bootstrap.", rich_help_panel=PROTOCOL)]
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
        autocompletion=one_of_these("none", "members", "ensemble"),
        help="Fit a temperature to each member, or to the result, on the rows that rules are fitted on.",
        rich_help_panel=PROTOCOL,
    ),
]
Balance = Annotated[
    str | None,
    typer.Option(
        metavar="TAU|auto",
        help="Subtract TAU times the log class prior from log probabilities, in favour of rare classes; "
        "auto fits TAU on the rows that rules are fitted on, for balanced accuracy (or macro-f1, if that ranks).",
        rich_help_panel=PROTOCOL,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document and nothing else.", rich_help_panel=OUTPUT)
]
AsMarkdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown.", rich_help_panel=OUTPUT)]


def parse_balance(text: str | None) -> Any:
    """Return --balance as a number where it is one, refusing what no shift can be."""
    from ensembler.comparison.candidates import check_balance

    try:
        balance: Any = None if text is None else float(text)
    except ValueError:
        balance = text
    check_balance(balance)
    return balance


@dataclass(frozen=True)
class Source:
    """Where a prediction set comes from."""

    paths: Paths = None
    labels: Labels = None
    val: Val = None
    members: Members = None
    only: Only = None
    without: Without = None
    logits: Logits = False
    normalize: Normalize = False
    id_column: IdColumn = None
    proba_columns: ProbaColumns = None
    label_column: LabelColumn = None
    drop_columns: DropColumns = None
    max_bytes: MaxBytes = None
    weights: Weights = None
    groups: Groups = None

    @property
    def columns(self) -> "Columns":
        """Which columns of tables hold what."""
        from ensembler.predictions.loading.options import Columns

        return Columns(
            self.id_column, tuple(self.proba_columns or ()), self.label_column, tuple(self.drop_columns or ())
        )

    def files(self) -> list[Path]:
        """Return the paths given, or the folder that is read without any, which is then told on stderr."""
        from ensembler.predictions.loading.folder import default_source

        if self.paths:
            return self.paths
        folder, message = default_source()
        tell(f"{message}")
        return [folder]

    def refuse_as_target(self, **targets: Path | None) -> None:
        """Refuse, by the names of their options, to write files that are read; before any work."""
        from ensembler.predictions.files import refuse_input

        others = [path for path in (self.labels, self.members, self.weights, self.groups) if path is not None]
        read = [*(self.paths or []), *([] if self.val is None else [self.val])]
        for name, path in targets.items():
            if path is not None:
                refuse_input(path, f"--{name}", read, others)

    def load(
        self, validation: bool | None = None, *, ignore: Collection[str] = (), labelled: bool = True, half: bool = False
    ) -> "Predictions":
        """Load the prediction set.

        Parameters
        ----------
        validation : bool, optional
            Whether validation rows must be there (True) or stay unread (False); by default they are read if there.
        ignore : collection of str
            Codes of findings that are not warned of.
        labelled : bool
            Whether labels must be there.
        half : bool
            Whether float16 is kept.
        """
        from ensembler.predictions.loading.load import load_predictions

        files = self.files()
        with warnings_to_stderr(ignore):
            return load_predictions(
                *files,
                labels=self.labels,
                val=validation if self.val is None else self.val,
                members=self.members,
                only=self.only or (),
                without=self.without or (),
                logits=self.logits,
                normalize=self.normalize,
                weights=self.weights,
                groups=self.groups,
                columns=self.columns,
                max_bytes=self.max_bytes,
                labelled=labelled,
                half=half,
            )


@dataclass(frozen=True)
class Protocol:
    """Which rows weights are fitted on, and which are scored."""

    fit_on: FitOn = None
    part: Part = None
    folds: Folds = 5
    seed: Seed = 0

    def load(self, source: Source, *, half: bool = False) -> "Predictions":
        """Load a prediction set with the validation rows that are fitted on; refuse others, which have no effect.

        ``half`` keeps float16.
        """
        fit_on = self.arguments()["fit_on"]
        if fit_on in (None, "val"):
            return source.load(validation=True if fit_on == "val" else None, half=half)
        if source.val is not None:
            raise UsageError(f"--val has no effect with --fit-on {fit_on}; drop one of them")
        return source.load(validation=False, half=half)

    def arguments(self) -> dict[str, Any]:
        """Return the protocol as arguments of a comparison, a sweep, a search or a survey."""
        from ensembler.comparison.protocol import check_fit_on

        fit_on = check_fit_on(self.fit_on, self.part)
        return {"fit_on": fit_on, "folds": self.folds, "part": self.part, "seed": self.seed}


@dataclass(frozen=True)
class Output:
    """In which form the result is printed."""

    as_json: AsJson = False
    as_markdown: AsMarkdown = False

    def __post_init__(self) -> None:
        one_of(json=self.as_json, markdown=self.as_markdown)

    def print(self, describe: Callable[[], Any], arrange: Callable[[], "Document"]) -> None:
        """Print plain values as JSON, or tables for reading or as Markdown; only what is printed is made."""
        if self.as_json:
            print_json(describe())
        else:
            print_document(arrange(), as_markdown=self.as_markdown)
