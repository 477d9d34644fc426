"""``ensembler members``."""

from typing import Annotated

from ensembler.cli.groups import Omit, expand
from ensembler.cli.options import Output, Source


@expand
def members(source: Annotated[Source, Omit("weights", "groups")], output: Output) -> None:
    """Describe a prediction set: rows, classes, and each member's accuracy, confidence and metadata."""
    from ensembler.report.inventory import describe_members, members_document

    description = describe_members(source.load())
    output.print(lambda: description, lambda: members_document(description))
