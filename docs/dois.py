"""DOIs and arXiv numbers as links, in one piece."""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

DOI = re.compile(
    r"(?P<before>doi:? )(?P<doi>10\.\d{4,9}/(?:\([^\s()]*\)|[^\s();,])*[^\s();,.])"
    r"|(?P<arxiv>arXiv[: ](?P<number>\d{4}\.\d{4,5}))"
)


class LinkedDois(SphinxPostTransform):
    """Turn each DOI into a link that lines do not break in, unless it is part of one."""

    default_priority = 400

    def run(self, **_: Any) -> None:
        """Replace the texts of the page that have some."""
        for text in list(self.document.findall(nodes.Text)):
            if DOI.search(str(text)) and not within(text, (nodes.reference, nodes.literal_block, nodes.title)):
                text.parent.replace(text, linked(str(text)))


def within(node: nodes.Node, kinds: tuple[type[nodes.Node], ...]) -> bool:
    """Whether a node is inside one of some kinds."""
    above = node.parent
    while above is not None:
        if isinstance(above, kinds):
            return True
        above = above.parent
    return False


def linked(text: str) -> list[nodes.Node]:
    """Return a text with a link at each DOI and arXiv number."""
    pieces: list[nodes.Node] = []
    end = 0
    for match in DOI.finditer(text):
        target = f"https://doi.org/{match['doi']}" if match["doi"] else f"https://arxiv.org/abs/{match['number']}"
        shown = match["doi"] or match["arxiv"]
        pieces.append(nodes.Text(text[end : match.start()] + (match["before"] or "")))
        pieces.append(nodes.reference("", shown, refuri=target, internal=False, classes=["doi"]))
        end = match.end()
    pieces.append(nodes.Text(text[end:]))
    return [piece for piece in pieces if piece.astext()]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.add_post_transform(LinkedDois)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
