"""What names of files, folders, arrays and columns say: of which rows they are, of which member, and what they hold."""

import re
from collections.abc import Sequence
from pathlib import Path

from ensembler.errors import AlignmentError
from ensembler.predictions.loading.column_names import LABEL_NAMES
from ensembler.predictions.loading.folder import unlike_parts

SPLITS = {
    "train": frozenset(["train", "training", "oof", "cv"]),
    "val": frozenset(["val", "valid", "validation", "dev", "calib", "calibration"]),
    "test": frozenset(["test", "tst", "holdout", "heldout", "eval", "evaluation", "private"]),
    "new": frozenset(["sub", "submission", "submissions", "submit"]),
}
# fmt: off
ROLES = frozenset({
    "proba", "probas", "prob", "probs", "probability", "probabilities", "pred", "preds", "predict", "predicted",
    "prediction", "predictions", "logit", "logits", "score", "scores", "softmax", "output", "outputs", "confidence",
    "confidences", "y", "pyx", "hat", "labels", "label", "target", "targets", "true", "results", "result", "class",
    "classes", "arr", "data", "array", "file", "out", "csv",
})
# fmt: on
"""Words that say what an array is and not whose."""
ROW_NUMBER_WORDS = frozenset({"idx", "index", "indices", "indexes", "rows"})
"""Last words in the names of arrays of row numbers."""
CONTAINERS = frozenset({"models", "members", "classifiers", "estimators", "learners"})
"""What dictionaries of models are called."""
# fmt: off
DERIVED = frozenset({
    "avg", "average", "mean", "ensemble", "ensembled", "blend", "blended", "stack", "stacked", "stacking", "vote",
    "votes", "voted", "voting", "majority", "rank", "weighted", "weightedensemble",
})
# fmt: on
"""Words in the names of columns that are made of others."""


VERDICTS = frozenset({"correct", "iscorrect", "hit", "wrong", "incorrect", "error", "err", "match"})
"""Last words in the names of columns that say whether a prediction is the label."""


def words(name: str) -> list[str]:
    """Return the words in a name, in small letters.

    >>> words("oof_LGBM-v2.1")
    ['oof', 'lgbm', 'v2', '1']
    """
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def split_of(path: Path, key: str = "") -> str | None:
    """Return which rows an array is of, from the nearest name that says so: train, val, test or new."""
    for name in (*reversed(key.split("/")), path.stem, *reversed(path.parent.parts)):
        said = split_word(name)
        if said is not None:
            return said[0]
    return None


def split_word(name: str) -> tuple[str, str] | None:
    """Return the split that a name tells, and the word that tells it."""
    for word in words(name):
        for split, known in SPLITS.items():
            if word in known:
                return split, word
    return None


def own_words(name: str) -> str:
    """Return a name without the words that tell rows or roles, as it was written.

    >>> own_words("oof_lgbm_preds"), own_words("test_probs"), own_words("model (2)")
    ('lgbm', '', 'model (2)')
    """
    name = without_stars(name)
    aside = ROLES.union(*SPLITS.values())
    pieces = re.split(r"([^A-Za-z0-9]+)", name)
    kept = [index for index in range(0, len(pieces), 2) if pieces[index] and pieces[index].lower() not in aside]
    if not kept:
        return ""
    own, after = "".join(pieces[kept[0] : kept[-1] + 1]), "".join(pieces[kept[-1] + 1 :])
    return own + ")" * (after.startswith(")") and own.count("(") > own.count(")"))


UUID = re.compile(r"[-_]?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}([-_]c\d+)?", re.IGNORECASE)


def without_stars(name: str) -> str:
    """Return a name without the number of a fold, for which ``*`` stands, and of a job.

    >>> without_stars("oof_lgbm_*")
    'oof_lgbm'
    """
    return re.sub(r"[^A-Za-z0-9]?\*", "", UUID.sub("", name))


def member_names(places: Sequence[tuple[Path, str]]) -> list[str]:
    """Return a name for each of several arrays, given their files and keys: what tells them apart.

    >>> member_names([(Path("a/resnet/val.npy"), ""), (Path("a/vgg/val.npy"), "")])
    ['resnet', 'vgg']

    Raises
    ------
    AlignmentError
        Two files differ in nothing but their suffix.
    """
    names = []
    for path, key in places:
        own = [own_words(part) for part in key.split("/") if part.lower() not in CONTAINERS] if key else []
        own = [part for part in own if part]
        stem = own_words(path.stem)
        names.append(
            "-".join(own) if own else stem or next(filter(None, map(own_words, path.parts[-2::-1])), path.stem)
        )
    if len(set(names)) == len(names):
        return names
    files = [path for path, _ in places]
    if len(set(files)) == len(files):
        whole = [path.with_suffix("") for path in files]
        for index, path in enumerate(whole):
            if path in whole[:index]:
                raise AlignmentError(
                    f"two members are called {path.name!r}: {files[whole.index(path)]} and {files[index]}; "
                    "rename one, or leave one out"
                )
        tails = unlike_parts([Path(*(own_words(part) or part for part in path.absolute().parts)) for path in whole])
        if len(set(tails)) == len(tails):
            return [without_stars(name).replace("/", "-") for name in tails]
        return [without_stars(name).replace("/", "-") for name in unlike_parts([path.absolute() for path in whole])]
    prefixes = [own_words(path.stem) or path.parent.name for path in files]
    both = [f"{prefix}-{name}" if prefix != name else name for prefix, name in zip(prefixes, names, strict=True)]
    if len(set(both)) == len(both):
        return both
    return [f"{prefix}-{key.replace('/', '-')}" for prefix, (_, key) in zip(prefixes, places, strict=True)]


def says_labels(name: str) -> bool:
    """Whether a name is one of labels, alone or beside a split."""
    left = [
        word for word in words(name) if split_word(word) is None and word not in ("onehot", "one", "hot", "encoded")
    ]
    if len(left) > 1 and left[-1] in ("true", "labels", "label", "targets"):
        return True
    return "_".join(left) in {*LABEL_NAMES, "classes", "gts"} or "_".join(words(name)) in LABEL_NAMES


def says_ids(name: str) -> bool:
    """Whether a name is one of row ids."""
    left = [word for word in words(name) if split_word(word) is None]
    return bool(left) and left[-1] in ("id", "ids", "filename", "filenames", "path", "paths", "uid", "keys")


def says_class_names(name: str) -> bool:
    """Whether a name is one of class names."""
    return "_".join(words(name)) in ("class_names", "classes", "label_names", "labels_names", "categories", "names")


def says_logits(name: str) -> bool:
    """Whether a name says that values are logits."""
    return any(word in ("logit", "logits") for word in words(name))
