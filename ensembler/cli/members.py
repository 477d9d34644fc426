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
    from ensembler.report.members import members_document, summarize_set

    data = options.load(paths, labels, val, members, only, without, logits, normalize)
    summary = summarize_set(data)
    if as_json:
        print_json(summary.to_dict())
    else:
        print_document(members_document(summary), as_markdown=as_markdown)
