"""``ensembler compare`` and ``ensembler explain``."""

import json

import numpy as np
import pandas as pd
import pytest

from ensembler import compare_rules, load_predictions
from ensembler.predictions import bundled

HOME = bundled.published_folder()
FIRST, SECOND = HOME / "wiktorglita_cnn3.npy", HOME / "oarriaga_mini_xception_43.npy"


def test_two_files_are_compared_in_the_order_given(run):
    data = load_predictions(HOME)
    found = json.loads(run("compare", FIRST, SECOND, "--json").out)
    turned = json.loads(run("compare", SECOND, FIRST, "--json").out)
    right = {
        path.stem: data.proba[data.names.index(path.stem)].argmax(axis=1) == data.true_labels
        for path in (FIRST, SECOND)
    }
    assert found["first"] == FIRST.stem
    assert found["gained"] == np.flatnonzero(right[FIRST.stem] & ~right[SECOND.stem]).tolist()
    assert found["lost"] == turned["gained"]
    assert found["p_value"] == turned["p_value"]
    [accuracy] = [one for one in found["metrics"] if one["metric"] == "accuracy"]
    assert accuracy["difference"] == pytest.approx(right[FIRST.stem].mean() - right[SECOND.stem].mean())
    assert accuracy["interval"][0] < accuracy["difference"] < accuracy["interval"][1]
    assert sum(one["gained"] for one in found["by_class"]) == len(found["gained"])


def test_an_array_of_an_archive_keeps_its_place(run, tmp_path):
    np.savez(tmp_path / "z.npz", alpha=np.load(FIRST))
    np.save(tmp_path / "labels.npy", np.load(HOME / "labels.npy"))
    (tmp_path / "b.npy").write_bytes(SECOND.read_bytes())
    for given, names in (("z.npz", "b.npy"), ("alpha", "b")), (("b.npy", "z.npz"), ("b", "alpha")):
        found = json.loads(run("compare", *(tmp_path / name for name in given), "--json").out)
        assert (found["first"], found["second"]) == names


def test_the_rows_that_changed_are_written(run, tmp_path):
    out = tmp_path / "rows.csv"
    done = run("compare", FIRST, SECOND, "--rows", out)
    assert done.code == 0
    assert "within noise (McNemar's exact p .066)" in " ".join(done.out.split())
    frame = pd.read_csv(out)
    found = json.loads(run("compare", FIRST, SECOND, "--json").out)
    assert len(frame) == found["relabelled"]
    assert frame[frame["change"] == "gained"]["row"].tolist() == found["gained"]


def test_the_same_predictions_differ_in_nothing(run, write_set):
    home = write_set(n_members=2)
    np.save(home / "m1.npy", np.load(home / "m0.npy"))
    done = run("compare", home / "m0.npy", home / "m1.npy")
    assert "are right and wrong about the same rows" in done.out


def test_hard_labels_are_compared_too(run, write_set):
    home = write_set(n_members=2, hard=True)
    found = json.loads(run("compare", home / "m0.npy", home / "m1.npy", "--json").out)
    assert [one["metric"] for one in found["metrics"]] == ["accuracy", "balanced-accuracy", "macro-f1"]


def test_explaining_a_rule(run, tmp_path):
    out = tmp_path / "rows.csv"
    found = json.loads(run("explain", HOME, "--rule", "median", "--json", "--out", out, "--top", 5).out)
    result = compare_rules(load_predictions(HOME), ["median"])
    truth = result.scored.true_labels
    right = result["median"].proba.argmax(axis=1) == truth
    before = result.best_member.proba.argmax(axis=1) == truth
    assert found["rescued"] == np.flatnonzero(right & ~before).tolist()
    assert found["broken"] == np.flatnonzero(before & ~right).tolist()
    assert len(found["contested"]) == len(found["missed"]) == 5
    votes = np.stack([member.argmax(axis=1) for member in result.scored.proba])
    missed = (votes != truth).all(axis=0)
    assert found["missed_by_all"] == missed.sum()
    for row in found["missed"]:
        assert missed[row["row"]]
        assert row["votes"] == np.bincount(votes[:, row["row"]], minlength=7).tolist()
    values = [row["value"] for row in found["missed"]]
    assert values == sorted(values, reverse=True)
    assert found["contested"][0]["value"] <= np.log2(7)
    frame = pd.read_csv(out)
    assert frame["change"].value_counts()["rescued"] == len(found["rescued"])
    assert frame["members right"].eq(0).sum() == missed.sum()


