"""Numbers and names in the text of a program, in lines of bounded width."""

from typing import Any

WIDTH = 110
LINES = "\0"


def assignment(name: str, values: list[Any], form: str = "{}") -> str:
    """Return an assignment of a list, in lines of bounded width."""
    short = f"{name} = {form.format(values)}"
    if len(short) <= WIDTH:
        return short
    rows = [item if isinstance(item, list) else [item] for item in values]
    texts = [[repr(item) for item in row] for row in rows]
    if not isinstance(values[0], list):
        lines = wrapped([text for row in texts for text in row], "    ")
    else:
        lines = [line for row in texts for line in ("    [", *wrapped(row, "        "), "    ],")]
    return f"{name} = {form.format(LINES)}".replace(LINES, "\n".join(["[", *lines, "]"]))


def wrapped(texts: list[str], indent: str) -> list[str]:
    """Return texts, each with a comma after it, in lines of bounded width."""
    lines = [indent]
    for text in texts:
        if len(lines[-1]) + len(text) + 2 > WIDTH and lines[-1].strip():
            lines.append(indent)
        lines[-1] += f"{text}, "
    return [line.rstrip() for line in lines]
