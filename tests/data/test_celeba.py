"""Small folders like CelebA's, with the lists of its authors (.txt) and of Kaggle (.csv)."""

import re

import numpy as np
import pytest
from PIL import Image

from gan_jax import errors
from gan_jax.data import celeba_attributes
from tests.data import making

NAMES = ("5_o_Clock_Shadow", "Bald", "Eyeglasses", "Male", "Smiling", "Wearing_Hat", "Young")
FACES = {  # file: Male, Smiling, Eyeglasses
    "000001.jpg": (0, 0, 1),
    "000002.jpg": (0, 1, 0),
    "000003.jpg": (1, 0, 1),
    "000004.jpg": (1, 1, 0),
    "000010.jpg": (1, 1, 1),
}
CLASSES = ("not-Male not-Smiling", "not-Male Smiling", "Male not-Smiling", "Male Smiling")
PARTS = {"000001.jpg": 0, "000002.jpg": 2, "000003.jpg": 0, "000004.jpg": 1, "000010.jpg": 0}


def rows_of(faces):
    for name, (male, smiling, glasses) in faces.items():
        has = {"Male": male, "Smiling": smiling, "Eyeglasses": glasses}
        yield name, ["1" if has.get(attribute) else "-1" for attribute in NAMES]


def write_lists(root, end, faces=FACES, parts=PARTS):
    if end == ".txt":
        lines = [str(len(faces)), " ".join(NAMES) + " "]
        for name, values in rows_of(faces):
            lines.append(f"{name} {' '.join(value.rjust(2) for value in values)}")
        split = [f"{name} {part}" for name, part in parts.items()]
    else:
        lines = [",".join(["image_id", *NAMES])]
        lines += [",".join([name, *values]) for name, values in rows_of(faces)]
        split = ["image_id,partition"] + [f"{name},{part}" for name, part in parts.items()]
    (root / f"list_attr_celeba{end}").write_text("\n".join(lines) + "\n")
    if parts:
        (root / f"list_eval_partition{end}").write_text("\n".join(split) + "\n")


def jpeg(number):
    """178x218 pixels: a middle whose gray is the number, and a white frame outside the own crop."""
    picture = np.full((218, 178, 3), 255, np.uint8)
    picture[50:168, 30:148] = 20 * number
    return making.encoded(picture, "jpeg", quality=95)


def write_set(root, end=".txt", folder="img_align_celeba", **lists):
    (root / folder).mkdir(parents=True)
    for name in FACES:
        (root / folder / name).write_bytes(jpeg(int(name[:6])))
    write_lists(root, end, **lists)
    return f"celeba:{root}"


def load(spec, split="train", **options):
    return making.load(spec, split=split, **options)


def numbers(loaded):
    """Which images they are, from their grays."""
    return np.rint(loaded.images.mean((1, 2, 3)) / 20).astype(int).tolist()


def prepare_with_tfds(root):
    """DIR/celeb_a as tfds prepares it, with the training images 1, 3 and 10."""
    tfds = pytest.importorskip("tensorflow_datasets")
    pytest.importorskip("array_record.python.array_record_module")
    from tests.data.tfds_sets import prepare

    tfds.disable_progress_bar()
    image = tfds.features.Image(shape=(218, 178, 3), encoding_format="jpeg")
    features = {"image": image, "attributes": dict.fromkeys(NAMES, np.bool_)}
    records = []
    for name, values in rows_of(FACES):
        if PARTS[name] == 0:
            attributes = {name: value == "1" for name, value in zip(NAMES, values, strict=True)}
            records.append({"image": jpeg(int(name[:6])), "attributes": attributes})
    prepare(root, features, "celeb_a", version="2.1.0", train=records)
    return f"celeba:{root}"


# --- classes ---


