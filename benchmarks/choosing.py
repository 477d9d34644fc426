"""Which rule to recommend: procedures for choosing one, studied on many prediction sets; and the evidence that ships.

    python benchmarks/corpus.py --out FOLDER
    python benchmarks/choosing.py measure FOLDER [--cifar DIR] --work WORK [--jobs 2]
    python benchmarks/choosing.py study --work WORK [--unseen WORK]

The first step fits every rule on every set: on the validation rows and on growing samples of them, scored on the scored
rows; cross-fitted inside the validation rows, three times; once more with both halves swapped; and once with every
member's probabilities replaced by its most probable class. What it finds is kept in WORK, so that a run that was
stopped goes on. The second step tries the procedures, writes ``benchmarks/results/choosing.json``, and makes
``ensembler/comparison/evidence.json``, which recommendations rest on. With ``--unseen`` it also shows what that
evidence recommends on sets that have no part in it.
"""

import argparse
import json
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from rich.console import Console
from rich.progress import track

from ensembler import load_predictions
from ensembler.arrays import digest, one_hot
from ensembler.combiners.families import ALL
from ensembler.combiners.registry import default_rules, family_rules
from ensembler.comparison.candidates import Candidate, list_candidates
from ensembler.comparison.fitting import cross_fit
from ensembler.comparison.folds import make_folds
from ensembler.comparison.progress import FitCounter
from ensembler.comparison.protocol import Split
from ensembler.comparison.scoring import fit_rules
from ensembler.metrics import METRICS
from ensembler.metrics.differences import paired_difference
from ensembler.predictions import bundled
from ensembler.predictions.prediction_set import Predictions
from ensembler.ranking.learning_curve import sample_sizes, sampled

REPEATS, FOLDS, SAMPLES = 3, 5, 2
FURTHER = ('blend:rules=["log-pool","stacking","simplex"]',)
"""A blend that is compared with the default one."""
ACCURACY, LOG_LOSS = METRICS["accuracy"], METRICS["log-loss"]
CLUSTER = re.compile(r"(.+)-\d+$")


def candidates(texts: Sequence[str], data: Predictions) -> list[Candidate]:
    """Bind rules, and the further ones, to a set, leaving out those that cannot run, and what needs a hierarchy."""
    asked = [*(text for text in texts if text != "hierarchical-committee"), *FURTHER]
    return [item for item in list_candidates(asked, data, ACCURACY, "none") if item.left_out is None]


def hardened(data: Predictions) -> Predictions:
    """Return a set with every member's probabilities replaced by its most probable class."""
    proba = np.stack([one_hot(member.argmax(axis=1), data.n_classes) for member in data.proba])
    return Predictions(proba, data.labels, names=data.names, hard=[True] * data.n_members)


def differences(fitting: Predictions, scored: Predictions) -> dict[str, dict[str, list[float]]]:
    """Fit every rule; return its differences from the mean with their standard errors, by metric."""
    metrics = [ACCURACY] if scored.any_hard else [ACCURACY, LOG_LOSS]
    found = {}
    mean = scored.proba.mean(axis=0, dtype=np.float64)
    for fit in fitted(family_rules(ALL), fitting, scored):
        found[fit.name] = {
            metric.name: list(vars(paired_difference(metric, scored.true_labels, fit.proba, mean)).values())
            for metric in metrics
        }
    return found


def fitted(texts: Sequence[str], fitting: Predictions, scored: Predictions) -> list[Any]:
    """Fit rules, and the further ones, on some rows, and predict others."""
    split = Split.of(scored.replace(validation=fitting), fit_on="val")
    return fit_rules(candidates(texts, split.predictions), split, FitCounter(None, 0))[0]


