"""Planning an import: opening the files, and trying the layouts in a fixed order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ensembler.errors import EnsemblerError, FileError, Problems
from ensembler.predictions.files import readable
from ensembler.predictions.loading.class_space import METADATA_FILE
from ensembler.predictions.loading.folder import expand, is_folder, read_metadata
from ensembler.predictions.loading.frame_files import DOUBTFUL
from ensembler.predictions.loading.intake.arrays import given_labels, plan_arrays
from ensembler.predictions.loading.intake.beside import (
    in_array_order,
    label_arrays,
    label_items,
    may_be_member,
    member_items,
)
from ensembler.predictions.loading.intake.competition import is_sample
from ensembler.predictions.loading.intake.evaluations import is_harness_log, is_inspect_log, plan_harness, plan_inspect
from ensembler.predictions.loading.intake.folds import joined_folds, refuse_whole
from ensembler.predictions.loading.intake.formats import ARROW, READERS, how_to_unpack, open_file, opened_frame
from ensembler.predictions.loading.intake.names import says_class_names, says_labels
from ensembler.predictions.loading.intake.plan import Decision, ImportRequest, Item, Opened, Plan
from ensembler.predictions.loading.intake.tables import plan_tables
from ensembler.predictions.loading.intake.votes import long_columns, plan_long

MOST_FILES = 5_000
NOT_DATA = ("dataset_info.json", "state.json", "dataset_dict.json")
"""Files that a dataset's folder holds besides its rows."""


def plan_import(
    paths: Sequence[Path], request: ImportRequest, progress: Callable[[int, int, str], None] | None = None
) -> Plan:
    """Find out what prediction set some files make.

    Layouts are tried in this order: logs of evaluations, long tables of votes or probabilities, tables of one or
    several models, arrays.

    Raises
    ------
    FileError, DataError
        Everything that is wrong with the files, together.
    """
    decisions: list[Decision] = []
    problems = Problems()
    opened: list[Opened] = []
    files = list(input_files(paths, request, decisions))
    for number, file in enumerate(files):
        if progress is not None:
            progress(number, len(files), file.name)
        with problems.collected():
            opened.append(open_file(file, request))
    if not opened:
        problems.raise_all()
        raise FileError(f"{', '.join(map(str, paths))}: no files that hold predictions")
    tables = [file for file in opened if file.frame is not None]
    if tables and all(file.frame.attrs.get(DOUBTFUL) for file in tables):
        what = "a row without a header (0, as in all files)"
        why = "0 may be the name that pandas gives a series as well"
        decisions.append(Decision(str(tables[0].path), what, why, is_guess=True))
    unread = list(problems.errors)
    if any(says_labels(Path(str(error).partition(": ")[0]).stem) for error in unread):
        problems.raise_all()
    try:
        plan = plan_opened(joined_shards(opened), request)
    except EnsemblerError as failure:
        # What is missing may stand in a file that could not be read.
        problems.add(failure)
        problems.raise_all()
        raise
    for error in unread:
        decisions.append(Decision(str(error).partition(": ")[0], "nothing", str(error).partition(": ")[2]))
    plan.normalize = request.normalize
    add_facts(plan, paths)
    plan.decisions = [*decisions, *(told for file in opened for told in file.decisions), *plan.decisions]
    return plan


def add_facts(plan: Plan, folders: Sequence[Path]) -> None:
    """Take what the ``members.json`` of a prediction set says of its members."""
    for folder in folders:
        if not (is_folder(folder) and (folder / METADATA_FILE).is_file()):
            continue
        try:
            known = read_metadata(None, folder).members
        except FileError as error:
            reason = str(error).removeprefix(f"{folder / METADATA_FILE}: ")
            plan.decisions.append(Decision(str(folder / METADATA_FILE), "nothing", reason))
            continue
        names = {table.name for part in plan.parts.values() for table in part.tables}
        facts = {name: dict(entry) for name, entry in known.items() if name in names and entry}
        plan.facts = {**facts, **plan.facts}
        if facts:
            decision = Decision(str(folder / METADATA_FILE), f"facts of {len(facts)} members", "it names them")
            plan.decisions.append(decision)


