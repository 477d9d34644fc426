"""Change valid files at random and read them: ``python -m tests.fuzz.campaign --seconds 60``.

A finding is anything but acceptance with what must hold, or an error that is meant for users. Findings are written into
a folder, each with its input, and the campaign ends with exit code 1.
"""

import argparse
import json
import random
import resource
import shutil
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from ensembler.errors import EnsemblerError
from tests.fuzz.targets import TARGETS, Target

MEMORY = 8 * 2**30
"""Address space that no input may need more of."""


def attempt(target: Target, content: bytes, folder: Path) -> str:
    """Return what became of one input: accepted, refused, or the traceback of a finding."""
    path = folder / target.file
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(path)
    except EnsemblerError as error:
        message = str(error)
        return "refused" if message else "an error without a sentence"
    except Exception:  # noqa: BLE001  what is looked for
        return traceback.format_exc()
    return "accepted"


def run(
    names: list[str],
    *,
    seed: int,
    seconds: float | None = None,
    inputs: int | None = None,
    findings: Path | None = None,
):
    """Try inputs for each target in turn, for some seconds or so many of each; return the counts by target."""
    counts = {name: {"accepted": 0, "refused": 0, "findings": 0} for name in names}
    seeds = {name: TARGETS[name].seeds() for name in names}
    rng = random.Random(seed)  # noqa: S311  of nothing secret
    end = None if seconds is None else time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as work:
        places = {name: Path(work) / name for name in names}
        for name, place in places.items():
            place.mkdir()
            for content in seeds[name]:
                outcome = attempt(TARGETS[name], content, place)
                assert outcome == "accepted", f"{name}: a valid file is not accepted: {outcome}"
        n_done = 0
        while (end is None or time.monotonic() < end) and (inputs is None or n_done < inputs):
            n_done += 1
            for name in names:
                content = TARGETS[name].mutate(rng.choice(seeds[name]), rng)
                outcome = attempt(TARGETS[name], content, places[name])
                counts[name][outcome if outcome in ("accepted", "refused") else "findings"] += 1
                if outcome not in ("accepted", "refused") and findings is not None:
                    keep(findings, name, TARGETS[name], content, outcome)
    return counts


def keep(folder: Path, name: str, target: Target, content: bytes, outcome: str) -> None:
    """Write a finding, one of each kind: the input, and what happened."""
    kind = outcome.strip().splitlines()[-1][:60]
    place = folder / name / "".join(c if c.isalnum() else "-" for c in kind)
    if place.exists():
        return
    place.mkdir(parents=True)
    (place / target.file).write_bytes(content)
    (place / "traceback.txt").write_text(outcome)


def main() -> int:
    """Run a campaign and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--out", type=Path, help="also write the counts as JSON")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    shutil.rmtree(given.findings, ignore_errors=True)
    counts = run(given.only, seed=given.seed, seconds=given.seconds, findings=given.findings)
    for name, row in counts.items():
        print(f"{name:12s} {row['accepted']:8,} accepted {row['refused']:8,} refused {row['findings']:6,} findings")
    total = {key: sum(row[key] for row in counts.values()) for key in ("accepted", "refused", "findings")}
    print(f"{'all':12s} {total['accepted']:8,} accepted {total['refused']:8,} refused {total['findings']:6,} findings")
    if given.out is not None:
        given.out.write_text(
            json.dumps({"seed": given.seed, "seconds": given.seconds, "targets": counts}, indent=1) + "\n"
        )
    return 1 if total["findings"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
