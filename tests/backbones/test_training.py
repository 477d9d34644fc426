"""Training, killing and going on; what a run leaves behind."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from backbones.augmentation import Augmentation, mix_up
from backbones.batches import Batches, resident
from backbones.configuration import RunConfig
from backbones.curves import write_figures
from backbones.errors import ConfigurationError, RunBusyError, RunError
from backbones.evaluation import TestTimeAugmentation, device_of, predict
from backbones.export import export, is_exported
from backbones.faces import Faces, FaceSplit
from backbones.grid import axes, search
from backbones.recipe import BUNDLED, RECIPES, Entry, find_recipe, read_recipe, train_recipe
from backbones.runs import Run, load_network
from backbones.training import train
from ensembler import compare_rules, load_predictions
from ensembler.predictions.bundled import pool_folder, study_folder
from tests.backbones.conftest import draw_faces

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def config(faces, architecture="agrawal", **options):
    options = {"epochs": 3, "batch_size": 32, "schedule": "onecycle", "seed": 1} | options
    return RunConfig.for_faces(architecture, faces, **options)


@pytest.fixture(scope="module")
def finished(drawn, tmp_path_factory):
    """A finished run of Agrawal's network that has learned where the patches are."""
    run = Run(tmp_path_factory.mktemp("runs") / "agrawal-a")
    train(run, config(drawn, epochs=10, batch_size=20, flip=0.0, degrees=0.0, shift=0.05), drawn, progress_bar=False)
    return run


def test_training_lowers_the_loss_and_keeps_the_best_epoch(finished, drawn):
    rows = finished.read_log()
    assert rows[-1]["train_loss"] < 0.7 * rows[0]["train_loss"]
    result = finished.result()
    best = max(rows, key=lambda row: (row["val_accuracy"], -row["epoch"]))
    assert result["best_epoch"] == best["epoch"]
    assert result["val"]["accuracy"] == pytest.approx(best["val_accuracy"], abs=1e-6)
    assert result["test"]["accuracy"] > 0.5
    assert np.sum(result["test"]["confusion"]) == 56
    assert not finished.checkpoint.exists()


def test_three_steps_have_the_known_loss(tmp_path):
    faces = draw_faces(counts=(96, 14, 14))
    run = Run(tmp_path / "golden")
    train(run, config(faces, epochs=1), faces, progress_bar=False)
    assert run.read_log()[0]["train_loss"] == pytest.approx(GOLDEN, abs=2e-3)


GOLDEN = 1.95926


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"schedule": "plateau"},
        {"weight_averaging": 0.9, "batch_size": 10, "scale": 0.2, "mixup": 0.3, "normalization": "local-contrast"},
    ],
)
def test_going_on_equals_not_stopping(changes, drawn, tmp_path):
    whole, parts = Run(tmp_path / "whole"), Run(tmp_path / "parts")
    options = config(drawn, epochs=4, **changes)
    train(whole, options, drawn, progress_bar=False)
    assert train(parts, options, drawn, stop_after=1, progress_bar=False) is False
    assert parts.checkpoint.exists()
    assert train(parts, options, drawn, stop_after=2, progress_bar=False) is False
    assert train(parts, options, drawn, progress_bar=False) is True
    assert (parts.folder / "log.csv").read_text() == (whole.folder / "log.csv").read_text()
    assert parts.weights.read_bytes() == whole.weights.read_bytes()


def command(*arguments):
    return [sys.executable, "-m", "backbones", *map(str, arguments)]


def write_csv(faces, path):
    lines = ["emotion,pixels,Usage"]
    for name, usage in (("train", "Training"), ("val", "PublicTest"), ("test", "PrivateTest")):
        split = faces.split(name)
        for image, label in zip(split.images, split.labels, strict=True):
            lines.append(f"{label},{' '.join(map(str, image.ravel()))},{usage}")
    path.write_text("\n".join(lines) + "\n")
    return path