def input_files(paths: Sequence[Path], request: ImportRequest, decisions: list[Decision]) -> Iterator[Path]:
    """Yield the files to open: those given, and in folders all of a known format, hidden ones and labels aside."""
    reserved = None if request.labels is None else request.labels.absolute()
    seen: set[Path] = set()
    for path in expand(list(paths)):
        inside = [path]
        if is_folder(path):
            with readable(path):
                inside = sorted(file for file in path.rglob("*") if is_visible(file, path) and file.is_file())
            known = [file for file in inside if is_data(file)]
            packed = [file for file in inside if how_to_unpack(file) is not None]
            if packed:
                listed = ", ".join(map(str, packed[:5]))
                raise FileError(f"{listed}: cannot read {packed[0].suffix}; {how_to_unpack(packed[0])}")
            for file in set(inside) - set(known):
                decisions.append(Decision(str(file), "nothing", "it is of no known format, or describes the others"))
            inside = known
        for file in inside:
            if file.absolute() not in seen and file.absolute() != reserved:
                seen.add(file.absolute())
                yield file
        if len(seen) > MOST_FILES:
            raise FileError(f"{path}: holds more than {MOST_FILES:,} files; give the ones with predictions")


def is_data(file: Path) -> bool:
    """Whether a file in a folder is of a format that may hold predictions."""
    about = file.name in NOT_DATA or (file.name.startswith("results") and file.suffix == ".json")
    return file.suffix.lower() in READERS and not about


def is_visible(file: Path, folder: Path) -> bool:
    """Whether neither a file nor a folder that it is in below the one given is hidden."""
    parts = file.relative_to(folder).parts
    return not any(part.startswith(".") or part == "__MACOSX" for part in parts)


def joined_shards(opened: Sequence[Opened]) -> list[Opened]:
    """Return files with the shards of one dataset folder as one."""
    import pandas as pd

    folders: dict[Path, list[Opened]] = {}
    rest = []
    for file in opened:
        if file.path.suffix == ARROW:
            folders.setdefault(file.path.parent, []).append(file)
        else:
            rest.append(file)
    for folder, shards in folders.items():
        items = []
        for item in shards[0].items:
            parts = [other.array for shard in shards for other in shard.items if other.key == item.key]
            whole = item.array if says_class_names(item.key) else np.concatenate(parts)
            items.append(Item(folder, item.key, whole))
        rest.append(Opened(folder, items, pd.concat([shard.frame for shard in shards], ignore_index=True)))
    return rest


def plan_opened(opened: list[Opened], request: ImportRequest) -> Plan:
    """Plan a prediction set of files that were opened."""
    logs = [file for file in opened if is_harness_log(file)]
    if logs:
        return plan_harness(logs)
    logs = [file for file in opened if is_inspect_log(file)]
    if logs:
        return plan_inspect(logs)
    read = [records_as_table(file) for file in opened]
    of_records = [file for file, before in zip(read, opened, strict=True) if file is not before]
    decisions = [decision for file in of_records for decision in file.decisions]
    plan = plan_data(joined_folds(read, request, decisions), request)
    plan.decisions = [*decisions, *plan.decisions]
    return plan


def plan_data(opened: list[Opened], request: ImportRequest) -> Plan:
    """Plan a prediction set of arrays and tables."""
    for file in opened:
        columns = long_columns(file)
        if columns is not None:
            return plan_long(file, columns, [other for other in opened if other is not file], request)
    tables = [file for file in opened if file.frame is not None]
    arrays = [file for file in opened if file.frame is None and file.items]
    names = class_names_in(tables)
    if tables and not any(may_be_member(item) for file in arrays for item in file.items):
        plan = plan_tables(tables, request, label_arrays(arrays), [file for file in arrays if not file.in_order])
    else:
        decisions: list[Decision] = []
        tables = [in_array_order(file, arrays, request) for file in tables if not is_sample(file, decisions)]
        items = [item for file in arrays for item in file.items]
        refuse_whole(opened, None if request.labels is None else given_labels(request))
        beside = [*label_items(tables), *member_items(tables, arrays, request, decisions)]
        plan = plan_arrays([*items, *beside], request)
        plan.decisions = [*decisions, *plan.decisions]
    plan.class_names = request.class_names or plan.class_names or names
    return plan


def records_as_table(file: Opened) -> Opened:
    """Return the records of a log as a table."""
    if not file.records or file.frame is not None:
        return file
    import pandas as pd

    opened = opened_frame(file.path, pd.DataFrame(list(file.records)))
    return replace(opened, items=[*file.items, *opened.items])


def class_names_in(tables: Sequence[Opened]) -> tuple[str, ...] | None:
    """Return the names of classes that a table brings with it."""
    for file in tables:
        for item in file.items:
            if says_class_names(item.key) and item.array.ndim == 1:
                return tuple(map(str, item.array.tolist()))
    return None
