"""Differences in words, in one place."""

import pytest

from ensembler.comparison.outcome import PairedTest
from ensembler.comparison.wording import format_difference, noise_word
from ensembler.metrics.paired import Discordance


def paired(difference, interval, b=30, c=20):
    return PairedTest.of("mean", Discordance(1000, b, c), difference, interval, independent=True)


def test_shares_are_in_percentage_points_and_others_in_their_unit():
    test = paired(0.0123, (0.001, 0.0236))
    assert format_difference(test, "the mean", share=True) == (
        "1.23 points better than the mean (95 % interval +0.10 to +2.36)"
    )
    assert format_difference(test, "the mean", share=False) == (
        ".0123 better than the mean (95 % interval +.0010 to +.0236)"
    )
    assert format_difference(paired(-0.5, None), "it", share=True) == "50.00 points worse than it"
    assert format_difference(paired(0.0, None), "it", share=True) == "no difference from it"


def test_the_other_side_of_a_difference():
    test = paired(0.01, (-0.002, 0.022))
    assert format_difference(test, "it", share=True, swapped=True) == (
        "1.00 points worse than it (95 % interval -2.20 to +0.20)"
    )


def test_no_end_is_minus_zero():
    assert "-0.00" not in format_difference(paired(0.01, (-0.00001, 0.02)), "it", share=True)


@pytest.mark.parametrize(
    ("interval", "b", "c", "word"),
    [
        (None, 30, 20, "untested"),
        ((-0.01, 0.02), 30, 20, "within noise"),
        ((0.001, 0.02), 60, 20, "not noise"),
        ((0.001, 0.02), 30, 29, "within noise"),
    ],
)
def test_noise_is_what_interval_and_test_leave_open(interval, b, c, word):
    assert noise_word(paired(0.01, interval, b, c)) == word
