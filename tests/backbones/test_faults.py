"""Damaged, hostile and odd inputs: one sentence each, and nothing lost, changed or written elsewhere."""

import gzip
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from backbones import cli
from backbones.configuration import RunConfig
from backbones.curves import write_figures
from backbones.errors import BackbonesError, ConfigurationError, DataError, RunError
from backbones.export import export
from backbones.faces import CLASSES, FaceSplit, complete
from backbones.fer2013 import load_faces, natural_key
from backbones.grid import open_study, search
from backbones.names import fault_of_member, fault_of_text, printable
from backbones.recipe import Entry, read_recipe, train_recipe
from backbones.runs import Run, load_network
from backbones.training import train
from backbones.writing import require_writable, write
from tests.backbones.conftest import draw_faces
from tests.backbones.test_cli import run as run_command
from tests.backbones.test_fer2013 import as_csv, rows, write_folders
from tests.backbones.test_kills import tree
from tests.backbones.test_training import environment

pytestmark = pytest.mark.filterwarnings("ignore")

run = run_command  # a fixture


@pytest.fixture(scope="module")
def small():
    return draw_faces(counts=(16, 7, 7), size=24)


@pytest.fixture(scope="module")
def options(small):
    return RunConfig.for_faces("agrawal", small, epochs=3, batch_size=8, schedule="onecycle", seed=1)


def go_on(folder, options, faces, **more):
    return train(Run(folder), options, faces, progress_bar=False, accelerator="cpu", **more)


@pytest.fixture(scope="module")
def finished(small, options, tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("finished") / "a")
    assert go_on(run.folder, options, small)
    return run


@pytest.fixture(scope="module")
def begun(small, options, tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("begun") / "a")
    assert not go_on(run.folder, options, small, stop_after=1)
    return run


def copy(run, folder):
    """A run in another folder."""
    folder.mkdir(parents=True)
    for path in run.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return Run(folder)


# 1 and 2: nothing lost, nothing half written


@pytest.mark.parametrize("changes", [{}, {"schedule": "plateau", "patience": 1, "learning_rate": 1e-12, "epochs": 9}])
def test_a_resumed_run_whose_last_epoch_was_saved_has_its_row(changes, small, options, tmp_path, monkeypatch):
    config = RunConfig.for_faces("agrawal", small, **({"epochs": 2, "batch_size": 8, "schedule": "onecycle"} | changes))
    go_on(tmp_path / "whole", config, small)
    epochs = len(Run(tmp_path / "whole").read_log())
    write_log = Run.write_log

    def write_or_die(self, rows):
        if len(rows) == epochs:
            raise KeyboardInterrupt
        write_log(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "write_log", write_or_die)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            go_on(tmp_path / "killed", config, small)
    assert len(Run(tmp_path / "killed").read_log()) == epochs - 1
    assert go_on(tmp_path / "killed", config, small)
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")


# 3: names


NAMES = [
    "../../x",
    "/x",
    "labels",
    "Labels",
    ".hidden",
    "",
    " a",
    "a\x1b[2J",
    "a\u202eb",
    "a\nb",
    "\ud800",
    7,
    "x" * 201,
]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_no_member_can_have(name):
    fault = fault_of_member(name)
    assert fault is not None
    assert fault.isprintable()


@pytest.mark.parametrize("name", ["deep-a", "resnet[seed=1]", "-rf", "=cmd|' (calc)'!A0", "a b", "ümlaut", "می‌خواهم"])
def test_names_that_a_member_can_have(name):
    assert fault_of_member(name) is None
    assert fault_of_text(name) is None
    assert printable(name) == name


