"""Every command as a user runs it."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ensembler import ExponentialWeightedAverage, load_predictions
from ensembler.combiners.registry import all_rules, default_rules
from ensembler.predictions.bundled import folder, published_folder
from tests.conftest import draw

FAST = ["--rule", "mean", "--rule", "exponential-weighted", "--rule", "best-member"]
PUBLISHED = str(published_folder())
COMMAND = [sys.executable, "-c", "from ensembler.cli import main; main()"]


def read_rows(path):
    with path.open() as stream:
        return list(csv.DictReader(stream))


def test_without_paths_the_bundled_set_is_read(run):
    result = run("members", "--json")
    assert result.err == "no paths given and no ./preds: reading the bundled FER2013 predictions\n"
    names = [member["name"] for member in json.loads(result.out)["members"]]
    assert {name.partition("-")[0] for name in names} == {"agrawal", "deep", "shallow"}


def test_bench_prints_the_answer_and_where_the_rest_is(run):
    result = run("bench", PUBLISHED, *FAST)
    assert result.code == 0
    assert result.out.startswith("Of these, use exponential-weighted: accuracy .7008")
    assert "★☆†  exponential-weighted" in result.out
    assert "members, tests, calibration, classes: --full" in result.out
    assert "Disgust" not in result.out


def test_the_bundled_set_has_its_answer_on_a_screen(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("bench").out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


def test_bench_in_full_prints_members_rules_recalls_and_what_to_use(run):
    result = run("bench", PUBLISHED, *FAST, "--full")
    assert result.code == 0
    assert result.err == ""
    for text in (
        "oarriaga_big_xception_54",
        "★☆†  exponential-weighted",
        "Disgust",
        "Of these, use exponential-weighted: accuracy .7008",
    ):
        assert text in result.out
    assert "exponential-weighted is worse in Disgust, Fear" in result.out
    assert "oracle: in .9019 of the rows" in result.out


def test_local_predictions_come_before_the_bundled_ones(write_set, run, monkeypatch):
    home = write_set()
    monkeypatch.chdir(home.parent)
    result = run("bench", *FAST, "--full")
    assert result.err.startswith("no paths given: reading ./preds\n")
    assert "5 members, 4 classes" in result.out


def test_json_is_one_document_with_the_promised_fields(run):
    result = run("bench", PUBLISHED, "--json")
    document = json.loads(result.out)
    assert {
        "schema",
        "members",
        "combiners",
        "left_out",
        "chosen",
        "luckiest",
        "protocol",
        "n_rows",
        "n_classes",
    } <= set(document)
    assert set(document["protocol"]) >= {"fit_on", "folds", "fraction", "seed", "optimistic", "n_fit", "n_scored"}
    assert {entry["name"] for entry in document["combiners"]} == set(default_rules())
    assert [entry["accuracy"] for entry in document["combiners"]] == sorted(
        (entry["accuracy"] for entry in document["combiners"]), reverse=True
    )
    assert document["chosen"] == "exponential-weighted"
    assert len(document["members"]) == 9
    assert all(0 < entry["accuracy"] < 1 for entry in document["members"])
    weights = next(entry for entry in document["combiners"] if entry["name"] == "exponential-weighted")["weights"]
    assert sum(weights) == pytest.approx(1)
    assert set(document["reproducibility"]["sha256"]) >= {"labels", "val/labels", "wiktorglita_cnn3"}


def test_json_tells_nothing_of_the_machine_and_repeats_to_the_byte(write_set, run):
    home = write_set(val=False)
    arguments = ["bench", *sorted(home.glob("*.npy")), "--json", *FAST, "--rule", "stacking"]
    first = run(*arguments).out
    assert run(*arguments).out == first
    assert str(home) not in first
    assert json.loads(first)["reproducibility"]["command"].startswith("ensembler bench labels.npy m0.npy m1.npy")
    document = json.loads(first)
    assert document["protocol"]["fit_on"] == "cross"
    fitted = next(entry for entry in document["combiners"] if entry["name"] == "exponential-weighted")
    assert len(fitted["weights_by_fold"]) == 5


def test_markdown_and_csv(run, tmp_path):
    result = run("bench", PUBLISHED, *FAST, "--full", "--markdown", "--csv", tmp_path / "new" / "table.csv")
    assert "|  | rule | acc. | bal. acc. |" in result.out
    assert "| **★☆†** | **exponential-weighted** |" in result.out
    rows = read_rows(tmp_path / "new" / "table.csv")
    assert [row["kind"] for row in rows] == ["rule"] * 3 + ["member"] * 9
    assert float(rows[0]["accuracy"]) == pytest.approx(0.7008, abs=1e-4)


def test_names_are_not_markdown_or_markup(write_set, run):
    home = write_set(n_members=2, val=False)
    (home / "m0.npy").rename(home / "<script>|[red]*x*.npy")
    assert "&lt;script&gt;\\|\\[red\\]\\*x\\*" in run("bench", home, *FAST, "--full", "--markdown").out
    assert "<script>|[red]*x*" in run("bench", home, *FAST, "--full").out


@pytest.mark.parametrize("fit_on", ["val", "cross", "part", "test"])
def test_protocols(fit_on, write_set, run):
    document = json.loads(run("bench", write_set(), *FAST, "--fit-on", fit_on, "--json").out)
    assert document["protocol"]["fit_on"] == fit_on
    assert document["protocol"]["optimistic"] == (fit_on == "test")
    assert (document["protocol"]["n_fit"], document["protocol"]["n_scored"]) == (
        (60, 60) if fit_on == "part" else (120, 120)
    )
    again = write_set("again")
    text = run("bench", again, *FAST, "--full", "--fit-on", fit_on).out
    recalls = text.split("Recall per class")[1].splitlines()[4:8]
    assert sum(int(line.split()[1]) for line in recalls) == document["protocol"]["n_scored"]
    assert ("Combination rules (optimistic)" in text) == (fit_on == "test")


def test_metrics_are_added_and_rank(write_set, run):
    document = json.loads(
        run("bench", write_set(), *FAST, "--metric", "mcc", "--metric", "top-k-accuracy:k=2", "--json").out
    )
    assert document["metric"] == "mcc"
    assert all({"mcc", "top-k-accuracy:k=2"} <= set(entry) for entry in document["combiners"])


def test_row_weights_and_groups(write_set, run):
    home = write_set(val=False)
    np.save(home / "w.npy", np.arange(1, 121))
    np.save(home / "g.npy", np.arange(120) // 4)
    arguments = ["bench", *home.glob("*.npy"), *FAST, "--json"]
    plain = json.loads(run(*arguments, "--without", "w", "--without", "g").out)
    grouped = json.loads(run(*arguments, "--weights", home / "w.npy", "--groups", home / "g.npy").out)
    assert plain["combiners"][0]["accuracy"] != grouped["combiners"][0]["accuracy"]


def test_rules_with_options(run):
    spec = 'hierarchical-committee:groups=[["oarriaga*"],["w*","face*"]],rules=["mean","median"]'
    rules = ("--rule", spec, "--rule", "exponential-weighted:q_min=0,q_max=50")
    document = json.loads(run("bench", PUBLISHED, *rules, "--json").out)
    by_name = {entry["name"]: entry for entry in document["combiners"]}
    assert [len(group["members"]) for group in by_name[spec]["fitted"]["groups"]] == [4, 4, 8]
    assert by_name["exponential-weighted:q_min=0,q_max=50"]["parameters"]["q_max"] == 50


def test_predict_writes_probabilities_for_new_rows(write_set, run, tmp_path):
    home, new = write_set(), write_set("new", val=False, seed=7, n_samples=31)
    (new / "labels.npy").unlink()
    result = run("predict", "--rule", "exponential-weighted", home, "--to", new, "--out", tmp_path / "out" / "e.npy")
    assert result.code == 0, result.err
    assert "fitted on 120 rows, predicted 31 rows" in result.err
    data = load_predictions(home)
    rule = ExponentialWeightedAverage().fit(data.validation.proba, data.validation.labels)
    rows = np.stack([np.load(new / f"m{index}.npy") for index in range(5)])
    written = np.load(tmp_path / "out" / "e.npy")
    np.testing.assert_allclose(written, rule.predict_proba(rows), atol=1e-7)
    assert written.dtype == np.float32

    run("predict", "--rule", "exponential-weighted", home, "--fit-on", "test", "--to", new, "--out", tmp_path / "t.npy")
    on_test = ExponentialWeightedAverage().fit(data.proba, data.labels)
    np.testing.assert_allclose(np.load(tmp_path / "t.npy"), on_test.predict_proba(rows), atol=1e-7)


def test_predict_writes_a_submission(run, tmp_path, fer):
    run("predict", PUBLISHED, "--rule", "mean", "--to", PUBLISHED, "--out", tmp_path / "s.csv")
    rows = read_rows(tmp_path / "s.csv")
    expected = np.array(fer.class_names)[fer.proba.astype(float).sum(axis=0).argmax(-1)]
    assert [row["label"] for row in rows] == expected.tolist()
    assert [row["id"] for row in rows[:3]] == ["0", "1", "2"]
    run("predict", PUBLISHED, "--rule", "mean", "--to", PUBLISHED, "--out", tmp_path / "p.csv", "--proba")
    assert (tmp_path / "p.csv").read_text().startswith("id,Angry,Disgust,Fear,Happy,Sad,Surprise,Neutral\n")


def test_predict_keeps_the_ids_of_the_new_rows(write_set, run, tmp_path):
    home = write_set(n_members=2)
    new = tmp_path / "new"
    new.mkdir()
    proba, _ = draw(3, 2, 3, 4)
    for index, member in enumerate(proba):
        lines = [f"r{row}," + ",".join(map(str, values)) for row, values in enumerate(member)]
        (new / f"m{index}.csv").write_text("\n".join(["id,0,1,2,3", *lines]))
    assert run("predict", "--rule", "mean", home, "--to", new, "--out", tmp_path / "s.csv").code == 0
    assert [row["id"] for row in read_rows(tmp_path / "s.csv")] == ["r0", "r1", "r2"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--rule", "mean", "--out", "x.txt"], 2, "--out x.txt: cannot write .txt, expected .npy, .csv or .parquet"),
        (["--rule", "mean", "--out", "x.npy", "--proba"], 2, "--proba has no effect on .npy"),
        (["--rule", "meen", "--out", "x.npy"], 2, "unknown rule 'meen'"),
        (["--rule", "hierarchical-committee", "--out", "x.npy"], 1, "give groups="),
        (["--rule", "mean", "--out", "x.npy", "--fit-on", "cross"], 2, "expected 'val' or 'test'"),
        (
            ["--rule", "mean", "--out", "x.npy", "--fit-on", "test", "--val", "v"],
            2,
            "--val has no effect with --fit-on test",
        ),
    ],
)
def test_predict_refuses(arguments, code, message, write_set, run, monkeypatch, tmp_path):
    home, new = write_set(), write_set("new", val=False)
    monkeypatch.chdir(tmp_path)
    result = run("predict", home, "--to", new, *arguments)
    assert result.code == code
    assert message in result.err
    assert not list(tmp_path.glob("x.*"))


def test_predict_refuses_other_members_and_kinds(write_set, run, tmp_path):
    home, hard = write_set(), write_set("hard", val=False, hard=True)
    result = run("predict", home, "--rule", "mean", "--to", hard, "--out", tmp_path / "x.npy")
    assert "member 'm0' is probabilities in one set and hard labels in the other" in result.err
    result = run("predict", home, "--rule", "mean", "--to", write_set("few", n_members=2), "--out", tmp_path / "x.npy")
    assert "no predictions of member 'm2' (missing: 3 of 5)" in result.err
    assert not (tmp_path / "x.npy").exists()


def test_predict_and_bench_fit_the_same_rule(write_set, run, tmp_path):
    home, new = write_set(), write_set("new", val=False, seed=7)
    document = json.loads(run("bench", home, "--rule", "greedy", "--metric", "log-loss", "--json").out)
    weights = np.array(document["combiners"][0]["weights"])
    run("predict", home, "--rule", "greedy", "--metric", "log-loss", "--to", new, "--out", tmp_path / "e.npy")
    rows = np.stack([np.load(new / f"m{index}.npy").astype(float) for index in range(5)])
    np.testing.assert_allclose(np.load(tmp_path / "e.npy"), np.tensordot(weights, rows, 1), atol=1e-6)


def test_predict_never_overwrites_what_it_reads(write_set, run):
    home = write_set()
    before = (home / "labels.npy").read_bytes()
    result = run("predict", home, "--rule", "mean", "--to", home, "--out", home / "labels.npy")
    assert result.code == 2
    assert "is one of the input files, which are never overwritten" in result.err
    assert (home / "labels.npy").read_bytes() == before


def test_predict_refuses_row_weights_without_effect(write_set, run, tmp_path):
    home = write_set()
    np.save(tmp_path / "w.npy", np.ones(120))
    arguments = [
        "predict",
        home,
        "--rule",
        "mean",
        "--to",
        home,
        "--out",
        tmp_path / "e.npy",
        "--weights",
        tmp_path / "w.npy",
    ]
    assert "--weights has no effect: the validation folder has no w.npy" in run(*arguments).err


def test_patterns_in_the_command_are_told_without_their_folder(write_set, run):
    home = write_set(n_members=2)
    command = json.loads(run("bench", f"{home}/m[0-9].npy", "--json", "--rule", "mean").out)["reproducibility"][
        "command"
    ]
    assert command == "ensembler bench 'm[0-9].npy' --json --rule mean"


def test_members_describes_the_set(run):
    text = run("members", PUBLISHED).out
    assert "9 members, 3,589 rows, 3,589 validation rows, 7 classes." in text
    assert "architecture=big Xception" in text
    document = json.loads(run("members", PUBLISHED, "--json").out)
    assert document["classes"][1] == {"name": "Disgust", "rows": 55, "val_rows": 56}
    assert document["members"][0]["kind"] == "probabilities"


def test_list_shows_every_rule_with_parameters_and_source(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    text = run("list").out
    for name, rule in all_rules().items():
        assert name in text
        assert all(f"{parameter}=" in text for parameter in rule().get_params(deep=False))
    assert "10.1007/s12193-015-0209-0" in text
    assert [rule["name"] for rule in json.loads(run("list", "--json").out)["rules"]] == list(all_rules())


def test_sample_writes_the_bundled_set_once(run, tmp_path):
    result = run("sample", tmp_path / "faces")
    assert result.code == 0
    assert "ensembler bench" in result.out
    assert load_predictions(tmp_path / "faces").digests == load_predictions(folder()).digests
    assert run("sample", tmp_path / "others", "--published").code == 0
    assert run("sample", tmp_path / "many", "--pool").code == 0
    assert load_predictions(tmp_path / "many").n_members == 72
    assert run("sample", tmp_path / "both", "--pool", "--published").code == 2
    assert not (tmp_path / "both").exists()
    assert load_predictions(tmp_path / "others").digests == load_predictions(published_folder()).digests
    again = run("sample", tmp_path / "faces")
    assert again.code == 1
    assert "is there already, expected a new or empty folder; nothing was written" in again.err


def test_version_and_help(run):
    assert run("--version").out.startswith("ensembler 0.")
    for command in ("bench", "predict", "members", "list", "sample"):
        assert run(command, "--help").code == 0
    assert run().code == 2
    assert run("bensh").code == 2


@pytest.mark.parametrize("width", ["80", "120"])
def test_the_bundled_tables_fit_a_terminal(width, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", width)
    result = run("bench", "--full")
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= int(width)
    table = lines[: next(number for number, line in enumerate(lines) if "★ recommended" in line)]
    rules = [line for line in table if line.lstrip(" ★☆†").startswith(tuple(default_rules()))]
    assert len([line for line in rules if line.rstrip()[-3:-2] == "."]) == len(default_rules())


def test_hard_labels_of_the_other_real_set(run):
    home = Path(__file__).parents[3] / "shared" / "cifar10.1"
    if not home.is_dir():
        pytest.skip("the CIFAR-10.1 predictions are not here")
    document = json.loads(run("bench", home, "--json").out)
    assert (len(document["members"]), document["n_rows"], document["n_classes"]) == (30, 2000, 10)
    assert len(document["combiners"]) == 9
    assert max(member["accuracy"] for member in document["members"]) > 0.92


def test_a_terminal_gets_a_progress_bar_that_goes_away(tmp_path):
    import pty

    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "bench", PUBLISHED, *FAST, "--fit-on", "cross"],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            piece = os.read(controller, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    out, _ = process.communicate()
    os.close(controller)
    assert process.returncode == 0
    assert b"fitting: " in shown
    assert b"Traceback" not in shown
    assert b"fitting: " not in out
    assert b"use exponential-weighted" in out


def test_a_closed_pipe_is_no_error():
    done = subprocess.run(
        f'{sys.executable} -c "from ensembler.cli import main; main()" list --json | head -n 2',
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.count("\n") == 2
    assert done.stderr == ""


def test_ctrl_c_ends_quietly_and_leaves_nothing(tmp_path, write_set):
    home = write_set(n_members=40, n_samples=4000)
    before = sorted(tmp_path.rglob("*"))
    process = subprocess.Popen(
        [*COMMAND, "bench", home, "--csv", tmp_path / "x.csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert out == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_a_terminal_without_unicode_is_served():
    done = subprocess.run(
        [*COMMAND, "bench", "--rule", "mean"], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert done.returncode == 0
    assert b"the best single model" in done.stdout


def test_predict_does_not_make_a_member_of_its_result(write_set, run, tmp_path):
    home = write_set()
    result = run("predict", home, "--rule", "mean", "--to", home / "val", "--out", home / "ensemble.npy")
    assert (result.code, (home / "ensemble.npy").exists()) == (2, False)
    assert "would be a member of" in result.err
    result = run("predict", home, "--rule", "mean", "--save", home / "members.json")
    assert (result.code, (home / "members.json").exists()) == (2, False)
    assert "is read as the facts about members" in result.err


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_a_rule_is_given_once(write_set, run, command):
    result = run(command, write_set(), "--rule", "mean", "--rule", "median")
    assert result.code == 2
    assert "--rule is given 2 times (mean, median), expected once" in result.err


def test_a_selection_that_leaves_nothing(write_set, run):
    result = run("bench", write_set(), "--only", "m0", "--without", "m0")
    assert result.code == 2
    assert "--only m0 --without m0 leaves no member of m0, m1, m2, m3, m4" in result.err


@pytest.mark.parametrize("number", ["-5", "1", "39"])
def test_too_few_resamples(write_set, run, number):
    result = run("bench", write_set(), "--resamples", number)
    assert result.code == 2
    assert f"resamples is {number}, expected 0 (no intervals) or at least 40" in result.err


def test_the_members_table_has_the_facts_that_a_person_reads(run):
    printed = run("members").out
    assert "architecture=deep" in printed
    assert "sha256" not in printed
    assert "{" not in printed


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "ensembler", "list"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "exponential-weighted" in done.stdout
