"""``ensembler predict``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ensembler.cli import options


def predict(
    rule: Annotated[
        str,
        typer.Option(
            metavar="RULE[:KEY=VALUE,…]", help="The rule to use; `ensembler bench` says which.", show_default=False
        ),
    ],
    to: Annotated[
        Path,
        typer.Option(
            readable=False,
            metavar="FOLDER",
            help="Predictions of the same members for the rows to predict.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="ensemble.npy for probabilities, submission.csv for id,label.", show_default=False
        ),
    ],
    paths: options.Paths = None,
    metric: Annotated[
        str, typer.Option(metavar="METRIC", help="The metric that bench was given; greedy and best-member use it.")
    ] = "accuracy",
    proba: Annotated[
        bool, typer.Option("--proba", help="Write probabilities into the .csv too, one column a class.")
    ] = False,
    fit_on: Annotated[
        str | None,
        typer.Option(
            metavar="val|test",
            help="Fit on the validation rows (default where there are some) or on the labelled rows beside them.",
        ),
    ] = None,
    calibrate: options.Calibrate = "none",
    labels: options.Labels = None,
    val: options.Val = None,
    members: options.Members = None,
    only: options.Only = None,
    without: options.Without = None,
    logits: options.Logits = False,
    normalize: options.Normalize = False,
    weights: options.Weights = None,
) -> None:
    """Fit a rule on labelled predictions and apply it to new rows of the same members."""
    from ensembler.comparison import fit_rule
    from ensembler.errors import UsageError
    from ensembler.loading import load_rows_like
    from ensembler.prediction import check_destination, write_prediction

    check_destination(out, proba, [*(paths or []), to, *([labels] if labels is not None else [])])
    if val is not None and fit_on == "test":
        raise UsageError("--val has no effect with --fit-on test; drop one of them")
    wanted = False if fit_on == "test" else (True if fit_on == "val" else None)
    data = options.load(
        paths, labels, val if val is not None else wanted, members, only, without, logits, normalize, weights
    )
    with options.warnings_to_stderr():
        new = load_rows_like(data, to, logits=logits, normalize=normalize)
        fitting = data.validation if data.validation is not None and fit_on != "test" else data
        if weights is not None and fitting.sample_weight is None:
            raise UsageError(
                f"--weights has no effect: the validation folder has no {weights.name} for the rows fitted on"
            )
        fitted = fit_rule(data, rule, fit_on, metric=metric, calibrate=calibrate)
    scores = fitted.predict_proba(new.proba, check_input=False)
    write_prediction(out, scores, new, with_proba=proba)
    sys.stderr.write(f"{rule}: fitted on {fitting.n_samples:,} rows, predicted {new.n_samples:,} rows, wrote {out}\n")
