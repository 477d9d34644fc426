"""``ensembler predict``."""

import glob
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ensembler.cli import options
from ensembler.cli.groups import Omit, expand
from ensembler.cli.output import tell, warnings_to_stderr
from ensembler.cli.program import complete_metric, complete_rule, one_of_these
from ensembler.cli.refusals import check_suffix, check_writable, only_one, refuse_given
from ensembler.errors import FileError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from ensembler.deployment.cascades.definition import CascadeDefinition
    from ensembler.deployment.recipe import Recipe
    from ensembler.predictions.loading.load import MemberSet
    from ensembler.predictions.prediction_set import Predictions


@expand
def predict(
    *,
    rules: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            metavar="RULE[:KEY=VALUE,…]",
            autocompletion=complete_rule,
            help="The rule to fit; `ensembler bench` says which.",
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(readable=False, metavar="FOLDER", help="Predictions of the same members for the rows to predict."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="ensemble.npy for probabilities, submission.csv (or .parquet) for id,label."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the fitted rule (.json), to be used without these predictions."),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            readable=False, metavar="FILE", help="Use a rule or a cascade that was saved, instead of fitting."
        ),
    ] = None,
    pending: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Of a cascade, where predictions of later members are missing: write the rows that need them (.csv).",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC",
            autocompletion=complete_metric,
            help="The metric that bench was given (default: accuracy), if the rule has one.",
        ),
    ] = None,
    proba: Annotated[
        bool,
        typer.Option("--proba", help="Write probabilities into the .csv, one column a class, in place of the label."),
    ] = False,
    like: Annotated[
        Path | None,
        typer.Option(readable=False, metavar="FILE", help="Write the columns of this sample submission (.csv)."),
    ] = None,
    fit_on: Annotated[
        str | None,
        typer.Option(
            metavar="val|test",
            autocompletion=one_of_these("val", "test"),
            help="Fit on the validation rows (default where there are some) or on the labelled rows beside them.",
        ),
    ] = None,
    calibrate: options.Calibrate = "none",
    balance: options.Balance = None,
    source: Annotated[options.Source, Omit("groups")],
) -> None:
    """Fit a rule on labelled predictions, or take one that was saved, and apply it to new rows of the same members."""
    from ensembler.combiners.balanced import Balanced
    from ensembler.comparison.compare import fit_rule
    from ensembler.deployment.cascades.definition import CascadeDefinition
    from ensembler.deployment.cascades.document import load_saved
    from ensembler.deployment.output import Prediction, write_prediction
    from ensembler.deployment.recipe import Recipe
    from ensembler.report.tables import count

    rule = only_one(rules, "--rule")
    check_target(source, to, out, with_proba=proba)
    sample = check_like(like, out, with_proba=proba)
    if recipe is not None:
        given = {"PATHS": source.paths, "--rule": rule, "--save": save, "--metric": metric, "--fit-on": fit_on}
        refuse_given(
            {**given, **fitting_options(source), "--calibrate": calibrate != "none", "--balance": balance},
            "with --recipe: the rule is fitted already",
        )
        if to is None or out is None:
            raise UsageError("--recipe needs rows to predict; give --to FOLDER and --out FILE")
        saved = load_saved(recipe)
        if isinstance(saved, CascadeDefinition):
            check_suffix(pending, "--pending", (".csv",))
            check_writable(pending)
            if pending is not None and pending.resolve() == out.resolve():
                raise UsageError(f"--pending {pending}: is the file of --out; choose another name")
            predict_by_cascade(saved, recipe, source, to, out, pending, with_proba=proba, like=sample)
            return
        refuse_given({"--pending": pending}, "with a recipe that is no cascade")
        predict_by_recipe(saved, recipe, source, to, out, with_proba=proba, like=sample)
        return
    refuse_given({"--pending": pending}, "without --recipe CASCADE")
    if rule is None:
        raise UsageError("which rule? give --rule RULE (`ensembler bench` says which one), or --recipe FILE")
    if to is None and save is None:
        raise UsageError("nothing to do with the fitted rule; give --to FOLDER and --out FILE, or --save FILE")
    if save is not None:
        check_save(save)
    shift = options.parse_balance(balance)
    data = load_fitting(source, fit_on)
    with warnings_to_stderr():
        new = None if to is None else load_new_rows(data, source, to)
        fitted_on = data.validation if data.validation is not None and fit_on != "test" else data
        if source.weights is not None and fitted_on.sample_weight is None:
            raise UsageError(
                f"--weights has no effect: the validation folder has no {source.weights.name} for the rows fitted on"
            )
        fitted = fit_rule(data, rule, fit_on, metric=metric or "accuracy", calibrate=calibrate, balance=shift)
    message = f"{rule}: fitted on {count(fitted_on.n_samples, 'row')}"
    if isinstance(fitted, Balanced):
        message += f", tau {fitted.tau_:g}"
    if save is not None:
        Recipe.of(fitted, fitted_on).save(save)
        message += f", saved as {save}{size_of(save)}"
    if new is not None and out is not None:
        scores = fitted.predict_proba(new.proba, missing=new.missing, check_input=False)
        write_prediction(out, Prediction(scores), new, with_proba=proba, like=sample)
        message += f", predicted {count(new.n_samples, 'row')}, wrote {out}"
    tell(message)


