"""What charts share: axes, lines, roles of points, pointed-out committees, and figures of several views.

Every chart is plain numbers and texts, from which a page and a file are both drawn, so that these cannot disagree.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ensembler.comparison.results import Comparison
from ensembler.metrics import Metric
from ensembler.ranking.results import Ranking
from ensembler.report.leading import recommended_rule

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

Role = Literal["other", "member", "best member", "mean", "chosen", "luckiest", "recommended", "all members", "cheapest"]
"""How a point is marked, the same in every figure."""
Plain = dict[str, Any]
"""A drawing for a page: traces and layout as plotly.js takes them."""


class Chart(ABC):
    """What is shown in one view of a figure, and its two drawings."""

    @property
    def is_wide(self) -> bool:
        """Whether it is drawn no narrower than it can be read, and scrolls on a phone."""
        return False

    @abstractmethod
    def draw_for_page(self) -> Plain:
        """Draw it by plotly.js."""

    @abstractmethod
    def draw_for_file(self) -> "Drawing":
        """Draw it by matplotlib."""


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
class Mark:
    """A committee that is pointed out: its size, what it reaches, its members, one a line, and what else it is."""

    size: int
    value: float
    members: str = ""
    role: Role = "other"
    also: tuple[Role, ...] = ()

    @property
    def named(self) -> tuple[Role, ...]:
        """All that it is."""
        return (self.role, *self.also)


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


def metric_axis(metric: Metric) -> Axis:
    """Return the axis of a metric: in per cent where it is a share of rows; its title says where less is better."""
    title = metric.name if metric.greater_is_better else f"{metric.name} (less is better)"
    return Axis(title, percent=metric.share)


def rule_roles(result: Comparison) -> dict[str, Role]:
    """Return how each rule of a comparison is marked, by name; the chosen one as chosen whatever else it is."""
    roles: dict[str, Role] = {}
    wanted: list[tuple[str | None, Role]] = [
        (result.luckiest, "luckiest"),
        (recommended_rule(result), "recommended"),
        (result.chosen, "chosen"),
    ]
    for name, role in wanted:
        if name is not None:
            roles[name] = role
    roles.setdefault("mean", "mean")
    return roles


def all_roles(result: Comparison, name: str) -> tuple[Role, ...]:
    """Return all that a rule of a comparison is, which one mark cannot show."""
    known: list[tuple[str | None, Role]] = [
        (recommended_rule(result), "recommended"),
        (result.chosen, "chosen"),
        (result.luckiest, "luckiest"),
        ("mean", "mean"),
    ]
    return tuple(role for of, role in known if of == name)


def ranking_roles(ranking: Ranking) -> dict[str, Role]:
    """Return how each rule of a ranking is marked, by name; the recommended one as that whatever else it is."""
    return {"best-member": "best member", "mean": "mean", ranking.recommended: "recommended"}
