"""A page's worth of results on the bundled set, and the figures on it."""

import pytest

from ensembler.report.figures.charts import Figure
from ensembler.report.sections import sections
from ensembler.report.survey import survey


@pytest.fixture(scope="session")
def surveyed(fer):
    return survey(fer, ["mean", "median", "accuracy-weighted", "exponential-weighted"], n_resamples=200)


def all_figures(survey):
    return {block.key: block for section in sections(survey) for block in section.blocks if isinstance(block, Figure)}


@pytest.fixture(scope="session")
def figures_of():
    """The figures on the page of a survey by their keys, in order."""
    return all_figures


@pytest.fixture(scope="session")
def figures(surveyed):
    return all_figures(surveyed)
