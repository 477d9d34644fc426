"""``ensembler rank``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ensembler.cli import options
from ensembler.cli.figure_options import Figures
from ensembler.cli.groups import Omit, expand
from ensembler.cli.output import command_line, pasteable_command, progress, tell, warnings_to_stderr
from ensembler.cli.program import complete_metric
from ensembler.cli.refusals import check_suffix, check_writable, only_one
from ensembler.cli.workers import WORK, WorkerOptions
from ensembler.errors import UsageError

if TYPE_CHECKING:
    from ensembler.predictions.prediction_set import Predictions
    from ensembler.ranking.results import Ranking

OF_ONE_SET = Omit("paths", "labels", "val", "members", "weights", "groups")
"""Options that name a file, which cannot be that of every set."""


@dataclass(frozen=True)
class Pages:
    """Files that are written beside what is printed."""

    csv: Annotated[
        Path | None,
        typer.Option(help="Also write a row for each set and rule as a table.", rich_help_panel=options.OUTPUT),
    ] = None
    html: Annotated[
        Path | None,
        typer.Option(
            help="Also write one page with all figures, which needs no network.", rich_help_panel=options.OUTPUT
        ),
    ] = None

    def check(self) -> None:
        """Refuse, before the work, files that could not be written after it."""
        check_suffix(self.csv, "--csv", (".csv",))
        check_suffix(self.html, "--html", (".html", ".htm"))
        for path in (self.csv, self.html):
            if path is not None:
                check_writable(path)
        if self.html is not None:
            from ensembler.report.layout import require_report

            require_report()


@expand
def rank(
    *,
    sets: Annotated[
        list[Path],
        typer.Argument(
            help="Folders, each of one prediction set; a folder of such folders; or patterns.",
            show_default=False,
            readable=False,
        ),
    ],
    rule: options.Rules = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC",
            autocompletion=complete_metric,
            help="Metric that rules are ranked by (default: accuracy).",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = None,
    protocol: options.Protocol,
    rope: Annotated[
        float | None,
        typer.Option(
            help="Differences up to this are practically equivalent (default: 0.005).",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = None,
    resamples: Annotated[
        int | None,
        typer.Option(
            help="Bootstrap samples of the sets behind the ratings' intervals (default: 1000).",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Sets whose names match alike count as one; of a pattern with a group, the group.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = None,
    learning_curve: Annotated[
        bool,
        typer.Option(
            "--learning-curve",
            help="Also fit every rule on growing samples of the fitting rows.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep what is measured of each set in this folder, and read what is there.",
            rich_help_panel=WORK,
        ),
    ] = None,
    workers: WorkerOptions,
    source: Annotated[options.Source, OF_ONE_SET],
    output: options.Output,
    pages: Pages,
    drawings: Figures,
) -> None:
    """Rank combination rules over many prediction sets, and say which one to use on the next.

    Every rule is fitted and scored on each set as in bench. Sets that share labels count once.
    """
    from ensembler.ranking.rank import RESAMPLES, ROPE, rank_rules
    from ensembler.report.rank import rank_document

    workers.check()
    pages.check()
    drawings.check()
    check_cache(cache)
    by = only_one(metric, "--metric") or "accuracy"
    loaded = load(sets, protocol, source)
    with warnings_to_stderr(), progress("ranking") as show:
        ranking = rank_rules(
            loaded,
            rule or None,
            metric=by,
            **protocol.arguments(),
            rope=ROPE if rope is None else rope,
            n_resamples=RESAMPLES if resamples is None else resamples,
            cluster=cluster,
            learning_curve=learning_curve,
            cache_folder=cache,
            workers=workers.processes(),
            progress=show,
        )
    output.print(lambda: ranking.to_dict(command_line()), lambda: rank_document(ranking))
    write_pages(ranking, pages, drawings)


def check_cache(folder: Path | None) -> None:
    """Refuse, before the work, a folder that could not be written into."""
    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--cache {folder}: is a file, expected a folder")
    check_writable(folder / "values")


def load(paths: list[Path], protocol: options.Protocol, source: options.Source) -> dict[str, "Predictions"]:
    """Load all sets, with the validation rows that are fitted on; say in how many something is suspicious."""
    from ensembler.predictions.loading.sets import find_sets, load_sets
    from ensembler.report.tables import count

    fit_on = protocol.arguments()["fit_on"]
    loaded = load_sets(
        find_sets(paths),
        val={None: None, "val": True}.get(fit_on, False),
        only=source.only or (),
        without=source.without or (),
        logits=source.logits,
        normalize=source.normalize,
        columns=source.columns,
        max_bytes=source.max_bytes,
    )
    if loaded.with_findings:
        n_found = len(loaded.with_findings)
        tell(
            f"warning: {n_found:,} of {count(len(loaded.sets), 'set')} {'has' if n_found == 1 else 'have'} findings, "
            f"the first {loaded.with_findings[0]}; look at one by `ensembler check SET`"
        )
    return dict(loaded.sets)


def write_pages(ranking: "Ranking", pages: Pages, drawings: Figures) -> None:
    """Write the table, the page and the figures to their files, all in one turn where two processes write them."""

    def finish() -> None:
        from ensembler.predictions.files import write_text

        if pages.csv is not None:
            write_text(pages.csv, ranking.to_frame().to_csv(index=False))
        if pages.html is not None:
            from ensembler.report.ranking_page import render

            write_text(pages.html, render(ranking, command=pasteable_command()))

    if drawings.figures is None:
        finish()
    else:
        from ensembler.report.ranking_page import write_figures

        with warnings_to_stderr():
            written = write_figures(ranking, drawings.figures, drawings.suffix, finish)
        tell(f"{len(written)} figures in {drawings.figures}")
    if pages.html is not None:
        tell(f"{pages.html}: {pages.html.stat().st_size / 1e6:.1f} MB")
