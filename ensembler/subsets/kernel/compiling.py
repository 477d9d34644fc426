"""How functions are compiled: without the interpreter lock, and without the wrappers that nobody calls."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:
    """Compile what Python calls; keep the result on disk where there is a place to write it."""
    try:
        return njit(nogil=True, no_cfunc_wrapper=True, cache=True)(function)
    except RuntimeError:
        return njit(nogil=True, no_cfunc_wrapper=True)(function)


def internal(function: Callable[..., Any]) -> Any:
    """Compile what only compiled code calls."""
    return njit(nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile into each function that calls it, so that vectors stay in registers."""
    return njit(nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True, forceinline=True)(function)
