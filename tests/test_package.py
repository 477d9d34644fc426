"""The public names, and what importing them costs."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

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


def heavy_modules_after(code, heavy=HEAVY):
    check = f"import sys\n{code}\nprint(*(m for m in {heavy} if m in sys.modules))"
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
    assert heavy_modules_after(code, (*HEAVY, "numpy")) == []


def test_a_rule_in_another_project_needs_only_numpy():
    code = (
        "import numpy as np\n"
        "from ensembler import ExponentialWeightedAverage as E\n"
        "p = np.array([[[.9, .1], [.2, .8]], [[.4, .6], [.3, .7]]])\n"
        "E(q_min=0, q_max=5, plateau='middle').fit(p, [0, 1]).predict(p)"
    )
    assert heavy_modules_after(code) == []


ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_distributions_name_starts_the_same_program():
    """So that ``pipx run ensembler-bench`` finds it."""
    scripts = PYPROJECT["project"]["scripts"]
    assert scripts[PYPROJECT["project"]["name"]] == scripts["ensembler"]


def test_what_the_project_is_made_of_goes_into_the_sdist():
    kept_back = {".ci", ".gitignore", "pyproject.toml"}  # hatchling adds the last two itself
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("no git checkout")
    there = {name.partition("/")[0] for name in done.stdout.splitlines()} - kept_back
    assert there == {name.strip("/") for name in PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]}


def test_versions_agree():
    version = PYPROJECT["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {version} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_hooks_are_what_lint_runs_and_download_nothing():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    repositories, languages, entries = (
        set(re.findall(rf"{key}: (\S+)", hooks)) for key in ("repo", "language", "entry")
    )
    assert repositories == {"local"}
    assert languages == {"system"}
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    assert entries == set(re.findall(r"/bin/(\S+)", recipe))


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="No ensembler attribute Mean"):
        ensembler.Mean  # noqa: B018
