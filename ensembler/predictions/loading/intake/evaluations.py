"""Logs of language-model evaluations: lm-evaluation-harness' samples and inspect_ai's logs.

An answer that a model did not give, or that could not be read, is a missing vote.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import softmax
from ensembler.errors import AlignmentError, DataError
from ensembler.predictions.files import parsing
from ensembler.predictions.loading.folder import LABELS
from ensembler.predictions.loading.intake.plan import SCORED, Decision, Opened, Part, Plan
from ensembler.predictions.loading.table import Table

SAMPLES_FILE = re.compile(r"samples_(?P<task>.+?)_(?P<date>\d{4}-\d\d-\d\dT[\d:,.-]+)")


def is_harness_log(opened: Opened) -> bool:
    """Whether records are lm-evaluation-harness' samples."""
    return bool(opened.records) and {"doc_id", "filtered_resps"} <= set(opened.records[0])


def is_inspect_log(opened: Opened) -> bool:
    """Whether a record is an inspect_ai log."""
    return len(opened.records) == 1 and "samples" in opened.records[0] and "eval" in opened.records[0]


def plan_harness(files: Sequence[Opened]) -> Plan:
    """Plan a prediction set of multiple-choice samples: the softmax of the choices' log likelihoods.

    Raises
    ------
    DataError
        A task has free answers, or a label cannot be told.
    """
    newest: dict[tuple[str, str], Opened] = {}
    decisions = []
    for file in sorted(files, key=lambda file: file.path.stem):
        model, task = model_and_task(file.path)
        older = newest.get((model, task))
        if older is not None:
            decisions.append(Decision(str(older.path), "nothing", f"{file.path.name} is newer"))
        newest[model, task] = file
    read: dict[str, dict[str, tuple[NDArray[np.float64], int]]] = {model: {} for model, _ in newest}
    if len(newest) == len(read):
        # One task a model: its name, which may hold the model's, tells nothing.
        newest = {(model, "sample"): file for (model, _), file in newest.items()}
    for (model, task), file in newest.items():
        read[model].update(read_samples(file, task))
        decisions.append(Decision(str(file.path), f"member {model}", f"{task}: {len(file.records)} samples"))
    common = [row for row in next(iter(read.values())) if all(row in rows for rows in read.values())]
    if not common:
        raise AlignmentError(f"{', '.join(read)} have no question in common; expected the same tasks for each model")
    n_rows = max(len(rows) for rows in read.values())
    if len(common) < n_rows:
        decisions.append(Decision("all models", f"{len(common)} of {n_rows} questions", "others lack an answer"))
    n_choices = max(len(read[model][row][0]) for model in read for row in common)
    ids = np.array(common)
    tables = []
    for model, rows in read.items():
        proba = np.zeros((len(common), n_choices))
        for index, row in enumerate(common):
            likelihoods = rows[row][0]
            proba[index, : len(likelihoods)] = softmax(likelihoods)
        tables.append(Table(model, newest[next(key for key in newest if key[0] == model)].path, proba, ids))
    first = next(iter(read.values()))
    labels = Table(LABELS, tables[0].path, np.array([first[row][1] for row in common]), ids)
    return Plan("lm-evaluation-harness samples", {SCORED: Part(tables, labels)}, decisions)


def model_and_task(path: Path) -> tuple[str, str]:
    """Return whose samples a file holds, and of which task."""
    match = SAMPLES_FILE.match(path.stem)
    return path.absolute().parent.name, match["task"] if match else path.stem


def read_samples(file: Opened, task: str) -> dict[str, tuple[NDArray[np.float64], int]]:
    """Return, by task and document, the log likelihoods of the choices and the number of the right one."""
    with parsing(file.path, "lm-evaluation-harness samples"):
        return sample_rows(file, task)


def sample_rows(file: Opened, task: str) -> dict[str, tuple[NDArray[np.float64], int]]:
    """Return the rows of `read_samples`; records of another form raise anything."""
    rows = {}
    for record in file.records:
        answers = record["filtered_resps"]
        try:
            likelihoods = np.array([float(answer[0]) for answer in answers])
        except (TypeError, ValueError, IndexError) as error:
            raise DataError(
                f"{file.path}: document {record.get('doc_id')} has the free answer {str(answers)[:60]}, expected log "
                "likelihoods of choices; only multiple-choice tasks have classes"
            ) from error
        if not np.isfinite(likelihoods).all() or len(likelihoods) < 2:
            raise DataError(
                f"{file.path}: document {record.get('doc_id')} has the log likelihoods {likelihoods.tolist()}"
            )
        rows[f"{task}/{record['doc_id']}"] = (likelihoods, right_choice(file.path, record, likelihoods))
    return rows


