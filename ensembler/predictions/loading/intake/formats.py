"""Opening files of any format that predictions are saved in, without running anything in them."""

import json
import shlex
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import FileError, setting
from ensembler.predictions.files import parsing, readable
from ensembler.predictions.loading.array_files import MOST_BYTES, read_npy, read_npz
from ensembler.predictions.loading.column_names import ID_NAMES, simple
from ensembler.predictions.loading.frame_files import NOTES, read_frame_file
from ensembler.predictions.loading.intake.json_records import are_scores, by_label, names_classes, records_in
from ensembler.predictions.loading.intake.names import says_labels
from ensembler.predictions.loading.intake.pickles import read_object_array, read_pickle
from ensembler.predictions.loading.intake.plan import Decision, ImportRequest, Item, Opened
from ensembler.predictions.loading.lists import list_columns, record_columns, stacked_lists
from ensembler.serialization import parse_json

if TYPE_CHECKING:
    import pandas as pd

UNPACKERS = {".gz": "gunzip -k", ".bz2": "bunzip2 -k", ".xz": "unxz -k", ".zip": "unzip"}
WORKBOOKS = (".xlsx", ".xls", ".ods", ".numbers")
MOST_LEVELS = 8
"""Levels of dictionaries and lists that are looked through for arrays."""
ARROW = ".arrow"


def open_file(path: Path, request: ImportRequest) -> Opened:
    """Read a file as arrays, a table or records.

    Raises
    ------
    FileError
        It cannot be read, or is of a format that is not known.
    """
    with readable(path):
        if not path.exists():
            raise FileError(f"{path}: no such file")
        if path.is_file() and path.stat().st_size == 0:
            raise FileError(f"{path}: the file is empty")
        reader = READERS.get(path.suffix.lower())
        advice = how_to_unpack(path)
        if advice is not None:
            raise FileError(f"{path}: cannot read {path.suffix}; {advice}")
        if reader is None:
            raise FileError(f"{path}: cannot read {path.suffix or 'files without a suffix'}; {KNOWN}")
        return reader(path, request)


def how_to_unpack(path: Path) -> str | None:
    """Return what makes a file readable that is compressed, or a workbook; None for another.

    >>> how_to_unpack(Path("a.csv.gz")), how_to_unpack(Path("a.csv"))
    ('unpack it first: gunzip -k a.csv.gz', None)
    """
    if path.suffix.lower() in WORKBOOKS:
        return "save its sheet as .csv"
    command = UNPACKERS.get(path.suffix.lower())
    packed = command is not None and (path.with_suffix("").suffix.lower() in READERS or path.suffix.lower() == ".zip")
    return f"unpack it first: {command} {shlex.quote(str(path))}" if packed else None


def open_npy(path: Path, _: ImportRequest) -> Opened:
    """Read a .npy file; one of Python objects through the unpickler of plain arrays."""
    try:
        return Opened(path, [Item(path, "", read_npy(path))])
    except FileError as error:
        if "Python objects" not in str(error):
            raise
        return Opened(path, list(flatten(path, "", read_object_array(path))))


def open_npz(path: Path, request: ImportRequest) -> Opened:
    """Read an archive."""
    arrays = read_npz(path, request.most_bytes)
    return Opened(path, [Item(path, key, array) for key, array in arrays.items()])


def open_pickle(path: Path, _: ImportRequest) -> Opened:
    """Read a pickle of plain arrays."""
    return Opened(path, list(flatten(path, "", read_pickle(path))))


def open_torch(path: Path, _: ImportRequest) -> Opened:
    """Read a file of PyTorch tensors."""
    try:
        import torch
    except ImportError as error:
        raise FileError(f"{path}: reading tensors needs torch; pip install 'ensembler-bench[backbones]'") from error

    with parsing(path, "a file of tensors"):
        value = torch.load(path, map_location="cpu", weights_only=True)
        return Opened(path, list(flatten(path, "", without_tensors(value))))


