"""The options of ``ensembler subsets``: which committees, fitted and chosen where, and how the work is done."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ensembler.cli import options
from ensembler.cli.program import complete_metric, complete_rule, one_of_these
from ensembler.cli.workers import WORK
from ensembler.errors import ParameterError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from ensembler.predictions.prediction_set import Predictions

SEARCHES = ("exact", "greedy", "beam")
BEAM_WIDTH = 16


@dataclass(frozen=True)
class Committees:
    """Which committees of which rules are evaluated, and by what."""

    rule: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE[:KEY=VALUE,…]",
            autocompletion=complete_rule,
            help="Sweep this rule (default: mean), or those of a family; repeatable. Additive rules are exact and "
            "fast, others are refitted.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = None
    k: Annotated[
        str | None,
        typer.Option(
            "--k",
            metavar="K|A-B",
            help="Only committees of this size, or of these sizes.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = None
    metric: Annotated[
        str,
        typer.Option(
            metavar="METRIC",
            autocompletion=complete_metric,
            help="Metric that ranks and chooses committees (default: accuracy). That, balanced-accuracy, brier and "
            "log-loss are quick; others measure each committee by itself.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = "accuracy"
    must: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A member that every committee has; repeatable.", rich_help_panel=options.PROTOCOL
        ),
    ] = None
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A member that no committee has; repeatable.", rich_help_panel=options.PROTOCOL
        ),
    ] = None
    freeze_weights: Annotated[
        bool,
        typer.Option(
            "--freeze-weights",
            help="Fit rules whose weights can be kept (class- and exponential-weighted, log-pool, …) once on all "
            "members, which makes them exact and fast.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = False
    calibrate: Annotated[
        str,
        typer.Option(
            metavar="none|members",
            autocompletion=one_of_these("none", "members"),
            help="Fit a temperature to each member, on the rows that weights are fitted on.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = "none"

    @property
    def rules(self) -> list[str]:
        """The rules, each once, those of a family in place of its name."""
        from ensembler.combiners.registry import named_rules

        rules = named_rules(self.rule or ["mean"])
        if len(set(rules)) < len(rules):
            raise UsageError("a rule is given twice; drop one")
        return rules

    def select(self, data: "Predictions") -> "Predictions":
        """Leave out the members that no committee has."""
        import glob

        must, exclude = self.must or [], self.exclude or []
        for name in [*exclude, *must]:
            if name not in data.names:
                raise UnknownNameError("member", name, data.names)
        both = sorted(set(exclude) & set(must))
        if both:
            raise UsageError(f"member {both[0]!r} is both in --must and in --exclude; drop one")
        return data.select(without=[glob.escape(name) for name in exclude]) if exclude else data

    def arguments(self, n_members: int) -> dict[str, Any]:
        """Return what a sweep and a search have in common, as arguments of either."""
        return {
            "sizes": parse_sizes(self.k, n_members),
            "must": self.must or [],
            "freeze": self.freeze_weights,
            "calibrate": self.calibrate,
        }


def parse_sizes(text: str | None, n_members: int) -> tuple[int, int] | None:
    """Read ``8`` or ``3-6``."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", text)
    if match is None:
        raise ParameterError(f"--k is {text!r}, expected a number as in 8, or a range as in 3-6")
    low = int(match[1])
    high = low if match[2] is None else int(match[2])
    if low > high:
        raise ParameterError(f"--k is {text!r}, expected the smaller number first: {high}-{low}")
    if low < 1 or high > n_members:
        raise ParameterError(f"--k is {text!r}, expected sizes from 1 to the {n_members} members there are")
    return low, high


@dataclass(frozen=True)
class CommitteeProtocol(options.Protocol):
    """Which rows weights are fitted and committees chosen on, and which are scored."""

    fit_on: Annotated[
        str | None,
        typer.Option(
            metavar="val|cross|part|test",
            autocompletion=one_of_these("val", "cross", "part", "test"),
            help="Where weights are fitted and a committee is chosen, as in bench.",
            rich_help_panel=options.PROTOCOL,
        ),
    ] = None


@dataclass(frozen=True)
class Work:
    """How the committees are looked at: all or some, and with which checkpoint."""

    search: Annotated[
        str,
        typer.Option(
            metavar="exact|greedy|beam",
            autocompletion=one_of_these("exact", "greedy", "beam"),
            help="Search exhaustively, or greedily or with a beam where committees are too many.",
            rich_help_panel=WORK,
        ),
    ] = "exact"
    width: Annotated[
        int | None,
        typer.Option(help="Committees kept of each size by --search beam (default: 16).", rich_help_panel=WORK),
    ] = None
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Resume from this checkpoint file, which is written on the way.",
            rich_help_panel=WORK,
        ),
    ] = None
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Start without asking, however long it takes.", rich_help_panel=WORK)
    ] = False

    @property
    def beam_width(self) -> int:
        """How many committees of each size a search keeps."""
        return 1 if self.search == "greedy" else self.width or BEAM_WIDTH

    def check(self, metric: str) -> None:
        """Refuse unknown choices, and options that would have no effect."""
        if self.search not in SEARCHES:
            raise UnknownNameError("value of --search", self.search, SEARCHES)
        if self.width is not None and self.search != "beam":
            raise UsageError(f"--width has no effect with --search {self.search}; drop it, or give --search beam")
        if self.width is not None and self.width < 1:
            raise ParameterError(f"--width is {self.width}, expected at least 1")
        if self.search != "exact" and metric != "accuracy":
            raise UsageError(f"--search {self.search} goes by accuracy; drop --metric, or sweep exactly")
