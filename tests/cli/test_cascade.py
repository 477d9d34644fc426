"""``ensembler cascade``, and ``predict --recipe`` with what it saved, as a user meets them."""

import json

import numpy as np
import pandas as pd
import pytest

from ensembler import load_predictions


def rows_of(path):
    return pd.read_csv(path)


def test_the_answer_comes_first(run, write_set):
    home = write_set(n_members=4)
    done = run("cascade", home, "--match", "full")
    assert done.code == 0
    first, second = " ".join(done.out.split()).split(". ")[:2]
    assert first.startswith("Run m")
    assert second.startswith("That reaches accuracy .")
    assert "of the cost of all 4 members" in second
    assert "Members count 1 each, since nothing says what they cost" in " ".join(done.out.split())


def test_the_json_contract(run, write_set):
    home = write_set(n_members=4)
    found = json.loads(run("cascade", home, "--budget", "0.5", "--json").out)
    wanted = {"schema", "stages", "confidence", "accuracy", "val_accuracy", "cost", "full_cost", "cost_share"}
    wanted |= {"escalated", "against_full", "front", "guarantee"}
    assert wanted <= set(found)
    assert found["schema"] == "ensembler.cascade/1"
    assert {"members", "threshold"} == set(found["stages"][0])
    assert found["stages"][-1]["threshold"] is None
    assert found["guarantee"] is None
    assert found["val_cost"] <= 0.5 * found["full_cost"]
    assert found["cost_share"] == found["cost"] / found["full_cost"]
    chosen = [point for point in found["front"] if point["chosen"]]
    assert len(chosen) == 1
    assert chosen[0]["accuracy"] == found["accuracy"]
    # By the definition, from the files.
    data = load_predictions(home)
    first, last = ([data.names.index(name) for name in stage["members"]] for stage in found["stages"])
    early, late = (data.proba[members].astype(float).mean(axis=0) for members in (first, last))
    stops = early.max(axis=1) > found["stages"][0]["threshold"]
    answer = np.where(stops, early.argmax(axis=1), late.argmax(axis=1))
    assert (answer == data.labels).mean() == pytest.approx(found["accuracy"])
    assert (~stops).mean() == pytest.approx(found["escalated"])


def test_the_same_bytes_again(run, write_set):
    home = write_set(n_members=4)
    assert run("cascade", home, "--json").out == run("cascade", home, "--json").out


def test_the_front_is_written_and_drawn(run, write_set, tmp_path):
    home = write_set(n_members=4)
    done = run("cascade", home, "--csv", tmp_path / "front.csv", "--plot", tmp_path / "front.svg", "--json")
    table = rows_of(tmp_path / "front.csv")
    front = json.loads(done.out)["front"]
    assert table.accuracy.tolist() == pytest.approx([point["accuracy"] for point in front])
    assert (table.against_full_low <= table.against_full).all()
    assert "no cheaper cascade was as good" in (tmp_path / "front.svg").read_text()


@pytest.fixture
def saved(run, write_set, tmp_path):
    """A set, new rows without labels, and a saved cascade of two stages."""
    home = write_set(n_members=4)
    (tmp_path / "new").mkdir()
    for path in home.glob("m*.npy"):
        (tmp_path / "new" / path.name).write_bytes(path.read_bytes())
    done = run("cascade", home, "--budget", "0.6", "--save", tmp_path / "cascade.json")
    assert done.code == 0
    assert "to use it: ensembler predict --recipe" in done.err
    return tmp_path


def test_a_saved_cascade_predicts_what_was_measured(run, saved):
    done = run("predict", "--recipe", saved / "cascade.json", "--to", saved / "new", "--out", saved / "out.csv")
    assert done.code == 0
    assert "of the cost of all members" in done.err
    home = next(path for path in saved.iterdir() if (path / "labels.npy").exists())
    found = json.loads(run("cascade", home, "--budget", "0.6", "--json").out)
    answers = rows_of(saved / "out.csv")
    assert (answers.label == np.load(home / "labels.npy")).mean() == pytest.approx(found["accuracy"])


def test_members_that_are_never_asked_need_not_be_there(run, saved):
    document = json.loads((saved / "cascade.json").read_text())
    used = document["stages"][-1]["members"]
    for path in (saved / "new").iterdir():
        if path.stem not in used:
            path.write_bytes(b"not an array")
    done = run("predict", "--recipe", saved / "cascade.json", "--to", saved / "new", "--out", saved / "out.npy")
    assert done.code == 0, done.err


