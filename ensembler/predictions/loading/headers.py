"""What the first rows of a .csv say: how cells are separated, and what the columns are called."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ensembler.errors import FileError
from ensembler.predictions.loading.encoding import encoding_of
from ensembler.predictions.loading.import_advice import import_words
from ensembler.predictions.loading.lists import is_number

SEPARATORS = (";", "\t", "|")
"""What separates cells besides commas."""
SEPARATOR_LINE = re.compile(r"\"?sep=(.)\"?\s*", re.IGNORECASE)
"""The line above the header in which Excel is told what separates cells."""
NAMELESS = "Unnamed: "
"""What a column without a name is called, its number after it."""
ALONE = "value"
"""What the one column of a table without a header is called."""
BLANKS = r"\s+"
"""One blank or several between cells."""
MOST_COMMENTS = 64
"""Lines that are looked at for comments above the names."""
LEVELS = frozenset({"model", "models", "member", "members", "classifier", "method", "class", "classes"})
"""What the levels of columns are called."""


@dataclass(frozen=True)
class Header:
    """How a .csv is encoded, what separates its cells, the columns' names, and the lines above and of these.

    >>> Header("utf-8", ",", ("id", "cat", "")).nameless
    {'Unnamed: 2'}
    """

    encoding: str
    separator: str
    names: tuple[str, ...]
    rows: int = 1
    skipped: int = 0
    has_separator_line: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The names, a number in the place of a missing one; the first column may be an index without a name."""
        return tuple(name or (f"{NAMELESS}{at}" if at else "") for at, name in enumerate(self.names))

    @property
    def nameless(self) -> set[str]:
        """What columns without a name, the first aside, are called among the columns."""
        return {column for column, name in list(zip(self.columns, self.names, strict=True))[1:] if not name}


def read_header(path: Path, *, foreign: bool = False) -> Header:
    """Return the header of a .csv; with ``foreign``, one of two rows, or none where the first row is numbers.

    Raises
    ------
    FileError
        The first row is numbers, or names that are missing or stand there twice.
    """
    header = above_names(path, encoding_of(path, foreign=foreign), foreign=foreign)
    names = list(header.names) or cells_of(path, header, 1)[0]
    numbers = [is_number(name) and ("." in name or len(names) == 1) for name in names]
    if foreign and all(numbers) and counted(names) is not None:
        return replace(header, names=counted(names) or ())
    if all(numbers) or (len(names) > 2 and sum(numbers) >= len(names) - 1):
        if not foreign:
            raise FileError(f"{path}: the first row is {', '.join(names[:8])}, expected a header of names; add one")
        return without_names(header, len(names))
    if foreign and len(set(names)) < len(names) and all(map(str.isdecimal, names)):
        return without_names(header, len(names))
    if foreign and (len(set(names)) < len(names) or "" in names[1:]):
        two_rows = header_of_two_rows(path, header)
        if two_rows is not None:
            return two_rows
    if len(names) > 2 and names[0] and not any(names[1:]):
        raise FileError(f"{path}: the first row is a title, {names[0]!r}, expected a header of names; take it away")
    check_different([name for name in names if name], path)
    if foreign and names == ["", "0"]:
        names = ["", ALONE]  # as pandas writes a series
    return replace(header, names=tuple(names))


def above_names(path: Path, encoding: str, *, foreign: bool) -> Header:
    """Return what separates cells, and how many lines stand above the names; these only where a comment holds them."""
    with path.open(encoding=encoding) as stream:
        lines = [stream.readline(1 << 20) for _ in range(MOST_COMMENTS)]
    line = SEPARATOR_LINE.fullmatch(lines[0])
    data = next((each for each in lines if not each.startswith("#")), "")
    if not foreign and lines[0].startswith("#") and separator_of(lines[0]) is None and separator_of(data) is not None:
        raise FileError(
            f"{path}: the first row is a comment, {lines[0].strip()!r}, expected a header of names; take it away, or "
            "make a prediction set of it with ensembler import",
            remedy=import_words(str(path)),
        )
    comments = 0
    while foreign and comments < len(lines) - 2 and lines[comments].startswith("#"):
        comments += 1
    if comments and not any(line and not line.startswith("#") for line in lines):
        comments = 0  # such as hashtags
    skipped = 1 if line is not None else comments
    first, second = lines[skipped : skipped + 2]
    separator = line[1] if line is not None else separator_of(first)
    if separator is None:
        separator = BLANKS if are_blanks(first, second) else ","
    if separator == BLANKS and not foreign:
        raise FileError(
            f"{path}: cells are separated by blanks, expected commas; make a prediction set of it with "
            "ensembler import",
            remedy=import_words(str(path)),
        )
    header = Header(encoding, separator, (), skipped=skipped, has_separator_line=line is not None)
    cells = first.split(None if separator == BLANKS else separator)
    named = lines[comments - 1].lstrip("# ").split(None if separator == BLANKS else separator) if comments else []
    if len(named) == len(cells) > 1 and any(is_number(cell.strip()) for cell in cells):
        return replace(header, names=tuple(name.strip() for name in named), rows=0)
    if separator == BLANKS and len(second.split()) == len(cells) + 1:
        # As R writes tables: rows have names, and their column has none.
        return replace(header, names=("", *(cell.strip('"') for cell in cells)))
    return header


