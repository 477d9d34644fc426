"""The part of plotly.js that is in the package."""

import hashlib
import tomllib
from pathlib import Path

import ensembler.report
from ensembler.report.figures.drawing import draw_for_page
from ensembler.report.plotly_bundle import LICENCE, SHA256, TRACES, VERSION, plotly_script

TEMPLATES = Path(ensembler.report.__file__).parent / "templates"


def test_it_is_the_published_one_with_its_licence():
    for name, expected in SHA256.items():
        assert hashlib.sha256((TEMPLATES / name).read_bytes()).hexdigest() == expected
    assert "MIT License" in (TEMPLATES / LICENCE).read_text(encoding="utf-8")
    assert f"v{VERSION}" in plotly_script()[:200]
    assert (TEMPLATES / LICENCE).stat().st_size + len(plotly_script()) < 1_510_000


def test_nothing_in_it_ends_the_script_element_that_it_stands_in():
    assert "</script" not in plotly_script().lower()
    assert "<!--" not in plotly_script()


def test_it_is_in_the_distribution():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    assert f"ensembler/report/templates/{LICENCE}" in project["project"]["license-files"]
    assert "ensembler" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert "/ensembler" in project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]


def test_it_has_every_kind_of_chart_that_is_drawn(figures, ranking_figures):
    drawn = [
        draw_for_page(chart) for figure in (*figures.values(), *ranking_figures.values()) for _, chart in figure.views
    ]
    kinds = {trace["type"] for view in drawn for trace in view["data"]}
    assert kinds <= set(TRACES)
