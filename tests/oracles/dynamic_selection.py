"""Store what DESlib's dynamic selection answers, as an oracle for ours.

``dynamic_selection.json`` was made, in an environment of its own (DESlib fails on newer scikit-learn), by

    pip install deslib==0.3.7 scikit-learn==1.5.2 "numpy<2"
    python tests/oracles/dynamic_selection.py

Inputs are not stored: `draw` makes them again from the seed, and needs only NumPy. DESlib looks for neighbours among
the features; here the features of a row are the probabilities that the members give to it, and a member is a classifier
that hands out its own, so that neighbours are those in output space.
"""

import json
import platform
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

N_FIT, N_NEW, K = 200, 60, 7
CASES = [(0, 5, 2), (1, 9, 7), (2, 4, 3), (3, 12, 4)]
"""Seeds, with numbers of members and of classes."""
STRENGTH = 1e6
"""So weak a penalty that features which repeat others do not matter."""


def draw(seed: int, n_members: int, n_classes: int) -> tuple[Floats, Labels]:
    """Draw members that differ in skill by class, and find the same rows hard.

    Returns
    -------
    proba : (M, N_FIT + N_NEW, C) float64, rows sum to 1
    labels : (N_FIT + N_NEW,) int64
    """
    rng = np.random.default_rng(seed)
    n_samples = N_FIT + N_NEW
    labels = rng.integers(n_classes, size=n_samples)
    skill = rng.uniform(0.2, 2.0, size=(n_members, n_classes))[:, labels, None]
    shared = rng.normal(scale=0.6, size=(n_samples, n_classes))
    own = rng.normal(scale=0.8, size=(n_members, n_samples, n_classes))
    proba = np.exp(skill * np.eye(n_classes)[labels] + shared + own)
    return proba / proba.sum(axis=-1, keepdims=True), labels


class Member:
    """A classifier whose probabilities are some of the features."""

    def __init__(self, member: int, n_classes: int) -> None:
        self.columns = slice(member * n_classes, (member + 1) * n_classes)
        self.classes_ = np.arange(n_classes)

    def fit(self, features: Floats, labels: Labels) -> "Member":
        """Do nothing; DESlib wants to know that it could be fitted."""
        return self

    def predict_proba(self, features: Floats) -> Floats:
        """Return them."""
        return features[:, self.columns]

    def predict(self, features: Floats) -> Labels:
        """Return the most probable class."""
        return self.predict_proba(features).argmax(axis=1)


def answers(proba: Floats, labels: Labels) -> dict[str, Any]:
    """Return what each of DESlib's classes predicts of the new rows."""
    from deslib.dcs.lca import LCA
    from deslib.dcs.mcb import MCB
    from deslib.dcs.ola import OLA
    from deslib.des.knop import KNOP
    from deslib.des.knora_e import KNORAE
    from deslib.des.knora_u import KNORAU
    from deslib.des.meta_des import METADES
    from sklearn.linear_model import LogisticRegression

    n_members, _, n_classes = proba.shape
    features = np.moveaxis(proba, 0, 1).reshape(proba.shape[1], -1)
    fitting, new = features[:N_FIT], features[N_FIT:]
    pool = [Member(member, n_classes) for member in range(n_members)]
    meta = LogisticRegression(C=STRENGTH, tol=1e-10, max_iter=100_000)
    rules = {
        "knop": KNOP(pool, k=K, voting="soft"),
        "knora-u": KNORAU(pool, k=K, voting="soft"),
        "knora-e": KNORAE(pool, k=K, voting="soft"),
        "ola": OLA(pool, k=K, selection_method="all"),
        "lca": LCA(pool, k=K, selection_method="all"),
        "meta-des": METADES(pool, k=K, voting="soft", meta_classifier=meta),
    }
    found: dict[str, Any] = {}
    for name, rule in rules.items():
        rule.fit(fitting, labels[:N_FIT])
        found[name] = {"proba": rule.predict_proba(new).round(9).tolist()}
    hard = KNOP(pool, k=K).fit(fitting, labels[:N_FIT])
    found["knop:votes=true"] = {"predicted": hard.predict(new).tolist()}
    # All fitting rows are neighbours, so that only the similarity of votes selects among them.
    behaviour = MCB(pool, k=N_FIT, similarity_threshold=0.7, selection_method="diff", random_state=0)
    behaviour.fit(fitting, labels[:N_FIT])
    votes = np.stack([member.predict(new) for member in pool], axis=1)
    near = np.tile(np.arange(N_FIT), (N_NEW, 1))
    competence = np.ma.getdata(behaviour.estimate_competence(near, predictions=votes))
    found["mcb"] = {"competence": competence.round(9).tolist()}
    return found


def main() -> None:
    """Write the JSON file next to this script."""
    cases = []
    for seed, n_members, n_classes in CASES:
        proba, labels = draw(seed, n_members, n_classes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = answers(proba, labels)
        cases.append({"seed": seed, "n_members": n_members, "n_classes": n_classes, "answers": expected})
    head = {
        "deslib": version("deslib"),
        "scikit_learn": version("scikit-learn"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "k": K,
    }
    lines = ",\n".join(f"    {json.dumps(case)}" for case in cases)
    text = json.dumps(head, indent=2).removesuffix("\n}") + f',\n  "cases": [\n{lines}\n  ]\n}}\n'
    Path(__file__).with_suffix(".json").write_text(text)


if __name__ == "__main__":
    main()
