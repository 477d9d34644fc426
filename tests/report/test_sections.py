"""What the sections of a page say."""

import pytest

from ensembler import Predictions
from ensembler.report.blocks import Text
from ensembler.report.sections import sections
from ensembler.report.survey import survey
from tests.conftest import draw

WITHOUT = "Committees have no temperature: each rule's was fitted to its result on all members."
WITH = "Each member has a temperature, fitted where weights are."


@pytest.mark.parametrize(("calibrate", "said"), [("none", None), ("members", WITH), ("ensemble", WITHOUT)])
@pytest.mark.parametrize("n_members", [3, 22])
def test_whether_committees_have_temperatures_is_told_once(n_members, calibrate, said):
    proba, labels = draw(0, n_members=n_members, n_samples=200, n_classes=3)
    surveyed = survey(Predictions(proba, labels), ["mean"], n_resamples=50, calibrate=calibrate)
    assert (surveyed.search is None) == (n_members == 3)
    section = next(section for section in sections(surveyed) if section.key == "committees")
    told = [block.text for block in section.blocks if isinstance(block, Text) and "temperature" in block.text]
    assert len(told) == (said is not None)
    assert said is None or said in told[0]
