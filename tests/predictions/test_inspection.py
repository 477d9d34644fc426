"""Each fault, planted in the bundled set, is found; real sets as they are have no error."""

import json
from pathlib import Path

import numpy as np
import pytest

from ensembler import compare_rules, load_predictions
from ensembler.errors import DataWarning
from ensembler.predictions import bundled
from ensembler.predictions.files import write_array
from ensembler.predictions.loading.inspection import check_predictions
from tests.subsets.draw import draw

HOME = bundled.published_folder()
NAME = "oarriaga_mini_xception_43"
CIFAR = Path(__file__).parents[3] / "shared" / "cifar10.1"


@pytest.fixture
def planted(tmp_path):
    """Write the bundled set out, let a function change one of its arrays, and check it up."""

    def plant(change, name=NAME, parts=("", "val")):
        home = tmp_path / "preds"
        bundled.write_sample(home, HOME)
        for part in parts:
            path = home / part / f"{name}.npy"
            array, labels = np.load(path), np.load(home / part / "labels.npy")
            write_array(path, change(array, labels))
        return check_predictions(home)

    return plant


def codes(inspection, grade=None):
    return {finding.code for finding in inspection.findings if grade in (None, finding.severity)}


def test_the_bundled_set_has_no_errors():
    inspection = check_predictions(HOME)
    assert inspection.ok
    assert codes(inspection) == {"shared-rows", "overconfident"}
    assert all(finding.severity == "info" for finding in inspection.findings)


@pytest.mark.skipif(not CIFAR.exists(), reason="the CIFAR-10.1 predictions are not here")
def test_another_real_set_has_no_errors():
    inspection = check_predictions(CIFAR)
    assert inspection.ok
    assert codes(inspection) <= {"seen-validation-rows", "shared-rows", "overconfident"}


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ([0, 1, 2, 3, 6, 4, 5], "Sad is Neutral"),
        ([0, 1, 2, 6, 4, 5, 3], "Happy is Neutral"),
        ([6, 5, 4, 3, 2, 1, 0], "Angry is Neutral"),
    ],
)
def test_classes_in_another_order(planted, order, told):
    inspection = planted(lambda array, labels: array[:, order])
    found = [finding for finding in inspection.findings if finding.code == "permuted-classes"]
    assert len(found) == 2
    assert {finding.subject for finding in found} == {NAME}
    assert told in found[0].message
    assert "misaligned-rows" not in codes(inspection)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda array, labels: np.random.default_rng(0).permutation(array), "its rows are in another order"),
        (lambda array, labels: array[::-1], "reversed: accuracy 0.6"),
        (lambda array, labels: np.roll(array, 2, axis=0), "shifted by +2: accuracy 0.6"),
        (lambda array, labels: array[np.argsort(labels, kind="stable")], "sorted by class: accuracy 0.6"),
    ],
)
def test_rows_in_another_order(planted, change, told):
    inspection = planted(change, parts=("",))
    [found] = [finding for finding in inspection.findings if finding.code == "misaligned-rows"]
    assert (found.severity, found.subject) == ("error", NAME)
    assert told in found.message


def test_labels_counted_from_one(planted):
    inspection = planted(lambda array, labels: array + 1, name="labels", parts=("", "val"))
    assert codes(inspection, "error") == {"labels-from-1"}
    assert inspection.predictions.true_labels.min() == 0


def test_logits(planted):
    inspection = planted(lambda array, labels: np.log(np.clip(array, 1e-6, 1)) + 3.0)
    assert codes(inspection, "error") == {"logits"}
    assert inspection.predictions.n_members == 9


def test_logarithms(planted):
    inspection = planted(lambda array, labels: np.log(np.clip(array, 1e-30, 1)))
    assert codes(inspection, "error") == {"log-probabilities"}


def test_rows_that_do_not_sum_to_one(planted):
    inspection = planted(lambda array, labels: array * np.float32(0.5))
    assert codes(inspection, "error") == {"row-sums"}
    assert "0.5" in next(f.message for f in inspection.findings if f.code == "row-sums")


def test_values_that_are_not_finite(planted):
    def break_one(array, labels):
        array[5, 2] = np.nan
        return array

    inspection = planted(break_one)
    assert codes(inspection, "error") == {"not-finite"}
    assert NAME not in inspection.predictions.names


def test_another_number_of_rows(planted):
    inspection = planted(lambda array, labels: array[:-3])
    assert codes(inspection, "error") == {"length"}
    assert inspection.predictions.n_members == 8


