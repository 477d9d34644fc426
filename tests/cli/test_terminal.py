"""What the terminal says: once, in one form, and such that it can be pasted."""

import json
import shlex
from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import draw


def text_labels(home):
    """Turn the labels of a set into texts."""
    for path in home.rglob("labels.npy"):
        np.save(path, np.array(["dog", "ant", "cat", "bee"])[np.load(path)])


def once(text):
    """Return a text without the line ends that a narrow terminal has put into it."""
    return " ".join(text.split())


def test_class_names_that_are_missing_are_ready_made(write_set, run):
    home = write_set()
    text_labels(home)
    done = run("bench", home)
    assert done.code == 1
    assert done.err.count("are texts") == 1
    made = done.err[done.err.index("{") : done.err.rindex("}") + 1]
    assert json.loads(made) == {"class_names": ["ant", "bee", "cat", "dog"]}
    assert once(run("check", home).out).count("are texts") == 1
    (home / "members.json").write_text(made)
    assert run("bench", home, "--rule", "mean").code == 0


@pytest.mark.parametrize(
    ("change", "option"),
    [(lambda p: p * 100, "--normalize"), (lambda p: np.log(p) - 1, "--logits")],
)
def test_check_tells_what_members_have_in_common_once_and_how_to_go_on(write_set, run, monkeypatch, change, option):
    home = write_set()
    for path in home.rglob("m*.npy"):
        np.save(path, change(np.load(path)))
    done = run("check", home)
    assert done.code == 1
    assert done.out.count("✗ error") == 1
    assert "likewise m1, m2, m3, m4" in once(done.out)
    assert "10 errors" in done.out
    assert len(json.loads(run("check", home, "--json").out)["findings"]) >= 10
    told = done.err.splitlines()[-1].removeprefix("try: ")
    assert told.endswith(option)
    assert run(*shlex.split(told)[1:]).code == 0


def test_check_takes_the_options_that_it_recommends(write_set, run):
    home = write_set()
    (home / "val" / "m2.npy").unlink()
    first = run("check", home)
    assert first.code == 1
    for options in (["--without", "m2"], ["--fit-on", "cross"]):
        assert " ".join(options) in once(first.out)
        assert run("check", home, *options).code == 0
        assert run("bench", home, *options, "--rule", "mean").code == 0
    refused = run("check", home, "--fit-on", "cross", "--val", home / "val")
    assert refused.code == 2
    assert "--val has no effect with --fit-on cross" in refused.err


def test_findings_on_files_are_told_once(write_set, run, tmp_path):
    proba, labels = draw()
    home = tmp_path / "tables"
    home.mkdir()
    for index, member in enumerate(proba):
        rows = [f"{row},{','.join(map(str, values))}" for row, values in enumerate(member.tolist())]
        (home / f"m{index}.csv").write_text("\n".join(["object_id,a,b,c,d", *rows]))
    np.save(home / "labels.npy", labels)
    done = run("check", home)
    assert done.out.startswith("No member could be read.")
    assert "m0.csv" in done.out
    assert "1 error." in done.out
    told = done.err.splitlines()[-1].removeprefix("try: ")
    assert told.endswith("--id object_id")
    assert "5 looked at" in run(*shlex.split(told)[1:]).out


@pytest.mark.parametrize("key", ["class_name", "Members"])
def test_keys_of_members_json_that_are_misspelt_are_asked_about(write_set, run, key):
    home = write_set()
    (home / "members.json").write_text(json.dumps({key: ["a", "b", "c", "d"], "source": "a paper"}))
    warned = run("bench", home, "--rule", "mean").err
    assert f"members.json has {key!r}, which is not read; did you mean" in warned
    assert "source" not in warned
    assert "members.json has 'source', which is not read" in once(run("check", home).out)


def test_costs_of_members_that_are_not_there_are_asked_about(write_set, run, tmp_path):
    home, costs = write_set(n_members=2), tmp_path / "costs.json"
    costs.write_text(json.dumps({"m0": 1, "m1": 2, "m11": 3}))
    assert "has costs of 'm11' too, and no member is called that" in run("cascade", home, "--costs", costs).err


