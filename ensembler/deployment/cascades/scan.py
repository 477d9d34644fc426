"""The scan: a committee that answers first, committees that may follow it, and every threshold between."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Correct, Rows, Values

BLOCK = 32
"""Thresholds that are left out at once where none of them can be worth it: as many as a word has bits."""


class Found(NamedTuple):
    """Cascades that nothing known surpasses: the follower's place, rows kept, cost and value."""

    second: Rows
    kept: Rows
    cost: Values
    value: Values


@dataclass(frozen=True, eq=False)
class Known:
    """The lowest known cost of anything whose value falls into a bin, or into a higher one.

    Attributes
    ----------
    lowest : (B + 4,)
    scale : float
        Bins for a unit of value.
    weighted : bool
        If not, a bin is one value, so that an equally good cascade has to be cheaper; if so, only what is surpassed by
        the next bin is left out.
    """

    lowest: Values
    scale: float
    weighted: bool

    def bins(self, value: Values) -> Rows:
        """Return the bins of values."""
        return np.asarray(value * self.scale + (0.0 if self.weighted else 0.5)).astype(np.intp)

    def learn(self, value: Values, cost: Values) -> None:
        """Take note of cascades."""
        np.minimum.at(self.lowest, self.bins(value), cost)
        self.lowest[:] = np.minimum.accumulate(self.lowest[::-1])[::-1]

    def may_be_worth(self, most: Values, least: Values) -> Correct:
        """Whether nothing known surpasses a cascade of so much value at most and so much cost at least."""
        return np.asarray(least < self.lowest[self.bins(most) + (2 if self.weighted else 0)])

    def is_worth(self, value: Values, cost: Values) -> Correct:
        """Whether nothing known surpasses a cascade."""
        return np.asarray(cost < self.lowest[self.bins(value) + int(self.weighted)])


@dataclass(frozen=True, eq=False)
class FirstStage:
    """A committee that answers first, its n rows in descending order of its confidence.

    Attributes
    ----------
    ends : (n,) bool
        Whether the row before is one of higher confidence, so that a threshold fits between the two.
    correct : (n,)
        The weight of the row where the committee is correct, else 0.
    weight : (n,)
        Of the row.
    passed : (n,)
        The share of the weight of all rows from here on.
    base : float
        The weight of correct rows, of all rows, if it answers all n.
    cost : float
        Of a row, on average over all rows, if it answers all n.
    """

    ends: Correct
    correct: Values
    weight: Values
    passed: Values
    base: float
    cost: float

    def followed(self, answers: NDArray[np.uint8], extra: Values, known: Known) -> Found:
        """Look at every threshold with every committee that may follow.

        At best, a follower is correct about all rows of a block that the first is wrong about: blocks that would not
        be worth it then are not looked at closely.

        Parameters
        ----------
        answers : (F, n) uint8
            1 where a follower is correct, in the order of the rows.
        extra : (F,)
            What a row costs more that is passed on to each, 0 or more.
        known : Known
        """
        n_followers, n_rows = answers.shape
        padded = np.zeros((n_followers, self.blocks.n * BLOCK), dtype=np.uint8)
        padded[:, :n_rows] = answers
        in_block = padded.reshape(n_followers, self.blocks.n, BLOCK)
        if known.weighted:
            gained = np.einsum("fbk,bk->fb", in_block, self.blocks.weight)
        else:
            gained = np.bitwise_count(np.packbits(padded, axis=1).view(np.uint32)).astype(np.float64)
        gained -= self.blocks.correct.sum(axis=1)
        # Of the rows after a block, and with those of the block as well.
        with_block = self.base + np.cumsum(gained[:, ::-1], axis=1)[:, ::-1]
        after = with_block - gained
        follower, block = np.nonzero(
            known.may_be_worth(after + self.blocks.missed, self.cost + extra[:, None] * self.blocks.least_passed)
        )
        change = in_block[follower, block] * self.blocks.weight[block] - self.blocks.correct[block]
        value = after[follower, block][:, None] + np.cumsum(change[:, ::-1], axis=1)[:, ::-1]
        cost = self.cost + extra[follower][:, None] * self.blocks.passed[block]
        place, position = np.nonzero(self.blocks.ends[block] & known.is_worth(value, cost))
        return Found(follower[place], block[place] * BLOCK + position, cost[place, position], value[place, position])

    @cached_property
    def blocks(self) -> "Blocks":
        """The rows in blocks."""
        return Blocks.of(self)


@dataclass(frozen=True, eq=False)
class Blocks:
    """The rows of a first stage in b blocks, the last one filled up with rows that weigh nothing.

    Attributes
    ----------
    ends, correct, weight, passed : (b, BLOCK)
    missed : (b,)
        The weight of the rows about which the first stage is wrong.
    least_passed : (b,)
        The share of the weight of all rows that is passed on at least.
    """

    ends: Correct
    correct: Values
    weight: Values
    passed: Values
    missed: Values
    least_passed: Values

    @classmethod
    def of(cls, first: FirstStage) -> "Blocks":
        """Divide the rows."""
        correct, weight, passed = (filled(values) for values in (first.correct, first.weight, first.passed))
        return cls(filled(first.ends), correct, weight, passed, (weight - correct).sum(axis=1), passed[:, -1])

    @property
    def n(self) -> int:
        """Number of blocks."""
        return len(self.ends)


def filled(values: NDArray[Any]) -> NDArray[Any]:
    """Return values of rows in blocks, with zeros at the end."""
    blocks = np.zeros((-(-len(values) // BLOCK), BLOCK), dtype=values.dtype)
    blocks.ravel()[: len(values)] = values
    return blocks
