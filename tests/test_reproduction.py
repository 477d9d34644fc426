"""The page of the study's findings is what the bundled predictions say, and its verdicts are fair."""

import json

import numpy as np
import pytest
from scipy.special import softmax

from ensembler import Predictions, load_predictions
from ensembler.predictions.bundled import study_folder
from ensembler.serialization import jsonable
from tests.pages import ROOT

BENCHMARKS = ROOT / "benchmarks"
RESULTS = json.loads((BENCHMARKS / "results" / "reproduction.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def benchmarks_are_found(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


def flat(value, path=""):
    """Yield every number, text or None of a document with its place."""
    if isinstance(value, (dict, list)):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from flat(one, f"{path}/{key}")
    else:
        yield path, value


def test_the_page_is_written_from_the_results():
    from reproduction_page import write_page

    assert write_page(RESULTS) == (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")


def test_the_results_are_those_of_the_bundled_predictions():
    from findings import Evidence

    found = jsonable(Evidence(load_predictions(study_folder())).document())
    kept = RESULTS["ours"]
    assert found["reproducibility"]["sha256"] == kept["reproducibility"]["sha256"]
    told = [{key: value for key, value in one.items() if key != "reproducibility"} for one in (found, kept)]
    for (place, ours), (there, theirs) in zip(*map(flat, told), strict=True):
        assert place == there
        assert ours == (pytest.approx(theirs, abs=1e-6) if isinstance(theirs, float) else theirs), place


def drawn(n_members=6, n_rows=1500):
    """Members that err independently of each other, so that each addition truly helps."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 2 * n_rows)
    proba = softmax(np.eye(3)[labels] + rng.normal(size=(n_members, 2 * n_rows, 3)), axis=-1)
    names = [f"m{number}" for number in range(n_members)]
    options = {"names": names, "class_names": ["Angry", "Happy", "Neutral"]}
    validation = Predictions(proba[:, :n_rows], labels[:n_rows], **options)
    return Predictions(proba[:, n_rows:], labels[n_rows:], validation=validation, **options)


def test_noise_contradicts_nothing():
    from findings import CONFIRMED, CONTRADICTED, Evidence

    evidence = Evidence(drawn())
    helping = evidence.adding_helps()
    assert CONTRADICTED not in helping["verdict"]
    assert helping["ours"][0]["interval"][0] > 0
    assert evidence.averaging_gains()["verdict"] == CONFIRMED
    eight = evidence.eight_are_best()
    assert [len(row["members"]) for row in eight["ours"][:2]] == [5, 6]
    inside = eight["ours"][2]["interval"]
    assert inside[0] < eight["ours"][2]["difference"] < inside[1]
    difference = eight["ours"][0]["accuracy"] - eight["ours"][1]["accuracy"]
    assert eight["ours"][2]["difference"] == pytest.approx(difference)


def test_intervals_for_all_classes_are_wider():
    from findings import Evidence

    for row in Evidence(drawn()).a_single_network_wins_a_class()["ours"]:
        (low, high), (lowest, highest) = row["interval"], row["interval_of_all"]
        assert lowest <= low <= high <= highest


def test_verdicts():
    from findings import CONFIRMED, CONTRADICTED, UNKNOWN, almost_always, decide, unanimous

    assert [decide(ends, above=0.01) for ends in ((0.02, 0.03), (0.0, 0.005), (0.0, 0.02), None)] == [
        CONFIRMED,
        CONTRADICTED,
        UNKNOWN,
        UNKNOWN,
    ]
    assert unanimous([CONFIRMED, CONFIRMED]) == CONFIRMED
    assert unanimous([CONFIRMED, UNKNOWN]) == UNKNOWN
    assert unanimous([CONFIRMED, UNKNOWN, CONTRADICTED]) == CONTRADICTED
    assert [almost_always(*shares) for shares in ((0.95, 0.0), (0.3, 0.2), (0.3, 0.05))] == [
        CONFIRMED,
        CONTRADICTED,
        UNKNOWN,
    ]


def test_fitting_elsewhere_is_compared_on_the_same_rows():
    from findings import Evidence

    rules = {rule["rule"]: rule["fitted_on_part_of_test"] for rule in Evidence(drawn()).document()["rules"]}
    for name in ("mean", "median", "majority-vote"):
        assert rules[name]["difference"] == 0
    assert np.isfinite([rule["difference"] for rule in rules.values()]).all()