def test_combinations_of_attributes():
    table = {
        "Male": np.array([0, 0, 1, 1], bool),
        "Smiling": np.array([0, 1, 0, 1], bool),
        "Bald": np.array([1, 0, 0, 0], bool),
    }
    labels, classes = celeba_attributes.combine_attributes(["Male", "Smiling"], table)
    assert labels.dtype == np.int32 and labels.tolist() == [0, 1, 2, 3]
    assert classes == CLASSES
    for nothing in ([], [""], [" ", ""]):
        assert celeba_attributes.combine_attributes(nothing, table)[1] == classes
    labels, classes = celeba_attributes.combine_attributes([" Bald "], table)
    assert labels.tolist() == [1, 0, 0, 0] and classes == ("not-Bald", "Bald")
    labels, classes = celeba_attributes.combine_attributes(["Smiling", "Bald", "Male"], table)
    assert [classes[i] for i in labels] == [
        "not-Smiling Bald not-Male",
        "Smiling not-Bald not-Male",
        "not-Smiling not-Bald Male",
        "Smiling not-Bald Male",
    ]
    assert len(classes) == len(set(classes)) == 8


def test_bad_attributes_are_refused(tmp_path):
    spec = write_set(tmp_path / "set")
    for labels, words in (
        ("Male,smiling", "no attribute smiling; use one of Smiling."),
        ("Xyz", f"no attribute Xyz; use one of {', '.join(NAMES)}."),
        ("Male,Male", "--labels=Male,Male: name different attributes"),
        (",".join(NAMES), "6 at most"),
    ):
        with pytest.raises(errors.InputError, match=re.escape(words)):
            load(spec, labels=labels)
    assert len(load(spec, labels=",".join(NAMES[1:])).classes) == 64


# --- the folder ---


@pytest.mark.parametrize("end", [".txt", ".csv"])
@pytest.mark.parametrize("folder", ["img_align_celeba", "img_align_celeba/img_align_celeba"])
def test_images_labels_and_splits(tmp_path, end, folder):
    spec = write_set(tmp_path / "set", end, folder)
    train, test = load(spec), load(spec, "test")
    assert numbers(train) == [1, 3, 10] and numbers(test) == [2]
    assert train.images.shape == (3, 16, 16, 3)
    assert train.labels.dtype == np.int32
    assert train.labels.tolist() == [0, 2, 3] and test.labels.tolist() == [1]
    assert train.classes == test.classes == CLASSES
    glasses = load(spec, labels="Eyeglasses")
    assert glasses.labels.tolist() == [1, 1, 1]
    assert glasses.classes == ("not-Eyeglasses", "Eyeglasses")


def test_without_partition_all_are_train(tmp_path, capsys):
    spec = write_set(tmp_path / "set", parts={})
    assert numbers(load(spec)) == [1, 2, 3, 4, 10]
    assert "no list_eval_partition: all images are the train split" in capsys.readouterr().out
    assert load(spec, "test") is None


def test_own_crop(tmp_path):
    """108 pixels lie within the gray of 118; the largest square, 178, has white corners."""
    spec = write_set(tmp_path / "set")
    assert load(spec).images[0].max() < 30
    assert load(spec, crop=178).images[0, 0, 0].min() > 240
    making.refused("cropped to 108 pixels", "--size=108", spec=spec, size=128)


@pytest.mark.long
def test_folder_prepared_by_tfds(tmp_path):
    spec = prepare_with_tfds(tmp_path / "prepared")
    prepared, plain = load(spec), load(write_set(tmp_path / "plain"))
    assert np.array_equal(prepared.images, plain.images)
    assert np.array_equal(prepared.labels, plain.labels) and prepared.classes == plain.classes
    assert load(spec, labels="Eyeglasses").labels.tolist() == [1, 1, 1]
    assert load(spec, "test") is None


def test_images_without_attributes_train_unlabelled(tmp_path, capsys):
    faces = {name: has for name, has in FACES.items() if name != "000003.jpg"}
    spec = write_set(tmp_path / "set", faces=faces)
    assert load(spec).labels.tolist() == [0, -1, 3]
    assert "1 images are not in list_attr_celeba" in capsys.readouterr().out