def environment():
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_stopped_process_goes_on_identically(drawn, tmp_path, number, code):
    data = write_csv(drawn, tmp_path / "faces.csv")
    options = [
        "agrawal",
        "--data",
        data,
        "--epochs",
        4,
        "--batch-size",
        32,
        "--schedule",
        "onecycle",
        "--seed",
        1,
        "--threads",
        1,
    ]
    process = subprocess.Popen(
        command("train", *options, "--out", tmp_path / "killed"), env=environment(), stderr=subprocess.PIPE, text=True
    )
    log = tmp_path / "killed" / "log.csv"
    deadline = time.monotonic() + 120
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in told
    assert ("stopped; what was finished is kept" in told) == (number != signal.SIGKILL)
    assert len(log.read_text().splitlines()) < 5
    done = subprocess.run(
        command("train", *options, "--out", tmp_path / "killed"), env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "validation: " in done.stdout
    whole = Run(tmp_path / "whole")
    train(whole, config(drawn, epochs=4), drawn, progress_bar=False)
    assert log.read_text() == (whole.folder / "log.csv").read_text()
    assert Run(tmp_path / "killed").weights.read_bytes() == whole.weights.read_bytes()


def test_two_processes_share_the_work(drawn, tmp_path):
    data = write_csv(drawn, tmp_path / "faces.csv")
    done = subprocess.run(
        command(
            "train",
            "agrawal",
            "--data",
            data,
            "--out",
            tmp_path / "two",
            "--epochs",
            1,
            "--batch-size",
            16,
            "--accelerator",
            "cpu",
            "--devices",
            2,
            "--threads",
            1,
        ),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    run = Run(tmp_path / "two")
    assert len(run.read_log()) == 1
    assert run.finished


def test_batches_are_a_new_order_each_epoch_and_shared_by_processes(drawn):
    def order(epoch, rank=0, world=1, seed=0):
        split = FaceSplit(np.arange(140)[:, None, None].astype(np.uint8), np.arange(140))
        return [
            label
            for _, labels in Batches(*resident(split), 20, lambda: (epoch, rank, world), seed)
            for label in labels.tolist()
        ]

    assert sorted(order(0)) == list(range(140))
    assert order(0) == order(0)
    assert order(0) != order(1)
    assert order(0, seed=1) != order(0)
    halves = [order(0, rank, 2) for rank in (0, 1)]
    assert not set(halves[0]) & set(halves[1])
    validation = FaceSplit(drawn.val.images, drawn.val.labels)
    seen = [label for _, labels in Batches(*resident(validation), 25, lambda: (3, 0, 1)) for label in labels.tolist()]
    assert seen == drawn.val.labels.tolist()


def test_augmentation_moves_images_in_training_only():
    images = torch.rand(64, 1, 48, 48)
    augmentation = Augmentation()
    torch.manual_seed(0)
    first = augmentation(images)
    torch.manual_seed(0)
    torch.testing.assert_close(augmentation(images), first)
    assert not torch.equal(first, images)
    assert torch.equal(augmentation.eval()(images), images)
    flips = Augmentation(flip=0.5, degrees=0, shift=0)(images)
    mirrored = (flips == images.flip(-1)).all(dim=(1, 2, 3))
    same = (flips == images).all(dim=(1, 2, 3))
    assert (mirrored | same).all()
    assert 16 < mirrored.sum() < 48
    assert torch.equal(Augmentation(0, 0, 0)(images), images)
    patched = Augmentation(flip=0, degrees=0, shift=0, erasing=0.5)(images)
    changed = (patched != images).flatten(1).float().mean(dim=1)
    assert 16 < (changed > 0).sum() < 48
    assert 0.005 < changed[changed > 0].min() < changed.max() < 0.25
    assert (patched[patched != images] == 0.5).all()


def test_smoothed_labels_cost_more(drawn, tmp_path):
    losses = []
    for smoothing in (0.0, 0.3):
        run = Run(tmp_path / f"smoothed-{smoothing}")
        train(run, config(drawn, epochs=1, label_smoothing=smoothing, learning_rate=1e-9), drawn, progress_bar=False)
        losses.append(run.read_log()[0]["train_loss"])
    # Of a network that has learned nothing, spread targets cost about the same, and never exactly.
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.2)


def test_a_run_from_before_an_option_was_there_goes_on(drawn, tmp_path):
    run = Run(tmp_path / "older")
    train(run, config(drawn), drawn, stop_after=1, progress_bar=False)
    facts = run.read_json("config.json")
    del facts["erasing"], facts["label_smoothing"]
    run.write_json("config.json", facts)
    assert train(run, config(drawn), drawn, progress_bar=False) is True


def test_early_stopping(drawn, tmp_path):
    run = Run(tmp_path / "stuck")
    options = config(drawn, epochs=40, patience=2, learning_rate=1e-9, schedule="plateau")
    assert train(run, options, drawn, progress_bar=False) is True
    rows = run.read_log()
    assert len(rows) == run.result()["best_epoch"] + 2 < 40


def test_a_run_that_was_killed_after_stopping_early_trains_no_further(drawn, tmp_path, monkeypatch):
    run = Run(tmp_path / "stuck")
    options = config(drawn, epochs=40, patience=2, learning_rate=1e-9, schedule="plateau")
    with monkeypatch.context() as patch:
        patch.setattr("backbones.training.finish", lambda *arguments: None)
        assert train(run, options, drawn, progress_bar=False)
    rows = run.read_log()
    assert not run.finished
    assert train(run, options, drawn, progress_bar=False)
    assert run.finished
    assert run.read_log() == rows


def test_the_rate_is_halved_after_three_more_epochs_without_a_lower_loss(drawn, tmp_path, monkeypatch):
    losses = [2.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    monkeypatch.setattr("backbones.classifier.MeanMetric.compute", lambda self: losses[0])
    monkeypatch.setattr("backbones.classifier.MeanMetric.reset", lambda self: losses.pop(0))
    run = Run(tmp_path / "cut")
    train(run, config(drawn, epochs=6, schedule="plateau", learning_rate=0.01), drawn, progress_bar=False)
    assert [row["learning_rate"] for row in run.read_log()] == [0.01] * 5 + [0.005]


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(drawn, tmp_path, monkeypatch):
    run = Run(tmp_path / "nan")
    options = config(drawn)
    train(run, options, drawn, stop_after=1, progress_bar=False)
    state = run.checkpoint.read_bytes()
    monkeypatch.setattr(
        "backbones.classifier.functional.cross_entropy", lambda logits, labels, **_: logits.sum() * float("nan")
    )
    with pytest.raises(RunError, match="the loss is nan at epoch 2, step 1; the state of the last good epoch is kept"):
        train(run, options, drawn, progress_bar=False)
    assert run.checkpoint.read_bytes() == state


def test_a_full_disk_loses_nothing(drawn, tmp_path, monkeypatch):
    run = Run(tmp_path / "full")
    options = config(drawn)
    train(run, options, drawn, stop_after=1, progress_bar=False)
    state = run.checkpoint.read_bytes()

    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(RunError, match="cannot be written: No space left on device; the previous one is untouched"):
            train(run, options, drawn, progress_bar=False)
    assert run.checkpoint.read_bytes() == state
    assert train(run, options, drawn, progress_bar=False)


def test_a_damaged_state_is_said(drawn, tmp_path):
    run = Run(tmp_path / "damaged")
    options = config(drawn)
    train(run, options, drawn, stop_after=1, progress_bar=False)
    run.checkpoint.write_bytes(run.checkpoint.read_bytes()[:1000])
    with pytest.raises(RunError, match="last.ckpt: cannot be read .* delete it to start the run anew"):
        train(run, options, drawn, progress_bar=False)


def test_a_state_that_would_run_code_is_refused(drawn, tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "evil"),))

    run = Run(tmp_path / "evil-run")
    options = config(drawn)
    run.start(options)
    torch.save({"x": Evil()}, run.checkpoint)
    with pytest.raises(RunError, match="cannot be read"):
        train(run, options, drawn, progress_bar=False)
    assert not (tmp_path / "evil").exists()


