"""Sphinx configuration; the page of all rules is written anew from the registry at each build."""

import inspect
from pathlib import Path

import ensembler
from ensembler.metrics import METRICS
from ensembler.registry import all_rules

project = "ensembler"
author = "The ensembler authors"
copyright = "2026, the ensembler authors"
release = ensembler.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
]
html_theme = "furo"
html_title = "ensembler"
exclude_patterns = ["_build"]
templates_path: list[str] = []
myst_enable_extensions = ["dollarmath", "deflist"]
napoleon_numpy_docstring = True
napoleon_use_ivar = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
default_role = "code"


def write_rules_page() -> None:
    lines = ["# All rules", "", "Written from the code by `docs/conf.py`. `ensembler list` prints the same.", ""]
    lines += ["| rule | learns | hard labels | source |", "|---|---|---|---|"]
    for name, rule in all_rules().items():
        cells = [
            f"[{name}](#{rule.__module__}.{rule.__name__})",
            "yes" if rule.learns else "no",
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
    Path(__file__).with_name("reference").joinpath("rules.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


write_rules_page()
