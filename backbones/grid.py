"""The study's grid: learning rate, weight decay and dropout, each at base/10, base and base × 10.

Every point of the grid is a training run in a folder of its own. The grid is an optuna study in a file beside them,
which several processes, or machines with a common disk, may work on at once; what a stopped one leaves is taken up.
"""

import fcntl
import itertools
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.configuration import OF_THE_DATA, RunConfig
from backbones.errors import ConfigurationError, RunBusyError, RunError
from backbones.faces import Faces
from backbones.names import printable
from backbones.reading import reading
from backbones.runs import Run
from backbones.training import train
from backbones.writing import lock_file, make_folder, require_writable, writable, write_text

if TYPE_CHECKING:
    import optuna

STEPS = (0.1, 1.0, 10.0)
NAMES = ("learning_rate", "weight_decay", "dropout")
MOST_DROPOUT = 0.9
JOURNAL = "grid.journal"
ANEW = "move it away to start the grid anew"


@dataclass(frozen=True)
class Point:
    """One configuration of the grid and what it reached, if it has."""

    learning_rate: float
    weight_decay: float
    dropout: float
    val_accuracy: float | None
    state: str


def axes(base: RunConfig) -> dict[str, list[float]]:
    """Return the values of each parameter; a dropout that would be 1 or more is 0.9, one of 0 stays alone."""
    values = {}
    for name in NAMES:
        centre = getattr(base, name)
        points = [float(f"{centre * step:.12g}") for step in STEPS]
        if name == "dropout":
            points = [min(point, MOST_DROPOUT) for point in points]
        values[name] = sorted(set(points))
    return values


def search(
    folder: Path,
    base: RunConfig,
    faces: Faces,
    *,
    threads: int | None = None,
    accelerator: str = "auto",
    most_points: int | None = None,
    report: Callable[[str], object] = lambda text: sys.stderr.write(printable(text) + "\n"),
) -> list[Point]:
    """Train the points of the grid that nobody has trained, and return all with what they reached.

    Parameters
    ----------
    folder : path
        Of the grid; one run a point below it.
    base : RunConfig
        The middle of the grid.
    faces : Faces
    threads : int, optional
        Of PyTorch on the CPU.
    accelerator : str
        Lightning's; one device is used.
    most_points : int, optional
        Train no more than so many now.
    report : callable
        Gets a line before each point.
    """
    import optuna

    if most_points is not None and most_points < 1:
        raise ConfigurationError(f"points is {most_points}, expected at least 1")
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it would print a traceback for each point that fails
    require_writable(folder)
    make_folder(folder)
    sampler = optuna.samplers.GridSampler(axes(base), seed=base.seed)
    values = axes(base)
    trained = 0

    def reach(chosen: dict[str, float]) -> float:
        nonlocal trained
        trained += 1
        run = Run(folder / point_name(chosen))
        report(f"grid point {run.name}")
        config = RunConfig.from_dict({**base.to_dict(), **chosen})
        train(run, config, faces, threads=threads, accelerator=accelerator, devices=1)
        return float(run.result()["val"]["accuracy"])

    def objective(trial: optuna.Trial) -> float:
        chosen = {name: trial.suggest_categorical(name, points) for name, points in values.items()}
        try:
            return reach(chosen)
        except RunBusyError:
            raise
        except RunError as error:
            report(str(error))
            trial.set_user_attr("error", str(error))
            raise

    with at_work(folder) as lock:
        alone = is_alone(lock)
        if alone:
            cut_torn_line(folder / JOURNAL)
        study = open_study(folder, base, sampler)
        if alone:
            fail_abandoned(study, folder)
        left = len(waiting(study, values))
        # A sampler that has proposed all points would propose any of them again.
        if left and not sampler.is_exhausted(study):
            study.optimize(objective, n_trials=min(left, most_points or left), catch=(RunError,))
        if is_alone(lock):
            fail_abandoned(study, folder)
        # What a stopped process had begun counts as tried for the sampler; its runs go on here.
        for chosen in waiting(study, values):
            if most_points is not None and trained >= most_points:
                break
            distributions: dict[str, optuna.distributions.BaseDistribution] = {
                name: optuna.distributions.CategoricalDistribution(points) for name, points in values.items()
            }
            outcome: dict[str, Any] = {}
            try:
                outcome["value"] = reach(chosen)
            except RunBusyError:
                continue
            except RunError as error:
                report(str(error))
                outcome = {"state": optuna.trial.TrialState.FAIL, "user_attrs": {"error": str(error)}}
            study.add_trial(optuna.create_trial(params=chosen, distributions=distributions, **outcome))
    results = points_of(study, values)
    write_results(folder, base, results)
    return results