def test_names_and_options_of_a_recipe_are_refused_all_at_once(run, tmp_path):
    recipe = tmp_path / "bad.toml"
    names = ["../../x", "/x", "labels", "a\\u001b[2J", "good", "Good", "good"]
    members = "".join(f'[[member]]\nname = "{name}"\narchitecture = "agrawal"\nepochs = 0\n' for name in names)
    recipe.write_text(f"{members}dropout = nan\n")
    code, out, err = run(
        "recipe", recipe, "--data", tmp_path / "absent.csv", "--out", tmp_path / "o", "--runs", tmp_path
    )
    assert (code, out) == (2, "")
    for part in (
        "member 1: its name is '../../x', expected a name without / and \\",
        "member 2: its name is '/x'",
        "member 3: its name is 'labels', which is the file of the true classes",
        "member 4: its name is 'a\\\\x1b[2J', which has control characters",
        "member 'good': epochs is 0, expected at least 1",
        "two members are called 'good' and 'Good'",
        "two members are called 'good'\n",
        "dropout is nan, expected at least 0 and below 1",
    ):
        assert part in err
    assert "\x1b" not in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


def test_a_run_called_labels_is_neither_trained_nor_exported(finished, small, options, tmp_path):
    with pytest.raises(ConfigurationError, match="the run's name, that of its folder, is 'labels'"):
        go_on(tmp_path / "labels", options, small)
    assert not (tmp_path / "labels").exists()
    with pytest.raises(ConfigurationError, match="'labels'.*use another folder"):
        export(copy(finished, tmp_path / "labels"), small, tmp_path / "preds")
    assert not (tmp_path / "preds").exists()


