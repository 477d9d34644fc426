"""Stratified folds against scikit-learn's."""

import warnings

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from ensembler.combiners.stratified import stratified_folds


@given(st.lists(st.integers(0, 5), min_size=4, max_size=60), st.integers(2, 6), st.integers(0, 1000))
def test_they_are_those_of_scikit_learn(labels, n_folds, seed):
    labels = np.array(labels)
    assume(np.bincount(labels).max() >= n_folds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(labels, labels))
    for ours, theirs in zip(stratified_folds(labels, n_folds, seed), expected, strict=True):
        for part, same in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(part, same)