def test_a_budget_may_be_in_per_cent(write_set, run):
    home = write_set()
    wanted = [json.loads(run("cascade", home, "--budget", text, "--json").out) for text in ("50%", "0.5")]
    assert wanted[0]["stages"] == wanted[1]["stages"]
    assert "--budget is 'half', expected a share, as in 0.05 or 5%" in run("cascade", home, "--budget", "half").err


def test_names_with_line_ends_and_tabs_stay_in_their_lines(write_set, run):
    home = write_set(n_members=2, val=False)
    (home / "m0.npy").rename(home / "a\tb.npy")
    (home / "m1.npy").rename(home / "c\nq.npy")
    for command in (["members"], ["bench", "--rule", "mean", "--full"], ["diversity"]):
        printed = run(command[0], home, *command[1:]).out
        assert "a\\tb" in printed
        assert "c\\nq" in printed
        assert "\t" not in printed
        assert "\nq" not in printed
    names = [member["name"] for member in json.loads(run("members", home, "--json").out)["members"]]
    assert names == ["a\tb", "c\nq"]


def test_notes_stand_apart_in_markdown(write_set, run):
    printed = run("bench", write_set(), "--rule", "mean", "--markdown").out
    assert "★ recommended; ☆ chosen without the scored rows; † best on the scored rows" in printed
    assert not any("   " in line for line in printed.splitlines())


def test_one_of_something_is_singular(write_set, run):
    home = write_set(n_members=2)
    for part in (home / "val",):
        for path in part.glob("*.npy"):
            np.save(path, np.load(path)[:1])
    printed = run("bench", home, "--rule", "mean").out
    assert "1 of 1 rule " in printed
    assert "fitted on 1 validation row, scored on 120 others" in printed
    assert "1 validation row," in run("members", home).out


def test_explain_takes_the_recommended_rule(write_set, run):
    home = write_set(n_samples=300)
    recommended = json.loads(run("bench", home, "--resamples", "0", "--json").out)["recommended"]
    told = json.loads(run("explain", home, "--json").out)
    assert told["rule"] == recommended != "mean"
    assert told["recommended"]
    assert run("explain", home).out.startswith(f"{recommended}, the recommended rule, against the best member")
    named = json.loads(run("explain", home, "--rule", "mean", "--json").out)
    assert (named["rule"], named["recommended"]) == ("mean", False)


def test_explain_does_not_set_the_best_member_against_itself(write_set, run, monkeypatch):
    found = SimpleNamespace(advice=SimpleNamespace(rule="best-member"))
    monkeypatch.setattr("ensembler.comparison.compare.recommend_rule", lambda *_, **__: found)
    done = run("explain", write_set(), "--json")
    assert "the best single model alone is recommended: what the mean changes is shown instead" in done.err
    assert (json.loads(done.out)["rule"], json.loads(done.out)["recommended"]) == ("mean", False)


def test_some_rules_are_told_from_all(write_set, run):
    home = write_set()
    some = run("bench", home, "--rule", "fixed").out
    assert some.startswith("Of these, use ")
    assert run("bench", home, "--rule", "fixed", "--resamples", "0").out.startswith("Of these, use ")
    for options in ([], ["--rule", "mean"]):
        assert run("bench", home, *options, "--resamples", "40").out.startswith("Use ")


def test_the_table_says_which_p_is_adjusted_and_that_intervals_are_not(write_set, run):
    printed = run("bench", write_set(), "--rule", "mean", "--rule", "median", "--full").out
    assert "p, Holm" in printed
    assert "intervals are of one pair each" in once(printed)


def test_differences_of_shares_are_in_points_in_every_table_and_sentence(write_set, run):
    home = write_set(n_samples=400)
    told = run("compare", home / "m3.npy", home / "m4.npy").out
    changed = json.loads(run("compare", home / "m3.npy", home / "m4.npy", "--json").out)["metrics"][0]["difference"]
    row = next(line for line in told.splitlines() if line.startswith("accuracy "))
    assert row.split()[3] == f"{100 * changed:+.2f}"
    assert f"{abs(100 * changed):.2f} points better" in told