def test_a_run_in_the_folder_one_is_in_has_its_name(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    assert Run(finished.folder / "..").name == finished.folder.parent.name
    assert Run(type(finished.folder)()).name == "a"


# 5: damaged files


def test_a_damaged_image_cache_is_made_anew(tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_text(as_csv(rows(7, 7, 7), "fer2013"))
    right = load_faces(path)
    stored = tree(tmp_path / "fer2013.csv.cache")
    assert len(stored) == 7
    for name, content in stored.items():
        for place in {len(content) - 1, len(content) // 2, *range(0, len(content), 97)}:
            damaged = bytearray(content)
            damaged[place] ^= 1
            (tmp_path / "fer2013.csv.cache" / name).write_bytes(damaged)
            faces = load_faces(path)
            assert (faces.class_names, faces.notes, faces.checksum) == (CLASSES, [], right.checksum)
            for split in ("train", "val", "test"):
                np.testing.assert_array_equal(faces.split(split).images, right.split(split).images)
                np.testing.assert_array_equal(faces.split(split).labels, right.split(split).labels)
            assert tree(tmp_path / "fer2013.csv.cache") == stored


@pytest.mark.parametrize("facts", ["[" * 100_000, "null", '{"version": 2, "version": 2}', '{"version": 1e999}', "{}"])
def test_a_cache_whose_facts_are_none_is_made_anew(facts, tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_text(as_csv(rows(7, 7, 7), "fer2013"))
    load_faces(path)
    stored = tree(tmp_path)
    (tmp_path / "fer2013.csv.cache" / "facts.json").write_text(facts)
    load_faces(path)
    assert tree(tmp_path) == stored


@pytest.mark.parametrize("number", [np.nan, np.inf, 3e38])
def test_probabilities_that_are_not_finite_are_not_written(number, finished, small, tmp_path):
    run = copy(finished, tmp_path / "a")
    weights = load_file(run.weights)
    # Finite weights may still overflow.
    for name in [name for name in weights if name.endswith("weight")][: 1 if not np.isfinite(number) else None]:
        weights[name].fill_(number)
    save_file(weights, run.weights)
    with pytest.raises(RunError, match="not finite"):
        export(run, small, tmp_path / "preds")
    assert not (tmp_path / "preds").exists()


def test_weights_of_another_kind_are_refused(finished, tmp_path):
    run = copy(finished, tmp_path / "a")
    weights = load_file(run.weights)
    save_file({name: value.to(torch.float64) for name, value in weights.items()}, run.weights)
    with pytest.raises(RunError, match="does not hold the weights of a 'agrawal' network: .* is torch.float64"):
        load_network(run, run.config())


def test_a_huge_network_is_refused_without_its_memory(finished, small, tmp_path):
    run = copy(finished, tmp_path / "a")
    run.write_json("config.json", run.read_json("config.json") | {"width": 1e5})
    with pytest.raises(RunError, match="does not hold the weights of a 'agrawal' network: .*size mismatch|Error"):
        export(run, small, tmp_path / "preds")
    for width in (1e12, 1e300):
        with pytest.raises(ConfigurationError, match="cannot be built"):
            go_on(tmp_path / "wide", RunConfig.for_faces("shallow", small, width=width), small)
    assert not (tmp_path / "wide").exists()


def test_every_part_of_a_damaged_state_is_refused(begun, small, options, tmp_path):
    content = begun.checkpoint.read_bytes()
    with zipfile.ZipFile(begun.checkpoint) as archive:
        parts = [info for info in archive.infolist() if info.file_size > 8]
    for part in (parts[0], parts[len(parts) // 2], parts[-2]):
        run = copy(begun, tmp_path / str(part.header_offset))
        damaged = bytearray(content)
        # What is stored begins after the header, the name and the padding.
        name, padding = struct.unpack_from("<HH", content, part.header_offset + 26)
        damaged[part.header_offset + 30 + name + padding + part.file_size // 2] ^= 1
        run.checkpoint.write_bytes(damaged)
        with pytest.raises(RunError, match="last.ckpt: cannot be read as a state: its part .* is damaged; delete it"):
            go_on(run.folder, options, small)


def without(state, *path):
    """Remove what is at a path."""
    for key in path[:-1]:
        state = state[key]
    del state[path[-1]]


STATES = {
    "nothing": lambda state: state.clear(),
    "no callbacks": lambda state: without(state, "callbacks"),
    "no rows": lambda state: next(iter(state["callbacks"].values())).clear(),
    "rows of another kind": lambda state: next(iter(state["callbacks"].values())).update(rows=[{"epoch": 1}]),
    "a row too few": lambda state: next(iter(state["callbacks"].values())).update(rows=[]),
    "no optimizer": lambda state: without(state, "optimizer_states"),
    "an optimizer of another kind": lambda state: state.update(optimizer_states=[True]),
    "moments of another shape": lambda state: state["optimizer_states"][0]["state"][0].update(exp_avg=torch.zeros(3)),
    "moments of other weights": lambda state: state["optimizer_states"][0]["param_groups"][0]["params"].reverse(),
    "another optimizer": lambda state: state["optimizer_states"][0]["param_groups"][0].update(amsgrad=True),
    "a rate that is no number": lambda state: state["optimizer_states"][0]["param_groups"][0].update(lr=float("nan")),
    "moments of another kind": lambda state: state["optimizer_states"][0]["state"].update({0: {"step": "x"}}),
    "no loops": lambda state: without(state, "loops"),
    "weights of another kind": lambda state: state.update(state_dict=3),
    "weights of another network": lambda state: state["state_dict"].popitem(),
    "an epoch too many": lambda state: state["loops"]["fit_loop"]["epoch_progress"]["current"].update(completed=7),
    "a version of another kind": lambda state: state.update({"pytorch-lightning_version": []}),
    "a schedule of another kind": lambda state: state.update(lr_schedulers=[7]),
}


@pytest.mark.parametrize("kind", STATES)
def test_a_state_of_another_kind_is_refused(kind, begun, small, options, tmp_path):
    run = copy(begun, tmp_path / "a")
    state = torch.load(run.checkpoint, weights_only=True)
    STATES[kind](state)
    torch.save(state, run.checkpoint)
    with pytest.raises(RunError, match=r"last\.ckpt: .*[; ]delete it to start the run anew$") as caught:
        go_on(run.folder, options, small)
    assert "\n" not in str(caught.value)


def test_a_state_that_is_no_dictionary_is_refused(begun, small, options, tmp_path):
    run = copy(begun, tmp_path / "a")
    torch.save([1], run.checkpoint)
    with pytest.raises(RunError, match="last.ckpt: holds list, expected the state of a training; delete it"):
        go_on(run.folder, options, small)
    run = copy(begun, tmp_path / "b")
    run.weights.unlink()
    with pytest.raises(RunError, match="holds a state .*best.safetensors; delete last.ckpt"):
        go_on(run.folder, options, small)


# 8: links


def test_links_in_a_run_folder_are_not_followed(small, options, tmp_path, monkeypatch):
    target = tmp_path / "precious"
    target.write_text("precious")
    folder = tmp_path / "a"
    folder.mkdir()
    for name in ("config.json", "log.csv", "result.json", "best.safetensors", "last.ckpt"):
        (folder / f".{name}.new").symlink_to(target)
    assert go_on(folder, options, small)
    assert target.read_text() == "precious"
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / ".lock").symlink_to(target)
    with pytest.raises(RunError, match=r"b/\.lock: is a link, which is not followed; delete it"):
        go_on(tmp_path / "b", options, small)
    with pytest.raises(RunError, match=r"b/\.lock: is a link"):
        search(tmp_path / "b", options, small)
    assert target.read_text() == "precious"
    # Even one who knew the name could not put a link there.
    monkeypatch.setattr("secrets.token_hex", lambda n: "known")
    (tmp_path / ".file.known.new").symlink_to(target)
    with pytest.raises(RunError, match="file: cannot be written: File exists"):
        write(tmp_path / "file", b"content")
    assert target.read_text() == "precious"


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path):
    target = tmp_path / "precious"
    target.write_text("precious")
    (tmp_path / "log.csv").symlink_to(target)
    write(tmp_path / "log.csv", b"rows")
    assert target.read_text() == "precious"
    assert (tmp_path / "log.csv").read_bytes() == b"rows"


# 10: sentences


JSONS = [
    "[" * 200_000,
    "{",
    "[]",
    "null",
    '{"a": 1, "a": 2}',
    '{"a": NaN}',
    '{"a": 1e999}',
    '{"a": "\\ud800"}',
    "\xff",
    "",
]


@pytest.mark.parametrize("text", JSONS)
@pytest.mark.parametrize("name", ["config.json", "result.json"])
def test_a_damaged_json_file_is_one_sentence(name, text, finished, tmp_path):
    run = copy(finished, tmp_path / "a")
    (run.folder / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match=f"{name}: .+") as caught:
        run.config() if name == "config.json" else run.result()
    assert "\n" not in str(caught.value)


CHANGES = {
    "config.json": [
        {"dropout-0": 1},
        {"epochs": "x"},
        {"epochs": True},
        {"patience": []},
        {"architecture": {"a": 1}},
        {"size": 0},
        {"size": 1.5},
        {"seed": -1},
        {"seed": 10**400},
        {"n_classes": 6},
        {"class_names": 7},
        {"class_names": ["a"] * 6 + [None]},
        {"class_names": ["a"] * 6 + ["\x1b[2J"]},
        {"data_checksum": 7},
        {"weight_decay": 10**400},
        {"flip": 2},
        {"degrees": 181},
        {"shift": 1},
        {"scale": 1},
        {"erasing": -1},
        {"dropout": 1},
        {"label_smoothing": 1},
    ],
    "result.json": [
        {"versions": 1},
        {"epochs": None},
        {"multiply_adds": "x"},
        {"val": None},
        {"test": [1]},
        {"val": {"accuracy": 2}},
        {"test": {"accuracy": 0.5, "exact_duplicates_of_training_images": 0, "confusion": [[1, 2]]}},
    ],
}


@pytest.mark.parametrize(("name", "change"), [(name, change) for name in CHANGES for change in CHANGES[name]])
def test_a_file_of_a_run_with_another_kind_of_value_is_one_sentence(name, change, finished, small, tmp_path):
    run = copy(finished, tmp_path / "a")
    run.write_json(name, run.read_json(name) | change)
    with pytest.raises(RunError, match=f"{name}: ") as caught:
        export(run, small, tmp_path / "preds")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("field", ["architecture", "class_names", "n_classes", "size", "data_checksum"])
def test_a_configuration_that_lacks_something_is_said(field, finished, tmp_path):
    run = copy(finished, tmp_path / "a")
    facts = run.read_json("config.json")
    del facts[field]
    run.write_json("config.json", facts)
    with pytest.raises(RunError, match=f"config.json: the configuration has no {field}"):
        run.config()


HEADER = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADER,
        "epoch\n1\n",
        f"{HEADER}1,2,3\n",
        f"{HEADER}1,2,3,4,5,6,7\n",
        f"{HEADER}1,a,0.5,1,0.5,0.1\n",
        f"{HEADER}2,1,0.5,1,0.5,0.1\n",
        f"{HEADER}1,1,0.5,1,nan,0.1\n",
        f"{HEADER}1,1,0.5,1,\xff,0.1\n",
        f'{HEADER}1,1,0.5,1,"0.5,0.1\n',
        f"{HEADER}1,1,0.5,\x00,0.5,0.1\n",
    ],
)
def test_a_damaged_log_is_one_sentence(text, finished, tmp_path):
    run = copy(finished, tmp_path / "a")
    (run.folder / "log.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match="log.csv: is not .+"):
        write_figures([run], tmp_path / "figures", "png")
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\xff" * 8 + b"{}", (10**12).to_bytes(8, "little") + b"{}", bytes(100)]
)
def test_damaged_weights_are_one_sentence(content, finished, tmp_path):
    run = copy(finished, tmp_path / "a")
    run.weights.write_bytes(content)
    with pytest.raises(RunError, match="best.safetensors: does not hold the weights of a 'agrawal' network: .+"):
        load_network(run, run.config())


@pytest.mark.parametrize("content", [b"x", b"\x80\x04N.", b"\x93NUMPY\x01\x00\x06\x00{'a':1", b""])
def test_damaged_labels_and_metadata_of_a_set_are_one_sentence(content, finished, small, tmp_path):
    folder = tmp_path / "preds"
    folder.mkdir()
    (folder / "labels.npy").write_bytes(content)
    with pytest.raises(RunError, match="labels.npy: is not a .npy file of numbers: .+"):
        export(finished, small, folder)
    (folder / "labels.npy").unlink()
    for text in ("[" * 100_000, '{"members": []}', '{"members": {"a": 1}}', '{"a": 1, "a": 2}'):
        (folder / "members.json").write_text(text)
        with pytest.raises(RunError, match="members.json: .+"):
            export(finished, small, folder)
    assert tree(folder) == {"members.json": text.encode()}


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 10_000,
        f"x = {'9' * 5000}",
        "defaults = 1\n[[member]]",
        "member = 1",
        "[member]\nname = 'a'",
        "member = [1]",
        "[[member]]\nname = 1\narchitecture = 'deep'",
        "[[member]]\nname = 'a'\narchitecture = {a = 1}",
        "[[member]]\nname = 'a'\narchitecture = 'deep'\nschedule = []",
        "[[member]]\nname = 'a'\narchitecture = 'deep'\nseed = 1e400",
        "\xff",
    ],
)
def test_a_damaged_recipe_is_one_sentence(text, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match="bad.toml: .+") as caught:
        read_recipe(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        read_recipe(tmp_path)


def test_the_grid_of_a_damaged_journal_is_one_sentence(small, options, tmp_path):
    import optuna

    for content in (b"nonsense\n", b'{"op_code": 0}\n', b"\xff\xfe\n", b"[" * 100_000 + b"\n"):
        (tmp_path / "grid.journal").write_bytes(content)
        with pytest.raises(RunError, match="grid.journal: is not the journal of a grid: .*; move it away"):
            open_study(tmp_path, options, optuna.samplers.RandomSampler())
    (tmp_path / "grid.journal").write_bytes(b"nonsense")
    with pytest.raises(RunError, match="grid.journal: is not the journal of a grid; move it away"):
        search(tmp_path, options, small)
    (tmp_path / "grid.journal").unlink()
    (tmp_path / "grid.journal").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="grid.journal: is a link"):
        open_study(tmp_path, options, optuna.samplers.RandomSampler())


def test_a_line_that_a_killed_process_has_half_written_ends_no_grid(small, options, tmp_path, monkeypatch):
    monkeypatch.setattr("backbones.grid.train", lambda run, *given, **more: run.start(options))
    monkeypatch.setattr("backbones.runs.Run.result", lambda self: {"val": {"accuracy": 0.5}})
    search(tmp_path, options, small, most_points=2)
    journal = tmp_path / "grid.journal"
    content = journal.read_bytes()
    journal.write_bytes(content[:-9])
    for points in (1, 9):
        results = search(tmp_path, options, small, most_points=points)
    assert [point.state for point in results] == ["trained"] * 9
    assert journal.read_bytes().startswith(content[:-9].rpartition(b"\n")[0])


ZIPPED = io.BytesIO()
with zipfile.ZipFile(ZIPPED, "w") as archive:
    archive.writestr("a", "emotion")
    archive.writestr("b", "emotion")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv.zip", b"PK\x03\x04nonsense"),
        ("x.csv.zip", ZIPPED.getvalue()),
        ("x.csv.xz", b"\xfd7zXZ\x00nonsense"),
        ("x.csv.zst", b"(\xb5/\xfdnonsense"),
        ("x.csv.bz2", b"BZhnonsense"),
        ("x.csv.gz", gzip.compress(b"emotion,pixels\n" * 99, mtime=0)[:-9]),
        ("x.csv.gz", b"\x1f\x8bnonsense"),
        ("fer2013.tar.gz", gzip.compress(b"nonsense", mtime=0)),
        ("fer2013.tar", b"nonsense"),
        ("x.csv", b"\xff\xfe\x00"),
        ("x.csv", b'emotion,pixels\n0,"1 2'),
        ("x.csv", b"emotion,pixels,pixels \n0,1 2 3 4,1 2 3 4\n"),
        ("x.csv", b"emotion,pixels\n0,1 2 3 99999999999999999999\n"),
        ("x.csv", b"emotion,pixels\n,1 2 3 4\n"),
        ("x.csv", b"emotion,pixels\n0,\n"),
    ],
)
def test_a_damaged_archive_or_table_is_one_sentence(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: .+") as caught:
        load_faces(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\nnonsense",
        b"BM" + bytes(60),
        b"\xff\xd8\xff\xe0" + bytes(30),
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xff\xff\xff\xff\xff\xff\xff\x08\x00\x00\x00\x00\x00\x00\x00\x00",
    ],
)
def test_a_damaged_image_is_one_sentence(content, tmp_path):
    write_folders(tmp_path / "f", rows(7, 7, 7))
    broken = tmp_path / "f" / "train" / "happy" / "Training_9.png"
    broken.write_bytes(content)
    with pytest.raises(DataError, match=r"Training_9\.png: cannot be read as an image: .+") as caught:
        load_faces(tmp_path / "f")
    assert "\n" not in str(caught.value)