def check_target(source: options.Source, to: Path | None, out: Path | None, *, with_proba: bool) -> None:
    """Refuse, before the work, a prediction that could not be written after it."""
    from ensembler.deployment.output import check_destination

    if (to is None) != (out is None):
        raise UsageError("--to and --out belong together: the rows to predict, and where to; give both or neither")
    if to is not None and out is not None:
        labels = [source.labels] if source.labels is not None else []
        for path in (*(source.paths or []), to):
            check_there(path)
        check_destination(out, with_proba, [*(source.paths or []), to], labels)
        check_writable(out)
    elif with_proba:
        raise UsageError("--proba has no effect without --to and --out; drop it")


def check_there(path: Path) -> None:
    """Refuse a path that is not there, and no pattern."""
    from ensembler.predictions.loading.folder import exists
    from ensembler.predictions.loading.tables import split_key

    file, _ = split_key(path)
    if not glob.has_magic(str(path)) and not exists(file):
        raise FileError(f"{path}: no such file or folder")


def check_like(like: Path | None, out: Path | None, *, with_proba: bool) -> "pd.DataFrame | None":
    """Read a sample submission, before the work; refuse it where it has no effect."""
    if like is None:
        return None
    from ensembler.deployment.output import read_sample

    if out is None or out.suffix == ".npy":
        raise UsageError("--like has no effect without a table to write; give --out FILE.csv or .parquet")
    if with_proba:
        raise UsageError("--proba and --like exclude one another: the sample says what is written; drop one")
    return read_sample(like)


def check_save(save: Path, may_replace: Callable[[Path], bool] | None = None, kind: str = "recipe") -> None:
    """Refuse, before the work, a file that a recipe, or another such document, cannot be saved as."""
    from ensembler.deployment.recipe import is_recipe
    from ensembler.predictions.loading.class_space import METADATA_FILE

    if save.name == METADATA_FILE:
        raise UsageError(f"--save {save}: {METADATA_FILE} is read as the facts about members; choose another name")
    check_suffix(save, "--save", (".json",))
    check_writable(save)
    if save.exists() and not (may_replace or is_recipe)(save):
        raise UsageError(f"--save {save}: is there already and is no {kind}, so it stays; choose another name")


def size_of(path: Path) -> str:
    """Return the size of a file that is not small, in brackets: rules that keep their fitting rows make such files."""
    megabytes = path.stat().st_size / 1e6
    return f" ({megabytes:.1f} MB)" if megabytes >= 1 else ""


