"""Other people's combiners on prediction sets, as further rows beside those that ``ensembler rank`` compares.

    python benchmarks/peers.py --sets FOLDER --out FILE.json [--peer NAME ...]

fits each peer on the ``val/`` part of every set of FOLDER, such as those of ``corpus.py``, and scores what it says of
the set's rows. It imports nothing of ensembler, so it runs where the peers are installed:

    pip install autogluon.core==1.6.3 mlxtend==0.25.0 scikit-learn==1.9.1

DESlib 0.3.7 calls what recent versions of scikit-learn no longer have, and needs an environment of its own:

    pip install DESlib==0.3.7 scikit-learn==1.2.2 "numpy<1.24" "scipy<1.12"

A run measures the peers that FILE.json does not hold yet, or those that are named, and adds them to it; so run it in
one environment after the other. A peer that cannot be imported is left out, with the reason. Members replay their saved
probabilities. The sets hold no features of rows, so DESlib looks for the neighbours of a row in the space of all
members' probabilities.
"""

import argparse
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

CLIP = 1e-15
"""Probabilities below are raised to this before their logarithm is taken."""
AUTOGLUON_STEPS = 25
"""The ensemble size of AutoGluon's own weighted ensembles."""
DECIMALS = 5
SEED = 0


@dataclass(frozen=True)
class Part:
    """Rows of a prediction set: (M, N, C) probabilities and (N,) labels."""

    proba: np.ndarray
    labels: np.ndarray

    @property
    def features(self) -> np.ndarray:
        """All members' probabilities of a row side by side, (N, M * C), from which `Replay` takes those of one."""
        return np.ascontiguousarray(self.proba.transpose(1, 0, 2).reshape(len(self.labels), -1))


@dataclass(frozen=True)
class Answer:
    """What a peer says of rows: (N,) classes by its own decision, and (N, C) probabilities."""

    predicted: np.ndarray
    proba: np.ndarray


class Replay(ClassifierMixin, BaseEstimator):
    """A fitted member, whose probabilities are some columns of the features."""

    def __init__(self, number: int, n_members: int, n_classes: int) -> None:
        self.number = number
        self.n_members = n_members
        self.n_classes = n_classes
        self.classes_ = np.arange(n_classes)
        self.n_features_in_ = n_members * n_classes

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Replay":
        """Learn nothing."""
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the member's columns."""
        start = self.number * self.n_classes
        return X[:, start : start + self.n_classes]

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the class of the largest probability."""
        classes: np.ndarray = self.predict_proba(X).argmax(axis=1)
        return classes


def replays(part: Part) -> list[Replay]:
    """Return the members as fitted classifiers."""
    n_members, _, n_classes = part.proba.shape
    return [Replay(number, n_members, n_classes) for number in range(n_members)]


def ask(model: Any, classes: np.ndarray, scored: Part) -> Answer:
    """Return what a fitted classifier says; a class that validation lacks has probability zero."""
    proba = np.zeros(scored.proba.shape[1:])
    proba[:, classes] = model.predict_proba(scored.features)
    return Answer(model.predict(scored.features), proba)


def autogluon_greedy(metric: str, validation: Part, scored: Part) -> Answer:
    """Greedy ensemble selection by a metric."""
    from autogluon.core import metrics
    from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection

    binary = scored.proba.shape[-1] == 2
    selection = EnsembleSelection(
        ensemble_size=AUTOGLUON_STEPS,
        problem_type="binary" if binary else "multiclass",
        metric=metrics.get_metric(metric),
        random_state=np.random.RandomState(SEED),
    )

    def given(part: Part) -> list[np.ndarray]:
        return list(part.proba[..., 1] if binary else part.proba)  # one column, that of class 1, if there are two

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it names an argument of scikit-learn's log_loss the old way
        selection.fit(given(validation), validation.labels)
    proba = selection.predict_proba(given(scored))
    predicted = selection.predict(given(scored))
    return Answer(predicted, np.column_stack([1 - proba, proba]) if binary else proba)


def sklearn_stacking(validation: Part, scored: Part) -> Answer:
    """Stacking of fitted members by scikit-learn, with its default final estimator."""
    members = [(str(number), member) for number, member in enumerate(replays(validation))]
    model = StackingClassifier(members, cv="prefit").fit(validation.features, validation.labels)
    return ask(model, model.classes_, scored)


def mlxtend_stacking(validation: Part, scored: Part) -> Answer:
    """Stacking of fitted members by mlxtend, which keeps both columns where there are two classes; scikit-learn one."""
    from mlxtend.classifier import StackingClassifier as Stacking

    model = Stacking(
        replays(validation), LogisticRegression(), use_probas=True, use_clones=False, fit_base_estimators=False
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "fit_base_estimators=False enforces")
        model.fit(validation.features, validation.labels)
    return ask(model, model.meta_clf_.classes_, scored)


def deslib(module: str, name: str, validation: Part, scored: Part) -> Answer:
    """One of DESlib's dynamic selections; soft votes, for hard ones make shares of votes of its probabilities."""
    from importlib import import_module

    rule = getattr(import_module(f"deslib.des.{module}"), name)
    model = rule(replays(validation), voting="soft", random_state=SEED, n_jobs=1)
    model.fit(validation.features, validation.labels)
    return ask(model, model.classes_, scored)


