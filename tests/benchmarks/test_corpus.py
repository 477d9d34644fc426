"""The corpus script reads tables, splits them, and writes sets that load."""

import json

import numpy as np
import pytest

from ensembler import load_predictions
from tests.pages import ROOT

TABLE = """@relation made-up
 1.5, red ,?,yes

2,blue,3,no
?,<null>, 4.5,yes
-1e1,red,5,no
"""


@pytest.fixture
def corpus(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import corpus

    return corpus


@pytest.fixture
def made_up(corpus, tmp_path):
    """Three classes of 48, 40 and 32 rows that can be told apart, one of 5, numbers, texts and missing values."""
    rng = np.random.default_rng(0)
    lines = []
    for name, size, colours in (("c", 48, "rg"), ("a", 40, "gb"), ("b", 32, "rb"), ("rare", 5, "r")):
        for _ in range(size):
            number = "?" if rng.random() < 0.1 else f"{rng.normal(ord(name[0])):.3f}"
            colour = "<null>" if rng.random() < 0.1 else rng.choice(list(colours))
            lines.append(f"{number}, {colour}, {rng.integers(5)}, {name}")
    path = tmp_path / "data" / "iris.dat"
    path.parent.mkdir()
    path.write_text("\n".join(rng.permutation(lines)) + "\n")
    return path


def test_a_table_has_numbers_texts_and_missing_values(corpus, tmp_path):
    path = tmp_path / "made-up.dat"
    path.write_text(TABLE)
    table = corpus.read_table(path)
    assert table.labels.tolist() == ["yes", "no", "yes", "no"]
    numbers, colours, others = (table.features[name] for name in table.features)
    np.testing.assert_array_equal(numbers, [1.5, 2, np.nan, -10])
    assert colours.tolist() == ["red", "blue", corpus.MISSING_CATEGORY, "red"]
    np.testing.assert_array_equal(others, [np.nan, 3, 4.5, 5])


def test_medians_and_categories_are_those_of_the_training_rows(corpus, tmp_path):
    path = tmp_path / "made-up.dat"
    path.write_text(TABLE)
    table = corpus.read_table(path)
    member = corpus.Member(corpus.DecisionTreeClassifier(), scaled=False)
    model = corpus.fit(corpus.make_model(member, table.take(np.array([0, 1, 3])), 0), table.features[:2], [0, 1])
    blue, red = [1, 0], [0, 1]
    np.testing.assert_array_equal(model[0].transform(table.features), [
        [1.5, 3, *red], [2, 3, *blue], [1.75, 4.5, 0, 0], [-10, 5, *red],
    ])  # fmt: skip


def test_rare_classes_are_dropped_and_told(corpus, made_up, capsys):
    table = corpus.without_rare_classes(corpus.read_table(made_up), "made-up")
    assert set(table.labels) == {"a", "b", "c"}
    assert len(table.features) == len(table.labels) == 120
    assert "made-up: dropped classes of fewer than 8 rows: rare" in capsys.readouterr().err


def test_a_large_table_is_cut_in_the_shares_of_its_classes(corpus, made_up, monkeypatch):
    monkeypatch.setattr(corpus, "MAX_ROWS", 60)
    table = corpus.read_table(made_up)
    one, again, other = (corpus.subsample(table, seed, "made-up") for seed in (3, 3, 4))
    assert dict(zip(*np.unique(one.labels, return_counts=True), strict=True)) == {"a": 20, "b": 16, "c": 24}
    assert one.features.equals(again.features)
    assert not one.features.equals(other.features)


def test_parts_are_half_a_quarter_and_a_quarter_of_different_rows(corpus, made_up):
    table = corpus.without_rare_classes(corpus.read_table(made_up), "made-up")
    table = corpus.Table(table.features.assign(row=np.arange(120.0)), table.labels)
    split = corpus.split_table(table, seed=0)
    parts = (split.train, split.validation, split.scored)
    assert [np.unique(part.labels, return_counts=True)[1].tolist() for part in parts] == [
        [20, 16, 24],
        [10, 8, 12],
        [10, 8, 12],
    ]
    assert sorted(row for part in parts for row in part.features["row"]) == list(range(120))
    assert all((table.labels[part.features["row"].astype(int)] == part.labels).all() for part in parts)


def test_a_class_never_seen_has_probability_zero(corpus):
    X = corpus.pd.DataFrame({"f0": [0.0, 1.0, 2.0, 3.0]})
    table = corpus.Table(X, np.array(["a", "a", "c", "c"]))
    model = corpus.fit(corpus.make_model(corpus.Member(corpus.GaussianNB()), table, 0), X, np.array([0, 0, 2, 2]))
    proba = corpus.probabilities(model, X, 3)
    assert proba.dtype == np.float32
    assert (proba[:, 1] == 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)


def test_a_set_is_written_loads_and_is_not_built_twice(corpus, made_up, tmp_path):
    out = tmp_path / "out"
    command = ["--data", str(made_up.parent), "--out", str(out), "--seeds", "0", "--only", "iris"]
    corpus.main(command)
    data = load_predictions(out / "iris-0")
    assert sorted(data.names) == sorted(corpus.pool(0))
    assert data.class_names == ("a", "b", "c")
    assert data.n_samples == data.validation.n_samples == 30
    assert np.load(out / "iris-0" / "mlp.npy").dtype == np.float32
    facts = json.loads((out / "iris-0" / "members.json").read_text())["members"]
    assert facts["knn-5"] == {"architecture": "KNeighborsClassifier"}
    assert facts["rbf-svm"] == {"architecture": "SVC", "calibration": "sigmoid"}
    accuracies = (data.proba.argmax(axis=2) == data.true_labels).mean(axis=1)
    assert accuracies.max() > 0.6
    summary = (out / "summary.csv").read_text()
    assert f",{accuracies.max():.4f}".rstrip("0") in summary

    corpus.main(command)
    assert (out / "summary.csv").read_text() == summary
    assert sorted(path.name for path in out.iterdir()) == ["iris-0", "summary.csv"]

    corpus.main([*command[:3], str(tmp_path / "again"), *command[4:]])
    for path in (out / "iris-0").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / "iris-0" / path.relative_to(out / "iris-0")).read_bytes()


def test_labels_count_classes_whose_names_are_numbers(corpus, tmp_path):
    numbers = np.random.default_rng(0).normal(size=200)
    rows = [f"{number + row % 2:.3f},{2 + 2 * (row % 2)}" for row, number in enumerate(numbers)]
    (tmp_path / "wisconsin.dat").write_text("\n".join(rows))
    corpus.build(tmp_path / "wisconsin.dat", 0, tmp_path)
    data = load_predictions(tmp_path / "wisconsin-0")
    assert data.class_names == ("class 2", "class 4")
    np.testing.assert_array_equal(data.true_labels, np.load(tmp_path / "wisconsin-0" / "labels.npy"))
    assert set(data.true_labels.tolist()) == {0, 1}


def test_no_data_set_is_both_seen_and_unseen(corpus):
    names = [*corpus.SEEN, *corpus.UNSEEN]
    assert len(set(names)) == len(names) == 42
    assert "crx" not in names


def test_a_pattern_that_matches_no_data_set_of_the_group_is_refused(corpus, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        corpus.main(["--out", str(tmp_path), "--unseen", "--only", "iris"])
    assert "no data set matches 'iris'" in capsys.readouterr().err
