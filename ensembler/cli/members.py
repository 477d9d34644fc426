"""``ensembler members``."""

from ensembler.cli import options
from ensembler.cli.output import one_of, print_document, print_json


def members(
    paths: options.Paths = None,
    labels: options.Labels = None,
    val: options.Val = None,
    members: options.Members = None,
    only: options.Only = None,
    without: options.Without = None,
    logits: options.Logits = False,
    normalize: options.Normalize = False,
    as_json: options.AsJson = False,
    as_markdown: options.AsMarkdown = False,
) -> None:
    """Describe a prediction set: rows, classes, and each member's accuracy, confidence and metadata."""
    one_of(json=as_json, markdown=as_markdown)
    from ensembler.report.members import describe_members, members_document

    data = options.load(paths, labels, val, members, only, without, logits, normalize)
    description = describe_members(data)
    if as_json:
        print_json(description)
    else:
        print_document(members_document(description), as_markdown=as_markdown)