def fitting_options(source: options.Source) -> dict[str, object]:
    """Return, by name, the options that only the rows fitted on have."""
    return {
        "--val": source.val,
        "--labels": source.labels,
        "--members": source.members,
        "--only": source.only,
        "--without": source.without,
        "--weights": source.weights,
    }


def load_fitting(source: options.Source, fit_on: str | None) -> "Predictions":
    """Load the labelled rows that the rule is fitted on."""
    if source.val is not None and fit_on == "test":
        raise UsageError("--val has no effect with --fit-on test; drop one of them")
    return source.load(validation={"test": False, "val": True}.get(fit_on or ""))


def load_new_rows(
    like: "MemberSet", source: options.Source, folder: Path, needed: Sequence[int] | None = None
) -> "Predictions":
    """Load the rows to predict, with the same members and the same kind of numbers."""
    from ensembler.predictions.loading.load import load_rows_like

    return load_rows_like(
        like, folder, logits=source.logits, normalize=source.normalize, needed=needed, columns=source.columns
    )


def predict_by_cascade(
    saved: "CascadeDefinition",
    path: Path,
    source: options.Source,
    to: Path,
    out: Path,
    pending: Path | None,
    *,
    with_proba: bool,
    like: "pd.DataFrame | None",
) -> None:
    """Send new rows through a cascade, whose later members are read where rows are left for them."""
    from ensembler.deployment.cascades.cascade import Cascade
    from ensembler.deployment.cascades.files import run_on_files
    from ensembler.deployment.output import Prediction, write_prediction
    from ensembler.report.cascade import percent
    from ensembler.report.tables import count

    cascade = Cascade(**vars(saved))
    with warnings_to_stderr():
        result = run_on_files(
            cascade, lambda members: load_new_rows(cascade.recipe, source, to, members), may_wait=pending is not None
        )
    run, rows = result.run, result.rows
    write_prediction(out, Prediction(run.proba), rows, with_proba=with_proba, like=like)
    if pending is not None:
        result.write_pending(pending)
    asked = ", then ".join(
        f"{', '.join(cascade.names[member] for member in cascade.added(stage))} {count:,}"
        for stage, count in enumerate(run.reached)
        if count
    )
    cost = "" if result.waiting_for else f" at {percent(run.cost_share)} of the cost of all members"
    tell(f"{path}: predicted {count(rows.n_samples, 'row')}{cost} (rows asked of {asked}), wrote {out}")
    if pending is not None:
        tell(result.describe_pending(pending))


def predict_by_recipe(
    recipe: "Recipe",
    path: Path,
    source: options.Source,
    to: Path,
    out: Path,
    *,
    with_proba: bool,
    like: "pd.DataFrame | None",
) -> None:
    """Apply a rule that was saved to new rows."""
    from ensembler.deployment.output import beside, separator_of, write_prediction
    from ensembler.report.tables import count

    plain = recipe.abstention is None and recipe.prediction_sets is None
    if like is not None and not plain:
        more = "rows without an answer" if recipe.abstention is not None else "prediction sets"
        raise UsageError(f"--like: a sample submission has no place for the {more} of {path}; drop it")
    also = None if plain or out.suffix != ".npy" else beside(out)
    check_writable(also)
    with warnings_to_stderr():
        rows = load_new_rows(recipe, source, to, recipe.members_read)
    if recipe.prediction_sets is not None:
        separator_of(rows.classes)
    found = recipe.answer(rows.proba, recipe.predict_rows(rows.proba, rows.missing), rows.missing)
    write_prediction(out, found, rows, with_proba=with_proba, like=like)
    message = f"{recipe.rule.name} of {path}: predicted {count(rows.n_samples, 'row')}"
    if found.answered is not None:
        message += f", {int((~found.answered).sum()):,} of them left without an answer"
    if found.sets is not None:
        message += f", sets of {found.sets.sum(axis=1).mean():.2f} classes on average"
    tell(f"{message}, wrote {out}{'' if also is None else f' and {also}'}")
