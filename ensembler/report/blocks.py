"""What a page consists of: sections of sentences, tables and figures, and a few figures to remember at its top."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ensembler.report.figures.charts import Figure
from ensembler.report.tables import Table, mark_optimistic


@dataclass(frozen=True)
class Text:
    """A sentence or more; ``strong`` where it says what a section comes to, ``code`` where it is to be typed."""

    text: str
    strong: bool = False
    code: bool = False


@dataclass(frozen=True)
class Listing:
    """A table on the page, open or folded away."""

    key: str
    table: Table
    folded: bool = False


Block = Text | Listing | Figure


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own; ``short`` is for the list of sections."""

    key: str
    short: str
    title: str
    blocks: Sequence[Block]

    def marked_optimistic(self) -> "Section":
        """Return the section with figures whose titles say that they are optimistic."""
        blocks = [
            replace(block, title=mark_optimistic(block.title, optimistic=True)) if isinstance(block, Figure) else block
            for block in self.blocks
        ]
        return replace(self, blocks=blocks)


@dataclass(frozen=True)
class Card:
    """A figure to remember: what it is, its value, which rule reaches it, and its interval."""

    label: str
    value: str
    name: str
    note: str = ""
