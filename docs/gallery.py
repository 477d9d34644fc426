"""Make the gallery: a page of `ensembler report` for each of several real analyses, its picture, and what is quoted.

    python docs/gallery.py                  the four that everyone can make, from bundled data
    python docs/gallery.py --sets DIR       also those whose folders are in DIR: cifar10.1 and magic-0
    python docs/gallery.py --only binary    one of them

Pages are written to docs/_static/generated/gallery, where the build of the documentation makes them too; pictures to
docs/_static/gallery; the verdicts on docs/gallery.md are replaced.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

DOCS = Path(__file__).parent
PAGE = DOCS / "gallery.md"
PAGES, PICTURES = DOCS / "_static" / "generated" / "gallery", DOCS / "_static" / "gallery"
WIDTH, HEIGHT, COLOURS = 1180, 1350, 96
QUOTED_WIDTH = 97
RANDOM_STATE = 0


@dataclass(frozen=True)
class Analysis:
    """A prediction set, how it is called, and where it is from: a folder of others, or something that makes it."""

    name: str
    title: str
    folder: str | None = None
    write: Callable[[Path], None] | None = None


def write_study(home: Path) -> None:
    """Write the bundled set of the study's nine networks."""
    from ensembler.predictions.bundled import study_folder

    shutil.copytree(study_folder(), home, dirs_exist_ok=True)


def write_hard_labels(home: Path) -> None:
    """Write the nine published networks of FER2013 with their most probable classes only."""
    from ensembler.predictions.bundled import published_folder

    for path in published_folder().rglob("*.npy"):
        target = home / path.relative_to(published_folder())
        target.parent.mkdir(parents=True, exist_ok=True)
        values = np.load(path)
        np.save(target, values.argmax(axis=1) if values.ndim == 2 else values)


def write_binary(home: Path) -> None:
    """Write out-of-fold probabilities of six classifiers of tumours."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    rows, labels = load_breast_cancer(return_X_y=True)
    models = {
        "bayes": GaussianNB(),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(C=0.1)),
        "neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier(9)),
        "svm": make_pipeline(StandardScaler(), CalibratedClassifierCV(SVC(), ensemble=False)),
        "tree": DecisionTreeClassifier(max_depth=4, random_state=RANDOM_STATE),
        "trees": ExtraTreesClassifier(100, random_state=RANDOM_STATE),
    }
    folds = StratifiedKFold(5, shuffle=True, random_state=RANDOM_STATE)
    for name, model in models.items():
        np.save(home / f"{name}.npy", cross_val_predict(model, rows, labels, cv=folds, method="predict_proba"))
    np.save(home / "labels.npy", labels)


def write_many_classes(home: Path) -> None:
    """Write probabilities of five classifiers of pairs of handwritten digits: 25 classes, from 05 to 49."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier

    train, validation, test = (digit_pairs(part, n_rows) for part, n_rows in enumerate((500, 750, 1500)))
    models = {
        "bayes": GaussianNB(var_smoothing=0.01),
        "discriminant": LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3),
        "logistic": LogisticRegression(C=0.1),
        "neighbours": KNeighborsClassifier(5, weights="distance"),
        "trees": ExtraTreesClassifier(200, random_state=RANDOM_STATE),
    }
    fitted = {name: model.fit(*train) for name, model in models.items()}
    (home / "val").mkdir()
    for folder, (rows, labels) in ((home / "val", validation), (home, test)):
        np.save(folder / "labels.npy", labels)
        for name, model in fitted.items():
            np.save(folder / f"{name}.npy", model.predict_proba(rows).astype(np.float32))