def test_a_folder_holds_one_run(finished, drawn):
    with pytest.raises(RunError, match="holds a run with seed=1, asked for 2; use another folder"):
        train(finished, config(drawn, seed=2, epochs=10, batch_size=20, flip=0.0, degrees=0.0, shift=0.05), drawn)
    with pytest.raises(RunError, match="holds a run with architecture='agrawal', asked for 'shallow'"):
        train(finished, config(drawn, "shallow"), drawn)


def test_two_processes_cannot_train_one_run(drawn, tmp_path):
    run = Run(tmp_path / "busy")
    with run.locked(), pytest.raises(RunError, match="another process is training this run"):
        train(run, config(drawn), drawn, progress_bar=False)
    assert not run.is_locked()


def test_predictions_are_the_rows_in_order(finished, drawn, tmp_path):
    accuracies = export(finished, drawn, tmp_path / "preds")
    data = load_predictions(tmp_path / "preds")
    assert data.names == ("agrawal-a",)
    assert data.class_names == drawn.class_names
    np.testing.assert_array_equal(data.labels, drawn.test.labels)
    np.testing.assert_array_equal(data.validation.labels, drawn.val.labels)
    np.testing.assert_allclose(data.proba.sum(-1), 1, atol=1e-5)
    assert accuracies["test"] == (data.proba[0].argmax(-1) == drawn.test.labels).mean() > 0.5
    # Rows in another order would be right by chance only.
    shuffled = np.random.default_rng(0).permutation(56)
    assert (data.proba[0][shuffled].argmax(-1) == drawn.test.labels).mean() < 0.4
    facts = data.metadata[0]
    assert facts["architecture"] == "agrawal"
    assert (facts["parameters"], facts["multiply_adds"]) == (463_957, 58_236_928)
    assert {"seed", "hyperparameters", "epochs", "best_epoch", "data_checksum", "versions"} <= set(facts)


