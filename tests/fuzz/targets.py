"""What is fuzzed: every reader with valid files to begin with, and what must hold of a file that it accepts."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ensembler import load_predictions
from ensembler.combiners.registry import make_rule
from ensembler.deployment.abstention import Abstention
from ensembler.deployment.cascades.cascade import Cascade
from ensembler.deployment.cascades.costs import Costs, SharedCost
from ensembler.deployment.prediction_sets import PredictionSets
from ensembler.deployment.recipe import Recipe
from ensembler.predictions.files import read_json
from ensembler.predictions.loading.intake.plan import ImportRequest
from ensembler.predictions.loading.intake.read import plan_import
from ensembler.predictions.loading.intake.save import make_sets
from ensembler.predictions.prediction_set import Predictions
from tests.conftest import draw
from tests.fuzz.mutate import mutate_bytes, mutate_json

PROBA, LABELS = draw(0, 3, 40, 3)
PROBA = PROBA.astype(np.float32)
IDS = [f"r{row:02}" for row in range(40)]


@dataclass(frozen=True)
class Target:
    """A reader: the name of its file, valid contents, how they are changed, and reading with what must hold."""

    file: str
    seeds: Callable[[], list[bytes]]
    read: Callable[[Path], None]
    mutate: Callable = mutate_bytes


def saved(function, *arguments, **options) -> bytes:
    stream = io.BytesIO()
    function(stream, *arguments, **options)
    return stream.getvalue()


def write_around(folder: Path) -> None:
    """Write the valid files that stand beside the one that is changed, where they are not there yet."""
    for index, member in enumerate(PROBA[1:], start=1):
        if not (folder / f"m{index}.npy").exists():
            np.save(folder / f"m{index}.npy", member)
    if not (folder / "labels.npy").exists():
        np.save(folder / "labels.npy", LABELS)


def check_set(data: Predictions) -> None:
    """Assert what holds of every prediction set."""
    assert np.isfinite(data.proba).all()
    assert (data.proba >= 0).all()
    whole = np.abs(data.proba.sum(axis=-1, dtype=float) - 1) < 5e-2
    assert (whole if data.missing is None else whole | data.missing).all()
    assert data.labels is None or ((data.labels >= 0).all() and (data.labels < data.n_classes).all())


def read_member(path: Path) -> None:
    """Load a set with one changed member; what is accepted is what NumPy or pandas reads."""
    write_around(path.parent)
    data = load_predictions(path.parent, columns=None)
    check_set(data)
    if "m0" not in data.names:
        return
    member = data.proba[data.names.index("m0")]
    if path.suffix == ".npy":
        array = np.load(path, allow_pickle=False)
        if array.ndim == 2 and array.shape[1] == 3 and array.dtype.kind == "f":
            np.testing.assert_allclose(member, array, rtol=1e-6)
    elif path.suffix == ".csv" and data.ids is not None:
        table = pd.read_csv(path, skipinitialspace=True, dtype={"id": str}, keep_default_na=False)
        if "id" in table and {"a", "b", "c"} <= set(table):
            rows = table.set_index("id").loc[data.ids.tolist(), ["a", "b", "c"]]
            np.testing.assert_allclose(member, rows.to_numpy(dtype=float), rtol=1e-6)


def read_labels(path: Path) -> None:
    """Load a set with changed labels."""
    if path.suffix == ".npy":
        write_around(path.parent)
    else:
        for index, member in enumerate(PROBA):
            if not (path.parent / f"m{index}.npy").exists():
                np.save(path.parent / f"m{index}.npy", member)
    check_set(load_predictions(path.parent))


def read_row_values(path: Path) -> None:
    """Load a set with changed row weights and groups."""
    write_around(path.parent)
    data = load_predictions(*sorted(path.parent.glob("m*.npy")), weights=path, groups=path)
    assert np.isfinite(data.sample_weight).all()
    assert (data.sample_weight >= 0).all()


def read_facts(path: Path) -> None:
    """Load a set with changed metadata, and write what it says."""
    write_around(path.parent)
    data = load_predictions(path.parent)
    json.dumps([dict(entry) for entry in data.metadata], allow_nan=False).encode("utf-8")
    assert data.class_names is None or len(data.class_names) == data.n_classes


def read_document(path: Path) -> None:
    """Read JSON strictly: what is accepted is what the standard library reads."""
    value = read_json(path)
    assert value == json.loads(path.read_bytes().decode("utf-8-sig"))
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")


RULES = {
    name: make_rule(name).fit(PROBA, LABELS)
    for name in ("accuracy-weighted", "greedy", "log-pool", "stacking", "class-weighted", "median")
}
DATA = Predictions(PROBA, LABELS)
ABSTENTION = Abstention("agreement", 0.6, 0.2, 0.05, 40)
SETS = PredictionSets("raps", 0.1, (0.9, float("inf"), 0.7), True, True, 3, 0.01, 1, 40)


def recipes() -> list[bytes]:
    """Return the files of some saved rules."""
    import tempfile

    found = []
    with tempfile.TemporaryDirectory() as folder:
        for rule in RULES.values():
            path = Path(folder) / "r.json"
            Recipe.of(rule, DATA).save(path)
            found.append(path.read_bytes())
            Recipe.of(rule, DATA, ABSTENTION, SETS).save(path)
            found.append(path.read_bytes())
    return found


def read_recipe(path: Path) -> None:
    """Restore a rule: it predicts probabilities, answers and sets."""
    recipe = Recipe.load(path)
    if (recipe.n_members, recipe.n_classes) == (3, 3):
        found = recipe.predict(PROBA)
        proba = found.proba
        assert set(found.labels.tolist()) <= {-1, 0, 1, 2}
        assert found.sets is None or found.sets.shape == proba.shape
        assert np.isfinite(proba).all()
        assert (np.abs(proba.sum(axis=1) - 1) < 1e-6).all()


def cascades() -> list[bytes]:
    """Return the files of some saved cascades."""
    import tempfile

    found = []
    with tempfile.TemporaryDirectory() as folder:
        for rule, options in (("mean", {}), ("log-pool", {"stages": 3}), ("mean", {"alpha": 0.3})):
            path = Path(folder) / "c.json"
            costs = Costs((1.0, 2.0, 3.0), "ms", (SharedCost((0, 1), 1.5),))
            Cascade.fit(DATA, rule, costs=costs, **options).save(path)
            found.append(path.read_bytes())
    return found


def read_cascade(path: Path) -> None:
    """Restore a cascade: it sends rows through, and they cost what they can cost."""
    cascade = Cascade.load(path)
    if (cascade.n_members, cascade.n_classes) == (3, 3):
        run = cascade.run(PROBA)
        assert np.isfinite(run.proba).all()
        assert (np.abs(run.proba.sum(axis=1) - 1) < 1e-6).all()
        assert 0 <= run.cost_share <= 1 + 1e-9


def read_costs(path: Path) -> None:
    """Read a file of costs: committees cost finite amounts, all members the most."""
    costs = Costs.of_file(path, ["m0", "m1", "m2"])
    prices = costs.of(np.array([[True, False, False], [True, True, False], [True, True, True]]))
    assert np.isfinite(prices).all()
    assert (np.diff(prices) >= 0).all()
    assert costs.full > 0


def read_intake(path: Path) -> None:
    """Import a file."""
    scored, _ = make_sets(plan_import([path], ImportRequest()))
    check_set(scored)


def table(n_ids=True) -> pd.DataFrame:
    frame = pd.DataFrame(PROBA[0].astype(float).round(5), columns=["a", "b", "c"])
    return frame.assign(id=IDS) if n_ids else frame


def harness_lines() -> bytes:
    lines = []
    for row, label in enumerate(LABELS[:12]):
        answers = [[str(value), "False"] for value in np.log(PROBA[0, row])]
        lines.append(json.dumps({"doc_id": row, "doc": {}, "target": str(label), "filtered_resps": answers}))
    return "\n".join(lines).encode()


def inspect_log() -> bytes:
    samples = [
        {"id": row, "epoch": 1, "target": "ABC"[label], "scores": {"choice": {"answer": "ABC"[row % 3]}}}
        for row, label in enumerate(LABELS[:12])
    ]
    return json.dumps({"eval": {"model": "m"}, "samples": samples}).encode()


def zipped(**options) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        archive.writestr("m0.npy", saved(np.save, PROBA[0]))
        archive.writestr("labels.npy", saved(np.save, LABELS))
    return stream.getvalue()


TARGETS = {
    "npy": Target(
        "m0.npy",
        lambda: [
            saved(np.save, PROBA[0]),
            saved(np.save, PROBA[0].astype(np.float16)),
            saved(np.save, LABELS),
        ],
        read_member,
    ),
    "npz": Target("x.npz", lambda: [saved(np.savez, m0=PROBA[0], labels=LABELS), zipped(compression=8)], read_intake),
    "npz-set": Target("m0.npz", lambda: [saved(np.savez_compressed, proba=PROBA[0])], read_member),
    "csv": Target(
        "m0.csv",
        lambda: [
            table().to_csv(index=False).encode(),
            table(False).to_csv().encode(),
            table().to_csv(index=False, sep=";", decimal=",").encode(),
        ],
        read_member,
    ),
    "parquet": Target("m0.parquet", lambda: [table().to_parquet(), table().set_index("id").to_parquet()], read_member),
    "labels": Target("labels.npy", lambda: [saved(np.save, LABELS), saved(np.save, np.eye(3)[LABELS])], read_labels),
    "labels-csv": Target(
        "labels.csv", lambda: [pd.DataFrame({"label": LABELS}).to_csv(index=False).encode()], read_labels
    ),
    "weights": Target("w.npy", lambda: [saved(np.save, np.linspace(0, 2, 40))], read_row_values),
    "metadata": Target(
        "members.json",
        lambda: [json.dumps({"class_names": ["x", "y", "z"], "members": {"m1": {"cost": 3, "seed": 1}}}).encode()],
        read_facts,
        mutate_json,
    ),
    "json": Target(
        "x.json", lambda: [b'{"a": [1, 2.5, "x", null, true], "b": {"c": -3e5}}'], read_document, mutate_json
    ),
    "recipe": Target("r.json", recipes, read_recipe, mutate_json),
    "cascade": Target("c.json", cascades, read_cascade, mutate_json),
    "costs": Target(
        "costs.json",
        lambda: [
            b'{"unit": "ms", "members": {"m0": 1, "m1": 2.5, "m2": 3}, "shared": [{"members": ["m0"], "cost": 2}]}'
        ],
        read_costs,
        mutate_json,
    ),
    "pickle": Target(
        "x.pkl",
        lambda: (
            [pickle.dumps((PROBA[0], LABELS), protocol) for protocol in (2, 3, 4, 5)]
            + [pickle.dumps({"a": PROBA[0], "b": PROBA[1].tolist(), "y_true": LABELS})]
        ),
        read_intake,
    ),
    "lines": Target("samples_x.jsonl", lambda: [harness_lines()], read_intake),
    "evaluation": Target("log.json", lambda: [inspect_log()], read_intake, mutate_json),
}
