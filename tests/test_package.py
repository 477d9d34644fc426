"""The public names, and what importing them costs."""

import ast
import subprocess
import sys
from pathlib import Path

import ensembler

HEAVY = ("pandas", "scipy", "sklearn", "numba", "torch", "matplotlib", "plotly", "jinja2")
PUBLIC = {
    "SimpleAverage",
    "SimplexWeights",
    "AccuracyWeightedAverage",
    "ClassWeightedAverage",
    "LogLinearPool",
    "LossWeightedAverage",
    "ExponentialWeightedAverage",
    "MajorityVote",
    "HierarchicalCommittee",
    "Stacking",
    "SuperLearner",
    "WeightedVote",
    "Median",
    "Product",
    "Maximum",
    "Minimum",
    "TrimmedMean",
    "BordaCount",
    "Cascade",
    "BestMember",
    "Blend",
    "GreedySelection",
    "FixedWeights",
    "EnsembleClassifier",
    "Abstention",
    "PredictionSets",
    "Recipe",
    "risk_coverage",
    "study_abstention",
    "study_prediction_sets",
    "make_rule",
    "Metric",
    "Split",
    "list_rules",
    "Predictions",
    "load_predictions",
    "compare_rules",
    "rank_rules",
    "sweep_subsets",
    "__version__",
}


def heavy_modules_after(code):
    check = f"import sys\n{code}\nprint(*(m for m in {HEAVY} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


def test_the_public_names_are_these_and_all_are_there():
    assert set(ensembler.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(ensembler, name)
    assert set(dir(ensembler)) == PUBLIC


def test_no_public_name_is_a_submodules_name():
    import pkgutil

    assert not PUBLIC & {module.name for module in pkgutil.iter_modules(ensembler.__path__)}


def test_the_root_holds_three_modules_and_packages():
    home = Path(ensembler.__file__).parent
    there = {path.name for path in home.iterdir() if path.name != "__pycache__"}
    ground = {"errors.py", "arrays.py", "serialization.py"}
    assert {name for name in there if "." in name} == {
        "__init__.py",
        "__init__.pyi",
        "__main__.py",
        "py.typed",
        *ground,
    }


def test_nothing_inside_imports_the_package_itself():
    home = Path(ensembler.__file__).parent
    for path in home.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert "ensembler" not in [alias.name for alias in node.names], path
            if isinstance(node, ast.ImportFrom) and node.module == "ensembler":
                assert all((home / alias.name).is_dir() or (home / f"{alias.name}.py").exists() for alias in node.names)


def test_importing_costs_next_to_nothing():
    assert heavy_modules_after("import ensembler") == []


def test_help_loads_nothing_heavy():
    code = (
        "import ensembler.cli\n"
        "sys.argv = ['ensembler', 'bench', '--help']\n"
        "try:\n    ensembler.cli.main()\nexcept SystemExit: pass"
    )
    assert heavy_modules_after(code) == []


def test_a_rule_in_another_project_needs_only_numpy():
    code = (
        "import numpy as np\n"
        "from ensembler import ExponentialWeightedAverage as E\n"
        "p = np.array([[[.9, .1], [.2, .8]], [[.4, .6], [.3, .7]]])\n"
        "E(q_min=0, q_max=5, plateau='middle').fit(p, [0, 1]).predict(p)"
    )
    assert heavy_modules_after(code) == []


def test_unknown_names_are_attribute_errors():
    import pytest

    with pytest.raises(AttributeError, match="No ensembler attribute Mean"):
        ensembler.Mean  # noqa: B018
