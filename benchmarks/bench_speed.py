"""How fast the bench is, measured as whole processes.

    python benchmarks/bench_speed.py [--only help bundled …] [--autogluon-python PATH]

writes benchmarks/results/bench_speed.json. Comparisons run both sides in turn; machines differ, so read the ratios.
The comparison with AutoGluon needs a Python of its own with ``pip install autogluon.core==1.6.3``.
"""

import argparse
import compileall
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

import ensembler

RESULTS = Path(__file__).parent / "results" / "bench_speed.json"
COMMAND = [sys.executable, "-c", "from ensembler.cli import main; main()"]
BARE = """
import typer
app = typer.Typer()
@app.command()
def first(name: str, count: int = 1): "Do one thing."
@app.command()
def second(name: str): "Do another."
app()
"""


def seconds(command: list[str], repeats: int) -> list[float]:
    """Run a command several times, after once to warm the file cache."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return times[1:]


def measure_help() -> dict[str, Any]:
    """Compare ``ensembler --help`` with the help of a program that only uses Typer, both with their bytecode."""
    ours, bare = [], []
    for _ in range(15):
        ours += seconds([*COMMAND, "--help"], 1)
        bare += seconds([sys.executable, "-c", BARE, "--help"], 1)
    pairs = [a / b for a, b in zip(ours, bare, strict=True)]
    return {
        "ensembler_seconds": statistics.median(ours),
        "bare_typer_seconds": statistics.median(bare),
        "ratio": statistics.median(pairs),
        "wanted_ratio_at_most": 1.3,
    }


def rules_without(*names: str) -> list[str]:
    """Return --rule options for all rules but some."""
    from ensembler.combiners.registry import default_rules

    return [word for name in default_rules() if name not in names for word in ("--rule", name)]


def measure_bundled() -> dict[str, Any]:
    """Time the bench on the bundled set: 9 members, 3,589 rows, 7 classes."""
    cases = {
        "all_but_stacking": ([*rules_without("stacking", "blend")], 5.0),
        "everything": ([], 5.0),
        "everything_cross_fitted": (["--fit-on", "cross"], 8.0),
    }
    result: dict[str, Any] = {}
    for name, (options, wanted) in cases.items():
        times = seconds([*COMMAND, "bench", "--json", *options], 3)
        result[name] = {"seconds": statistics.median(times), "wanted_at_most": wanted}
    result["subsets"] = {
        "seconds": statistics.median(seconds([*COMMAND, "subsets", "--json"], 3)),
        "wanted_at_most": 1.2,
    }
    result["seconds_by_rule"] = time_rules()
    return result


def measure_stacking() -> dict[str, Any]:
    """Compare the fit of stacking on the bundled set's validation rows with scikit-learn's, taking turns.

    The optimum is that of Newton's method; distances are the largest between probabilities of the scored rows.
    """
    import warnings

    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    from ensembler import Stacking, load_predictions
    from ensembler.predictions.bundled import folder

    data = load_predictions(folder())
    assert data.validation is not None
    fitting, labels = data.validation.proba, data.validation.true_labels
    features, scored = (np.hstack(list(np.log(np.maximum(part, 1e-6)))) for part in (fitting, data.proba))

    def theirs(tolerance: float) -> Any:
        chosen = LogisticRegressionCV(
            Cs=[0.001, 0.01, 0.1],
            cv=StratifiedKFold(3, shuffle=True, random_state=0),
            scoring="neg_log_loss",
            tol=tolerance,
            max_iter=1000,
            l1_ratios=(0,),
            use_legacy_attributes=False,
        )
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make_pipeline(StandardScaler(), chosen).fit(features, labels)

    scaler = StandardScaler().fit(features)
    strength = theirs(1e-4)[-1].C_
    newton = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-7).fit(scaler.transform(features), labels)
    optimum = newton.predict_proba(scaler.transform(scored))
    found: dict[str, Any] = {"shape": list(fitting.shape), "strength": float(strength)}
    times: dict[str, list[float]] = {"ensembler": [], "tolerance_1e-4": [], "tolerance_1e-7": []}
    for _ in range(4):
        for name, taken in times.items():
            start = time.perf_counter()
            fitted = Stacking().fit(fitting, labels) if name == "ensembler" else theirs(float(name[-4:]))
            taken.append(time.perf_counter() - start)
            proba = fitted.predict_proba(data.proba if name == "ensembler" else scored)
            found[name] = {"distance_to_optimum": float(np.abs(proba - optimum).max())}
    for name, values in times.items():
        found[name]["seconds"] = statistics.median(values[1:])
        found[name]["ratio"] = statistics.median(a / b for a, b in zip(values[1:], times["ensembler"][1:], strict=True))
    return found


def measure_roc_auc() -> dict[str, Any]:
    """Compare the bench chosen by ROC AUC with that by accuracy: 6 drawn members, 369 rows, 7 classes, cross-fitted."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        labels = rng.integers(0, 7, 369)
        np.save(Path(folder) / "labels.npy", labels)
        for member in range(6):
            logits = 1.2 * rng.normal(size=(369, 7)) + 1.5 * np.eye(7)[labels]
            proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            np.save(Path(folder) / f"m{member}.npy", proba.astype(np.float32))
        ours, other = [], []
        for _ in range(3):
            ours += seconds([*COMMAND, "bench", folder, "--json", "--metric", "roc-auc"], 1)
            other += seconds([*COMMAND, "bench", folder, "--json"], 1)
    return {
        "roc_auc_seconds": statistics.median(ours),
        "accuracy_seconds": statistics.median(other),
        "ratio": statistics.median(a / b for a, b in zip(ours, other, strict=True)),
        "wanted_ratio_at_most": 2.0,
    }


