"""Put what commands print about the bundled predictions into the README and the first page of the documentation.

    python docs/quotes.py

Each quotation keeps its place: the verdict with the leading rules, and what is said about committees.
"""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent
README, INDEX = ROOT / "README.md", ROOT / "docs" / "index.md"
WIDE, NARROW = 120, 97


def main() -> None:
    """Replace all of them."""
    bench, subsets = printed("bench"), printed("subsets")
    verdict, table = bench.split("\n\n")[:2]
    lines = [line.rstrip() for line in table.splitlines() if "--full" not in line]
    quote(README, r"Use [\w-]+: accuracy .*?", "\n".join([wrapped(verdict, WIDE), "", *lines]))
    quote(README, r"Use [\w-]+ of .*?", wrapped(subsets.splitlines()[0], WIDE))
    quote(INDEX, r"Use [\w-]+: accuracy .*?", wrapped(printed("bench --full").splitlines()[0], NARROW))


def wrapped(text: str, width: int) -> str:
    """Wrap a paragraph, names of rules in one piece."""
    return textwrap.fill(text, width, break_on_hyphens=False)


def printed(command: str) -> str:
    """Return what a command prints, with paragraphs unwrapped."""
    program = [sys.executable, "-m", "ensembler", *command.split()]
    environment = os.environ | {"COLUMNS": "100000"}
    return subprocess.run(program, capture_output=True, text=True, check=True, env=environment, cwd="/").stdout


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