def test_an_image_named_by_other_digits_is_read(tmp_path):
    assert natural_key("im²3.png") == (3, "im²3.png")
    assert natural_key("im².png") == (-1, "im².png")
    assert natural_key("im٣.png")[0] == 3
    write_folders(tmp_path / "f", rows(7, 7, 7))
    Image.fromarray(np.zeros((6, 6), np.uint8)).save(tmp_path / "f" / "train" / "happy" / "im²3.png")
    assert len(load_faces(tmp_path / "f").train) == 8


def test_hidden_folders_and_files_are_no_classes_and_no_images(tmp_path):
    names = ["cat", "dog"]
    table = [(label % 2, image, usage) for label, image, usage in rows(40, 0, 10)]
    write_folders(tmp_path / "plain", table, False, names)
    write_folders(tmp_path / "hidden", table, False, names)
    for folder in (".ipynb_checkpoints", "__MACOSX", ".thumbnails"):
        home = tmp_path / "hidden" / "train" / folder
        home.mkdir()
        Image.fromarray(np.zeros((6, 6), np.uint8)).save(home / "im0.png")
    (tmp_path / "hidden" / "train" / "cat" / "._im0.png").write_bytes(b"\x00\x05\x16\x07")
    plain, hidden = load_faces(tmp_path / "plain"), load_faces(tmp_path / "hidden")
    assert plain.class_names == hidden.class_names == ("cat", "dog")
    assert plain.checksum == hidden.checksum


