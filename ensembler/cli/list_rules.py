"""``ensembler list``."""

from ensembler.cli.groups import expand
from ensembler.cli.options import Output


@expand
def list_rules(output: Output) -> None:
    """Show every combination rule with its parameters and source, and every metric."""
    from ensembler.combiners.registry import all_rules
    from ensembler.metrics import METRICS
    from ensembler.report.inventory import describe_rules, rules_document

    rules = describe_rules(all_rules())
    output.print(
        lambda: {"schema": "ensembler.list/1", "rules": rules, "metrics": list(METRICS)}, lambda: rules_document(rules)
    )
