"""Every field of every JSON document is on the page of them, and every field on the page is in some document."""

import contextlib
import io
import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from ensembler.cli import main
from ensembler.metrics import METRICS
from tests.conftest import draw

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "json.md"
KINDS = {
    "text": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


class Field(NamedTuple):
    """What the page says of a field: its type, and when it is there where that is not always."""

    type: str
    condition: str


def read_page(text):
    """Return the fields of each section by its heading, as the page names them."""
    sections = {}
    for block in re.split(r"^##+ ", text, flags=re.MULTILINE)[1:]:
        heading = block.partition("\n")[0]
        fields = sections.setdefault(slug(heading), {})
        for names, kind in re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|", block, flags=re.MULTILINE):
            base, condition = re.fullmatch(r"(.*?)(?:(?<!of) \(([^()]*)\))?", kind.strip()).groups()
            for name in re.findall(r"`([^`]+)`", names):
                assert name not in fields, (heading, name)
                fields[name] = Field(base, condition or "")
        schema = re.search(r"^\| `schema` \| text \| `([^`]+)` \|", block, flags=re.MULTILINE)
        if schema:
            sections[schema[1]] = fields
    return sections


def slug(heading):
    """Return the anchor of a heading."""
    return re.sub(r"[^a-z -]", "", heading.lower()).strip().replace(" ", "-")


class Walk:
    """Documents held against the page: what is not as it says, and which of its fields were met."""

    def __init__(self, sections):
        self.sections = sections
        self.met = set()
        self.problems = []

    def document(self, value):
        self.object(value, value["schema"], "", value["schema"])

    def object(self, value, section, path, where):
        """Look at the fields of an object that the page lists under a path."""
        fields = self.sections[section]
        for key, item in value.items():
            name = f"{path}{key}"
            if name not in fields and key.partition(":")[0] in METRICS:
                name = f"{path}METRIC"
            if name not in fields:
                self.problems.append(f"{where}.{key} is not documented")
                continue
            self.met.add((id(fields), name))
            self.value(item, fields[name].type, section, name, f"{where}.{key}")
        for name, field in fields.items():
            key = name.removeprefix(path)
            always = name.startswith(path) and "." not in key and key != "METRIC" and not field.condition
            if always and key not in value:
                self.problems.append(f"{where} has no {key}")

    def value(self, value, kind, section, name, where):
        """Look at a value of a documented type."""
        if kind.endswith(", or null"):
            kind = kind.removesuffix(", or null")
            if value is None:
                return
        if kind.startswith("list of "):
            self.sequence(value, re.sub(r"^\((.*)\)$", r"\1", kind.removeprefix("list of ")), section, name, where)
        elif kind.startswith("by "):
            for key, item in value.items():
                self.value(item, kind.partition(": ")[2], section, name, f"{where}.{key}")
        elif kind.endswith(" or null"):
            if value is not None:
                self.value(value, kind.removesuffix(" or null"), section, name, where)
        elif kind == "object":
            self.object(value, section, f"{name}.", where)
        elif kind.startswith("["):
            self.linked(value, re.fullmatch(r"\[[^\]]+\]\(#([^)]+)\)", kind)[1], where)
        elif kind != "any" and (not isinstance(value, KINDS[kind]) or (kind != "boolean" and isinstance(value, bool))):
            self.problems.append(f"{where} is {value!r}, documented as {kind}")

    def sequence(self, value, kind, section, name, where):
        """Look at the entries of a list."""
        if not isinstance(value, list):
            self.problems.append(f"{where} is {value!r}, documented as a list")
            return
        for item in value:
            self.value(item, kind, section, f"{name}[]", f"{where}[]")

    def linked(self, value, anchor, where):
        """Look at a value that has a table of its own."""
        if anchor == "interval":
            low, high = value
            assert low <= high, where
        else:
            self.object(value, anchor, "", where)


def write_set(home, labels, probas, metadata=None):
    """Write rows and validation rows of a set."""
    for part, truth, proba in zip(("", "val"), labels, probas, strict=False):
        (home / part).mkdir(parents=True, exist_ok=True)
        np.save(home / part / "labels.npy", truth)
        for index, member in enumerate(proba):
            np.save(home / part / f"m{index}.npy", member)
    if metadata is not None:
        (home / "members.json").write_text(json.dumps(metadata), encoding="utf-8")
    return home


def drawn(home, *seeds, metadata=None, **sizes):
    """Write a set that is drawn, with validation rows if there are two seeds."""
    probas, labels = zip(*(draw(seed, **sizes) for seed in seeds), strict=True)
    return write_set(home, labels, probas, metadata)


def misread(home):
    """Write a set whose best member has its classes in another order, which only some rules learn."""
    rng = np.random.default_rng(3)
    labels, probas = [], []
    for _ in range(2):
        truth = rng.integers(0, 3, 600)
        logits = rng.normal(size=(3, 600, 3))
        logits[0, np.arange(600), (truth + 1) % 3] += 3
        logits[1:, np.arange(600), truth] += 0.3
        labels.append(truth)
        probas.append(np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True))
    return write_set(home, labels, probas)


def lopsided(home):
    """Write a set of nine rows in ten of one class, with votes missing."""
    proba, labels = draw(4, n_members=3, n_samples=100, n_classes=2)
    labels = np.where(np.arange(100) < 90, 0, 1)
    votes = np.where(np.arange(100) % 7 == 3, -1, proba.argmax(axis=-1))
    return write_set(home, [labels], [votes])