def test_flip_averaging_is_the_mean_with_the_mirror_image(finished, drawn):
    network = load_network(finished, finished.config())
    plain, mirrored = predict(network, drawn.test.images), predict(network, drawn.test.images[:, :, ::-1])
    np.testing.assert_allclose(
        predict(network, drawn.test.images, TestTimeAugmentation(flip=True)), (plain + mirrored) / 2, atol=1e-6
    )


def test_export_refuses_what_does_not_belong(finished, drawn, tmp_path):
    other = draw_faces(5)
    with pytest.raises(RunError, match="was trained on other data"):
        export(finished, other, tmp_path / "preds")
    export(finished, drawn, tmp_path / "preds")
    np.save(tmp_path / "preds" / "labels.npy", np.zeros(56, int))
    with pytest.raises(RunError, match="holds the labels of other rows"):
        export(finished, drawn, tmp_path / "preds")
    unfinished = Run(tmp_path / "unfinished")
    unfinished.start(config(drawn))
    with pytest.raises(RunError, match="the run is not finished"):
        export(unfinished, drawn, tmp_path / "preds")
    with pytest.raises(RunError, match=r"no config.json in it, expected the folder of a training run"):
        export(Run(tmp_path / "nowhere"), drawn, tmp_path / "preds")
    untested = Faces(
        drawn.train, drawn.val, FaceSplit(drawn.test.images[:0], drawn.test.labels[:0]), checksum=drawn.checksum
    )
    with pytest.raises(RunError, match="no test split"):
        export(finished, untested, tmp_path / "preds")


def test_weights_of_another_network_are_refused(finished, drawn, tmp_path):
    run = Run(tmp_path / "mixed")
    run.start(config(drawn, "shallow"))
    run.write_json("result.json", finished.result())
    run.weights.write_bytes(finished.weights.read_bytes())
    with pytest.raises(RunError, match="does not hold the weights of a 'shallow' network"):
        export(run, drawn, tmp_path / "preds")


def test_figures(finished, tmp_path):
    for kind in ("png", "svg"):
        paths = write_figures([finished], tmp_path / kind, kind)
        assert [path.name for path in paths] == [
            f"agrawal-a-{what}.{kind}" for what in ("curves", "confusion-val", "confusion-test")
        ]
        assert all(path.stat().st_size > 5000 for path in paths)
    with pytest.raises(ConfigurationError, match="format is 'bmp'"):
        write_figures([finished], tmp_path, "bmp")


def result_of(accuracy):
    """A finished run's result, as it would be with that validation accuracy."""
    numbers = dict.fromkeys(("best_epoch", "epochs", "parameters", "multiply_adds"), 1)
    figures = {"accuracy": accuracy, "exact_duplicates_of_training_images": 0, "confusion": [[1, 0], [0, 1]]}
    return {**numbers, "versions": {}, "val": figures | {"accuracy_without_exact_duplicates": None}}


def test_the_grid_is_shared_stopped_and_taken_up(tmp_path):
    faces = draw_faces(counts=(64, 14, 14))
    base = config(faces, epochs=1)
    assert axes(base) == {
        "learning_rate": [0.0004, 0.004, 0.04],
        "weight_decay": [1e-8, 1e-7, 1e-6],
        "dropout": [0.0],
    }
    said = []
    first = search(tmp_path / "grid", base, faces, most_points=4, report=said.append)
    assert [point.state for point in first].count("trained") == 4 == len(said)
    # A process that died while it trained a point: the point is taken up, not lost.
    import optuna

    study = optuna.load_study(
        study_name="grid",
        storage=optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(str(tmp_path / "grid" / "grid.journal"))
        ),
        sampler=optuna.samplers.GridSampler(axes(base)),
    )
    trial = study.ask()
    for name, values in axes(base).items():
        trial.suggest_categorical(name, values)
    results = search(tmp_path / "grid", base, faces, report=said.append)
    assert [point.state for point in results] == ["trained"] * 9
    assert len(said) == 9
    assert len((tmp_path / "grid" / "results.csv").read_text().splitlines()) == 10
    best = read_recipe(tmp_path / "grid" / "best.toml")
    assert best[0].options["learning_rate"] == results[0].learning_rate
    with pytest.raises(ConfigurationError, match="holds a grid around epochs=1, asked for 2"):
        search(tmp_path / "grid", config(faces, epochs=2), faces)


