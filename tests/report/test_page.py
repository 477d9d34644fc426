"""The page in a real browser, built from real predictions."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ensembler import Predictions, load_predictions
from ensembler.cli import main
from ensembler.predictions.bundled import published_folder
from ensembler.report.page import render
from ensembler.report.survey import survey
from tests.conftest import draw

CIFAR = Path(__file__).parents[3] / "shared" / "cifar10.1"
SECTIONS = ["verdict", "rules", "committees", "members", "cost", "cascade", "classes", "calibration", "abstention"]
SECTIONS += ["diversity", "rows"]
WILD = ["<script>alert(1)</script>", "x" * 200, 'a&b "c" $x$ <b>', "plain"]


def made(tmp_path_factory, data, **options):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(survey(data, **options), command="ensembler report"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    """The page of the bundled set, as the command writes it."""
    path = tmp_path_factory.mktemp("bundled") / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)
        patch.setattr("sys.argv", ["ensembler", "report", str(published_folder()), "--out", str(path)])
        main_quietly()
    return path


def main_quietly():
    try:
        main()
    except SystemExit as stop:
        assert not stop.code


@pytest.fixture(scope="module")
def hard(tmp_path_factory):
    """Thirty members that exist as hard labels only: more than can be swept."""
    proba, labels = draw(3, n_members=30, n_samples=800, n_classes=4)
    votes = np.eye(4)[proba.argmax(axis=-1)]
    return made(tmp_path_factory, Predictions(votes, labels, hard=[True] * 30), n_resamples=200)


@pytest.fixture(scope="module")
def wild(tmp_path_factory):
    proba, labels = draw(1, n_members=4, n_samples=400, n_classes=3)
    classes = ["<img src=x onerror=alert(2)>", "</script><script>alert(3)</script>", "y" * 120]
    halves = [
        Predictions(proba[:, rows], labels[rows], names=WILD, class_names=classes)
        for rows in (slice(200), slice(200, None))
    ]
    data = Predictions(halves[0].proba, halves[0].labels, names=WILD, class_names=classes, validation=halves[1])
    return made(tmp_path_factory, data, n_resamples=200)


def sections(text):
    return re.findall(r'<section id="([^"]+)"', text)


def without_tags(text):
    return re.sub(r"<[^>]+>", "", text)


def figure_data(text):
    return re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.DOTALL)[1]


def test_one_small_file_with_every_section(bundled):
    text = bundled.read_text(encoding="utf-8")
    assert sections(text) == [*SECTIONS, "doctor", "method", "glossary"]
    assert bundled.stat().st_size < 2_500_000
    assert len(figure_data(text)) < 800_000
    assert f"ensembler report {published_folder()} --out report.html" in text
    assert "<p></p>" not in re.sub(r' class="[^"]*"', "", text)
    assert str(bundled.parent) not in text


@pytest.mark.parametrize("name", ["bundled", "hard", "wild"])
@pytest.mark.parametrize("width", [1200, 390])
def test_nothing_goes_wrong_and_nothing_leaves_the_file(name, width, request, visit, draw_figures):
    path = request.getfixturevalue(name)
    seen = visit(path, width=width, dark=width == 390)
    draw_figures(seen.page)
    drawn = seen.page.locator("figure .main-svg").count()
    assert drawn >= seen.page.locator("figure").count() >= 5
    assert seen.page.evaluate("document.documentElement.scrollWidth") == width
    assert seen.said == []
    assert seen.requests == [path.resolve().as_uri()]


@pytest.mark.skipif(not CIFAR.exists(), reason="the CIFAR-10.1 predictions are not beside the project")
def test_the_cifar_set(tmp_path_factory, visit, draw_figures):
    data = load_predictions(CIFAR)
    path = made(tmp_path_factory, data, n_resamples=200)
    seen = visit(path)
    draw_figures(seen.page)
    assert seen.said == []
    assert len(figure_data(path.read_text(encoding="utf-8"))) < 800_000


def test_sorting_sorts(bundled, visit):
    page = visit(bundled).page
    table = page.locator("#table-rules")

    def column(place):
        return table.locator("tbody tr").evaluate_all(f"rows => rows.map(row => row.cells[{place}].textContent.trim())")

    table.get_by_role("button", name="log loss").click()
    values = [float(value) for value in column(5)]
    assert values == sorted(values, reverse=True)
    table.get_by_role("button", name="log loss").click()
    values = [float(value) for value in column(5)]
    assert values == sorted(values)
    assert table.locator("th[aria-sort]").count() == 1
    table.get_by_role("button", name="rule").click()
    assert column(1) == sorted(column(1))


def test_the_filter_filters(bundled, visit):
    page = visit(bundled).page
    page.locator("#table-rules-filter").fill("weighted")
    shown = page.locator("#table-rules tbody tr:visible")
    assert shown.count() == 5
    assert all("weighted" in text for text in shown.all_text_contents())
    assert page.locator("#table-rules-filter ~ [role=status]").text_content() == "5 of 22"


def test_hover_names_the_members_of_a_committee(bundled, visit):
    page = visit(bundled).page
    figure = page.locator("#figure-committees")
    figure.scroll_into_view_if_needed()
    figure.locator(".main-svg").first.wait_for()
    page.wait_for_timeout(200)
    # The only committee of nine stands alone.
    whole = figure.locator(".scatterlayer .trace").nth(-3).locator("path.point").bounding_box()
    page.mouse.move(whole["x"] + whole["width"] / 2, whole["y"] + whole["height"] / 2)
    figure.locator(".hovertext").first.wait_for()
    told = figure.locator(".hovertext").first.text_content()
    assert told.startswith("all members: 68.60 %, 9 members")
    assert "oarriaga_mini_xception_102" in told


def test_the_answer_comes_first_and_is_the_title(bundled, visit):
    page = visit(bundled).page
    heading = page.locator("h1")
    assert heading.count() == 1
    assert heading.text_content().startswith(
        "Use blend: 70.0 % accuracy, 3.2 points above your best model (95 % interval"
    )
    assert heading.text_content().startswith(page.title())
    labels = page.locator(".cards dt").all_text_contents()
    assert labels == ["Best single model", "Cheapest as good", "Ceiling"]
    assert page.locator("details.reasons[open]").count() == 0
    bottom = page.locator("details.reasons").bounding_box()
    assert bottom["y"] + bottom["height"] < 900


def test_the_first_screen_of_a_phone_has_the_answer_and_the_cards(bundled, visit):
    page = visit(bundled, width=390).page
    last = page.locator(".cards .card").last.bounding_box()
    assert last["y"] + last["height"] < 900


def test_special_words_are_explained_by_mouse_keys_and_finger(bundled, visit, browser):
    page = visit(bundled).page
    tip = page.locator("#tip")
    word = page.locator(".cards a.term", has_text="Ceiling")
    word.focus()
    assert "oracle" in tip.text_content()
    assert word.get_attribute("aria-describedby") == "tip"
    page.keyboard.press("Escape")
    assert tip.is_hidden()
    page.locator("#table-rules thead button", has_text="ECE").hover()
    assert tip.text_content().startswith("Expected calibration error")
    page.locator("#table-rules tbody th .about", has_text="borda").hover()
    assert tip.text_content().startswith("Sum over members of how many classes each class beats")
    context = browser.new_context(has_touch=True, viewport={"width": 390, "height": 900})
    touched = context.new_page()
    touched.goto(bundled.resolve().as_uri())
    touched.locator(".cards a.term", has_text="Ceiling").tap()
    assert "oracle" in touched.locator("#tip").text_content()
    assert "#term" not in touched.url
    touched.locator(".cards a.term", has_text="Ceiling").tap()
    assert touched.url.endswith("#term-ceiling")
    context.close()


def test_every_word_that_is_explained_is_in_the_glossary(bundled):
    text = bundled.read_text(encoding="utf-8")
    links = set(re.findall(r'class="term" href="#([^"]+)"', text))
    entries = set(re.findall(r'<dt id="([^"]+)"', text))
    assert len(links) > 20
    assert "term-helped" not in links
    assert links <= entries
    words = ["chosen", "luckiest", "ceiling", "shapley-value", "ece", "brier-score", "banzhaf-value"]
    assert {f"term-{word}" for word in words} <= entries
    assert "<dt>borda</dt>" in text


def test_a_heading_stands_once_in_a_section(bundled, visit):
    page = visit(bundled).page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    for section in page.locator("main > section").all():
        headings = section.locator(":is(h1, h2, h3, caption, summary):not(.unseen)").all_text_contents()
        assert len(headings) == len(set(headings)), headings


def test_tables_are_as_wide_as_their_card(bundled, visit):
    page = visit(bundled).page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    for panel in page.locator(".panel").all():
        table, frame = panel.locator("table"), panel.locator(".table")
        assert table.evaluate("one => one.offsetWidth") >= frame.evaluate("one => one.clientWidth") - 1


def test_on_a_phone_wide_tables_say_that_they_scroll(bundled, visit):
    page = visit(bundled, width=390).page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.wait_for_timeout(200)
    told = {}
    for panel in page.locator(".panel").all():
        frame = panel.locator(".table")
        wide = frame.evaluate("one => one.scrollWidth > one.clientWidth + 1")
        hint = frame.evaluate("one => getComputedStyle(one, '::before').content")
        assert ("scrolls sideways" in hint) == wide
        told[panel.locator("table").get_attribute("id")] = wide
    assert told["table-rules"]
    assert not told["table-coverage"]


def test_on_a_phone_parts_of_a_figure_stand_below_one_another(bundled, visit):
    def places(width):
        page = visit(bundled, width=width).page
        figure = page.locator("#figure-members")
        figure.scroll_into_view_if_needed()
        figure.locator(".main-svg").first.wait_for()
        page.wait_for_timeout(200)
        frame = figure.locator(".plot-frame")
        assert frame.evaluate("one => one.scrollWidth <= one.clientWidth + 1")
        return [figure.locator(f".{axis}title").bounding_box() for axis in ("x", "x2", "x3")]

    first, second, third = places(1200)
    assert abs(first["y"] - third["y"]) < 2 < first["x"] < second["x"] < third["x"]
    first, second, third = places(390)
    assert first["y"] < second["y"] < third["y"]


def test_captions_do_not_touch_what_is_drawn(bundled, visit, draw_figures):
    for width in (1200, 390):
        page = visit(bundled, width=width).page
        draw_figures(page)
        for figure in page.locator("figure").all():
            drawn = figure.locator(".plot").bounding_box()
            assert figure.locator("figcaption").bounding_box()["y"] >= drawn["y"] + drawn["height"] + 8


def test_views_of_a_figure(bundled, visit):
    page = visit(bundled).page
    figure = page.locator("#figure-rules")
    figure.scroll_into_view_if_needed()
    figure.locator(".main-svg").first.wait_for()
    assert "accuracy" in figure.locator(".xtitle").text_content()
    figure.get_by_text("against the simple mean").click()
    page.wait_for_timeout(200)
    assert figure.locator(".xtitle").text_content() == "points of accuracy better than the simple mean"


def test_a_figure_follows_the_theme(bundled, visit):
    page = visit(bundled).page
    figure = page.locator("#figure-rules")
    figure.locator(".main-svg").first.wait_for()

    def ink():
        return figure.locator(".ytick text").first.evaluate("one => getComputedStyle(one).fill")

    def paper():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    before = ink(), paper()
    page.locator("#theme").click()
    page.wait_for_timeout(200)
    assert ink() != before[0]
    assert paper() != before[1]


def test_printing_opens_what_is_folded_and_closes_it_again(bundled, visit):
    page = visit(bundled, dark=True).page
    folded = page.locator("details:not([open])").count()
    assert folded > 3
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    drawn = page.locator("figure[data-print-height]:has(.main-svg)").count()
    assert drawn == page.locator("figure[data-print-height]").count() > 1
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == folded
    assert page.evaluate("document.documentElement.dataset.theme") is None


def pages_of(page):
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))


@pytest.mark.parametrize("name", ["bundled", "hard"])
def test_two_pages_are_printed_for_those_who_read_no_more(name, request, visit):
    page = visit(request.getfixturevalue(name)).page
    assert pages_of(page) == 2
    page.evaluate("document.documentElement.dataset.print = 'all'")
    assert pages_of(page) > 6
    assert page.evaluate("document.documentElement.dataset.print") is None


def test_what_is_printed_is_the_answer_the_main_figures_and_the_method(bundled, visit):
    page = visit(bundled).page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("h1").is_visible()
    assert page.locator(".reasons p").first.is_visible()
    figures = page.locator("figure:visible").evaluate_all("all => all.map(one => one.dataset.figure)")
    assert figures == ["rules", "members"]
    assert all(figure.locator(".main-svg").count() for figure in page.locator("figure:visible").all())
    tables = page.locator("table:visible").evaluate_all("all => all.map(one => one.id)")
    assert tables == ["table-recall"]
    assert page.locator("#method pre").is_visible()
    assert not page.locator("#glossary").is_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_no_serious_barrier(bundled, visit, draw_figures, dark):
    from axe_playwright_python.sync_playwright import Axe

    page = visit(bundled, dark=dark).page
    draw_figures(page)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    found = Axe().run(page).response["violations"]
    serious = [
        (one["id"], [node["html"][:200] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_names_are_shown_as_they_are(wild, visit):
    page = visit(wild).page
    names = page.locator("#table-members tbody th").all_text_contents()
    assert sorted(names) == sorted(WILD)


def test_a_text_beside_every_figure_and_headers_on_every_table(bundled, visit):
    page = visit(bundled).page
    for figure in page.locator("figure").all():
        assert len(figure.locator("figcaption").text_content()) > 60
        assert figure.locator("[role=img]").get_attribute("aria-describedby")
    for table in page.locator("table").all():
        assert table.locator("caption").text_content()
        assert table.locator("thead th[scope=col]").count() >= 2


def test_what_another_part_does_not_deliver_is_left_out_whole(fer):
    text = render(survey(fer.select(only=["wiktorglita_cnn3"]), ["mean", "best-member"], n_resamples=0))
    there = ["verdict", "rules", "classes", "calibration", "abstention", "rows", "doctor", "method", "glossary"]
    assert sections(text) == there
    weighted = Predictions(fer.proba, fer.labels, sample_weight=np.linspace(1, 2, fer.n_samples))
    text = render(survey(weighted, ["mean", "median"], n_resamples=100))
    assert "committees" not in sections(text)
    assert "Left out: committees: a sweep counts correct rows and takes no row weights" in without_tags(text)


def test_optimistic_figures_say_so_everywhere(fer):
    text = render(survey(fer, ["mean", "accuracy-weighted"], fit_on="test", n_resamples=100))
    titles = re.findall(r'<h3 id="[^"]+">([^<]+)</h3>', text)
    assert len(titles) > 5
    assert all(title.endswith("(optimistic)") for title in titles)
    assert "without these rows" not in text
    assert "without the scored rows" not in text
    assert "(optimistic), on rows that it was fitted on: nothing follows for others" in text


def test_cross_fitted_committees_are_chosen_on_the_same_rows(fer):
    text = render(survey(fer.select(only=["oarriaga*"]), ["mean"], fit_on="cross", n_resamples=100))
    assert "The star is the committee chosen on these same rows, with cross-fitted weights" in text


def test_the_total_is_no_row_to_sort(bundled, visit):
    page = visit(bundled).page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    table = page.locator("#table-changes")
    table.get_by_role("button", name="rows").click()
    assert table.locator("tbody tr").first.locator("th").text_content() == "Happy"
    assert table.locator("tfoot th").text_content() == "all"


def test_the_same_input_gives_the_same_page(fer):
    pages = [render(survey(fer, ["mean", "accuracy-weighted"], n_resamples=100)) for _ in range(2)]
    assert pages[0] == pages[1]


def test_a_comparison_becomes_a_page_and_a_notebook_table(fer, tmp_path):
    from ensembler import compare_rules

    result = compare_rules(fer, ["mean", "median"], n_resamples=100)
    page = result.to_html(tmp_path / "page.html", title="Mean & median")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    assert "<title>Mean &amp; median</title>" in page
    assert sections(page) == ["verdict", "rules", "classes", "calibration", "abstention", "rows", "method", "glossary"]
    table = result._repr_html_()
    assert table.count("<tr") == 3
    assert "median" in table


@pytest.mark.filterwarnings("ignore:member .* has its classes in another order")
def test_errors_of_the_doctor_stand_above_the_verdict(fer):
    proba = fer.proba.copy()
    proba[0] = proba[0][:, [1, 0, 2, 3, 4, 5, 6]]
    ill = Predictions(proba, fer.labels, names=fer.names, class_names=fer.classes)
    text = render(survey(ill, ["mean"], n_resamples=100))
    assert text.index('class="alarm"') < text.index('class="answer"')


def test_many_errors_do_not_push_the_answer_away(hard):
    text = hard.read_text(encoding="utf-8")
    top = text.partition('class="answer"')[0]
    assert top.count('class="alarm"') == 2
    assert re.search(r">And \d+ more</a>", top)


def test_figures_hold_no_tag(wild):
    data = figure_data(wild.read_text(encoding="utf-8"))
    assert "<" not in data
    assert json.loads(data)
