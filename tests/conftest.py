"""Data that many tests share."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ensembler import Predictions, load_predictions
from ensembler.cli import main
from ensembler.predictions.bundled import published_folder


def draw(seed=0, n_members=5, n_samples=120, n_classes=4, skill=1.5):
    """Draw members of unequal skill whose errors are correlated."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_samples)
    shared = rng.normal(size=(n_samples, n_classes))
    skills = np.linspace(0.4, skill, n_members)[:, None, None]
    own = rng.normal(size=(n_members, n_samples, n_classes))
    logits = skills * np.eye(n_classes)[labels] * 2 + 0.7 * shared + own
    proba = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return proba / proba.sum(axis=-1, keepdims=True), labels


@pytest.fixture(scope="session")
def fer() -> Predictions:
    """The published networks' predictions on FER2013, which are bundled."""
    return load_predictions(published_folder())


@pytest.fixture
def write_set(tmp_path: Path) -> Callable[..., Path]:
    """Write a drawn prediction set, with a validation split unless told otherwise."""

    def write(name="preds", *, val=True, seed=0, dtype=np.float32, hard=False, **sizes) -> Path:
        home = tmp_path / name
        for part, offset in (("", 0), ("val", 1)) if val else (("", 0),):
            proba, labels = draw(seed + offset, **sizes)
            (home / part).mkdir(parents=True, exist_ok=True)
            np.save(home / part / "labels.npy", labels)
            for index, member in enumerate(proba):
                np.save(home / part / f"m{index}.npy", member.argmax(-1) if hard else member.astype(dtype))
        return home

    return write


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process; return its exit code and what it printed."""

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["ensembler", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return SimpleNamespace(code=code, out=printed.out, err=printed.err)

    return call
