"""FER2013 in every form, and what is wrong with files that are not."""

import gzip
import warnings

import numpy as np
import pytest
from PIL import Image

from backbones.errors import DataError, DataWarning
from backbones.faces import CLASSES, find_exact_duplicates
from backbones.fer2013 import load_faces

pytestmark = pytest.mark.filterwarnings("ignore::backbones.errors.DataWarning")


def rows(n_train=14, n_val=7, n_test=7, seed=0):
    rng = np.random.default_rng(seed)
    table = []
    for usage, count in (("Training", n_train), ("PublicTest", n_val), ("PrivateTest", n_test)):
        table += [(index % 7, rng.integers(0, 256, (6, 6)), usage) for index in range(count)]
    return table


def as_csv(table, form):
    if form == "fer2013":
        lines = ["emotion,pixels,Usage"]
        lines += [f"{label},{' '.join(map(str, image.ravel()))},{usage}" for label, image, usage in table]
    elif form == "icml":
        lines = ["emotion, Usage, pixels"]
        lines += [f"{label},{usage},{' '.join(map(str, image.ravel()))}" for label, image, usage in table]
    else:
        lines = ["emotion,pixels"]
        lines += [
            f"{label},{' '.join(map(str, image.ravel()))}" for label, image, usage in table if usage == "Training"
        ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("form", ["fer2013", "icml"])
@pytest.mark.parametrize("zipped", [False, True])
def test_csv_files(form, zipped, tmp_path):
    table = rows()
    path = tmp_path / f"{form}.csv"
    if zipped:
        path = tmp_path / f"{form}.csv.gz"
        path.write_bytes(gzip.compress(as_csv(table, form).encode()))
    else:
        path.write_text(as_csv(table, form))
    faces = load_faces(path)
    assert [len(split) for split in (faces.train, faces.val, faces.test)] == [14, 7, 7]
    for name, usage in (("train", "Training"), ("val", "PublicTest"), ("test", "PrivateTest")):
        expected = [(label, image) for label, image, given in table if given == usage]
        np.testing.assert_array_equal(faces.split(name).labels, [label for label, _ in expected])
        np.testing.assert_array_equal(faces.split(name).images, [image for _, image in expected])


def test_a_training_file_alone_holds_out_validation_rows(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(as_csv(rows(140), "train"))
    with pytest.warns(DataWarning, match="there is no validation split: 14 of the training images are held out"):
        faces = load_faces(path)
    assert (len(faces.train), len(faces.val), len(faces.test)) == (126, 14, 0)
    assert set(faces.val.labels) == set(range(7))


def write_folders(home, table, official=True, names=None):
    names = names or [name.lower() for name in CLASSES]
    for index, (label, image, usage) in enumerate(table):
        part = "train" if usage == "Training" else "test"
        folder = home / part / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        prefix = f"{usage}_" if official else "im"
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{prefix}{index}.png")


def test_folders_are_mapped_by_name_and_keep_the_official_split(tmp_path):
    table = rows()
    write_folders(tmp_path / "f", table)
    faces = load_faces(tmp_path / "f")
    assert faces.class_names == CLASSES
    assert [len(split) for split in (faces.train, faces.val, faces.test)] == [14, 7, 7]
    # Alphabetical order would make neutral 4 and sad 5.
    private = [(label, image) for label, image, usage in table if usage == "PrivateTest"]
    np.testing.assert_array_equal(faces.test.labels, [label for label, _ in private])
    np.testing.assert_array_equal(faces.test.images, [image for _, image in private])


def test_another_image_set_of_the_same_form(tmp_path):
    write_folders(
        tmp_path / "f", [(label % 3, image, usage) for label, image, usage in rows(60)], False, ["owl", "ape", "bee"]
    )
    faces = load_faces(tmp_path / "f")
    assert faces.class_names == ("ape", "bee", "owl")
    assert (len(faces.train), len(faces.val), len(faces.test)) == (54, 6, 14)
    assert faces.size == 6


def test_the_cache_is_used_and_made_anew_when_the_source_changes(tmp_path, monkeypatch):
    path = tmp_path / "fer2013.csv"
    path.write_text(as_csv(rows(), "fer2013"))
    first = load_faces(path)
    assert (tmp_path / "fer2013.csv.cache" / "facts.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr("backbones.fer2013.read_csv", lambda path: pytest.fail("read again"))
        again = load_faces(path)
    assert isinstance(again.train.images, np.memmap)
    assert again.checksum == first.checksum
    path.write_text(as_csv(rows(seed=1), "fer2013"))
    assert load_faces(path).checksum != first.checksum
    (tmp_path / "fer2013.csv.cache" / "train-images.npy").write_bytes(b"nonsense")
    assert load_faces(path).checksum != first.checksum
    elsewhere = tmp_path / "elsewhere"
    load_faces(path, cache=elsewhere)
    assert (elsewhere / "fer2013.csv.cache").is_dir()


def test_a_read_only_folder_is_left_alone(tmp_path, monkeypatch):
    home = tmp_path / "data"
    home.mkdir()
    (home / "fer2013.csv").write_text(as_csv(rows(), "fer2013"))
    home.chmod(0o555)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    load_faces(home / "fer2013.csv")
    assert [path.name for path in home.iterdir()] == ["fer2013.csv"]
    assert len(list((tmp_path / "cache" / "backbones").iterdir())) == 1


def test_counts_that_are_not_official_are_said(tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_text(as_csv(rows(), "fer2013"))
    message = r"not the official FER2013: train has 2 images of Angry, expected 3995 \(21 of 21 counts differ\)"
    with pytest.warns(DataWarning, match=message):
        load_faces(path)
    with pytest.raises(DataError, match=message):
        load_faces(path, strict=True)


def test_exact_duplicates_are_found(tmp_path):
    table = rows()
    image = table[0][1]
    table[15] = (3, image, "PublicTest")
    table[22] = (0, image, "PrivateTest")
    table[23] = (1, table[24][1], "PrivateTest")
    path = tmp_path / "fer2013.csv"
    path.write_text(as_csv(table, "fer2013"))
    duplicates = find_exact_duplicates(load_faces(path))
    assert np.flatnonzero(duplicates.leaked["val"]).tolist() == [1]
    assert np.flatnonzero(duplicates.leaked["test"]).tolist() == [1]
    assert (duplicates.groups, duplicates.contradictory) == (2, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("emotion,Usage\n0,Training\n", "has the columns emotion, Usage, expected emotion, pixels and Usage"),
        ("pixels\n1 2 3 4\n", "has no column emotion, so it cannot be learned from or scored"),
        ("emotion,pixels,Usage\n", "holds no rows"),
        ("emotion,pixels,Usage\n7,1 2 3 4,Training\n", "row 0 has emotion 7, expected 0 to 6"),
        ("emotion,pixels,Usage\n0,1 2 3 4,Train\n", "Usage is 'Train' in some rows, expected one of Training"),
        ("emotion,pixels,Usage\n0,1 2 3,Training\n", "row 0 has 3 pixels, expected a square"),
        (
            "emotion,pixels,Usage\n0,1 2 3 4,Training\n0,1 2 3,Training\n",
            "row 1 has 3 pixels, expected 4 as in the first row",
        ),
        ("emotion,pixels,Usage\n0,1 2 3 256,Training\n", "row 0 has pixels from 1 to 256, expected 0 to 255"),
        ("emotion,pixels,Usage\n0,1 2 3 -1,Training\n", "row 0 has pixels from -1 to 3, expected 0 to 255"),
        ("emotion,pixels,Usage\n0,1 2 3 x,Training\n", "row 0 has pixels that are not whole numbers"),
        ("emotion,pixels,Usage\n0,1 2 3 4,PublicTest\n", "there are no training images"),
        ("", "cannot be read as csv"),
    ],
)
def test_bad_csv_files(text, message, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        load_faces(path)
    assert not (tmp_path / "bad.csv.cache").exists()


def test_bad_folders(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        load_faces(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images, expected train/<class>"):
        load_faces(tmp_path / "empty")
    names = ["angry", "disgust", "fear", "happy", "sad", "surprise", "bored"]
    write_folders(tmp_path / "unknown", rows(), True, names)
    with pytest.raises(DataError, match="unknown class folder 'bored' among those of FER2013"):
        load_faces(tmp_path / "unknown")
    write_folders(tmp_path / "odd", rows())
    broken = next((tmp_path / "odd" / "train" / "happy").iterdir())
    broken.write_bytes(b"nothing")
    with pytest.raises(DataError, match=f"{broken.name}: cannot be read as an image"):
        load_faces(tmp_path / "odd")
    Image.fromarray(np.zeros((6, 7), np.uint8)).save(broken)
    with pytest.raises(DataError, match="is 7×6, expected 6×6"):
        load_faces(tmp_path / "odd")


def test_the_real_data_are_official_and_have_the_known_exact_duplicates(real, tmp_path_factory):
    cache = tmp_path_factory.getbasetemp().parent / "fer2013-cache"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        faces = load_faces(real, strict=True, cache=cache)
    duplicates = find_exact_duplicates(faces)
    assert (duplicates.leaked["test"].sum(), duplicates.leaked["val"].sum(), duplicates.contradictory) == (288, 280, 57)
