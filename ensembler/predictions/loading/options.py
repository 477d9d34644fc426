"""How files are to be read."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Columns:
    """Which columns of tables hold what, where that differs from a column ``id`` and one column a class.

    Parameters
    ----------
    id : str, optional
        The column that names the rows.
    proba : tuple of str
        The columns of probabilities; by default all that are nothing else.
    label : str, optional
        The column of true classes, which is the same in every file.
    drop : tuple of str
        Columns that are not read.
    """

    id: str | None = None
    proba: tuple[str, ...] = ()
    label: str | None = None
    drop: tuple[str, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """All columns that are named."""
        return tuple(name for name in (self.id, *self.proba, self.label, *self.drop) if name is not None)


@dataclass(frozen=True)
class ReadOptions:
    """How member files are to be read.

    Parameters
    ----------
    logits : bool
        Apply a softmax to each row.
    normalize : bool
        Divide each row by its sum; what rounding left just below 0 becomes 0.
    columns : Columns
        Which columns of tables hold what.
    most_bytes : int, optional
        What an archive may unpack to.
    half : bool
        Keep probabilities in half precision where all members are; else they become float32.
    """

    logits: bool = False
    normalize: bool = False
    columns: Columns = field(default_factory=Columns)
    most_bytes: int | None = None
    half: bool = False