@contextmanager
def at_work(folder: Path) -> Iterator[int]:
    """Let other processes see, as long as this one works on the grid, that somebody does."""
    with lock_file(folder / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield lock


def is_alone(lock: int) -> bool:
    """Whether no other process works on the grid, so that whatever is said to be running has been abandoned."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        fcntl.flock(lock, fcntl.LOCK_SH)
    return True


def cut_torn_line(journal: Path) -> None:
    """Remove the last line of a journal where a process was killed while it wrote it, before others follow it."""
    if not journal.is_file():
        return
    with writable(journal):
        content = journal.read_bytes()
        whole = content.rfind(b"\n") + 1
        torn = content[whole:]
        if torn and not torn.startswith(b"{"):
            raise RunError(f"{journal}: is not the journal of a grid; {ANEW}")
        if torn:
            os.truncate(journal, whole)


def open_study(folder: Path, base: RunConfig, sampler: "optuna.samplers.GridSampler") -> "optuna.Study":
    """Open the folder's study, refusing one around another configuration."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    journal = folder / JOURNAL
    if journal.is_symlink():
        raise RunError(f"{journal}: is a link, which is not followed; delete it")
    with reading(journal, "is not the journal of a grid", fix=ANEW):
        if journal.exists():
            # Optuna passes over a last line that is damaged, and fails when another one follows it.
            for line in journal.read_bytes().splitlines(keepends=True):
                # Another process may be writing the last one.
                if line.endswith(b"\n"):
                    json.loads(line)
        study = optuna.create_study(
            storage=optuna.storages.JournalStorage(JournalFileBackend(str(journal))),
            study_name="grid",
            direction="maximize",
            load_if_exists=True,
            sampler=sampler,
        )
        # What the trials are is read as well, so that a damaged one is not met an hour later.
        points_of(study, axes(base))
    there, wanted = study.user_attrs.get("base"), base.to_dict()
    if there is None:
        study.set_user_attr("base", wanted)
    elif not isinstance(there, dict) or set(there) - set(wanted):
        raise RunError(f"{journal}: is not the journal of a grid of this version; {ANEW}")
    elif there != wanted:
        name = next(name for name in wanted if there.get(name) != wanted[name])
        raise ConfigurationError(
            f"{folder}: holds a grid around {name}={there.get(name)!r}, asked for {wanted[name]!r}; use another folder"
        )
    return study


def fail_abandoned(study: "optuna.Study", folder: Path) -> None:
    """Mark what is said to be running and is not: nobody holds the lock of its run."""
    import optuna

    # Marked through another sampler, since the grid's wants to stop a loop that is not running yet.
    neutral = optuna.load_study(study_name="grid", storage=study._storage, sampler=optuna.samplers.RandomSampler())
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        run = Run(folder / point_name(trial.params)) if set(trial.params) == set(NAMES) else None
        if run is None or not run.is_locked():
            neutral.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def points_of(study: "optuna.Study", values: dict[str, list[float]]) -> list[Point]:
    """Return every point of the grid with what is known of it, best first."""
    from optuna.trial import TrialState

    points: dict[tuple[float, float, float], Point] = {}
    for trial in study.get_trials(deepcopy=False):
        rate, decay, dropout = (float(trial.params.get(name, math.nan)) for name in NAMES)
        key = rate, decay, dropout
        if trial.state == TrialState.COMPLETE:
            points[key] = Point(rate, decay, dropout, trial.value, "trained")
        elif trial.state == TrialState.RUNNING:
            points.setdefault(key, Point(rate, decay, dropout, None, "running"))
        elif "error" in trial.user_attrs:
            points.setdefault(key, Point(rate, decay, dropout, None, trial.user_attrs["error"]))
    every = [
        points.get((rate, decay, dropout), Point(rate, decay, dropout, None, "waiting"))
        for rate, decay, dropout in itertools.product(*(values[name] for name in NAMES))
    ]
    return sorted(every, key=lambda point: -(point.val_accuracy or 0.0))


def waiting(study: "optuna.Study", values: dict[str, list[float]]) -> list[dict[str, float]]:
    """Return the points that nobody has trained or is training."""
    every = points_of(study, values)
    return [{name: getattr(point, name) for name in NAMES} for point in every if point.state == "waiting"]


def point_name(chosen: dict[str, float]) -> str:
    """Return the name of a point's run."""
    return "-".join(f"{short}{chosen[name]:g}" for short, name in zip(("lr", "wd", "drop"), NAMES, strict=True))


def write_results(folder: Path, base: RunConfig, results: list[Point]) -> None:
    """Write the table of results, and the best configuration as one member of a recipe."""
    lines = [",".join((*NAMES, "val_accuracy", "state"))]
    for point in results:
        accuracy = "" if point.val_accuracy is None else f"{point.val_accuracy:.6f}"
        state = point.state.replace('"', "'")
        numbers = ",".join(f"{getattr(point, name):g}" for name in NAMES)
        lines.append(f'{numbers},{accuracy},"{state}"')
    write_text(folder / "results.csv", "\n".join(lines) + "\n")
    if results[0].val_accuracy is not None:
        best = {name: getattr(results[0], name) for name in NAMES}
        options = {"name": f"{base.architecture}-best"} | base.to_dict() | best
        given = {name: value for name, value in options.items() if name not in OF_THE_DATA and value is not None}
        member = "[[member]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in given.items())
        write_text(folder / "best.toml", member)
