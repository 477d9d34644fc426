"""``ensembler members``."""

from typing import Annotated

from ensembler.cli.groups import Omit, expand
from ensembler.cli.options import Output, Source
from ensembler.cli.output import command_line


@expand
def members(source: Annotated[Source, Omit("weights", "groups")], output: Output) -> None:
    """Describe a prediction set: rows, classes, and each member's accuracy, confidence and metadata."""
    from ensembler.report.members import describe_set, members_document, summarize_set

    data = source.load(labelled=False)
    summary = summarize_set(data)
    output.print(lambda: describe_set(summary, data, command_line()), lambda: members_document(summary))