def test_another_number_of_classes(planted):
    inspection = planted(lambda array, labels: array[:, :5])
    assert not inspection.ok
    assert "5" in next(f.message for f in inspection.findings if f.severity == "error")


def test_copies(planted):
    other = np.load(HOME / "oarriaga_mini_xception_102.npy")
    inspection = planted(lambda array, labels: other, parts=("",))
    assert "identical" in codes(inspection, "warning")


def test_near_copies(planted):
    other = np.load(HOME / "oarriaga_mini_xception_102.npy")
    inspection = planted(lambda array, labels: 0.98 * other + np.float32(0.02 / 7), parts=("",))
    assert "near-duplicates" in codes(inspection, "info")


def test_the_same_seed_twice(tmp_path):
    home = tmp_path / "preds"
    bundled.write_sample(home, HOME)
    facts = json.loads((home / "members.json").read_text())
    for name in (NAME, "oarriaga_mini_xception_102"):
        facts["members"][name] |= {"architecture": "mini", "seed": 3}
    (home / "members.json").write_text(json.dumps(facts))
    assert "same-seed" in codes(check_predictions(home), "info")


def test_validation_rows_that_are_scored(tmp_path):
    home = tmp_path / "preds"
    bundled.write_sample(home, HOME)
    for path in home.glob("*.npy"):
        write_array(home / "val" / path.name, np.load(path))
    assert "validation-is-scored" in codes(check_predictions(home), "error")


@pytest.mark.parametrize(("share", "grade"), [(0.1, "warning"), (0.7, "error")])
def test_validation_rows_that_overlap(tmp_path, share, grade):
    home = tmp_path / "preds"
    bundled.write_sample(home, HOME)
    for path in home.glob("*.npy"):
        inside = np.load(home / "val" / path.name)
        n = int(share * len(inside))
        inside[:n] = np.load(path)[:n]
        write_array(home / "val" / path.name, inside)
    assert "shared-rows" in codes(check_predictions(home), grade)


@pytest.mark.parametrize(("share", "grade"), [(0.35, "warning"), (0.8, "error")])
@pytest.mark.parametrize(("part", "code"), [("val", "seen-validation-rows"), ("", "seen-scored-rows")])
def test_a_member_that_was_trained_on_one_of_the_splits(planted, share, grade, part, code):
    def learn(array, labels):
        rows = np.random.default_rng(0).random(len(labels)) < share * 0.6
        array[rows] = np.eye(7, dtype=array.dtype)[labels[rows]]
        return array

    inspection = planted(learn, parts=(part,))
    assert code in codes(inspection, grade)


def test_a_member_far_above_all_others(planted):
    def learn(array, labels):
        rows = np.random.default_rng(0).random(len(labels)) < 0.85
        array[rows] = np.eye(7, dtype=array.dtype)[labels[rows]]
        return array

    assert "far-above" in codes(planted(learn), "error")


def test_a_class_that_nobody_predicts(tmp_path):
    home = tmp_path / "preds"
    bundled.write_sample(home, HOME)
    for path in [*home.glob("*.npy"), *home.glob("val/*.npy")]:
        array = np.load(path)
        if array.ndim == 2:
            array[:, 0] += array[:, 1]
            array[:, 1] = 0
            write_array(path, array)
    found = [finding for finding in check_predictions(home).findings if finding.code == "class-never-predicted"]
    assert {finding.subject for finding in found} == {"Disgust"}


def test_half_precision_that_has_lost_its_doubts(planted):
    def sharpen(array, labels):
        sharp = np.eye(7)[array.argmax(axis=1)] * 0.9999 + 0.0001 / 7
        return (sharp / sharp.sum(axis=1, keepdims=True)).astype(np.float16)

    assert "float16-saturation" in codes(planted(sharpen), "warning")


def test_an_untrained_member_is_not_taken_for_a_misaligned_one(planted):
    inspection = planted(lambda array, labels: np.full_like(array, 1 / 7))
    assert "constant" in codes(inspection, "warning")
    assert "misaligned-rows" not in codes(inspection)


def test_weak_members_are_no_fault(tmp_path):
    for seed in range(5):
        proba, labels = draw("random", 6, 400, 5, seed)
        home = tmp_path / str(seed)
        for index, member in enumerate(proba):
            write_array(home / f"m{index}.npy", member)
        write_array(home / "labels.npy", labels)
        assert check_predictions(home).ok


