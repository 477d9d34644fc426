"""Which folders are prediction sets, and what they are called."""

import os

import numpy as np
import pytest

from ensembler.errors import FileError
from ensembler.predictions.loading.sets import find_sets, load_sets


@pytest.fixture
def sets(write_set, tmp_path, monkeypatch):
    """Three sets in a folder, and one elsewhere of the same name as one of them."""
    for name in ("all/iris", "all/wine", "all/bands", "other/iris"):
        write_set(name, n_samples=60, val=name != "all/wine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_of_sets_stands_for_them(sets):
    assert list(find_sets(["all"])) == ["bands", "iris", "wine"]
    (sets / "all" / "notes").mkdir()
    (sets / "all" / ".hidden").mkdir()
    (sets / "all" / "readme.md").write_text("three sets")
    assert list(find_sets(["all"])) == ["bands", "iris", "wine"]


def test_a_set_is_one_though_it_has_a_folder_of_validation_rows(sets):
    assert list(find_sets(["all/iris"])) == ["iris"]


def test_patterns_are_expanded_and_pass_over_files(sets):
    (sets / "all" / "readme.md").write_text("three sets")
    assert list(find_sets(["all/*"])) == ["bands", "iris", "wine"]
    assert list(find_sets(["all/*/", "all/wine"])) == ["bands", "iris", "wine"]
    assert list(find_sets(["all/[iw]*"])) == ["iris", "wine"]


def test_sets_of_one_name_are_told_apart_by_their_folders(sets, write_set):
    assert list(find_sets(["all/iris", "other/iris", "all/wine"])) == ["all/iris", "other/iris", "wine"]
    write_set("more/other/iris", n_samples=60)
    assert list(find_sets(["other/iris", "more/other/iris"])) == [f"{sets.name}/other/iris", "more/other/iris"]


def test_all_that_is_wrong_is_told_at_once(sets):
    (sets / "empty").mkdir()
    (sets / "only-labels").mkdir()
    np.save(sets / "only-labels" / "labels.npy", np.zeros(3, int))
    (sets / "file.npy").write_bytes(b"")
    with pytest.raises(FileError) as caught:
        find_sets(["all/iris", "missing", "empty", "only-labels", "file.npy", "zz*"])
    assert str(caught.value).splitlines() == [
        "5 paths: no prediction set",
        "  missing: no such folder",
        "  empty: no labels, expected labels.npy (or .npz, .csv, .parquet) beside the members",
        "  only-labels: no predictions, expected one file a member: .npy, .npz, .csv, .parquet",
        "  file.npy: is a file, expected the folder of a prediction set",
        "  zz*: no folder matches this pattern",
    ]
    with pytest.raises(FileError, match=r"^missing: no such folder$"):
        find_sets(["missing"])


def test_of_very_many_problems_the_first_are_told():
    with pytest.raises(FileError) as caught:
        find_sets([f"missing-{place}" for place in range(40)])
    assert str(caught.value).endswith("missing-9: no such folder\n  and 30 more")


def test_loading_says_which_sets_have_findings_and_prints_none(sets, recwarn):
    np.save(sets / "all" / "wine" / "m4.npy", np.load(sets / "all" / "wine" / "m0.npy"))
    loaded = load_sets(find_sets(["all"]))
    assert list(loaded.sets) == ["bands", "iris", "wine"]
    assert loaded.with_findings == ["wine"]
    assert not list(recwarn)
    assert loaded.sets["iris"].validation is not None
    assert load_sets(find_sets(["all"]), val=False).sets["iris"].validation is None


def test_every_set_that_cannot_be_read_is_told(sets):
    for name in ("iris", "bands"):
        (sets / "all" / name / "m0.npy").write_bytes(b"junk")
    with pytest.raises(FileError) as caught:
        load_sets(find_sets(["all"]))
    lines = str(caught.value).splitlines()
    assert lines[0] == "2 sets: cannot be read"
    assert lines[1].startswith(f"  bands: all{os.sep}bands{os.sep}m0.npy: ")
    with pytest.raises(FileError, match="^wine: no validation rows"):
        load_sets({"wine": sets / "all" / "wine"}, val=True)
