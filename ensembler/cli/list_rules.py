"""``ensembler list``."""

from ensembler.cli import options
from ensembler.cli.output import one_of, print_document, print_json


def list_rules(as_json: options.AsJson = False, as_markdown: options.AsMarkdown = False) -> None:
    """Show every combination rule with its parameters and source, and every metric."""
    one_of(json=as_json, markdown=as_markdown)
    from ensembler.combiners.registry import all_rules
    from ensembler.report.list import describe_rules, rule_entries, rules_document

    entries = rule_entries(all_rules())
    if as_json:
        print_json(describe_rules(entries))
    else:
        print_document(rules_document(entries), as_markdown=as_markdown)
