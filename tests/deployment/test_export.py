"""A saved ensemble in other forms predicts what the rule does."""

import json
import subprocess
import sys
from dataclasses import dataclass

import joblib
import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss

from ensembler import Abstention, Predictions, PredictionSets, load_predictions
from ensembler.combiners.base import Combiner
from ensembler.combiners.registry import default_rules
from ensembler.comparison.compare import fit_rule
from ensembler.deployment.export.onnx_graph import INPUT, onnx_model
from ensembler.deployment.export.python_code import python_code
from ensembler.deployment.recipe import Recipe
from ensembler.errors import NotApplicableError
from ensembler.metrics.confidence import SIGNALS
from ensembler.predictions import bundled
from tests.conftest import draw

pytestmark = pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning")

THREE_LEVELS = 'groups=[[[0,1,2],[2,3,4]],[[5,6],[7,8]]],rules=["weighted-vote","majority-vote","majority-vote"]'
COMMITTEES = [
    ("hierarchical-committee:groups=[[0,1,2],[2,3,4]]", {}),
    ('hierarchical-committee:groups=[[0,1,2],[2,3,4]],rules=["majority-vote","weighted-vote"]', {}),
    (f"hierarchical-committee:{THREE_LEVELS}", {}),
]
GRAPHS = [(name, {}) for name in default_rules() if name not in ("hierarchical-committee", "borda")]
GRAPHS += [
    ("fixed-weights:weights=[1,0,2,3,0,0,0,0,1]", {}),
    *((name, {}) for name in ("naive-bayes", "recall", "dawid-skene", "bayesian-combination", "cma-es")),
    ("naive-bayes", {"calibrate": "ensemble"}),
    ("majority-vote:ties=lowest", {}),
    ("trimmed-mean:proportion=0.3", {}),
    ("log-pool:bias=true", {"calibrate": "members"}),
    ("mean", {"calibrate": "ensemble", "balance": 1.0}),
    ("stacking", {"calibrate": "members"}),
    ('blend:rules=["median","log-pool"],weights=log-loss', {}),
]
PROGRAMS = [*GRAPHS, ("borda", {}), *COMMITTEES]
CHECK = """
import importlib.util, json, sys
import numpy as np
for place, name in enumerate(json.loads(sys.argv[1])):
    spec = importlib.util.spec_from_file_location(f"ensemble_{place}", name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    proba = np.load(sys.argv[2])
    np.save(name + ".npy", module.predict_proba(proba))
    assert (module.predict(proba) == module.predict_proba(proba).argmax(axis=1)).all()
others = {"scipy", "pandas", "sklearn", "ensembler", "numba", "joblib"} & set(sys.modules)
assert not others, others
"""


@pytest.fixture(scope="module")
def study():
    return load_predictions(bundled.study_folder())


@pytest.fixture(scope="module")
def recipes(study):
    """Every rule, fitted."""
    made = [(rule, options, fit_rule(study, rule, **options)) for rule, options in PROGRAMS]
    return {(rule, str(options)): Recipe.of(fitted, study.validation or study) for rule, options, fitted in made}


def test_programs_of_numpy_only_say_what_the_rules_do(recipes, study, tmp_path):
    rows = study.proba[:, :700]
    np.save(tmp_path / "rows.npy", rows)
    files = []
    for place, recipe in enumerate(recipes.values()):
        files.append(tmp_path / f"ensemble_{place}.py")
        files[-1].write_text(python_code(recipe))
    arguments = [json.dumps(list(map(str, files))), tmp_path / "rows.npy"]
    # Isolated: the folder of the project is not on the path.
    subprocess.run([sys.executable, "-I", "-c", CHECK, *arguments], check=True, cwd=tmp_path)
    for file, recipe in zip(files, recipes.values(), strict=True):
        output = np.load(f"{file}.npy")
        expected = recipe.predict_proba(rows)
        np.testing.assert_allclose(output, expected, atol=1e-12, rtol=0, err_msg=recipe.rule.to_text())
        np.testing.assert_array_equal(output.argmax(axis=1), expected.argmax(axis=1))


