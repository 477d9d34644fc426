"""Code in Markdown pages: finding it, and running it as a reader would.

A page may say, in comments that only its source shows, ``% given: preds, new`` (which folders a reader has) and, before
a block, ``% not run: why``. A code block with a caption is written to the file of that name. What a page prints is
collected; a ``text`` block quotes it, and ``⋮`` alone in a line leaves some out.
"""

import contextlib
import io
import re
import runpy
import shlex
import shutil
import tomllib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ensembler.combiners.registry import all_rules
from ensembler.predictions.bundled import published_folder

ROOT = Path(__file__).parents[1]
ELSEWHERE = ("backbones", "dask", "git", "make", "pip")
"""Programs that pages mention and tests do not start."""
FENCE = re.compile(
    r"(?:^% not run: (?P<reason>.+)\n)?^```(?:\{code-block\} )?(?P<language>\w+)\n"
    r"(?::caption: (?P<caption>\S+)\n\n?)?(?P<code>.*?)^```$",
    flags=re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file it stands for, and why it is not run."""

    language: str
    code: str
    caption: str | None = None
    reason: str | None = None


def blocks(text: str, *languages: str) -> list[Block]:
    """Return the fenced blocks of a page, of some languages or of all."""
    found = [
        Block(match["language"], match["code"], match["caption"], match["reason"]) for match in FENCE.finditer(text)
    ]
    return [block for block in found if not languages or block.language in languages]


def commands(text: str) -> list[list[str]]:
    """Return the words of each command that the console blocks show."""
    return [words for block in blocks(text, "console") for words in block_commands(block)]


def block_commands(block: Block) -> Iterator[list[str]]:
    """Yield the words of each command of a block; a line that ends in a backslash goes on."""
    for line in block.code.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            yield shlex.split(line[2:], comments=True)


def prepare(text: str, home: Path) -> None:
    """Make the folders that a page takes as given."""
    given = re.search(r"^% given: (.+)$", text, flags=re.MULTILINE)
    for name in [] if given is None else given[1].split(", "):
        if name == "preds":
            shutil.copytree(published_folder(), home / "preds")
        elif name == "new":
            shutil.copytree(published_folder() / "val", home / "new", ignore=shutil.ignore_patterns("labels.npy"))
        else:
            raise ValueError(f"unknown folder {name!r}")


def run_page(text: str, run, home: Path, monkeypatch) -> str:
    """Run a page's blocks in order, in its folder; return what they printed, checking what the page quotes."""
    prepare(text, home)
    printed: list[str] = []
    names: dict[str, object] = {}
    for block in blocks(text):
        if block.reason is not None:
            continue
        if block.caption is not None:
            path = home / block.caption
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            printed.append(run_python(lambda code=block.code: exec(compile(code, "page", "exec"), names)))  # noqa: S102
        elif block.language == "console":
            for words in block_commands(block):
                if words[:2] == ["pip", "install"] and (home / words[2] / "pyproject.toml").exists():
                    install(home / words[2], monkeypatch)
                else:
                    printed.append(run_command(words, run, home))
        elif block.language == "text":
            check_quoted(block.code, "\n".join(printed))
    return "\n".join(printed)


def run_command(words: list[str], run, home: Path) -> str:
    """Run one command; return what it printed, or put it into the file it is sent to."""
    if len(words) > 2 and words[-2] == ">":
        (home / words[-1]).write_text(run_command(words[:-2], run, home), encoding="utf-8")
        return ""
    if words[0] == "ensembler":
        result = run(*words[1:])
        assert result.code == 0, (words, result.err)
        return result.out
    if words[0] == "python":
        return run_python(lambda: runpy.run_path(words[1], run_name="__main__"))
    assert words[0] in ELSEWHERE, words
    return ""


def install(project: Path, monkeypatch) -> None:
    """Make a distribution's modules and entry points known, as pip would, for the rest of the test."""
    about = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    facts = project / f"{about['name'].replace('-', '_')}-{about['version']}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Name: {about['name']}\nVersion: {about['version']}\n", encoding="utf-8")
    points = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in about["entry-points"].items()
    ]
    (facts / "entry_points.txt").write_text("\n".join(points), encoding="utf-8")
    monkeypatch.syspath_prepend(project)
    all_rules.cache_clear()


def run_python(code) -> str:
    """Call something; return what it printed."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream), warnings.catch_warnings():
        # Other people's libraries may announce changes in a reader's example.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        code()
    return stream.getvalue()


def check_quoted(quoted: str, printed: str) -> None:
    """Assert that each part of a quotation was printed, whatever the line breaks."""
    everything = " ".join(printed.split())
    for part in re.split(r"^\s*⋮\s*$", quoted, flags=re.MULTILINE):
        assert " ".join(part.split()) in everything, part
