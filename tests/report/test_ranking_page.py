"""The page of a ranking in a real browser."""

import re

import numpy as np
import pytest

from ensembler.parallel.workers import process_pool
from ensembler.ranking.rank import rank_rules
from ensembler.report.ranking_page import render, write_figures
from tests.ranking.draw import draw_set
from tests.report.figures.test_drawing import real_colors

WILD = ["<script>alert(1)</script>", "x" * 150, 'a&b "c" $x$ <b>', "plain", "</script>"]


def rank(sets, rules=("mean", "log-pool", "median"), **options):
    return rank_rules(sets, list(rules), n_resamples=100, workers=lambda: process_pool(1), **options)


@pytest.fixture(scope="module")
def page(ranked, tmp_path_factory):
    path = tmp_path_factory.mktemp("ranking") / "ranking.html"
    path.write_text(render(ranked, command="ensembler rank sets/*/"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def wild(tmp_path_factory):
    path = tmp_path_factory.mktemp("wild") / "ranking.html"
    ranking = rank({name: draw_set(place) for place, name in enumerate(WILD)})
    ranking.to_html(path, title="Sets & <rules>")
    return path


def sections(text):
    return re.findall(r'<section id="([^"]+)"', text)


def test_one_file_with_every_section_and_the_answer_first(page, ranked):
    text = page.read_text(encoding="utf-8")
    assert sections(text) == ["verdict", "rules", "ranks", "sets", "size", "method", "glossary"]
    said = re.sub(r"<[^>]+>", "", text.partition('<section id="verdict"')[2])
    assert f"Use {ranked.recommended}: on 8 sets (7 " in said
    title = re.search(r"<title>(.+?) points above the mean's accuracy on 8 sets</title>", text.replace("&#39;", "'"))
    assert title[1].startswith(f"Use {ranked.recommended}: ")
    assert re.findall(r'data-figure="([^"]+)"', text) == ["effects", "ranks", "sets", "size", "learning-curve"]
    assert "ensembler rank sets/*/" in text
    assert "set-3 = again" in text
    assert page.stat().st_size < 2_500_000


@pytest.mark.parametrize("name", ["page", "wild"])
@pytest.mark.parametrize("width", [1200, 390])
def test_nothing_goes_wrong_and_nothing_leaves_the_file(name, width, request, visit, draw_figures):
    path = request.getfixturevalue(name)
    seen = visit(path, width=width, dark=width == 390)
    draw_figures(seen.page)
    assert seen.page.locator("figure .main-svg").count() >= seen.page.locator("figure").count() >= 3
    assert seen.page.evaluate("document.documentElement.scrollWidth") == width
    assert seen.said == []
    assert seen.requests == [path.resolve().as_uri()]


@pytest.mark.parametrize("width", [1200, 390])
def test_no_name_of_the_diagram_is_cut_off(page, visit, draw_figures, width):
    seen = visit(page, width=width)
    draw_figures(seen.page)
    outside = seen.page.evaluate("""() => {
        const plot = document.querySelector("#figure-ranks .plot").getBoundingClientRect();
        const texts = [...document.querySelectorAll("#figure-ranks .textpoint text")];
        return texts.filter((text) => {
            const box = text.getBoundingClientRect();
            return box.left < plot.left - 1 || box.right > plot.right + 1;
        }).map((text) => text.textContent);
    }""")
    assert outside == []


@pytest.mark.parametrize("dark", [False, True])
def test_no_serious_barrier(page, visit, draw_figures, dark):
    from axe_playwright_python.sync_playwright import Axe

    opened = visit(page, dark=dark).page
    draw_figures(opened)
    opened.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    found = Axe().run(opened).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


def test_names_are_shown_as_they_are(wild, visit):
    opened = visit(wild).page
    assert opened.title() == "Sets & <rules>"
    opened.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert opened.locator("#table-sets tbody th").all_text_contents() == WILD


def test_a_text_beside_every_figure_and_headers_on_every_table(page, visit):
    opened = visit(page).page
    for figure in opened.locator("figure").all():
        assert len(figure.locator("figcaption").text_content()) > 60
        assert figure.locator("[role=img]").get_attribute("aria-describedby")
    for table in opened.locator("table").all():
        assert table.locator("caption").text_content()


def test_plotly_knows_all_that_is_drawn(ranking_figures):
    import plotly.graph_objects as go

    from ensembler.report.figures.drawing import draw_for_page

    for figure in ranking_figures.values():
        for _, chart in figure.views:
            drawn = draw_for_page(chart)
            go.Figure(data=real_colors(drawn["data"]), layout=real_colors(drawn["layout"]))


def test_every_view_becomes_a_file(ranked, ranking_figures, tmp_path):
    written = write_figures(ranked, tmp_path / "figures")
    assert len(written) == sum(len(figure.views) for figure in ranking_figures.values()) == len(set(written))
    assert all("<text" in path.read_text(encoding="utf-8") for path in written)


def test_one_set_has_what_can_be_said_of_it():
    text = render(rank([draw_set(0)]))
    assert "<title>Use " in text
    assert re.findall(r'data-figure="([^"]+)"', text) == ["effects"]
    assert sections(text) == ["verdict", "rules", "ranks", "sets", "method", "glossary"]


def test_a_metric_of_which_less_is_better():
    text = render(rank([draw_set(seed) for seed in range(6)], metric="log-loss"))
    assert "log-loss" in text
    assert "points over the mean" not in text


def test_optimistic_figures_say_so():
    text = render(rank([draw_set(seed) for seed in range(6)], fit_on="test"))
    titles = re.findall(r'<h3 id="[^"]+">([^<]+)</h3>', text)
    assert titles
    assert all(title.endswith("(optimistic)") for title in titles)


def test_a_rule_that_could_not_run_has_a_dash(visit, tmp_path):
    sets = {f"set-{seed}": draw_set(seed) for seed in range(6)}
    one = sets["set-0"]
    sets["set-0"] = one.replace(proba=np.eye(3)[one.proba.argmax(axis=-1)], hard=[True] * 4)
    path = tmp_path / "ranking.html"
    ranking = rank(sets, ["mean", "majority-vote", "log-pool"])
    ranking.to_html(path)
    seen = visit(path)
    assert seen.said == []
    cells = seen.page.locator("#table-rules tbody tr").filter(has_text="log-pool").locator("td").all_text_contents()
    assert "–" in cells
    assert "Cells without colour: the rule could not run." in path.read_text(encoding="utf-8")
