"""Prediction sets: against MAPIE and crepes, and that they cover what they promise, by simulation."""

import json
from pathlib import Path

import numpy as np
import pytest

from ensembler import Predictions, PredictionSets, study_prediction_sets
from ensembler.errors import ParameterError, ShapeError, UnknownNameError, UsageError
from tests.conftest import draw
from tests.oracles.conformal import CASES, OF_APS, as_text, draw_rows

STORED = json.loads((Path(__file__).parents[1] / "oracles" / "conformal.json").read_text())
RUNS = 400


@pytest.mark.parametrize("place", range(len(CASES)))
@pytest.mark.parametrize(("answer", "by_class"), [("mapie lac", False), ("crepes", False), ("crepes by class", True)])
def test_sets_are_mapies_and_crepes(place, answer, by_class):
    stored = STORED["cases"][place]
    *sizes, alpha = CASES[place]
    assert stored["case"] == [*sizes, alpha]
    calibration, (new, _) = draw_rows(*sizes)
    sets = PredictionSets.fit(*calibration, alpha=alpha, by_class=by_class)
    assert as_text(sets.predict(new)) == stored[answer]


def test_mapies_default_aps_covers_too_much_and_ours_does_not():
    *sizes, alpha = OF_APS
    calibration, (new, labels) = draw_rows(*sizes)
    stored = STORED["of_aps"]
    assert stored["default"]["coverage"] > 1 - alpha + 0.02
    assert stored["without the last"]["coverage"] < 1 - alpha - 0.05
    for randomised in (False, True):
        sets = PredictionSets.fit(*calibration, alpha=alpha, score="aps", randomised=randomised).predict(new)
        assert sets[np.arange(len(labels)), labels].mean() == pytest.approx(1 - alpha, abs=0.02)
        assert sets.sum(axis=1).mean() < stored["default"]["size"]
    randomised = PredictionSets.fit(*calibration, alpha=alpha, score="aps", randomised=True).predict(new)
    assert randomised.sum(axis=1).mean() == pytest.approx(stored["randomized"]["size"], abs=0.15)


FORMS = [("lac", False), ("aps", False), ("aps", True), ("raps:free=1,penalty=0.1", False), ("raps:free=1", True)]


@pytest.mark.parametrize(("score", "randomised"), FORMS)
@pytest.mark.parametrize("by_class", [False, True])
def test_coverage_over_many_runs_is_what_is_promised(score, randomised, by_class):
    alpha, n_rows, n_classes = 0.2, 60, 3
    covered, of_class = [], {label: [] for label in range(n_classes)}
    fewest = np.full(n_classes, n_rows)
    for seed in range(RUNS):
        calibration, (new, labels) = draw_rows(seed, n_rows, 30, n_classes)
        options = {"score": score, "randomised": randomised, "by_class": by_class, "seed": seed}
        sets = PredictionSets.fit(*calibration, alpha=alpha, **options).predict(new)
        holds = sets[np.arange(30), labels]
        covered.append(holds.mean())
        for label in range(n_classes):
            of_class[label] += holds[labels == label].tolist()
        fewest = np.minimum(fewest, np.bincount(calibration[1], minlength=n_classes))
    error = 3 * np.std(covered) / np.sqrt(RUNS)
    assert np.mean(covered) >= 1 - alpha - error
    # Scores without ties cover no more than 1/(n + 1) too much, n being the rows that a quantile is of.
    assert np.mean(covered) <= 1 - alpha + 1 / ((fewest.min() if by_class else n_rows) + 1) + error
    if by_class:
        for holds in of_class.values():
            assert np.mean(holds) >= 1 - alpha - 3 * np.sqrt(alpha * (1 - alpha) / len(holds)) - 0.01


def test_votes_whose_scores_tie_are_covered_no_less():
    covered = []
    for seed in range(RUNS):
        proba, labels = draw(seed, n_members=5, n_samples=120, n_classes=3)
        shares = np.eye(3)[proba.argmax(-1)].mean(axis=0)
        sets = PredictionSets.fit(shares[:60], labels[:60], alpha=0.2).predict(shares[60:])
        covered.append(sets[np.arange(60), labels[60:]].mean())
    assert np.mean(covered) >= 0.8 - 3 * np.std(covered) / np.sqrt(RUNS)