def test_a_class_folder_with_a_name_that_cannot_be_shown_is_refused(tmp_path):
    write_folders(tmp_path / "f", [(label % 2, *rest) for label, *rest in rows()], False, ["cat", "d\x1b[2Jog"])
    with pytest.raises(
        DataError, match=r"the name of a class folder is 'd\\\\x1b\[2Jog', which has control characters"
    ):
        load_faces(tmp_path / "f")


def test_a_single_training_row_is_refused(tmp_path, small):
    path = tmp_path / "train.csv"
    path.write_text("emotion,pixels\n0,1 2 3 4\n")
    with pytest.raises(DataError, match="no training images are left, since 1 of 1 is held out for validation"):
        load_faces(path)
    path.write_text("emotion,pixels\n0,1 2 3 4\n1,1 2 3 4\n")
    faces = load_faces(path)
    with pytest.raises(DataError, match="there are 1 training images for 1 processes, expected at least two for each"):
        go_on(tmp_path / "a", RunConfig.for_faces("agrawal", faces), faces)
    assert not (tmp_path / "a").exists()


def test_splits_of_two_sizes_are_refused():
    one, two = (FaceSplit(np.zeros((2, size, size), np.uint8), np.zeros(2, np.int64)) for size in (4, 6))
    with pytest.raises(DataError, match="the splits have images of 4×4, 6×6 pixels, expected one size"):
        complete({"train": one, "val": one, "test": two}, CLASSES)


