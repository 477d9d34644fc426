"""The backbones command."""

import json

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
