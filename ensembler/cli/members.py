"""``ensembler members``."""

from typing import Annotated

from ensembler.cli.groups import Omit, expand
from ensembler.cli.options import Output, Source


@expand
def members(source: Annotated[Source, Omit("weights", "groups")], output: Output) -> None:
    """Describe a prediction set: rows, classes, and each member's accuracy, confidence and metadata."""
    from ensembler.report.members import members_document, summarize_set

    summary = summarize_set(source.load(labelled=False))
    output.print(summary.to_dict, lambda: members_document(summary))
