"""Pages and figures that are written anew at each build, so that they cannot fall behind the code."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from ensembler.combiners.registry import all_rules
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
    """Return the page of every rule and metric, from the registry."""
    lines = ["# All rules", "", "Written from the code. `ensembler list` prints the same.", ""]
    lines += ["| rule | family | learns | hard labels | source |", "|---|---|---|---|---|"]
    for name, rule in all_rules().items():
        cells = [
            f"[{name}](#{rule.__module__}.{rule.__name__})",
            rule.family,
            "yes" if rule.is_trainable else "no",
            "no" if rule().needs_probabilities() else "yes",
            rule.source,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "```{eval-rst}"]
    for rule in all_rules().values():
        lines += [f".. autoclass:: {rule.__module__}.{rule.__name__}", ""]
    lines += [
        ".. autoclass:: ensembler.combiners.base.Combiner",
        "   :members: fit, scores, predict_proba, predict",
        "",
        "```",
        "",
    ]
    lines += ["## Metrics", "", "| metric | better | needs probabilities | |", "|---|---|---|---|"]
    for metric in METRICS.values():
        summary = (inspect.getdoc(metric.function) or "").partition("\n")[0]
        direction = "higher" if metric.greater_is_better else "lower"
        lines.append(f"| `{metric.name}` | {direction} | {'yes' if metric.needs_probabilities else 'no'} | {summary} |")
    return "\n".join(lines) + "\n"


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

    newest = max(path.stat().st_mtime for path in sources())
    FIGURES.mkdir(parents=True, exist_ok=True)
    for name, command in DRAWN.items():
        path = FIGURES / name
        if path.exists() and path.stat().st_mtime > newest:
            continue
        words = [str(published_folder()) if word == "{set}" else word for word in command.split()]
        done = CliRunner().invoke(app, [*words, str(path)])
        if done.exit_code:
            raise RuntimeError(f"ensembler {command} {name} failed: {done.output or done.exception}")


def sources() -> Iterator[Path]:
    """Yield the files that figures depend on."""
    import ensembler

    yield Path(__file__)
    yield from Path(ensembler.__file__).parent.rglob("*.py")


def documented_objects(*pages: str) -> set[str]:
    """Return the full names that pages document by autodoc, members of modules included."""
    found: set[str] = set()
    for page in pages:
        found |= set(re.findall(r"^\.\. auto(?:class|function):: (\S+)", page, flags=re.MULTILINE))
        for module, members in re.findall(r"^\.\. automodule:: (\S+)\n   :members: (.+)", page, flags=re.MULTILINE):
            found |= {f"{module}.{member.strip()}" for member in members.split(",")}
    return found