@pytest.mark.parametrize(
    ("options", "protocol"),
    [
        (["--calibrate", "members"], {"calibrate": "members"}),
        (["--fit-on", "cross", "--folds", "3", "--seed", "1"], {"fit_on": "cross", "folds": 3, "seed": 1}),
    ],
)
def test_a_rule_is_explained_as_bench_fits_it(run, options, protocol):
    found = json.loads(run("explain", HOME, "--rule", "class-weighted", "--json", *options).out)
    result = compare_rules(load_predictions(HOME), ["class-weighted"], n_resamples=0, **protocol)
    truth = result.scored.true_labels
    right, before = (one.proba.argmax(axis=1) == truth for one in (result["class-weighted"], result.best_member))
    assert found["rescued"] == np.flatnonzero(right & ~before).tolist()
    usual = json.loads(run("explain", HOME, "--rule", "class-weighted", "--json").out)
    assert found["rescued"] != usual["rescued"]


def test_what_every_member_said_about_a_row(run):
    done = run("explain", HOME, "--rule", "mean", "--row", 3, "--row", 4)
    assert "Row 3: label Surprise, mean says Surprise" in done.out
    assert "Row 4: label Fear" in done.out
    assert done.out.count("wiktorglita_cnn3") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", FIRST, SECOND, "--rows", "x.txt"], "--rows x.txt: expected a file that ends in .csv"),
        (["compare", FIRST, FIRST], "are the same file, expected two"),
        (["compare", HOME, SECOND], "expected two prediction files, got 9 members"),
        (["explain", "--row", "3589"], "--row is 3589, expected 0 to 3588"),
        (["explain", "--top", "0"], "--top is 0, expected at least 1"),
        (["explain", "--rule", "nope"], "unknown rule 'nope'"),
        (["explain", "--out", "x"], "--out x: expected a file that ends in .csv"),
        (["explain", "--folds", "3"], "--folds has no effect with --fit-on val"),
        (["explain", "--row", "1", "--json"], "--row and --json exclude one another"),
    ],
)
def test_mistakes_are_told_in_a_sentence(run, arguments, message):
    done = run(*arguments)
    assert done.code in (1, 2)
    assert message in done.err
    assert done.out == ""


def test_two_files_of_one_name_are_told_apart_by_their_folders(run, tmp_path):
    for folder, source in (("old", FIRST), ("new", SECOND)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.npy").write_bytes(source.read_bytes())
        (tmp_path / folder / "labels.npy").write_bytes((HOME / "labels.npy").read_bytes())
    paths = [tmp_path / folder / "m.npy" for folder in ("old", "new")]
    done = run("compare", *paths, "--json")
    assert done.err == ""
    found, plain = json.loads(done.out), json.loads(run("compare", FIRST, SECOND, "--json").out)
    assert (found["first"], found["second"]) == ("m (old)", "m (new)")
    assert found["gained"] == plain["gained"]
    assert found["metrics"] == plain["metrics"]
    np.save(tmp_path / "new" / "labels.npy", np.zeros(3589, int))
    assert "do not have the same labels" in run("compare", *paths).err
    assert "are the same file, expected two" in run("compare", paths[0], paths[0]).err
    pd.DataFrame(np.load(paths[0])).to_csv(tmp_path / "old" / "m.csv", index=False)
    assert "two members are called 'm'" in run("compare", paths[0], tmp_path / "old" / "m.csv").err
