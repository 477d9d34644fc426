"""Put what commands print about the bundled predictions into the README and the first page of the documentation.

    python docs/quotes.py

Each quotation keeps its place: the verdict with the leading rules, what is said about committees, and on their own
pages what `abstain`, `conformal`, `explain` and `cascade` say of the published networks, and what the commands
of the tutorial and of the page on competitions say of their data.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent
README, INDEX = ROOT / "README.md", ROOT / "docs" / "index.md"
COMPETITION = ROOT / "docs" / "how-to" / "kaggle.md"
TUTORIAL = ROOT / "docs" / "tutorial" / "first-comparison.md"
PAGES = ("abstain.md", "prediction-sets.md", "pay-less.md")
ABSTAIN, SETS, CASCADE = (ROOT / "docs" / "how-to" / name for name in PAGES)
WIDE, NARROW = 120, 97


def main() -> None:
    """Replace all of them."""
    bench, subsets = printed("bench"), printed("subsets")
    verdict, table = bench.split("\n\n")[:2]
    lines = [line.rstrip() for line in table.splitlines() if "--full" not in line]
    quote(README, r"Use [\w-]+: accuracy .*?", "\n".join([wrapped(verdict, WIDE), "", *lines]))
    quote(README, r"Use [\w-]+ of .*?", wrapped(subsets.splitlines()[0], WIDE))
    quote(INDEX, r"Use [\w-]+: accuracy .*?", wrapped(verdict, NARROW))
    quote_published()
    quote_cascades()
    with tempfile.TemporaryDirectory() as folder:
        quote_tutorial(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        quote_competition(Path(folder))


def quote_published() -> None:
    """Replace what is said of the published networks."""
    from ensembler.predictions.bundled import published_folder

    folder = str(published_folder())
    abstain, explain = printed("abstain", folder, "--rule", "mean"), printed("explain", folder, "--rule", "mean")
    promise = re.search(r"^Promised: .*? chosen on them\.", abstain, flags=re.MULTILINE)
    assert promise is not None
    quote(ABSTAIN, r"Answer where .*?", wrapped(abstain.partition("\n")[0], NARROW))
    quote(ABSTAIN, r"Promised: .*?", wrapped(promise[0], NARROW))
    quote(ABSTAIN, r" +thresh-.*?", table_from(abstain, "thresh-", 8))
    quote(ABSTAIN, r" +mean +mean.*?", table_from(explain, "mean +mean", 10))
    for start, more in (("Sets by lac of", ()), ("Sets by lac by class", ("--by-class",))):
        sets = printed("conformal", folder, "--rule", "mean", *more)
        quote(SETS, f"{start} .*?", wrapped(sets.partition("\n")[0], NARROW))


def quote_cascades() -> None:
    """Replace what `cascade` says of the published networks."""
    from ensembler.predictions.bundled import published_folder

    folder = str(published_folder())
    answer, promised = printed("cascade", folder), printed("cascade", folder, "--alpha", "0.05")
    classes = re.search(r"^Who is passed on.*?(?=\n\n)", answer, flags=re.MULTILINE | re.DOTALL)
    assert classes is not None
    inside = r"(?:(?!Promised|```).)*?"
    quote(CASCADE, f"Run {inside}", wrapped(answer.partition("\n")[0], NARROW))
    quote(CASCADE, f"Run {inside}Promised{inside}", wrapped(promised.partition("\n")[0], NARROW))
    quote(CASCADE, f"Who is passed on{inside}", "\n".join(line.rstrip() for line in classes[0].splitlines()))


def quote_tutorial(home: Path) -> None:
    """Replace what the tutorial's commands say, run in an empty folder."""
    script, last = scripts(TUTORIAL)
    run([sys.executable, "-c", script], home)
    bench, full = printed("bench", "preds", home=home), printed("bench", "preds", "--full", home=home)
    subsets = printed("subsets", "preds", "--rule", "mean", home=home)
    reasons = re.search(r"Of these rules, it is .*", full.partition("\n\n")[0])
    assert reasons is not None
    quote(TUTORIAL, r"Use [\w-]+: accuracy .*?", wrapped(bench.partition("\n\n")[0], NARROW))
    quote(TUTORIAL, r" +vs\. best.*?", table_from(bench, "vs. best", 7))
    quote(TUTORIAL, r"Of these rules.*?", wrapped(reasons[0], NARROW))
    quote(TUTORIAL, r"Use [\w-]+ of .*?", wrapped(subsets.partition("\n")[0], NARROW))
    quote(TUTORIAL, r" +acc\..*?", table_from(subsets, "acc.", 10))
    run_all(TUTORIAL, "predict", home)
    quote(TUTORIAL, r"[\w ]+ right in .*?", run([sys.executable, "-c", last], home).rstrip("\n"))


