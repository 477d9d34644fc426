"""Store what Pusion's rules answer, as an oracle for ours.

``pusion_rules.json`` was made by

    git clone https://github.com/IPVS-AS/pusion && git -C pusion checkout b56ee7ec1559da7c14f32eeaff4d768301583c06
    python -m tests.oracles.pusion_rules pusion

Pusion 0.2.0 asks for NumPy 1.20 and pandas 1.2, which no current Python installs, and its package imports all of it.
The modules of its rules need NumPy and scikit-learn only, so they are loaded one by one from the source, with an empty
package around them; nothing of theirs is changed. Its ``util.generator``, which is loaded with naive Bayes, imports
scikit-learn's ``make_classification`` and the like, and runs as it is.

Pusion answers with classes alone. Its Dempster–Shafer does not square the norm: for the other one its source is loaded
a second time with ``np.linalg.norm(…)`` replaced by its square. Inputs are not stored: `draw` makes them again.
"""

import importlib
import json
import platform
import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

COMMIT = "b56ee7ec1559da7c14f32eeaff4d768301583c06"
# seed, n_members, n_fitting_rows, n_rows, n_classes
CASES = [(0, 5, 300, 200, 3), (1, 9, 400, 200, 7), (2, 3, 150, 150, 2), (3, 4, 500, 200, 10)]
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def draw(seed: int, n_members: int, n_fitting: int, n_rows: int, n_classes: int) -> tuple[Floats, Labels]:
    """Draw members of unequal skill with correlated errors: fitting rows first, every class among them."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n_fitting + n_rows) % n_classes)
    logits = np.linspace(0.5, 2.5, n_members)[:, None, None] * np.eye(n_classes)[labels]
    logits = logits + 0.7 * rng.normal(size=logits.shape[1:]) + rng.normal(size=logits.shape)
    proba = np.exp(logits)
    return proba / proba.sum(axis=-1, keepdims=True), labels


def load(root: Path) -> dict[str, Any]:
    """Return Pusion's classes by rule, with empty packages around their modules."""
    for name in ("pusion", "pusion.core", "pusion.util"):
        package = types.ModuleType(name)
        package.__path__ = [str(root / "src" / name.replace(".", "/"))]
        sys.modules[name] = package
    names = {
        "decision-templates": ("decision_templates_combiner", "DecisionTemplatesCombiner"),
        "dempster-shafer:squared=false": ("dempster_shafer_combiner", "DempsterShaferCombiner"),
        "naive-bayes": ("naive_bayes_combiner", "NaiveBayesCombiner"),
        "behaviour-knowledge-space": ("behaviour_knowledge_space_combiner", "BehaviourKnowledgeSpaceCombiner"),
        "borda": ("borda_count_combiner", "BordaCountCombiner"),
    }
    found = {}
    for rule, (file, kind) in names.items():
        found[rule] = getattr(importlib.import_module(f"pusion.core.{file}"), kind)
    source = (root / "src/pusion/core/dempster_shafer_combiner.py").read_text(encoding="utf-8")
    squared, n_places = re.subn(r"(np\.linalg\.norm\([^()]*\))", r"\1**2", source)
    if n_places != 2:
        raise SystemExit(f"expected two norms in Pusion's Dempster–Shafer, found {n_places}")
    module: dict[str, Any] = {"__name__": "pusion.core.dempster_shafer_squared"}
    exec(compile(squared, "dempster_shafer_squared.py", "exec"), module)  # noqa: S102 - the source that was cloned
    return found | {"dempster-shafer": module["DempsterShaferCombiner"]}


def answers(rule: str, kind: Any, proba: Floats, labels: Labels, n_fitting: int) -> list[int]:
    """Return the class of each scored row; -1 where Pusion has no answer."""
    crisp = np.eye(proba.shape[2])[proba.argmax(axis=-1)]
    given = crisp if rule == "behaviour-knowledge-space" else proba
    made = kind()
    if hasattr(made, "train"):
        made.train(given[:, :n_fitting], np.eye(proba.shape[2], dtype=int)[labels[:n_fitting]])
    fused = np.asarray(made.combine(given[:, n_fitting:]))
    return np.where(fused.any(axis=1), fused.argmax(axis=1), -1).tolist()


def main(root: Path) -> None:
    """Write the answers beside this file."""
    rules = load(root)
    cases = []
    for case in CASES:
        proba, labels = draw(*case)
        cases.append(
            {"case": list(case)} | {rule: answers(rule, kind, proba, labels, case[2]) for rule, kind in rules.items()}
        )
    stored = {
        "pusion": f"0.2.0, commit {COMMIT}",
        "numpy": np.__version__,
        "python": platform.python_version(),
        "cases": cases,
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(stored) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
