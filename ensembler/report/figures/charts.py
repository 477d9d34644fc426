"""What figures show, as data. Files and pages are drawn from the same description, so that they cannot disagree.

Everything is plain numbers and texts; a role says how a point is marked, the same in every figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ensembler.metrics.calibration import Reliability
from ensembler.metrics.intervals import Interval

Role = Literal["other", "member", "best member", "mean", "chosen", "luckiest", "recommended", "all members", "cheapest"]


@dataclass(frozen=True)
class Axis:
    """What an axis measures, and whether its numbers are shares to be written in per cent."""

    title: str
    percent: bool = False


@dataclass(frozen=True)
class Line:
    """A value that others are held against."""

    label: str
    value: float
    role: Role = "other"


@dataclass(frozen=True)
class Estimate:
    """A value with its interval."""

    label: str
    value: float
    interval: Interval | None = None
    role: Role = "other"


@dataclass(frozen=True)
class Intervals:
    """Estimates below one another: a forest plot. The first is drawn on top."""

    axis: Axis
    rows: Sequence[Estimate]
    lines: Sequence[Line] = ()


@dataclass(frozen=True)
class SizeDensity:
    """The committees of one size: how many are at each value, or in each bin around it where ``binned``."""

    size: int
    values: NDArray[np.float64]
    numbers: NDArray[np.int64]
    binned: bool


@dataclass(frozen=True)
class Mark:
    """A committee that is pointed out, and who is in it."""

    size: int
    value: float
    members: str = ""
    role: Role = "other"


@dataclass(frozen=True)
class Sizes:
    """A value against committee size: every committee as density, the best of each size, and some pointed out.

    ``span`` is where to look if some committees are so far off that they would flatten all others.
    """

    axis: Axis
    densities: Sequence[SizeDensity]
    best: Sequence[Mark]
    marks: Sequence[Mark]
    top: Sequence[Mark] = ()
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class Worth:
    """What each member is worth, in a unit, and in what share of committees adding it helped and hurt."""

    axis: Axis
    unit: str
    names: Sequence[str]
    values: Sequence[float]
    helped: Sequence[float]
    hurt: Sequence[float]


@dataclass(frozen=True)
class Front:
    """Committees that no cheaper one equals, from the cheapest on, and single members beside them."""

    axis: Axis
    unit: str
    costs: Sequence[float]
    values: Sequence[float]
    members: Sequence[str]
    marks: Sequence[tuple[float, Mark]] = ()


@dataclass(frozen=True)
class Series:
    """One of several that have a value in each class."""

    label: str
    values: Sequence[float]
    role: Role = "other"


@dataclass(frozen=True)
class ByClass:
    """Values by class: every member as a point, and some series marked. Open marks are below ``base``."""

    axis: Axis
    classes: Sequence[str]
    rows: Sequence[int]
    members: Sequence[Series]
    series: Sequence[Series]
    base: Series | None = None


@dataclass(frozen=True)
class Matrix:
    """A square of values: ``diverging`` ones, in points, are coloured by sign, others, shares, from ``low`` on.

    ``counts`` are told beside the values.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    values: NDArray[np.float64]
    row_title: str = ""
    column_title: str = ""
    axis: Axis = field(default_factory=lambda: Axis("share", percent=True))
    diverging: bool = False
    low: float = 0.0
    counts: NDArray[np.int64] | None = None
    counted: str = "rows"


@dataclass(frozen=True)
class Gains:
    """Numbers gained and lost in each class."""

    axis: Axis
    classes: Sequence[str]
    gained: Sequence[int]
    lost: Sequence[int]


@dataclass(frozen=True)
class Diagrams:
    """Reliability diagrams side by side."""

    panels: Sequence[tuple[str, Reliability]]


Chart = Intervals | Sizes | Worth | Front | ByClass | Matrix | Gains | Diagrams


@dataclass(frozen=True)
class Figure:
    """A figure of one or several views of the same question.

    Attributes
    ----------
    key : str
        Its name in links and files.
    title : str
    text : str
        In words what it shows and how to read it: the caption, and all there is for those who cannot see it.
    views : sequence of (label, chart)
        The first is shown first.
    """

    key: str
    title: str
    text: str
    views: Sequence[tuple[str, Chart]]