def quote_competition(home: Path) -> None:
    """Replace what the commands of the page on competitions say, run in an empty folder."""
    script, last = scripts(COMPETITION)
    run([sys.executable, "-c", script], home)
    first, everything, *_ = run_all(COMPETITION, "import", home)
    table = table_from(first, "oof_boosting", 6)
    quote(COMPETITION, r"wrote preds: .*?", "\n".join([first.partition("\n")[0], "⋮", table]))
    quote(COMPETITION, r"train\.csv \(target\).*?", table_from(everything, "train.csv", 1))
    bench = printed("bench", "preds", home=home)
    rows = [line.rstrip() for line in bench.splitlines() if re.match(r"\W+(blend|best-member|mean) ", line)]
    parts = [wrapped(bench.partition("\n\n")[0], NARROW), table_from(bench, "vs. best", 3), *rows]
    quote(COMPETITION, r"Use [\w-]+: accuracy .*?", "\n⋮\n".join(parts))
    run_all(COMPETITION, "predict", home)
    quote(COMPETITION, r"tables/sub.*?", run([sys.executable, "-c", last], home).rstrip("\n"))


def scripts(page: Path) -> tuple[str, str]:
    """Return the script that a page saves as train.py, and its last lines of Python."""
    text = page.read_text(encoding="utf-8")
    script = re.search(r"^:caption: train\.py\n\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    last = re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    assert script is not None
    return script[1], last[-1]


def run_all(page: Path, name: str, home: Path) -> list[str]:
    """Run a page's commands of some name, which it shows in console blocks; return what they print."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    shown = "\n".join(re.findall(r"^```console\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE))
    commands = [shlex.split(command) for command in re.findall(r"^\$ ensembler (.*)$", shown, flags=re.MULTILINE)]
    return [printed(*expanded(words, home), home=home) for words in commands if words[0] == name]


def expanded(words: list[str], home: Path) -> list[str]:
    """Return the words of a command with its patterns of files expanded, as a shell does."""
    found = [(sorted(map(str, home.glob(word))) if "*" in word else []) or [word] for word in words]
    return [
        str(Path(word).relative_to(home)) if Path(word).is_absolute() else word for words in found for word in words
    ]


def table_from(text: str, start: str, n_lines: int) -> str:
    """Return some lines of a table from its heading on."""
    found = re.search(rf"^ *{start}.*", text, flags=re.MULTILINE | re.DOTALL)
    assert found is not None
    return "\n".join(line.rstrip() for line in found[0].splitlines()[:n_lines])


def wrapped(text: str, width: int) -> str:
    """Wrap a paragraph, names of rules in one piece."""
    return textwrap.fill(text, width, break_on_hyphens=False)


def printed(*command: str, home: Path = Path("/")) -> str:
    """Return what a command prints in some folder, with paragraphs unwrapped."""
    return run([sys.executable, "-m", "ensembler", *command], home)


def run(program: list[str], home: Path) -> str:
    """Return what a program prints, run in some folder with a very wide terminal."""
    environment = os.environ | {"COLUMNS": "100000"}
    return subprocess.run(program, capture_output=True, text=True, check=True, env=environment, cwd=home).stdout


def quote(path: Path, start: str, text: str) -> None:
    """Replace the text block that starts in some way."""
    page, n_found = re.subn(
        rf"(?<=^```text\n){start}(?=\n```$)",
        lambda _: text,
        path.read_text(encoding="utf-8"),
        flags=re.DOTALL | re.MULTILINE,
    )
    assert n_found == 1, (path, start, n_found)
    path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
