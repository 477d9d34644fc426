"""``ensembler list``."""

from ensembler.cli.groups import expand
from ensembler.cli.options import Output


@expand
def list_rules(output: Output) -> None:
    """Show every combination rule with its parameters and source, and every metric."""
    from ensembler.combiners.registry import all_rules
    from ensembler.report.list import describe_rules, rule_entries, rules_document

    rules = rule_entries(all_rules())
    output.print(lambda: describe_rules(rules), lambda: rules_document(rules))