def test_the_command(run, planted, tmp_path):
    assert run("check", HOME).code == 0
    planted(lambda array, labels: array[:, ::-1])
    done = run("check", tmp_path / "preds")
    assert done.code == 1
    assert "✗ error" in done.out
    assert "Repair the errors before you believe a comparison." in done.out
    found = json.loads(run("check", tmp_path / "preds", "--json").out)
    assert found["ok"] is False
    assert found["findings"][0]["grade"] == "error"


def test_comparisons_point_to_the_check(run, tmp_path):
    home = tmp_path / "preds"
    bundled.write_sample(home, HOME)
    write_array(home / "copy.npy", np.load(home / f"{NAME}.npy"))
    write_array(home / "val" / "copy.npy", np.load(home / "val" / f"{NAME}.npy"))
    for command in ("bench", "subsets"):
        done = run(command, home, "--rule", "mean")
        assert "are identical; is one a copy of the other? (`ensembler check` looks closer)" in done.err


def test_labels_in_another_order_than_all_members(tmp_path):
    proba, labels = draw("random", 5, 1000, 10, seed=1)
    home = tmp_path / "preds"
    for index, member in enumerate(proba):
        write_array(home / f"m{index}.npy", 0.3 * member + 0.7 * np.eye(10)[np.where(np.arange(1000) % 3, labels, 3)])
    write_array(home / "labels.npy", labels)
    assert check_predictions(home).ok
    write_array(home / "labels.npy", np.random.default_rng(0).permutation(labels))
    assert "misaligned-labels" in codes(check_predictions(home), "error")
    write_array(home / "labels.npy", labels[::-1])
    found = next(finding for finding in check_predictions(home).findings if finding.code == "misaligned-labels")
    assert "reversed" in found.message


def test_few_distinct_predictions_are_no_leak(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("", "val"):
        labels = rng.integers(0, 2, 400)
        p = np.round(np.clip(0.3 + 0.4 * labels + rng.normal(0, 0.15, 400), 0, 1), 2)
        write_array(tmp_path / part / "m.npy", p.astype(np.float32))
        write_array(tmp_path / part / "labels.npy", labels)
    assert "shared-rows" not in codes(check_predictions(tmp_path))


def test_perfect_members_on_easy_data_are_no_error(tmp_path):
    labels = np.arange(60) % 3
    for name, sure in (("a", 0.9), ("b", 0.8)):
        write_array(tmp_path / f"{name}.npy", np.full((60, 3), (1 - sure) / 2) + np.eye(3)[labels] * (1.5 * sure - 0.5))
    write_array(tmp_path / "labels.npy", labels)
    assert check_predictions(tmp_path).ok
    assert "always-right" in codes(check_predictions(tmp_path), "info")


def test_two_rare_classes_that_are_swapped(tmp_path):
    proba, labels = draw("random", 4, 3000, 50, seed=2)
    proba = 0.4 * proba + 0.6 * np.eye(50)[labels]
    swapped = proba[0][:, [0, 1, 2, 4, 3, *range(5, 50)]]
    for index, member in enumerate([swapped, *proba[1:]]):
        write_array(tmp_path / f"m{index}.npy", member)
    write_array(tmp_path / "labels.npy", labels)
    [found] = [finding for finding in check_predictions(tmp_path).findings if finding.code == "permuted-classes"]
    assert (found.subject, "3 is 4" in found.message) == ("m0", True)


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (lambda labels: (labels + 1) % 7, "permuted-labels", "0 is 1"),
        (lambda labels: np.array([0, 1, 2, 3, 5, 4, 6])[labels], "permuted-labels", "5 is 4, 4 is 5"),
        (lambda labels: labels + 1, "labels-from-1", "with 1 subtracted, members are right in 0.6"),
    ],
)
def test_all_members_in_another_order_than_the_labels(tmp_path, change, code, told):
    data = load_predictions(HOME)
    for part, one in (("", data), ("val", data.validation)):
        kept = change(one.true_labels) < 7
        for name, member in zip(one.names, one.proba, strict=True):
            write_array(tmp_path / part / f"{name}.npy", member[kept])
        write_array(tmp_path / part / "labels.npy", change(one.true_labels[kept]))
    found = [finding for finding in check_predictions(tmp_path).findings if finding.severity == "error"]
    assert [(finding.code, finding.subject) for finding in found] == [(code, "labels"), (code, "validation labels")]
    assert any(told in finding.message for finding in found)
    with pytest.warns(DataWarning):
        result = compare_rules(load_predictions(tmp_path), ["mean"], n_resamples=0)
    assert str(found[0]) in result.warnings


