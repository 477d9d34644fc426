"""``ensembler diversity``."""

from typing import Annotated

import typer

from ensembler.cli.groups import Omit, expand
from ensembler.cli.options import Output, Source
from ensembler.cli.output import command_line
from ensembler.cli.program import one_of_these
from ensembler.errors import UnknownNameError

PAIRS = ("disagreement", "double-fault", "q", "rho", "kappa", "cohen-kappa", "different", "excess-agreement")


@expand
def diversity(
    *,
    pairs: Annotated[
        str,
        typer.Option(
            metavar="|".join(PAIRS),
            autocompletion=one_of_these(*PAIRS),
            help="Which pairwise measure the matrix shows.",
        ),
    ] = "disagreement",
    seed: Annotated[
        int, typer.Option(help="Random seed of the committees drawn where they are too many to look at all.")
    ] = 0,
    source: Annotated[Source, Omit("val", "weights", "groups")],
    output: Output,
) -> None:
    """Measure how differently members err, who is redundant, and whether diversity predicts anything here.

    Without labels: how far members agree.
    """
    from ensembler.comparison.protocol import check_seed
    from ensembler.predictions.diagnosis.agreement import measure_agreement
    from ensembler.predictions.diagnosis.diversity import measure_diversity
    from ensembler.report.agreement import agreement_document, describe_agreement
    from ensembler.report.diversity import describe_diversity, diversity_document

    if pairs not in PAIRS:
        raise UnknownNameError("pairwise measure", pairs, PAIRS)
    check_seed(seed, 2)
    data = source.load(validation=False, labelled=False)
    if data.labels is None:
        agreement = measure_agreement(data)
        output.print(
            lambda: describe_agreement(agreement, data, command_line()), lambda: agreement_document(agreement, data)
        )
        return
    result = measure_diversity(data, seed)
    output.print(
        lambda: describe_diversity(result, data, seed, command_line()), lambda: diversity_document(result, data, pairs)
    )