def separator_of(line: str) -> str | None:
    """Return what separates the cells of a line; None where there is but one."""
    return "," if "," in line else next((mark for mark in SEPARATORS if mark in line), None)


def are_blanks(first: str, second: str) -> bool:
    """Whether the cells of two lines are separated by blanks: a header, or numbers, above numbers.

    >>> are_blanks("cat dog", "0.5 0.5"), are_blanks('"x"', '"1" 0.5'), are_blanks("Iris setosa", "Iris virginica")
    (True, True, False)
    """
    names, cells = first.split(), second.split()
    if len(names) == 1 and len(cells) == 2 and separator_of(second) is None:
        return cells[0].strip('"') == "1" and names[0].startswith('"')  # as R writes a column
    return (
        len(names) > 1
        and len(cells) in (len(names), len(names) + 1)
        and separator_of(second) is None
        and all(map(is_number, cells[1:]))
        and (is_number(cells[0]) or any("." in cell for cell in cells[1:]))
    )


def counted(names: Sequence[str]) -> tuple[str, ...] | None:
    """Return the numbers of classes that were written as fractions; None for others.

    >>> counted(["0.0", "1.0", "2.0"]), counted(["0.0", "1.0", "0.0"])
    (('0', '1', '2'), None)
    """
    values = [float(name) for name in names]
    if len(values) < 2 or values not in (list(range(len(values))), list(range(1, len(values) + 1))):
        return None
    # Two classes, of which a first row is certain of the second.
    return tuple(str(int(value)) for value in values) if len(values) > 2 else None


def without_names(header: Header, n_columns: int) -> Header:
    """Return the header of a table that has none."""
    # Columns by number are classes; one alone is whatever its values say.
    return replace(header, names=tuple(map(str, range(n_columns))) if n_columns > 1 else (ALONE,), rows=0)


def cells_of(path: Path, header: Header, rows: int) -> list[list[str]]:
    """Return the texts in the first rows, blanks around them taken away."""
    import pandas as pd

    cells = pd.read_csv(
        path,
        header=None,
        nrows=rows,
        skiprows=header.skipped,
        dtype=str,
        keep_default_na=False,
        sep=header.separator,
        encoding=header.encoding,
    )
    return [[str(cell).strip() for cell in row] for row in cells.to_numpy().tolist()]


def header_of_two_rows(path: Path, header: Header) -> Header | None:
    """Return the header whose first row names members and whose second names classes, as pandas writes such columns.

    A blank in the first row, as spreadsheets leave where cells were merged, stands for the name on its left. A third
    row that only names the index belongs to the header.
    """
    rows = cells_of(path, header, 4)
    if len(rows) < 3 or len({name for name in rows[0][1:] if name}) < 2:
        return None  # one name above all is a title
    above, below = filled(rows[0]), rows[1]
    grids: dict[str, list[str]] = {}
    for name, given, lower in zip(above, rows[0], below, strict=True):
        if not lower and not (given or name == above[0]):
            return None
        grids.setdefault(name, []).append(lower)
    several = [lowers for lowers in grids.values() if len(lowers) > 1]
    alike = len(several) > 1 and len({frozenset(lowers) for lowers in several}) == 1
    if any(map(is_decimal, below)) and not alike:
        return None  # numbers that are not the same classes of all members are data
    names, count = joined_names(rows[0], below), 2
    if rows[2][0] and not any(rows[2][1:]):
        names[0], count = rows[2][0], 3
    elif {above[0].lower(), below[0].lower()} <= LEVELS:
        names[0] = ""  # what pandas calls the levels stands above an index without a name
    first = rows[count] if count < len(rows) else []
    if len(set(names)) < len(names) or not any(map(is_decimal, first)):
        return None
    return replace(header, names=tuple(names), rows=count)


def filled(names: Sequence[str]) -> list[str]:
    """Return names with the one on its left in place of each blank.

    >>> filled(["", "vit", "", "cnn"])
    ['', 'vit', 'vit', 'cnn']
    """
    found: list[str] = []
    for name in names:
        found.append(name or (found[-1] if found else ""))
    return found


def is_decimal(text: str) -> bool:
    """Whether a cell is a number, with a decimal comma or point, or a percentage."""
    return is_number(text.replace(",", ".").rstrip("% "))


def joined_names(members: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Return the names of columns from two rows, or levels, of names.

    >>> joined_names(["", "resnet", "", "vgg", "vgg"], ["id", "cat", "dog", "cat", "dog"])
    ['id', 'resnet_cat', 'resnet_dog', 'vgg_cat', 'vgg_dog']
    """
    pairs = zip(filled(members), classes, strict=True)
    return ["_".join(part for part in pair if part) for pair in pairs]


def check_different(names: Sequence[str], path: Path) -> None:
    """Raise where two columns have one name, blanks around it aside."""
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FileError(f"{path}: two columns have one name ({twice!r}) in {', '.join(names)}; rename one")


def decimal_mark(path: Path, header: Header) -> str:
    """Return what separates decimals: a comma where cells are separated by semicolons, and numbers have commas."""
    if header.separator != ";":
        return "."
    rows = cells_of(path, header, header.rows + 1)
    cells = "".join(rows[-1]) if len(rows) > header.rows else ""
    return "," if "," in cells and "." not in cells else "."
