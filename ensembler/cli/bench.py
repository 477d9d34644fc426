"""``ensembler bench``."""

from pathlib import Path
from typing import Annotated

import typer

from ensembler.cli import options
from ensembler.cli.output import command_line, one_of, print_document, print_json, progress
from ensembler.errors import UsageError


def bench(
    paths: options.Paths = None,
    rule: options.Rules = None,
    metric: options.Metrics = None,
    fit_on: options.FitOn = None,
    part: options.Part = None,
    folds: options.Folds = 5,
    seed: options.Seed = 0,
    resamples: options.Resamples = None,
    letters: Annotated[
        bool, typer.Option("--letters", help="Compare all pairs of rules as well.", rich_help_panel=options.PROTOCOL)
    ] = False,
    calibrate: options.Calibrate = "none",
    labels: options.Labels = None,
    val: options.Val = None,
    members: options.Members = None,
    only: options.Only = None,
    without: options.Without = None,
    logits: options.Logits = False,
    normalize: options.Normalize = False,
    weights: options.Weights = None,
    groups: options.Groups = None,
    as_json: options.AsJson = False,
    as_markdown: options.AsMarkdown = False,
    reliability: Annotated[
        Path | None,
        typer.Option(
            help="Also draw reliability diagrams (.png, .svg, .pdf) of the best member, the mean and leading rules.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Also write rules and members as a table.", rich_help_panel=options.OUTPUT)
    ] = None,
) -> None:
    """Compare every combination rule on one prediction set, and say which one to use.

    Weights are fitted on validation rows or by cross-fitting, never on the rows that are scored unless you ask for it.
    """
    one_of(json=as_json, markdown=as_markdown)
    from ensembler.comparison.compare import compare_rules
    from ensembler.metrics.bootstrap import RESAMPLES
    from ensembler.predictions.files import write_text
    from ensembler.report.bench import bench_document

    if csv is not None and csv.suffix != ".csv":
        raise UsageError(f"--csv {csv.name or '(nothing)'}: expected a file that ends in .csv")
    if reliability is not None:
        from ensembler.report.figures.drawing import check_format

        check_format(reliability)
    fit_on, wanted = options.fitting_rows(fit_on, part, val)
    data = options.load(paths, labels, wanted, members, only, without, logits, normalize, weights, groups)
    if reliability is not None and data.any_hard:
        raise UsageError("--reliability needs probabilities, and some members are hard labels; drop it")
    with options.warnings_to_stderr(), progress("fitting") as show:
        result = compare_rules(
            data,
            rule or None,
            metric=metric or "accuracy",
            fit_on=fit_on,
            folds=folds,
            part=part,
            seed=seed,
            n_resamples=RESAMPLES if resamples is None else resamples,
            letters=letters,
            calibrate=calibrate,
            progress=show,
        )
    if reliability is not None:
        from ensembler.report.figures.diagrams import Diagrams, reliability_panels
        from ensembler.report.figures.drawing import draw_for_file, save_figure

        save_figure(draw_for_file(Diagrams(reliability_panels(result))), reliability)
    if csv is not None:
        write_text(csv, result.to_frame().to_csv(index=False))
    if as_json:
        print_json(result.to_dict(command_line()))
    else:
        print_document(bench_document(result), as_markdown=as_markdown)