def print_json(*arguments):
    """Return the document that a command prints."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr("sys.argv", ["ensembler", *map(str, arguments)])
        try:
            main()
        except SystemExit as stop:
            assert stop.code in (None, 0) or arguments[0] == "check", err.getvalue()
    return json.loads(out.getvalue()) if "--json" in arguments else None


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """Documents of every command, which together have every field."""
    home = tmp_path_factory.mktemp("json")
    costs = {"members": {f"m{index}": {"multiply_adds": index + 1} for index in range(5)}}
    plain = drawn(home / "plain", 0, 1, metadata=costs)
    single = drawn(home / "single", 5)
    second = drawn(home / "second", 9, 10)
    wrong, uneven = misread(home / "wrong"), lopsided(home / "uneven")
    unlabelled = home / "unlabelled"
    unlabelled.mkdir()
    for name in ("m0.npy", "m1.npy", "m2.npy"):
        np.save(unlabelled / name, np.load(plain / name))
    grouped = drawn(home / "grouped", 0, 1)
    for part in (grouped, grouped / "val"):
        np.save(part / "groups.npy", np.arange(120) // 2)
    (home / "costs.json").write_text(
        json.dumps(
            {
                "unit": "ms",
                "members": {f"m{m}": m + 1 for m in range(5)},
                "shared": [{"members": ["m0", "m1"], "cost": 2}],
            }
        )
    )
    groups = ["--groups", grouped / "groups.npy"]
    some = ["--rule", "mean", "--rule", "log-pool", "--rule", "majority-vote"]
    commands = [
        ["bench", plain, *some, "--letters", "--learning-curve", "--metric", "log-loss"],
        ["bench", plain, *some, "--rule", "blend"],
        ["bench", single, *some, "--balance", "auto", "--metric", "roc-auc"],
        ["bench", single, *some, "--fit-on", "part", "--resamples", "0", "--calibrate", "members"],
        ["bench", wrong, "--rule", "mean", "--rule", "stacking", "--rule", "log-pool", "--resamples", "50"],
        ["bench", uneven, "--rule", "majority-vote", "--rule", "product"],
        ["subsets", plain, "--rule", "mean", "--must", "m0"],
        ["subsets", single, "--metric", "log-loss", "--calibrate", "members"],
        ["subsets", uneven, "--rule", "majority-vote", "--rule", "product", "--search", "greedy"],
        ["subsets", uneven, "--rule", "majority-vote", "--rule", "product"],
        ["subsets", plain, "--search", "greedy", "--rule", "mean"],
        ["subsets", single, "--search", "beam"],
        ["rank", plain, single, second, *some, "--learning-curve"],
        ["check", plain],
        ["check", wrong],
        ["compare", plain / "m0.npy", plain / "m1.npy"],
        ["compare", unlabelled / "m0.npy", unlabelled / "m1.npy"],
        ["explain", plain, "--rule", "mean"],
        ["diversity", plain],
        ["diversity", uneven],
        ["diversity", unlabelled],
        ["members", plain],
        ["members", unlabelled],
        ["list"],
        ["cascade", plain, "--alpha", "0.2", "--costs", home / "costs.json", "--save", home / "cascade.json"],
        ["cascade", single],
        ["abstain", grouped, "--rule", "mean", "--risk", "0.3", *groups, "--save", home / "abstain.json"],
        ["abstain", plain, "--risk", "0.0001"],
        ["conformal", grouped, "--rule", "mean", *groups, "--score", "raps:free=1", "--save", home / "sets.json"],
        ["conformal", plain, "--rule", "accuracy-weighted", "--by-class", "--alpha", "0.02"],
    ]
    made = [print_json(*command, "--json") for command in commands]
    print_json("predict", plain, "--rule", "mean", "--balance", "0.5", "--save", home / "rule.json")
    saved = ("cascade.json", "abstain.json", "sets.json", "rule.json")
    return made + [json.loads((home / name).read_text(encoding="utf-8")) for name in saved]


@pytest.fixture(scope="module")
def sections():
    return read_page(PAGE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def walk(documents, sections):
    walked = Walk(sections)
    for document in documents:
        walked.document(document)
    return walked


def test_documents_are_as_the_page_says(walk):
    assert not walk.problems, "\n".join(dict.fromkeys(walk.problems))


def test_every_field_of_the_page_is_in_some_document(walk, sections):
    missing = {
        f"{section}: {name}"
        for section, fields in sections.items()
        for name in fields
        if (id(fields), name) not in walk.met and "/" not in section
    }
    assert not missing, "\n".join(sorted(missing))


def test_every_document_has_a_schema_of_its_own(documents, sections):
    assert {document["schema"] for document in documents} == {name for name in sections if "/" in name}


def test_every_document_says_how_it_came_about(documents):
    """But for the list of rules, which says nothing of anybody's data, and saved files."""
    without = ("ensembler.list", "ensembler.recipe", "ensembler.cascade-recipe")
    for document in documents:
        if document["schema"].partition("/")[0] not in without:
            assert document["reproducibility"]["command"].startswith("ensembler "), document["schema"]
            assert document["reproducibility"]["versions"]["ensembler"]