def without_tensors(value: Any) -> Any:
    """Return containers with arrays in the place of tensors."""
    if isinstance(value, dict):
        return {key: without_tensors(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(without_tensors, value)) if type(value) in (list, tuple) else list(value)
    if hasattr(value, "detach"):
        tensor = value.detach()
        return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    return value


def open_matlab(path: Path, _: ImportRequest) -> Opened:
    """Read the arrays of a MATLAB file."""
    from scipy.io import loadmat

    with parsing(path, "a MATLAB file"):
        content = loadmat(path, simplify_cells=True)
    arrays = {key: np.asarray(value) for key, value in content.items() if not key.startswith("__")}
    # A vector of MATLAB is a matrix of one row.
    arrays = {key: array[0] if array.ndim == 2 and len(array) == 1 else array for key, array in arrays.items()}
    return Opened(path, [Item(path, key, array) for key, array in arrays.items() if array.dtype.kind in "biufU"])


def open_table(path: Path, request: ImportRequest) -> Opened:
    """Read a .csv or .parquet table; columns of lists become arrays."""
    as_text = () if request.columns.id is None else (request.columns.id,)
    frame = read_frame_file(path, as_text, foreign=True)
    # Before lists in it are looked at, which may be what is wrong with it.
    opened = opened_frame(path, frame.drop(columns=list(request.columns.drop), errors="ignore"))
    return replace(opened, decisions=[*(Decision(*note) for note in frame.attrs.get(NOTES, [])), *opened.decisions])


def opened_frame(path: Path, frame: "pd.DataFrame") -> Opened:
    """Return a table, with its columns of lists, and of numbers by class, as arrays beside it."""
    import pandas as pd

    aside = {}
    for name in list_columns(frame):
        cells = frame[name].tolist()
        if all(map(are_scores, cells)):
            frame = frame.assign(**{name: pd.Series(by_label(path, name, cells), frame.index, object)})
        elif any(isinstance(cell, list) and cell and isinstance(cell[0], dict) for cell in cells):
            aside[name] = "it holds lists of dictionaries"
            frame = frame.drop(columns=name)
    frame = unfolded(frame)
    records = {name: frame.pop(name).tolist() for name in record_columns(frame)}
    items = classes_of_records(path, records)
    read = {item.key for item in items}
    aside |= dict.fromkeys(set(records) - read, "it holds dictionaries, and not of one number a class")
    for name in list_columns(frame):
        if is_id(name) and not any("." in str(cell) for cell in frame[name].tolist()):
            frame[name] = frame[name].map(str)  # such as [subject, trial]
            continue
        items.append(Item(path, name, stacked_lists(path, name, frame.pop(name).tolist())))
    if aside and not items and all(says_labels(str(name)) or is_id(str(name)) for name in frame.columns):
        raise FileError(
            f"{path}: has no predictions; {min(aside)!r} {aside[min(aside)].removeprefix('it ')}; expected a list of "
            "numbers, or one number a class, in each row, by model where there are several, such as "
            '{"rf": [0.1, 0.9], "mlp": [0.3, 0.7]}'
        )
    decisions = [Decision(f"{path} ({name})", "nothing", why) for name, why in sorted(aside.items())]
    return Opened(path, items, frame, decisions=decisions)


def is_id(name: str) -> bool:
    """Whether a column is called as ids of rows are."""
    return bool(ID_NAMES.fullmatch(simple(name)))


def unfolded(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table in which lists and dictionaries inside of dictionaries are columns of their own.

    Such as those of a record's ``{"scores": {"rf": [0.1, 0.9], "mlp": [0.3, 0.7]}}``. One that is alone in its
    dictionary has the name of that one.
    """
    for _ in range(MOST_LEVELS):
        for name in record_columns(frame):
            cells = frame[name].tolist()
            if not all(isinstance(cell, dict) and cell.keys() == cells[0].keys() for cell in cells):
                continue
            nested = [key for key in cells[0] if all(is_vector(cell[key]) or is_record(cell[key]) for cell in cells)]
            if not nested:
                continue
            frame = frame.drop(columns=name)
            for key in nested:
                column = name if len(nested) == 1 else str(key)
                column = f"{name}_{key}" if column in frame.columns else column
                frame[column] = [cell[key] for cell in cells]
    return frame


def is_record(value: Any) -> bool:
    """Whether a value is a dictionary that is not empty."""
    return isinstance(value, dict) and bool(value)


def classes_of_records(path: Path, columns: Mapping[str, Sequence[Any]]) -> list[Item]:
    """Return columns of dictionaries of a number a class as arrays, and the names of the classes; of others nothing."""
    arrays: dict[str, tuple[list[str], NDArray[Any]]] = {}
    for name, cells in columns.items():
        keys = sorted({key for cell in cells if isinstance(cell, dict) for key in cell}, key=str)
        if len(keys) < 2 or not all(isinstance(cell, dict) and len(cell) == len(keys) for cell in cells):
            continue
        rows = [[cell[key] for key in keys] for cell in cells]
        if all(map(is_vector, rows)):
            arrays[name] = list(map(str, keys)), np.array(rows)
    if not arrays:
        return []
    classes = next(iter(arrays.values()))[0]
    other = next((name for name, (keys, _) in arrays.items() if keys != classes), None)
    if other is not None:
        raise FileError(
            f"{path}: the dictionaries in {other!r} are of {', '.join(arrays[other][0][:8])}, those in "
            f"{next(iter(arrays))!r} of {', '.join(classes[:8])}; expected the same classes, or leave one out "
            f"({setting('drop', other)})",
            remedy=("--drop-column", other),
        )
    items = [Item(path, name, array) for name, (_, array) in arrays.items()]
    return [*items, Item(path, "class_names", np.array(classes))]


def open_json(path: Path, _: ImportRequest) -> Opened:
    """Read a JSON file: one of records, of arrays by name, or of an evaluation."""
    with parsing(path, "JSON"):
        value = parse_json(path.read_bytes(), MOST_BYTES)
    if isinstance(value, dict) and "samples" in value and isinstance(value["samples"], list):
        return Opened(path, records=[value])
    records = records_in(value)
    if records is not None:
        told = value.items() if isinstance(value, dict) else ()
        names = [np.array(entry) for name, entry in told if isinstance(entry, list) and names_classes(name)]
        items = [Item(path, "class_names", array) for array in names if array.dtype.kind == "U" and array.ndim == 1]
        return replace(opened_records(path, records), items=items)
    if isinstance(value, (dict, list)):
        return Opened(path, list(flatten(path, "", lists_as_arrays(value))))
    raise FileError(f"{path}: holds one {type(value).__name__}, expected records or arrays")


def lists_as_arrays(value: Any) -> Any:
    """Return dictionaries with arrays in the place of lists of numbers or texts, nested ones as well."""
    if isinstance(value, dict):
        return {key: lists_as_arrays(item) for key, item in value.items()}
    if isinstance(value, list):
        try:
            array = np.array(value)
        except ValueError:
            return value
        return array if array.dtype.kind in "biufU" else value
    return value


def open_lines(path: Path, _: ImportRequest) -> Opened:
    """Read one JSON record a line, or the indented list that some programs call so."""
    with parsing(path, "JSON lines"):
        text = path.read_text(encoding="utf-8-sig")
        if text.lstrip().startswith("["):
            return opened_records(path, parse_json(text.encode(), MOST_BYTES))
        records = [parse_json(line.encode(), MOST_BYTES) for line in text.splitlines() if line.strip()]
    if not all(isinstance(record, dict) for record in records):
        raise FileError(f"{path}: a line is no JSON object, expected a record a line")
    return opened_records(path, records)


def opened_records(path: Path, records: list[dict[str, Any]]) -> Opened:
    """Return records, with those that are flat as a table too."""
    return Opened(path, records=records)


def open_evaluation(path: Path, _: ImportRequest) -> Opened:
    """Read the archive that inspect_ai writes of an evaluation: its header, and a file a sample."""
    with parsing(path, "an .eval archive"), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        header = json.loads(archive.read("header.json")) if "header.json" in names else {}
        samples = [json.loads(archive.read(name)) for name in sorted(names) if name.startswith("samples/")]
    return Opened(path, records=[{**header, "samples": samples}])


def open_dataset(path: Path, _: ImportRequest) -> Opened:
    """Read one .arrow file of a dataset that was saved to disk; names of classes come from its schema."""
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
    except ImportError as error:
        raise FileError(f"{path}: reading .arrow needs pyarrow; pip install 'ensembler-bench[parquet]'") from error

    with parsing(path, "an Arrow stream"), pa.memory_map(str(path)) as source:
        table = pa.ipc.open_stream(source).read_all()
        frame = table.to_pandas()
        about = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
    opened = opened_frame(path, frame)
    items, frame = list(opened.items), opened.frame
    for name, feature in about.get("info", {}).get("features", {}).items():
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
            items.append(Item(path, "class_names", np.array(feature["names"])))
            if name in frame.columns:
                items.append(Item(path, name, frame.pop(name).to_numpy()))
    return replace(opened, items=items)


def flatten(path: Path, key: str, value: Any, level: int = 0) -> Iterator[Item]:
    """Yield the arrays in nested dictionaries, lists and tuples, with their keys."""
    if level > MOST_LEVELS:
        raise FileError(f"{path}: is nested in more than {MOST_LEVELS} levels")
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        value = value.tolist() if value.ndim else value.item()
    if isinstance(value, dict):
        for name, item in value.items():
            yield from flatten(path, f"{key}/{name}" if key else str(name), item, level + 1)
    elif isinstance(value, (list, tuple)):
        yield from flatten_list(path, key, value, level)
    elif isinstance(value, np.ndarray):
        yield Item(path, key, value)


def flatten_list(path: Path, key: str, values: Sequence[Any], level: int) -> Iterator[Item]:
    """Yield plain values, rows and batches of rows as one array, anything else one by one."""
    if values and all(isinstance(value, (int, float, str, np.generic)) for value in values):
        yield Item(path, key, np.array(values))
        return
    if (rows := stacked_rows(values)) is not None:
        yield Item(path, key, rows)
        return
    arrays = [value for value in values if isinstance(value, np.ndarray) and value.ndim]
    batches = len(arrays) == len(values) > 1 and len({array.shape[1:] for array in arrays}) == 1
    if batches and len({array.dtype.kind for array in arrays}) == 1 and len({len(array) for array in arrays}) > 1:
        yield Item(path, key, np.concatenate(arrays))
        return
    if batches and len({array.shape for array in arrays}) == 1 and arrays[0].ndim == 2:
        yield Item(path, key, np.stack(arrays))
        return
    for index, value in enumerate(values):
        yield from flatten(path, f"{key}/{index}" if key else str(index), value, level + 1)


def stacked_rows(values: Sequence[Any]) -> NDArray[Any] | None:
    """Return vectors as the rows of an array, if there are more of them than each has numbers, some not whole.

    >>> stacked_rows([[0.5, 0.5], [1, 0], [0.25, 0.75]]).shape
    (3, 2)
    """
    lengths = {len(value) if isinstance(value, (list, np.ndarray)) else 0 for value in values}
    if len(lengths) != 1 or not 1 < min(lengths) < len(values) or not all(map(is_vector, values)):
        return None
    rows = np.array([np.asarray(value) for value in values])
    return rows if rows.dtype.kind == "f" else None


def is_vector(value: Any) -> bool:
    """Whether a value is numbers, in a list or in an array of one axis."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and value.dtype.kind in "biuf"
    return isinstance(value, list) and all(isinstance(one, (int, float)) for one in value)


Reader = Callable[[Path, ImportRequest], Opened]
READERS: dict[str, Reader] = {
    ".npy": open_npy,
    ".npz": open_npz,
    ".csv": open_table,
    ".tsv": open_table,
    ".parquet": open_table,
    ".json": open_json,
    ".jsonl": open_lines,
    ".ndjson": open_lines,
    ".txt": open_table,
    ".pkl": open_pickle,
    ".p": open_pickle,
    ".pickle": open_pickle,
    ".pt": open_torch,
    ".pth": open_torch,
    ".mat": open_matlab,
    ".arrow": open_dataset,
    ".eval": open_evaluation,
}
KNOWN = f"expected {', '.join(READERS)}, or a folder of them"