def test_programs_are_readable_and_check_shapes(recipes):
    code = python_code(recipes["log-pool", "{}"])
    assert max(map(len, code.splitlines())) <= 120
    assert "import" not in code.replace("import numpy as np", "")
    names = {}
    exec(code, names)  # noqa: S102
    assert names["MEMBERS"] == list(recipes["log-pool", "{}"].names)
    assert names["CLASSES"][0] == "Angry"
    with pytest.raises(ValueError, match=r"proba has shape \(2, 5, 7\), expected \(9, rows, 7\), members in the order"):
        names["predict_proba"](np.ones((2, 5, 7)))
    with pytest.raises(ValueError, match="holds values that are no probabilities"):
        names["predict_proba"](np.full((9, 5, 7), np.nan))


def test_names_are_quoted(tmp_path):
    proba, labels = draw(n_members=3, n_samples=40, n_classes=2)
    odd = ('"""\nimport os', "\\", "b'\x1b[2J")
    data = Predictions(proba, labels, names=odd, class_names=['"', "'''"])
    names = {}
    rule = fit_rule(data, "stacking")
    exec(python_code(Recipe.of(rule, data)), names)  # noqa: S102
    assert (names["MEMBERS"], names["CLASSES"], "os" in names) == (list(odd), ['"', "'''"], False)
    np.testing.assert_allclose(names["predict_proba"](proba), rule.predict_proba(proba), atol=1e-12)


def side_by_side(proba):
    return np.moveaxis(proba, 0, 1).reshape(proba.shape[1], -1).astype(np.float32)


@pytest.mark.parametrize(("rule", "options"), GRAPHS, ids=[f"{rule} {options}" for rule, options in GRAPHS])
def test_graphs_say_what_the_rules_do(rule, options, recipes, study):
    recipe = recipes[rule, str(options)]
    model = onnx_model(recipe)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {INPUT: side_by_side(study.proba)})
    expected = recipe.predict_proba(study.proba)
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, expected, atol=1e-6, rtol=0)
    np.testing.assert_allclose(output.sum(axis=1), 1.0, atol=1e-6)
    known = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(known["ensembler.members"]) == list(study.names)
    assert json.loads(known["ensembler.classes"]) == list(study.class_names)
    assert known["ensembler.layout"] == "column m * 7 + c holds the probability that member m gives to class c"


def test_graphs_of_two_classes_and_of_a_class_that_no_row_has():
    for n_classes, last in ((2, 1), (4, 2)):
        proba, labels = draw(n_members=3, n_samples=80, n_classes=n_classes)
        data = Predictions(proba, np.minimum(labels, last))
        recipe = Recipe.of(fit_rule(data, "stacking"), data)
        session = onnxruntime.InferenceSession(onnx_model(recipe).SerializeToString())
        (output,) = session.run(None, {INPUT: side_by_side(proba)})
        np.testing.assert_allclose(output, recipe.predict_proba(proba), atol=1e-6)


@pytest.mark.parametrize("rule", ["borda", COMMITTEES[0][0], 'blend:rules=["borda","mean"]'])
def test_rules_without_a_graph_are_refused_with_the_reason(rule, study):
    recipe = Recipe.of(fit_rule(study, rule), study.validation or study)
    reason = "it ranks the classes" if "borda" in rule else "it groups members"
    name = rule.partition(":")[0]
    with pytest.raises(
        NotApplicableError, match=f"{name} has no ONNX graph: {reason}; export it as a program of NumPy"
    ):
        onnx_model(recipe)


@dataclass
class Foreign(Combiner):
    """A rule of somebody else."""

    name = "foreign"
    source = "a test"
    is_trainable = False

    def _fit(self, proba, labels, sample_weight):
        pass

    def _scores(self, proba):
        return proba.prod(axis=0)


def test_rules_of_others_are_refused_unless_they_are_means(study):
    recipe = Recipe(Foreign().fit(study.proba), study.names, study.hard, 7)
    for export in (python_code, onnx_model):
        with pytest.raises(NotApplicableError, match="foreign cannot be exported: .* known: means, class-wei"):
            export(recipe)


def test_a_fitted_estimator(recipes, study):
    recipe = recipes["log-pool", "{}"]
    model = recipe.to_estimator()
    rows = side_by_side(study.proba)
    output = model.predict_proba(rows)
    order = np.argsort(study.class_names)
    assert model.classes_.tolist() == sorted(study.class_names)
    np.testing.assert_allclose(output, recipe.predict_proba(study.proba)[:, order], atol=1e-7)
    truth = np.array(study.class_names)[study.labels]
    assert model.score(rows, truth) == pytest.approx(recipe.rule.score(study.proba, study.labels))
    assert log_loss(truth, output) == pytest.approx(
        recipe.rule.score(study.proba, study.labels, metric="log-loss"), abs=1e-6
    )
    assert model.columns_[:2] == ["agrawal-a: Angry", "agrawal-a: Disgust"]
    assert not hasattr(clone(model), "rule_")