def test_lists_and_images_that_differ(tmp_path, capsys):
    spec = write_set(tmp_path / "set")
    (tmp_path / "set" / "img_align_celeba" / "000003.jpg").unlink()
    words = "1 images listed in list_attr_celeba are not in", "000003.jpg", "--skip_bad_images"
    making.refused(*words, spec=spec)
    assert numbers(load(spec, skip_bad_images=True)) == [1, 10]
    assert "000003.jpg; they are left out" in capsys.readouterr().out
    spec = write_set(tmp_path / "other", parts={name: 0 for name in FACES if name != "000010.jpg"})
    making.refused("1 images are not in list_eval_partition", "000010.jpg", spec=spec)
    assert numbers(load(spec, skip_bad_images=True)) == [1, 2, 3, 4]


def test_bad_folders_are_refused(tmp_path):
    making.assert_refused_without_images("celeba", tmp_path / "set", "img_align_celeba")
    spec = write_set(tmp_path / "other")
    (tmp_path / "other" / "list_attr_celeba.txt").unlink()
    making.refused("no list_attr_celeba.txt or .csv", "folder:DIR", spec=spec)
    spec = write_set(tmp_path / "third", parts=dict.fromkeys(FACES, 2))
    making.refused("no image", "train split", spec=spec)
    (tmp_path / "third" / "img_align_celeba" / "a").mkdir()
    Image.new("RGB", (178, 218)).save(tmp_path / "third" / "img_align_celeba" / "a" / "000001.jpg")
    making.refused("both image 000001.jpg", spec=spec)


@pytest.mark.parametrize(
    ("end", "change", "words"),
    [
        (".txt", lambda text: "", ["is empty"]),
        (
            ".txt",
            lambda text: text.partition("\n")[2],
            ["starts with 5_o_Clock_Shadow Bald Eyeglasses", "number of images"],
        ),
        (".txt", lambda text: text.partition("\n")[0], ["ends before its header"]),
        (".txt", lambda text: "7" + text[1:], ["promises 7", "lists 5"]),
        (".txt", lambda text: text[:-4], ["line 7", "fields instead of 8"]),
        (
            ".txt",
            lambda text: text.replace("000002", "000001"),
            ["line 4", "000001.jpg occurs a second time"],
        ),
        (".csv", lambda text: "", ["is empty"]),
        (".csv", lambda text: text.partition("\n")[0], ["no rows"]),
        (".csv", lambda text: text.replace("image_id", "file"), ["no column image_id"]),
        (
            ".csv",
            lambda text: text.replace("000002.jpg,-1,-1,-1,-1,1", "000002.jpg,-1,-1,-1,-1,0"),
            ["line 3", "Smiling", "is 0"],
        ),
        (
            ".csv",
            lambda text: text.replace("000002.jpg,-1,-1,-1,-1,1", "000002.jpg,-1,-1,-1,,1"),
            ["line 3", "Male", "is empty"],
        ),
    ],
)
def test_bad_attributes_file_is_refused(tmp_path, end, change, words):
    spec = write_set(tmp_path / "set", end)
    path = tmp_path / "set" / f"list_attr_celeba{end}"
    path.write_text(change(path.read_text()))
    making.refused(*words, spec=spec)


def test_windows_lists_are_read(tmp_path):
    for end in (".txt", ".csv"):
        spec = write_set(tmp_path / end, end)
        for path in (tmp_path / end).glob("list_*"):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
        assert load(spec).labels.tolist() == [0, 2, 3]


def test_bad_partition_is_refused(tmp_path):
    spec = write_set(tmp_path / "set")
    path = tmp_path / "set" / "list_eval_partition.txt"
    path.write_text(path.read_text().replace("000002.jpg 2", "000002.jpg 3"))
    making.refused(path, "line 2", "000002.jpg is 3", "0 (train)", spec=spec)
    path.write_text("")
    making.refused(path, "no rows", spec=spec)


def test_files_of_other_types_are_counted(tmp_path, capsys):
    spec = write_set(tmp_path / "set")
    (tmp_path / "set" / "img_align_celeba" / "readme.txt").write_text("")
    load(spec)
    assert "Not read: 1 .txt" in capsys.readouterr().out