def test_points_that_fail_are_told_and_not_tried_again(tmp_path, monkeypatch):
    faces = draw_faces(counts=(64, 14, 14))
    base = config(faces, epochs=1, precision="bf16-mixed", erasing=0.3)
    # Processes that died while they trained: five points are begun and never finished.
    monkeypatch.setattr("backbones.grid.train", lambda *arguments, **options: (_ for _ in ()).throw(KeyboardInterrupt))
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path / "grid", base, faces)

    def train_or_diverge(run, config, faces, **options):
        if config.learning_rate > 0.01:
            raise RunError(f"the loss is nan in {run.name}")
        if run.name == "lr0.004-wd1e-07-drop0":
            raise RunBusyError("another process is training it")
        run.folder.mkdir(exist_ok=True)
        run.write_json("result.json", result_of(0.5 + config.learning_rate))

    monkeypatch.setattr("backbones.grid.train", train_or_diverge)
    said = []
    results = search(tmp_path / "grid", base, faces, report=said.append)
    states = [point.state for point in results]
    assert states.count("trained") == 5
    assert states.count("waiting") == 1
    assert sum(state.startswith("the loss is nan in lr0.04") for state in states) == 3
    assert sum(line.startswith("the loss is nan") for line in said) == 3
    assert len((tmp_path / "grid" / "results.csv").read_text().splitlines()) == 10
    [best] = read_recipe(tmp_path / "grid" / "best.toml")
    assert RunConfig.for_faces(best.architecture, faces, **best.options) == dataclasses.replace(
        base, learning_rate=0.004, weight_decay=results[0].weight_decay
    )

    def train_badly(run, *arguments, **options):
        run.folder.mkdir(exist_ok=True)
        run.write_json("result.json", result_of(0.1))

    monkeypatch.setattr("backbones.grid.train", train_badly)
    again = search(tmp_path / "grid", base, faces, report=said.append)
    assert [point.state for point in again].count("trained") == 6
    assert sum(line.startswith("the loss is nan") for line in said) == 3


def test_dropout_on_the_grid_stays_below_1(drawn):
    assert axes(config(drawn, "deep"))["dropout"] == [0.03, 0.3, 0.9]


def test_a_recipe_ends_in_a_prediction_set_and_goes_on(tmp_path, drawn):
    recipe = tmp_path / "two.toml"
    recipe.write_text(
        '[defaults]\nschedule = "onecycle"\nepochs = 1\nbatch_size = 32\n'
        '[[member]]\nname = "agrawal-a"\narchitecture = "agrawal"\n'
        '[[member]]\nname = "agrawal-b"\narchitecture = "agrawal"\nseed = 2\n'
    )
    said = []
    train_recipe(read_recipe(recipe), drawn, tmp_path / "runs", tmp_path / "preds", report=said.append)
    train_recipe(read_recipe(recipe), drawn, tmp_path / "runs", tmp_path / "preds", report=said.append)
    assert sum("training" in line for line in said) == 2
    data = load_predictions(tmp_path / "preds")
    assert data.names == ("agrawal-a", "agrawal-b")
    assert compare_rules(data, ["mean"]).chosen == "mean"
    assert set(json.loads((tmp_path / "preds" / "exact-duplicates.json").read_text())) == {"val", "test"}


def test_a_recipe_passes_over_what_another_process_trains(tmp_path, drawn):
    recipe = tmp_path / "two.toml"
    recipe.write_text(
        '[defaults]\nschedule = "onecycle"\nepochs = 1\nbatch_size = 32\nprecision = "bf16-mixed"\n'
        '[[member]]\nname = "agrawal-a"\narchitecture = "agrawal"\n'
        '[[member]]\nname = "agrawal-b"\narchitecture = "agrawal"\nseed = 2\n'
    )
    with Run(tmp_path / "runs" / "agrawal-a").locked():
        elsewhere = train_recipe(read_recipe(recipe), drawn, tmp_path / "runs", tmp_path / "preds", report=print)
    assert elsewhere == ["agrawal-a"]
    assert load_predictions(tmp_path / "preds").names == ("agrawal-b",)
    facts = json.loads((tmp_path / "preds" / "members.json").read_text())["members"]["agrawal-b"]
    assert facts["hyperparameters"]["precision"] == "bf16-mixed"


def test_the_bundled_recipe_has_three_members_of_each_network():
    entries = read_recipe(BUNDLED)
    assert len(entries) == 9
    for name in ("deep", "shallow", "agrawal"):
        own = [entry for entry in entries if entry.architecture == name]
        assert len(own) == 3
        assert all(entry.name.startswith(f"{name}-") for entry in own)


