"""``ensembler diversity``."""

from typing import Annotated

import typer

from ensembler.cli import options
from ensembler.cli.output import command_line, one_of, print_document, print_json
from ensembler.errors import UnknownNameError

PAIRS = ("disagreement", "double-fault", "q", "rho", "kappa", "cohen-kappa", "different")


def diversity(
    paths: options.Paths = None,
    pairs: Annotated[
        str, typer.Option(metavar="|".join(PAIRS), help="Which pairwise measure the matrix shows.")
    ] = "disagreement",
    seed: Annotated[int, typer.Option(help="Draws committees where they are too many to look at all.")] = 0,
    labels: options.Labels = None,
    members: options.Members = None,
    only: options.Only = None,
    without: options.Without = None,
    logits: options.Logits = False,
    normalize: options.Normalize = False,
    as_json: options.AsJson = False,
    as_markdown: options.AsMarkdown = False,
) -> None:
    """Measure how differently members err, who is redundant, and whether diversity predicts anything here."""
    one_of(json=as_json, markdown=as_markdown)
    if pairs not in PAIRS:
        raise UnknownNameError("pairwise measure", pairs, PAIRS)
    from ensembler.comparison.protocol import check_seed
    from ensembler.predictions.diagnosis.diversity import measure_diversity
    from ensembler.report.diversity import describe_diversity, diversity_document

    check_seed(seed, 2)
    no_val: bool = False
    data = options.load(paths, labels, no_val, members, only, without, logits, normalize)
    found = measure_diversity(data, seed)
    if as_json:
        print_json(describe_diversity(found, data, seed, command_line()))
    else:
        print_document(diversity_document(found, data, pairs), as_markdown=as_markdown)
