"""Who does long work: threads or processes of this machine, or a Dask cluster."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ensembler.cli.program import one_of_these
from ensembler.errors import ParameterError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from ensembler.parallel.workers import Workers

WORK = "Work"
BACKENDS = ("local", "dask")


@dataclass(frozen=True)
class WorkerOptions:
    """How many workers there are, and where."""

    jobs: Annotated[
        int | None,
        typer.Option(
            help="Number of workers on this machine (default: one a core); does not change results.",
            rich_help_panel=WORK,
        ),
    ] = None
    backend: Annotated[
        str,
        typer.Option(
            metavar="local|dask",
            autocompletion=one_of_these("local", "dask"),
            help="Work on this machine, or on a Dask cluster.",
            rich_help_panel=WORK,
        ),
    ] = "local"
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Address of a running Dask scheduler, with --backend dask.", rich_help_panel=WORK
        ),
    ] = None

    def check(self) -> None:
        """Refuse unknown choices, and options that would have no effect."""
        if self.backend not in BACKENDS:
            raise UnknownNameError("value of --backend", self.backend, BACKENDS)
        if (self.backend == "dask") != (self.scheduler is not None):
            raise UsageError("--backend dask and --scheduler HOST:PORT belong together; give both or neither")
        if self.jobs is not None and self.jobs < 1:
            raise ParameterError(f"--jobs is {self.jobs}, expected at least 1")
        if self.jobs is not None and self.backend == "dask":
            raise UsageError("--jobs has no effect with --backend dask: the cluster has its own workers; drop one")

    def threads(self) -> "Workers":
        """Return what starts threads of this process, or reaches the cluster."""
        from ensembler.parallel.workers import thread_pool

        return self.cluster() or (lambda: thread_pool(self.jobs))

    def processes(self) -> "Workers":
        """Return what starts processes, or reaches the cluster."""
        from ensembler.parallel.workers import process_pool

        return self.cluster() or (lambda: process_pool(self.jobs))

    def cluster(self) -> "Workers | None":
        """Return what reaches the cluster; None where the work is done on this machine."""
        if self.backend != "dask":
            return None
        from ensembler.parallel.dask_cluster import dask_pool

        return lambda: dask_pool(str(self.scheduler))