def entry(name: str, kind: str, fitting: Predictions, scored: Predictions, found: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of the evidence."""
    return {
        "set": name,
        "cluster": cluster_of(name),
        "kind": kind,
        "n_fit": fitting.n_samples,
        "n_rows": scored.n_samples,
        "n_classes": scored.n_classes,
        "n_members": scored.n_members,
        "labels": [digest(part.true_labels) for part in (fitting, scored)],
        "rules": found,
    }


def cluster_of(name: str) -> str:
    """Return what all sets of the same rows are called."""
    matched = CLUSTER.match(name)
    return matched[1] if matched else name


def measure_direction(
    name: str, kind: str, fitting: Predictions, scored: Predictions, *, sized: bool
) -> list[dict[str, Any]]:
    """Return the entries of one set, scored on one of its halves: of all fitting rows, and of samples of them."""
    entries = [entry(name, kind, fitting, scored, differences(fitting, scored))]
    for size in sample_sizes(fitting.n_samples)[:-1] if sized else ():
        for seed in range(SAMPLES):
            part = sampled(fitting, size, seed)
            entries.append(
                {**entry(name, kind, part, scored, differences(part, scored)), "n_fit": size, "sample": True}
            )
    return entries


def cross_fitted_rows(fitting: Predictions, scored: Predictions) -> dict[str, np.ndarray]:
    """Return what procedures choose from: by rule, correctness and log loss of each row.

    Of the fitting rows out of fold, averaged over repeats, and of the scored rows; of the rules that run by default.
    """
    tried = candidates(default_rules(), fitting)
    names = [item.name for item in tried]
    inner = np.zeros((2, len(names), fitting.n_samples), dtype=np.float32)
    for seed in range(REPEATS):
        folds = make_folds(fitting.true_labels, None, FOLDS, seed)
        proba = cross_fit(tried, fitting, folds, lambda _: None).predicted
        inner += np.stack([row_scores(fitting, proba[name].proba) for name in names], axis=1) / REPEATS
    fits = {fit.name: fit.proba for fit in fitted(default_rules(), fitting, scored)}
    outer = np.stack([row_scores(scored, fits[name]) for name in names], axis=1)
    return {"names": np.array(names), "inner": inner, "outer": outer}


def row_scores(data: Predictions, predicted: ArrayLike) -> np.ndarray:
    """Return which rows are correct, and the log loss of each, (2, N)."""
    proba = np.asarray(predicted)
    true = proba[np.arange(data.n_samples), data.true_labels]
    return np.stack([proba.argmax(axis=1) == data.true_labels, -np.log(np.maximum(true, np.finfo(float).eps))]).astype(
        np.float32
    )


def measure_set(folder: Path, name: str, work: Path) -> None:
    """Measure one set, unless that is done."""
    target = work / f"{name}.npz"
    if target.exists():
        return
    with warnings.catch_warnings():
        # Fits on ten rows, members that are all right, weights at their ends: all of it is part of the study.
        warnings.simplefilter("ignore")
        data = load_predictions(folder)
        fitting, scored = data.validation, data.replace(validation=None)
        assert fitting is not None
        entries, rows = [], {}
        small = not bundled_set(name)
        if data.any_hard:
            fitting, scored = hardened(fitting), hardened(scored)
            entries += measure_direction(name, "hard labels", fitting, scored, sized=True)
        else:
            for turn, (first, second) in enumerate([(fitting, scored), (scored, fitting)][: 2 if small else 1]):
                entries += measure_direction(name, "probabilities", first, second, sized=turn == 0)
                votes = hardened(first), hardened(second)
                entries += measure_direction(name, "hard labels", *votes, sized=turn == 0)
                rows |= {f"{turn}-{key}": value for key, value in cross_fitted_rows(first, second).items()}
    temporary = target.with_suffix(".part.npz")
    np.savez(temporary, entries=np.array(json.dumps(entries)), **rows)
    temporary.rename(target)


def bundled_set(name: str) -> bool:
    """Whether a set is one of those of FER2013, which are bundled."""
    return name.startswith("fer2013")


def sources(corpus: Path, cifar: Path | None) -> dict[str, Path]:
    """Return the folders of all sets, by name."""
    found = {folder.name: folder for folder in sorted(corpus.iterdir()) if (folder / "labels.npy").exists()}
    found["fer2013-0"], found["fer2013-1"] = bundled.folder(), bundled.published_folder()
    if cifar is not None:
        found["cifar10.1"] = cifar
    return found


def measure(corpus: Path, cifar: Path | None, work: Path, jobs: int) -> None:
    """Measure all sets, several at once."""
    work.mkdir(parents=True, exist_ok=True)
    sets = sources(corpus, cifar)
    tasks = (delayed(measure_set)(folder, name, work) for name, folder in sets.items())
    done = Parallel(n_jobs=jobs, return_as="generator_unordered")(tasks)
    for _ in track(done, "measuring", total=len(sets), console=Console(stderr=True)):
        pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, or study what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    first = steps.add_parser("measure")
    first.add_argument("corpus", type=Path)
    first.add_argument("--cifar", type=Path, help="folder of CIFAR-10.1 predictions (hard labels)")
    first.add_argument("--work", type=Path, required=True)
    first.add_argument("--jobs", type=int, default=2)
    second = steps.add_parser("study")
    second.add_argument("--work", type=Path, required=True)
    second.add_argument("--unseen", type=Path, help="what was measured of other sets")
    options = parser.parse_args(arguments)
    if options.step == "measure":
        measure(options.corpus, options.cifar, options.work, options.jobs)
        return
    from choosing_study import study

    study(options.work, options.unseen)


if __name__ == "__main__":
    sys.exit(main())