def test_too_few_rows_put_every_class_into_every_set():
    (proba, labels), (new, _) = draw_rows(0, 200, 20, 4)
    sets = PredictionSets.fit(proba[:8], labels[:8], alpha=0.1)
    assert sets.unbounded == (0, 1, 2, 3)
    assert sets.fewest_rows == 9
    assert sets.predict(new).all()
    keep = (labels != 2) | (np.cumsum(labels == 2) <= 5)
    some = PredictionSets.fit(proba[keep], labels[keep], alpha=0.1, by_class=True)
    assert some.unbounded == (2,)
    assert some.predict(new)[:, 2].all()
    again = PredictionSets.from_dict(json.loads(json.dumps(some.to_dict())), 4)
    assert again == some


def test_randomised_sets_are_the_same_for_the_same_rows():
    calibration, (new, _) = draw_rows(0, 200, 50, 4)
    sets = PredictionSets.fit(*calibration, score="aps", randomised=True, seed=3)
    np.testing.assert_array_equal(sets.predict(new), sets.predict(new))
    other = PredictionSets.fit(*calibration, score="aps", randomised=True, seed=4)
    assert (other.predict(new) != sets.predict(new)).any()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"alpha": 0}, ParameterError, "alpha is 0, expected a number between 0 and 1"),
        ({"score": "hinge"}, UnknownNameError, "hinge"),
        ({"score": "lac:penalty=1"}, UsageError, "score lac has no parameters, got penalty; drop them"),
        (
            {"score": "raps"},
            UsageError,
            "penalises no rank of 4 classes, so that it is aps; give raps:free=1",
        ),
        ({"score": "raps:free=1,penalty=0"}, ParameterError, "penalty of raps is 0"),
        ({"score": "raps:free=-1"}, ParameterError, "free of raps is -1"),
        ({"score": "raps:fre=1"}, UnknownNameError, "fre"),
        ({"randomised": True}, UsageError, "lac is not randomised; drop that, or take aps or raps"),
    ],
)
def test_wrong_parameters_are_refused(options, error, message):
    calibration, _ = draw_rows(0, 200, 5, 4)
    with pytest.raises(error, match=message):
        PredictionSets.fit(*calibration, **options)


def test_other_numbers_of_classes_are_refused():
    calibration, _ = draw_rows(0, 200, 5, 4)
    with pytest.raises(ShapeError, match=r"proba has shape \(3, 2\), expected \(N, 4\)"):
        PredictionSets.fit(*calibration).predict(np.full((3, 2), 0.5))
    with pytest.raises(ShapeError, match=r"expected \(n, C\)"):
        PredictionSets.fit(np.zeros((0, 4)), [])


@pytest.mark.parametrize("fit_on", ["val", "cross", "part"])
def test_a_study_measures_the_sets_of_the_scored_rows(fit_on):
    proba, labels = draw(5, n_members=4, n_samples=1600, n_classes=4, skill=1.2)
    data = Predictions(proba[:, 800:], labels[800:], validation=Predictions(proba[:, :800], labels[:800]))
    study = study_prediction_sets(data, "accuracy-weighted", score="aps", fit_on=fit_on)
    scored, sizes = study.scored.true_labels, study.contained.sum(axis=1)
    holds = study.contained[np.arange(len(scored)), scored]
    assert study.overall.coverage == pytest.approx(holds.mean())
    assert study.overall.coverage == pytest.approx(0.9, abs=0.05)
    assert study.overall.mean_size == pytest.approx(sizes.mean())
    assert study.overall.single == pytest.approx((sizes == 1).mean())
    for label, name in enumerate(study.scored.classes):
        assert study.by_class[name].coverage == pytest.approx(holds[scored == label].mean())
    for size, part in study.by_size.items():
        assert part.n_rows == (sizes == size).sum()
    if fit_on != "cross":
        np.testing.assert_array_equal(study.sets.predict(study.rule.proba), study.contained)
    assert study.sets.n_rows == study.rule.final.calibration.n_samples
