"""``ensembler list``."""

from typing import Annotated

import typer

from ensembler.cli.groups import expand
from ensembler.cli.options import Output
from ensembler.errors import UnknownNameError


@expand
def list_rules(
    *,
    family: Annotated[
        str | None,
        typer.Option(
            metavar="FAMILY",
            help="Only the rules of this family: fixed, weighted, voting, pooled, trainable, dynamic, stacked.",
        ),
    ] = None,
    output: Output,
) -> None:
    """Show every combination rule with its parameters and source, family by family, and every metric."""
    from ensembler.combiners.registry import all_rules
    from ensembler.report.list import by_family, describe_rules, rule_entries, rules_document

    rules = rule_entries(all_rules())
    if family is not None:
        families = by_family(rules)
        if family not in families:
            raise UnknownNameError("family", family, families)
        rules = families[family]
    output.print(lambda: describe_rules(rules), lambda: rules_document(rules))
