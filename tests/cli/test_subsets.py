"""``ensembler subsets`` as a user meets it."""

import json

import numpy as np
import pandas as pd
import pytest

from ensembler import load_predictions
from ensembler.predictions import bundled
from tests.subsets.draw import draw


def test_the_bundled_set_is_swept_without_a_path(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("subsets", "--k", "8")
    assert done.code == 0
    assert "reading the bundled FER2013 predictions" in done.err
    assert "Best committees of 9: mean" in done.out
    assert "mean: the committee chosen is all but" in done.out
    assert "Use blend of all 9 members: accuracy ." in done.out


def test_a_folder_called_preds_is_swept_without_a_path(run, write_set, tmp_path, monkeypatch):
    write_set(n_members=3)
    monkeypatch.chdir(tmp_path)
    assert "Best committees of 7: mean" in run("subsets").out


def test_the_json_contract(run, write_set):
    home = write_set(n_members=4)
    found = json.loads(run("subsets", home, "--rule", "mean", "--rule", "median", "--json").out)
    assert {"schema", "members", "rules", "left_out", "protocol", "metric", "reproducibility"} <= set(found)
    assert found["members"] == ["m0", "m1", "m2", "m3"]
    assert [rule["rule"] for rule in found["rules"]] == ["mean", "median"]
    for rule in found["rules"]:
        assert {"rule", "n_subsets", "best", "chosen", "luckiest"} <= set(rule)
        assert rule["n_subsets"] == 15
        values = [entry["val_accuracy"] for entry in rule["best"]]
        assert values == sorted(values, reverse=True)
        assert {"mask", "members", "size", "accuracy", "val_accuracy"} == set(rule["best"][0])
    data = load_predictions(home)
    entry = found["rules"][0]["chosen"]
    members = [data.names.index(name) for name in entry["members"]]
    right = data.proba[members].astype(float).sum(axis=0).argmax(axis=1) == data.true_labels
    assert entry["accuracy"] == right.mean()


@pytest.mark.parametrize("jobs", [1, 2, 7])
def test_workers_change_no_byte(run, write_set, jobs, tmp_path, monkeypatch):
    home = write_set(n_members=4)
    first = json.loads(run("subsets", home, "--json", "--rule", "class-weighted", "--rule", "mean").out)
    other = json.loads(run("subsets", home, "--json", "--rule", "class-weighted", "--rule", "mean", "--jobs", jobs).out)
    first["reproducibility"].pop("command")
    other["reproducibility"].pop("command")
    assert json.dumps(first) == json.dumps(other)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_row_for_each_committee(run, write_set, tmp_path, suffix):
    home, out = write_set(n_members=4), tmp_path / f"all.{suffix}"
    assert run("subsets", home, "--out", out, "--metric", "brier", "--k", "2-3").code == 0
    frame = pd.read_csv(out) if suffix == "csv" else pd.read_parquet(out)
    assert list(frame) == [
        *("rule", "mask", "size", "correct", "accuracy", "val_correct", "val_accuracy"),
        *("metric", "value", "val_value"),
    ]
    assert len(frame) == 10
    assert set(frame["size"]) == {2, 3}


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_figure_for_each_rule(run, write_set, tmp_path, suffix):
    home = write_set(n_members=9)
    plot = tmp_path / f"sizes.{suffix}"
    command = ("subsets", home, "--plot", plot, "--rule", "mean", "--rule", "exponential-weighted:q_min=0")
    assert run(*command, "--freeze-weights").code == 0
    names = sorted(path.name for path in tmp_path.glob(f"*.{suffix}"))
    assert names == [f"sizes-exponential-weighted-q-min-0.{suffix}", f"sizes-mean.{suffix}"]
    if suffix == "svg":
        text = (tmp_path / names[1]).read_text()
        assert "members of the committee" in text
        before = (tmp_path / names[1]).read_bytes()
        run(*command, "--freeze-weights")
        assert (tmp_path / names[1]).read_bytes() == before


def test_calibrated_members(run, write_set):
    home = write_set(n_members=3)
    found = json.loads(run("subsets", home, "--calibrate", "members", "--json").out)
    assert found["calibrate"] == "members"
    whole = json.loads(run("bench", home, "--calibrate", "members", "--rule", "mean", "--json").out)["combiners"][0]
    assert found["rules"][0]["whole"]["accuracy"] == whole["accuracy"]
    for search in ([], ["--search", "beam"]):
        told = " ".join(run("subsets", home, "--calibrate", "members", *search).out.split())
        assert "Each member has a temperature, fitted where weights are." in told
    done = run("subsets", home, "--calibrate", "ensemble")
    assert (done.code, "expected 'members' or 'none'" in done.err) == (2, True)


def test_must_and_exclude(run, write_set):
    home = write_set(n_members=5)
    found = json.loads(run("subsets", home, "--must", "m1", "--exclude", "m4", "--json", "--top", "50").out)
    assert found["members"] == ["m0", "m1", "m2", "m3"]
    assert found["must"] == ["m1"]
    [rule] = found["rules"]
    assert rule["n_subsets"] == len(rule["best"]) == 8
    assert all("m1" in entry["members"] for entry in rule["best"])
    assert rule["members"] is None


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_searching(run, write_set, search):
    home = write_set(n_members=6)
    found = json.loads(run("subsets", home, "--search", search, "--json").out)
    assert found["search"] == search
    assert len(found["rules"][0]["by_size"]) == 6
    assert "need not be the best" in run("subsets", home, "--search", search, "--k", "2-3").out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--k", "0"], "--k is '0', expected sizes from 1 to the 3 members there are"),
        (["--k", "4"], "--k is '4', expected sizes from 1 to the 3 members there are"),
        (["--k", "3-2"], "--k is '3-2', expected the smaller number first: 2-3"),
        (["--k", "two"], "--k is 'two', expected a number as in 8, or a range as in 3-6"),
        (["--must", "nobody"], "unknown member 'nobody'"),
        (["--exclude", "m3"], "unknown member 'm3'"),
        (["--must", "m1", "--exclude", "m1"], "member 'm1' is both in --must and in --exclude; drop one"),
        (["--must", "m1", "--must", "m2", "--k", "1"], "2 members must be in, and a committee has at most 1"),
        (["--metric", "mmc"], "unknown metric 'mmc'; did you mean 'mcc'"),
        (["--metric", "f1:class=9"], "class is 9, expected 0 to"),
        (["--rule", "mean", "--rule", "mean"], "a rule is given twice"),
        (["--search", "best"], "unknown value of --search 'best'"),
        (["--search", "greedy", "--width", "3"], "--width has no effect with --search greedy"),
        (["--search", "beam", "--width", "0"], "--width is 0, expected at least 1"),
        (["--search", "beam", "--plot", "x.png"], "--plot has no effect with --search beam"),
        (["--backend", "dask"], "--backend dask and --scheduler HOST:PORT belong together"),
        (["--scheduler", "here:1"], "--backend dask and --scheduler HOST:PORT belong together"),
        (["--jobs", "0"], "--jobs is 0, expected at least 1"),
        (["--top", "0"], "top is 0, expected at least 1"),
        (["--out", "x.txt"], "--out x.txt: expected a file that ends in .csv or .parquet"),
        (["--plot", "x.jpg"], "x.jpg: expected a figure that ends in .png, .svg or .pdf"),
        (["--fit-on", "cross", "--val", "v"], "--val has no effect with --fit-on cross"),
        (["--search", "greedy", "--top", "3"], "--top has no effect with --search greedy"),
        (["--search", "greedy", "--yes"], "--yes has no effect with --search greedy"),
        (["--seed", "-1"], "seed is -1, expected a whole number"),
        (["--metric", "brier", "--rule", "median"], "median: its Brier score is no quadratic form"),
    ],
)
def test_mistakes_are_told_in_a_sentence(run, write_set, options, message):
    done = run("subsets", write_set(n_members=3), *options)
    assert done.code == 2
    assert message in done.err
    assert done.out == ""