@pytest.mark.parametrize(("form", "suffix"), [("python", ".py"), ("onnx", ".onnx"), ("sklearn", ".joblib")])
def test_the_command(form, suffix, run, write_set, tmp_path):
    home, recipe, out = write_set(n_members=3, n_classes=3), tmp_path / "ensemble.json", tmp_path / f"e{suffix}"
    assert run("predict", home, "--rule", "simplex", "--save", recipe).code == 0
    told = run("export", recipe, "--format", form, "--out", out)
    assert told.code == 0, told.err
    assert told.err == f"simplex of {recipe}: 3 members as {form}, wrote {out}\n"
    proba = np.stack([np.load(home / f"m{member}.npy") for member in range(3)])
    expected = Recipe.load(recipe).predict_proba(proba)
    if form == "python":
        names = {}
        exec(out.read_text(), names)  # noqa: S102
        output = names["predict_proba"](proba)
    elif form == "onnx":
        (output,) = onnxruntime.InferenceSession(out).run(None, {INPUT: side_by_side(proba)})
        onnx.checker.check_model(onnx.load(out))
    else:
        output = joblib.load(out).predict_proba(side_by_side(proba))
    np.testing.assert_allclose(output, expected, atol=1e-6)
    before = out.read_bytes()
    assert run("export", recipe, "--format", form, "--out", out).code == 0
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--format", "pmml", "--out", "e.pmml"], 2, "unknown format 'pmml'; known: python, onnx, sklearn"),
        (["--format", "onnx", "--out", "e.py"], 2, "--out e.py: expected a file that ends in .onnx"),
        (["--format", "python", "--out", "none.txt/e.py"], 1, "cannot be written"),
        (["--format", "onnx", "--out", "e.onnx"], 1, "borda has no ONNX graph"),
    ],
)
def test_what_cannot_be_exported(arguments, code, message, run, write_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = write_set(n_members=3, n_classes=3)
    (tmp_path / "none.txt").write_text("a file")
    assert run("predict", home, "--rule", "borda", "--save", "ensemble.json").code == 0
    told = run("export", "ensemble.json", *arguments)
    assert told.code == code
    assert message in told.err
    assert not (tmp_path / "e.onnx").exists()


def test_a_missing_package_is_named(recipes, monkeypatch, run, tmp_path):
    recipes["mean", "{}"].save(tmp_path / "ensemble.json")
    monkeypatch.setitem(sys.modules, "onnx", None)
    told = run("export", tmp_path / "ensemble.json", "--format", "onnx", "--out", tmp_path / "e.onnx")
    assert told.code == 2
    assert "pip install 'ensembler-bench[onnx]'" in told.err


ANSWERS = [
    (Abstention(signal, 0.55 if signal != "mutual-information" else 0.95), sets)
    for signal, sets in zip(
        SIGNALS,
        [
            {"score": "lac"},
            {"score": "aps"},
            {"score": "aps", "randomised": True, "seed": 7},
            {"score": "raps:penalty=0.1,free=2"},
            {"score": "lac", "by_class": True, "alpha": 0.01},
        ],
        strict=True,
    )
]


@pytest.mark.parametrize(("abstention", "options"), ANSWERS, ids=SIGNALS)
def test_programs_leave_rows_without_an_answer_and_have_sets(abstention, options, study, recipes):
    rule = recipes["fixed-weights:weights=[1,0,2,3,0,0,0,0,1]", "{}"].rule
    data = study.validation
    sets = PredictionSets.fit(rule.predict_proba(data.proba), data.true_labels, **options)
    recipe = Recipe.of(rule, data, abstention, sets)
    names = {}
    exec(python_code(recipe), names)  # noqa: S102
    found = recipe.predict(study.proba)
    np.testing.assert_array_equal(names["predict"](study.proba), found.labels)
    np.testing.assert_allclose(names["confidence"](study.proba), found.confidence, atol=1e-9)
    np.testing.assert_array_equal(names["prediction_sets"](study.proba), found.sets)
    assert 0 < found.answered.mean() < 1
    assert max(map(len, python_code(recipe).splitlines())) <= 120
    with pytest.raises(NotApplicableError, match="an ONNX graph has no place for; save the rule by itself"):
        onnx_model(recipe)