def test_the_bundled_members_are_those_of_the_recipe():
    members = json.loads((study_folder() / "members.json").read_text())["members"]
    assert sorted(members) == sorted(entry.name for entry in read_recipe(BUNDLED))
    for entry in read_recipe(BUNDLED):
        facts = members[entry.name]
        asked = {"architecture": entry.architecture, **entry.options}
        assert asked == {name: ({**facts, **facts["hyperparameters"]})[name] for name in asked}, entry.name


def test_the_bundled_pool_is_of_its_recipe_and_holds_the_nine():
    home = pool_folder()
    members = json.loads((home / "members.json").read_text())["members"]
    asked = {entry.name: entry for entry in read_recipe(RECIPES / "pool.toml")}
    assert set(members) <= set(asked)
    assert len(members) >= 36
    for name, facts in members.items():
        options = {"architecture": asked[name].architecture, **asked[name].options}
        assert options == {option: ({**facts, **facts["hyperparameters"]})[option] for option in options}, name
    pool = {(home / f"{name}.npy"): np.load(home / f"{name}.npy").astype(np.float32) for name in members}
    for entry in read_recipe(BUNDLED):
        own = np.load(study_folder() / f"{entry.name}.npy")
        assert any(np.allclose(own, proba, atol=1e-3) for proba in pool.values()), entry.name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lists no"),
        ("x = ", "is not TOML"),
        ('[[member]]\nname = "a"\n', "member 1 has no name or no architecture"),
        ('[[member]]\nname = "a"\narchitecture = "deep"\nrate = 1\n', "member 'a' has the unknown option 'rate'"),
        ('[[member]]\nname = "a"\narchitecture = "deep"\n' * 2, "two members are called 'a'"),
    ],
)
def test_bad_recipes(text, message, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        read_recipe(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "16"}, "precision is '16', expected '32-true' or 'bf16-mixed'"),
        ({"schedule": "cosine"}, "schedule is 'cosine', expected 'plateau' or 'onecycle'"),
        ({"epochs": 0}, "epochs is 0, expected at least 1"),
        ({"batch_size": 1}, "batch_size is 1, expected at least 2"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0, expected a positive number"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0, expected at least 0"),
        ({"patience": 0}, "patience is 0, expected at least 1"),
    ],
)
def test_impossible_configurations(options, message, drawn):
    with pytest.raises(ConfigurationError, match=message):
        config(drawn, **options)


@pytest.mark.skipif("RUN_SLOW" not in os.environ, reason="slow: set RUN_SLOW=1 to train on the whole of FER2013")
def test_shallow_learns_the_real_data_in_two_epochs(real, tmp_path):
    from backbones.fer2013 import load_faces

    faces = load_faces(real, cache=tmp_path)
    run = Run(tmp_path / "shallow")
    train(run, config(faces, "shallow", epochs=2, batch_size=128), faces, threads=os.cpu_count())
    assert run.result()["val"]["accuracy"] > 0.40


def test_a_run_that_another_process_has_just_finished_is_left_alone(finished, drawn, monkeypatch):
    log, weights = finished.read_log(), finished.weights.read_bytes()
    # As this process looks first the other one is still at it; it is done when the lock is free.
    looks = iter([False])
    monkeypatch.setattr("backbones.runs.Run.finished", property(lambda self: next(looks, True)))
    assert train(finished, finished.config(), drawn, progress_bar=False)
    assert finished.read_log() == log
    assert finished.weights.read_bytes() == weights


def test_points_that_another_process_has_just_begun_are_not_taken_from_it(tmp_path, monkeypatch):
    import optuna

    from backbones.grid import at_work

    faces = draw_faces(counts=(64, 14, 14))
    base = config(faces, epochs=1)

    def train_quickly(run, *arguments, **options):
        run.folder.mkdir(exist_ok=True)
        run.write_json("result.json", result_of(0.1))

    monkeypatch.setattr("backbones.grid.train", train_quickly)
    search(tmp_path / "grid", base, faces, most_points=1)
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "grid" / "grid.journal"))
    sampler = optuna.samplers.GridSampler(axes(base))
    storage = optuna.storages.JournalStorage(backend)
    study = optuna.load_study(study_name="grid", storage=storage, sampler=sampler)
    trial = study.ask()
    for name, values in axes(base).items():
        trial.suggest_categorical(name, values)
    with at_work(tmp_path / "grid"):
        states = [point.state for point in search(tmp_path / "grid", base, faces)]
    assert states.count("trained") == 8
    assert states.count("running") == 1
    assert [point.state for point in search(tmp_path / "grid", base, faces)] == ["trained"] * 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalization": "clahe"}, "normalization is 'clahe', expected one of 'raw', 'histogram-equalised'"),
        ({"weight_averaging": 1.0}, "weight_averaging is 1.0, expected at least 0 and below 1"),
        ({"mixup": -0.1}, "mixup is -0.1, expected a number that is at least 0"),
        ({"width": 0.0}, "width is 0.0, expected a positive number"),
    ],
)
def test_impossible_options_of_members(options, message, drawn):
    with pytest.raises(ConfigurationError, match=message):
        config(drawn, **options)