def many(tmp_path, n_members):
    proba, labels = draw("random", n_members, 40, 2, seed=1)
    np.save(tmp_path / "labels.npy", labels)
    for index, member in enumerate(proba):
        np.save(tmp_path / f"m{index:02}.npy", member)
    return tmp_path


def test_a_sweep_of_years_is_asked_for_first(run, tmp_path):
    done = run("subsets", many(tmp_path, 55))
    assert done.code == 2
    assert "36,028,797,018,963,967 committees: about" in done.err
    assert "years" in done.err
    assert "--search beam, or start it anyway with --yes" in done.err


def test_too_many_members_are_refused_with_the_way_out(run, tmp_path):
    done = run("subsets", many(tmp_path, 63))
    assert done.code == 2
    assert "at most 62 members, got 63" in done.err
    assert "--search greedy" in done.err
    assert run("subsets", tmp_path, "--search", "greedy", "--k", "1-3").code == 0


def test_a_table_of_very_many_rows_is_asked_for_first(run, tmp_path):
    done = run("subsets", many(tmp_path, 25), "--out", tmp_path / "out" / "x.csv")
    assert done.code == 2
    assert "--out would have 33,554,431 rows" in done.err
    assert not (tmp_path / "out" / "x.csv").exists()


def test_refitting_tells_an_estimate(run, write_set):
    done = run("subsets", write_set(n_members=9, n_samples=60), "--rule", "median", "--jobs", 1)
    assert done.code == 0
    assert "median: 511 committees, each by itself: about" in done.err


