"""``ensembler predict``."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ensembler.cli import options
from ensembler.errors import UsageError


def predict(
    paths: options.Paths = None,
    rules: Annotated[
        list[str] | None,
        typer.Option("--rule", metavar="RULE[:KEY=VALUE,…]", help="The rule to fit; `ensembler bench` says which."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(readable=False, metavar="FOLDER", help="Predictions of the same members for the rows to predict."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="ensemble.npy for probabilities, submission.csv for id,label."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the fitted rule (.json), to be used without these predictions."),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(readable=False, metavar="FILE", help="Use a rule that was saved, instead of fitting.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC", help="The metric that bench was given (default: accuracy), if the rule has one."
        ),
    ] = None,
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
    """Fit a rule on labelled predictions, or take one that was saved, and apply it to new rows of the same members."""
    from ensembler.comparison.compare import fit_rule
    from ensembler.deployment.output import check_destination, write_prediction
    from ensembler.deployment.recipe import Recipe, is_recipe
    from ensembler.predictions.loading.folder import METADATA_FILE
    from ensembler.predictions.loading.load import load_rows_like

    rule = options.only_one(rules, "--rule")
    if (to is None) != (out is None):
        raise UsageError("--to and --out belong together: the rows to predict, and where to; give both or neither")
    if to is not None and out is not None:
        check_destination(out, proba, [*(paths or []), to], [labels] if labels is not None else [])
    elif proba:
        raise UsageError("--proba has no effect without --to and --out; drop it")
    if recipe is not None:
        given = {"PATHS": paths, "--rule": rule, "--save": save, "--metric": metric, "--fit-on": fit_on, "--val": val}
        more = {"--labels": labels, "--members": members, "--only": only, "--without": without, "--weights": weights}
        refuse_with_recipe({**given, **more, "--calibrate": calibrate != "none"})
        if to is None or out is None:
            raise UsageError("--recipe needs rows to predict; give --to FOLDER and --out FILE")
        saved = Recipe.load(recipe)
        with options.warnings_to_stderr():
            rows = load_rows_like(saved, to, logits=logits, normalize=normalize)
        write_prediction(out, saved.rule.predict_proba(rows.proba, check_input=False), rows, with_proba=proba)
        sys.stderr.write(f"{saved.rule.name} of {recipe}: predicted {rows.n_samples:,} rows, wrote {out}\n")
        return
    if rule is None:
        raise UsageError("which rule? give --rule RULE (`ensembler bench` says which one), or --recipe FILE")
    if to is None and save is None:
        raise UsageError("nothing to do with the fitted rule; give --to FOLDER and --out FILE, or --save FILE")
    if save is not None:
        if save.name == METADATA_FILE:
            raise UsageError(f"--save {save}: {METADATA_FILE} is read as the facts about members; choose another name")
        if save.suffix != ".json":
            raise UsageError(f"--save {save.name or '(nothing)'}: expected a file that ends in .json")
        options.check_writable(save)
        if save.exists() and not is_recipe(save):
            raise UsageError(f"--save {save}: is there already and is no recipe, so it stays; choose another name")
    if val is not None and fit_on == "test":
        raise UsageError("--val has no effect with --fit-on test; drop one of them")
    wanted = False if fit_on == "test" else (True if fit_on == "val" else None)
    data = options.load(
        paths, labels, val if val is not None else wanted, members, only, without, logits, normalize, weights
    )
    with options.warnings_to_stderr():
        new = None if to is None else load_rows_like(data, to, logits=logits, normalize=normalize)
        fitted_on = data.validation if data.validation is not None and fit_on != "test" else data
        if weights is not None and fitted_on.sample_weight is None:
            raise UsageError(
                f"--weights has no effect: the validation folder has no {weights.name} for the rows fitted on"
            )
        fitted = fit_rule(data, rule, fit_on, metric=metric or "accuracy", calibrate=calibrate)
    told = f"{rule}: fitted on {fitted_on.n_samples:,} rows"
    if save is not None:
        Recipe.of(fitted, fitted_on).save(save)
        told += f", saved as {save}"
    if new is not None and out is not None:
        scores = fitted.predict_proba(new.proba, check_input=False)
        write_prediction(out, scores, new, with_proba=proba)
        told += f", predicted {new.n_samples:,} rows, wrote {out}"
    sys.stderr.write(told + "\n")


def refuse_with_recipe(given: dict[str, Any]) -> None:
    """Refuse options that only a fit would use."""
    for name, value in given.items():
        if value:
            raise UsageError(f"{name} has no effect with --recipe: the rule is fitted already; drop one of them")