def test_scale_is_refused_beyond_the_image():
    with pytest.raises(ConfigurationError, match="scale is 1, expected at least 0 and below 1"):
        Augmentation(scale=1)


def test_a_configuration_of_another_version_is_refused(finished, drawn, tmp_path):
    run = Run(tmp_path / "newer")
    run.start(config(drawn))
    run.write_json("config.json", run.read_json("config.json") | {"ensemble_size": 3})
    with pytest.raises(RunError, match="config.json: the configuration has the unknown option 'ensemble_size'"):
        run.config()


def test_scaled_images_show_more_or_less_of_the_patch():
    images = torch.zeros(64, 1, 48, 48)
    images[:, :, 16:32, 16:32] = 1
    areas = Augmentation(flip=0, degrees=0, shift=0, scale=0.2)(images).sum(dim=(1, 2, 3)) / 256
    assert 0.6 < areas.min() < 0.85
    assert 1.15 < areas.max() < 1.5


def test_mixed_images_lie_between_their_two():
    images = torch.rand(5, 1, 4, 4)
    mixed = mix_up(images, 0.25)
    torch.testing.assert_close(mixed[2], 0.25 * images[2] + 0.75 * images[1])
    torch.testing.assert_close(mixed[0], 0.25 * images[0] + 0.75 * images[4])
    torch.testing.assert_close(mix_up(images, 1.0), images)


def test_mixing_and_width_change_what_is_trained(drawn, tmp_path):
    losses = {}
    for name, options in {"plain": {}, "mixed": {"mixup": 1.0}, "wide": {"width": 1.5}}.items():
        run = Run(tmp_path / name)
        train(run, config(drawn, epochs=1, **options), drawn, progress_bar=False)
        losses[name] = run.read_log()[0]["train_loss"]
    assert len(set(losses.values())) == 3
    assert Run(tmp_path / "wide").result()["parameters"] > 2 * Run(tmp_path / "plain").result()["parameters"]


def test_averaged_weights_are_those_of_the_steps_before(drawn, tmp_path, monkeypatch):
    """Each update moves the average by one minus the decay of the steps since the last one."""
    seen = []
    update = torch.optim.swa_utils.AveragedModel.update_parameters

    def watch(self, model):
        update(self, model)
        seen.append([next(part.network.parameters()).detach().clone() for part in (self.module, model)])

    monkeypatch.setattr("torch.optim.swa_utils.AveragedModel.update_parameters", watch)
    run = Run(tmp_path / "averaged")
    train(run, config(drawn, epochs=2, batch_size=10, weight_averaging=0.9), drawn, progress_bar=False)
    assert len(seen) == 4  # of 28 steps, the first and every eighth after it
    expected = seen[0][1]
    for average, current in seen[1:]:
        expected = 0.9**8 * expected + (1 - 0.9**8) * current
        torch.testing.assert_close(average, expected)
    if run.result()["best_epoch"] == 2:
        kept = next(load_network(run, run.config()).parameters())
        torch.testing.assert_close(kept, expected)


def test_test_time_augmentation_averages_shifted_views():
    augmentation = TestTimeAugmentation(flip=True, shift=2)
    images = torch.arange(48 * 48, dtype=torch.float32).reshape(1, 1, 48, 48)
    views = list(augmentation(images))
    assert len(views) == augmentation.views == 18
    assert torch.equal(views[0], images)
    assert torch.equal(views[1], images.flip(-1))
    shifted = {tuple(view[0, 0, 24, 24:26].int().tolist()) for view in views[::2]}
    centre = 24 * 48 + 24
    moved = {centre + down * 48 + right for down in (-2, 0, 2) for right in (-2, 0, 2)}
    assert shifted == {(value, value + 1) for value in moved}
    # The border is repeated where the image has moved away from it.
    assert all(view.min() >= 0 and view.max() <= 48 * 48 - 1 for view in views)
    with pytest.raises(ConfigurationError, match="shift of test-time augmentation is -1, expected at least 0 pixels"):
        TestTimeAugmentation(shift=-1)


