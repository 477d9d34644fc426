"""What a tired user gives: one line that says what to do, exit code 1, nothing written."""

import functools
import json
import os
import pickle
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

P = "predictions of member 'm1'"


def spoil_truncated(home):
    data = (home / "m1.npy").read_bytes()
    (home / "m1.npy").write_bytes(data[:-100])


def spoil_header(home):
    data = (home / "m1.npy").read_bytes()
    (home / "m1.npy").write_bytes(data.replace(b"(120, 4)", b"(990, 4)"))


def save(name, array):
    return lambda home: np.save(home / name, array)


def text(name, content):
    return lambda home: (home / name).write_text(content)


def change(name, function):
    def spoil(home):
        array = np.load(home / name)
        np.save(home / name, function(array))

    return spoil


def set_cell(value):
    def function(array):
        array[3, 2] = value
        return array

    return function


CASES = {
    "missing file": (lambda home: None, ["absent.npy"], "absent.npy: no such file"),
    "missing pattern": (lambda home: None, ["absent*.npy"], r"absent\*.npy: no file matches this pattern"),
    "empty file": (lambda home: (home / "m1.npy").write_bytes(b""), [], "m1.npy: the file is empty"),
    "truncated": (spoil_truncated, [], "m1.npy: is truncated: the header promises more data than the file holds"),
    "header promises more": (spoil_header, [], "m1.npy: is truncated: the header promises more data"),
    "damaged header": (
        lambda home: (home / "m1.npy").write_bytes(b"\x93NUMPY\x01\x00\x10\x00nonsense nonsense"),
        [],
        "m1.npy: is damaged",
    ),
    "pickle": (
        lambda home: (home / "m1.npy").write_bytes(pickle.dumps([1, 2])),
        [],
        "m1.npy: a pickle, which is never loaded",
    ),
    "object array": (
        lambda home: np.save(home / "m1.npy", np.array([{}, 1], dtype=object), allow_pickle=True),
        [],
        "m1.npy: holds Python objects, which are never unpickled",
    ),
    "object archive": (
        lambda home: np.savez(home / "m9.npz", x=np.array([{}, 1], dtype=object), allow_pickle=True),
        [],
        "m9.npz: holds Python objects, which are never unpickled",
    ),
    "archive as npy": (
        lambda home: np.savez(home / "x.npz", a=np.eye(2)) or (home / "x.npz").rename(home / "m1.npy"),
        [],
        "m1.npy: this is an .npz archive",
    ),
    "damaged archive": (text("m9.npz", "PK nothing"), [], "m9.npz: is damaged"),
    "text as npy": (text("m1.npy", "0.1,0.9"), [], "m1.npy: not a .npy file"),
    "other suffix": (text("m1.doc", "x"), ["m1.doc"], r"m1.doc: cannot read .doc, expected .npy, .npz, .csv, .parquet"),
    "empty folder": (lambda home: (home / "e").mkdir(), ["e"], "no predictions in .*e; expected one file a member"),
    "no labels": (
        lambda home: (home / "labels.npy").unlink(),
        [],
        "no labels in .*expected labels.npy.*pass --labels FILE",
    ),
    "labels too large": (
        change("labels.npy", lambda y: y + 1),
        [],
        "labels: row .* is 4, expected 0 to 3.*counted from 1.*subtract 1",
    ),
    "negative label": (change("labels.npy", lambda y: y - 1), [], "labels: row .* is -1, expected 0 to 3"),
    "fractional labels": (
        change("labels.npy", lambda y: y + 0.5),
        [],
        r"labels: row 0 is \d.5, expected whole class numbers",
    ),
    "regression": (change("labels.npy", lambda y: y * 17.3), [], "regression targets are not supported"),
    "multi-label": (
        save("labels.npy", np.ones((120, 4), int)),
        [],
        "have 4 columns of 0 and 1, and 120 rows with none or several: these are multi",
    ),
    "text labels": (
        save("labels.npy", np.array(["a"] * 120)),
        [],
        "labels .* are texts such as 'a', and the classes have no names",
    ),
    "wrong length": (change("labels.npy", lambda y: y[:-1]), [], "labels has 119 rows, the predictions have 120"),
    "other rows": (change("m1.npy", lambda p: p[:-1]), [], "member 'm0' has 120 rows, that of member 'm1' has 119"),
    "other columns": (
        change("m1.npy", lambda p: np.concatenate([p[:, :2], p[:, 2:3] + p[:, 3:]], 1)),
        [],
        f"{P} has 3 columns, expected 4",
    ),
    "three dimensions": (
        change("m1.npy", lambda p: p[None]),
        [],
        r"member 'm1' has shape \(1, 120, 4\), expected \(rows, classes\); give one file a member",
    ),
    "a number": (save("m1.npy", np.float32(1)), [], f"{P} is a single number"),
    "no rows": (change("m1.npy", lambda p: p[:0]), [], r"member 'm1' has shape \(0, 4\), expected at least one row"),
    "not a number": (change("m1.npy", set_cell(np.nan)), [], f"{P}: row 3 contains nan, expected finite"),
    "infinity": (change("m1.npy", set_cell(np.inf)), [], f"{P}: row 3 contains inf, expected finite"),
    "negative": (
        change("m1.npy", set_cell(-0.25)),
        [],
        f"{P}: row 3 contains -0.25, expected values >= 0; are these logits",
    ),
    "sums": (
        change("m1.npy", set_cell(0.9)),
        [],
        rf"{P}: row 3 sums to \d\.\d+, expected 1 within 0.001 \(first of 1 such row\); are they unnormalised",
    ),
    "percentages": (change("m1.npy", lambda p: p * 100), [], "sums to 100, expected 1.*pass --normalize"),
    "complex": (change("m1.npy", lambda p: p.astype(complex)), [], f"{P} has dtype complex128, expected numbers"),
    "one stem twice": (
        lambda home: (
            shutil.copy(home / "m1.npy", home / "m1.npz.npy")
            and np.savez(home / "m1.npz", proba=np.load(home / "m1.npy"))
        ),
        [],
        "two members are called 'm1': .*m1.npy and .*m1.npz",
    ),
    "member missing in val": (
        lambda home: (home / "val" / "m1.npy").unlink(),
        [],
        r"val: no predictions of member 'm1' \(missing: 1 of 3\); add m1.npy, leave the member out \(--without m1\)",
    ),
    "no labels in val": (lambda home: (home / "val" / "labels.npy").unlink(), [], "no labels in .*val.*--fit-on cross"),
    "bad val": (
        lambda home: np.save(home / "val" / "m1.npy", np.full((120, 4), 2.0)),
        [],
        f"validation {P}: row 0 sums to 8",
    ),
    "members.json is no JSON": (text("members.json", "{"), [], "members.json: cannot be read as JSON: Expecting"),
    "members.json is a list": (text("members.json", "[]"), [], "members.json: holds list, expected"),
    "odd members": (
        text("members.json", '{"members": ["m1"]}'),
        [],
        "members.json: 'members' is not an object of objects",
    ),
    "odd class names": (
        text("members.json", '{"class_names": ["a", "a"]}'),
        [],
        r"'class_names' is \['a', 'a'\], expected a list",
    ),
    "few class names": (
        text("members.json", '{"class_names": ["a", "b"]}'),
        [],
        "member 'm0' has 4 columns, expected 2, one for each class: a, b",
    ),
    "csv with true classes": (
        text("m9.csv", "label,cat,dog\n0,.7,.3\n1,.4,.6\n"),
        ["m9.csv"],
        "m9.csv: column 'label' is no class, it holds labels; pass --label-column label",
    ),
    "csv with text": (
        text("m9.csv", "a,b,c,d\n1,0,0,x\n"),
        ["m9.csv"],
        "m9.csv: column 'd' is no class, it is not numeric; pass --drop-column d",
    ),
    "csv with a hole": (text("m9.csv", "a,b\n1,\n"), ["m9.csv"], "m9.csv: row 0 has no value in column 'b'"),
    "csv without rows": (text("m9.csv", "a,b\n"), ["m9.csv"], "m9.csv: holds 0 rows and 2 columns"),
    "csv with two columns of one name": (
        text("m9.csv", "a, a\n1,0\n"),
        ["m9.csv"],
        "m9.csv: two columns have one name",
    ),
    "ragged csv": (text("m9.csv", "a,b\n1,0\n1,2,3\n"), ["m9.csv"], "m9.csv: cannot be read as csv"),
    "csv with an odd index": (text("m9.csv", "a,,b\n0,1,0\n"), ["m9.csv"], "m9.csv: column 2 has no name, expected"),
    "csv without a header": (
        text("m9.csv", "0.9,0.1\n0.2,0.8\n"),
        ["m9.csv"],
        "m9.csv: the first row is 0.9, 0.1, expected a header",
    ),
    "labels csv without a header": (
        text("m9.csv", "1\n0\n"),
        ["m9.csv"],
        "m9.csv: the first row is 1, expected a header",
    ),
    "wide csv": (text("m9.csv", "a,b\n1,0,0\n"), ["m9.csv"], "m9.csv: rows have more cells than the header's 2 names"),
    "broken parquet": (text("m9.parquet", "nothing"), ["m9.parquet"], "m9.parquet: cannot be read as parquet"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_explained(case, write_set, run):
    spoil, names, message = CASES[case]
    home = write_set(n_members=3)
    spoil(home)
    paths = [home / name for name in names] or [home]
    before = sorted(path for path in home.parent.rglob("*"))
    result = run("bench", *paths, "--csv", home / "out" / "table.csv", "--json")
    assert result.code == 1, result.err
    assert result.out == ""
    assert result.err.startswith("error: ")
    _, *others = result.err.splitlines()
    assert all(line.startswith("try: ensembler bench ") for line in others), result.err
    assert len(others) <= 1
    assert re.search(message, result.err), f"{message!r} is not in {result.err!r}"
    assert sorted(path for path in home.parent.rglob("*")) == before


AS_NOBODY = """
import os, sys
import ensembler.comparison.compare, ensembler.predictions.loading.load
import ensembler.report.bench, ensembler.report.list, ensembler.report.members, ensembler.combiners.registry
import pandas, scipy.stats, sklearn.model_selection, rich.table
ensembler.combiners.registry.all_rules()
from ensembler.cli import main
os.setuid(65534)
main()
"""


def as_nobody(*arguments):
    return subprocess.run([sys.executable, "-c", AS_NOBODY, *map(str, arguments)], capture_output=True, text=True)


@functools.cache
def nobody_can_run_python():
    """Whether root is at work, who can become somebody else, and that one can run the command."""
    return os.name == "posix" and os.getuid() == 0 and as_nobody("list").returncode == 0


@pytest.mark.skipif(not nobody_can_run_python(), reason="only root can become somebody who may not read")
@pytest.mark.parametrize("given", ["{home}", "{home}/*.npy", "{home}/m1.npy"])
def test_a_folder_that_may_not_be_read(given, write_set):
    home = write_set(n_members=2)
    home.chmod(0)
    done = as_nobody("bench", given.format(home=home))
    home.chmod(0o755)
    assert done.returncode == 1, done.stderr
    assert re.fullmatch(r"error: \S+: cannot be read: Permission denied\n", done.stderr)


def test_a_name_that_is_too_long(run):
    result = run("sample", "a" * 300)
    assert result.code == 1
    assert "cannot be written: File name too long" in result.err


def test_one_member_works_and_says_so(write_set, run):
    result = run("bench", write_set(n_members=1))
    assert result.code == 0
    assert "warning: there is one member only, 'm0'" in result.err


@pytest.mark.parametrize(
    ("sizes", "expected"), [({"n_samples": 1}, "one row cannot be divided"), ({"n_classes": 2}, "Use ")]
)
def test_one_row_or_two_classes_work(write_set, run, sizes, expected):
    result = run("bench", write_set(val=False, **sizes))
    assert result.code == 0
    assert expected in result.out


def test_identical_members_and_a_constant_one_are_warned_of(write_set, run):
    home = write_set(n_members=3)
    for part in (home, home / "val"):
        shutil.copy(part / "m0.npy", part / "m1.npy")
        np.save(part / "m2.npy", np.full((120, 4), 0.25))
    result = run("bench", home)
    assert result.code == 0
    assert "warning: members 'm0' and 'm1' are identical" in result.err
    assert "warning: member 'm2' gives the same probabilities in every row" in result.err


def test_validation_that_is_the_test_is_warned_of_and_marked(write_set, run):
    home = write_set(val=False)
    result = run("bench", home, "--val", home)
    assert result.code == 0
    assert "warning: the validation rows are the scored rows" in result.err
    assert "OPTIMISTIC" in result.out
    assert json.loads(run("bench", home, "--val", home, "--json").out)["protocol"]["optimistic"] is True


def test_a_class_absent_from_validation(write_set, run):
    home = write_set()
    labels = np.load(home / "val" / "labels.npy")
    np.save(home / "val" / "labels.npy", np.where(labels == 3, 0, labels))
    result = run("bench", home)
    assert result.code == 0
    assert "warning: no validation row has class 3" in result.err


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_precisions(write_set, run, dtype):
    assert run("bench", write_set(dtype=dtype), "--rule", "mean").code == 0


def test_odd_names(write_set, run):
    home = write_set("Prädiktionen 1")
    for part in (home, home / "val"):
        (part / "m0.npy").rename(part / "[bold]ä $(x).npy")
    result = run("bench", *sorted(home.glob("*.npy")), "--full")
    assert result.code == 0
    assert "[bold]ä $(x)" in result.out


USAGE = {
    "unknown rule": (["--rule", "exponential"], "unknown rule 'exponential'; did you mean 'exponential-weighted'?"),
    "unknown parameter": (
        ["--rule", "greedy:step=3"],
        "unknown parameter of rule greedy 'step'; did you mean 'n_steps'?",
    ),
    "bad value": (["--rule", "greedy:n_steps=0"], "greedy: n_steps is 0, expected a whole number of at least 1"),
    "no value": (["--rule", "greedy:n_steps"], "got 'n_steps', expected key=value"),
    "rule twice": (["--rule", "mean", "--rule", "mean"], "rule 'mean' is given twice"),
    "unknown metric": (["--metric", "auc"], "unknown metric 'auc'"),
    "unknown protocol": (["--fit-on", "train"], "unknown value of --fit-on 'train'; known: val, cross, part, test"),
    "part elsewhere": (["--fit-on", "val", "--part", "0.3"], "--part has no effect with --fit-on val"),
    "impossible part": (["--part", "1.5"], "part is 1.5, expected a fraction between 0 and 1"),
    "seed below 0": (["--seed", "-1"], "seed is -1, expected a whole number from 0 to 4294967295"),
    "seed of a rule": (
        ["--rule", "greedy:n_bags=2,random_state=-1"],
        "random_state is -1, expected a whole number of at least 0",
    ),
    "k of all classes": (
        ["--metric", "top-k-accuracy:k=4"],
        "top-k-accuracy: k is 4, expected less than the 4 classes",
    ),
    "other table": (["--csv", "x.xlsx"], "--csv x.xlsx: expected a file that ends in .csv"),
    "one fold": (["--folds", "1"], "folds is 1, expected at least 2"),
    "val without use": (["--fit-on", "cross", "--val", "x"], "--val has no effect with --fit-on cross"),
    "two outputs": (["--json", "--markdown"], "--json and --markdown exclude one another"),
    "unknown member": (["--only", "n*"], "unknown member or pattern 'n*'"),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_has_exit_code_2(case, write_set, run):
    arguments, message = USAGE[case]
    result = run("bench", write_set(), *arguments)
    assert result.code == 2
    assert message in result.err
    assert result.out == ""


WRONG = ["--rule", "meen", "--rule", "median", "--rule", "madian", "--metric", "accurcy", "--seed", "-1"]


@pytest.mark.parametrize("command", ["bench", "subsets", "report"])
def test_everything_wrong_that_was_asked_for_is_told_at_once(command, write_set, run, tmp_path):
    where = ["--out", tmp_path / "page.html"] if command == "report" else []
    result = run(command, write_set(), *WRONG, "--calibrate", "yes", *where)
    assert result.code == 2
    assert "error: 5 problems" in result.err
    for told in ("rule 'meen'", "rule 'madian'", "metric 'accurcy'", "--seed is -1", "value of --calibrate 'yes'"):
        assert result.err.count(told) == 1, told
    assert "median'" not in result.err.replace("did you mean 'median'", "")


def test_hard_labels_cannot_be_ranked_by_log_loss(write_set, run):
    result = run("bench", write_set(hard=True), "--metric", "log-loss")
    assert result.code == 2
    assert "metric log-loss needs probabilities, and some members are hard labels" in result.err


def test_groups_without_effect_are_refused(write_set, run):
    home = write_set()
    np.save(home / "g.npy", np.arange(120) // 3)
    result = run("bench", home, "--groups", home / "g.npy")
    assert result.code == 2
    assert "groups have no effect: folds are made of the validation rows" in result.err


def test_an_unwritable_destination(write_set, run, tmp_path):
    (tmp_path / "file").write_text("x")
    result = run("bench", write_set(), "--csv", tmp_path / "file" / "x.csv")
    assert result.code == 1
    assert "x.csv: cannot be written" in result.err
