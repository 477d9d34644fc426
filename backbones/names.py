"""Names that files and terminals can carry: of members, of classes, in messages."""

import unicodedata

RESERVED = ("labels",)
"""Files of a prediction set that are no members."""
MOST_BYTES = 200
"""Of a name; file systems take 255, of which temporary names need some."""
CONTROLS = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of controls, halves of pairs, and ends of lines."""
DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction in which others are shown."""


def fault_of_member(name: object) -> str | None:
    r"""Say what is wrong with a member's name, which its run's folder and its files in a prediction set have.

    Examples
    --------
    >>> fault_of_member("deep-a") is None
    True
    >>> fault_of_member("labels")
    "is 'labels', which is the file of the true classes"
    >>> fault_of_member("../../x")
    "is '../../x', expected a name without / and \\"
    """
    fault = fault_of_text(name)
    if fault is not None:
        return fault
    assert isinstance(name, str)
    if "/" in name or "\\" in name:
        return f"is {name!r}, expected a name without / and \\"
    if name.startswith("."):
        return f"is {name!r}, which is hidden; expected a name that does not begin with a dot"
    if name.casefold() in RESERVED:
        return f"is {name!r}, which is the file of the true classes"
    return None


def fault_of_text(name: object) -> str | None:
    """Say what is wrong with a name that is written into files and shown."""
    if not isinstance(name, str):
        return f"is {name!r}, expected text"
    if not name or name != name.strip():
        return f"is {name!r}, expected text without spaces at its ends"
    if printable(name) != name:
        return f"is {printable(name)!r}, which has control characters"
    if len(name.encode()) > MOST_BYTES:
        return f"has {len(name.encode())} bytes ({name[:20]!r}…), expected at most {MOST_BYTES}"
    return None


def printable(text: str) -> str:
    r"""Return a text with controls, changes of direction and halves of pairs written as escapes.

    Examples
    --------
    >>> printable("a\x1b[2J")
    'a\\x1b[2J'
    """
    return "".join(
        character.encode("unicode_escape").decode() if is_control(character) else character for character in text
    )


def is_control(character: str) -> bool:
    """Whether a character does something to a terminal instead of being shown."""
    return unicodedata.category(character) in CONTROLS or character in DIRECTIONS