def measure_report() -> dict[str, Any]:
    """Time the page of the bundled set, and weigh it and the data of its figures."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        times = seconds([*COMMAND, "report", "--out", str(page)], 3)
        text = page.read_text(encoding="utf-8")
        data = text.partition('id="figures">')[2].partition("</script>")[0]
        return {
            "seconds": statistics.median(times),
            "wanted_seconds_at_most": 5.0,
            "megabytes": page.stat().st_size / 1e6,
            "wanted_megabytes_at_most": 2.5,
            "figure_megabytes": len(data.encode()) / 1e6,
            "wanted_figure_megabytes_at_most": 0.8,
        }


def time_rules() -> dict[str, float]:
    """Time fitting on validation and predicting the scored rows, rule by rule, in this process."""
    from ensembler import load_predictions
    from ensembler.combiners.registry import default_rules
    from ensembler.comparison.candidates import bind_rule
    from ensembler.predictions.bundled import folder

    data = load_predictions(folder())
    assert data.validation is not None
    times = {}
    for name in default_rules():
        one = bind_rule(name, data)
        if one.left_out is None:
            times[name] = median_time(lambda one=one: one.fit(data.validation).predict_proba(data.proba), 3)
    return dict(sorted(times.items(), key=lambda item: -item[1]))


def median_time(run: Callable[[], Any], repeats: int) -> float:
    """Return the median time of a call after one to warm up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


LARGE = (100, 50_000, 10)


def write_large(home: Path) -> int:
    """Write a drawn set of 100 members with a validation split; return the bytes of its arrays."""
    n_members, n_samples, n_classes = LARGE
    total = 0
    for part in (home, home / "val"):
        part.mkdir(parents=True)
        rng = np.random.default_rng(len(part.parts))
        labels = rng.integers(0, n_classes, n_samples)
        shared = rng.normal(size=(n_samples, n_classes))
        for member in range(n_members):
            skill = 0.5 + 2.0 * member / n_members
            logits = skill * np.eye(n_classes)[labels] + 0.5 * shared + rng.normal(size=shared.shape)
            proba = np.exp(logits)
            array = (proba / proba.sum(axis=1, keepdims=True)).astype(np.float32)
            total += array.nbytes
            np.save(part / f"m{member:03}.npy", array)
        np.save(part / "labels.npy", labels)
    return total


CHILD = """
import json, resource, sys, time
start = time.perf_counter()
import numpy, scipy.stats, sklearn.model_selection, pandas, rich.table
import ensembler.report.bench, ensembler.comparison.compare, ensembler.predictions.loading.load
from ensembler.combiners.registry import default_rules, make_rule
names = [name for name in default_rules() if name != "greedy" and not make_rule(name).fits_proper_score()]
imports = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = ensembler.predictions.loading.load.load_predictions(sys.argv[1])
loaded = time.perf_counter()
by_rule = {}
clock = [loaded, None]
def tick(done, total, what):
    now = time.perf_counter()
    if clock[1]:
        by_rule[clock[1]] = by_rule.get(clock[1], 0) + now - clock[0]
    clock[:] = now, what
result = ensembler.comparison.compare.compare_rules(data, names, progress=tick)
text = json.dumps(result.to_dict())
end = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": end - start, "loading": loaded - start, "imports_kib": imports, "peak_kib": peak,
                  "by_rule": dict(sorted(by_rule.items(), key=lambda item: -item[1]))}))
"""


def measure_large() -> dict[str, Any]:
    """Time and weigh the bench on 100 members, 50,000 rows, 10 classes, without greedy and proper-score fits."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "preds"
        n_bytes = write_large(home)
        done = subprocess.run([sys.executable, "-c", CHILD, str(home)], check=True, stdout=subprocess.PIPE, text=True)
    child = json.loads(done.stdout)
    return {
        "shape": LARGE,
        "array_bytes": n_bytes,
        "seconds": child["seconds"],
        "wanted_seconds_at_most": 60.0,
        "seconds_loading": child["loading"],
        "seconds_by_rule": child["by_rule"],
        "peak_over_arrays": (child["peak_kib"] - child["imports_kib"]) * 1024 / n_bytes,
        "wanted_peak_at_most": 3.0,
    }


AUTOGLUON = """
import json, sys, time, warnings
import numpy as np
from autogluon.core import metrics
from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection
warnings.simplefilter("ignore")
data = np.load(sys.argv[1])
proba, labels = list(data["proba"]), data["labels"]
for line in sys.stdin:
    metric = {"accuracy": metrics.accuracy, "log-loss": metrics.log_loss}[line.strip()]
    start = time.perf_counter()
    rule = EnsembleSelection(ensemble_size=50, problem_type="multiclass", metric=metric,
                             random_state=np.random.RandomState(0))
    rule.fit(proba, labels)
    print(json.dumps({"seconds": time.perf_counter() - start, "error": float(rule.train_score_)}), flush=True)
