"""What sizes were tried, with the time and memory of each: writes ``results/limits.json`` and a table in the docs.

Each shape is drawn into a folder, and one command runs on it in a process of its own. Times are the processor's, peaks
the largest resident memory of that process; both are given beside the size of the arrays.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

RESULTS = Path(__file__).parent / "results" / "limits.json"
PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "limits.md"
BLOCK_VALUES = 1 << 24


@dataclass(frozen=True)
class Shape:
    """A prediction set, and the command that is run on it; the time and peak aimed at, where there are some.

    Members are correct in 65 to 91 of a hundred rows or, ``weak``, in a few of them.
    """

    name: str
    n_members: int
    n_rows: int
    n_classes: int
    command: tuple[str, ...]
    dtype: str = "float32"
    seconds: float | None = None
    gigabytes: float | None = None
    weak: bool = False

    def lead(self, member: int) -> float:
        """Return by how much the true class's logit is ahead on average; the largest of C others is sqrt(2 ln C)."""
        share = member / self.n_members
        return 1 + share if self.weak else (1 + share / 4) * math.sqrt(2 * math.log(self.n_classes))

    @property
    def array_bytes(self) -> int:
        """Bytes of the probabilities."""
        return self.n_members * self.n_rows * self.n_classes * np.dtype(self.dtype).itemsize


def bench(*rules: str) -> tuple[str, ...]:
    """Return ``bench`` with some rules."""
    return ("bench", *(part for rule in rules for part in ("--rule", rule)))


SHAPES = (
    Shape("one-member", 1, 2_000, 7, bench()),
    Shape("one-row", 3, 1, 3, bench()),
    Shape("62-members", 62, 500, 7, ("subsets", "--k", "1-2")),
    Shape("63-members", 63, 500, 7, ("subsets", "--search", "greedy")),
    Shape("10,000-classes", 3, 500, 10_000, bench("mean", "median", "accuracy-weighted")),
    Shape("5,000,000-rows-subsets", 3, 5_000_000, 2, ("subsets",), seconds=20),
    Shape("5,000,000-rows-bench", 3, 5_000_000, 2, bench("mean", "majority-vote"), seconds=15),
    Shape(
        "1,000-classes-bench", 8, 20_000, 1_000, bench("mean", "accuracy-weighted", "greedy"), seconds=20, gigabytes=1.6
    ),
    Shape("1,000-classes-weak", 8, 20_000, 1_000, bench("mean", "accuracy-weighted", "greedy"), weak=True),
    Shape("1,000-classes-subsets", 8, 20_000, 1_000, ("subsets",), seconds=40),
    Shape("half-precision", 8, 50_000, 1_000, bench("mean", "median"), "float16", gigabytes=2.1),
    Shape("13-members-all-rules", 13, 50_000, 10, bench(), seconds=60),
    Shape("500-members", 500, 1_000, 7, bench("mean", "median", "accuracy-weighted", "greedy")),
    Shape("300-members-all-rules", 300, 3_000, 7, bench(), seconds=40),
    Shape("300-members-report", 300, 3_000, 7, ("report",), seconds=60),
    Shape("20-members-1,000-classes", 20, 50_000, 1_000, bench(), seconds=600, gigabytes=24),
)