def test_predictions_with_test_time_augmentation_say_so_and_give_the_plain_figures(finished, drawn, tmp_path):
    plain = export(finished, drawn, tmp_path / "plain")
    augmentation = TestTimeAugmentation(flip=True, shift=1)
    averaged = export(finished, drawn, tmp_path / "averaged", augmentation=augmentation)
    assert (averaged["plain_val"], averaged["plain_test"]) == (plain["val"], plain["test"])
    facts = load_predictions(tmp_path / "averaged").metadata[0]
    assert (facts["flip_averaging"], facts["shift_averaging"]) == (True, 1)
    assert facts["multiply_adds"] == 18 * 58_236_928
    assert facts["plain_accuracy"] == plain["test"]
    assert facts["accuracy"] == averaged["test"]
    assert not np.array_equal(np.load(tmp_path / "plain/agrawal-a.npy"), np.load(tmp_path / "averaged/agrawal-a.npy"))
    assert is_exported(finished, tmp_path / "averaged", augmentation)
    assert not is_exported(finished, tmp_path / "averaged")


def test_a_member_is_trained_and_predicts_on_images_normalised_alike(drawn, tmp_path):
    run = Run(tmp_path / "contrast")
    train(run, config(drawn, normalization="local-contrast"), drawn, progress_bar=False)
    accuracies = export(run, drawn, tmp_path / "preds")
    # What was judged in training, what the result says and what is exported are one figure.
    assert accuracies["val"] == run.result()["val"]["accuracy"]
    assert accuracies["val"] == pytest.approx(max(row["val_accuracy"] for row in run.read_log()), abs=1e-6)
    assert load_predictions(tmp_path / "preds").metadata[0]["normalization"] == "local-contrast"
    raw = predict(load_network(run, run.config()), drawn.val.images)
    assert not np.allclose(raw, np.load(tmp_path / "preds" / "val" / "contrast.npy"))


def test_recipes_are_found_by_file_and_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_recipe("pool") == find_recipe("pool.toml") == RECIPES / "pool.toml"
    (tmp_path / "pool.toml").write_text("")
    assert find_recipe("pool.toml") == Path("pool.toml")
    with pytest.raises(ConfigurationError, match="none.toml: no such file, and no recipe .* those are fer2013, pool"):
        find_recipe("none.toml")


def test_a_member_that_fails_does_not_keep_the_others_from_being_trained(drawn, tmp_path, monkeypatch):
    entries = [Entry(name, "agrawal", {"epochs": 1, "batch_size": 32}) for name in ("first", "second")]

    def fail_first(run, *arguments, **options):
        if run.name == "first":
            raise RunError("the loss is nan")
        return train(run, *arguments, **options)

    monkeypatch.setattr("backbones.recipe.train", fail_first)
    with pytest.raises(RunError, match="1 of 2 members could not be trained; the first: the loss is nan"):
        train_recipe(entries, drawn, tmp_path / "runs", tmp_path / "preds", accelerator="cpu")
    assert load_predictions(tmp_path / "preds").names == ("second",)


def test_another_precision_than_the_recipes(drawn, tmp_path):
    entries = [Entry("only", "agrawal", {"epochs": 1, "batch_size": 32, "precision": "bf16-mixed"})]
    train_recipe(entries, drawn, tmp_path / "runs", tmp_path / "preds", precision="32-true", accelerator="cpu")
    assert Run(tmp_path / "runs" / "only").config().precision == "32-true"


@pytest.mark.parametrize("accelerator", ["abacus", "tpu"])
def test_an_accelerator_that_is_not_there_is_refused(accelerator, drawn, tmp_path):
    message = f"accelerator is '{accelerator}', which cannot be used here .*; give auto or cpu"
    with pytest.raises(ConfigurationError, match=message):
        device_of(accelerator)
    with pytest.raises(ConfigurationError, match=message):
        train(Run(tmp_path / "run"), config(drawn), drawn, accelerator=accelerator, progress_bar=False)


def test_results_from_before_a_word_was_changed_are_read(finished, tmp_path):
    run = Run(tmp_path / "older")
    run.folder.mkdir()
    result = finished.read_json("result.json")
    for name in ("val", "test"):
        part = result[name]
        part["accuracy_without_twins"] = part.pop("accuracy_without_exact_duplicates")
        part["twins_of_training_images"] = part.pop("exact_duplicates_of_training_images")
    run.write_json("result.json", result)
    assert run.result() == finished.result()