@dataclass(frozen=True)
class Peer:
    """A combiner, and the packages whose versions matter to it."""

    combine: Callable[[Part, Part], Answer]
    packages: tuple[str, ...] = ()

    def versions(self) -> dict[str, str]:
        """Return what it ran on."""
        return {package: version(package) for package in (*self.packages, "scikit-learn", "numpy")}


def peers() -> dict[str, Peer]:
    """Return the peers by name."""
    return {
        "autogluon-greedy-log-loss": Peer(lambda *parts: autogluon_greedy("log_loss", *parts), ("autogluon.core",)),
        "autogluon-greedy-accuracy": Peer(lambda *parts: autogluon_greedy("accuracy", *parts), ("autogluon.core",)),
        "sklearn-stacking": Peer(sklearn_stacking),
        "mlxtend-stacking": Peer(mlxtend_stacking, ("mlxtend",)),
        "deslib-knora-e": Peer(lambda *parts: deslib("knora_e", "KNORAE", *parts), ("deslib",)),
        "deslib-knora-u": Peer(lambda *parts: deslib("knora_u", "KNORAU", *parts), ("deslib",)),
        "deslib-meta-des": Peer(lambda *parts: deslib("meta_des", "METADES", *parts), ("deslib",)),
    }


def read_part(folder: Path, names: Sequence[str]) -> Part:
    """Read labels and members, as float64."""
    proba = np.stack([np.load(folder / f"{name}.npy") for name in names]).astype(np.float64)
    return Part(proba, np.load(folder / "labels.npy"))


def read_set(folder: Path) -> tuple[Part, Part]:
    """Return the validation part and the rows to be scored."""
    names = sorted(path.stem for path in folder.glob("*.npy") if path.stem != "labels")
    return read_part(folder / "val", names), read_part(folder, names)


def score(answer: Answer, labels: np.ndarray) -> dict[str, float]:
    """Return accuracy and log loss."""
    true_class = answer.proba[np.arange(len(labels)), labels]
    return {
        "accuracy": round(float((answer.predicted == labels).mean()), DECIMALS),
        "log_loss": round(abs(float(np.log(np.clip(true_class, CLIP, 1)).mean())), DECIMALS),
    }


def measure(peer: Peer, folders: Sequence[Path]) -> dict[str, dict[str, float]]:
    """Return the scores of a peer on every set."""
    scores = {}
    for folder in folders:
        validation, scored = read_set(folder)
        scores[folder.name] = score(peer.combine(validation, scored), scored.labels)
    return scores


def main(arguments: Sequence[str] | None = None) -> None:
    known = peers()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, required=True, help="folder of prediction sets, each with a val/ part")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write, or to add to")
    parser.add_argument("--peer", nargs="+", choices=known, metavar="NAME", help=", ".join(known))
    options = parser.parse_args(arguments)
    folders = sorted(path.parent.parent for path in options.sets.glob("*/val/labels.npy"))
    if not folders:
        parser.error(f"no prediction set with a val/ part in {options.sets}")
    result: dict[str, dict[str, Any]] = {"versions": {}, "peers": {}, "left_out": {}}
    if options.out.exists():
        result = json.loads(options.out.read_text(encoding="utf-8"))
    for name in options.peer or [name for name in known if name not in result["peers"]]:
        try:
            with threadpool_limits(1):
                scores = measure(known[name], folders)
        except ImportError as error:
            if name not in result["peers"]:
                result["left_out"][name] = f"cannot be imported: {error}"
            continue
        result["peers"][name] = scores
        result["versions"][name] = known[name].versions()
        result["left_out"].pop(name, None)
        accuracy, log_loss = (np.mean([line[key] for line in scores.values()]) for key in ("accuracy", "log_loss"))
        print(f"{name}: accuracy {accuracy:.5f}, log loss {log_loss:.5f}, {len(scores)} sets")
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