def draw(shape: Shape, folder: Path) -> None:
    """Write members of unequal skill, a block of rows at a time."""
    rng = np.random.default_rng(0)
    labels = np.resize(rng.permutation(shape.n_classes), shape.n_rows)
    np.save(folder / "labels.npy", labels)
    size = max(1, BLOCK_VALUES // shape.n_classes)
    for member in range(shape.n_members):
        out = np.lib.format.open_memmap(
            folder / f"m{member:03}.npy", "w+", dtype=shape.dtype, shape=(shape.n_rows, shape.n_classes)
        )
        for start in range(0, shape.n_rows, size):
            own = labels[start : start + size]
            logits = rng.normal(size=(len(own), shape.n_classes)).astype(np.float32)
            logits[np.arange(len(own)), own] += shape.lead(member)
            np.exp(logits, out=logits)
            out[start : start + size] = logits / logits.sum(axis=1, keepdims=True)
        out.flush()


def measure(shape: Shape, limit: float) -> dict[str, Any]:
    """Run the command on the shape; a run that takes longer than the limit of wall time is ended and said so."""
    with tempfile.TemporaryDirectory() as home:
        draw(shape, Path(home))
        result = ["--out", str(Path(home, "page.html"))] if shape.command == ("report",) else ["--json"]
        command = [sys.executable, "-m", "ensembler", shape.command[0], home, *shape.command[1:], *result]
        started, before = time.perf_counter(), os.times()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            timer = time.monotonic() + limit
            peak = 0
            while process.poll() is None and time.monotonic() < timer:
                peak = max(peak, resident(process.pid))
                time.sleep(0.05)
            finished = process.poll() is not None
            if not finished:
                process.kill()
            errors = process.stderr.read() if process.stderr is not None else ""
        after = os.times()
    last = errors.strip().splitlines()[-1:] if process.returncode and finished else []
    return {
        **asdict(shape),
        "array_bytes": shape.array_bytes,
        "finished": finished,
        "exit_code": process.returncode if finished else None,
        "message": last[0].replace(home, "preds") if last else None,
        "cpu_seconds": after.children_user + after.children_system - before.children_user - before.children_system,
        "wall_seconds": time.perf_counter() - started,
        "peak_bytes": peak,
    }


def resident(pid: int) -> int:
    """Return the peak resident memory of a running process, in bytes; 0 where it cannot be read."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def table(results: dict[str, Any]) -> str:
    """Return the page that shows what was measured."""
    lines = [
        "# Limits",
        "",
        "What was tried, by `python benchmarks/limits.py` (made-up members, correct in 65 to 91 of a hundred",
        "rows or, where they are weak, in a few of them; one command in a process of its own). Seconds are the",
        "processor's and, after a stroke, those that passed; a busy machine makes both longer. Peak is the largest",
        "resident memory, of which the program itself has 0.2 GB.",
        "",
        f"Measured on {results['machine']['processor']}, {results['machine']['cores']} cores.",
        "",
        "| set | command | arrays, GB | seconds, CPU / wall | peak, GB |",
        "|---|---|---:|---:|---:|",
    ]
    for entry in results["shapes"].values():
        size = f"{entry['n_members']:,} × {entry['n_rows']:,} × {entry['n_classes']:,} {entry['dtype']}"
        size += ", weak" * entry["weak"]
        seconds = f"{entry['cpu_seconds']:.1f} / {entry['wall_seconds']:.1f}"
        if not entry["finished"]:
            seconds = f"ended at {seconds}"
        elif entry["exit_code"]:
            seconds += f" (exit {entry['exit_code']})"
        command = " ".join(entry["command"])
        lines.append(
            f"| {size} | `{command}` | {entry['array_bytes'] / 1e9:.2f} | {seconds} | {entry['peak_bytes'] / 1e9:.2f} |"
        )
    lines += [
        "",
        "Sweeps take up to 62 members; more are searched (`--search greedy`). Of more than 131,072 rows the bootstrap",
        "draws units of rows, as [noise](noise.md) says.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure what was asked for, keep what was measured before, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="*", choices=[shape.name for shape in SHAPES])
    parser.add_argument("--limit", type=float, default=2400.0, help="wall seconds after which a run is ended")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    known = json.loads(options.out.read_text())["shapes"] if options.out.exists() else {}
    for shape in SHAPES:
        if options.only is None or shape.name in options.only:
            known[shape.name] = measure(shape, options.limit)
            print(json.dumps(known[shape.name]), flush=True)
        ordered = {each.name: known[each.name] for each in SHAPES if each.name in known}
        results = {"machine": describe(), "shapes": ordered}
        options.out.write_text(json.dumps(results, indent=2) + "\n")
        options.page.write_text(table(results))


if __name__ == "__main__":
    main()
