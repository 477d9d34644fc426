"""The page on the pool is what the bundled predictions say, and its groups differ in what they are said to."""

import json

import numpy as np
import pytest

from ensembler import load_predictions
from ensembler.predictions.bundled import pool_folder, study_folder
from tests.pages import ROOT

BENCHMARKS = ROOT / "benchmarks"
RESULTS = json.loads((BENCHMARKS / "results" / "pool_worth.json").read_text(encoding="utf-8"))
FACTS = json.loads((pool_folder() / "members.json").read_text(encoding="utf-8"))["members"]
SAME = {
    "input normalisation": {"seed", "normalization"},
    "seed": {"seed", "epochs"},
    "width and seed": {"seed", "width", "epochs"},
}
"""In what alone the members of a group differ."""


@pytest.fixture(autouse=True)
def benchmarks_are_found(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.fixture(scope="module")
def pool():
    return load_predictions(pool_folder())


def right(data, names):
    places = [data.names.index(name) for name in names]
    return float((data.proba[places].mean(axis=0, dtype=np.float64).argmax(axis=1) == data.true_labels).mean())


def test_the_page_is_written_from_the_results():
    from pool_worth_page import write_page

    assert write_page(RESULTS) == (ROOT / "docs" / "explanation" / "pool.md").read_text(encoding="utf-8")


def test_the_results_are_those_of_the_bundled_predictions(pool):
    assert list(RESULTS["members"]) == list(pool.names)
    for name, found in RESULTS["members"].items():
        assert found == {"val": right(pool.validation, [name]), "test": right(pool, [name])}
    study = load_predictions(study_folder())
    assert RESULTS["nine"]["test"] == pytest.approx(right(study, study.names))
    assert RESULTS["whole"]["test"] == pytest.approx(right(pool, pool.names))
    chosen = RESULTS["beam"]["chosen"]
    assert chosen["accuracy"] == pytest.approx(right(pool, chosen["members"]))
    assert chosen["selection_accuracy"] == pytest.approx(right(pool.validation, chosen["members"]))
    assert RESULTS["growth"]["all"][-1]["test_mean"] == pytest.approx(RESULTS["whole"]["test"])


@pytest.mark.parametrize("kind", SAME)
def test_groups_differ_in_one_thing(kind):
    from pool_worth import kinds

    pairs, triples = kinds()[kind]
    for group in [*pairs, *triples]:
        facts = [{**FACTS[name], **FACTS[name]["hyperparameters"]} for name in group]
        told = ("architecture", "normalization", "seed", *FACTS[group[0]]["hyperparameters"])
        differing = {key for key in told if any(one[key] != facts[0][key] for one in facts)}
        assert differing <= SAME[kind], group


def test_gains_are_means_over_groups(pool):
    from pool_worth import Pool, kinds

    pairs = kinds()["width and seed"][0]
    gains = np.array([right(pool, pair) - np.mean([right(pool, [one]) for one in pair]) for pair in pairs])
    found = Pool(pool).gains(pairs)
    assert found["groups"] == len(pairs) == 6
    assert found["test"]["gain"] == pytest.approx(gains.mean())
    assert found["test"]["standard_error"] == pytest.approx(gains.std(ddof=1) / 6**0.5)
    assert found == RESULTS["kinds"]["width and seed"]["pairs"]


def test_test_time_augmentation_is_measured_beside_the_bundled_figures():
    found = json.loads((BENCHMARKS / "results" / "test_time_augmentation.json").read_text(encoding="utf-8"))
    study = load_predictions(study_folder())
    assert sorted([*found["study"], *found["missing"]]) == list(study.names)
    for name, entry in found["study"].items():
        assert entry["plain_test"] == right(study, [name])
        assert entry["plain_val"] == right(study.validation, [name])
    assert all(FACTS[name]["flip_averaging"] is False and FACTS[name]["shift_averaging"] == 0 for name in FACTS)
