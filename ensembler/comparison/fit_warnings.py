"""Keeping what fits warn of, also of fits that run side by side."""

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from ensembler.errors import FitWarning


@contextmanager
def kept_fit_warnings() -> Iterator[Callable[[], tuple[str, ...]]]:
    """Keep warnings of doubtful fits; what is yielded returns those of the calling thread since it was called last.

    Filters and the function that shows a warning belong to all threads, so this is entered before threads are started.
    Other warnings are shown as they would be.

    >>> with kept_fit_warnings() as taken_warnings:
    ...     warnings.warn("the fit did not converge", FitWarning, stacklevel=1)
    ...     taken_warnings(), taken_warnings()
    (('the fit did not converge',), ())
    """
    kept: defaultdict[int, list[str]] = defaultdict(list)

    def keep(message: Warning | str, category: type[Warning], *where: Any, **further: Any) -> None:
        if issubclass(category, FitWarning):
            kept[get_ident()].append(str(message))
        else:
            show(message, category, *where, **further)

    with warnings.catch_warnings():
        show, warnings.showwarning = warnings.showwarning, keep
        warnings.simplefilter("always", FitWarning)
        yield lambda: tuple(kept.pop(get_ident(), ()))
