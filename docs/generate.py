"""Pages and figures that are written anew at each build, so that they cannot fall behind the code."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from ensembler.combiners.base import Combiner
from ensembler.combiners.families import FAMILIES, describe_family
from ensembler.combiners.registry import all_rules, default_rules
from ensembler.metrics import METRICS

DOCS = Path(__file__).parent
FIGURES = DOCS / "_static" / "generated"
HELP_WIDTH = 88
DRAWN = {
    "sizes.svg": "subsets {set} --plot",
    "risk-coverage.svg": "abstain {set} --rule mean --plot",
    "reliability.svg": "bench {set} --resamples 0 --rule mean --rule product --rule majority-vote --reliability",
}
"""Figures of the bundled set, and the commands that draw them; the file's name comes last."""


RULES_INTRODUCTION = """\
Written from the code. `ensembler list` prints the same, with what many sets say of each rule. A rule that *needs
labels* is fitted to those of the fitting rows. The sections below say where each comes from, its formula, and its
parameters, which are given as `--rule NAME:KEY=VALUE`."""


def write_everything() -> None:
    """Write all pages and figures that are not there or have changed."""
    write(DOCS / "reference" / "rules.md", rules_page())
    write(DOCS / "reference" / "help.md", help_page())
    draw_figures()


def write(path: Path, text: str) -> None:
    """Write a page, unless it says the same already."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def rules_page() -> str:
    """Return the page of every rule and metric, from the registry: a table, then family by family."""
    families: dict[str, dict[str, type[Combiner]]] = {family: {} for family in FAMILIES}
    for name, rule in all_rules().items():
        families.setdefault(rule.family, {})[name] = rule
    families = {family: rules for family, rules in families.items() if rules}
    lines = ["# All rules", "", RULES_INTRODUCTION, ""]
    lines += ["| rule | family | needs labels | what it does |", "|---|---|---|---|"]
    for family, rules in families.items():
        for name, rule in rules.items():
            labels = "yes" if rule.is_trainable else "no"
            lines.append(f"| [`{name}`](#{name}) | [{family}](#{family}) | {labels} | {summary(rule)} |")
    lines.append("")
    for family, rules in families.items():
        about = describe_family(family)
        lines += [f"## {family.capitalize()}", "", f"{about[0].upper()}{about[1:]} (`--rule {family}`).", ""]
        for name, rule in rules.items():
            lines += rule_section(name, rule)
    lines += ["## What all rules have", "", "```{eval-rst}", ".. autoclass:: ensembler.combiners.base.Combiner"]
    lines += ["   :members: fit, scores, predict_proba, predict", "", "```", "", *metrics_section()]
    return "\n".join(lines) + "\n"


def rule_section(name: str, rule: type[Combiner]) -> Iterator[str]:
    """Yield the lines of a rule's section."""
    kinds = "probabilities only" if rule().needs_probabilities() else "probabilities and hard labels"
    when = "no rule is named" if name in default_rules() else f"it is named: `--rule {name}`"
    facts = [f"Source: {rule.source}.", f"Takes {kinds}.", f"Compared where {when}."]
    yield from (f"### {name}", "", " ".join(facts), "")
    yield from ("```{eval-rst}", f".. autoclass:: {rule.__module__}.{rule.__name__}", "", "```", "")


def metrics_section() -> Iterator[str]:
    """Yield the lines of the table of metrics."""
    yield from ("## Metrics", "", "| metric | better | needs probabilities | |", "|---|---|---|---|")
    for metric in METRICS.values():
        direction = "higher" if metric.greater_is_better else "lower"
        needs = "yes" if metric.needs_probabilities else "no"
        yield f"| `{metric.name}` | {direction} | {needs} | {summary(metric.function)} |"


def summary(documented: object) -> str:
    """Return the first line of what something says about itself."""
    return (inspect.getdoc(documented) or "").partition("\n")[0]


def programs() -> dict[str, typer.Typer]:
    """Return the command-line programs by name."""
    from backbones.cli import app as backbones
    from ensembler.cli.app import app as ensembler

    return {"ensembler": ensembler, "backbones": backbones}


def commands(program: typer.Typer) -> dict[str, Any]:
    """Return the commands of a program by name."""
    return dict(typer.main.get_command(program).commands)  # type: ignore[attr-defined]


def help_page() -> str:
    """Return what ``--help`` prints for every command."""
    lines = ["# Help of every command", "", "What `--help` prints, taken from the programs themselves. How the options"]
    lines += ["belong together is told in [Command line](command-line.md).", ""]
    for name, program in programs().items():
        lines += [f"## {name}", "", "```text", plain_help(program), "```", ""]
        for command in commands(program):
            lines += [f"### {name} {command}", "", "```text", plain_help(program, command), "```", ""]
    return "\n".join(lines)


def plain_help(program: typer.Typer, *words: str) -> str:
    """Return a help text of a fixed width, without colour."""
    from typer.testing import CliRunner

    printed = CliRunner().invoke(
        program,
        [*words, "--help"],
        prog_name=program.info.name,
        env={"COLUMNS": str(HELP_WIDTH), "NO_COLOR": "1", "FORCE_COLOR": None, "TERM": "dumb"},
    )
    if printed.exit_code:
        raise RuntimeError(f"{' '.join(words)} --help failed: {printed.output}")
    return "\n".join(line.rstrip() for line in printed.output.strip("\n").splitlines()).strip("\n")


def draw_figures() -> None:
    """Draw the figures of the bundled set that are older than the code, by the commands that readers would use."""
    from typer.testing import CliRunner

    from ensembler.cli.app import app
    from ensembler.predictions.bundled import published_folder

    newest = newest_source()
    FIGURES.mkdir(parents=True, exist_ok=True)
    for name, command in DRAWN.items():
        path = FIGURES / name
        if path.exists() and path.stat().st_mtime > newest:
            continue
        words = [str(published_folder()) if word == "{set}" else word for word in command.split()]
        done = CliRunner().invoke(app, [*words, str(path)])
        if done.exit_code:
            raise RuntimeError(f"ensembler {command} {name} failed: {done.output or done.exception}")


def newest_source() -> float:
    """Return when the newest of the files that figures depend on was changed."""
    return max(path.stat().st_mtime for path in sources())


def sources() -> Iterator[Path]:
    """Yield the files that figures depend on."""
    import ensembler

    yield from DOCS.glob("*.py")
    yield from Path(ensembler.__file__).parent.rglob("*.py")


def documented_objects(*pages: str) -> set[str]:
    """Return the full names that pages document by autodoc, members of modules included."""
    found: set[str] = set()
    for page in pages:
        found |= set(re.findall(r"^\.\. auto(?:class|function):: (\S+)", page, flags=re.MULTILINE))
        for module, members in re.findall(r"^\.\. automodule:: (\S+)\n   :members: (.+)", page, flags=re.MULTILINE):
            found |= {f"{module}.{member.strip()}" for member in members.split(",")}
    return found