def test_a_pipe_for_data_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fer2013.csv")
    with pytest.raises(DataError, match="is neither a file nor a folder"):
        load_faces(tmp_path / "fer2013.csv")


def test_errors_of_ensembler_are_errors_of_backbones(finished, small, tmp_path, monkeypatch):
    from ensembler.errors import FileError

    def refuse(*arguments):
        raise FileError("labels.npy: cannot be written: No space left on device")

    monkeypatch.setattr("backbones.export.write_array", refuse)
    with pytest.raises(RunError, match="labels.npy: cannot be written: No space left on device"):
        export(finished, small, tmp_path / "preds")
    assert list(tmp_path.iterdir()) == []


# 11: targets, pipes and signals


@pytest.fixture
def closed(tmp_path):
    """A path below a file, where nothing can be written."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "out"


def test_a_target_that_cannot_be_written_is_found_before_any_work(run, closed, finished, tmp_path, monkeypatch):
    monkeypatch.setattr("backbones.fer2013.load_faces", lambda *given, **more: pytest.fail("the data were read first"))
    data = ["--data", tmp_path / "fer2013.csv"]
    commands = [
        ["train", "agrawal", *data, "--out", closed],
        ["grid", "agrawal", *data, "--out", closed],
        ["predict", finished.folder, *data, "--out", closed],
        ["recipe", *data, "--out", closed, "--runs", tmp_path / "runs"],
        ["recipe", *data, "--out", tmp_path / "preds", "--runs", closed],
        ["curves", finished.folder, "--out", closed],
    ]
    for command in commands:
        code, out, err = run(*command)
        assert (code, out) == (1, ""), command
        assert err == f"error: {closed}: cannot be written: {closed.parent} is no folder\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]

    def refuse(**options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    for command in commands:
        code, _, err = run(*[tmp_path / "new" / "out" if word == closed else word for word in command])
        assert code == 1
        assert err.count("\n") == 1
        assert "cannot be written: Read-only file system" in err


def test_a_folder_that_is_not_there_yet_is_not_made_to_see_whether_it_could_be(tmp_path):
    require_writable(tmp_path / "new" / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_that_could_not_be_exported_is_not_trained(small, tmp_path):
    entries = [Entry("a", "agrawal", {"epochs": 1}), Entry("b", "agrawal", {"epochs": 1, "dropout": 0.5})]
    with pytest.raises(ConfigurationError, match="member 'b': dropout is 0.5, expected 0: this network has none"):
        train_recipe(entries, small, tmp_path / "runs", tmp_path / "preds", report=pytest.fail)
    (tmp_path / "preds").mkdir()
    np.save(tmp_path / "preds" / "labels.npy", np.zeros(7, int))
    with pytest.raises(RunError, match="holds the labels of other rows"):
        train_recipe(entries[:1], small, tmp_path / "runs", tmp_path / "preds", report=pytest.fail)
    assert not (tmp_path / "runs").exists()


def test_a_reader_that_goes_away_ends_the_command_as_it_ends_others(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "backbones", "--help"],
            env=environment(),
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert (done.returncode, done.stderr) == (141, "")
    finally:
        os.close(writer)


def test_an_error_that_nobody_reads_ends_with_its_own_code(monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    silenced = []
    monkeypatch.setattr("backbones.cli.quiet", lambda: silenced.append(True))
    monkeypatch.setattr("sys.stderr", Closed())
    with pytest.raises(SystemExit) as end:
        cli.leave("error: no such file", 2)
    assert (end.value.code, silenced) == (2, [True])


def test_a_signal_is_one_line_however_often_it_is_sent(capsys):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(SystemExit) as end:
            cli.stop(signal.SIGINT, None)
        assert end.value.code == 130
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert capsys.readouterr().err == "stopped; what was finished is kept, and the same command goes on from there\n"


def test_errors_of_the_system_are_one_line(run, monkeypatch, tmp_path):
    for error, text in (
        (OSError(28, "No space left on device", "/x\x1b[2J"), "error: /x\\x1b[2J: No space left on device\n"),
        (MemoryError(), "error: this does not fit into memory\n"),
    ):
        monkeypatch.setattr("backbones.runs.Run.require_place", lambda self, error=error: (_ for _ in ()).throw(error))
        assert run("train", "deep", "--data", tmp_path, "--out", tmp_path / "a") == (1, "", text)


def test_numbers_of_threads_and_devices_that_are_none(small, options, run, tmp_path):
    with pytest.raises(ConfigurationError, match="threads is 0, expected at least 1"):
        go_on(tmp_path / "a", options, small, threads=0)
    with pytest.raises(BackbonesError, match="cannot be used here"):
        go_on(tmp_path / "a", options, small, devices="²")


def test_metadata_of_other_members_are_kept(finished, small, tmp_path):
    export(finished, small, tmp_path / "preds")
    facts = json.loads((tmp_path / "preds" / "members.json").read_text())
    facts["members"]["other"] = {"cost": 3}
    (tmp_path / "preds" / "members.json").write_text(json.dumps(facts))
    export(finished, small, tmp_path / "preds")
    assert json.loads((tmp_path / "preds" / "members.json").read_text()) == facts


def test_a_signal_while_the_program_is_loaded_leaves_no_traceback(tmp_path):
    slow = tmp_path / "typer.py"
    slow.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    ended = subprocess.run(
        [sys.executable, "-m", "backbones", "--help"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (130, "")
