"""The backbones command."""

import json
import re

import pytest

from backbones.cli import main
from tests.backbones.test_training import write_csv


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["backbones", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_summary(run):
    code, out, _ = run("summary", "--json")
    networks = {one["name"]: one for one in json.loads(out)["networks"]}
    assert code == 0
    assert {name: one["trainable_parameters"] for name, one in networks.items()} == {
        "deep": 4_474_759,
        "shallow": 9_517_191,
        "agrawal": 463_957,
    }
    assert "deep: 4,474,759 parameters, 290.5 M multiply-adds" in run("summary")[1]


def test_errors_are_one_line(run, tmp_path, drawn):
    code, out, err = run("train", "deep", "--data", tmp_path / "absent.csv", "--out", tmp_path / "r")
    assert (code, out) == (1, "")
    assert err == f"error: {tmp_path / 'absent.csv'}: no such file or folder\n"
    data = write_csv(drawn, tmp_path / "faces.csv")
    code, _, err = run("train", "vgg", "--data", data, "--out", tmp_path / "r")
    assert code == 2
    assert "warning: this is not the official FER2013" in err
    assert "error: unknown architecture 'vgg', expected one of deep, shallow, agrawal" in err
    assert not (tmp_path / "r").exists()
    assert run("train", "deep", "--data", data, "--out", tmp_path / "r", "--strict")[0] == 1
    assert run("curves", tmp_path)[0] == 1


def test_a_recipe_and_predictions_with_test_time_augmentation(run, tmp_path, drawn):
    data = write_csv(drawn, tmp_path / "faces.csv")
    recipe = tmp_path / "one.toml"
    member = 'name = "only"\narchitecture = "agrawal"\nepochs = 1\nnormalization = "local-contrast"\n'
    recipe.write_text(f"[[member]]\n{member}")
    places = ["--data", data, "--runs", tmp_path / "runs", "--out", tmp_path / "preds"]
    options = ["--accelerator", "cpu", "--threads", 1]
    code, out, err = run("recipe", recipe, *places, *options)
    assert code == 0, err
    assert out == f"1 members are in {tmp_path / 'preds'}; try: ensembler bench {tmp_path / 'preds'}\n"
    assert "1/1 only: validation" in err
    assert "1/1 only" not in run("recipe", recipe, *places, *options)[2]
    code, out, err = run(
        "predict",
        tmp_path / "runs" / "only",
        "--data",
        data,
        "--out",
        tmp_path / "averaged",
        "--flip-averaging",
        "--shift-averaging",
        1,
        "--accelerator",
        "cpu",
    )
    assert code == 0, err
    assert re.fullmatch(
        r"only: validation 0\.\d{4}, test 0\.\d{4} with test-time augmentation, 0\.\d{4} and 0\.\d{4} without\n", out
    )
    kept = tmp_path / "weights" / "only.safetensors"
    assert run("keep", tmp_path / "runs" / "only", "--out", kept.parent)[:2] == (0, f"{kept}\n")
    places = ["--data", data, "--out", tmp_path / "of-kept", "--accelerator", "cpu"]
    assert re.fullmatch(r"only: validation 0\.\d{4}, test 0\.\d{4}\n", run("predict", kept, *places)[1])
    assert run("keep", tmp_path / "runs", "--out", kept.parent)[0] == 1
    assert run("recipe", "none", "--data", data)[0] == 2
