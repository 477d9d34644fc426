"""Operations on rows of scores, against NumPy's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ensembler.arrays import largest, most_probable

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
