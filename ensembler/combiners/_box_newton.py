"""Newton's method for a smooth convex function of few variables, each between two bounds."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ensembler.arrays import Rows, Values

GRADIENT_TOLERANCE = 1e-8
MOST_ITERATIONS = 200
CLOSE = 1e-3
"""A variable so close to a bound may be held there; closer ones only, as the minimum comes near."""
SUFFICIENT_DECREASE = 1e-4
SMALLEST_STEP = 2.0**-40


class Expansion(NamedTuple):
    """A function at a point: its value, its gradient (D,), and what gives its Hessian in f of the variables, (f, f)."""

    value: float
    gradient: Values
    hessian: Callable[[Rows], Values]


class Minimum(NamedTuple):
    """Where a function is least, (D,), and whether the gradient says so."""

    point: Values
    converged: bool


def minimise(
    expand: Callable[[Values], Expansion], value: Callable[[Values], float], start: Values, low: Values, high: Values
) -> Minimum:
    """Minimise a convex function over a box by projected Newton steps.

    Variables close to a bound that the gradient pushes against go to that bound; the others take a Newton step. The
    step is cut at the bounds and halved until the value falls enough. At the minimum the gradient is 0 in every
    variable between its bounds, at least 0 at the lower and at most 0 at the upper one (the Karush–Kuhn–Tucker
    conditions).

    Bertsekas, SIAM J. Control Optim. 20 (1982) 221–246, doi 10.1137/0320018.

    Parameters
    ----------
    expand : callable
        The function with its derivatives at a point; where the value is infinite, these are not looked at. The Hessian
        is asked for at points only from which a step is taken, in the variables that are not at a bound.
    value : callable
        The function alone; infinity where it is not defined.
    start : (D,) float64
        A point within the bounds where the function is finite.
    low, high : (D,) float64
        The bounds of every variable; infinite where there is none.

    Examples
    --------
    >>> centre = np.array([0.3, -1.0])
    >>> def expand(x):
    ...     return Expansion(((x - centre) ** 2).sum(), 2 * (x - centre), lambda free: 2 * np.eye(len(free)))
    >>> minimise(expand, lambda x: expand(x).value, np.ones(2), np.zeros(2), np.full(2, 9.0)).point
    array([0.3, 0. ])
    """
    point, here = start, expand(start)
    for _ in range(MOST_ITERATIONS):
        slack = point - np.clip(point - here.gradient, low, high)
        if np.abs(slack).max() <= GRADIENT_TOLERANCE:
            return Minimum(point, converged=True)
        close = min(CLOSE, float(np.linalg.norm(slack)))
        down = (point <= low + close) & (here.gradient > 0)
        up = (point >= high - close) & (here.gradient < 0)
        free = np.flatnonzero(~(down | up))
        step = np.where(down, low - point, np.where(up, high - point, 0.0))
        step[free] = newton_step(here.hessian(free), here.gradient[free])
        moved = np.clip(point + step, low, high)
        # A whole step is mostly taken, so that its gradient is worth having at once.
        there = expand(moved)
        if not fallen(there.value, here, moved - point):
            shorter = searched(value, here, point, step, low, high)
            if shorter is None:
                # Along a direction that is flat to the last digits, nothing is left to gain.
                return Minimum(point, converged=bool(np.abs(slack).max() <= np.sqrt(GRADIENT_TOLERANCE)))
            moved, there = shorter, expand(shorter)
        point, here = moved, there
    return Minimum(point, converged=False)


def newton_step(hessian: Values, gradient: Values) -> Values:
    """Return the step to the minimum of the quadratic; the shortest one where the Hessian has no inverse."""
    if not len(gradient):
        return gradient
    damping = 1e-12 * max(float(np.trace(hessian)) / len(gradient), 1e-300)
    damped = hessian + damping * np.eye(len(gradient))
    try:
        return np.asarray(-np.linalg.solve(damped, gradient))
    except np.linalg.LinAlgError:
        return np.asarray(-np.linalg.lstsq(damped, gradient, rcond=None)[0])


def fallen(value: float, here: Expansion, step: Values) -> bool:
    """Say whether a function falls by enough of what the gradient promises over a step."""
    promised = float(here.gradient @ step)
    return promised < 0 and value <= here.value + SUFFICIENT_DECREASE * promised


def searched(
    value: Callable[[Values], float], here: Expansion, point: Values, step: Values, low: Values, high: Values
) -> Values | None:
    """Return the first point along half a step, halved again and again, at which the function has fallen enough."""
    size = 0.5
    while size >= SMALLEST_STEP:
        moved = np.clip(point + size * step, low, high)
        if here.gradient @ (moved - point) < 0 and fallen(value(moved), here, moved - point):
            return np.asarray(moved)
        size /= 2
    return None