def test_rows_that_need_members_that_are_not_there_are_written(run, saved):
    document = json.loads((saved / "cascade.json").read_text())
    first, last = (stage["members"] for stage in document["stages"])
    command = ("predict", "--recipe", saved / "cascade.json", "--to", saved / "new", "--out", saved / "out.csv")
    assert run(*command).code == 0
    whole = rows_of(saved / "out.csv")
    later = sorted(set(last) - set(first))
    kept = {name: np.load(saved / "new" / f"{name}.npy") for name in later}
    for name in later:
        (saved / "new" / f"{name}.npy").unlink()
    refused = run(*command)
    assert refused.code == 1
    assert f"rows need {', '.join(later)}: add them, or give --pending FILE" in refused.err
    done = run(*command, "--pending", saved / "rows.csv")
    assert done.code == 0
    assert f"wait for {', '.join(later)}" in done.err
    pending = rows_of(saved / "rows.csv").id.to_numpy()
    # The first stage's files with ids, the later ones' with those of the pending rows only.
    for path in list((saved / "new").glob("*.npy")):
        table = pd.DataFrame(np.load(path), columns=["p0", "p1", "p2", "p3"])
        table.insert(0, "id", np.arange(len(table)))
        table.to_csv(path.with_suffix(".csv"), index=False)
        path.unlink()
    for name, proba in kept.items():
        table = pd.DataFrame(proba[pending[::-1]], columns=["p0", "p1", "p2", "p3"])
        table.insert(0, "id", pending[::-1])
        table.to_csv(saved / "new" / f"{name}.csv", index=False)
    done = run(*command, "--pending", saved / "rows.csv")
    assert "no row waits for further members" in done.err
    assert (rows_of(saved / "out.csv").label == whole.label).all()
    assert rows_of(saved / "rows.csv").empty


def test_later_rows_are_found_by_number_where_the_first_stage_has_no_ids(run, saved):
    document = json.loads((saved / "cascade.json").read_text())
    later = sorted(set(document["stages"][1]["members"]) - set(document["stages"][0]["members"]))
    command = ("predict", "--recipe", saved / "cascade.json", "--to", saved / "new", "--out", saved / "out.csv")
    assert run(*command).code == 0
    whole = rows_of(saved / "out.csv")
    kept = {name: np.load(saved / "new" / f"{name}.npy") for name in later}
    for name in later:
        (saved / "new" / f"{name}.npy").unlink()
    assert run(*command, "--pending", saved / "rows.csv").code == 0
    pending = rows_of(saved / "rows.csv").id.to_numpy()
    for name, proba in kept.items():
        table = pd.DataFrame(proba[pending], columns=["p0", "p1", "p2", "p3"])
        table.insert(0, "id", pending)
        table.to_csv(saved / "new" / f"{name}.csv", index=False)
    assert run(*command).code == 0
    assert (rows_of(saved / "out.csv").label == whole.label).all()


def test_what_is_read_is_never_written_over(run, write_set, tmp_path, saved):
    home = write_set("again", n_members=3)
    table = pd.DataFrame(np.load(home / "m0.npy"), columns=["p0", "p1", "p2", "p3"])
    table.to_csv(home / "m0.csv", index=False)
    (home / "m0.npy").unlink()
    before = (home / "m0.csv").read_bytes()
    for command in (
        ("cascade", home, "--csv", home / "m0.csv"),
        ("abstain", home, "--rule", "mean", "--csv", home / "m0.csv"),
        ("conformal", home, "--rule", "mean", "--csv", home / "m0.csv"),
        ("bench", home, "--rule", "mean", "--csv", home / "m0.csv"),
        ("subsets", home, "--out", home / "m0.csv"),
        ("explain", home, "--rule", "mean", "--out", home / "m0.csv"),
        ("compare", home / "m0.csv", home / "m1.npy", "--rows", home / "m0.csv"),
    ):
        done = run(*command)
        assert done.code == 2
        assert "is one of the input files, which are never overwritten" in done.err
    assert (home / "m0.csv").read_bytes() == before
    same = ("--out", tmp_path / "o.csv", "--pending", tmp_path / "o.csv")
    done = run("predict", "--recipe", saved / "cascade.json", "--to", saved / "new", *same)
    assert done.code == 2
    assert "is the file of --out" in done.err


