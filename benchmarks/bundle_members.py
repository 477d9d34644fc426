"""Copy finished members of a recipe into the package: arrays, metadata and, for the study, learning curves.

    python benchmarks/bundle_members.py --preds preds --runs runs
    python benchmarks/bundle_members.py --preds pool-preds --runs runs --set pool

Arrays of the study are float32, those of the pool float16; labels are one byte each. Members of the same name are
replaced, others stay.
"""

import argparse
import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from backbones.runs import Run
from ensembler.predictions.files import write_array, write_text

DATASETS = Path(__file__).parent.parent / "ensembler" / "predictions" / "bundled"
PRECISIONS = {"study": np.float32, "pool": np.float16}
DUPLICATES = "exact-duplicates.json"


def copy_arrays(preds: Path, target: Path, names: list[str], precision: type[np.floating[Any]]) -> None:
    """Copy labels and members of both splits."""
    for part in ("", "val"):
        labels = np.load(preds / part / "labels.npy")
        write_array(target / part / "labels.npy", labels.astype(np.uint8))
        for name in names:
            write_array(target / part / f"{name}.npy", np.load(preds / part / f"{name}.npy").astype(precision))


def format_curve(run: Run) -> str:
    """Return a run's log as csv with six digits."""
    rows = [{key: f"{value:.6g}" for key, value in row.items()} for row in run.read_log()]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def main() -> None:
    """Copy what is finished."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preds", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--set", choices=list(PRECISIONS), default="study")
    options = parser.parse_args()
    target = DATASETS / options.set
    document = json.loads((options.preds / "members.json").read_text(encoding="utf-8"))
    names = list(document["members"])
    copy_arrays(options.preds, target, names, PRECISIONS[options.set])
    for name, member in document["members"].items():
        run = Run(options.runs / name)
        member["accuracy_without_exact_duplicates"] = run.result()["test"]["accuracy_without_exact_duplicates"]
        if options.set == "study":
            write_text(target / "curves" / f"{name}.csv", format_curve(run))
    path = target / "members.json"
    there = json.loads(path.read_text(encoding="utf-8"))["members"] if path.exists() else {}
    document["members"] = dict(sorted((there | document["members"]).items()))
    write_text(path, json.dumps(document, indent=2) + "\n")
    write_text(target / DUPLICATES, (options.preds / DUPLICATES).read_text(encoding="utf-8"))
    print(f"{', '.join(names)}: now in {target}")


if __name__ == "__main__":
    main()
