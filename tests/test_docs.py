"""What the documentation shows is what happens, and what it names is there."""

import importlib.util
import json
import re
import sys
from collections.abc import Iterator

import pytest

import ensembler
from ensembler.combiners.registry import all_rules
from tests.pages import ELSEWHERE, ROOT, blocks, commands, run_page

DOCS = ROOT / "docs"
WRITTEN_AT_BUILD = ("help.md", "rules.md")
PAGES = sorted(path for path in DOCS.rglob("*.md") if path.name not in WRITTEN_AT_BUILD)
NAMES = [path.relative_to(DOCS).as_posix() for path in PAGES]
OF_PROGRAMS = {"--version", "--install-completion", "--show-completion"}
"""Options of no command."""
OF_OTHERS = {
    "--parts": "benchmarks/train_speed.py",
    "--seconds": "tests/fuzz/campaign.py",
    "--port": "dask",
    "--host": "dask",
    "--nthreads": "dask",
} | {
    "--nworkers": "dask",
    "--sets": "docs/gallery.py",
    "--help": "every program",
}
"""Options of programs that are not ours."""


@pytest.fixture(scope="session")
def generate():
    """The module that writes pages at the build; it needs no Sphinx."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text_of(path):
    return path.read_text(encoding="utf-8")


RUNNING = [path for path in PAGES if any(b.reason is None for b in blocks(text_of(path), "python", "console"))]


@pytest.mark.parametrize("page", RUNNING, ids=lambda path: path.relative_to(DOCS).as_posix())
def test_the_page_runs_and_prints_what_it_quotes(page, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    try:
        run_page(text_of(page), run, tmp_path, monkeypatch)
    finally:
        all_rules.cache_clear()


def test_the_three_answers_of_the_tutorial_agree(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (script,) = (b.code for b in blocks(text_of(DOCS / "tutorial" / "first-comparison.md")) if b.caption == "train.py")
    exec(compile(script, "train.py", "exec"), {})  # noqa: S102 - the tutorial is ours
    told = json.loads(run("bench", "preds", "--resamples", "100", "--json").out)
    (entry,) = (entry for entry in told["combiners"] if entry["name"] == told["recommended"])
    committees = re.search(r"Use ([\w-]+)[^;]*: accuracy (\.\d+)", run("subsets", "preds", "--rule", "mean").out)
    assert committees[1] == told["recommended"]
    assert float(committees[2]) == pytest.approx(entry["accuracy"], abs=1e-4)
    assert run("report", "preds", "--resamples", "100", "--out", "report.html").code == 0
    shown = re.sub(r"<(script|style|svg).*?</\1>|<[^>]+>", " ", text_of(tmp_path / "report.html"), flags=re.DOTALL)
    answer = re.search(r"Use ([\w-]+)", shown)
    assert answer[1] == told["recommended"]
    points = re.search(r"(\d\d\.\d+) %|(\.\d{4})", shown[answer.start() :])
    reached = float(points[1]) / 100 if points[1] else float(points[2])
    assert reached == pytest.approx(entry["accuracy"], abs=1e-3)


def test_most_examples_are_run():
    examples = [block for page in PAGES for block in blocks(text_of(page), "python", "console")]
    left_out = [block for block in examples if block.reason is not None]
    assert len(left_out) <= 6
    assert len(examples) >= 40


def options(command) -> Iterator[str]:
    for parameter in command.params:
        yield from (name for name in parameter.opts if name.startswith("-"))


@pytest.fixture(scope="session")
def known(generate):
    """The options of every command of our programs."""
    return {
        name: {command: {*options(made), "--help", "-h"} for command, made in generate.commands(program).items()}
        for name, program in generate.programs().items()
    }


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda path: path.name)
def test_the_page_names_commands_and_options_that_exist(page, known):
    text = text_of(page)
    told = [block.code for block in blocks(text, "console")]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    for words in [*commands(text), *(span.split() for span in spans)]:
        if len(words) > 1 and words[0] in known and not words[1].startswith("-"):
            assert words[1] in known[words[0]] or words[1] in ("<command>", "COMMAND"), words
            for option in options_in(" ".join(words[2:])):
                assert option in known[words[0]][words[1]], words
    every = {option for program in known.values() for command in program.values() for option in command}
    for option in options_in(" ".join([*spans, *(line for block in told for line in block.splitlines())])):
        assert option in every | OF_PROGRAMS or option in OF_OTHERS, option


def options_in(text):
    return re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)


def test_every_public_name_is_documented(generate):
    pages = [text_of(DOCS / "reference" / "python.md"), generate.rules_page()]
    documented = generate.documented_objects(*pages)
    for name in set(ensembler.__all__) - {"__version__"}:
        one = getattr(ensembler, name)
        assert f"{one.__module__}.{one.__qualname__}" in documented, name
        assert f"`{name}`" in pages[0] or f"[{name}]" in pages[0], name


def test_what_is_documented_is_there(generate):
    pages = [text_of(path) for path in (DOCS / "reference").glob("*.md") if path.name not in WRITTEN_AT_BUILD]
    for name in generate.documented_objects(*pages):
        module, _, attribute = name.rpartition(".")
        if module.startswith("ensembler"):
            assert hasattr(importlib.import_module(module), attribute), name


def test_the_page_of_rules_has_a_line_and_a_section_for_each(generate):
    page = generate.rules_page()
    headings = set(re.findall(r"^##+ (.+)$", page, flags=re.MULTILINE))
    for name, rule in all_rules().items():
        assert f"| [`{name}`](#{name}) | [{rule.family}](#{rule.family}) |" in page
        section = page[page.index(f"\n### {name}\n") :].partition("\n##")[2].partition("\n#")[0]
        assert rule.source in section
        assert f".. autoclass:: {rule.__module__}.{rule.__name__}\n" in section
        assert rule.family.capitalize() in headings


def test_dois_are_taken_whole():
    pytest.importorskip("sphinx")
    spec = importlib.util.spec_from_file_location("dois", DOCS / "dois.py")
    dois = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(dois)
    text = "Wolpert (doi 10.1016/S0893-6080(05)80023-1). Heskes, doi 10.1214/ss/1177013825; see arXiv 2307.00286."
    pieces = dois.linked(text)
    assert "".join(piece.astext() for piece in pieces) == text
    assert [piece["refuri"] for piece in pieces if piece.tagname == "reference"] == [
        "https://doi.org/10.1016/S0893-6080(05)80023-1",
        "https://doi.org/10.1214/ss/1177013825",
        "https://arxiv.org/abs/2307.00286",
    ]


@pytest.fixture(scope="session")
def gallery():
    """The module that makes the gallery."""
    spec = importlib.util.spec_from_file_location("gallery", DOCS / "gallery.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["gallery"] = module  # its dataclass looks there
    spec.loader.exec_module(module)
    return module


def gallery_sections():
    """The sections of the gallery by the name of their analysis."""
    sections = text_of(DOCS / "gallery.md").split("\n## ")[1:]
    return {re.search(r"_static/gallery/(.+)\.png$", section, flags=re.MULTILINE)[1]: section for section in sections}


@pytest.mark.parametrize("name", ["fer2013", "hard-labels", "binary", "many-classes"])
def test_the_gallery_quotes_what_bench_says(name, gallery, run, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "10000")
    (analysis,) = (analysis for analysis in gallery.ANALYSES if analysis.name == name)
    told = run("bench", gallery.prepared(analysis, tmp_path, ()), "--full").out.partition("\n\n")[0]
    (quoted,) = blocks(gallery_sections()[name], "text")
    assert " ".join(quoted.code.split()) == " ".join(told.split())


def test_the_gallery_shows_each_analysis(gallery):
    sections = gallery_sections()
    assert list(sections) == [analysis.name for analysis in gallery.ANALYSES]
    for analysis in gallery.ANALYSES:
        section = sections[analysis.name]
        assert section.partition("\n")[0] == analysis.title
        picture = gallery.PICTURES / f"{analysis.name}.png"
        assert 10_000 < picture.stat().st_size < 150_000
        (quoted,) = blocks(section, "text")
        prose = section.partition(quoted.code)[2].removeprefix("```\n\n").partition("\n\n")[0]
        assert len(re.findall(r"[^.]\.(?:\s|$)", prose)) == 3
        assert set(re.findall(r"\d*\.\d+", prose)) <= set(re.findall(r"\d*\.\d+", quoted.code))
        assert ("generated/gallery" in section) == (analysis.write is not None)


def test_help_of_every_command_is_written(generate):
    page = generate.help_page()
    for name, program in generate.programs().items():
        for command in generate.commands(program):
            assert f"### {name} {command}\n" in page
            assert f"Usage: {name} {command}" in page
    assert "\x1b" not in page


def test_every_page_is_in_the_table_of_contents():
    index = text_of(DOCS / "index.md")
    for name in NAMES:
        assert name == "index.md" or f"\n{name.removesuffix('.md')}\n" in index, name


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+\.md)", text_of(page)):
            path = (page.parent / target).resolve()
            assert path.exists() or path.name in WRITTEN_AT_BUILD, (page.name, target)


def test_code_fits_the_page():
    for page in PAGES:
        for block in blocks(text_of(page)):
            if block.language not in ("toctree", "image"):
                assert max(map(len, block.code.splitlines()), default=0) <= 105, (page.name, block.code)


def test_programs_of_others_are_few():
    used = {words[0] for page in PAGES for words in commands(text_of(page))}
    assert used <= {"ensembler", "python", *ELSEWHERE}
