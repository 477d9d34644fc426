"""How far a comparison has come."""

from threading import Lock

from ensembler.parallel.progress import Progress


class FitCounter:
    """Counts fits for a progress display.

    Parameters
    ----------
    progress : callable or None
    total : int
        How many fits there will be.
    """

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0
        self._turn = Lock()

    def tick(self, what: str) -> None:
        """Say what is fitted next; threads take turns."""
        with self._turn:
            if self.progress is not None:
                self.progress(self.done, self.total, what)
            self.done += 1
