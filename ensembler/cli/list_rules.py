"""``ensembler list``."""

from ensembler.cli import options
from ensembler.cli.output import one_of, print_document, print_json


def list_rules(as_json: options.AsJson = False, as_markdown: options.AsMarkdown = False) -> None:
    """Show every combination rule with its parameters and source, and every metric."""
    one_of(json=as_json, markdown=as_markdown)
    from ensembler.combiners.registry import all_rules
    from ensembler.metrics import METRICS
    from ensembler.report.members import describe_rules, rules_document

    described = describe_rules(all_rules())
    if as_json:
        print_json({"schema": "ensembler.list/1", "rules": described, "metrics": list(METRICS)})
    else:
        print_document(rules_document(described), as_markdown=as_markdown)
