"""Which of the classic rules are worth it: every rule on many prediction sets, and what choosing among more costs.

    python benchmarks/corpus.py --out FOLDER
    python benchmarks/classics.py measure FOLDER --work WORK [--jobs 2]
    python benchmarks/classics.py study --work WORK
    python benchmarks/classics.py page

The first step fits every rule on the validation rows of every set, scores it on the others, and cross-fits it inside
the validation rows; rules that are in WORK already are not measured again. The second writes ``results/classics.json``,
and the page "Classic rules", which the third writes from the results alone.
"""

import argparse
import json
import re
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from choosing import CLUSTER, row_scores, sources
from classics_page import CALIBRATED, write_page
from joblib import Parallel, delayed
from machine import describe
from rich.console import Console
from rich.progress import track
from scipy.stats import wilcoxon

from ensembler import load_predictions
from ensembler.combiners.registry import all_rules, default_rules, family_rules, make_rule
from ensembler.comparison.candidates import list_candidates
from ensembler.comparison.fitting import cross_fit, fit_and_apply
from ensembler.comparison.folds import make_folds
from ensembler.errors import NotApplicableError
from ensembler.metrics import METRICS
from ensembler.predictions.prediction_set import Predictions

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results" / "classics.json", HERE.parent / "docs" / "explanation" / "classics.md"
SPEED = HERE / "results" / "rules_speed.json"
FOLDS = 5
METRIC_NAMES = ("accuracy", "log-loss")
FURTHER = (
    "dempster-shafer:squared=false",
    "generalised-mean:order=-1",
    "generalised-mean:order=2",
    "cma-es:metric=log-loss",
)
"""Other parameters of some rules, which are measured beside them and not chosen among."""


def tried() -> list[str]:
    """Return the rules that are measured, as text."""
    rules = [text for text in family_rules("all") if text != "hierarchical-committee"]
    new = [text for text in rules if not all_rules()[text.partition(":")[0]].by_default]
    scored = [text for text in new if not make_rule(text).fits_proper_score()]
    return [*rules, *FURTHER, *(text + CALIBRATED for text in scored)]


def measure_set(folder: Path, name: str, work: Path) -> None:
    """Measure the rules of one set that are not measured yet."""
    missing = [text for text in tried() if not path_of(work, name, text).exists()]
    if not missing:
        return
    with warnings.catch_warnings():
        # Fits on few rows and members that are all right: all of it is part of the study.
        warnings.simplefilter("ignore")
        data = load_predictions(folder)
        if data.any_hard or data.validation is None:
            return
        for text in missing:
            save(path_of(work, name, text), measure_rule(text, data.validation, data.replace(validation=None)))


def measure_rule(text: str, fitting: Predictions, scored: Predictions) -> dict[str, Any]:
    """Return what a rule predicts: correctness and log loss of each row; nothing where it cannot run."""
    rule, calibrate = text.removesuffix(CALIBRATED), "ensemble" if text.endswith(CALIBRATED) else "none"
    candidate = list_candidates([rule], fitting, METRICS["accuracy"], calibrate)[0]
    if candidate.left_out is not None:
        return {"reason": candidate.left_out}
    start = time.perf_counter()
    try:
        fit = fit_and_apply(candidate, fitting, scored)
    except NotApplicableError as error:
        return {"reason": str(error)}
    found = {"outer": row_scores(scored, fit.proba), "seconds": time.perf_counter() - start}
    if calibrate == "none":
        folds = make_folds(fitting.true_labels, None, FOLDS, 0)
        inner = cross_fit([candidate], fitting, folds, lambda _: None).predicted.get(candidate.name)
        found |= {} if inner is None else {"inner": row_scores(fitting, inner)}
    return found


def path_of(work: Path, name: str, text: str) -> Path:
    """Return the file of a set and a rule."""
    return work / name / (re.sub(r"[^a-z0-9.=-]+", "_", text) + ".npz")