def right_choice(path: Path, record: Mapping[str, Any], likelihoods: NDArray[np.float64]) -> int:
    """Return the number of the right choice, from the target, the document, or what was counted as correct."""
    target, document = record.get("target"), record.get("doc", {})
    choices = document.get("choices")
    texts = choices.get("text") if isinstance(choices, dict) else choices
    for value in (target, document.get("gold"), document.get("label")):
        if re.fullmatch(r"\d+", str(value)) and int(str(value)) < len(likelihoods):
            return int(str(value))
    if isinstance(texts, list) and target in texts:
        return texts.index(target)
    if isinstance(target, str) and re.fullmatch(r"\(?[A-Z]\)?", target.strip()):
        return ord(target.strip().strip("()")) - ord("A")
    if record.get("acc") in (0, 1, True, False) and (record["acc"] or len(likelihoods) == 2):
        chosen = int(likelihoods.argmax())
        return chosen if record["acc"] else 1 - chosen
    raise DataError(
        f"{path}: document {record.get('doc_id')} has the target {str(target)[:60]!r}, which names no choice"
    )


def plan_inspect(files: Sequence[Opened]) -> Plan:
    """Plan a prediction set of hard answers: what each model answered, where it did, and the target."""
    answers: dict[str, dict[str, str]] = {}
    targets: dict[str, str] = {}
    decisions = []
    for file in files:
        with parsing(file.path, "an inspect_ai log"):
            model, own, own_targets, why = read_log(file)
        answers.setdefault(model, {}).update(own)
        targets.update(own_targets)
        decisions.append(Decision(str(file.path), f"member {model}", why))
    known = set(targets.values())
    given = {answer for own in answers.values() for answer in own.values()}
    names = sorted(known | {answer for answer in given if len(answer) == 1})
    index = {name: number for number, name in enumerate(names)}
    rows = sorted(targets)
    if not rows:
        raise DataError(f"{files[0].path}: holds no samples, expected some with answers")
    ids = np.array(rows)
    tables, n_missing = [], 0
    for model, own in answers.items():
        votes = np.array([index.get(own.get(row, ""), -1) for row in rows], dtype=np.int64)
        n_missing += int((votes < 0).sum())
        tables.append(Table(model.replace("/", "-"), files[0].path, votes, ids))
    if n_missing:
        decisions.append(
            Decision("all models", f"{n_missing} missing votes", "no answer, or one that could not be read")
        )
    labels = Table(LABELS, files[0].path, np.array([index[targets[row]] for row in rows], dtype=np.int64), ids)
    return Plan("inspect_ai logs", {SCORED: Part(tables, labels)}, decisions, tuple(names))


def read_log(file: Opened) -> tuple[str, dict[str, str], dict[str, str], str]:
    """Return of a log the model, its answers and the targets by sample, and how many there are.

    Of samples that were asked several times the first counts. Logs of another form raise anything.
    """
    log = file.records[0]
    model = str(log["eval"].get("model", file.path.stem))
    answers: dict[str, str] = {}
    targets: dict[str, str] = {}
    samples = [sample for sample in log["samples"] if sample.get("epoch", 1) == 1]
    for sample in samples:
        row, target = str(sample["id"]), sample["target"]
        targets[row] = str(target[0] if isinstance(target, list) else target).strip()
        answer = answer_of(sample)
        if answer is not None:
            answers[row] = answer
    repeated = len(log["samples"]) - len(samples)
    again = f"; {repeated} samples of later epochs left out" if repeated else ""
    return model, answers, targets, f"{len(answers)} answers to {len(samples)} samples{again}"


def answer_of(sample: Mapping[str, Any]) -> str | None:
    """Return the answer that a scorer read in a sample; None where there is none."""
    scores = sample.get("scores") or {}
    for score in scores.values():
        answer = score.get("answer")
        if isinstance(answer, str) and answer.strip():
            return answer.strip()
    return None
