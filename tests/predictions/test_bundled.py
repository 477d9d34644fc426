"""The bundled sets are what they say."""

import json

import numpy as np
import pytest

from ensembler import load_predictions
from ensembler.predictions import bundled
from ensembler.predictions.loading.inspection import check_predictions

COUNTS = {"val": [467, 56, 496, 895, 653, 415, 607], "test": [491, 55, 528, 879, 594, 416, 626]}


@pytest.mark.parametrize("folder", [bundled.published_folder(), bundled.study_folder()], ids=["published", "study"])
def test_a_set_is_whole_and_sound(folder):
    data = load_predictions(folder)
    assert data.classes == ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
    assert np.bincount(data.true_labels).tolist() == COUNTS["test"]
    assert np.bincount(data.validation.true_labels).tolist() == COUNTS["val"]
    assert check_predictions(folder).ok
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 3_000_000


def test_the_studys_members_are_as_good_as_their_metadata_say():
    folder = bundled.study_folder()
    data = load_predictions(folder)
    facts = json.loads((folder / "members.json").read_text())["members"]
    apart = np.ones(data.n_samples, dtype=bool)
    apart[json.loads((folder / "exact-duplicates.json").read_text())["test"]] = False
    assert (~apart).sum() == 288
    for name, member, inside in zip(data.names, data.proba, data.validation.proba, strict=True):
        right = member.argmax(axis=1) == data.true_labels
        assert facts[name]["accuracy"] == pytest.approx(right.mean())
        assert facts[name]["accuracy_without_exact_duplicates"] == pytest.approx(right[apart].mean())
        assert facts[name]["val_accuracy"] == pytest.approx(
            (inside.argmax(axis=1) == data.validation.true_labels).mean()
        )
        curve = (folder / "curves" / f"{name}.csv").read_text().splitlines()
        assert len(curve) == facts[name]["epochs"] + 1
        assert name.startswith(facts[name]["architecture"])
