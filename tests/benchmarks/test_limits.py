"""The table of limits is what was measured, and measuring works."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def limits(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import limits

    yield limits
    sys.modules.pop("limits", None)


def test_the_page_shows_what_was_measured(limits):
    assert limits.table(json.loads(limits.RESULTS.read_text())) == limits.PAGE.read_text(encoding="utf-8")


def test_every_shape_of_the_promises_is_there(limits):
    sizes = {(shape.n_members, shape.n_rows, shape.n_classes) for shape in limits.SHAPES}
    assert {(3, 5_000_000, 2), (8, 50_000, 1_000), (8, 20_000, 1_000), (300, 3_000, 7), (13, 50_000, 10)} <= sizes
    assert {1, 62, 63, 500} <= {shape.n_members for shape in limits.SHAPES}
    assert any(shape.n_rows == 1 for shape in limits.SHAPES)
    assert any(shape.n_classes == 10_000 for shape in limits.SHAPES)


def test_a_shape_is_drawn_and_measured(limits, tmp_path):
    shape = limits.Shape("small", 2, 50, 3, limits.bench("mean"), "float16")
    limits.draw(shape, tmp_path)
    member = np.load(tmp_path / "m001.npy")
    assert (member.shape, member.dtype) == ((50, 3), np.float16)
    assert np.abs(member.sum(axis=1, dtype=float) - 1).max() < 2e-3
    measured = limits.measure(shape, limit=120)
    assert (measured["finished"], measured["exit_code"]) == (True, 0)
    assert measured["array_bytes"] == 600
    assert measured["cpu_seconds"] > 0
    assert measured["peak_bytes"] > 5e7
