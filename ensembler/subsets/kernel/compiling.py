"""How functions are compiled."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:
    """Compile without the interpreter lock; keep the result on disk where there is a place to write it."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:
        return njit(nogil=True)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile into each function that calls it, so that vectors stay in registers."""
    return njit(nogil=True, forceinline=True)(function)
