"""How points are marked: the same colour and shape for the same role in every figure.

Colours are Okabe & Ito's, told apart by people who see few of them; shapes differ too, so that none is needed.
"""

from typing import NamedTuple

from ensembler.report.figures.charts import Role

GREY, BLUE, ORANGE, GREEN, PURPLE = "#9aa5b1", "#0072b2", "#d55e00", "#009e73", "#cc79a7"


class Look(NamedTuple):
    """Colour by name and value, the shape in matplotlib's and in plotly's words, and how a line is dashed."""

    color: str
    value: str
    marker: str
    symbol: str
    size: int
    dash: str = "dash"


LOOKS: dict[Role, Look] = {
    "other": Look("grey", GREY, "o", "circle", 7),
    "member": Look("grey", GREY, "o", "circle", 7),
    "best member": Look("green", GREEN, "D", "diamond", 10, dash="longdash"),
    "mean": Look("blue", BLUE, "s", "square", 9, dash="dot"),
    "chosen": Look("orange", ORANGE, "*", "star", 14),
    "luckiest": Look("purple", PURPLE, "^", "triangle-up", 11),
    "recommended": Look("blue", BLUE, "P", "cross", 12),
    "all members": Look("green", GREEN, "s", "square", 10),
    "cheapest": Look("blue", BLUE, "v", "triangle-down", 12),
}
TICK = 0.3
"""Half the width of a line that stands for a committee, where sizes are one apart."""
LONGEST = 30
"""Longer names are cut on axes and in legends; they are whole on hover and in tables."""


def shortened(text: str, most: int = LONGEST) -> str:
    """Return a text that fits a panel: its beginning and its end."""
    if len(text) <= most:
        return text
    tail = most // 3
    return f"{text[: most - tail - 1]}…{text[-tail:]}"
