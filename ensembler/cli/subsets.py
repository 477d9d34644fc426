"""``ensembler subsets``."""

import hashlib
import re
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ensembler.cli import options
from ensembler.cli.output import command_line, one_of, print_document, print_json, progress
from ensembler.errors import ParameterError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from ensembler.predictions.prediction_set import Predictions
    from ensembler.subsets.request import Estimate
    from ensembler.subsets.results import SubsetStudy

WORK = "Work"
SECONDS_TO_ASK = 600
SEARCHES = ("exact", "greedy", "beam")
BACKENDS = ("local", "dask")
MOST_TABLE_ROWS = 2**24


def subsets(
    paths: options.Paths = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE[:KEY=VALUE,…]",
            help="Sweep this rule (default: mean); repeatable. Additive rules are exact and fast, others are refitted.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = None,
    k: Annotated[
        str | None,
        typer.Option(
            "--k", metavar="K|A-B", help="Only committees of so many members.", rich_help_panel=options.PROTOCOL
        ),
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            metavar="accuracy|balanced-accuracy|brier|log-loss",
            help="Rank and choose by.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = "accuracy",
    must: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A member that every committee has; repeatable.", rich_help_panel=options.PROTOCOL
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A member that no committee has; repeatable.", rich_help_panel=options.PROTOCOL
        ),
    ] = None,
    freeze_weights: Annotated[
        bool,
        typer.Option(
            "--freeze-weights",
            help="Fit class- and exponential-weighted once on all members, which makes them exact and fast.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = False,
    calibrate: Annotated[
        str,
        typer.Option(
            metavar="none|members",
            help="Fit a temperature to each member, on the rows that weights are fitted on.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = "none",
    fit_on: Annotated[
        str | None,
        typer.Option(
            metavar="val|cross|part|test",
            help="Where weights are fitted and a committee is chosen, as in bench.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = None,
    part: options.Part = None,
    folds: options.Folds = 5,
    seed: options.Seed = 0,
    search: Annotated[
        str,
        typer.Option(
            metavar="exact|greedy|beam",
            help="Look at every committee, or grow good ones where there are too many.",
            rich_help_panel=WORK,
        ),
    ] = "exact",
    width: Annotated[
        int | None,
        typer.Option(help="Committees kept of each size by --search beam (default: 16).", rich_help_panel=WORK),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Threads (default: one a core); changes no figure.", rich_help_panel=WORK)
    ] = None,
    backend: Annotated[
        str, typer.Option(metavar="local|dask", help="Where shards are evaluated.", rich_help_panel=WORK)
    ] = "local",
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Of a running Dask cluster, with --backend dask.", rich_help_panel=WORK),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keep the state there: killed at any moment, the same command goes on.",
            rich_help_panel=WORK,
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Start without asking, however long it takes.", rich_help_panel=WORK)
    ] = False,
    top: Annotated[
        int | None, typer.Option(help="How many committees are listed (default: 10).", rich_help_panel=options.OUTPUT)
    ] = None,
    labels: options.Labels = None,
    val: options.Val = None,
    members: options.Members = None,
    only: options.Only = None,
    without: options.Without = None,
    logits: options.Logits = False,
    normalize: options.Normalize = False,
    groups: options.Groups = None,
    as_json: options.AsJson = False,
    as_markdown: options.AsMarkdown = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write one row a committee (.csv, .parquet).", rich_help_panel=options.OUTPUT),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Also draw the metric against committee size (.png, .svg, .pdf); one file a rule.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
) -> None:
    """Evaluate every committee of the members exactly, choose one without the scored rows, and say what it teaches.

    Weights are fitted, and a committee is chosen, on validation rows or by cross-fitting.
    """
    one_of(json=as_json, markdown=as_markdown)
    check_choices(search, width, backend, scheduler, metric, jobs)
    if search != "exact":
        given = {"--checkpoint": checkpoint, "--out": out, "--plot": plot, "--jobs": jobs, "--top": top, "--yes": yes}
        refuse_with_search(search, {**given, "--scheduler": scheduler})
    check_targets(out, plot)
    fit_on, wanted = options.fitting_rows(fit_on, part, val)
    data = options.load(paths, labels, wanted, members, only, without, logits, normalize, None, groups)
    data = exclude_members(data, exclude or [], must or [])
    sizes = parse_sizes(k, data.n_members)
    shared: dict[str, Any] = {
        "sizes": sizes,
        "must": must or [],
        "freeze": freeze_weights,
        "calibrate": calibrate,
        "fit_on": fit_on,
        "folds": folds,
        "part": part,
        "seed": seed,
    }
    rules = rule or ["mean"]
    if len(set(rules)) < len(rules):
        raise UsageError("a rule is given twice; drop one")
    if search != "exact":
        run_search(data, rules, 1 if search == "greedy" else width or 16, shared, as_json, as_markdown)
        return
    from ensembler.subsets.study import study_subsets

    listed = 10 if top is None else top
    if out is not None:
        refuse_long_table(data, sizes, must or [], len(rules), yes)
    workers = choose_workers(backend, scheduler, jobs)
    with (
        options.warnings_to_stderr(),
        progress("sweeping") as show,
        checkpointed(checkpoint, data, rules, metric, listed, out is not None, shared) as store,
    ):

        def before(estimate: "Estimate") -> None:
            ask(estimate, jobs, backend, yes=yes)

        study = study_subsets(
            data,
            rules,
            metric=metric,
            top=listed,
            workers=workers,
            store=store,
            progress=show,
            announce=before,
            with_accuracy=out is not None,
            **shared,
        )
    write_results(study, out, plot, as_json=as_json, as_markdown=as_markdown)


def write_results(
    study: "SubsetStudy", out: Path | None, plot: Path | None, *, as_json: bool, as_markdown: bool
) -> None:
    """Print the result, and write tables and figures to their files."""
    from ensembler.predictions.files import writing
    from ensembler.report.subsets import subsets_document
    from ensembler.subsets.describe import study_frame, summarize_study

    summary = summarize_study(study)
    if as_json:
        print_json(summary.to_dict(command_line()))
    else:
        print_document(subsets_document(summary), as_markdown=as_markdown)
    if out is not None:
        frame = study_frame(study)
        with writing(out) as temporary:
            if out.suffix == ".csv":
                frame.to_csv(temporary, index=False)
            else:
                frame.to_parquet(temporary, index=False)
    if plot is not None:
        from ensembler.report.figures.drawing import draw_for_file, save_figure
        from ensembler.report.figures.sizes import sizes_of

        for swept, rule in zip(study.rules, summary.rules, strict=True):
            title = f"{rule.n_subsets:,} committees by {rule.rule}, on {study.protocol.n_scored:,} scored rows"
            path = plot if len(study.rules) == 1 else plot.with_stem(f"{plot.stem}-{file_name(rule.rule)}")
            save_figure(draw_for_file(sizes_of(swept, rule, summary), title), path)


def file_name(rule: str) -> str:
    """Return a rule's name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", rule).strip("-")


def run_search(
    data: "Predictions", rules: list[str], width: int, shared: dict[str, Any], as_json: bool, as_markdown: bool
) -> None:
    """Search instead of sweeping, and print what was found."""
    from ensembler.report.search import search_document
    from ensembler.subsets.describe import summarize_search
    from ensembler.subsets.search import search_subsets

    with options.warnings_to_stderr(), progress("searching") as show:
        summary = summarize_search(search_subsets(data, rules, width=width, progress=show, **shared))
    if as_json:
        print_json(summary.to_dict(command_line()))
    else:
        print_document(search_document(summary), as_markdown=as_markdown)


def check_choices(
    search: str, width: int | None, backend: str, scheduler: str | None, metric: str, jobs: int | None
) -> None:
    """Refuse unknown choices, and options that would have no effect."""
    if search not in SEARCHES:
        raise UnknownNameError("value of --search", search, SEARCHES)
    if backend not in BACKENDS:
        raise UnknownNameError("value of --backend", backend, BACKENDS)
    if (backend == "dask") != (scheduler is not None):
        raise UsageError("--backend dask and --scheduler HOST:PORT belong together; give both or neither")
    if jobs is not None and jobs < 1:
        raise ParameterError(f"--jobs is {jobs}, expected at least 1")
    if jobs is not None and backend == "dask":
        raise UsageError("--jobs has no effect with --backend dask: the cluster has its own workers; drop one")
    if width is not None and search != "beam":
        raise UsageError(f"--width has no effect with --search {search}; drop it, or give --search beam")
    if width is not None and width < 1:
        raise ParameterError(f"--width is {width}, expected at least 1")
    if search != "exact" and metric != "accuracy":
        raise UsageError(f"--search {search} goes by accuracy; drop --metric, or sweep exactly")


def refuse_with_search(search: str, given: dict[str, Any]) -> None:
    """Refuse options that only an exact sweep has."""
    for name, value in given.items():
        if value:
            raise UsageError(f"{name} has no effect with --search {search}; drop one of them")


def check_targets(out: Path | None, plot: Path | None) -> None:
    """Refuse, before a long sweep, files that could not be written after it."""
    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise UsageError(f"--out {out.name or '(nothing)'}: expected a file that ends in .csv or .parquet")
    if plot is not None:
        from ensembler.report.figures.drawing import check_format

        check_format(plot)
        options.require_module("matplotlib", "report")
    if out is not None and out.suffix == ".parquet":
        options.require_module("pyarrow", "parquet")
    for path in (out, plot):
        if path is not None:
            options.check_writable(path)


def parse_sizes(text: str | None, n_members: int) -> tuple[int, int] | None:
    """Read ``8`` or ``3-6``."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", text)
    if match is None:
        raise ParameterError(f"--k is {text!r}, expected a number as in 8, or a range as in 3-6")
    low = int(match[1])
    high = low if match[2] is None else int(match[2])
    if low > high:
        raise ParameterError(f"--k is {text!r}, expected the smaller number first: {high}-{low}")
    if low < 1 or high > n_members:
        raise ParameterError(f"--k is {text!r}, expected sizes from 1 to the {n_members} members there are")
    return low, high


def exclude_members(data: "Predictions", exclude: list[str], must: list[str]) -> "Predictions":
    """Leave members out by name."""
    for name in [*exclude, *must]:
        if name not in data.names:
            raise UnknownNameError("member", name, data.names)
    both = sorted(set(exclude) & set(must))
    if both:
        raise UsageError(f"member {both[0]!r} is both in --must and in --exclude; drop one")
    if not exclude:
        return data
    import glob

    return data.select(without=[glob.escape(name) for name in exclude])


def refuse_long_table(
    data: "Predictions", sizes: tuple[int, int] | None, must: list[str], n_rules: int, yes: bool
) -> None:
    """Ask before a file of very many rows is written."""
    from ensembler.subsets.plan import make_plan
    from ensembler.subsets.workers import what_to_keep

    low, high = sizes or (1, data.n_members)
    plan = make_plan(data.n_members, low, high, tuple(data.names.index(name) for name in set(must)))
    rows = n_rules * plan.n_committees
    if what_to_keep(plan) == "nothing":
        raise UsageError(f"--out would have {rows:,} rows, more than are kept; narrow --k, or give --must")
    if rows > MOST_TABLE_ROWS:
        confirm(f"--out would have {rows:,} rows, about {rows * 40 / 1e9:.1f} GB as text", yes=yes)


def choose_workers(backend: str, scheduler: str | None, jobs: int | None) -> Any:
    """Return what starts the workers."""
    if backend == "dask":
        from ensembler.parallel.dask_cluster import dask_pool

        return lambda: dask_pool(str(scheduler))
    from ensembler.parallel.workers import thread_pool

    return lambda: thread_pool(jobs)


def checkpointed(
    path: Path | None,
    data: "Predictions",
    rules: list[str],
    metric: str,
    top: int,
    with_accuracy: bool,
    shared: dict[str, Any],
) -> Any:
    """Open the checkpoint of this very study, where one is asked for."""
    if path is None:
        return nullcontext()
    from ensembler import __version__
    from ensembler.arrays import digest
    from ensembler.subsets.checkpoint import open_store

    parts = [one for one in (data, data.validation) if one is not None]
    arrays = [[*one.digests, digest(one.truth), *([] if one.groups is None else [digest(one.groups)])] for one in parts]
    facts = (__version__, data.names, data.metadata, arrays, rules, metric, top, with_accuracy, sorted(shared.items()))
    asked = repr(facts)
    return open_store(path, hashlib.sha256(asked.encode()).hexdigest())


def ask(estimate: "Estimate", jobs: int | None, backend: str, *, yes: bool) -> None:
    """Tell what a rule will cost, and ask where it is much."""
    import joblib

    workers = 1 if backend == "dask" else joblib.effective_n_jobs(-1 if jobs is None else jobs)
    seconds = estimate.core_seconds / workers
    what = f"{estimate.rule}: {estimate.n_committees:,} committees"
    if estimate.refitted:
        what += ", each fitted again"
    told = f"{what}: about {duration(seconds)}" + (" on one core" if backend == "dask" else "")
    if seconds > SECONDS_TO_ASK:
        confirm(told, yes=yes)
    else:
        sys.stderr.write(told + "\n")


def confirm(told: str, *, yes: bool) -> None:
    """Ask whether to go on; without a terminal to ask, stop."""
    if yes:
        sys.stderr.write(told + "\n")
        return
    advice = "narrow --k, leave members out, use --search greedy or --search beam, or start it anyway with --yes"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{told}; {advice}")
    sys.stderr.write(f"{told}.\n")
    if not typer.confirm("Start?", err=True):
        raise UsageError(f"not started; {advice}")


def duration(seconds: float) -> str:
    """Write a time in the unit that people would use."""
    for unit, length in (("years", 31_557_600.0), ("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} seconds"
