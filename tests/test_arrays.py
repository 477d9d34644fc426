"""Operations on rows of scores, against NumPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ensembler.arrays import BLOCK_VALUES, MANY_ROWS, largest, most_probable

SHAPES = st.tuples(st.integers(1, 20), st.integers(2, 40))
# Few values, so that rows have ties.
SCORES = arrays.arrays(np.float64, SHAPES, elements=st.sampled_from([-np.inf, -1.5, 0.0, 0.25, 1.0]))


@given(SCORES)
def test_the_first_maximum_is_the_same_in_any_layout(scores: np.ndarray) -> None:
    by_column = np.asfortranarray(scores)
    assert most_probable(scores).tolist() == scores.argmax(axis=1).tolist()
    assert most_probable(by_column).tolist() == scores.argmax(axis=1).tolist()
    assert most_probable(np.stack([by_column, scores])).tolist() == [scores.argmax(axis=1).tolist()] * 2
    assert largest(by_column).tolist() == scores.max(axis=1).tolist()


@pytest.mark.parametrize("n_classes", [1, 2, 3, 7, 12, 13, 32, 33])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_first_maximum_of_many_rows_is_that_of_each(n_classes: int, kind: type) -> None:
    n_rows = max(MANY_ROWS, BLOCK_VALUES // n_classes + 7)
    scores = np.random.default_rng(0).integers(0, 4, (2, n_rows, n_classes)).astype(kind)
    expected = scores.argmax(axis=2)
    for same in (scores, np.asfortranarray(scores), scores.transpose(1, 0, 2).copy().transpose(1, 0, 2)):
        np.testing.assert_array_equal(most_probable(same), expected)
        np.testing.assert_array_equal(most_probable(same[0]), expected[0])
    assert most_probable(scores).dtype == np.int64