def digit_pairs(part: int, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of digits, 0 to 4 on the left and 5 to 9 on the right, drawn from a third of the images."""
    from sklearn.datasets import load_digits

    images, digits = load_digits(return_X_y=True)
    rng = np.random.default_rng(RANDOM_STATE + part)
    own = np.arange(len(digits)) % 3 == part
    left, right = (rng.choice(np.flatnonzero(own & side), n_rows) for side in (digits < 5, digits >= 5))
    return np.hstack([images[left], images[right]]) / 16, digits[left] * 5 + digits[right] - 5


ANALYSES = (
    Analysis("fer2013", "Facial expressions: nine networks on FER2013", write=write_study),
    Analysis("cifar10.1", "A shift: thirty classifiers on CIFAR-10.1", folder="cifar10.1"),
    Analysis("tabular", "A table: sixteen models of telescope images", folder="magic-0"),
    Analysis("hard-labels", "Hard labels: nine networks that only vote", write=write_hard_labels),
    Analysis("binary", "Two classes: tumours, out of fold", write=write_binary),
    Analysis("many-classes", "Twenty-five classes: pairs of digits", write=write_many_classes),
)


def build_pages(newest: float) -> None:
    """Write the pages that everyone can make, where they are older than the code."""
    for analysis in ANALYSES:
        path = PAGES / f"{analysis.name}.html"
        if analysis.write is not None and not (path.exists() and path.stat().st_mtime > newest):
            with tempfile.TemporaryDirectory() as folder:
                write_page(analysis, prepared(analysis, Path(folder), ()), path)


def prepared(analysis: Analysis, home: Path, folders: Sequence[Path]) -> Path | None:
    """Return the folder of a set, made in an empty folder where it can be; None where it is not at hand."""
    if analysis.write is not None:
        analysis.write(home)
        return home
    return next((at / analysis.folder for at in folders if analysis.folder and (at / analysis.folder).is_dir()), None)


def write_page(analysis: Analysis, predictions: Path | None, path: Path) -> None:
    """Write the page of a set by the command that readers would use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    printed("report", str(predictions), "--title", analysis.title, "--out", str(path))


def printed(*command: str) -> str:
    """Return what a command prints, with paragraphs unwrapped."""
    program = [sys.executable, "-m", "ensembler", *command]
    environment = os.environ | {"COLUMNS": "100000"}
    return subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout


def photograph(path: Path, target: Path) -> None:
    """Photograph the top of a page, light, in few colours."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(path.absolute().as_uri())
        page.wait_for_timeout(2500)  # figures are drawn one after the other
        target.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=target)
        browser.close()
    Image.open(target).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)


def verdict(predictions: Path) -> str:
    """Return what `bench` says first of a set, with its reasons."""
    return printed("bench", str(predictions), "--full").partition("\n\n")[0].strip()


def quote(name: str, told: str) -> None:
    """Replace the verdict in a set's section of the page."""
    wrapped = textwrap.fill(told, QUOTED_WIDTH, break_on_hyphens=False)
    text, n_found = re.subn(
        rf"(?<=gallery/{re.escape(name)}\.png\n)(.*?^```text\n).*?(?=\n```$)",
        lambda match: match[1] + wrapped,
        PAGE.read_text(encoding="utf-8"),
        count=1,
        flags=re.DOTALL | re.MULTILINE,
    )
    assert n_found == 1, name
    PAGE.write_text(text, encoding="utf-8")


def main() -> None:
    """Make pages, pictures and quotations of all sets that are at hand."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sets", type=Path, nargs="*", default=[], help="folders that hold folders of predictions")
    parser.add_argument("--only", choices=[analysis.name for analysis in ANALYSES], help="one of the analyses")
    options, console = parser.parse_args(), Console()
    for analysis in ANALYSES:
        if options.only not in (None, analysis.name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            predictions = prepared(analysis, Path(folder), options.sets)
            if predictions is None:
                console.print(f"{analysis.name}: {analysis.folder} is in none of --sets, left as it is")
                continue
            page = PAGES / f"{analysis.name}.html"
            write_page(analysis, predictions, page)
            photograph(page, PICTURES / f"{analysis.name}.png")
            quote(analysis.name, verdict(predictions))
            console.print(f"{analysis.name}: {page}")


if __name__ == "__main__":
    main()
