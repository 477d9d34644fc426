"""Record what every command prints, to show that a change of structure changed no byte.

    python benchmarks/record_outputs.py before
    … change something …
    python benchmarks/record_outputs.py after
    diff -r before after

Each command runs as its users run it, in a process of its own, on both bundled sets and on variants made of them: hard
labels, row weights, groups. A file holds the exit code, standard output and standard error. The report page is recorded
without plotly.js.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
"""The checkout whose code is run."""
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "COLUMNS": "110", "OPENBLAS_NUM_THREADS": "1"}
SETS = ("study", "published")
COMMANDS = ("bench", "subsets", "report", "check", "compare", "diversity", "explain", "predict", "members", "list")
FEW = "--rule mean --rule median --rule greedy --rule exponential-weighted --rule weighted-vote --rule class-weighted"


def commands() -> dict[str, str]:
    """Return the arguments of every recorded command by the name of its recording."""
    found = {"help": "--help", "version": "--version", "list": "list", "list-json": "list --json"}
    found |= {f"help-{name}": f"{name} --help" for name in COMMANDS}
    for name in SETS:
        for fit_on in ("val", "cross", "part", "test"):
            found[f"{name}-bench-{fit_on}"] = f"bench {name} --fit-on {fit_on} {FEW} --json"
            found[f"{name}-subsets-{fit_on}"] = f"subsets {name} --fit-on {fit_on} --rule mean --rule product --json"
            found[f"{name}-beam-{fit_on}"] = f"subsets {name} --fit-on {fit_on} --search beam --width 4 --json"
        for step in ("members", "ensemble"):
            found[f"{name}-bench-calibrate-{step}"] = f"bench {name} {FEW} --calibrate {step} --json"
        found |= {
            f"{name}-bench-all": f"bench {name} --json",
            f"{name}-bench-text": f"bench {name} --letters",
            f"{name}-bench-markdown": f"bench {name} {FEW} --fit-on cross --markdown",
            f"{name}-bench-metrics": f"bench {name} {FEW} --metric log-loss --metric top-k-accuracy:k=3 --metric mcc",
            f"{name}-bench-balanced": f"bench {name} {FEW} --metric balanced-accuracy --json",
            f"{name}-bench-roc": f"bench {name} --rule mean --rule max --metric roc-auc --resamples 100 --json",
            f"{name}-bench-weights": f"bench {name} {FEW} --weights weights.npy --json",
            f"{name}-bench-groups": f"bench {name} {FEW} --groups groups.npy --fit-on cross",
            f"{name}-bench-hard": f"bench hard-{name} --json",
            f"{name}-bench-hard-text": f"bench hard-{name}",
            f"{name}-subsets-text": f"subsets {name} --rule mean --rule accuracy-weighted --rule borda",
            f"{name}-subsets-refit": f"subsets {name} --rule median --k 1-3",
            f"{name}-subsets-calibrate": f"subsets {name} --calibrate members --json",
            f"{name}-subsets-frozen": f"subsets {name} --rule exponential-weighted --freeze-weights --json",
            f"{name}-subsets-brier": f"subsets {name} --metric brier --k 2-4",
            f"{name}-subsets-log-loss": f"subsets {name} --metric log-loss --json",
            f"{name}-subsets-balanced": f"subsets {name} --metric balanced-accuracy --json",
            f"{name}-subsets-hard": f"subsets hard-{name} --rule majority-vote --json",
            f"{name}-subsets-groups": f"subsets {name} --groups groups.npy --json",
            f"{name}-greedy": f"subsets {name} --search greedy --calibrate members",
            f"{name}-explain": f"explain {name}",
            f"{name}-explain-json": f"explain {name} --rule greedy --fit-on cross --json",
            f"{name}-explain-row": f"explain {name} --row 0 --row 7 --calibrate ensemble",
            f"{name}-diversity": f"diversity {name} --pairs q",
            f"{name}-diversity-json": f"diversity {name} --json",
            f"{name}-diversity-hard": f"diversity hard-{name} --json",
            f"{name}-check": f"check {name}",
            f"{name}-check-json": f"check {name} --json",
            f"{name}-members": f"members {name}",
            f"{name}-members-json": f"members {name} --json",
            f"{name}-predict": f"predict {name} --rule greedy --save {name}.json --to {name}/val --out {name}.csv",
            f"{name}-report": f"report {name} --out {name}.html --figures {name}-figures",
            f"{name}-report-cross": f"report {name} --out {name}-cross.html --fit-on cross {FEW} --calibrate members",
            f"{name}-report-hard": f"report hard-{name} --out {name}-hard.html",
        }
    found["compare"] = "compare study/deep-a.npy study/deep-b.npy"
    found["compare-json"] = "compare study/deep-a.npy study/shallow-a.npy --json"
    found["default-bench"] = f"bench {FEW}"
    return found


def make_inputs(folder: Path) -> None:
    """Write both sets, and hard labels, weights and groups made of them."""
    for name in SETS:
        published = ["--published"] if name == "published" else []
        run = [sys.executable, "-m", "ensembler", "sample", name, *published]
        subprocess.run(
            run, cwd=folder, check=True, capture_output=True, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        )
        shutil.copytree(folder / name, folder / f"hard-{name}")
        for path in (folder / f"hard-{name}").rglob("*.npy"):
            if path.stem != "labels":
                np.save(path, np.load(path).argmax(axis=1))
        for part in (folder / name, folder / name / "val"):
            n_rows = len(np.load(part / "labels.npy"))
            rng = np.random.default_rng(n_rows)
            rows = folder if part.name != "val" else part
            np.save(rows / "weights.npy", rng.uniform(0.5, 2.0, n_rows).round(2))
            np.save(rows / "groups.npy", rng.integers(0, n_rows // 4, n_rows))


def record(name: str, words: str, folder: Path, out: Path) -> None:
    """Run one command and write what came of it."""
    done = subprocess.run(
        [sys.executable, "-m", "ensembler", *words.split()],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**ENVIRONMENT, "HOME": str(folder)},
    )  # fmt: skip
    text = f"exit {done.returncode}\n--- out\n{done.stdout}\n--- err\n{done.stderr}"
    for page in re.findall(r"--out (\S+\.html)", words):
        if (folder / page).exists():
            whole = (folder / page).read_text(encoding="utf-8")
            text += "\n--- page\n" + re.sub(r"<script>[^<]*plotly\.js .*?</script>", "", whole, flags=re.DOTALL)
    for other in re.findall(r"--(?:save|out) (\S+\.(?:json|csv))", words):
        text += f"\n--- {other}\n" + (folder / other).read_text(encoding="utf-8")
    (out / f"{name}.txt").write_text(text, encoding="utf-8")
    for figures in re.findall(r"--figures (\S+)", words):
        shutil.copytree(folder / figures, out / figures, dirs_exist_ok=True)


def main() -> None:
    """Record all commands, or those whose name has a word in it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="", help="a part of the recordings' names")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(options.jobs) as pool:
        folder = Path(name)
        make_inputs(folder)
        chosen = {key: words for key, words in commands().items() if options.only in key}
        for future in [pool.submit(record, key, words, folder, options.out) for key, words in chosen.items()]:
            future.result()
    print(f"{len(chosen)} recordings in {options.out}")


if __name__ == "__main__":
    main()
