"""Copy finished members of the recipe into the package: arrays, metadata and learning curves.

    python benchmarks/bundle_members.py --preds preds --runs runs

Arrays are float32, labels one byte each. Members of the same name are replaced, others stay.
"""

import argparse
import csv
import io
import json
from pathlib import Path

import numpy as np

from ensembler.predictions.files import write_array, write_text

TARGET = Path(__file__).parent.parent / "ensembler" / "predictions" / "bundled" / "study"


def main() -> None:
    """Copy what is finished."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preds", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    options = parser.parse_args()
    facts = json.loads((options.preds / "members.json").read_text(encoding="utf-8"))
    copied = list(facts["members"])
    for part in ("", "val"):
        labels = np.load(options.preds / part / "labels.npy")
        write_array(TARGET / part / "labels.npy", labels.astype(np.uint8))
        for name in facts["members"]:
            array = np.load(options.preds / part / f"{name}.npy")
            write_array(TARGET / part / f"{name}.npy", array.astype(np.float32))
    for name, member in facts["members"].items():
        run = options.runs / name
        result = json.loads((run / "result.json").read_text(encoding="utf-8"))
        member["accuracy_without_twins"] = result["test"]["accuracy_without_twins"]
        with (run / "log.csv").open(encoding="utf-8", newline="") as stream:
            rows = [{key: f"{float(value):.6g}" for key, value in row.items()} for row in csv.DictReader(stream)]
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(TARGET / "curves" / f"{name}.csv", text.getvalue())
    there = json.loads((TARGET / "members.json").read_text(encoding="utf-8"))["members"]
    facts["members"] = dict(sorted((there | facts["members"]).items()))
    write_text(TARGET / "members.json", json.dumps(facts, indent=2) + "\n")
    write_text(TARGET / "twins.json", (options.preds / "twins.json").read_text(encoding="utf-8"))
    print(f"{', '.join(copied)}: now in {TARGET}")


if __name__ == "__main__":
    main()
