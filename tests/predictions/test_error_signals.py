"""What finds a rule's errors, against scikit-learn, and the members' uncertainty taken apart."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy
from sklearn.metrics import roc_auc_score

from ensembler import Predictions
from ensembler.metrics.confidence import uncertainty
from ensembler.predictions.diagnosis.error_signals import error_signals, uncertainty_of
from tests.conftest import draw


@pytest.fixture(scope="module")
def data():
    proba, labels = draw(2, n_members=4, n_samples=700, n_classes=5)
    return Predictions(proba, labels)


def test_total_is_expected_and_mutual_information(data):
    found = uncertainty_of(data)
    np.testing.assert_allclose(found.total, entropy(data.proba.mean(axis=0), axis=-1))
    np.testing.assert_allclose(found.expected, entropy(data.proba, axis=-1).mean(axis=0))
    np.testing.assert_allclose(found.total, found.expected + found.mutual_information)


def test_a_missing_vote_has_no_part_in_it(data):
    missing = np.zeros((4, 700), dtype=bool)
    missing[3] = missing[:, :5] = True
    proba = np.where(missing[:, :, None], 0.0, data.proba)
    found, some = uncertainty(proba, missing), uncertainty(data.proba[:3, 5:])
    for part, of_some in zip(found, some, strict=True):
        np.testing.assert_allclose(part[5:], of_some, atol=1e-12)
    np.testing.assert_allclose([part[0] for part in found], [np.log(5), np.log(5), 0])


def test_areas_are_scikit_learns(data):
    proba = data.proba.mean(axis=0)
    wrong = proba.argmax(-1) != data.true_labels
    found = {signal.name: signal for signal in error_signals(data, proba)}
    parts = uncertainty_of(data)
    expected = {
        "top-probability": -proba.max(axis=1),
        "total entropy": parts.total,
        "expected entropy": parts.expected,
        "mutual information": parts.mutual_information,
    }
    for name, score in expected.items():
        assert found[name].auroc == pytest.approx(roc_auc_score(wrong, score), abs=1e-9)
        assert found[name].difference == pytest.approx(found[name].auroc - found["top-probability"].auroc)
        assert found[name].interval[0] < found[name].auroc < found[name].interval[1]
    assert found["mutual information"].when_wrong == pytest.approx(parts.mutual_information[wrong].mean())
    assert found["top-probability"].difference_interval is None


def test_one_member_does_not_contradict_itself(data):
    alone = data.pick([0])
    assert [signal.name for signal in error_signals(alone, alone.proba[0])] == ["top-probability", "margin", "entropy"]


def test_explain_shows_it_in_every_form(run, write_set, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    home = write_set(n_members=3, n_samples=300, n_classes=3)
    told = run("explain", home, "--out", tmp_path / "rows.csv")
    assert "What finds its errors" in told.out
    assert "mutual information" in told.out
    assert max(map(len, told.out.splitlines())) <= 80
    members = np.stack([np.load(home / f"m{index}.npy") for index in range(3)])
    parts = uncertainty(members)
    rows = pd.read_csv(tmp_path / "rows.csv")
    np.testing.assert_allclose(rows["mutual information (nats)"], parts.mutual_information, atol=1e-9)
    found = json.loads(run("explain", home, "--json", "--top", "2").out)
    assert found["schema"] == "ensembler.explain/2"
    assert found["error_signals"][0]["name"] == "top-probability"
    first = found["contested"][0]
    assert first["uncertainty"]["total"] == pytest.approx(parts.total[first["row"]])
    told = run("explain", home, "--row", first["row"])
    assert f"mutual information {parts.mutual_information[first['row']]:.3f}".replace(" 0.", " .") in " ".join(
        told.out.split()
    )
