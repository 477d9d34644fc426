"""Pipes that nobody reads, a stop from the keyboard, targets that cannot be written: one line or none, and one code."""

import signal
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "ensembler"]


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["members", "--json"]])
def test_a_reader_that_has_enough_is_no_error(arguments):
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    with process.stderr as stream:
        error = stream.read().decode()
    assert process.wait(timeout=60) in (0, 141), error
    assert "Traceback" not in error
    assert "error" not in error


def test_a_stop_from_the_keyboard_is_one_line():
    process = subprocess.Popen(
        [*COMMAND, "report", "--out", "never.html"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert b"bundled" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.decode().splitlines()[-1] == "stopped"
    assert "Traceback" not in error.decode()


TARGETS = {
    "bench": ["bench", "--csv", "/proc/x.csv"],
    "explain": ["explain", "--out", "/proc/x.csv"],
    "report": ["report", "--out", "/proc/x.html"],
    "subsets": ["subsets", "--out", "/proc/x.csv"],
    "abstain": ["abstain", "--rule", "mean", "--save", "/proc/x.json"],
    "conformal": ["conformal", "--rule", "mean", "--csv", "/proc/x.csv"],
    "predict": ["predict", "--rule", "mean", "--save", "/proc/x.json"],
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is there on Linux only")
@pytest.mark.parametrize("command", TARGETS)
def test_a_target_that_cannot_be_written_is_found_before_the_work(command, run, monkeypatch):
    def work(*_, **__):
        pytest.fail("the work began")

    monkeypatch.setattr("ensembler.predictions.loading.load.load_predictions", work)
    result = run(*TARGETS[command])
    assert result.code == 1
    assert "cannot be written" in result.err