def save(path: Path, found: dict[str, Any]) -> None:
    """Write what was measured, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part.npz")
    np.savez(temporary, **found)
    temporary.rename(path)


def measure(corpus: Path, work: Path, jobs: int) -> None:
    """Measure all sets, several at once."""
    sets = sources(corpus, None)
    tasks = (delayed(measure_set)(folder, name, work) for name, folder in sets.items())
    done = Parallel(n_jobs=jobs, return_as="generator_unordered")(tasks)
    for _ in track(done, "measuring", total=len(sets), console=Console(stderr=True)):
        pass


Scores = dict[str, dict[str, Any]]
"""By rule, the mean accuracy and log loss of one set, ``outer`` (2,) and perhaps ``inner`` (2,), and ``seconds``."""


def read(work: Path) -> dict[str, Scores]:
    """Return what was measured, by set and rule; rules that could not run are left out."""
    found: dict[str, Scores] = {}
    for folder in sorted(path for path in work.iterdir() if path.is_dir()):
        scores: Scores = {}
        for text in tried():
            path = path_of(work, folder.name, text)
            if not path.exists():
                continue
            with np.load(path) as arrays:
                if "outer" in arrays:
                    rows = {key: arrays[key].mean(axis=1, dtype=float) for key in ("outer", "inner") if key in arrays}
                    scores[text] = {**rows, "seconds": float(arrays["seconds"]), "n_rows": arrays["outer"].shape[1]}
        if scores:
            found[folder.name] = scores
    return found


def by_cluster(values: dict[str, float]) -> np.ndarray:
    """Return the mean over sets of the same rows, one value a cluster."""
    clusters: dict[str, list[float]] = {}
    for name, value in values.items():
        matched = CLUSTER.match(name)
        clusters.setdefault(matched[1] if matched else name, []).append(value)
    return np.array([np.mean(some) for some in clusters.values()])


def against_mean(found: dict[str, Scores], text: str) -> dict[str, Any]:
    """Return how a rule does against the mean, one vote for each cluster of sets."""
    ran = {name: scores for name, scores in found.items() if text in scores}
    name = text.removesuffix(CALIBRATED).partition(":")[0]
    result: dict[str, Any] = {"name": text, "family": all_rules()[name].family}
    result["seconds"] = float(np.median([scores[text]["seconds"] for scores in ran.values()])) if ran else None
    for place, metric in enumerate(METRIC_NAMES):
        sign = 1 if metric == "accuracy" else -1
        reached = {set_name: sign * (s[text]["outer"] - s["mean"]["outer"])[place] for set_name, s in ran.items()}
        gains = by_cluster(reached)
        if not len(gains):
            continue
        gains = np.round(gains, 12)
        test = wilcoxon(gains, zero_method="zsplit", method="approx") if gains.any() else None
        result[metric] = {
            "n_clusters": len(gains),
            "better": int((gains > 0).sum()),
            "equal": int((gains == 0).sum()),
            "worse": int((gains < 0).sum()),
            "mean": float(gains.mean()),
            "median": float(np.median(gains)),
            "standard_error": float(gains.std(ddof=1) / np.sqrt(len(gains))),
            "p_value": 1.0 if test is None else float(test.pvalue),
        }
    return result


def choosing(found: dict[str, Scores], rules: Sequence[str], metric: str) -> dict[str, Any]:
    """Return what choosing the best cross-fitted rule reaches, and how much too good its score looks.

    The optimism is by how much the chosen rule's cross-fitted score exceeds its score on the other rows, less by how
    much all rules' scores do so on average, since some rows are easier than others.
    """
    place, sign = METRIC_NAMES.index(metric), 1 if metric == "accuracy" else -1
    optimism, reached = {}, {}
    for name, scores in found.items():
        names = [rule for rule in rules if "inner" in scores.get(rule, {})]
        inner = sign * np.array([scores[rule]["inner"][place] for rule in names])
        outer = sign * np.array([scores[rule]["outer"][place] for rule in names])
        best = int(inner.argmax())
        optimism[name] = float((inner - outer)[best] - (inner - outer).mean())
        reached[name] = float(outer[best] - sign * scores["mean"]["outer"][place])
    values, gains = by_cluster(optimism), by_cluster(reached)
    return {
        "metric": metric,
        "n_rules": len(rules),
        "n_clusters": len(values),
        "optimism": float(values.mean()),
        "optimism_standard_error": float(values.std(ddof=1) / np.sqrt(len(values))),
        "gain": float(gains.mean()),
        "gain_by_cluster": gains.tolist(),
        "optimism_by_cluster": values.tolist(),
    }


def compare(few: dict[str, Any], many: dict[str, Any]) -> dict[str, Any]:
    """Return what choosing among more rules changes, with standard errors over clusters."""
    changes: dict[str, Any] = {"metric": few["metric"]}
    for key in ("gain", "optimism"):
        change = np.array(many[f"{key}_by_cluster"]) - np.array(few[f"{key}_by_cluster"])
        changes[key] = float(change.mean())
        changes[f"{key}_standard_error"] = float(change.std(ddof=1) / np.sqrt(len(change)))
    return changes


def without_clusters(item: dict[str, Any]) -> dict[str, Any]:
    """Return what is written of a way of choosing."""
    return {key: value for key, value in item.items() if not key.endswith("by_cluster")}


def study(work: Path) -> None:
    """Write the results and the page."""
    found = read(work)
    few = [text for text in default_rules() if text != "hierarchical-committee"]
    many = [text for text in tried() if text not in FURTHER and not text.endswith(CALIBRATED)]
    pairs = [(choosing(found, few, metric), choosing(found, many, metric)) for metric in METRIC_NAMES]
    results = {
        "machine": describe(),
        "sets": len(found),
        "clusters": len(by_cluster(dict.fromkeys(found, 0.0))),
        "rules": [against_mean(found, text) for text in tried() if text != "mean"],
        "choosing": [without_clusters(item) for two in pairs for item in two],
        "more_rules": [compare(*two) for two in pairs],
    }
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write()


def write() -> None:
    """Write the page from the results alone."""
    speed = json.loads(SPEED.read_text(encoding="utf-8")) if SPEED.exists() else None
    PAGE.write_text(write_page(json.loads(RESULTS.read_text(encoding="utf-8")), speed), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, study what was measured, or write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    first = steps.add_parser("measure")
    first.add_argument("corpus", type=Path)
    first.add_argument("--work", type=Path, required=True)
    first.add_argument("--jobs", type=int, default=2)
    second = steps.add_parser("study")
    second.add_argument("--work", type=Path, required=True)
    steps.add_parser("page")
    options = parser.parse_args(arguments)
    if options.step == "measure":
        measure(options.corpus, options.work, options.jobs)
    elif options.step == "study":
        study(options.work)
    else:
        write()


if __name__ == "__main__":
    sys.exit(main())
