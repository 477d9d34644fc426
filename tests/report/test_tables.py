"""Tables: how they fit terminals of any width, and how numbers are written in them."""

import io

import pytest
from rich.console import Console

from ensembler.report.tables import Document, Table, broken, draw, format_interval, format_p_value, some_of

ROWS = [["exponential-weighted:q_min=0", ".6712 … .7015"], ["mean", ".6633 … .6938"]]


def drawn(width):
    console = Console(file=io.StringIO(), width=width)
    draw(Document([Table("Rules", ["rule", "95 % interval"], ROWS)]), console)
    return console.file.getvalue().splitlines()


def test_names_are_broken_where_a_reader_would():
    assert drawn(60)[3].split("  ")[0] == "exponential-weighted:q_min=0"
    narrow = drawn(38)
    assert [line.split("  ")[0].strip() for line in narrow[3:6]] == ["exponential-weighted:", "q_min=0", "mean"]
    assert max(map(len, narrow)) <= 38


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("hierarchical-committee", ["hierarchical-", "committee"]),
        ("mean", ["mean"]),
        ("onewordthatistoolong", ["onewordthatistoolong"]),
        ("words are left -0.5 to the terminal", ["words are left -0.5 to the terminal"]),
    ],
)
def test_breaking(text, lines):
    assert broken(text, 14).splitlines() == lines


def test_what_is_missing_is_a_dash():
    assert format_interval(None) == format_p_value(None) == "–"
    assert format_interval((-0.01, 0.02), sign=True) == "-.0100 … +.0200"
    assert format_p_value(0.0004) == "<.001"
    assert format_p_value(0.0123) == ".012"


def test_of_many_names_the_first_are_told():
    assert some_of(["a", "b"], 2) == "a, b"
    assert some_of(["a", "b", "c"], 1) == "a and 2 more"
    assert some_of([], 3) == ""
