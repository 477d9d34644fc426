"""A cascade on files: predictions of later members are read only if rows are left for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ensembler.arrays import Rows
from ensembler.deployment.cascades.cascade import Cascade, CascadeRun
from ensembler.errors import AlignmentError, MissingMemberError, ShapeError
from ensembler.predictions.files import write_text
from ensembler.predictions.loading.table import ID_COLUMN
from ensembler.predictions.prediction_set import Predictions

LoadMembers = Callable[[Sequence[int]], Predictions]
"""Loads the predictions of some members, by number; other members of the set may hold anything."""


@dataclass(frozen=True)
class FileRun:
    """What a cascade made of files.

    Attributes
    ----------
    run : CascadeRun
    rows : Predictions
        As the members of the first stage have them.
    waiting_for : tuple of str
        Members whose predictions are needed for the rows that wait, and are not there; those rows have the answer of
        the stage before.
    """

    run: CascadeRun
    rows: Predictions
    waiting_for: tuple[str, ...] = ()

    def write_pending(self, path: Path) -> None:
        """Write the rows that wait, one a line: their ids, or else their numbers."""
        rows = self.run.waiting
        ids = rows if self.rows.ids is None else self.rows.ids[rows]
        import pandas as pd

        write_text(path, pd.DataFrame({ID_COLUMN: ids}).to_csv(index=False))

    def describe_pending(self, path: Path) -> str:
        """Say which rows wait for whom."""
        if not self.waiting_for:
            return f"no row waits for further members, wrote {path}"
        return (
            f"{len(self.run.waiting):,} rows have the answer so far and wait for {', '.join(self.waiting_for)}: "
            f"{path}; add predictions of these rows (with ids), or of all, and give the command again"
        )


def run_on_files(cascade: Cascade, load: LoadMembers, *, may_wait: bool) -> FileRun:
    """Send rows through a cascade, loading the members of a stage when it is reached.

    Raises
    ------
    MissingMemberError
        Predictions are needed and not there, unless rows may wait for them.
    AlignmentError, ShapeError
        Later members have other rows.
    """
    rows = load(cascade.added(0))
    run = cascade.stages(rows.n_samples)
    for request in run:
        further = rows
        if request.number:
            try:
                further = load(request.members)
            except MissingMemberError as error:
                if may_wait:
                    return FileRun(run, rows, request.names)
                raise MissingMemberError(
                    f"{error}; {len(request.rows):,} of {rows.n_samples:,} rows need {', '.join(request.names)}: add "
                    "them, or give --pending FILE to write those rows"
                ) from error
        places = request.rows if further is rows else places_of(request.rows, rows, further, request.names)
        request.take(further.proba[list(request.members)][:, places])
    return FileRun(run, rows)


def places_of(wanted: Rows, rows: Predictions, further: Predictions, names: Sequence[str]) -> Rows:
    """Return where the wanted rows are in what later members predicted: all rows, or by id some of them."""
    who = ", ".join(names)
    if rows.ids is None and further.ids is not None:
        # The first stage has no ids, so that rows are called by their numbers.
        rows = rows.replace(ids=np.arange(rows.n_samples))
    if rows.ids is None or further.ids is None:
        if further.n_samples != rows.n_samples:
            raise ShapeError(
                f"{who}: {further.n_samples:,} rows, expected the {rows.n_samples:,} of the first stage; rows can only "
                "be told apart by ids, which .csv and .parquet files have"
            )
        return wanted
    place = {str(row): position for position, row in enumerate(further.ids.tolist())}
    asked = [str(row) for row in rows.ids[wanted].tolist()]
    missing = [row for row in asked if row not in place]
    if missing:
        raise AlignmentError(
            f"{who}: no prediction of row {missing[0]!r} (first of {len(missing):,}), which is passed on to them"
        )
    return np.array([place[row] for row in asked], dtype=np.intp)
