"""``ensembler subsets``."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ensembler.cli import options
from ensembler.cli.confirmation import ask
from ensembler.cli.groups import Omit, expand
from ensembler.cli.output import command_line, progress, warnings_to_stderr
from ensembler.cli.refusals import refuse_given
from ensembler.cli.subsets_options import CommitteeProtocol, Committees, Work
from ensembler.cli.subsets_results import Targets, refuse_long_table, write_results
from ensembler.cli.workers import WorkerOptions

if TYPE_CHECKING:
    from ensembler.parallel.progress import Progress
    from ensembler.predictions.prediction_set import Predictions
    from ensembler.subsets.results import SubsetStudy
    from ensembler.subsets.search import SearchStudy

LISTED = 10

AnyStudy = TypeVar("AnyStudy", "SubsetStudy", "SearchStudy")


@expand
def subsets(
    *,
    committees: Committees,
    protocol: CommitteeProtocol,
    work: Work,
    workers: WorkerOptions,
    top: Annotated[
        int | None, typer.Option(help="How many committees are listed (default: 10).", rich_help_panel=options.OUTPUT)
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="Print how size pays, shortcuts and costs as well.", rich_help_panel=options.OUTPUT
        ),
    ] = False,
    source: Annotated[options.Source, Omit("weights")],
    output: options.Output,
    targets: Targets,
) -> None:
    """Evaluate every committee of the members exactly, choose one without the scored rows, and say what it teaches.

    Weights are fitted, and a committee is chosen, on validation rows or by cross-fitting.
    """
    work.check(committees.metric)
    workers.check()
    if work.search != "exact":
        given: dict[str, Any] = {
            "--checkpoint": work.checkpoint,
            "--out": targets.out,
            "--plot": targets.plot,
            "--jobs": workers.jobs,
        }
        given |= {"--top": top, "--full": full, "--yes": work.yes, "--scheduler": workers.scheduler}
        refuse_given(given, f"with --search {work.search}")
    targets.check()
    source.refuse_as_target(out=targets.out, plot=targets.plot)
    data = committees.select(protocol.load(source))
    shared = {**committees.arguments(data.n_members), **protocol.arguments()}
    rules = committees.rules
    if work.search != "exact":
        run_search(data, rules, work.beam_width, shared, output)
        return
    if targets.out is not None:
        refuse_long_table(data, shared["sizes"], shared["must"], len(rules), yes=work.yes)
    shared |= {"metric": committees.metric, "top": LISTED if top is None else top}
    shared["with_accuracy"] = targets.out is not None
    write_results(run_sweep(data, rules, work, workers, shared), targets, output, full=full)


def run_search(
    data: "Predictions", rules: list[str], width: int, arguments: dict[str, Any], output: options.Output
) -> None:
    """Grow committees instead of sweeping all, and print the result."""
    from ensembler.report.search import search_document
    from ensembler.subsets.describe import summarize_search
    from ensembler.subsets.search import search_subsets

    with warnings_to_stderr(), progress("searching") as show:
        result = tested(search_subsets(data, rules, width=width, progress=show, **arguments), "accuracy", show)
    summary = summarize_search(result)
    output.print(lambda: summary.to_dict(command_line()), lambda: search_document(summary))


def run_sweep(
    data: "Predictions", rules: list[str], work: Work, workers: WorkerOptions, arguments: dict[str, Any]
) -> "SubsetStudy":
    """Evaluate every committee, after telling what that will cost."""
    from ensembler.subsets.study import study_subsets

    with (
        warnings_to_stderr(),
        progress("sweeping") as show,
        checkpointed(work, data, rules, arguments) as store,
    ):
        study = study_subsets(
            data,
            rules,
            workers=workers.threads(),
            store=store,
            progress=show,
            announce=lambda estimate: ask(estimate, workers.jobs, workers.backend, yes=work.yes),
            **arguments,
        )
        return tested(study, study.metric, show)


def tested(study: AnyStudy, metric: str, show: "Progress | None") -> AnyStudy:
    """Return a study with its committees tested against what is recommended without choosing members."""
    from ensembler.comparison.compare import recommend_rule
    from ensembler.subsets.baselines import with_baselines

    return with_baselines(study, recommend_rule(study.split, metric, study.calibrate, show))


def checkpointed(
    work: Work, data: "Predictions", rules: list[str], arguments: dict[str, Any]
) -> AbstractContextManager[Any]:
    """Open the checkpoint of this very study, where one is asked for."""
    if work.checkpoint is None:
        return nullcontext()
    import hashlib

    from ensembler import serialization
    from ensembler.arrays import digest
    from ensembler.subsets.checkpoint import open_store

    parts = [part for part in (data, data.validation) if part is not None]
    arrays = [
        [*part.digests, digest(part.true_labels), *([] if part.groups is None else [digest(part.groups)])]
        for part in parts
    ]
    identity = (serialization.__version__, data.names, data.metadata, arrays, rules, sorted(arguments.items()))
    return open_store(work.checkpoint, hashlib.sha256(repr(identity).encode()).hexdigest())