def test_a_cascade_is_not_exported(run, saved):
    done = run("export", saved / "cascade.json", "--format", "python", "--out", saved / "c.py")
    assert done.code == 1
    assert "is a cascade, which only `ensembler predict --recipe` uses" in done.err


def test_later_members_of_other_rows_are_refused(run, saved):
    document = json.loads((saved / "cascade.json").read_text())
    later = sorted(set(document["stages"][1]["members"]) - set(document["stages"][0]["members"]))
    for name in later:
        path = saved / "new" / f"{name}.npy"
        np.save(path, np.load(path)[:-1])
    done = run("predict", "--recipe", saved / "cascade.json", "--to", saved / "new", "--out", saved / "out.csv")
    assert done.code == 1
    assert f"{', '.join(later)}: 119 rows, expected the 120 of the first stage" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--target", "f1=0.5"], 2, "only the accuracy can be a target"),
        (["--target", "accuracy=x"], 2, "expected accuracy=X, as in accuracy=0.69"),
        (["--target", "1.2"], 2, "target accuracy is 1.2"),
        (["--budget", "0"], 2, "budget is 0"),
        (["--budget", "0.01"], 1, "nothing costs at most 0.01 of all members"),
        (["--target", "1"], 1, "no cascade reaches accuracy 1"),
        (["--match", "half"], 2, "known: full"),
        (["--confidence", "sure"], 2, "known: top-probability, margin, entropy, agreement"),
        (["--rule", "stacking"], 1, "stacking: its committees are no sums"),
        (["--rule", "mean", "--rule", "product"], 2, "--rule is given 2 times"),
        (["--cost", "euros"], 2, "--cost euros: no number above 0 for m0, m1, m2; figures that all members have: none"),
        (["--costs", "nowhere.json"], 1, "nowhere.json"),
        (["--cost", "a", "--costs", "b"], 2, "exclude one another"),
        (["--delta", "0.1"], 2, "delta has no effect without a promise"),
        (["--csv", "front.txt"], 2, "expected a file that ends in .csv"),
        (["--plot", "front.gif"], 2, "expected a figure that ends in"),
        (["--save", "cascade.txt"], 2, "expected a file that ends in .json"),
        (["--save", "members.json"], 2, "choose another name"),
    ],
)
def test_what_cannot_be_is_refused(run, write_set, arguments, code, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("cascade", write_set(n_members=4), *arguments)
    assert done.code == code, done.err
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_file_that_is_no_cascade_stays(run, write_set, tmp_path):
    (tmp_path / "notes.json").write_text("{}")
    done = run("cascade", write_set(n_members=3), "--save", tmp_path / "notes.json")
    assert done.code == 2
    assert "is there already and is no cascade, so it stays" in done.err
    assert (tmp_path / "notes.json").read_text() == "{}"


def test_pending_belongs_to_cascades(run, write_set, tmp_path):
    home = write_set(n_members=3)
    run("predict", home, "--rule", "mean", "--save", tmp_path / "rule.json")
    arguments = ("--to", home / "val", "--out", tmp_path / "o.csv", "--pending", tmp_path / "p.csv")
    done = run("predict", "--recipe", tmp_path / "rule.json", *arguments)
    assert done.code == 2
    assert "--pending has no effect with a recipe that is no cascade" in done.err


@pytest.mark.parametrize("kind", ["hard", "two", "many"])
def test_sets_of_every_kind_have_an_answer(run, write_set, kind, tmp_path):
    if kind == "hard":
        home = write_set(n_members=4)
        for path in [*home.glob("m*.npy"), *(home / "val").glob("m*.npy")]:
            np.save(path, np.load(path).argmax(axis=1))
        done = run("cascade", home, "--rule", "majority-vote", "--confidence", "agreement")
    else:
        home = write_set(n_members=3, n_classes=2 if kind == "two" else 100)
        done = run("cascade", home, "--fit-on", "cross", "--folds", "3")
    assert done.code == 0, done.err
    assert done.out.startswith("Run m")


def test_too_many_members_for_all_pairs_are_searched(run, write_set):
    done = run("cascade", write_set(n_members=15), "--json", "--budget", "0.4")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["exact"] is False
    assert found["val_cost"] <= 0.4 * found["full_cost"]