def test_masks_beyond_what_numbers_hold_are_text(run, tmp_path):
    home = many(tmp_path, 55)
    found = json.loads(run("subsets", home, "--k", "1", "--json").out)
    masks = [entry["mask"] for entry in found["rules"][0]["best"]]
    assert all(isinstance(mask, str) and int(mask).bit_count() == 1 for mask in masks)


def test_the_study_of_the_bundled_set_is_what_the_sweep_says(run):
    found = json.loads(run("subsets", bundled.published_folder(), "--json").out)
    [rule] = found["rules"]
    assert rule["n_subsets"] == 511
    assert rule["optimism"]["n_subsets"] == 511
    assert not rule["optimism"]["lower_bound"]
    total = sum(member["shapley"] for member in rule["members"])
    assert total == pytest.approx(rule["whole"]["accuracy"] - found["rules"][0]["effects"]["no_member"])


def test_a_checkpoint_of_other_costs_or_of_another_top_is_refused(run, write_set, tmp_path):
    home, store = write_set(n_members=3), tmp_path / "state"

    def with_costs(*costs):
        facts = {"members": {f"m{index}": {"cost": cost} for index, cost in enumerate(costs)}}
        (home / "members.json").write_text(json.dumps(facts))

    with_costs(1, 2, 3)
    command = ("subsets", home, "--checkpoint", store)
    assert run(*command).code == 0
    assert run(*command).code == 0
    assert "other arrays or options" in run(*command, "--top", 5).err
    with_costs(0.25, 2, 3)
    assert "other arrays or options" in run(*command).err
    assert ".25" in run("subsets", home, "--full").out


def test_a_table_of_rules_of_which_one_is_left_out(run, tmp_path, write_set):
    out = tmp_path / "all.csv"
    done = run(
        "subsets", write_set(n_members=4), "--metric", "brier", "--rule", "mean", "--rule", "product", "--out", out
    )
    assert done.code == 0
    assert set(pd.read_csv(out)["rule"]) == {"mean"}
    assert "Left out: product" in done.out


def test_a_table_and_the_json_speak_of_the_same_rule(run, tmp_path, write_set):
    out = tmp_path / "all.csv"
    home = write_set(n_members=4)
    done = run("subsets", home, "--rule", "greedy", "--metric", "log-loss", "--out", out, "--json", "--top", 15)
    frame = pd.read_csv(out).set_index("mask")
    for entry in json.loads(done.out)["rules"][0]["best"]:
        assert frame.loc[entry["mask"], "accuracy"] == entry["accuracy"]
        assert frame.loc[entry["mask"], "value"] == pytest.approx(entry["value"])


def test_committees_chosen_by_another_metric_do_not_hide_the_recommendation(run, write_set):
    out = run("subsets", write_set(n_members=3), "--metric", "balanced-accuracy", "--rule", "mean").out
    first = " ".join(out.partition("\n\n")[0].split())
    assert first.startswith("Use ")
    assert "chosen by balanced-accuracy" in first