def test_members_in_two_other_orders_are_told_one_by_one(tmp_path):
    data = load_predictions(HOME)
    orders = ([1, 0, 3, 4, 5, 6, 2], [1, 0, 6, 2, 3, 4, 5])  # they have the first two classes in common
    for index, (name, member) in enumerate(zip(data.names, data.proba, strict=True)):
        write_array(tmp_path / f"{name}.npy", member[:, orders[index % 2]])
    write_array(tmp_path / "labels.npy", data.true_labels)
    found = [finding for finding in check_predictions(tmp_path).findings if finding.severity == "error"]
    assert [(finding.code, finding.subject) for finding in found] == [("permuted-classes", name) for name in data.names]


def test_half_of_the_rows_in_another_order(planted):
    inspection = planted(
        lambda array, labels: np.concatenate([array[:1800], np.roll(array[1800:], 1, axis=0)]), parts=("",)
    )
    [found] = [finding for finding in inspection.findings if finding.code == "misaligned-rows"]
    assert found.subject == NAME
    assert "knows nothing of the rows 1," in found.message


def test_values_just_below_zero_are_rounding(planted):
    inspection = planted(lambda array, labels: np.where(array < 1e-4, np.float32(-1e-7), array))
    assert codes(inspection, "error") == {"below-zero"}


def test_what_spoils_every_figure_is_told_by_comparisons(tmp_path):
    home = tmp_path / "preds"
    bundled.write_sample(home, HOME)
    for part in ("", "val"):
        write_array(home / part / f"{NAME}.npy", np.load(home / part / f"{NAME}.npy")[:, [0, 1, 2, 6, 4, 5, 3]])
    with pytest.warns(DataWarning, match=f"'{NAME}'.* order.*ensembler check"):
        result = compare_rules(load_predictions(home), ["mean"], n_resamples=0)
    assert any(NAME in told for told in result.warnings)


def test_files_that_cannot_be_read_are_told_and_the_others_looked_at(tmp_path):
    home = tmp_path / "preds"
    bundled.write_sample(home, HOME)
    (home / "empty.npy").write_bytes(b"")
    (home / "members.json").write_text("{")
    inspection = check_predictions(home)
    assert codes(inspection, "error") == {"file-unreadable", "metadata"}
    assert inspection.predictions.n_members == 9
    for path in home.glob("*.npy"):
        if path.stem != "labels":
            path.write_bytes(b"")
    assert check_predictions(home).predictions is None


def test_sets_without_rows_are_told(tmp_path):
    np.save(tmp_path / "a.npy", np.empty((0, 3)))
    np.save(tmp_path / "labels.npy", np.empty(0, int))
    assert not check_predictions(tmp_path).ok


def test_metadata_of_nobody_and_costs_that_are_none(tmp_path):
    home = tmp_path / "preds"
    bundled.write_sample(home, HOME)
    facts = {"members": {NAME: {"cost": "cheap"}, "nobody": {"cost": -3, "parameters": 5}}}
    (home / "members.json").write_text(json.dumps(facts))
    found = [finding for finding in check_predictions(home).findings if finding.code in ("cost", "unknown-metadata")]
    assert sorted((finding.code, finding.subject) for finding in found) == [
        ("cost", "nobody"),
        ("cost", NAME),
        ("unknown-metadata", "nobody"),
    ]


def test_only_a_member_that_is_surer_than_the_others_dominates(tmp_path):
    proba, labels = draw("random", 3, 400, 3, seed=1)
    for name, member in zip("abc", proba**8 / (proba**8).sum(axis=-1, keepdims=True), strict=True):
        np.save(tmp_path / f"{name}.npy", member)
    np.save(tmp_path / "labels.npy", labels)
    told = [finding for finding in check_predictions(tmp_path).findings if finding.code == "overconfident"]
    assert len(told) == 3
    assert not any("dominates" in finding.advice for finding in told)
    np.save(tmp_path / "b.npy", proba[1] * 0.2 + 0.8 / 3)
    np.save(tmp_path / "c.npy", proba[2] * 0.2 + 0.8 / 3)
    told = [finding for finding in check_predictions(tmp_path).findings if finding.code == "overconfident"]
    assert [("dominates" in finding.advice, finding.subject) for finding in told] == [(True, "a")]