"""


def measure_greedy(autogluon_python: str) -> dict[str, Any]:
    """Compare greedy selection with AutoGluon's, taking turns: 20 members, 3,589 rows, 7 classes, 50 steps."""
    from ensembler import GreedySelection

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 3589)
    skills = np.linspace(0.8, 1.8, 20)[:, None, None]
    logits = skills * np.eye(7)[labels] * 1.5 + 0.7 * rng.normal(size=(3589, 7)) + rng.normal(size=(20, 3589, 7))
    proba = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, proba=proba, labels=labels)
        with subprocess.Popen(
            [autogluon_python, "-c", AUTOGLUON, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as theirs:
            assert theirs.stdin is not None
            assert theirs.stdout is not None
            result: dict[str, Any] = {"shape": [20, 3589, 7], "n_steps": 50, "wanted_ratio_at_least": 20.0}
            for metric in ("accuracy", "log-loss"):
                ours, other, reached = [], [], {}
                for _ in range(6):
                    start = time.perf_counter()
                    rule = GreedySelection(metric, n_steps=50).fit(proba, labels)
                    ours.append(time.perf_counter() - start)
                    theirs.stdin.write(metric + "\n")
                    theirs.stdin.flush()
                    answer = json.loads(theirs.stdout.readline())
                    other.append(answer["seconds"])
                    best = np.nanmax(rule.path_[0]) if metric == "accuracy" else np.nanmin(rule.path_[0])
                    # AutoGluon rounds to six decimals and breaks ties at random, so paths may part; outcomes hardly do.
                    reached = {
                        "ensembler": float(best),
                        "autogluon": 1 - answer["error"] if metric == "accuracy" else answer["error"],
                    }
                pairs = [b / a for a, b in zip(ours[1:], other[1:], strict=True)]
                result[metric] = {
                    "ensembler_seconds": statistics.median(ours[1:]),
                    "autogluon_seconds": statistics.median(other[1:]),
                    "ratio": statistics.median(pairs),
                    "reached": reached,
                }
    return result


def measure_resampling() -> dict[str, Any]:
    """Time 2,000 bootstrap samples of twenty rules on 3,589 rows by six metrics, after imports."""
    from ensembler import load_predictions
    from ensembler.metrics import METRICS
    from ensembler.metrics.resampling import resampled_metrics
    from ensembler.predictions import bundled

    data = load_predictions(bundled.folder())
    rng = np.random.default_rng(0)
    rules = [data.proba[rng.integers(0, data.n_members, 3)].mean(axis=0) for _ in range(20)]
    names = ("accuracy", "balanced-accuracy", "macro-f1", "brier", "log-loss", "ece")
    metrics = [METRICS[name] for name in names]
    times = []
    for _ in range(6):
        start = time.perf_counter()
        resampled_metrics(metrics, data.true_labels, rules, n_resamples=2000)
        times.append(time.perf_counter() - start)
    return {
        "rules": len(rules),
        "rows": data.n_samples,
        "resamples": 2000,
        "metrics": list(names),
        "seconds": statistics.median(times[1:]),
        "wanted_seconds_at_most": 1.5,
    }


def main() -> None:
    """Measure what was asked for and write it down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    measures = {
        "help": measure_help,
        "bundled": measure_bundled,
        "stacking": measure_stacking,
        "roc-auc": measure_roc_auc,
        "report": measure_report,
        "large": measure_large,
        "resampling": measure_resampling,
    }
    every = (*measures, "greedy")
    parser.add_argument("--only", nargs="+", choices=every, default=every)
    parser.add_argument(
        "--autogluon-python", help="a Python that has autogluon.core, for the comparison of greedy selection"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    results = json.loads(options.out.read_text()) if options.out.exists() else {}
    results["machine"] = describe()
    # Both sides of --help start from bytecode, whether this environment writes it or not.
    compileall.compile_dir(Path(ensembler.__file__).parent, quiet=1)
    for name, measure in measures.items():
        if name in options.only:
            results[name] = measure()
    if "greedy" in options.only:
        if options.autogluon_python is None:
            print("greedy selection is not compared: pass --autogluon-python", file=sys.stderr)
        else:
            results["greedy"] = measure_greedy(options.autogluon_python)
    for name in options.only:
        if name in results:
            results[name]["processor"] = results["machine"]["processor"]
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
