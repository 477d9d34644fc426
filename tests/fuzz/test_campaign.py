"""A few seconds of the campaign with a fixed seed."""

import pytest

from tests.fuzz.campaign import attempt, run
from tests.fuzz.targets import TARGETS, Target


@pytest.mark.parametrize("name", TARGETS)
def test_changed_files_are_read_or_refused(name, tmp_path):
    counts = run([name], seed=1, inputs=60, findings=tmp_path)
    found = [path.read_text() for path in tmp_path.rglob("traceback.txt")]
    assert not found, found[0]
    assert counts[name]["refused"] > 0


def test_a_finding_is_found(tmp_path):
    assert "ZeroDivisionError" in attempt(Target("x.npy", list, lambda path: 1 / 0), b"", tmp_path)
