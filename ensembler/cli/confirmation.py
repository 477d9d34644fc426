"""Telling what long work will cost, and asking whether to start it."""

import sys
from typing import TYPE_CHECKING

import typer

from ensembler.cli.output import tell
from ensembler.errors import UsageError

if TYPE_CHECKING:
    from ensembler.subsets.request import Estimate

SECONDS_TO_ASK = 600


def ask(estimate: "Estimate", jobs: int | None, backend: str, *, yes: bool) -> None:
    """Tell what a rule will cost, and ask where it is much."""
    import joblib

    workers = 1 if backend == "dask" else joblib.effective_n_jobs(-1 if jobs is None else jobs)
    seconds = estimate.core_seconds / workers
    refitted = ", each by itself" if estimate.refitted else ""
    cores = " on one core" if backend == "dask" else ""
    message = f"{estimate.rule}: {estimate.n_committees:,} committees{refitted}: about {duration(seconds)}{cores}"
    if seconds > SECONDS_TO_ASK:
        confirm(message, yes=yes)
    else:
        tell(message)


def confirm(message: str, *, yes: bool) -> None:
    """Ask whether to go on; without a terminal to ask, stop."""
    if yes:
        tell(message)
        return
    advice = "narrow --k, leave members out, use --search greedy or --search beam, or start it anyway with --yes"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{message}; {advice}")
    tell(f"{message}.")
    if not typer.confirm("Start?", err=True):
        raise UsageError(f"not started; {advice}")


def duration(seconds: float) -> str:
    """Write a time in the unit that people would use."""
    for unit, length in (("years", 31_557_600.0), ("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} seconds"
